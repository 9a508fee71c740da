"""The form of a realism statistic: a published fact, and how it is measured in a played scenario.

A statistic is made by decorating its measure:

    @statistic("return rate", "17.6 %", "NRF (2023)", (0.12, 0.23), needs=("returns",))
    def return_rate(market: Market) -> float: ...
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from flashsale_env import Scenario
from flashsale_env.experiments.realism.playing import Market

# A number, or a sentence for a statistic that is only reported.
Measured: TypeAlias = float | str


@dataclass(frozen=True)
class Statistic:
    """A published fact.

    Args:
        name: in the table.
        target: the published figure, as text.
        source: of the figure.
        accepted: lowest and highest value that passes; None for a statistic that is only reported.
        needs: mechanisms of the scenario without which the fact is not modelled.
        models: whether a scenario with these mechanisms models the fact.
        measure: the figure in a played scenario.
        in_percent: whether the figure is shown in per cent.
    """

    name: str
    target: str
    source: str
    accepted: tuple[float, float] | None
    needs: tuple[str, ...]
    models: Callable[[Scenario], bool]
    measure: Callable[[Market], Measured]
    in_percent: bool = True

    def applies(self, scenario: Scenario) -> bool:
        """Whether the scenario models the fact."""
        return all(getattr(scenario, name) is not None for name in self.needs) and self.models(scenario)


def statistic(
    name: str,
    target: str,
    source: str,
    accepted: tuple[float, float] | None,
    *,
    needs: tuple[str, ...] = (),
    models: Callable[[Scenario], bool] = lambda scenario: True,
    in_percent: bool = True,
) -> Callable[[Callable[[Market], Measured]], Statistic]:
    """Make a statistic of its measure; arguments as in `Statistic`."""

    def made(measure: Callable[[Market], Measured]) -> Statistic:
        return Statistic(name, target, source, accepted, needs, models, measure, in_percent)

    return made

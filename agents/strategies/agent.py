"""The agent that plays a strategy: no memory, only the tick and the units sold.

Axes    N sales, T ticks, C columns of the action.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from flashsale_env import DECISIONS, Scenario, UnitReader, load_scenario
from flashsale_env.agents.base import Agent, Space
from flashsale_env.agents.exact import why_unseen
from flashsale_env.agents.strategies.document import FILE, SLOW, Strategy, read_strategy, write_strategy


class StrategyAgent(Agent):
    """Plays a strategy, see `document`.

    Args:
        scenario: name, path or object.
        document: the strategy, as for `read_strategy`.
        seed: without effect.
        numbers: values of its free numbers, by the names of `Strategy.space`; the others as in the document.

    Raises:
        ValueError: the document does not fit the scenario, or the scenario does not show what it reads.
    """

    name = "strategy"
    written: ClassVar[Strategy | None] = None  # by `as_class`

    def __init__(
        self,
        scenario: str | Path | Scenario,
        document: str | Path | Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        **numbers: float,
    ) -> None:
        sale = load_scenario(scenario)
        written = self.written if document is None else read_strategy(document, sale)
        if written is None:
            raise ValueError("a strategy needs its document: StrategyAgent(scenario, document=FILE).")
        self.encoding = written.levers.codec.encoding
        self.strategy = written.moved({**written.numbers(), **numbers}) if numbers else written
        type(self).check(written, sale)
        super().__init__(sale, seed=seed, **({} if self.written is None else numbers))
        self.mark = ""
        self._units = UnitReader(sale)
        self._levers = written.levers
        self._lay_out()

    @classmethod
    def check(cls, strategy: Strategy, scenario: Scenario) -> None:
        """Refuse a scenario that hides what the strategy reads.

        Raises:
            ValueError: it does.
        """
        reason = why_unseen(scenario, "time_left")
        if reason is None and strategy.reacts:
            reason = UnitReader(scenario).why_unread("sold", "owned")
        if reason is not None:
            raise ValueError(f"strategy {strategy.name!r} cannot be played in scenario {scenario.name!r}: {reason}.")

    @classmethod
    def space(cls, scenario: Scenario) -> Space:
        return {} if cls.written is None else cls.written.space()

    @classmethod
    def defaults(cls, scenario: Scenario) -> dict[str, float]:
        return {} if cls.written is None else cls.written.numbers()

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        tick = np.minimum(self._units.tick(observations), self.scenario.horizon_ticks - 1)
        settings = self._settings[tick]
        if self.strategy.reacts:
            share = self._share_sold(observations)
            for (limits, replaced), is_slow in self._branches:
                limit = limits[tick]
                due = share < limit if is_slow else share > limit
                settings = np.where(due & ~np.isnan(limit), replaced[tick], settings)
        return self._levers.as_actions(settings), state

    def save(self, folder: str | Path) -> Path:
        """Write the document as `strategy.toml`; `load` reads it back."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_strategy(folder / FILE, self.strategy)
        return folder

    @classmethod
    def load(cls, folder: str | Path, scenario: str | Path | Scenario, device: str = "auto") -> "StrategyAgent":
        """Read what `save` wrote; a strategy computes on the CPU whatever `device` says."""
        return cls(scenario, document=Path(folder) / FILE)

    def _share_sold(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(N, C) share of the units sold: of the product of a column, or of all."""
        sold, owned = self._units.sold(observations), self._units.owned(observations)
        every = sold.sum(axis=1) / np.maximum(owned.sum(axis=1), 1)
        share = np.tile(every[:, None], (1, len(self.codec.names)))
        own = sold / np.maximum(owned, 1)
        for decision in self._levers.names:
            if tuple(DECISIONS[decision].labels(self.scenario)) == self.scenario.titles:
                columns = self.codec.columns(decision)
                share[:, columns] = own[:, self.codec.numbers_of(columns)]
        return np.asarray(share)

    def _lay_out(self) -> None:
        """Settings (T, C) of every tick; for each kind of branch its limits (T, C), NaN where there is none, and
        settings (T, C).
        """
        horizon, columns = self.scenario.horizon_ticks, len(self.codec.names)
        self._settings = np.zeros((horizon, columns))
        kinds = sorted({kind for phase in self.strategy.phases for kind in phase.branches})
        tables = {kind: (np.full((horizon, columns), np.nan), np.zeros((horizon, columns))) for kind in kinds}
        begin = 0
        for phase in self.strategy.phases:
            rows = slice(begin, begin + phase.ticks)
            self._settings[rows] = phase.later
            if phase.ticks:
                self._settings[begin] = phase.first
            for kind, branch in phase.branches.items():
                limits, replaced = tables[kind]
                limits[rows, branch.columns] = branch.limit
                replaced[rows, branch.columns] = branch.settings
            begin += phase.ticks
        self._branches = [(table, kind == SLOW) for kind, table in tables.items()]


def as_class(strategy: Strategy) -> type[StrategyAgent]:
    """The strategy as a class of agents with its free numbers as parameters, which `experiments.tuning` searches."""
    return type("WrittenStrategy", (StrategyAgent,), {"written": strategy})

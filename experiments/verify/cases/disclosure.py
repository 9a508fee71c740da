"""Disclosure: when a page should show the units left.

Owns    the scenario, the dynamic program over units and time, and policies that show by units left.
Units   units sold; the price is 1.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from flashsale_env import Arrivals, Choice, Disclosure, Product, Scenario, UnitReader
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Floats, Measurement, described
from flashsale_env.experiments.verify.simulating import profit

Bools = npt.NDArray[np.bool_]


class ShowsByUnits:
    """Shows the page of a single product in a tick with t ticks to go and x units left if the table says so.

    Args:
        scenario: with `disclosure` as its only decision.
        table: (T + 1, X + 1) by ticks to go and units left.
    """

    encoding = "box"

    def __init__(self, scenario: Scenario, table: Bools) -> None:
        self._reader, self._table, self._horizon = UnitReader(scenario), table, scenario.horizon_ticks

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> Any:
        to_go = self._horizon - self._reader.tick(observation)
        shows = self._table[to_go, self._reader.on_hand(observation)[:, 0]]
        return np.where(shows, 1.0, -1.0)[:, None].astype(np.float32), state


@validation_case(
    "disclosure",
    "dynamic program; after Chen, Liu, Moinzadeh & Tan (2025), Information Systems Research",
    "units left win customers if they are few and lose them if there are plenty: show them from a threshold on",
    units=20,
    ticks=60,
    arrival_probability=0.9,
    hidden=0.3,
    plenty=0.15,
    scarce=0.45,
    scale=5.0,
)
def disclosure(
    sales: int,
    units: int,
    ticks: int,
    arrival_probability: float,
    hidden: float,
    plenty: float,
    scarce: float,
    scale: float,
) -> list[Measurement]:
    shown = plenty + scarce * np.exp(-np.arange(1, units + 1) / scale)
    if not 0 < hidden < 1 or not (shown < 1).all():
        raise ValueError("disclosure: hidden and plenty + scarce·exp(-x / scale) must be probabilities.")
    scenario = disclosure_scenario(units, ticks, arrival_probability, hidden, shown)
    best, value = solve(shown, hidden, arrival_probability, ticks)
    threshold, of_threshold = best_threshold(shown, hidden, arrival_probability, ticks)
    never, always = np.zeros_like(best), np.ones_like(best)
    label = described(n=units, T=ticks)

    def measured(name: str, table: Bools, expected: float) -> Measurement:
        return profit(f"{name}, {label}", expected, ShowsByUnits(scenario, table), scenario, sales)

    return [
        measured("dynamic program", best, value),
        measured(f"shown at {threshold} or fewer", by_threshold(best.shape, threshold), of_threshold),
        measured("never shown", never, evaluate(never, shown, hidden, arrival_probability)),
        measured("always shown", always, evaluate(always, shown, hidden, arrival_probability)),
    ]


def disclosure_scenario(units: int, ticks: int, arrival_probability: float, hidden: float, shown: Floats) -> Scenario:
    """A sale whose customer buys with probability `hidden`, or `shown`[x - 1] at x units left on the page."""
    return Scenario(
        name="verification",
        horizon_ticks=ticks,
        tick_minutes=1.0,
        # The outside option is at 0, and the price takes one logit.
        products=(Product("ticket", (1.0,), units, quality=1.0 + float(logit(hidden))),),
        arrivals=Arrivals(arrival_probability, law="bernoulli"),
        choice=Choice("mnl"),
        disclosure=Disclosure(units_left=tuple((logit(shown) - logit(hidden)).tolist())),
        observe=("time_left", "on_hand"),
    )


def solve(shown: Floats, hidden: float, arrival_probability: float, ticks: int) -> tuple[Bools, float]:
    """The optimal table (T + 1, X + 1) by ticks to go and units left, and the units sold from a full shelf."""
    table, value = np.zeros((ticks + 1, len(shown) + 1), np.bool_), np.zeros(len(shown) + 1)
    for to_go in range(1, ticks + 1):
        worth = 1.0 - np.diff(value)  # of selling one, at 1, 2, ... units left
        table[to_go, 1:] = (shown - hidden) * worth > 0
        value[1:] += arrival_probability * np.maximum(shown * worth, hidden * worth)
    return table, float(value[-1])


def evaluate(table: Bools, shown: Floats, hidden: float, arrival_probability: float) -> float:
    """Units sold from a full shelf under a table."""
    value = np.zeros(table.shape[1])
    for row in table[1:]:
        value[1:] += arrival_probability * np.where(row[1:], shown, hidden) * (1.0 - np.diff(value))
    return float(value[-1])


def by_threshold(shape: tuple[int, ...], threshold: int) -> Bools:
    """A table of this shape that shows at so many units or fewer."""
    return np.broadcast_to(np.arange(shape[1]) <= threshold, shape)


def best_threshold(shown: Floats, hidden: float, arrival_probability: float, ticks: int) -> tuple[int, float]:
    """The best threshold, and the units sold with it."""
    shape = (ticks + 1, len(shown) + 1)
    values = [evaluate(by_threshold(shape, k), shown, hidden, arrival_probability) for k in range(len(shown) + 1)]
    return int(np.argmax(values)), float(max(values))

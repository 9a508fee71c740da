"""Disclosure: when a page should show the units left.

Owns    the scenario, the dynamic program over units and time, and a policy that plays its table.
Axes    A offers, T ticks, X units, C columns of an action.
Units   currency.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from flashsale_env import Arrivals, Choice, Disclosure, Product, Scenario, UnitReader
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Floats, Measurement, described
from flashsale_env.experiments.verify.simulating import profit

Integers = npt.NDArray[np.int64]


class PlaysTable:
    """Plays an offer by the units left of a single product and the ticks to go.

    Args:
        scenario: shows `time_left` and `on_hand`.
        table: (T + 1, X + 1) offers by ticks to go and units left.
        actions: (A, C) box action of each offer.
    """

    encoding = "box"

    def __init__(self, scenario: Scenario, table: Integers, actions: npt.NDArray[np.float32]) -> None:
        self._reader, self._table, self._actions = UnitReader(scenario), table, actions
        self._horizon = scenario.horizon_ticks

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> Any:
        to_go = self._horizon - self._reader.tick(observation)
        return self._actions[self._table[to_go, self._reader.on_hand(observation)[:, 0]]], state


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
    buys, prices = np.vstack([np.full(units, hidden), shown]), np.ones(2)  # offers: the page hides its figures or not
    best, value = solve(buys, prices, arrival_probability, ticks)
    thresholds = [by_threshold(best.shape, k) for k in range(units + 1)]
    values = [evaluate(table, buys, prices, arrival_probability) for table in thresholds]
    k = int(np.argmax(values))
    label = described(n=units, T=ticks)

    def measured(name: str, table: Integers, expected: float) -> Measurement:
        policy = PlaysTable(scenario, table, np.array([[-1.0], [1.0]], np.float32))
        return profit(f"{name}, {label}", expected, policy, scenario, sales)

    return [
        measured("dynamic program", best, value),
        measured(f"shown at {k} or fewer", thresholds[k], values[k]),
        measured("never shown", thresholds[0], values[0]),
        measured("always shown", thresholds[-1], values[-1]),
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


def solve(buys: Floats, prices: Floats, arrival_probability: float, ticks: int) -> tuple[Integers, float]:
    """The optimal table (T + 1, X + 1) of offers by ticks to go and units left, and its revenue from a full shelf.

    Args:
        buys: (A, X) probability that a customer buys, by offer and units left.
        prices: (A,) of the offers.
        arrival_probability: of at most one customer in a tick.
        ticks: T.
    """
    table, value = np.zeros((ticks + 1, buys.shape[1] + 1), np.int64), np.zeros(buys.shape[1] + 1)
    for to_go in range(1, ticks + 1):
        gains = arrival_probability * buys * (prices[:, None] - np.diff(value))
        table[to_go, 1:] = gains.argmax(axis=0)
        value[1:] += gains.max(axis=0)
    return table, float(value[-1])


def evaluate(table: Integers, buys: Floats, prices: Floats, arrival_probability: float) -> float:
    """Revenue of a table of offers from a full shelf; arguments as in `solve`."""
    value = np.zeros(table.shape[1])
    for row in table[1:, 1:]:
        value[1:] += arrival_probability * buys[row, np.arange(len(row))] * (prices[row] - np.diff(value))
    return float(value[-1])


def by_threshold(shape: tuple[int, ...], threshold: int) -> Integers:
    """A table of this shape that shows at so many units or fewer."""
    return np.broadcast_to((np.arange(shape[1]) <= threshold).astype(np.int64), shape)

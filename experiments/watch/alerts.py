"""Alerts on a sale while it sells: charts whose false alarms are counted, not hoped for.

Owns    which figures of a sale are charted, and when a chart gives an alarm.
Leaves  the charts to `control`, playing to `Simulator`.
Axes    N sales, T ticks, M products.

Ticks of a sale are neither normal nor independent: one sale as a whole has more customers than another. So a tick is
compared with what this sale has shown so far, relative to sales of the same scenario under the same agent, and the
charts are calibrated on those sales: an alarm is a chart above what all but a share of them reach at any tick. By
exchangeability a sale of the same kind gives an alarm with at most that probability (Vovk, Gammerman & Shafer 2005).

| alert | chart | what it says |
|---|---|---|
| traffic | CUSUM, both sides | more or fewer customers than this sale should have |
| conversion | CUSUM, both sides | customers buy more or less often |
| stock-out | EWMA of sales | at this pace a product is sold out before the close, which is not usual |
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import Population, Scenario, Simulator
from flashsale_env.agents.protocol import Policy
from flashsale_env.agents.seeding import validation_seeds
from flashsale_env.experiments.watch.control import cusum

Floats = npt.NDArray[np.float64]

TRAFFIC, CONVERSION, STOCK_OUT = "traffic", "conversion", "stock-out"
ALERTS = (TRAFFIC, CONVERSION, STOCK_OUT)
REFERENCE = 0.5  # standard deviations: the charts are made for shifts of twice as much
SALES = 400  # of the calibration
FALSE_ALARMS = 0.05  # share of undisturbed sales that give an alarm, over all alerts together
_WEIGHT = 0.3  # of the newest tick in the pace of sales


@dataclass(frozen=True)
class Course:
    """Sales tick by tick: customers (N, T), units sold (N, T, M), units on hand after the tick (N, T, M)."""

    customers: Floats
    sold: Floats
    on_hand: Floats

    def until(self, ticks: int) -> "Course":
        """The first ticks."""
        return Course(self.customers[:, :ticks], self.sold[:, :ticks], self.on_hand[:, :ticks])


@dataclass(frozen=True)
class Alarm:
    """The first alarm of an alert in a sale.

    Args:
        alert: one of `ALERTS`.
        tick: in which it came.
        direction: +1 for more than usual, -1 for less; +1 for a stock-out.
        product: index of the product of a stock-out, else -1.
    """

    alert: str
    tick: int
    direction: int
    product: int = -1


def course_of(policy: Policy, scenario: Scenario, population: Population, seeds: npt.NDArray[np.uint64]) -> Course:
    """The sales of these seeds, played by the agent."""
    n = len(seeds)
    simulator = Simulator(scenario, population, sales=n, actions=policy.encoding)
    observation, state = simulator.open(seeds, np.zeros(n, np.int64)), None
    rows: list[tuple[Any, Any, Any]] = []
    for tick in range(scenario.horizon_ticks):
        actions, state = policy.predict(observation, state, np.full(n, tick == 0), True)
        observation, _, _ = simulator.advance(actions)
        sales = simulator.sales
        # Without sales, a rival's product raises no alert.
        sold = sales["tick_sold"] * scenario.own
        rows.append((sales["tick_customers"].copy(), sold, sales["on_hand"].copy()))
    customers, units, on_hand = (np.stack(column, axis=1).astype(np.float64) for column in zip(*rows, strict=True))
    return Course(customers, units, on_hand)


class Watch:
    """Alerts for the sales of one scenario under one agent.

    Args:
        course: undisturbed sales, on which the charts are calibrated.
        false_alarms: share of undisturbed sales that may give an alarm, over all alerts together.

    Attributes:
        limits: alert -> its limit.

    Raises:
        ValueError: the share is out of range, or the sales are too few for it.
    """

    def __init__(self, course: Course, false_alarms: float = FALSE_ALARMS) -> None:
        if not 0 < false_alarms < 1:
            raise ValueError(f"the share of false alarms must lie between 0 and 1, got {false_alarms:g}.")
        sales = len(course.customers)
        each = false_alarms / len(ALERTS)
        needed = math.ceil(1 / each) - 1
        if sales < needed:
            raise ValueError(
                f"alarms in at most {false_alarms:g} of the sales need {needed:,} sales to calibrate on, got {sales:,}."
            )
        self._usual: dict[str, tuple[Floats, Floats]] = {}
        for name, values in _figures(course).items():
            mean = values.mean(axis=0)
            spread = _news(values, mean).std(axis=0, ddof=1)
            self._usual[name] = mean, np.where(spread > 0, spread, 1.0)
        self._sold = course.sold.mean(axis=0)
        # The k-th largest of n: a further sale is above it with a probability of at most `each`.
        rank = math.floor(each * (sales + 1))
        self.limits = {
            name: float(np.sort(path.max(axis=(1, 2)))[sales - rank]) for name, path in self._charts(course).items()
        }

    @classmethod
    def of(cls, policy: Policy, scenario: Scenario, population: Population, sales: int = SALES) -> "Watch":
        """Calibrated on validation sales that the agent plays."""
        return cls(course_of(policy, scenario, population, validation_seeds(sales)))

    def _charts(self, course: Course) -> dict[str, Floats]:
        """Alert -> (N, T, sides or products)."""
        ticks = course.customers.shape[1]
        found = {}
        for name, values in _figures(course).items():
            mean, spread = self._usual[name]
            found[name] = cusum(_news(values, mean[:ticks]) / spread[:ticks], REFERENCE)
        found[STOCK_OUT] = _shortage(course, self._sold)
        return found

    def alarms(self, course: Course) -> list[list[Alarm]]:
        """For each sale the first alarm of each alert so far, in the order of time."""
        charts = self._charts(course)
        found: list[list[Alarm]] = [[] for _ in course.customers]
        for name, path in charts.items():
            above = path > self.limits[name]
            for sale in np.flatnonzero(above.any(axis=(1, 2))):
                tick = int(above[sale].any(axis=1).argmax())
                side = int(path[sale, tick].argmax())
                is_stock = name == STOCK_OUT
                direction = 1 if is_stock or side == 0 else -1
                found[sale].append(Alarm(name, tick, direction, side if is_stock else -1))
        return [sorted(alarms, key=lambda alarm: alarm.tick) for alarms in found]


def _figures(course: Course) -> dict[str, Floats]:
    """What is charted by CUSUM, (N, T): square roots of customers, whose spread hardly depends on their number, and the
    share of customers who buy.
    """
    units, customers = course.sold.sum(axis=2), course.customers
    # A tick without customers says nothing of conversion: it takes the mean of the others.
    share = np.divide(units, customers, out=np.full_like(units, np.nan), where=customers > 0)
    mean = np.nanmean(np.where(np.isnan(share).all(axis=0), 0.0, share), axis=0)
    return {TRAFFIC: np.sqrt(customers), CONVERSION: np.where(np.isnan(share), mean, share)}


def _news(values: Floats, mean: Floats) -> Floats:
    """(N, T) each value over the mean of its tick, less the mean of the same ratio in the sale's earlier ticks.

    The ratio of a sale as a whole, its level, is no news after the first ticks.
    """
    ratio = np.divide(values, mean, out=np.ones_like(values), where=mean > 0)
    before = np.ones_like(ratio)
    before[:, 1:] = ratio.cumsum(axis=1)[:, :-1] / np.arange(1, ratio.shape[1])
    return np.asarray(ratio - before)


def _shortage(course: Course, usual: Floats) -> Floats:
    """(N, T, M) units missing at the close at the pace of recent sales, in standard deviations of Poisson sales.

    The pace is the weighted mean of recent sales over that of the `usual` ones, (T, M); it is applied to what usually
    sells from here on. A product that is sold out already is no news: it keeps its last value.
    """
    sales, ticks, products = course.sold.shape
    found, last = np.empty((sales, ticks, products)), np.full((sales, products), -np.inf)
    to_come = usual[::-1].cumsum(axis=0)[::-1] - usual
    pace, norm = course.sold[:, 0].copy(), usual[0].copy()
    for t in range(ticks):
        pace = (1 - _WEIGHT) * pace + _WEIGHT * course.sold[:, t]
        norm = (1 - _WEIGHT) * norm + _WEIGHT * usual[t]
        wanted = np.divide(pace, norm, out=np.zeros_like(pace), where=norm > 0) * to_come[t]
        last = np.where(course.on_hand[:, t] > 0, (wanted - course.on_hand[:, t]) / np.sqrt(wanted + 1.0), last)
        found[:, t] = last
    return found

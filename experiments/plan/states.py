"""What an agent decides at a moment of the sale with so many units left: a table over time and stock.

Owns    the grid, and the sales that come to its states.
Axes    M products, U stocks of the grid, K sales, C decisions that are open.

The agent plays sales that open with another number of units of one product, from few to all; the others open as they
do. What it decided is gathered by moment, product and the nearest stock of the grid. So an agent with a memory, and one
that reads demand or messages, is seen in sales that it has played itself. A state that none of them came to is not in
the table.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import Population, Scenario, Simulator
from flashsale_env.agents.protocol import as_policy
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.plan.recording import open_rows

# Moments of the sale, stocks of each product, and sales in all.
MOMENTS, STOCKS = 12, 10
_SALES, _LEAST, _MOST = 2048, 8, 128


def stocks_of(scenario: Scenario) -> list[npt.NDArray[np.int64]]:
    """Units of each product on the grid, from few to all of its opening stock."""
    grids = []
    for product, most in zip(scenario.products, scenario.stock_scale.tolist(), strict=True):
        units = np.rint(np.linspace(0, product.initial_stock or most, STOCKS + 1)[1:])
        grids.append(np.unique(np.maximum(units, 1)).astype(np.int64))
    return grids


def moments_of(scenario: Scenario) -> list[int]:
    """Ticks of the grid, from the first to the last."""
    ticks = np.linspace(0, scenario.horizon_ticks - 1, min(MOMENTS, scenario.horizon_ticks))
    return sorted({round(tick) for tick in ticks.tolist()})


def states(
    agent: Any, scenario: Scenario, population: Population, progress: Callable[[int, int], None] | None = None
) -> tuple[list[str], list[list[Any]]]:
    """The table: its columns and its rows, by moment, product and stock.

    Args:
        agent: anything that `evaluate` plays.
        scenario, population: what it plays.
        progress: called with the ticks played and in all.
    """
    policy, stocks = as_policy(agent, scenario), stocks_of(scenario)
    opened = [(j, units) for j, grid in enumerate(stocks) for units in grid.tolist()]
    repeats = int(np.clip(_SALES // len(opened), _LEAST, _MOST))
    whose, units = (np.repeat(column, repeats) for column in np.array(opened).T)
    simulator = Simulator(scenario, population, sales=len(whose), actions=policy.encoding)
    each, count = np.arange(len(whose)), len(whose)
    simulator.open(np.tile(split_seeds("test", 0, repeats), len(opened)), np.zeros(count, np.int64))
    simulator.sales["on_hand"][each, whose] = units
    moments, (kinds, columns) = set(moments_of(scenario)), _columns(scenario)
    rows: list[list[Any]] = []
    observations, memory, start = simulator.observe(), None, np.ones(count, np.bool_)
    for tick in range(scenario.horizon_ticks):
        actions, memory = policy.predict(observations, memory, start, True)
        if tick in moments:
            on_hand, values = simulator.sales["on_hand"][each, whose], simulator.codec.to_values(actions)
            minute = tick * scenario.tick_minutes
            for j, title in enumerate(scenario.titles):
                nearest = np.abs(on_hand[:, None] - stocks[j]).argmin(axis=1)
                for k, number in enumerate(stocks[j].tolist()):
                    here = (whose == j) & (nearest == k) & (on_hand > 0)
                    if here.any():  # the median is a level, not a mean of two
                        middle = np.quantile(values[here], 0.5, axis=0, method="inverted_cdf")
                        own = [_cell(middle, columns[kind, title]) for kind in kinds]
                        left = scenario.sale_minutes - minute
                        rows.append([minute, left, title, number, int(here.sum()), *own])
        observations, _, _ = simulator.advance(actions)
        start = np.zeros(count, np.bool_)
        if progress is not None:
            progress(tick + 1, scenario.horizon_ticks)
    return ["minute", "minutes_left", "product", "on_hand", "sales", *kinds], rows


def _cell(decided: npt.NDArray[np.float64], column: int) -> float | str:
    return "" if column < 0 else float(decided[column])


def _columns(scenario: Scenario) -> tuple[list[str], dict[tuple[str, str], int]]:
    """Columns of the table, and (column of the table, product) -> column of the action; -1 where there is none.

    A decision about each product has one column; any other has one for each of its rows.
    """
    kinds: list[str] = []
    found: dict[tuple[str, str], int] = {}
    for row in open_rows(scenario):
        own = row.label in scenario.titles
        kind = row.decision if own else row.name
        if kind not in kinds:
            kinds.append(kind)
            found |= {(kind, title): -1 for title in scenario.titles}
        for title in [row.label] if own else scenario.titles:
            found[kind, title] = row.column
    return kinds, found

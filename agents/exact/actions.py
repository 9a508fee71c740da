"""Optimal prices and orders as actions of a scenario.

Axes    N sales, M products, C columns of the action.
Units   prices in currency; orders in units.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import ActionCodec, Scenario

Floats = npt.NDArray[np.float64]


def price_actions(codec: ActionCodec, scenario: Scenario, prices: Floats) -> npt.NDArray[Any]:
    """Actions (N, C) that set these prices (N, M), or the nearest level of a grid; a price of 0 withholds the product.

    Of two levels equally near, the higher is set. Decisions other than prices are at level 0.
    """
    columns = codec.columns("price")
    wanted = prices[:, codec.numbers_of(columns)]
    levels = np.zeros((len(prices), len(codec.n_levels)), np.int64)
    for k, (column, offered) in enumerate(zip(columns, codec.n_prices, strict=True)):
        menu = np.asarray(codec.levels[column])
        nearest = np.abs(wanted[:, k, None] - menu[:offered]).argmin(axis=1)
        levels[:, column] = np.where(wanted[:, k] > 0, nearest, len(menu) - 1)
    actions = codec.from_levels(levels)
    if scenario.pricing.continuous:
        actions[:, columns] = codec.from_prices(wanted)
    return actions


def order_actions(codec: ActionCodec, units: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Actions (N, 1) of a scenario with one order as its only decision: the largest level of at most `units` (N,)."""
    levels = np.searchsorted(codec.levels[codec.columns("order")[0]], units, side="right") - 1
    return codec.from_levels(levels[:, None])

"""Orders from the supplier, by the sales so far.

Axes    N sales, M products, O order columns.
Units   units of stock.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from flashsale_env import ActionCodec, Scenario
from flashsale_env.agents.base import Space
from flashsale_env.agents.rules.levers.base import Lever
from flashsale_env.agents.rules.view import Floats, Integers, View


class Cover(Lever):
    """Products are ordered up to `order_cover` times their remaining demand, forecast from the sales so far.

    Units on their way count as stock. Orders start when the share `order_from` of the customers has arrived, and end
    when none could arrive in time. With a cover of 0 nothing is ordered.
    """

    def needs(self, scenario: Scenario) -> tuple[str, ...]:
        return ("tick", "sold", "to_order")

    def space(self, scenario: Scenario) -> Space:
        return {"order_cover": (0.0, 2.0), "order_from": (0.02, 0.6)}

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        return {"order_cover": 1.0, "order_from": 0.3}

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        arrived = 1.0 - view.customers_left
        # Sales continue at the pace so far: units a customer, times the customers left.
        remaining_demand = view.sold / np.maximum(arrived, 1e-9) * view.customers_left
        missing = params["order_cover"] * remaining_demand - view.stock
        due = arrives_in_time(view) & (arrived >= params["order_from"])
        return order_levels(codec, np.where(due, np.minimum(missing, view.to_order), 0.0))


def arrives_in_time(view: View) -> npt.NDArray[np.bool_]:
    """(N, 1) whether an order placed now arrives before the close."""
    return view.tick[:, None] + view.scenario.lead_ticks < view.scenario.horizon_ticks


def order_levels(codec: ActionCodec, missing: Floats) -> Integers:
    """(N, O) levels of the largest orders of at most the missing units, (N, M)."""
    columns = codec.columns("order")
    levels = np.zeros((len(missing), len(columns)), np.int64)
    for k, j in enumerate(codec.numbers_of(columns)):
        levels[:, k] = np.searchsorted(codec.levels[columns[k]], missing[:, j] + 1e-6, side="right") - 1
    return np.maximum(levels, 0)


def units_ordered(codec: ActionCodec, levels: Integers, products: int) -> Floats:
    """(N, M) units of the orders with these levels, (N, O)."""
    units = np.zeros((len(levels), products))
    columns = codec.columns("order")
    for column, level, j in zip(columns, levels.T, codec.numbers_of(columns), strict=True):
        units[:, j] = np.asarray(codec.levels[column])[level]
    return units

"""Quotas of units at a special price, released when a slot begins.

Axes    N sales, M products, C quota columns.
Units   units of one product.
"""

from collections.abc import Mapping

import numpy as np

from flashsale_env import ActionCodec, Scenario, UnitReader
from flashsale_env.agents.base import Space
from flashsale_env.agents.rules.levers.base import Lever
from flashsale_env.agents.rules.view import Floats, Integers, View


class SlotQuota(Lever):
    """Quotas by pace: a share of what the slot is planned to sell, and more of a product that is behind its plan.

    The plan is to sell the share `seckill_target` of the units owned in proportion to the customers arrived. When a
    slot begins, the largest quota is released that is at most

        `seckill_share` · units planned until the next slot + `seckill_gain` · units behind plan.

    Without a plan, which needs a limited supply whose sales are observed, the largest quota of at most `seckill_share`
    of the highest is released.
    """

    def needs(self, scenario: Scenario) -> tuple[str, ...]:
        return ("tick",)

    def space(self, scenario: Scenario) -> Space:
        space: Space = {"seckill_share": (0.0, 1.0)}
        planned: Space = {"seckill_gain": (0.0, 4.0), "seckill_target": (0.0, 1.5)}
        return space | (planned if "sold" in UnitReader(scenario) else {})

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        return {"seckill_share": 0.1, "seckill_gain": 2.0, "seckill_target": 1.0}

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        columns = codec.columns(self.decision)
        quotas = np.asarray(codec.levels[columns[0]])  # the same of every product
        starts = np.array([*slot_starts(view.scenario), view.scenario.horizon_ticks])
        if "seckill_target" in params:
            units = self._units(view, starts, params)[:, codec.numbers_of(columns)]
        else:
            units = np.full((view.sales, len(columns)), params["seckill_share"] * quotas[-1])
        levels = np.maximum(np.searchsorted(quotas, units + 1e-6, side="right") - 1, 0)
        return np.where(np.isin(view.tick, starts)[:, None], levels, 0)

    def _units(self, view: View, starts: Integers, params: Mapping[str, float]) -> Floats:
        """(N, M) units to release now."""
        arrived = 1.0 - view.customers_left
        following = starts[np.minimum(np.searchsorted(starts, view.tick, side="right"), len(starts) - 1)]
        edges = view.scenario.admission_edges
        coming = view.scenario.arrivals.cumulative_share(edges[following, None]) - arrived
        target = params["seckill_target"] * view.owned
        behind = target * arrived - view.sold
        return np.asarray(params["seckill_share"] * target * coming + params["seckill_gain"] * behind)


def slot_starts(scenario: Scenario) -> list[int]:
    """The ticks in which slots begin; none in a sale without seckill."""
    return [] if scenario.seckill is None else scenario.seckill.slot_ticks(scenario)

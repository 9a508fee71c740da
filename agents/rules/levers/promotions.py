"""Promotions: shown while sales are behind plan or demand slumps, and offers by intent.

Axes    N sales, I intents.
Units   time and customers as shares of the sale.
"""

from collections.abc import Mapping

import numpy as np

from flashsale_env import INTENTS, ActionCodec, Scenario, UnitReader
from flashsale_env.agents.base import Space
from flashsale_env.agents.rules.levers.base import Lever, highest_level, own
from flashsale_env.agents.rules.view import Integers, View


class BehindPlan(Lever):
    """A promotion of the whole shop for slow sales, called NAME below.

    Level `NAME_level` is shown from the share `NAME_from` of the sale's time on, while the sales of the whole shop are
    behind the plan of selling the share `NAME_target` of its stock in proportion to the customers arrived. Without a
    plan, which needs a limited supply whose sales are observed, the promotion is always shown.

    Args:
        decision: as for `Lever`.
        opens: whether it is shown in the first tick, in which sales are neither ahead of the plan nor behind.
    """

    def __init__(self, decision: str, *, opens: bool = False) -> None:
        super().__init__(decision)
        self._opens = opens

    def needs(self, scenario: Scenario) -> tuple[str, ...]:
        return ("tick",)

    def space(self, scenario: Scenario) -> Space:
        space: Space = {
            f"{self.decision}_level": (0, highest_level(scenario, self.decision)),
            f"{self.decision}_from": (0.0, 1.0),
        }
        return space | ({f"{self.decision}_target": (0.0, 1.5)} if "sold" in UnitReader(scenario) else {})

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        return {f"{self.decision}_level": 1, f"{self.decision}_from": 0.0, f"{self.decision}_target": 1.0}

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        shown = view.elapsed >= params[f"{self.decision}_from"]
        if f"{self.decision}_target" in params:
            plan = params[f"{self.decision}_target"] * (1.0 - view.customers_left)
            shown = shown & ((view.sold_share < plan) | (self._opens & (view.tick[:, None] == 0)))
        return np.where(shown, int(params[f"{self.decision}_level"]), 0)


class Slump(Lever):
    """The coupon when demand slumps.

    It is shown while the customers expected in the next tick, times the recent traffic, are below the share
    `slump_traffic` of the sale's average, or while the conversion (where observed) is below `slump_conversion`.
    """

    def needs(self, scenario: Scenario) -> tuple[str, ...]:
        return ("tick",)

    def space(self, scenario: Scenario) -> Space:
        space: Space = {"coupon_level": (0, highest_level(scenario, self.decision)), "slump_traffic": (0.0, 4.0)}
        return space | ({"slump_conversion": (0.0, 1.0)} if "conversion" in scenario.features else {})

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        return {"coupon_level": 1, "slump_traffic": 0.8, "slump_conversion": 0.2}

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        ticks = view.scenario.horizon_ticks
        share = np.diff(view.scenario.arrivals.cumulative_share(view.scenario.admission_edges))
        expected = share[np.minimum(view.tick, ticks - 1), None] * ticks  # relative to the average tick
        slump = view.traffic * expected < params["slump_traffic"]
        if view.conversion is not None:
            # In the first tick there is no conversion yet.
            slump |= (view.conversion < params["slump_conversion"]) & (view.tick[:, None] > 0)
        return np.where(slump, int(params["coupon_level"]), 0)


class OfferByIntent(Lever):
    """Customers with a message classified as an intent are offered the level `offer[INTENT]` throughout."""

    def space(self, scenario: Scenario) -> Space:
        return {own("offer", intent): (0, highest_level(scenario, self.decision)) for intent in INTENTS}

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        return {own("offer", intent): highest_level(scenario, self.decision) // 2 for intent in INTENTS}

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        return np.array([int(params[own("offer", intent)]) for intent in INTENTS])

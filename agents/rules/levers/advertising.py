"""Push messages and bids for paid traffic, by what a further customer is worth and while the shelf can serve one.

Axes    N sales, A audiences.
Units   currency; the worth of a customer as a share of the mean margin of a unit.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import ActionCodec, Scenario, UnitReader
from flashsale_env.agents.base import Space
from flashsale_env.agents.rules.levers.base import Lever, own
from flashsale_env.agents.rules.view import Floats, Integers, View
from flashsale_env.audiences import NONE, Audiences, audience_of_intent, labels_of
from flashsale_env.intents import ByIntent
from flashsale_env.theory.advertising import best_adstock, paced_bid


class _ByWorth(Lever):
    """A further customer of an audience is worth the share `NAME_value` of the mean margin of a unit.

    Nothing is spent while the units on hand are fewer than `NAME_cover` times what the rest of the sale will sell at
    the pace so far, or none are left. Where units on hand and sold are not observed, the shelf is not asked.

    With several audiences each has a value of its own, `NAME_value[AUDIENCE]`.
    """

    def audiences(self, scenario: Scenario) -> Audiences:
        """The audiences of the decision."""
        raise NotImplementedError

    def needs(self, scenario: Scenario) -> tuple[str, ...]:
        return ("tick",)

    def space(self, scenario: Scenario) -> Space:
        space: Space = dict.fromkeys(self._values(scenario), (0.0, 1.0))
        return space | ({f"{self.decision}_cover": (0.0, 3.0)} if "sold" in UnitReader(scenario) else {})

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        return dict.fromkeys(self._values(scenario), 0.2) | {f"{self.decision}_cover": 1.0}

    def worth(self, view: View, params: Mapping[str, float]) -> Floats:
        """(N, A) the profit of a further customer of each audience, 0 while the shelf cannot serve one, currency."""
        values = [params[name] for name in self._values(view.scenario)]
        worth = np.tile(np.array(values) * mean_margin(view.scenario), (view.sales, 1))
        if f"{self.decision}_cover" not in params:
            return worth
        sold, left = (units.sum(axis=1, keepdims=True) for units in (view.sold, view.on_hand))
        expected = sold / np.maximum(1.0 - view.customers_left, 1e-9) * view.customers_left
        return np.asarray(worth * ((left >= params[f"{self.decision}_cover"] * expected) & (left > 0)))

    def _values(self, scenario: Scenario) -> list[str]:
        name = f"{self.decision}_value"
        return [own(name, label) if label else name for label in labels_of(self.audiences(scenario))]


class HoldAdstock(_ByWorth):
    """The spending that leads to the best adstock, see `theory.advertising.best_adstock`."""

    def audiences(self, scenario: Scenario) -> Audiences:
        assert scenario.push is not None
        return scenario.push.audiences

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        part, scenario = view.scenario.push, view.scenario
        assert part is not None
        kept = part.kept(scenario.tick_minutes)
        goes_on = view.tick[:, None] + 1 < scenario.horizon_ticks
        number = audience_of_intent(part.audiences)
        lifts = [ByIntent(np.where(number == a, part.lift, 0.0).tolist()) for a in range(number.max() + 1)]
        customers = view.traffic * view.expected_customers
        lift = np.hstack([view.mean_by_intent(of_audience) for of_audience in lifts])
        wanted = best_adstock(customers, lift, self.worth(view, params), part.saturation, kept * goes_on)
        return nearest(codec, self.decision, wanted - kept * adstock(view))


class PaceBids(_ByWorth):
    """A bid for a click of what a customer is worth, or less where the budget would end early.

    See `theory.advertising.paced_bid`; auctions still expected are those of all audiences for the customers to come.
    """

    def audiences(self, scenario: Scenario) -> Audiences:
        assert scenario.ads is not None
        return scenario.ads.audiences

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        part, scenario = view.scenario.ads, view.scenario
        assert part is not None
        among = ByIntent((audience_of_intent(part.audiences) != NONE).astype(float).tolist())
        customers = view.traffic * view.customers_left * scenario.customers_per_tick.sum()
        auctions = part.auctions * customers * view.mean_by_intent(among)
        left = (view.read("ad_budget") if "ad_budget" in scenario.features else 1.0) * part.budget
        paced = part.rival_bid * paced_bid(left / np.maximum(auctions, 1e-12) / part.rival_bid)
        return nearest(codec, self.decision, np.minimum(self.worth(view, params), paced))


def mean_margin(scenario: Scenario) -> float:
    """List price less salvage value, mean over the products, currency: what selling a unit is worth at most."""
    return float(np.mean([product.list_price - product.salvage_value for product in scenario.products]))


def adstock(view: View) -> Floats:
    """(N, A) adstock of each audience after the last tick, currency; 0 where nothing of it is kept or shown."""
    part = view.scenario.push
    assert part is not None
    number = audience_of_intent(part.audiences)
    first = [int(np.flatnonzero(number == a)[0]) for a in range(number.max() + 1)]
    if "push_response" not in view.scenario.features:
        return np.zeros((view.sales, len(first)))
    # At a response of 1 to single precision the adstock is many times the saturation, and any such number will do.
    missing = np.maximum(1.0 - view.read("push_response")[:, first], 1e-7)
    return np.asarray(-part.saturation * np.log(missing))


def nearest(codec: ActionCodec, decision: str, wanted: npt.NDArray[Any]) -> Integers:
    """(N, C) levels next to these amounts, (N, C) or (N, 1)."""
    columns = codec.columns(decision)
    wanted = np.broadcast_to(wanted, (len(wanted), len(columns)))
    found = [np.abs(wanted[:, [k]] - np.asarray(codec.levels[c])).argmin(axis=1) for k, c in enumerate(columns)]
    return np.column_stack(found)

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
from flashsale_env.agents.rules.levers.base import Lever
from flashsale_env.agents.rules.view import Floats, Integers, View
from flashsale_env.intents import ByIntent
from flashsale_env.market.audiences import Audiences, audience_of_intent, labels_of
from flashsale_env.theory.advertising import best_adstock, paced_bid

_MOST_COVER = 3.0


class _ByWorth(Lever):
    """A further customer is taken to buy `NAME_value` units, so to be worth as many mean margins.

    Nothing is spent while the units on hand are fewer than `NAME_cover` times what the customers still expected would
    buy in any case. Where the units on hand are not shown, that is not asked.
    """

    def needs(self, scenario: Scenario) -> tuple[str, ...]:
        return ("tick",)

    def space(self, scenario: Scenario) -> Space:
        space: Space = {f"{self.decision}_value": (0.0, 1.0)}
        return space | ({f"{self.decision}_cover": (0.0, _MOST_COVER)} if "on_hand" in UnitReader(scenario) else {})

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        return {f"{self.decision}_value": 0.2, f"{self.decision}_cover": 1.0}

    def worth(self, view: View, params: Mapping[str, float]) -> Floats:
        """(N, 1) the profit of a further customer, 0 while the shelf cannot serve one, currency."""
        units = params[f"{self.decision}_value"]
        worth = np.full((view.sales, 1), units * mean_margin(view.scenario))
        if f"{self.decision}_cover" not in params:
            return worth
        expected = units * view.traffic * view.customers_left * view.scenario.customers_per_tick.sum()
        covers = view.on_hand.sum(axis=1, keepdims=True) >= params[f"{self.decision}_cover"] * expected
        return np.asarray(worth * (covers & view.on_hand.any(axis=1, keepdims=True)))


class HoldAdstock(_ByWorth):
    """The spending that leads to the best adstock, see `theory.advertising.best_adstock`."""

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        part, scenario = view.scenario.push, view.scenario
        assert part is not None
        kept = part.kept(scenario.tick_minutes)
        goes_on = view.tick[:, None] + 1 < scenario.horizon_ticks
        lift = np.hstack([view.mean_by_intent(of_audience(part.audiences, a, part.lift)) for a in _numbers(part)])
        customers = view.traffic * view.expected_customers
        wanted = best_adstock(customers, lift, self.worth(view, params), part.saturation, kept * goes_on)
        return nearest(codec, self.decision, wanted - kept * adstock(view))


class PaceBids(_ByWorth):
    """A bid for a click of what a customer is worth, or less where the budget would end early.

    See `theory.advertising.paced_bid`; auctions still expected are those of the audiences for the customers to come.
    """

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        part, scenario = view.scenario.ads, view.scenario
        assert part is not None
        among = ByIntent((audience_of_intent(part.audiences) >= 0).astype(float))
        customers = view.traffic * view.customers_left * scenario.customers_per_tick.sum()
        auctions = part.auctions * customers * view.mean_by_intent(among)
        left = (view.read("ad_budget") if "ad_budget" in scenario.features else 1.0) * part.budget
        paced = part.rival_bid * paced_bid(left / np.maximum(auctions, 1e-12) / part.rival_bid)
        return nearest(codec, self.decision, np.minimum(self.worth(view, params), paced))


def mean_margin(scenario: Scenario) -> float:
    """List price less salvage value, mean over the products, currency: what selling a unit is worth at most."""
    return float(np.mean([product.list_price - product.salvage_value for product in scenario.products]))


def of_audience(audiences: Audiences, number: int, values: ByIntent) -> ByIntent:
    """These values for the intents of an audience, 0 for all others."""
    return ByIntent(np.where(audience_of_intent(audiences) == number, values, 0.0).tolist())


def adstock(view: View) -> Floats:
    """(N, A) adstock of each audience after the last tick, currency; 0 where nothing of it is kept or shown."""
    part = view.scenario.push
    assert part is not None
    first = [int(np.flatnonzero(audience_of_intent(part.audiences) == a)[0]) for a in _numbers(part)]
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


def _numbers(part: Any) -> range:
    return range(len(labels_of(part.audiences)))

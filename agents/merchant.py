"""The merchant behind every rule of thumb: what is read off an observation, and orders, coupon and offers.

Owns    the part that the pricing rules share. Every rule prices, orders and promotes, so that a learner is compared
        with opponents that use all levers.
Leaves  the pricing rules to `agents.heuristics` and `agents.estimating`.
Axes    N sales, M products, P price columns, C columns of the action.
Units   a price is a *rung*: the position on the product's ladder of prices, 0 the list price. Between two rungs
        lies the price between them where the scenario allows it, else the nearer rung. Elapsed time and customers
        are shares of the sale; stock is a share of the units a product can have (opening stock + reserve).

Decisions that a scenario does not have are left out.
"""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, Scenario
from flashsale_env.agents.base import Agent, Space
from flashsale_env.agents.exact import why_unseen

Floats = npt.NDArray[np.float64]


class View:
    """What a merchant reads off a batch of observations, by name."""

    def __init__(self, agent: Agent, observations: npt.NDArray[np.float32]) -> None:
        scenario, layout = agent.scenario, agent.layout
        values = {name: observations[:, layout[name]].astype(np.float64) for name in layout}
        # A rule reads only what its `applies` asks for; the rest may be missing and stays as at the opening.
        time_left = values.get("time_left", np.ones((len(observations), 1)))
        self.elapsed = 1.0 - time_left  # (N, 1)
        # With even traffic the layout leaves customers out: they are as many as there is time.
        self.customers_left = values.get("customers_left", time_left)  # (N, 1)
        opening = [p.initial_stock / (p.initial_stock + p.reserve) for p in scenario.products]
        self.reserve = values.get("reserve", np.zeros(len(opening)))  # (N, M)
        self.on_hand = values.get("on_hand", np.array(opening))  # (N, M)
        in_transit = values.get("in_transit", 0.0)
        if "pipeline" in values:
            in_transit = values["pipeline"].reshape(len(observations), len(opening), -1).sum(axis=2)
        self.stock = self.on_hand + in_transit  # (N, M), units on their way included
        self.owned = 1.0 - self.reserve
        self.sold = np.maximum(self.owned - self.stock, 0.0)
        # What a scenario does not show is always at its mean.
        self.traffic = values.get("traffic", np.ones_like(self.elapsed))  # (N, 1)
        # (N, 1) mean willingness to pay as a factor on what it is without drift
        peak = scenario.drift_per_tick.max()
        self.drift = values["willingness_to_pay"] * peak if "willingness_to_pay" in values else np.full(1, peak)
        # (N, 1) recent units per recent customer, of all products together
        conversion = values.get("conversion")
        self.conversion = None if conversion is None else (conversion**2).sum(axis=1, keepdims=True)
        self.tick = np.rint(self.elapsed[:, 0] * scenario.horizon_ticks).astype(np.int64)  # (N,) the coming one


class Shop(Agent):
    """A pricing rule with the shared rules for orders, for the coupon and for offers.

    **Orders.** While an order can still arrive in time, a product whose stock, units on their way included, falls
    short of `order_cover` times what the sales so far say will still be wanted is ordered up to that. Orders start when
    `order_from` of the customers have come; 0 cover means that nothing is ordered.

    **Coupon.** Level `coupon_level` is shown from `coupon_from` of the sale's time on while the sales of the whole shop
    are behind the plan of selling `coupon_target` of its stock.

    **Offers.** Customers whose message reads as an intent are offered the level `offer[INTENT]` throughout.
    """

    reads: ClassVar[tuple[str, ...]] = ()  # features that the pricing rule cannot do without

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        supply = scenario.replenishment
        if supply is not None and supply.unlimited:
            return "the scenario's orders draw on no reserve, which is for base_stock and order_up_to"
        wanted = {*cls.reads}
        if supply is not None or scenario.coupon is not None:
            wanted |= {"time_left", "on_hand"}
        if supply is not None:
            wanted |= {"reserve"} | ({"in_transit"} if scenario.lead_ticks else set())
        return why_unseen(scenario, *sorted(wanted))

    @classmethod
    def space(cls, scenario: Scenario) -> Space:
        space = cls.price_space(scenario)
        if scenario.replenishment is not None:
            space |= cls.order_space(scenario)
        if scenario.coupon is not None:
            space |= cls.coupon_space(scenario)
        if scenario.targeted is not None:
            space |= {own("offer", intent): (0, len(scenario.targeted.depths) - 1) for intent in INTENTS}
        return space

    @classmethod
    def defaults(cls, scenario: Scenario) -> dict[str, float]:
        values = cls.price_defaults(scenario) | cls.order_defaults() | cls.coupon_defaults()
        if scenario.targeted is not None:
            values |= {own("offer", intent): (len(scenario.targeted.depths) - 1) // 2 for intent in INTENTS}
        return {name: values[name] for name in cls.space(scenario)}

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        """Parameters of the pricing rule."""
        raise NotImplementedError

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        """Untuned values of the pricing rule's parameters."""
        raise NotImplementedError

    @classmethod
    def order_space(cls, scenario: Scenario) -> Space:
        """Parameters of the ordering rule, in a scenario that has orders."""
        return {"order_cover": (0.0, 2.0), "order_from": (0.02, 0.6)}

    @classmethod
    def order_defaults(cls) -> dict[str, float]:
        """Untuned values of the ordering rule's parameters."""
        return {"order_cover": 1.0, "order_from": 0.3}

    @classmethod
    def coupon_space(cls, scenario: Scenario) -> Space:
        """Parameters of the coupon rule, in a scenario that has a coupon."""
        assert scenario.coupon is not None
        return {
            "coupon_level": (0, len(scenario.coupon.depths) - 1),
            "coupon_from": (0.0, 1.0),
            "coupon_target": (0.0, 1.5),
        }

    @classmethod
    def coupon_defaults(cls) -> dict[str, float]:
        """Untuned values of the coupon rule's parameters."""
        return {"coupon_level": 1, "coupon_from": 0.0, "coupon_target": 1.0}

    def actions(self, view: View, rungs: Floats, missing: Floats) -> npt.NDArray[Any]:
        """Actions (N, C) that set the prices of these rungs (N, M) and order what is missing (N, M)."""
        codec, prices = self.codec, self.codec.price_columns
        rungs, levels = self._decide(view, rungs, missing)
        actions = codec.from_levels(levels)
        if self.scenario.pricing.continuous:
            ladders = [np.asarray(codec.levels[c]) for c in prices]
            wanted = [np.interp(r, np.arange(len(x)), x) for r, x in zip(rungs.T, ladders, strict=True)]
            actions[:, prices] = codec.from_prices(np.column_stack(wanted))
        return actions

    def rung_of(self, prices: Floats) -> Floats:
        """(N, M) rungs of prices (N, M); beyond an end of the ladder it is the end."""
        ladders = [np.array(product.price_levels) for product in self.scenario.products]
        rungs = [np.interp(-p, -ladder, np.arange(len(ladder))) for p, ladder in zip(prices.T, ladders, strict=True)]
        return np.column_stack(rungs)

    def _decide(self, view: View, rungs: Floats, missing: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Rungs (N, P) inside the ladders, not rounded, and levels (N, C) of every decision."""
        codec, prices = self.codec, self.codec.price_columns
        rungs = np.broadcast_to(rungs, (len(view.elapsed), len(self.scenario.products)))
        rungs = np.clip(rungs[:, codec.products_of(prices)], 0, codec.n_prices - 1)
        levels = np.zeros((len(rungs), len(codec.n_levels)), np.int64)
        levels[:, prices] = np.rint(rungs)
        if len(codec.order_columns):
            levels[:, codec.order_columns] = self._order(missing)
        if len(codec.coupon_columns):
            levels[:, codec.coupon_columns] = self._promote(view)
        if len(codec.targeted_columns):
            levels[:, codec.targeted_columns] = [int(self.params[own("offer", intent)]) for intent in INTENTS]
        return rungs, levels

    def missing(self, view: View) -> Floats:
        """(N, M) stock to be ordered; what the reserve does not have is left out."""
        if self.scenario.replenishment is None:
            return np.zeros_like(view.stock)
        come = 1.0 - view.customers_left
        still_wanted = view.sold / np.maximum(come, 1e-9) * view.customers_left
        missing = self.params["order_cover"] * still_wanted - view.stock
        due = self.in_time(view) & (come >= self.params["order_from"])
        return np.where(due, np.minimum(missing, view.reserve), 0.0)

    def in_time(self, view: View) -> npt.NDArray[np.bool_]:
        """(N, 1) whether what is ordered now arrives before the close."""
        return view.tick[:, None] + self.scenario.lead_ticks < self.scenario.horizon_ticks

    def _order(self, missing: Floats) -> npt.NDArray[np.int64]:
        """(N, O) levels of the orders: the largest one within what is missing."""
        columns = self.codec.order_columns
        levels = np.zeros((len(missing), len(columns)), np.int64)
        for k, j in enumerate(self.codec.products_of(columns)):
            units = missing[:, j] * self.scenario.products[j].stock_scale
            levels[:, k] = np.searchsorted(self.codec.levels[columns[k]], units + 1e-6, side="right") - 1
        return np.maximum(levels, 0)

    def units_ordered(self, missing: Floats) -> Floats:
        """(N, M) units that the orders for what is missing bring."""
        units = np.zeros_like(missing)
        columns = self.codec.order_columns
        for column, level, j in zip(columns, self._order(missing).T, self.codec.products_of(columns), strict=True):
            units[:, j] = np.asarray(self.codec.levels[column])[level]
        return units

    def _promote(self, view: View) -> npt.NDArray[np.int64]:
        """(N, 1) level of the coupon."""
        plan = self.params["coupon_target"] * (1.0 - view.customers_left)
        behind = (view.sold / view.owned).mean(axis=1, keepdims=True) <= plan
        shown = behind & (view.elapsed >= self.params["coupon_from"])
        return np.where(shown, int(self.params["coupon_level"]), 0)

    def per_product(self, name: str) -> Floats:
        """(M,) values of a parameter that every product has its own of."""
        return np.array([self.params[own(name, product.title)] for product in self.scenario.products])


class Merchant(Shop):
    """A pricing rule without memory: its prices follow from the observation at hand."""

    def rungs(self, view: View) -> Floats:
        """(N, M) position on the ladder of prices for the coming tick; what lies beyond an end becomes the end."""
        raise NotImplementedError

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        view = View(self, observations)
        return self.actions(view, self.rungs(view), self.missing(view)), state

    def advise(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Box actions (N, C) that mean the same, but smooth: a learner can start from them.

        A price lies where the unrounded rung is, between the middles of the cells of the rungs around it; orders and
        coupon lie at the far end of their cell, so that a little noise orders nothing.
        """
        view = View(self, observations)
        rungs, levels = self._decide(view, self.rungs(view), self.missing(view))
        codec, prices = self.codec, self.codec.price_columns
        share = levels / np.maximum(codec.n_levels - 1, 1)
        share[:, prices] = (rungs + 0.5) / codec.n_levels[prices]
        return np.asarray(2.0 * share - 1.0, np.float32)


def own(name: str, title: str) -> str:
    """The name of one product's or intent's own parameter."""
    return f"{name}[{title}]"


def last_rung(scenario: Scenario) -> Floats:
    """(M,) number of the lowest price."""
    return np.array([len(product.price_levels) - 1.0 for product in scenario.products])


def why_no_price(scenario: Scenario) -> str | None:
    """Why a rule that moves prices has nothing to do, or None where it has."""
    return "the scenario has no product with a second price" if not last_rung(scenario).any() else None

"""The merchant behind every rule of thumb: what is read off an observation, and orders, coupon and offers.

Owns    the part that the pricing rules share. Every rule prices, orders and promotes, so that a learner is compared
        with opponents that use all levers.
Leaves  the pricing rules to `agents.rules.heuristics` and `agents.rules.estimating`.
Axes    N sales, M products, P price columns, C columns of the action.
Units   a price is a *rung*: the position on the product's ladder of prices, 0 the list price. Between two rungs
        lies the price between them where the scenario allows it, else the nearer rung. Elapsed time and customers
        are shares of the sale; stock is in units.

Decisions that a scenario does not have are left out.
"""

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, Scenario, UnitReader
from flashsale_env.agents.base import Agent, Space
from flashsale_env.agents.exact import why_unseen

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class View:
    """What a merchant reads off a batch of observations; asking for what the scenario does not tell is an error."""

    def __init__(self, agent: "Shop", observations: npt.NDArray[np.float32]) -> None:
        self._scenario, self._layout, self._units = agent.scenario, agent.layout, agent.units
        self._observations = observations
        self.sales = len(observations)

    @cached_property
    def tick(self) -> Integers:
        """(N,) number of the coming tick."""
        return self._units.tick(self._observations)

    @cached_property
    def elapsed(self) -> Floats:
        """(N, 1) share of the sale's time that is over."""
        return np.asarray(self.tick[:, None] / self._scenario.horizon_ticks)

    @cached_property
    def customers_left(self) -> Floats:
        """(N, 1) share of the sale's customers who are still expected."""
        if "customers_left" in self._layout:
            return self._read("customers_left")
        return 1.0 - self._scenario.arrivals.cumulative_share(self.elapsed)

    @cached_property
    def on_hand(self) -> Integers:
        """(N, M) units."""
        return self._units.on_hand(self._observations)

    @cached_property
    def stock(self) -> Integers:
        """(N, M) units on hand and on their way."""
        return self._units.position(self._observations)

    @cached_property
    def to_order(self) -> Integers:
        """(N, M) units that an order can bring now."""
        return self._units.to_order(self._observations)

    @cached_property
    def owned(self) -> Integers:
        """(N, M) units bought so far, opening stock included."""
        return self._units.owned(self._observations)

    @cached_property
    def sold(self) -> Integers:
        """(N, M) units sold so far."""
        return self._units.sold(self._observations)

    @cached_property
    def traffic(self) -> Floats:
        """(N, 1) recent customers over those expected; 1, its mean, where the scenario does not show it."""
        return self._read("traffic") if "traffic" in self._layout else np.ones((self.sales, 1))

    @cached_property
    def drift(self) -> Floats:
        """(N, 1) mean willingness to pay in the coming tick, as a factor on what it is without drift."""
        drift = self._scenario.drift_per_tick
        if "willingness_to_pay" in self._layout:
            return self._read("willingness_to_pay") * drift.max()
        if np.ptp(drift) == 0:
            return np.full((self.sales, 1), drift[0])
        return drift[np.minimum(self.tick, len(drift) - 1), None]

    @cached_property
    def conversion(self) -> Floats | None:
        """(N, 1) recent units per recent customer, of all products together; None where it is not shown."""
        if "conversion" not in self._layout:
            return None
        return np.asarray((self._read("conversion") ** 2).sum(axis=1, keepdims=True))

    def _read(self, feature: str) -> Floats:
        return np.asarray(self._observations[:, self._layout[feature]], np.float64)


class Shop(Agent):
    """A pricing rule with the shared rules for orders, for the coupon and for offers.

    **Orders.** While an order can still arrive in time, a product whose stock, units on their way included, falls
    short of `order_cover` times what the sales so far say will still be wanted is ordered up to that. Orders start when
    `order_from` of the customers have come; 0 cover means that nothing is ordered.

    **Coupon.** Level `coupon_level` is shown from `coupon_from` of the sale's time on while the sales of the whole shop
    are behind the plan of selling `coupon_target` of its stock; where supply is unlimited there is no such plan.

    **Offers.** Customers whose message reads as an intent are offered the level `offer[INTENT]` throughout.
    """

    reads: ClassVar[tuple[str, ...]] = ()  # features that the pricing rule cannot do without

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        self.units = UnitReader(self.scenario)

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        supply = scenario.replenishment
        if supply is not None and supply.unlimited:
            return "the scenario's orders draw on no reserve, which is for base_stock and order_up_to"
        return why_unseen(scenario, *cls.reads) or cls.why_no_lever(scenario)

    @classmethod
    def why_no_lever(cls, scenario: Scenario) -> str | None:
        """Why the shared rules for orders and coupon cannot decide, or None where they can."""
        wanted = []
        if scenario.replenishment is not None:
            wanted += ["tick", "sold", "to_order"]
        if scenario.coupon is not None:
            wanted += ["tick", "sold"]
        return UnitReader(scenario).why_unread(*wanted)

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
        space: Space = {"coupon_level": (0, len(scenario.coupon.depths) - 1), "coupon_from": (0.0, 1.0)}
        return space | ({"coupon_target": (0.0, 1.5)} if "sold" in UnitReader(scenario) else {})

    @classmethod
    def coupon_defaults(cls) -> dict[str, float]:
        """Untuned values of the coupon rule's parameters."""
        return {"coupon_level": 1, "coupon_from": 0.0, "coupon_target": 1.0}

    def actions(self, view: View, rungs: Floats, missing: Floats) -> npt.NDArray[Any]:
        """Actions (N, C) that set the prices of these rungs (N, M) and order what is missing (N, M)."""
        codec, prices = self.codec, self.codec.columns("price")
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
        codec, prices = self.codec, self.codec.columns("price")
        rungs = np.broadcast_to(rungs, (view.sales, len(self.scenario.products)))
        rungs = np.clip(rungs[:, codec.numbers_of(prices)], 0, codec.n_prices - 1)
        levels = np.zeros((len(rungs), len(codec.n_levels)), np.int64)
        levels[:, prices] = np.rint(rungs)
        if len(codec.columns("order")):
            levels[:, codec.columns("order")] = self._order(missing)
        if len(codec.columns("coupon")):
            levels[:, codec.columns("coupon")] = self._promote(view)
        if len(codec.columns("targeted")):
            levels[:, codec.columns("targeted")] = [int(self.params[own("offer", intent)]) for intent in INTENTS]
        return rungs, levels

    def missing(self, view: View) -> Floats:
        """(N, M) units to be ordered; what the reserve does not have or the storage does not take is left out."""
        if self.scenario.replenishment is None:
            return np.zeros((view.sales, len(self.scenario.products)))
        come = 1.0 - view.customers_left
        still_wanted = view.sold / np.maximum(come, 1e-9) * view.customers_left
        missing = self.params["order_cover"] * still_wanted - view.stock
        due = self.in_time(view) & (come >= self.params["order_from"])
        return np.where(due, np.minimum(missing, view.to_order), 0.0)

    def in_time(self, view: View) -> npt.NDArray[np.bool_]:
        """(N, 1) whether what is ordered now arrives before the close."""
        return view.tick[:, None] + self.scenario.lead_ticks < self.scenario.horizon_ticks

    def _order(self, missing: Floats) -> npt.NDArray[np.int64]:
        """(N, O) levels of the orders: the largest one within what is missing."""
        columns = self.codec.columns("order")
        levels = np.zeros((len(missing), len(columns)), np.int64)
        for k, j in enumerate(self.codec.numbers_of(columns)):
            levels[:, k] = np.searchsorted(self.codec.levels[columns[k]], missing[:, j] + 1e-6, side="right") - 1
        return np.maximum(levels, 0)

    def units_ordered(self, missing: Floats) -> Floats:
        """(N, M) units that the orders for what is missing bring."""
        units = np.zeros_like(missing)
        columns = self.codec.columns("order")
        for column, level, j in zip(columns, self._order(missing).T, self.codec.numbers_of(columns), strict=True):
            units[:, j] = np.asarray(self.codec.levels[column])[level]
        return units

    def _promote(self, view: View) -> npt.NDArray[np.int64]:
        """(N, 1) level of the coupon."""
        shown = view.elapsed >= self.params["coupon_from"]
        if "coupon_target" in self.params:
            plan = self.params["coupon_target"] * (1.0 - view.customers_left)
            shown = shown & ((view.sold / np.maximum(view.owned, 1)).mean(axis=1, keepdims=True) < plan)
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
        codec, prices = self.codec, self.codec.columns("price")
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

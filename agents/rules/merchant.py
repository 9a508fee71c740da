"""The merchant behind every rule of thumb: how observations are read, and how orders, coupon and offers are decided.

Owns    the part that the pricing rules share. Every rule prices, orders and promotes, so that learners compete with
        rules that use all decisions.
Leaves  the pricing rules to the other files of this folder.
Axes    N sales, M products, P price columns, O order columns, C columns of the action.
Units   a price is given as its *level*, the position in the product's `price_levels`: 0 is the list price. A level
        between two whole ones is the price between them where prices are continuous, else the nearer one. Elapsed time
        and customers are shares of the sale; stock is in units.

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
from flashsale_env.spaces.decisions import decision_rows

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Decisions that the rules take by what they observe; any other keeps a constant level.
_WITH_RULES = ("price", "order", "coupon", "targeted")


class View:
    """A batch of observations in the merchant's terms; reading a feature that the scenario hides is an error."""

    def __init__(self, agent: "Shop", observations: npt.NDArray[np.float32]) -> None:
        self._scenario, self._layout, self._units = agent.scenario, agent.layout, agent.units
        self._observations = observations
        self.sales = len(observations)

    @cached_property
    def tick(self) -> Integers:
        """(N,) number of the next tick."""
        return self._units.tick(self._observations)

    @cached_property
    def elapsed(self) -> Floats:
        """(N, 1) share of the sale's time that has elapsed."""
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
        """(N, M) most units that can be ordered now."""
        return self._units.to_order(self._observations)

    @cached_property
    def owned(self) -> Integers:
        """(N, M) units owned so far: initial stock and orders."""
        return self._units.owned(self._observations)

    @cached_property
    def sold(self) -> Integers:
        """(N, M) units sold so far."""
        return self._units.sold(self._observations)

    @cached_property
    def traffic(self) -> Floats:
        """(N, 1) recent customers / those expected; 1, its mean, where the scenario does not show it."""
        return self._read("traffic") if "traffic" in self._layout else np.ones((self.sales, 1))

    @cached_property
    def drift(self) -> Floats:
        """(N, 1) mean willingness to pay in the next tick, relative to the one without drift."""
        drift = self._scenario.drift_per_tick
        if "willingness_to_pay" in self._layout:
            return np.asarray(self._read("willingness_to_pay") * drift.max())
        if np.ptp(drift) == 0:
            return np.full((self.sales, 1), drift[0])
        return drift[np.minimum(self.tick, len(drift) - 1), None]

    @cached_property
    def conversion(self) -> Floats | None:
        """(N, 1) recent units per recent customer, over all products; None where it is not shown."""
        if "conversion" not in self._layout:
            return None
        # The observation holds the square root of each product's.
        return np.asarray((self._read("conversion") ** 2).sum(axis=1, keepdims=True))

    def _read(self, feature: str) -> Floats:
        return np.asarray(self._observations[:, self._layout[feature]], np.float64)


class Shop(Agent):
    """A pricing rule with the shared rules for orders, coupon and targeted offers.

    **Orders.** While an order can still arrive in time, products are ordered up to `order_cover` times their remaining
    demand, forecast from the sales so far; units on their way count as stock. Orders start when the share `order_from`
    of the customers has arrived; with a cover of 0 nothing is ordered.

    **Coupon.** Level `coupon_level` is shown from the share `coupon_from` of the sale's time on, while the sales of the
    whole shop are behind the plan of selling the share `coupon_target` of its stock. With unlimited supply there is no
    plan, and the coupon is always shown.

    **Offers.** Customers with a message classified as an intent are offered the level `offer[INTENT]` throughout.
    """

    reads: ClassVar[tuple[str, ...]] = ()  # features that the pricing rule needs

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
        """Why the shared rules for orders and coupon do not apply, or None where they do."""
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
        return space | {own("level", name): (0, last) for name, last in constant_decisions(scenario).items()}

    @classmethod
    def defaults(cls, scenario: Scenario) -> dict[str, float]:
        values = cls.price_defaults(scenario) | cls.order_defaults() | cls.coupon_defaults()
        if scenario.targeted is not None:
            values |= {own("offer", intent): (len(scenario.targeted.depths) - 1) // 2 for intent in INTENTS}
        values |= {own("level", name): 0 for name in constant_decisions(scenario)}
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

    def actions(self, view: View, price_level: Floats, missing: Floats) -> npt.NDArray[Any]:
        """Actions (N, C) that set these price levels (N, M) and order the missing units (N, M)."""
        codec, columns = self.codec, self.codec.columns("price")
        price_level, levels = self._decide(view, price_level, missing)
        actions = codec.from_levels(levels)
        if self.scenario.pricing.continuous:
            menus = [np.asarray(codec.levels[c]) for c in columns]
            prices = [np.interp(at, np.arange(len(menu)), menu) for at, menu in zip(price_level.T, menus, strict=True)]
            actions[:, columns] = codec.from_prices(np.column_stack(prices))
        return actions

    def price_level_of(self, prices: Floats) -> Floats:
        """(N, M) levels of prices (N, M); prices outside the range get the nearest end."""
        menus = [np.array(product.price_levels) for product in self.scenario.products]
        # Prices fall with the level, and `interp` wants rising ones.
        found = [np.interp(-price, -menu, np.arange(len(menu))) for price, menu in zip(prices.T, menus, strict=True)]
        return np.column_stack(found)

    def _decide(self, view: View, price_level: Floats, missing: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Price levels (N, P), clipped to the range but not rounded, and levels (N, C) of every decision."""
        codec, prices = self.codec, self.codec.columns("price")
        price_level = np.broadcast_to(price_level, (view.sales, len(self.scenario.products)))
        price_level = np.clip(price_level[:, codec.numbers_of(prices)], 0, codec.n_prices - 1)
        levels = np.zeros((len(price_level), len(codec.n_levels)), np.int64)
        levels[:, prices] = np.rint(price_level)
        if len(codec.columns("order")):
            levels[:, codec.columns("order")] = self._order(missing)
        if len(codec.columns("coupon")):
            levels[:, codec.columns("coupon")] = self._promote(view)
        if len(codec.columns("targeted")):
            levels[:, codec.columns("targeted")] = [int(self.params[own("offer", intent)]) for intent in INTENTS]
        for name in constant_decisions(self.scenario):
            columns = codec.columns(name)
            levels[:, columns] = np.minimum(int(self.params[own("level", name)]), codec.n_levels[columns] - 1)
        return price_level, levels

    def missing(self, view: View) -> Floats:
        """(N, M) units to order, within the reserve and the storage."""
        if self.scenario.replenishment is None:
            return np.zeros((view.sales, len(self.scenario.products)))
        arrived = 1.0 - view.customers_left
        # Sales continue at the pace so far: units a customer, times the customers left.
        remaining_demand = view.sold / np.maximum(arrived, 1e-9) * view.customers_left
        missing = self.params["order_cover"] * remaining_demand - view.stock
        due = self.in_time(view) & (arrived >= self.params["order_from"])
        return np.where(due, np.minimum(missing, view.to_order), 0.0)

    def in_time(self, view: View) -> npt.NDArray[np.bool_]:
        """(N, 1) whether an order placed now arrives before the close."""
        return view.tick[:, None] + self.scenario.lead_ticks < self.scenario.horizon_ticks

    def _order(self, missing: Floats) -> npt.NDArray[np.int64]:
        """(N, O) levels of the orders: the largest of at most the missing units."""
        columns = self.codec.columns("order")
        levels = np.zeros((len(missing), len(columns)), np.int64)
        for k, j in enumerate(self.codec.numbers_of(columns)):
            levels[:, k] = np.searchsorted(self.codec.levels[columns[k]], missing[:, j] + 1e-6, side="right") - 1
        return np.maximum(levels, 0)

    def units_ordered(self, missing: Floats) -> Floats:
        """(N, M) units of the orders placed for the missing units."""
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
        """(M,) values of a parameter that exists once a product."""
        return np.array([self.params[own(name, product.title)] for product in self.scenario.products])


class Merchant(Shop):
    """A pricing rule without memory: its prices are a function of the current observation."""

    def price_level(self, view: View) -> Floats:
        """(N, M) price levels for the next tick; levels outside the range are clipped."""
        raise NotImplementedError

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        view = View(self, observations)
        return self.actions(view, self.price_level(view), self.missing(view)), state

    def advise(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The same decisions as box actions (N, C) that vary smoothly: learners start from them.

        A price keeps its unrounded level, between the middles of the cells around it. Orders and coupon lie at the far
        ends of the box, so that a little exploration noise orders nothing.
        """
        view = View(self, observations)
        price_level, levels = self._decide(view, self.price_level(view), self.missing(view))
        codec, prices = self.codec, self.codec.columns("price")
        # Shares of the box: level l of L lies in [l, l + 1] / L for prices, and at l / (L - 1) for the others.
        share = levels / np.maximum(codec.n_levels - 1, 1)
        share[:, prices] = (price_level + 0.5) / codec.n_levels[prices]
        return np.asarray(2.0 * share - 1.0, np.float32)


def constant_decisions(scenario: Scenario) -> dict[str, int]:
    """Decisions without a rule of their own -> the highest level; a rule keeps one level, found by tuning."""
    highest: dict[str, int] = {}
    for row in decision_rows(scenario):
        if row.column >= 0 and row.decision not in _WITH_RULES:
            highest[row.decision] = max(len(row.levels) - 1, highest.get(row.decision, 0))
    return highest


def own(name: str, title: str) -> str:
    """Name of the parameter of one product, intent or decision, e.g. "base[air fryer]"."""
    return f"{name}[{title}]"


def last_price_level(scenario: Scenario) -> Floats:
    """(M,) level of the lowest price."""
    return np.array([len(product.price_levels) - 1.0 for product in scenario.products])


def why_no_price(scenario: Scenario) -> str | None:
    """Why a pricing rule has nothing to decide, or None where it has."""
    return "the scenario has no product with a second price" if not last_price_level(scenario).any() else None

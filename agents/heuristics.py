"""Rules of thumb: random, best fixed price, linear markdown, sell-through chaser.

Owns    what a careful merchant without learning would do. Every rule prices, orders and promotes, so that a learner
        is compared with opponents that use all three levers.
Axes    N sales, M products, P price columns, C columns of the action.
Units   a price is a *rung*: the position on the product's ladder of prices, 0 the list price. Between two rungs
        lies the price between them where the scenario allows it, else the nearer rung. Elapsed time and customers
        are shares of the sale; stock is a share of the units a product can have (opening stock + reserve).

The pricing rules share one ordering rule and one coupon rule. Decisions that a scenario does not have are left out.
"""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from agents.base import Agent, Space
from flashsale_env import Scenario

Floats = npt.NDArray[np.float64]


class Random(Agent):
    """Uniform over the levels of every decision, in every tick.

    The state counts the calls, and call k draws from the k-th stream of the seed: nothing else is remembered.
    """

    name = "random"

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        calls = 0 if state is None else int(state)
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 0, calls]))
        levels = rng.integers(self.codec.n_levels, size=(len(observations), len(self.codec.n_levels)))
        return self.codec.from_levels(levels), calls + 1


class View:
    """What a merchant reads off a batch of observations, by name."""

    def __init__(self, agent: Agent, observations: npt.NDArray[np.float32]) -> None:
        scenario, layout = agent.scenario, agent.layout
        values = {name: observations[:, layout[name]].astype(np.float64) for name in layout}
        self.elapsed = 1.0 - values["time_left"]  # (N, 1)
        # With even traffic the layout leaves customers out: they are as many as there is time.
        self.customers_left = values.get("customers_left", values["time_left"])  # (N, 1)
        opening = [p.initial_stock / (p.initial_stock + p.reserve) for p in scenario.products]
        self.reserve = values.get("reserve", np.zeros(len(opening)))  # (N, M)
        self.stock = values["on_hand"] + values.get("in_transit", 0.0)  # (N, M), units on their way included
        self.owned = 1.0 - self.reserve
        self.sold = np.maximum(self.owned - self.stock, 0.0)
        self.opening = np.array(opening)


class Merchant(Agent):
    """A pricing rule with the shared rules for orders and for the coupon.

    **Orders.** While an order can still arrive in time, a product whose stock, units on their way included, falls
    short of `order_cover` times what the sales so far say will still be wanted is ordered up to that. Orders start when
    `order_from` of the customers have come; 0 cover means that nothing is ordered.

    **Coupon.** Level `coupon_level` is shown from `coupon_from` of the sale's time on while the sales of the whole shop
    are behind the plan of selling `coupon_target` of its stock.
    """

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        wanted = ["time_left", "on_hand"]
        if scenario.replenishment is not None:
            wanted += ["reserve"] + ["in_transit"] * (scenario.lead_ticks > 0)
        missing = [name for name in wanted if name not in scenario.features]
        return f"it reads {', '.join(missing)}, which the scenario does not show" if missing else None

    @classmethod
    def space(cls, scenario: Scenario) -> Space:
        space = cls.price_space(scenario)
        if scenario.replenishment is not None:
            space |= {"order_cover": (0.0, 2.0), "order_from": (0.02, 0.6)}
        if scenario.coupon is not None:
            space |= {
                "coupon_level": (0, len(scenario.coupon.depths) - 1),
                "coupon_from": (0.0, 1.0),
                "coupon_target": (0.0, 1.5),
            }
        return space

    @classmethod
    def defaults(cls, scenario: Scenario) -> dict[str, float]:
        values = cls.price_defaults(scenario)
        values |= {"order_cover": 1.0, "order_from": 0.3, "coupon_level": 1, "coupon_from": 0.0, "coupon_target": 1.0}
        return {name: values[name] for name in cls.space(scenario)}

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        """Parameters of the pricing rule."""
        raise NotImplementedError

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        """Untuned values of the pricing rule's parameters."""
        raise NotImplementedError

    def rungs(self, view: View) -> Floats:
        """(N, M) position on the ladder of prices for the coming tick; what lies beyond an end becomes the end."""
        raise NotImplementedError

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        view = View(self, observations)
        codec, prices = self.codec, self.codec.price_columns
        rungs, levels = self._decide(view)
        actions = codec.from_levels(levels)
        if self.scenario.pricing.continuous:
            ladders = [np.asarray(codec.levels[c]) for c in prices]
            wanted = [np.interp(r, np.arange(len(x)), x) for r, x in zip(rungs.T, ladders, strict=True)]
            actions[:, prices] = codec.from_prices(np.column_stack(wanted))
        return actions, state

    def advise(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Box actions (N, C) that mean the same, but smooth: a learner can start from them.

        A price lies where the unrounded rung is, between the middles of the cells of the rungs around it; orders and
        coupon lie at the far end of their cell, so that a little noise orders nothing.
        """
        rungs, levels = self._decide(View(self, observations))
        codec, prices = self.codec, self.codec.price_columns
        share = levels / np.maximum(codec.n_levels - 1, 1)
        share[:, prices] = (rungs + 0.5) / codec.n_levels[prices]
        return np.asarray(2.0 * share - 1.0, np.float32)

    def _decide(self, view: View) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Rungs (N, P) inside the ladders, not rounded, and levels (N, C) of every decision."""
        codec, prices = self.codec, self.codec.price_columns
        rungs = np.broadcast_to(self.rungs(view), (len(view.elapsed), len(self.scenario.products)))
        rungs = np.clip(rungs[:, codec.products_of(prices)], 0, codec.n_prices - 1)
        levels = np.zeros((len(rungs), len(codec.n_levels)), np.int64)
        levels[:, prices] = np.rint(rungs)
        if len(codec.order_columns):
            levels[:, codec.order_columns] = self._order(view)
        if len(codec.coupon_columns):
            levels[:, codec.coupon_columns] = self._promote(view)
        return rungs, levels

    def _order(self, view: View) -> npt.NDArray[np.int64]:
        """(N, O) levels of the orders: the largest one within what is missing."""
        come = 1.0 - view.customers_left
        still_wanted = view.sold / np.maximum(come, 1e-9) * view.customers_left
        missing = self.params["order_cover"] * still_wanted - view.stock
        in_time = view.elapsed * self.scenario.horizon_ticks + self.scenario.lead_ticks < self.scenario.horizon_ticks
        missing = np.where(in_time & (come >= self.params["order_from"]), missing, 0.0)
        columns = self.codec.order_columns
        levels = np.zeros((len(missing), len(columns)), np.int64)
        for k, j in enumerate(self.codec.products_of(columns)):
            product = self.scenario.products[j]
            units = np.minimum(missing[:, j], view.reserve[:, j]) * (product.initial_stock + product.reserve)
            levels[:, k] = np.searchsorted(self.codec.levels[columns[k]], units + 1e-6, side="right") - 1
        return np.maximum(levels, 0)

    def _promote(self, view: View) -> npt.NDArray[np.int64]:
        """(N, 1) level of the coupon."""
        plan = self.params["coupon_target"] * (1.0 - view.customers_left)
        behind = (view.sold / view.owned).mean(axis=1, keepdims=True) <= plan
        shown = behind & (view.elapsed >= self.params["coupon_from"])
        return np.where(shown, int(self.params["coupon_level"]), 0)

    def _per_product(self, name: str) -> Floats:
        """(M,) values of a parameter that every product has its own of."""
        return np.array([self.params[own(name, product.title)] for product in self.scenario.products])


def own(name: str, title: str) -> str:
    """The name of one product's own parameter."""
    return f"{name}[{title}]"


def _last_rung(scenario: Scenario) -> Floats:
    """(M,) number of the lowest price."""
    return np.array([len(product.price_levels) - 1.0 for product in scenario.products])


class FixedPrice(Merchant):
    """One price a product, from the opening to the close."""

    name = "fixed_price"

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        whole = float if scenario.pricing.continuous else int
        return {own("rung", p.title): (whole(0), whole(len(p.price_levels) - 1)) for p in scenario.products}

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        return {own("rung", p.title): (len(p.price_levels) - 1) // 2 for p in scenario.products}

    def rungs(self, view: View) -> Floats:
        return self._per_product("rung")[None]


class LinearMarkdown(Merchant):
    """Prices that come down evenly in time, from one share of the ladder to another, each product offset by its own."""

    name = "linear_markdown"

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        space: Space = {"opening": (0.0, 1.0), "closing": (0.0, 1.0)}
        if len(scenario.products) > 1:
            space |= {own("offset", p.title): (-0.5, 0.5) for p in scenario.products}
        return space

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        return {"opening": 0.2, "closing": 0.8} | {own("offset", p.title): 0.0 for p in scenario.products}

    def rungs(self, view: View) -> Floats:
        offset = self._per_product("offset") if len(self.scenario.products) > 1 else 0.0
        opening, closing = self.params["opening"], self.params["closing"]
        return (opening + (closing - opening) * view.elapsed + offset) * _last_rung(self.scenario)


class SellThrough(Merchant):
    """Chases the sell-through curve: a product that sells behind its plan is marked down, one ahead is marked up.

    The plan is to sell `target` of the stock in step with the customers expected. The gap between the share of the
    owned units left and the plan's, in shares of the stock, is weighted by `gain`, and the more the fewer customers
    are left (`urgency` 0: not at all, 1: in inverse proportion), around each product's own `base`.
    """

    name = "sell_through"
    # Below this share of customers a gap says nothing more about price: there is nobody left to react.
    _FEWEST_LEFT: ClassVar[float] = 0.05

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        space: Space = {"gain": (0.0, 30.0), "target": (0.1, 1.2), "urgency": (0.0, 1.0), "lowest": (0.2, 1.0)}
        return space | {own("base", p.title): (-0.5, 1.5) for p in scenario.products}

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        settings = {"gain": 1.0, "target": 0.9, "urgency": 0.5, "lowest": 1.0}
        return settings | {own("base", p.title): 0.4 for p in scenario.products}

    def rungs(self, view: View) -> Floats:
        plan = 1.0 - self.params["target"] * (1.0 - view.customers_left)
        gap = view.stock / view.owned - plan
        weight = np.maximum(view.customers_left, self._FEWEST_LEFT) ** -self.params["urgency"]
        share = self._per_product("base") + self.params["gain"] * gap * weight
        return np.clip(share, 0.0, self.params["lowest"]) * _last_rung(self.scenario)

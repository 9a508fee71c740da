"""Rules of thumb of retailers, without memory and without a model of demand.

Owns    random decisions, and pricing by time, stock and traffic.
Leaves  the decisions besides the price, which all rules share, to `rules.levers`.
Axes    N sales, M products, C columns of the action.
Units   prices as levels, time and customers as shares, stock in units, see `rules.merchant`. The *range* of a product
        runs from its list price (0) to its lowest price (1).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from flashsale_env import Scenario
from flashsale_env.agents.base import Agent, Space
from flashsale_env.agents.rules.levers import LEVERS
from flashsale_env.agents.rules.levers.base import Lever, own
from flashsale_env.agents.rules.levers.promotions import Slump
from flashsale_env.agents.rules.merchant import Merchant, last_price_level, why_no_price
from flashsale_env.agents.rules.view import Floats, View


class Random(Agent):
    """Uniform over the levels of every decision, in every tick.

    The state is the number of calls; call k draws from the k-th stream of the seed.
    """

    name = "random"

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        calls = 0 if state is None else int(state)
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 0, calls]))
        levels = rng.integers(self.codec.n_levels, size=(len(observations), len(self.codec.n_levels)))
        return self.codec.from_levels(levels), calls + 1


# Parameter of `FixedPrice`: the price level of a product.
_FIXED = "price_level"


def fixed_price_level(agent: Agent) -> Floats:
    """(1, M) price levels of an agent with the parameters of `FixedPrice`."""
    return np.array([[agent.params.get(own(_FIXED, product.title), 0.0) for product in agent.scenario.products]])


class FixedPrice(Merchant):
    """One price a product for the whole sale."""

    name = "fixed_price"

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        whole = float if scenario.pricing.continuous else int
        levels = {product.title: len(product.price_levels) for product in scenario.own_products}
        return {own(_FIXED, title): (whole(0), whole(n - 1)) for title, n in levels.items() if n > 1}

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        return {own(_FIXED, p.title): (len(p.price_levels) - 1) // 2 for p in scenario.own_products}

    def price_level(self, view: View) -> Floats:
        return fixed_price_level(self)


class Schedule(Merchant):
    """Prices that follow a timetable, whatever the stock, with an `offset` for each product, in shares of its range."""

    reads: ClassVar[tuple[str, ...]] = ("time_left",)

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        return why_no_price(scenario) or super().applies(scenario)

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        several = len(scenario.own_products) > 1
        return cls.times(scenario) | {own("offset", p.title): (-0.5, 0.5) for p in scenario.own_products if several}

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        return {own("offset", p.title): 0.0 for p in scenario.own_products}

    @classmethod
    def times(cls, scenario: Scenario) -> Space:
        """Parameters of the timetable."""
        raise NotImplementedError

    def share(self, view: View) -> Floats:
        """(N, 1) position in the range of prices for the next tick."""
        raise NotImplementedError

    def price_level(self, view: View) -> Floats:
        offset = self.per_product("offset") if len(self.scenario.own_products) > 1 else 0.0
        return np.asarray((self.share(view) + offset) * last_price_level(self.scenario))


class LinearMarkdown(Schedule):
    """Prices that fall linearly in time, from position `opening` of the range to position `closing`."""

    name = "linear_markdown"

    @classmethod
    def times(cls, scenario: Scenario) -> Space:
        return {"opening": (0.0, 1.0), "closing": (0.0, 1.0)}

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        return {"opening": 0.2, "closing": 0.8} | super().price_defaults(scenario)

    def share(self, view: View) -> Floats:
        opening, closing = self.params["opening"], self.params["closing"]
        return np.asarray(opening + (closing - opening) * view.elapsed)


class StepMarkdown(Schedule):
    """Prices that step down twice, each time by a share of the range, after a share of the sale's time.

    With one step of 0 there are two prices and one switch.
    """

    name = "step_markdown"

    @classmethod
    def times(cls, scenario: Scenario) -> Space:
        steps = {f"{part}_{step}": (0.0, 1.0) for step in ("early", "late") for part in ("step", "moment")}
        return {"opening": (0.0, 1.0), **steps}

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        steps = {"step_early": 0.2, "moment_early": 0.5, "step_late": 0.2, "moment_late": 0.8}
        return {"opening": 0.3, **steps} | super().price_defaults(scenario)

    def share(self, view: View) -> Floats:
        share = np.full_like(view.elapsed, self.params["opening"])
        for step in ("early", "late"):
            due = view.tick[:, None] >= self.params[f"moment_{step}"] * self.scenario.horizon_ticks
            share += self.params[f"step_{step}"] * due
        return share


class Proportional(Merchant):
    """A price proportional to the current mean willingness to pay, for sales in which it drifts."""

    name = "proportional"
    reads: ClassVar[tuple[str, ...]] = ("willingness_to_pay",)

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        if len(set(scenario.choice.drift)) == 1:
            return "the scenario's willingness to pay does not drift, so the price would be a fixed one"
        return why_no_price(scenario) or super().applies(scenario)

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        return {own("factor", p.title): (0.1, 5.0) for p in scenario.own_products if len(p.price_levels) > 1}

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        return {own("factor", p.title): 1.0 for p in scenario.own_products}

    def price_level(self, view: View) -> Floats:
        factor = [self.params.get(own("factor", product.title), 1.0) for product in self.scenario.products]
        reference = [product.reference_price for product in self.scenario.products]
        return self.price_level_of(view.drift * np.array(factor) * np.array(reference))


class SellThrough(Merchant):
    """Follows a sell-through curve: products behind their plan are marked down, products ahead are marked up.

    The plan is to sell the share `target` of the stock in proportion to the customers arrived. A product's position in
    its range of prices is

        base + gain · gap · customers_left^(-urgency) + trend · (elapsed - 1/2) + crowd · log2(traffic),

    clipped to 0..`lowest`, with gap = share of owned units left - share planned to be left. `base`, `trend` and `crowd`
    are each product's own; traffic is relative to the expected one.
    """

    name = "sell_through"
    reads: ClassVar[tuple[str, ...]] = ("time_left", "on_hand")
    # Least share of customers in `customers_left^(-urgency)`: with fewer, nobody is left to react to the price.
    _FEWEST_LEFT: ClassVar[float] = 0.05

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        return why_no_price(scenario) or super().applies(scenario)

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        space: Space = {"gain": (0.0, 30.0), "target": (0.1, 1.2), "urgency": (0.0, 1.0), "lowest": (0.2, 1.0)}
        each = {"base": (-0.5, 1.5), "trend": (-1.0, 1.0)}
        if "traffic" in scenario.features:
            each |= {"crowd": (-0.5, 0.5)}
        return space | {own(name, p.title): bounds for name, bounds in each.items() for p in scenario.own_products}

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        settings = {"gain": 1.0, "target": 0.9, "urgency": 0.5, "lowest": 1.0}
        each = {"base": 0.4, "trend": 0.0, "crowd": 0.0}
        return settings | {own(name, p.title): value for name, value in each.items() for p in scenario.own_products}

    def price_level(self, view: View) -> Floats:
        plan = 1.0 - self.params["target"] * (1.0 - view.customers_left)
        gap = view.stock / np.maximum(view.owned, 1) - plan
        weight = np.maximum(view.customers_left, self._FEWEST_LEFT) ** -self.params["urgency"]
        share = self.per_product("base") + self.params["gain"] * gap * weight
        share = share + self.per_product("trend") * (view.elapsed - 0.5)
        if "traffic" in self.scenario.features:
            # Clipped at a factor of four in both directions.
            share = share + self.per_product("crowd") * np.log2(np.clip(view.traffic, 0.25, 4.0))
        return np.clip(share, 0.0, self.params["lowest"]) * last_price_level(self.scenario)


class Clearance(Merchant):
    """Holds the price, then marks down by stock cover.

    Cover is stock / remaining demand, forecast from the sales so far. From the share `clear_from` of the sale's time
    on, a product with more cover than `cover` is marked down from its own `hold` by the share `cut` of its range for
    each doubling of the excess. Under constant elasticity, sales double with each such step.
    """

    name = "clearance"
    reads: ClassVar[tuple[str, ...]] = ("time_left", "on_hand")

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        return why_no_price(scenario) or super().applies(scenario)

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        space: Space = {"clear_from": (0.0, 1.0), "cover": (0.2, 3.0), "cut": (0.0, 1.0)}
        return space | {own("hold", p.title): (0.0, 1.0) for p in scenario.own_products}

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        settings = {"clear_from": 0.6, "cover": 1.0, "cut": 0.3}
        return settings | {own("hold", p.title): 0.4 for p in scenario.own_products}

    def price_level(self, view: View) -> Floats:
        remaining_demand = view.sold / np.maximum(1.0 - view.customers_left, 1e-9) * view.customers_left
        # Clipped: with nothing sold, or no customers left, the cover is infinite.
        cover = np.clip(view.stock / np.maximum(remaining_demand, 1e-9), 1e-9, 1e3)
        excess = np.maximum(np.log2(cover / self.params["cover"]), 0.0) * (view.elapsed >= self.params["clear_from"])
        return np.asarray((self.per_product("hold") + self.params["cut"] * excess) * last_price_level(self.scenario))


class SlumpCoupon(FixedPrice):
    """Fixed prices, and the coupon when demand slumps, see `levers.promotions.Slump`."""

    name = "slump_coupon"
    reads: ClassVar[tuple[str, ...]] = ("time_left",)
    levers: ClassVar[Mapping[str, Lever]] = {**LEVERS, "coupon": Slump("coupon")}

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        return "the scenario has no coupon" if scenario.coupon is None else super().applies(scenario)

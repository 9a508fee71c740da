"""Rules of the revenue and inventory textbooks, asymptotically optimal or optimal where their assumptions hold.

Owns    fluid prices (set once, and set anew every tick), myopic prices, Gallego and van Ryzin's price, base stock,
        (s, S).
Axes    N sales, T ticks, M products.
Units   currency; theta is the mean willingness to pay.

They compute a price from the scenario's own numbers, so there is nothing to tune; where prices come from a grid the
nearest level is shown. The exact optimum beside them is "dp".
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, wrightomega

from flashsale_env import Scenario, UnitReader
from flashsale_env.agents.base import Agent, Space
from flashsale_env.agents.exact import (
    PricingProblem,
    base_stock_rule,
    best_base_stock,
    best_offer,
    best_reorder_point,
    clearing_worth,
    gvr_values,
    lost_sales_problem,
    mnl_sale,
    order_actions,
    price_actions,
    pricing_problem,
    reorder_rule,
    why_no_lost_sales,
    why_no_mnl_sale,
    why_no_pricing,
    why_no_pricing_of_one,
    why_unseen,
)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# States of a base-stock policy's Markov chain up to which the best level is found exactly, about a second a level; and
# states of a sale of several products whose worths are kept.
_MOST_STATES = 100_000


class Formula(Agent):
    """A price from tick and stock alone."""

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        self.require_applies()
        self._units = UnitReader(self.scenario)

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        return why_no_pricing(scenario) or why_unseen(scenario, "time_left", "on_hand")

    def prices(self, tick: Integers, stock: Integers) -> Floats:
        """(N, M) prices in tick (N,) with stock (N, M), whatever the scenario's levels are."""
        raise NotImplementedError

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        tick = np.minimum(self._units.tick(observations), self.scenario.horizon_ticks - 1)
        prices = self.prices(tick, self._units.on_hand(observations))
        return price_actions(self.codec, self.scenario, prices), state


class OneProduct(Formula):
    """A formula for one product."""

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        self._problem = pricing_problem(self.scenario)
        self._market = FluidMarket(self._problem)

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        return super().applies(scenario) or why_no_pricing_of_one(scenario)


class FluidFormula(Formula):
    """The price of a fluid problem: of one product, or of several to multinomial logit customers."""

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        several = len(self.scenario.products) > 1
        self._market = LogitFluidMarket(self.scenario) if several else FluidMarket(pricing_problem(self.scenario))

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        of_its_market = why_no_pricing_of_one if len(scenario.products) == 1 else why_no_mnl_sale
        return super().applies(scenario) or of_its_market(scenario)


class FluidMarket:
    """A sale in which demand is its expectation: what is sold at which worth of a unit.

    With a worth w the best price of a tick is w + theta under exponential willingness to pay, and
    w + theta·(1 + W(e^(quality - w/theta - 1))) under multinomial logit. The worth is the multiplier of the stock: the
    salvage value where the stock lasts, else what makes the sales of the remaining ticks equal the stock.

    Source:
        Gallego & van Ryzin (1994), Management Science 40(8), section 3.
    """

    def __init__(self, problem: PricingProblem) -> None:
        self._problem = problem
        self._theta, phase = np.unique(problem.mean_wtp, return_inverse=True)
        customers = np.zeros((problem.ticks, len(self._theta)))
        customers[np.arange(problem.ticks), phase] = problem.customers
        self.customers_left = np.cumsum(customers[::-1], axis=0)[::-1]  # (T, number of thetas), this tick's included

    def price(self, tick: Integers, worth: Floats) -> Floats:
        """(N, 1) best price of a tick for units of this worth (N, 1)."""
        return self._price(self._problem.mean_wtp[tick, None], worth)

    def worth(self, tick: Integers, stock: Integers) -> Floats:
        """(N, 1) worth of a unit, with this stock (N, 1) when this tick begins; an empty stock counts as one unit."""
        left, units = self.customers_left[tick], np.maximum(stock[:, 0], 1)
        theta = float(self._theta.max())
        keenest = max(self._problem.quality, 0.0) + np.log(np.maximum(left.sum(axis=1) / units, 1.0))
        low = np.full(len(units), self._problem.salvage_value)
        high = low + theta * (keenest + 1.0)  # fewer buy than units are left
        # 60 halvings bring the bracket below the rounding of a price; where the stock lasts they end at the low end.
        for _ in range(60):
            middle = 0.5 * (low + high)
            short = self._sold(left, middle) > units
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        return np.asarray(high)[:, None]

    def _price(self, theta: Floats, worth: Floats) -> Floats:
        if self._problem.choice == "exponential":
            return worth + theta
        return np.asarray(worth + theta * (1.0 + wrightomega(self._problem.quality - worth / theta - 1.0)))

    def _sold(self, customers: Floats, worth: Floats) -> Floats:
        """(N,) units that (N, number of thetas) customers buy at the best prices for units of this worth."""
        price = self._price(self._theta, worth[:, None])
        if self._problem.choice == "exponential":
            buys = np.exp(-price / self._theta)
        else:
            buys = expit(self._problem.quality - price / self._theta)
        return np.asarray((customers * buys).sum(axis=1))


class LogitFluidMarket:
    """`FluidMarket` for several products and multinomial logit customers, within the range of the prices."""

    def __init__(self, scenario: Scenario) -> None:
        self._sale = mnl_sale(scenario)
        self._low, self._high = (np.array([end(p.price_levels) for p in scenario.products]) for end in (min, max))
        # Ticks in which customers are alike are one phase.
        self._sensitivity, phase = np.unique(self._sale.sensitivity, axis=0, return_inverse=True)
        customers = np.zeros((len(phase), len(self._sensitivity)))
        customers[np.arange(len(phase)), phase.ravel()] = self._sale.customers
        self._customers_left = np.cumsum(customers[::-1], axis=0)[::-1]
        # Small sales meet the same states over and over: each is solved once.
        self._shape = (len(phase), *(units + 1 for units in self._sale.stock))
        small = math.prod(self._shape) <= _MOST_STATES
        self._solved = np.full((math.prod(self._shape), len(self._low)), np.nan) if small else None

    def price(self, tick: Integers, worth: Floats) -> Floats:
        """(N, M) best prices of a tick for units of these worths (N, M); what is worth infinity is not for sale."""
        gone = np.isinf(worth)
        quality = np.where(gone, -np.inf, self._sale.quality)
        kept = np.where(gone, self._high, worth)
        return best_offer(quality, self._sale.sensitivity[tick], kept, low=self._low, high=self._high)[1]

    def worth(self, tick: Integers, stock: Integers) -> Floats:
        """(N, M) worth of a unit of each product with this stock (N, M) when this tick begins; infinity if gone."""
        if self._solved is None:
            return self._solve(tick, stock)
        state = np.ravel_multi_index((tick, *stock.T), self._shape)
        new = np.unique(state[np.isnan(self._solved[state, 0])])
        if len(new):
            found = np.unravel_index(new, self._shape)
            self._solved[new] = self._solve(found[0], np.column_stack(found[1:]))
        return np.asarray(self._solved[state])

    def _solve(self, tick: Integers, stock: Integers) -> Floats:
        quality = np.where(stock > 0, self._sale.quality, -np.inf)[:, None]
        worth = clearing_worth(
            self._customers_left[tick][:, :, None],
            quality,
            self._sensitivity[None],
            stock.astype(np.float64),
            salvage=self._sale.salvage_value,
            low=self._low,
            high=self._high,
        )
        return np.where(stock > 0, worth, np.inf)


class Fluid(FluidFormula):
    """The price of the fluid problem, solved once at the opening: max(theta, theta·ln(customers / stock)).

    Where willingness to pay drifts, the price follows it and the worth of a unit stays.

    Source:
        Gallego & van Ryzin (1994), Management Science 40(8), theorem 3: asymptotically optimal.
    """

    name = "fluid"

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        opening = np.array([[product.initial_stock for product in self.scenario.products]])
        self._worth = self._market.worth(np.zeros(1, np.int64), opening)

    def prices(self, tick: Integers, stock: Integers) -> Floats:
        return self._market.price(tick, np.broadcast_to(self._worth, stock.shape))


class FluidResolve(FluidFormula):
    """The price of the fluid problem of what is left, solved anew every tick.

    max(theta, theta·ln(customers left / units left)) where willingness to pay does not drift.
    """

    name = "fluid_resolve"

    def prices(self, tick: Integers, stock: Integers) -> Floats:
        return self._market.price(tick, self._market.worth(tick, stock))


class GallegoVanRyzin(OneProduct):
    """The optimal price of continuous time, J(n) - J(n-1) + 1 in units of theta, for the customers still expected.

    Source:
        Gallego & van Ryzin (1994), Management Science 40(8), section 2.3.
    """

    name = "gvr"

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        problem, theta = self._problem, float(self._problem.mean_wtp[0])
        # Above the salvage value, demand is exponential again with fewer customers.
        expected_sales = self._market.customers_left[:, 0] * math.exp(-1.0 - problem.salvage_value / theta)
        values = gvr_values(problem.stock, expected_sales)
        worth = np.diff(values, axis=1, prepend=values[:, :1] - 1.0)
        self._table = problem.salvage_value + theta * (worth + 1.0)  # (T, n + 1)

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        reason = super().applies(scenario)
        if reason is None and scenario.choice.model != "exponential":
            reason = (
                f"the formula is for exponential willingness to pay, not for choice model {scenario.choice.model!r}"
            )
        if reason is None and len(set(scenario.choice.drift)) > 1:
            reason = "the formula is for willingness to pay that does not drift"
        return reason

    def prices(self, tick: Integers, stock: Integers) -> Floats:
        return self._table[tick, stock[:, 0], None]


class Myopic(Formula):
    """The prices that earn most with the next customer, as if the stock never ran out.

    salvage value + theta under exponential willingness to pay; Lambert's W under multinomial logit, over the products
    that are on hand.
    """

    name = "myopic"

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        self._sale = mnl_sale(self.scenario) if self.scenario.choice.model == "mnl" else None

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        reason = super().applies(scenario)
        if reason is None and len(scenario.products) > 1:
            reason = why_no_mnl_sale(scenario)
        return reason

    def prices(self, tick: Integers, stock: Integers) -> Floats:
        products = self.scenario.products
        salvage = np.array([product.salvage_value for product in products])
        if self._sale is None:
            return salvage + self.scenario.drift_per_tick[tick, None] * products[0].reference_price
        sale = self._sale
        low, high = np.full(len(products), -np.inf), np.full(len(products), np.inf)
        if sale.continuous:
            low, high = (np.array([end(menu) for menu in sale.menus]) for end in (min, max))
        quality = np.where(stock > 0, sale.quality, -np.inf)
        return best_offer(quality, sale.sensitivity[tick], salvage, low=low, high=high)[1]


class BaseStock(Agent):
    """Order up to `level` units on hand and on their way; by default the level that is best in the long run.

    That is found exactly where the Markov chain is small; else the default is the newsvendor's quantity for the demand
    of the lead time and one tick more.
    """

    name = "base_stock"
    solves = True

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        self.require_applies()
        self._units = UnitReader(self.scenario)
        self._rule = base_stock_rule(lost_sales_problem(self.scenario), int(self.params["level"]))

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        lead = ["in_transit" if "in_transit" in scenario.features else "pipeline"] * (scenario.lead_ticks > 0)
        return why_no_lost_sales(scenario) or why_unseen(scenario, "on_hand", *lead)

    @classmethod
    def space(cls, scenario: Scenario) -> Space:
        return {} if cls.applies(scenario) else {"level": (0, scenario.products[0].storage)}

    @classmethod
    def defaults(cls, scenario: Scenario) -> dict[str, float]:
        if cls.applies(scenario):
            return {}
        problem = lost_sales_problem(scenario)
        small = math.comb(problem.cover + problem.lead, problem.lead) <= _MOST_STATES
        return {"level": best_base_stock(problem)[0] if small else problem.cover}

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        on_hand, in_transit = self._units.on_hand(observations)[:, 0], self._units.in_transit(observations)
        return order_actions(self.codec, self._rule(on_hand, in_transit)), state


class ReorderPoint(Agent):
    """(s, S): order up to `order_up_to` once the units on hand and on their way have fallen to `reorder_at`.

    By default the best levels for orders of any size, see `best_reorder_point`. They are optimal where an order arrives
    at once; with a lead time they are those of customers who wait, a common start for customers who do not.

    Raises:
        ValueError: `reorder_at` is not below `order_up_to`.
    """

    name = "s_S"
    solves = True

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        self.require_applies()
        low, high = int(self.params["reorder_at"]), int(self.params["order_up_to"])
        if low >= high:
            raise ValueError(f"s_S: reorder_at must lie below order_up_to, got {low} and {high}.")
        self._units = UnitReader(self.scenario)
        self._rule = reorder_rule(lost_sales_problem(self.scenario), low, high)

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        reason = BaseStock.applies(scenario)
        if reason is None and lost_sales_problem(scenario).order_cost == 0:
            reason = "the scenario's orders cost no fee whatever their size, so it would be base_stock"
        return reason

    @classmethod
    def space(cls, scenario: Scenario) -> Space:
        if cls.applies(scenario) is not None:
            return {}
        storage = scenario.products[0].storage
        return {"reorder_at": (-1, storage - 1), "order_up_to": (0, storage)}

    @classmethod
    def defaults(cls, scenario: Scenario) -> dict[str, float]:
        if cls.applies(scenario) is not None:
            return {}
        problem = lost_sales_problem(scenario)
        low, high, _ = best_reorder_point(problem)
        high = min(high, problem.storage)
        return {"reorder_at": min(max(low, -1), high - 1), "order_up_to": high}

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        on_hand, in_transit = self._units.on_hand(observations)[:, 0], self._units.in_transit(observations)
        return order_actions(self.codec, self._rule(on_hand, in_transit)), state

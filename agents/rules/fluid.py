"""Rules of the revenue and inventory textbooks, asymptotically optimal or optimal where their assumptions hold.

Owns    fluid prices (solved once, or re-solved every tick), myopic prices, Gallego and van Ryzin's price, base stock,
        (s, S).
Axes    N sales, T ticks, M products.
Units   currency; theta is the mean willingness to pay. `worth` is the shadow price of a unit.

They compute prices from the scenario's own parameters, so there is nothing to tune. On a grid of prices the nearest
level is shown. The exact optimum to compare with is "dp".
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

# Largest Markov chain of a base-stock policy for which the best level is found exactly (about a second a level), and
# largest number of states of a sale of several products whose shadow prices are cached.
_MOST_STATES = 100_000


class Formula(Agent):
    """Prices as a function of tick and stock alone."""

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        self.require_applies()
        self._units = UnitReader(self.scenario)

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        return why_no_pricing(scenario) or why_unseen(scenario, "time_left", "on_hand")

    def prices(self, tick: Integers, stock: Integers) -> Floats:
        """(N, M) prices in tick (N,) with stock (N, M), before rounding to the scenario's levels."""
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
    """The fluid problem of one product: demand equals its expectation.

    For a shadow price w, the optimal price of a tick is w + theta under exponential willingness to pay, and
    w + theta·(1 + W(e^(quality - w/theta - 1))) under multinomial logit, with W Lambert's function. The shadow price is
    the multiplier of the stock constraint: the salvage value where the stock lasts, else the value at which the
    remaining ticks sell exactly the stock.

    Source:
        Gallego & van Ryzin (1994), Management Science 40(8), section 3.
    """

    def __init__(self, problem: PricingProblem) -> None:
        self._problem = problem
        # Ticks with the same theta are one phase, so that the sums below run over few phases.
        self._theta, phase = np.unique(problem.mean_wtp, return_inverse=True)
        customers = np.zeros((problem.ticks, len(self._theta)))
        customers[np.arange(problem.ticks), phase] = problem.customers
        self.customers_left = np.cumsum(customers[::-1], axis=0)[::-1]  # (T, phases), from this tick on

    def price(self, tick: Integers, worth: Floats) -> Floats:
        """(N, 1) optimal price of a tick for these shadow prices (N, 1)."""
        return self._price(self._problem.mean_wtp[tick, None], worth)

    def worth(self, tick: Integers, stock: Integers) -> Floats:
        """(N, 1) shadow price with this stock (N, 1) at the start of this tick; a stock of 0 counts as one unit."""
        left, units = self.customers_left[tick], np.maximum(stock[:, 0], 1)
        # Bisection on units sold(w) = units left, which falls in w. At the upper end of the bracket every customer buys
        # with a probability below units / customers, so fewer units are sold than are left.
        theta = float(self._theta.max())
        logits = max(self._problem.quality, 0.0) + np.log(np.maximum(left.sum(axis=1) / units, 1.0))
        low = np.full(len(units), self._problem.salvage_value)
        high = low + theta * (logits + 1.0)
        # 60 halvings bring the bracket below the rounding of a price. If the stock lasts, it shrinks to `low`.
        for _ in range(60):
            middle = 0.5 * (low + high)
            short = self._sold(left, middle) > units
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        return np.asarray(high)[:, None]

    def _price(self, theta: Floats, worth: Floats) -> Floats:
        """Optimal prices for these thetas and shadow prices."""
        if self._problem.choice == "exponential":
            return worth + theta
        # wrightomega(z) = W(e^z), without overflow.
        return np.asarray(worth + theta * (1.0 + wrightomega(self._problem.quality - worth / theta - 1.0)))

    def _sold(self, customers: Floats, worth: Floats) -> Floats:
        """(N,) expected units that customers (N, phases) buy at the optimal prices for these shadow prices (N,)."""
        price = self._price(self._theta, worth[:, None])
        if self._problem.choice == "exponential":
            buys = np.exp(-price / self._theta)
        else:
            buys = expit(self._problem.quality - price / self._theta)
        return np.asarray((customers * buys).sum(axis=1))


class LogitFluidMarket:
    """The fluid problem of several products and multinomial logit customers, within the range of the prices."""

    def __init__(self, scenario: Scenario) -> None:
        self._sale = mnl_sale(scenario)
        self._low, self._high = (np.array([end(p.price_levels) for p in scenario.products]) for end in (min, max))
        # Ticks with the same price sensitivities are one phase.
        self._sensitivity, phase = np.unique(self._sale.sensitivity, axis=0, return_inverse=True)
        customers = np.zeros((len(phase), len(self._sensitivity)))
        customers[np.arange(len(phase)), phase.ravel()] = self._sale.customers
        self._customers_left = np.cumsum(customers[::-1], axis=0)[::-1]
        # Small sales revisit the same states: each is solved once.
        self._shape = (len(phase), *(units + 1 for units in self._sale.stock))
        small = math.prod(self._shape) <= _MOST_STATES
        self._solved = np.full((math.prod(self._shape), len(self._low)), np.nan) if small else None

    def price(self, tick: Integers, worth: Floats) -> Floats:
        """(N, M) optimal prices of a tick for these shadow prices (N, M); infinity marks a product out of stock."""
        gone = np.isinf(worth)
        quality = np.where(gone, -np.inf, self._sale.quality)
        kept = np.where(gone, self._high, worth)
        return best_offer(quality, self._sale.sensitivity[tick], kept, low=self._low, high=self._high)[1]

    def worth(self, tick: Integers, stock: Integers) -> Floats:
        """(N, M) shadow prices with this stock (N, M) at the start of this tick; infinity where out of stock."""
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
    """The price of the fluid problem, solved once at the start of the sale: max(theta, theta·ln(customers / stock)).

    If willingness to pay drifts, the price follows it, and the shadow price stays.

    Source:
        Gallego & van Ryzin (1994), Management Science 40(8), theorem 3: asymptotically optimal.
    """

    name = "fluid"

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        initial = np.array([[product.initial_stock for product in self.scenario.products]])
        self._worth = self._market.worth(np.zeros(1, np.int64), initial)

    def prices(self, tick: Integers, stock: Integers) -> Floats:
        return self._market.price(tick, np.broadcast_to(self._worth, stock.shape))


class FluidResolve(FluidFormula):
    """The price of the fluid problem of the remaining sale, re-solved every tick.

    max(theta, theta·ln(customers left / units left)) if willingness to pay does not drift.
    """

    name = "fluid_resolve"

    def prices(self, tick: Integers, stock: Integers) -> Floats:
        return self._market.price(tick, self._market.worth(tick, stock))


class GallegoVanRyzin(OneProduct):
    """The optimal price in continuous time, J(n) - J(n-1) + 1 in units of theta, for the customers still expected.

    Source:
        Gallego & van Ryzin (1994), Management Science 40(8), section 2.3.
    """

    name = "gvr"

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        problem, theta = self._problem, float(self._problem.mean_wtp[0])
        # In prices above the salvage value s, demand a·e^(-s/theta)·e^(-(p - s)/theta) is exponential with fewer
        # customers.
        expected_sales = self._market.customers_left[:, 0] * math.exp(-1.0 - problem.salvage_value / theta)
        values = gvr_values(problem.stock, expected_sales)
        worth = np.diff(values, axis=1, prepend=values[:, :1] - 1.0)  # J(n) - J(n-1); column 0 fills the table
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
    """The revenue-maximising prices for the next customer, ignoring the stock constraint.

    salvage value + theta under exponential willingness to pay; under multinomial logit Lambert's W, over the products
    on hand.
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
    """Order up to an inventory position of `level` units; by default the level with the least average cost.

    That level is found exactly if the Markov chain is small. Otherwise the default is the newsvendor quantity for the
    demand of the lead time plus one tick.
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
    """(s, S): order up to `order_up_to` when the inventory position has fallen to `reorder_at`.

    The defaults are the best levels for orders of any size, see `best_reorder_point`. They are optimal for lead time 0;
    with a lead time they are those of the backlogged system, a common approximation for lost sales.

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
            reason = "the scenario's orders have no fixed cost, so it would be base_stock"
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

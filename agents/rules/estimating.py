"""Rules that estimate demand during the sale: myopic prices, re-solved fluid prices, order-up-to.

Owns    the estimates, and the memory that they need. The memory is the `state` of `predict`; nothing else is kept from
        call to call.
Axes    N sales, M products.
Units   stock, sales and customers in units; prices as shares of the list price inside the estimates.
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.stats import poisson

from flashsale_env import Scenario, UnitReader
from flashsale_env.agents.base import Space
from flashsale_env.agents.exact import best_offer, clearing_worth
from flashsale_env.agents.rules.heuristics import FixedPrice, fixed_price_level
from flashsale_env.agents.rules.levers.base import own
from flashsale_env.agents.rules.levers.orders import arrives_in_time, order_levels, units_ordered
from flashsale_env.agents.rules.merchant import Shop, why_no_price, why_rivals
from flashsale_env.agents.rules.view import Floats, Integers, View
from flashsale_env.population import HOMOGENEOUS

if TYPE_CHECKING:
    from typing import Self

# Clip of logits: one customer in e^300 would choose otherwise, and sums of exponentials would overflow beyond it.
_MOST_LOGITS = 300.0


@dataclass
class Memory:
    """What a merchant carries from tick to tick: fields of shape (N, M)."""

    @classmethod
    def begin(cls, shape: tuple[int, int], old: "Self | None", start: npt.NDArray[np.bool_]) -> "Self":
        """A copy to write into, with zeros in the rows whose sale begins."""
        keep = np.zeros(shape[0], np.bool_) if old is None else ~start
        rows = {f.name: np.zeros(shape) if old is None else getattr(old, f.name) for f in fields(cls)}
        return cls(**{name: np.where(keep[:, None], row, 0.0) for name, row in rows.items()})


@dataclass
class Demand(Memory):
    """Sufficient statistics for estimating demand by price."""

    sold: Floats  # units sold until the last call
    price: Floats  # price of the last tick, as a share of the list price; 0 before the first tick
    bought: Floats  # units sold in ticks that ended with stock
    offered: Floats  # customers of those ticks who bought nothing, weighted by exp(sensitivity·(1 - price))
    worth: Floats  # shadow price of a unit in the last tick, currency


@dataclass
class Wants(Memory):
    """Sufficient statistics for forecasting demand."""

    began: Floats  # 1 from the second call on
    position: Floats  # units on hand and on their way after the last order
    wanted: Floats  # units demanded so far
    customers: Floats  # customers so far


class EstimatedMyopic(Shop):
    """The revenue-maximising prices for the next customer, by multinomial logit demand estimated during the sale.

    A product's odds against buying nothing are A·exp(sensitivity·(1 - price/list price)). The sensitivity is a
    parameter. The appeal A is estimated: it has a gamma prior with mean exp(`appeal`) and the weight of `prior_units`
    sales. In every tick that ends with stock, the units sold are Poisson with mean

        A · exp(sensitivity·(1 - price/list price)) · customers who bought nothing,

    so the gamma prior is conjugate. A tick that ends sold out is left out: its sales are censored demand.
    """

    name = "estimated_myopic"
    reads: ClassVar[tuple[str, ...]] = ("time_left", "on_hand")

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        return why_no_price(scenario) or why_rivals(scenario) or super().applies(scenario)

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        space: Space = {"prior_units": (0.1, 300.0)}
        for name, value in cls.price_defaults(scenario).items():
            if name.startswith("sensitivity"):
                space[name] = (0.3 * value, 3.0 * value)
            elif name.startswith("appeal"):
                space[name] = (value - 3.0, value + 3.0)
        return space

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        values = {"prior_units": 20.0}
        for product in scenario.products:
            if scenario.population == HOMOGENEOUS:
                sensitivity = product.list_price / product.reference_price
                appeal = product.quality - sensitivity
            else:
                # Mean own-price elasticity of 1,851 estimates (Bijmolt et al. 2005), and ln of a buy/view ratio of
                # 2.25 % (Taobao UserBehavior).
                sensitivity, appeal = 2.62, -3.8
            values[own("sensitivity", product.title)] = sensitivity
            values[own("appeal", product.title)] = appeal
        return values

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        products = self.scenario.products
        self._list_price = np.array([product.list_price for product in products])
        self._low = np.array([product.price_levels[-1] for product in products])
        self._salvage = np.array([product.salvage_value for product in products])
        self._customers = self.scenario.customers_per_tick

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        view = self.view(observations)
        memory = Demand.begin(view.sold.shape, state, episode_start)
        self._update(view, memory)
        prices = self._prices(view, memory)
        price_level = self.price_level_of(prices)
        shown = prices if self.scenario.pricing.continuous else self._nearest_prices(price_level)
        memory.price = np.clip(shown, self._low, self._list_price) / self._list_price
        return self.actions(view, price_level), memory

    def _update(self, view: View, memory: Demand) -> None:
        """Add the tick that has just ended to the statistics."""
        sold = view.sold.astype(np.float64)
        last = view.tick - 1
        counts = (memory.price > 0) & (view.on_hand > 0)
        # The number of customers who bought nothing is not observed. Expected customers minus units sold is an unbiased
        # estimate of it, and may be negative in a single tick.
        bought = (sold - memory.sold).sum(axis=1, keepdims=True)
        idle = self._customers[np.maximum(last, 0), None] * view.traffic - bought
        sensitivity = self._sensitivity(view)
        memory.bought += np.where(counts, sold - memory.sold, 0.0)
        memory.offered += np.where(counts, idle * np.exp(sensitivity * (1.0 - memory.price)), 0.0)
        memory.sold = sold

    def _sensitivity(self, view: View) -> Floats:
        """(N, M) logits lost from a price of 0 to list price."""
        return np.minimum(self.per_product("sensitivity") / view.drift, _MOST_LOGITS)

    def _appeal(self, memory: Demand) -> Floats:
        """(N, M) posterior mean of the odds at list price."""
        weight = self.params["prior_units"]
        # Prior Gamma(w, w / exp(appeal)) with mean exp(appeal); posterior Gamma(w + bought, w / exp(appeal) + offered).
        offered = weight * np.exp(-np.clip(self.per_product("appeal"), -_MOST_LOGITS, _MOST_LOGITS))
        # By luck more units may be sold than customers were expected. The rate then keeps a tenth of the prior's.
        return np.asarray((weight + memory.bought) / (offered + np.maximum(memory.offered, -0.9 * offered)))

    def _logit(self, view: View, memory: Demand) -> tuple[Floats, Floats]:
        """(N, M) utility at price 0, -inf for what is out of stock, and logits lost per unit of currency."""
        sensitivity = self._sensitivity(view)
        utility = np.log(self._appeal(memory)) + sensitivity
        return np.where(view.stock > 0, utility, -np.inf), sensitivity / self._list_price

    def _prices(self, view: View, memory: Demand) -> Floats:
        """(N, M) prices for the next tick, currency."""
        utility, slope = self._logit(view, memory)
        return best_offer(utility, slope, self._salvage, low=self._low, high=self._list_price)[1]

    def _nearest_prices(self, price_level: Floats) -> Floats:
        """(N, M) prices of the nearest whole levels."""
        nearest = np.rint(price_level).astype(np.int64)
        menus = [np.array(product.price_levels) for product in self.scenario.products]
        return np.column_stack([menu[n] for menu, n in zip(menus, nearest.T, strict=True)])


class LpResolve(EstimatedMyopic):
    """The prices of the deterministic problem of the remaining sale, for all products jointly, re-solved every tick.

    Demand is replaced by its expectation, estimated as for `estimated_myopic`. The problem is concave in sales (Li &
    Huh 2011). Its multipliers are the shadow prices of the stock: the salvage value where the stock lasts, else the
    value at which the expected customers buy exactly the stock. Each tick starts from the last tick's shadow prices.

    Source:
        Jasin (2014), Operations Research 62(6), on re-solving the deterministic problem of network pricing.
    """

    name = "lp_resolve"

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        if len(set(scenario.choice.drift)) > 1:
            return "the agent plans with one willingness to pay for the rest of the sale, and the scenario's drifts"
        return super().applies(scenario)

    def _prices(self, view: View, memory: Demand) -> Floats:
        utility, slope = self._logit(view, memory)
        customers = view.customers_left * self._customers.sum() * view.traffic
        memory.worth = clearing_worth(
            customers[:, :, None],
            utility[:, None],
            slope[:, None],
            view.stock.astype(np.float64),
            salvage=self._salvage,
            low=self._low,
            high=self._list_price,
            start=memory.worth,
            tolerance=1e-2,  # of the units sold: far below the estimation error
            rounds=15,  # the next tick continues from here
        )
        return best_offer(utility, slope, memory.worth, low=self._low, high=self._list_price)[1]


class OrderUpTo(Shop):
    """Fixed prices, and orders up to a forecast of the demand until the next order could arrive.

    The level is F + `safety`·sqrt(F), with F the forecast for the lead time and `review` ticks. Demand per customer is
    estimated from the sale so far, with a prior of `prior` units per customer. Sales of a tick that ends without stock
    are censored: they are replaced by E[D | D >= units sold] for Poisson demand D.

    Source:
        Talluri & van Ryzin (2004), The Theory and Practice of Revenue Management, section 9.4, on unconstraining.
    """

    name = "order_up_to"
    decides: ClassVar[tuple[str, ...]] = ("price", "order")
    _PRIOR_CUSTOMERS: ClassVar[float] = 20.0  # weight of the prior: a handful of ticks of a small sale

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        supply = scenario.replenishment
        if supply is None or all(len(product.order_levels) == 1 for product in scenario.products):
            return "the scenario has nothing to order"
        wanted = ["position", "to_order", *cls.levers_need(scenario)]
        if not np.allclose(*np.percentile(scenario.customers_per_tick, (0, 100))):
            wanted.append("tick")
        return UnitReader(scenario).why_unread(*wanted)

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        orders: Space = {"prior": (0.0, 1.0), "safety": (-2.0, 4.0), "review": (1, min(scenario.horizon_ticks, 60))}
        return FixedPrice.price_space(scenario) | orders

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        return FixedPrice.price_defaults(scenario) | {"prior": 0.5, "safety": 1.0, "review": 1}

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        view = self.view(observations)
        memory = Wants.begin(view.stock.shape, state, episode_start)
        # Without a clock in the observation, arrivals are even (see `applies`), and every tick counts as the first.
        clock = "tick" in self.units
        tick = view.tick if clock else np.zeros(view.sales, np.int64)
        self._forecast(view, memory, tick)
        expected = np.append(0.0, np.cumsum(self.scenario.customers_per_tick))
        last = np.minimum(tick + self.scenario.lead_ticks + int(self.params["review"]), len(expected) - 1)
        customers = (expected[last] - expected[tick])[:, None] * view.traffic
        forecast = self._rate(memory) * customers
        missing = np.maximum(forecast + self.params["safety"] * np.sqrt(forecast) - view.stock, 0.0)
        missing = np.minimum(missing, view.to_order)
        if clock:
            missing = np.where(arrives_in_time(view), missing, 0.0)
        orders = order_levels(self.codec, missing)
        actions = self.actions(view, fixed_price_level(self), order=orders)
        memory.began[:] = 1.0
        memory.position = view.stock + units_ordered(self.codec, orders, len(self.scenario.products))
        return actions, memory

    def _rate(self, memory: Wants) -> Floats:
        """(N, M) units wanted per customer."""
        weight = self._PRIOR_CUSTOMERS
        return np.asarray((weight * self.params["prior"] + memory.wanted) / (weight + memory.customers))

    def _forecast(self, view: View, memory: Wants, tick: Integers) -> None:
        """Add the demand of the tick that has just ended; `tick` (N,) is the next one."""
        sold = np.maximum(memory.position - view.stock, 0.0)
        last = np.maximum(tick - 1, 0)
        came = self.scenario.customers_per_tick[last, None] * view.traffic * memory.began
        mean = self._rate(memory) * came
        with np.errstate(invalid="ignore", divide="ignore"):
            # E[D | D >= s] = mean · P(D >= s - 1) / P(D >= s), because k·pmf(k) = mean·pmf(k - 1).
            at_least = mean * poisson.sf(sold - 2, mean) / poisson.sf(sold - 1, mean)
        # Far out in the tail both probabilities are 0; the units sold then stand for the demand.
        at_least = np.where(np.isfinite(at_least), np.maximum(at_least, sold), sold)
        memory.wanted += np.where(view.on_hand > 0, sold, at_least) * memory.began
        memory.customers += came

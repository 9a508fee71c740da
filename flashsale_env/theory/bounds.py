"""Upper bounds on the profit of any policy.

Owns    the Lagrangian dual of the stock constraints, with prices relaxed to one per voice; the hindsight bound, with
        full information on the customers of a sale.
Axes    M products, V voices, C customers of one sale.
Units   currency per sale, on the scale of the metric `profit`.

A bound is never called optimal: no policy earns more, but none need earn as much. Its name is printed beside it.
`DUAL_SCOPE` and `HINDSIGHT_SCOPE` name the scenario options covered by the proofs; any other option is refused.

Both proofs rest on the same facts, one for each setting. Those of a mechanism are in its file (`Mechanism.bounded`).
Those of the products are:

- `price_levels`: a customer pays at most the list price.
- `may_be_withheld`, a stock-out: a product that cannot be bought is one at a prohibitive price.
- `initial_stock`, `reserve`, `order_levels`, `storage`: constraints on the shop.
- `holding_cost`: at least 0. `salvage_value`: paid for every leftover, so a unit is worth at least that.
- `lost_sale_penalty`: part of the reward, never of the profit, and the profit is bounded.
- `owner`: the products of rivals are left out, see `market.rivals`.

`observe` and `memory_minutes` limit the information of the shop; the bounds assume more information.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.stats import norm

from flashsale_env.population import Population
from flashsale_env.scenario import MECHANISMS, Scenario, load_scenario
from flashsale_env.simulator import Simulator
from flashsale_env.theory import dual, hindsight
from flashsale_env.theory.scope import ANY, Scope, every

Floats = npt.NDArray[np.float64]

# Both bounds model every attribute of a voice.
_VOICES = (
    *("products", "utterances", "languages", "intent_probabilities", "latent_class", "relevance", "price_sensitivity"),
    *("coupon_affinity", "weight", "card"),
)
_OF_MECHANISMS = {f"{name}.{setting}": ANY for name, entry in MECHANISMS.items() for setting in entry.mechanism.bounded}
HINDSIGHT_SCOPE = Scope(
    "the hindsight bound",
    {
        **dict.fromkeys(("name", "version", "description", "currency", "horizon_ticks", "tick_minutes"), ANY),
        **dict.fromkeys(("memory_minutes", "observe"), ANY),
        **every("products", "title", "noun", "price_levels", "may_be_withheld", "reference_price", "quality", "nest"),
        **every("products", "initial_stock", "reserve", "order_levels", "storage", "unit_cost", "salvage_value"),
        **every("products", "holding_cost", "lost_sale_penalty", "owner"),
        **_OF_MECHANISMS,
        "arrivals.law": ("poisson", "bernoulli"),
        "choice.model": ("mnl", "exponential", "nested", "mixed"),
    },
    _VOICES,
)
DUAL_SCOPE = Scope(
    "the Lagrangian dual",
    {
        **{
            name: values
            for name, values in HINDSIGHT_SCOPE.options.items()
            # Under "mixed" the customers of one voice differ: one price per voice relaxes too little.
            if name not in ("choice.sensitivity_sd", "choice.appetite_sd")
        },
        "choice.model": ("mnl", "exponential", "nested"),
    },
    _VOICES,
)


@dataclass(frozen=True, eq=False)
class Bound:
    """An upper bound, averaged over sales.

    Args:
        name: of the bound, always printed beside the value.
        value: mean over the sales, currency.
        half_width: of the 95 % confidence interval of that mean, currency; 0 if the sales do not differ.
        per_sale: (N,) the bound of each sale, given its shocks (dual) or its customers (hindsight), currency.
    """

    name: str
    value: float
    half_width: float
    per_sale: Floats


def lagrangian_dual_bound(
    scenario: str | Scenario,
    population: str | Population | None = None,
    *,
    seeds: Sequence[int] | npt.NDArray[np.uint64],
) -> Bound:
    """Upper bound on the expected profit of any policy, by weak duality, valid for any multiplier.

    The problem is relaxed in the policy's favour. The shocks of the sale are known. Each voice and product has a price
    of its own, up to the list price, or is not offered. All customers attracted by the deepest coupon come. Orders
    arrive at once and cost no fixed fee. Stock is limited in expectation only and costs nothing to hold. With w_j the
    worth of a unit,

        D(w) = sum_voices customers_v · R_v(w)
             + sum_j w_j·stock_j + (w_j - unit_cost_j - freight)^+·reserve_j - opening cost

    bounds the profit for every w >= salvage value. R_v = max_p sum_j (p_j - w_j)·q_j(p) is the best margin of one
    customer. For MNL it is the root of R = sum_j max_p e^(a_j - b_j·p)·(p - w_j - R)^+ (Dinkelbach 1967,
    doi 10.1287/mnsc.13.7.492), found by Newton's method. For exponential willingness to pay and nested logit it is at
    most the sum of the products' separate margins, sum_j max_p P(product j is better than nothing at p)·(p - w_j).
    "mixed" is refused: its customers differ within a voice, so one price per voice would not be a bound.

    Args:
        scenario, population: as for `Simulator`.
        seeds: (N,) the sales whose shocks are averaged over; one is enough for a scenario without shocks.

    Returns:
        The bound, with one value of D for each sale.

    Raises:
        ValueError: the scenario has an option outside `DUAL_SCOPE`.
    """
    simulator = _opened(DUAL_SCOPE, scenario, population, seeds)
    problem = _DualProblem(simulator)
    return _bound("Lagrangian dual, one price per voice", [problem.solve(row) for row in range(len(simulator))])


def hindsight_bound(
    scenario: str | Scenario,
    population: str | Population | None = None,
    *,
    seeds: Sequence[int] | npt.NDArray[np.uint64],
) -> Bound:
    """Upper bound on the profit of any policy in *each* of these sales, not only on average.

    The shop is given full information before the start of the sale: all customers and their reservation price for each
    product. All customers attracted by the deepest coupon come. Each pays the reservation price, at most the list
    price. Orders arrive at once and cost no fixed fee, and stock costs nothing to hold. What remains is the assignment
    of units to customers. By linear programming duality its value is at most, for every w >= salvage value,

        sum_customers max_j (payment_j - w_j)^+
             + sum_j w_j·stock_j + (w_j - unit_cost_j - freight)^+·reserve_j - opening cost

    which is minimised over one product at a time. With one product this is exact: the customers who pay most buy.

    Args:
        scenario, population: as for `Simulator`.
        seeds: (N,) the sales; a policy played on the same seeds meets the same customers.

    Returns:
        The bound, with the value of each sale.

    Raises:
        ValueError: the scenario has an option outside `HINDSIGHT_SCOPE`.
    """
    simulator = _opened(HINDSIGHT_SCOPE, scenario, population, seeds)
    supply = _Supply(simulator)
    return _bound(
        "hindsight, one price per customer",
        [supply.assignment_value(_payments(simulator, row, supply.list_price)) for row in range(len(simulator))],
    )


def _opened(
    scope: Scope,
    scenario: str | Scenario,
    population: str | Population | None,
    seeds: Sequence[int] | npt.NDArray[np.uint64],
) -> Simulator:
    scenario = load_scenario(scenario)
    reason = scope.why_not(scenario, population)
    if reason is not None:
        other = " Take hindsight_bound." if HINDSIGHT_SCOPE.why_not(scenario, population) is None else ""
        raise ValueError(f"{scope.claim} is not valid for scenario {scenario.name!r}: {reason}.{other}")
    simulator = Simulator(scenario, population, sales=len(seeds))
    simulator.open(np.asarray(seeds, np.uint64), np.zeros(len(seeds), np.int64))
    return simulator


def _bound(name: str, per_sale: list[float]) -> Bound:
    values = np.array(per_sale)
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Bound(name, float(values.mean()), float(norm.ppf(0.975)) * sd / len(values) ** 0.5, values)


class _Supply:
    """Stock, reserve and costs, the same in every sale of a scenario; (M,) arrays, currency per unit."""

    def __init__(self, simulator: Simulator) -> None:
        rules = simulator.instance.rules[0]
        # Of a rival's product the shop has no unit, and nobody pays the shop for it.
        own = simulator.scenario.own
        self.list_price = np.where(own, rules["list_price"], 0.0)
        self.salvage = np.where(own, rules["salvage_value"], 0.0)
        self.landed_cost = rules["unit_cost"] + rules["freight_per_unit"]
        self.opening_cost = float((rules["initial_stock"] * rules["unit_cost"] * own).sum())
        self.stock = np.where(own, rules["initial_stock"], 0.0)
        # Under unlimited supply a unit is never worth more than its landed cost: the shop would order another one.
        orderable = np.array([levels[-1] > 0 for levels in _order_levels(simulator)])
        unlimited = bool(rules["unlimited_supply"]) & orderable
        self.reserve = np.where(unlimited, np.inf, np.where(own, rules["initial_reserve"], 0.0))
        self.dearest = np.where(unlimited, np.maximum(self.landed_cost, self.salvage), np.inf)

    def value(self, worth: Floats) -> tuple[float, Floats]:
        """w·stock + (w - landed cost)^+·reserve - opening cost, currency, and its derivative by w."""
        # At `dearest`, where supply is unlimited, (w - landed cost)^+ is 0; the mask avoids 0·inf.
        ordered = (worth > self.landed_cost) & (worth < self.dearest)
        reserve = np.where(ordered, self.reserve, 0.0)
        value = worth @ self.stock + (worth - self.landed_cost) @ reserve - self.opening_cost
        return float(value), self.stock + reserve

    def assignment_value(self, payments: Floats) -> float:
        """Upper bound on the value of assigning units to customers, given what each would pay, (C, M) currency."""
        worth = np.clip(self.landed_cost, self.salvage, self.dearest)
        best = np.inf
        for _ in range(_MOST_SWEEPS):
            for j in range(len(worth)):
                # The bid for j is the payment less the best surplus from another product, or from none.
                others = np.delete(payments - worth, j, axis=1).max(axis=1, initial=0.0)
                worth[j] = self._clearing_worth(j, payments[:, j] - others)
            value = float((payments - worth).max(axis=1, initial=0.0).sum()) + self.value(worth)[0]
            if value > best - _SMALL_GAIN * (1.0 + abs(best)):
                return min(value, best)
            best = value
        return best

    def _clearing_worth(self, j: int, bids: Floats) -> float:
        """The worth of product j that minimises the bound: as many bids lie above it as there are units."""
        # The bound is convex in w_j with slope units - (number of bids above w_j). The reserve counts as units only
        # above the landed cost, so the minimum is at one of two ranks, or at the landed cost between them.
        clears = _at_rank(bids, self.stock[j])
        if clears > self.landed_cost[j]:
            clears = max(self.landed_cost[j], _at_rank(bids, self.stock[j] + self.reserve[j]))
        return float(np.clip(clears, self.salvage[j], self.dearest[j]))


# Sweeps over the products end when one improves the bound by less than this share; any worth gives a valid bound.
_SMALL_GAIN = 1e-6
_MOST_SWEEPS = 50


def _at_rank(bids: Floats, rank: float) -> float:
    """The bid at this rank, 0 for the highest; minus infinity if there are fewer bids."""
    if rank >= len(bids):
        return -np.inf
    k = len(bids) - 1 - int(rank)
    return float(np.partition(bids, k)[k])


def _order_levels(simulator: Simulator) -> list[tuple[int, ...]]:
    return [product.order_levels for product in simulator.scenario.products]


def _payments(simulator: Simulator, row: int, list_price: Floats) -> Floats:
    """(C, M) the most that each customer of a sale would pay for each product, at most the list price, currency."""
    expected = float(simulator.instance.schedule[:, 0].sum()) * float(simulator.sales["traffic"][row])
    # The number of customers is random. A call with too few rows still counts them, and a second one has enough.
    rows = int(1.5 * expected) + 100
    while True:
        payments = np.empty((rows, len(list_price)))
        number = np.zeros(1, np.int64)
        simulator.ask_core(hindsight.customers_of, row, payments, number)
        found = int(number[0])
        if found <= rows:
            return np.minimum(payments[:found], list_price)
        rows = found


class _DualProblem:
    """D(w) of each sale of a newly opened batch."""

    def __init__(self, simulator: Simulator) -> None:
        rules, voices = simulator.instance.rules[0], simulator.instance.voices
        self._sales = simulator.sales
        self._model = int(rules["choice_model"])
        self._utility = voices["utility"].astype(np.float64)
        sensitivity = voices["price_sensitivity"].astype(np.float64)[:, None] / rules["reference_price"]
        # Stock is limited over the whole sale only, so ticks with the same drift form one static problem.
        drift, phase = np.unique(simulator.instance.schedule[:, 1], return_inverse=True)
        customers = np.bincount(phase, simulator.instance.schedule[:, 0]) * rules["most_traffic"]
        self._phases = [(sensitivity / d, float(c)) for d, c in zip(drift, customers, strict=True)]
        self._supply = _Supply(simulator)
        self._class_of, self._within = _weight_within_class(rules, simulator)
        # Warm starts: each search begins at the solution of the previous sale. Half the unit cost is a guess.
        self._worth = np.clip(0.5 * rules["unit_cost"], self._supply.salvage, self._supply.dearest)
        self._margins = [np.zeros(len(voices)) for _ in self._phases]

    def solve(self, row: int) -> float:
        """The smallest D(w) found for this sale; every D(w) is a bound, so the minimiser need not be exact."""
        # `mix` is cumulative over classes; traffic scales the number of customers.
        sale = self._sales[row]
        mix = np.diff(sale["mix"], prepend=0.0)
        share = mix[self._class_of] * self._within * sale["traffic"]
        appeal = sale["appeal"].astype(np.float64)
        found = minimize(
            self._dual,
            self._worth,
            args=(share, appeal),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(self._supply.salvage, self._supply.dearest, strict=True)),
            options={"maxiter": 30, "ftol": 1e-6},
        )
        self._worth = found.x
        return float(found.fun)

    def _dual(self, worth: Floats, share: Floats, appeal: Floats) -> tuple[float, Floats]:
        """D(w) and its gradient."""
        list_price = self._supply.list_price
        value, slope = self._supply.value(worth)
        demand, scratch = np.empty(len(worth)), np.empty(len(worth))
        for (slopes, customers), margins in zip(self._phases, self._margins, strict=True):
            margin = dual.expected_margin(
                self._model, self._utility, appeal, slopes, list_price, worth, share, margins, demand, scratch
            )
            value += customers * margin
            # Envelope theorem: a customer's best margin falls by the probability of buying j per unit of w_j.
            slope = slope - customers * demand
        return value, slope


def _weight_within_class(rules: np.void, simulator: Simulator) -> tuple[npt.NDArray[np.int64], Floats]:
    """(V,) class number of each voice, and (V,) its share within that class."""
    weight = simulator.population.weight[simulator.instance.voice_rows].astype(np.float64)
    sizes = rules["class_size"][: rules["n_classes"]]
    class_of = np.repeat(np.arange(len(sizes)), sizes)
    return class_of, weight / np.bincount(class_of, weight)[class_of]

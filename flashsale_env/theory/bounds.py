"""Upper bounds on what any policy can earn.

Owns    the Lagrangian dual of the stock constraints with prices relaxed to one for each voice; the hindsight bound,
        which knows every customer of a sale.
Units   currency per sale, on the scale of the metric `profit`.

A bound is never called optimal: it says that no policy earns more, and its name is printed beside it. `DUAL_SCOPE` and
`HINDSIGHT_SCOPE` name the options of a scenario for which that is proved; a scenario with any other is refused.

Both proofs rest on the same facts, setting by setting. Those of a mechanism stand in its file (`Mechanism.bounded`); of
the products:

- `price_levels`: a customer pays at most the list price.
- `may_be_withheld`, a stock-out: a product that a customer cannot buy is one whose price is out of reach.
- `initial_stock`, `reserve`, `order_levels`, `storage`: they limit the shop.
- `holding_cost`: at least 0. `salvage_value`: of every unit left, so a unit is worth at least that.
- `lost_sale_penalty`: in the reward and never in the profit, which is what is bounded.

`observe` and `memory_minutes` are what the shop knows, and the bound knows more.
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

# What voices are like is part of both bounds.
_VOICES = (
    *("products", "utterances", "languages", "intent_probabilities", "latent_class", "relevance", "price_sensitivity"),
    *("coupon_affinity", "weight", "card"),
)
_OF_MECHANISMS = {f"{name}.{setting}": ANY for name, entry in MECHANISMS.items() for setting in entry.mechanism.bounded}
HINDSIGHT_SCOPE = Scope(
    "the hindsight bound",
    {
        **dict.fromkeys(("name", "version", "description", "horizon_ticks", "tick_minutes"), ANY),
        **dict.fromkeys(("memory_minutes", "observe"), ANY),
        **every("products", "title", "noun", "price_levels", "may_be_withheld", "reference_price", "quality", "nest"),
        **every("products", "initial_stock", "reserve", "order_levels", "storage", "unit_cost", "salvage_value"),
        **every("products", "holding_cost", "lost_sale_penalty"),
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
            # Customers of one voice differ under "mixed", and a price for each voice is no bound.
            if name not in ("choice.sensitivity_sd", "choice.appetite_sd")
        },
        "choice.model": ("mnl", "exponential", "nested"),
    },
    _VOICES,
)


@dataclass(frozen=True, eq=False)
class Bound:
    """An upper bound, averaged over sales with their shocks known.

    Args:
        name: always printed beside the value.
        value: mean over the sales, currency.
        half_width: of the 95 % interval of that mean; 0 where sales do not differ.
        per_sale: (n,) the bound of each sale: given its shocks (dual), or its customers (hindsight).
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

    Relaxed in the policy's favour: it knows the shocks of the sale; it sets a price for each voice and product, up to
    the list price, or offers nothing; every customer whom the deepest coupon attracts comes; orders arrive at once and
    cost no fixed fee; stock holds on average only and costs nothing to hold. With w_j the worth of a unit,

        D(w) = sum_voices customers_v · R_v(w)
             + sum_j w_j·stock_j + (w_j - unit_cost_j - freight)^+·reserve_j - opening cost

    for every w >= salvage value, where R_v = max sum_j (p_j - w_j)·q_j(p) is one customer's best margin. For MNL it is
    the root of R = sum_j max_p e^(a_j - b_j·p)·(p - w_j - R)^+ (Dinkelbach 1967, doi 10.1287/mnsc.13.7.492), by
    Newton's method; for exponential willingness to pay and nested logit it is at most what the products would earn each
    on its own, sum_j max_p P(product j is better than nothing at p)·(p - w_j). Under "mixed" the customers of one voice
    differ, and a price for each voice is no bound.

    Args:
        scenario, population: as for `Simulator`.
        seeds: the sales whose shocks are averaged over; one is enough where a scenario has no shocks.

    Raises:
        ValueError: the scenario has an option that `DUAL_SCOPE` does not name.
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

    The policy is told before the opening who comes and what each customer would pay at most for each product, every
    customer whom the deepest coupon attracts comes, each pays the reservation price (at most the list price), orders
    arrive at once and cost no fixed fee, and stock costs nothing to hold. What is left is the assignment of units to
    customers; its value is at most, for every worth w >= salvage value of a unit,

        sum_customers max_j (payment_j - w_j)^+
             + sum_j w_j·stock_j + (w_j - unit_cost_j - freight)^+·reserve_j - opening cost

    which is minimised product by product. With one product this is exact: the best-paying customers buy.

    Args:
        scenario, population: as for `Simulator`.
        seeds: the sales, as `play` takes them; the same seeds are the same customers.

    Raises:
        ValueError: the scenario has an option that `HINDSIGHT_SCOPE` does not name.
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
        raise ValueError(f"{scope.claim} is no bound for scenario {scenario.name!r}: {reason}.{other}")
    simulator = Simulator(scenario, population, sales=len(seeds))
    simulator.open(np.asarray(seeds, np.uint64), np.zeros(len(seeds), np.int64))
    return simulator


def _bound(name: str, per_sale: list[float]) -> Bound:
    values = np.array(per_sale)
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Bound(name, float(values.mean()), float(norm.ppf(0.975)) * sd / len(values) ** 0.5, values)


class _Supply:
    """Units and their worth, the same in every sale of a scenario; (M,) arrays."""

    def __init__(self, simulator: Simulator) -> None:
        rules = simulator.instance.rules[0]
        self.list_price = np.array(rules["list_price"])
        self.salvage = np.array(rules["salvage_value"])
        self.landed_cost = rules["unit_cost"] + rules["freight_per_unit"]
        self.opening_cost = float((rules["initial_stock"] * rules["unit_cost"]).sum())
        self.stock = rules["initial_stock"].astype(np.float64)
        # Whatever is worth more than it costs to order will be ordered: under unlimited supply nothing is.
        orderable = np.array([levels[-1] > 0 for levels in _order_levels(simulator)])
        unlimited = bool(rules["unlimited_supply"]) & orderable
        self.reserve = np.where(unlimited, np.inf, rules["initial_reserve"])
        self.dearest = np.where(unlimited, np.maximum(self.landed_cost, self.salvage), np.inf)

    def value(self, worth: Floats) -> tuple[float, Floats]:
        """What all units are worth less what they cost, and its derivative by the worth of one."""
        ordered = (worth > self.landed_cost) & (worth < self.dearest)
        reserve = np.where(ordered, self.reserve, 0.0)
        value = worth @ self.stock + (worth - self.landed_cost) @ reserve - self.opening_cost
        return float(value), self.stock + reserve

    def assignment_value(self, payments: Floats) -> float:
        """Upper bound on the value of assigning units to customers who pay (C, M)."""
        worth = np.clip(self.landed_cost, self.salvage, self.dearest)
        best = np.inf
        for _ in range(_MOST_SWEEPS):
            for j in range(len(worth)):
                others = np.delete(payments - worth, j, axis=1).max(axis=1, initial=0.0)
                worth[j] = self._clearing_worth(j, payments[:, j] - others)
            value = float((payments - worth).max(axis=1, initial=0.0).sum()) + self.value(worth)[0]
            if value > best - _SMALL_GAIN * (1.0 + abs(best)):
                return min(value, best)
            best = value
        return best

    def _clearing_worth(self, j: int, bids: Floats) -> float:
        """The worth of product j at which as many bids lie above it as there are units."""
        clears = _at_rank(bids, self.stock[j])
        if clears > self.landed_cost[j]:
            clears = max(self.landed_cost[j], _at_rank(bids, self.stock[j] + self.reserve[j]))
        return float(np.clip(clears, self.salvage[j], self.dearest[j]))


# Sweeps over the products end when one gains less than this share; any worth gives a valid bound.
_SMALL_GAIN = 1e-6
_MOST_SWEEPS = 50


def _at_rank(bids: Floats, rank: float) -> float:
    """The bid with `rank` bids before it, from the highest; minus infinity where there are not so many."""
    if rank >= len(bids):
        return -np.inf
    k = len(bids) - 1 - int(rank)
    return float(np.partition(bids, k)[k])


def _order_levels(simulator: Simulator) -> list[tuple[int, ...]]:
    return [product.order_levels for product in simulator.scenario.products]


def _payments(simulator: Simulator, row: int, list_price: Floats) -> Floats:
    """(C, M) the most each customer of a sale pays for each product."""
    expected = float(simulator.instance.schedule[:, 0].sum()) * float(simulator.sales["traffic"][row])
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
    """D(w) of each sale of a batch that was just opened."""

    def __init__(self, simulator: Simulator) -> None:
        rules, voices = simulator.instance.rules[0], simulator.instance.voices
        self._sales = simulator.sales
        self._model = int(rules["choice_model"])
        self._utility = voices["utility"].astype(np.float64)
        sensitivity = voices["price_sensitivity"].astype(np.float64)[:, None] / rules["reference_price"]
        # Customers by drift of willingness to pay: the sale is one static problem for each value of it.
        drift, phase = np.unique(simulator.instance.schedule[:, 1], return_inverse=True)
        customers = np.bincount(phase, simulator.instance.schedule[:, 0]) * rules["most_traffic"]
        self._phases = [(sensitivity / d, float(c)) for d, c in zip(drift, customers, strict=True)]
        self._supply = _Supply(simulator)
        self._class_of, self._within = _weight_within_class(rules, simulator)
        # Neighbouring problems resemble each other, so each search starts where the last one ended.
        self._worth = np.clip(0.5 * rules["unit_cost"], self._supply.salvage, self._supply.dearest)
        self._margins = [np.zeros(len(voices)) for _ in self._phases]

    def solve(self, row: int) -> float:
        """The smallest D(w) found for this sale; any w is a valid bound, so the minimiser need not be exact."""
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
        list_price = self._supply.list_price
        value, slope = self._supply.value(worth)
        demand, scratch = np.empty(len(worth)), np.empty(len(worth))
        for (slopes, customers), margins in zip(self._phases, self._margins, strict=True):
            margin = dual.expected_margin(
                self._model, self._utility, appeal, slopes, list_price, worth, share, margins, demand, scratch
            )
            value += customers * margin
            slope = slope - customers * demand
        return value, slope


def _weight_within_class(rules: np.void, simulator: Simulator) -> tuple[npt.NDArray[np.int64], Floats]:
    """Class number of each voice and its share inside that class."""
    weight = simulator.population.weight[simulator.instance.voice_rows].astype(np.float64)
    sizes = rules["class_size"][: rules["n_classes"]]
    class_of = np.repeat(np.arange(len(sizes)), sizes)
    return class_of, weight / np.bincount(class_of, weight)[class_of]

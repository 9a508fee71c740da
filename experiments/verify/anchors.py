"""What the simulator is held to: small sales whose exact value is known, simulated and compared.

Owns    the table `ANCHORS`: theory, parameters anyone may change, and the measurements made under them.
Leaves  exact values to `agents.exact`, the verdict to `verify`.
Units   currency in units of mean willingness to pay for the Gallego-van Ryzin sales, else the scenario's.

The expected value is the exact one of the *ticked* sale that is simulated; where theory speaks of continuous time its
value stands beside it as the limit. A new anchor is one function with the decorator `anchor`.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from flashsale_env import (
    INTENTS,
    Arrivals,
    Choice,
    Messages,
    Population,
    Pricing,
    Product,
    Replenishment,
    Scenario,
    Simulator,
    Targeted,
    agents,
    load_scenario,
)
from flashsale_env.agents import exact
from flashsale_env.agents.play import SaleTable, play
from flashsale_env.agents.protocol import Policy
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.scenario import REWARD_TERMS
from flashsale_env.theory import signal

HOLDING = list(REWARD_TERMS).index("holding")

Floats = npt.NDArray[np.float64]
Value = int | float | tuple[float, ...]

MINUTES = 60.0  # length of every sale here; only its product with a rate matters
# Sales of verification are validation sales of this run: no training and no tuning has seen them.
RUN = 1
# Sales played at once: few enough that a thousand ticks of them fit the processor's cache.
BATCH = 4096
# Chi-square cells are pooled until this many sales are expected in each (Cochran 1954).
FEWEST_IN_CELL = 5.0
# Long-run averages leave out the ticks in which the empty beginning can still be felt.
WARM_UP = 200


# Prices pass through single precision, so two equal sums of money differ by this share of them.
SINGLE = 1e-6


@dataclass(frozen=True)
class Atom:
    """The value that more than half of the samples have, so that few others, or none, tell of the spread.

    Args:
        value: of the quantity, were it that of all samples.
        others: samples that differ.
        reach: by how much the quantity may differ if all samples did.
    """

    value: float
    others: int
    reach: float


@dataclass(frozen=True)
class Measurement:
    """One quantity, known exactly and simulated.

    Args:
        quantity: what it is, with the parameters it depends on.
        expected: exact value of the sale that is simulated.
        simulated: its estimate.
        standard_error: of the estimate; 0 where nothing random is compared.
        samples: independent sales behind the estimate.
        limit: what the theory of continuous time, or the paper, says; None where that is the expected value itself.
        tolerance: allowed beside the interval, for numbers that pass through single precision.
        degrees: for a chi-square statistic, the number of its degrees of freedom; None for a mean.
        atom: what most samples have in common; None where nothing random is compared.
    """

    quantity: str
    expected: float
    simulated: float
    standard_error: float = 0.0
    samples: int = 0
    limit: float | None = None
    tolerance: float = 0.0
    degrees: int | None = None
    atom: Atom | None = None


@dataclass(frozen=True)
class Anchor:
    """One row of theory.

    Args:
        name: as `flashsale verify` takes it.
        source: publication or derivation.
        statement: one line.
        defaults: parameters and their default values.
        cases: parameter values that are verified by default, each over the defaults.
        measure: (parameters, sales) -> measurements.
    """

    name: str
    source: str
    statement: str
    defaults: dict[str, Value]
    cases: tuple[dict[str, Value], ...]
    measure: Callable[[dict[str, Any], int], list[Measurement]]


ANCHORS: dict[str, Anchor] = {}


def anchor(
    name: str, source: str, statement: str, *, cases: Sequence[dict[str, Value]] = ({},), **defaults: Value
) -> Callable[[Callable[..., list[Measurement]]], Callable[..., list[Measurement]]]:
    """Enter a function `measure(sales, **parameters)` into `ANCHORS`."""

    def enter(measure: Callable[..., list[Measurement]]) -> Callable[..., list[Measurement]]:
        ANCHORS[name] = Anchor(
            name, source, statement, defaults, tuple(cases), lambda given, sales: measure(sales, **given)
        )
        return measure

    return enter


# ---------------------------------------------------------------- simulating


class ConstantPrices:
    """The same prices in every tick, (M,)."""

    encoding = "box"

    def __init__(self, scenario: Scenario, prices: Sequence[float]) -> None:
        codec = agents.make("random", scenario).codec
        self._action = exact.price_actions(codec, scenario, np.array([prices], np.float64))

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> Any:
        return np.repeat(self._action, len(observation), axis=0), state


def simulate(agent: Policy, scenario: Scenario, sales: int) -> SaleTable:
    return play(agent, scenario, seeds=split_seeds("validation", RUN, sales), batch=BATCH)


def mean_of(
    quantity: str, expected: float, values: Floats, *, reach: float = math.inf, limit: float | None = None
) -> Measurement:
    """Mean of independent sales.

    Args:
        quantity, expected, limit: as in `Measurement`.
        values: (S,) of the sales.
        reach: largest possible value less the smallest.
    """
    spread = float(values.std(ddof=1)) / math.sqrt(len(values))
    common = float(np.median(values))
    others = int((np.abs(values - common) > SINGLE * abs(common)).sum())
    return Measurement(
        quantity, expected, float(values.mean()), spread, len(values), limit, SINGLE * abs(expected),
        atom=Atom(common, others, reach),
    )  # fmt: skip


def ratio_of(quantity: str, expected: float, parts: Floats, wholes: Floats, *, reach: float = math.inf) -> Measurement:
    """Ratio of means, its error by linearisation (Cochran 1977, chapter 6).

    Args:
        quantity, expected: as in `Measurement`.
        parts: (S,) sums over the customers of a sale.
        wholes: (S,) customers of a sale.
        reach: largest possible part of one customer less the smallest.
    """
    ratio = float(parts.mean() / wholes.mean())
    spread = float((parts - ratio * wholes).std(ddof=1)) / (math.sqrt(len(parts)) * float(wholes.mean()))
    came = wholes > 0
    common = float(np.median(parts[came] / wholes[came]))
    others = int((np.abs(parts - common * wholes) > SINGLE * abs(common) * wholes).sum())
    return Measurement(
        quantity, expected, ratio, spread, len(parts), tolerance=SINGLE * abs(expected),
        atom=Atom(common, others, reach / float(wholes.mean())),
    )  # fmt: skip


def most_earned(scenario: Scenario) -> float:
    """Most that two sales of a scenario without orders can differ in profit."""
    return sum(p.initial_stock * (max(p.price_levels) + p.unit_cost + p.salvage_value) for p in scenario.products)


def law_of(quantity: str, law: Floats, counts: Floats) -> Measurement:
    """Pearson's chi-square of observed counts against a law; neighbouring rare outcomes are pooled.

    Where all but one are too rare even together, the share of that one is what is measured.
    """
    total = counts.sum()
    order = np.argsort(law * total, kind="stable")
    pooled_law, pooled_counts, rest_law, rest_counts = [], [], 0.0, 0.0
    for i in order:
        rest_law, rest_counts = rest_law + law[i] * total, rest_counts + counts[i]
        if rest_law >= FEWEST_IN_CELL:
            pooled_law.append(rest_law)
            pooled_counts.append(rest_counts)
            rest_law = rest_counts = 0.0
    if pooled_law:
        pooled_law[-1] += rest_law
        pooled_counts[-1] += rest_counts
    if len(pooled_law) < 2:
        likeliest = int(law.argmax())
        was_it = np.repeat([1.0, 0.0], [int(counts[likeliest]), int(total - counts[likeliest])])
        return mean_of(f"{quantity}: share of the likeliest outcome", float(law[likeliest]), was_it, reach=1.0)
    cells, seen = np.array(pooled_law), np.array(pooled_counts)
    statistic = float(((seen - cells) ** 2 / cells).sum())
    degrees = len(cells) - 1
    return Measurement(quantity, float(degrees), statistic, samples=int(total), degrees=degrees)


def text(**parameters: Any) -> str:
    """`n = 10, rho = 10`."""

    def short(value: Any) -> str:
        if isinstance(value, tuple):
            return "(" + ", ".join(map(short, value)) + ")"
        return f"{value:g}"

    return ", ".join(f"{name} = {short(value)}" for name, value in parameters.items())


# ---------------------------------------------------------------- Gallego and van Ryzin


def gvr_sale(
    n: int,
    rho: float,
    ticks: int,
    *,
    grid: Sequence[float] = (),
    drift: Sequence[float] = (1.0,),
    **shape: Any,
) -> Scenario:
    """One product, a·T = rho·e customers; prices from `grid`, or any from far below theta to beyond the optimum."""
    peak = max(drift)
    highest = peak * (exact.gvr_price(1, max(rho, 1e-9)) + 2.0)
    levels = tuple(sorted(grid, reverse=True)) or (highest, min(drift) / 20.0)
    return Scenario(
        name="verification",
        horizon_ticks=ticks,
        tick_minutes=MINUTES / ticks,
        products=(Product("ticket", tuple(map(float, levels)), n, reference_price=1.0),),
        arrivals=Arrivals(rho * math.e / MINUTES, **shape),
        choice=Choice("exponential", tuple(map(float, drift))),
        pricing=Pricing(continuous=not grid),
        observe=("time_left", "on_hand"),
    )


def exact_value(scenario: Scenario, prices: Any, probabilities: Any = None) -> float:
    """Expected revenue of a policy table in a ticked sale of one product."""
    return float(exact.policy_value(exact.pricing_problem(scenario), prices, probabilities)[0, -1])


def optimum(quantity: str, scenario: Scenario, sales: int, limit: float | None = None) -> Measurement:
    """The dynamic program's own value against what its policy earns."""
    agent = agents.make("dp", scenario)
    return _profit(quantity, agent.expected_profit, agent, scenario, sales, limit)


def _profit(
    quantity: str, expected: float, agent: Policy, scenario: Scenario, sales: int, limit: float | None = None
) -> Measurement:
    earned = simulate(agent, scenario, sales)["profit"]
    return mean_of(quantity, expected, earned, reach=most_earned(scenario), limit=limit)


def opening_prices(scenario: Scenario) -> list[tuple[float, float]]:
    """For each product the optimal price of the full stock at the opening, and the one that the simulator shows."""
    table = exact.solve_pricing(scenario).prices[0]
    simulator = Simulator(scenario)
    observation = simulator.open(np.zeros(1, np.uint64), np.zeros(1, np.int64))
    simulator.advance(agents.make("dp", scenario).predict(observation)[0])
    full_stock = table.reshape(-1, table.shape[-1])[-1]
    return list(zip(full_stock.tolist(), simulator.sales["price"][0].tolist(), strict=True))


def constant_price(
    quantity: str, scenario: Scenario, price: float, sales: int, limit: float | None = None
) -> Measurement:
    return _profit(quantity, exact_value(scenario, price), ConstantPrices(scenario, [price]), scenario, sales, limit)


def best_constant_price(scenario: Scenario) -> float:
    """Of the grid."""
    prices = scenario.products[0].price_levels
    return max(prices, key=lambda price: exact_value(scenario, price))


def random_price(quantity: str, scenario: Scenario, sales: int) -> Measurement:
    prices = np.array(scenario.products[0].price_levels)
    expected = exact_value(scenario, prices, np.full(len(prices), 1 / len(prices)))
    return _profit(quantity, expected, agents.make("random", scenario), scenario, sales)


def formula_price(quantity: str, name: str, scenario: Scenario, sales: int, limit: float | None = None) -> Measurement:
    """An agent that prices by time and stock alone, evaluated by backward recursion and by simulation."""
    agent = agents.make(name, scenario)
    return _profit(quantity, exact.evaluate_exactly(agent, scenario), agent, scenario, sales, limit)


GVR = "Gallego & van Ryzin (1994), Management Science 40(8)"


@anchor(
    "gvr-optimal",
    GVR,
    "optimal revenue of one product, J = ln sum_{i<=n} rho^i / i!",
    cases=({"n": 1}, {"n": 5}, {}, {"n": 20}),
    n=10,
    rho=10.0,
    ticks=60,
)
def gvr_optimal(sales: int, n: int, rho: float, ticks: int) -> list[Measurement]:
    scenario = gvr_sale(n, rho, ticks)
    label = text(n=n, rho=rho, K=ticks)
    found = [optimum(f"optimal revenue, {label}", scenario, sales, exact.gvr_value(n, rho))]
    ((optimal_price, shown),) = opening_prices(scenario)
    limit = exact.gvr_price(n, rho)
    found.append(Measurement(f"opening price shown, {label}", optimal_price, shown, limit=limit, tolerance=1e-5))
    return found


@anchor(
    "gvr-sales-law",
    GVR + "; Erlang (1917)",
    "under the optimal price sales are Poisson(rho) given at most n, and the sell-out probability is Erlang's B",
    n=10,
    rho=10.0,
    ticks=1000,
)
def gvr_sales_law(sales: int, n: int, rho: float, ticks: int) -> list[Measurement]:
    scenario = gvr_sale(n, rho, ticks)
    problem = exact.pricing_problem(scenario)
    agent = agents.make("dp", scenario)
    law = exact.sales_law(problem, exact.solve_pricing(scenario).prices[..., 0])
    sold = simulate(agent, scenario, sales)["units_sold"]
    label, blocked = text(n=n, rho=rho, K=ticks), exact.erlang_b(n, rho)
    return [
        law_of(f"law of sales, {label}", law, np.bincount(sold.astype(int), minlength=n + 1).astype(float)),
        mean_of(
            f"probability of a sell-out, {label}", float(law[n]), (sold == n).astype(float), reach=1.0, limit=blocked
        ),
        mean_of(f"expected sales, {label}", float(law @ np.arange(n + 1)), sold, reach=n, limit=rho * (1 - blocked)),
    ]


@anchor(
    "gvr-fixed-price",
    GVR + ", theorems 2 and 3",
    "one price for the whole sale, p·E min(n, Poisson(rho·e·e^-p)): the fluid price and the best one",
    n=10,
    rho=10.0,
    ticks=60,
)
def gvr_fixed_price(sales: int, n: int, rho: float, ticks: int) -> list[Measurement]:
    scenario, customers = gvr_sale(n, rho, ticks), rho * math.e
    label = text(n=n, rho=rho, K=ticks)
    fluid, (best, value) = exact.fluid_price(n, customers), exact.best_single_price(n, customers)
    at_fluid = exact.single_price_value(n, customers, fluid)
    return [
        constant_price(f"fluid price {fluid:.6f}, {label}", scenario, fluid, sales, at_fluid),
        constant_price(f"best single price {best:.6f}, {label}", scenario, best, sales, value),
    ]


@anchor(
    "gvr-tightness",
    GVR + ", theorem 3",
    "the optimal revenue approaches the fluid bound as stock and customers grow together, n = rho = k",
    cases=({"k": 10}, {}, {"k": 1000, "ticks": 2000}),
    k=100,
    ticks=1000,
)
def gvr_tightness(sales: int, k: int, ticks: int) -> list[Measurement]:
    scenario, bound = gvr_sale(k, float(k), ticks), exact.fluid_value(k, k * math.e)
    agent = agents.make("dp", scenario)
    # A sale of k units varies little more than one unit does, so large ones need few repetitions.
    earned = simulate(agent, scenario, max(sales // k, 500))["profit"]
    limit = exact.gvr_value(k, float(k)) / bound
    label, reach = text(k=k, K=ticks), most_earned(scenario) / bound
    return [
        mean_of(
            f"optimal revenue / fluid bound, {label}",
            agent.expected_profit / bound,
            earned / bound,
            reach=reach,
            limit=limit,
        )
    ]


@anchor(
    "gvr-policies",
    "computed; " + GVR,
    "fluid prices re-solved in every tick, p = max(1, ln(customers left / units left)), and myopic ones, p = 1",
    n=10,
    rho=10.0,
    ticks=60,
)
def gvr_policies(sales: int, n: int, rho: float, ticks: int) -> list[Measurement]:
    scenario, label = gvr_sale(n, rho, ticks), text(n=n, rho=rho, K=ticks)
    return [
        formula_price(f"{title}, {label}", name, scenario, sales)
        for title, name in (("fluid re-solve", "fluid_resolve"), ("myopic", "myopic"), ("continuous-time price", "gvr"))
    ]


@anchor(
    "gvr-periodic",
    "computed; the periodic pricing of " + GVR + ", section 5",
    "prices from a grid, changed K times: dynamic program, best fixed price, random prices",
    cases=({}, {"ticks": 60}),
    n=10,
    rho=10.0,
    ticks=10,
    grid=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0),
)
def gvr_periodic(sales: int, n: int, rho: float, ticks: int, grid: tuple[float, ...]) -> list[Measurement]:
    scenario, label = gvr_sale(n, rho, ticks, grid=grid), text(n=n, rho=rho, K=ticks)
    best = best_constant_price(scenario)
    return [
        optimum(f"dynamic program, {label}", scenario, sales),
        constant_price(f"best fixed price {best:g}, {label}", scenario, best, sales),
        random_price(f"random prices, {label}", scenario, sales),
        formula_price(f"rounded continuous-time price, {label}", "gvr", scenario, sales),
        formula_price(f"fluid re-solve, {label}", "fluid_resolve", scenario, sales),
    ]


@anchor(
    "gvr-burst",
    GVR + ", by a change of clock",
    "the optimum depends on the integral of the arrival rate only, not on the shape of the burst",
    n=10,
    rho=10.0,
    ticks=60,
    burst_share=0.51,
    burst_scale=0.035,
    late_share=0.08,
)
def gvr_burst(
    sales: int, n: int, rho: float, ticks: int, burst_share: float, burst_scale: float, late_share: float
) -> list[Measurement]:
    scenario = gvr_sale(n, rho, ticks, burst_share=burst_share, burst_scale=burst_scale, late_share=late_share)
    label = text(n=n, rho=rho, K=ticks, burst=burst_share)
    return [optimum(f"optimal revenue, {label}", scenario, sales, exact.gvr_value(n, rho))]


@anchor(
    "gvr-two-phase",
    "computed, exact recursion",
    "willingness to pay that drifts by phases: a fixed price is far from optimal",
    cases=({}, {"drift": tuple(1.5 - (t + 0.5) / 60 for t in range(60))}),
    n=10,
    rho=10.0,
    ticks=60,
    drift=(1.5, 0.5),
    grid=tuple(0.25 * i for i in range(1, 17)),
)
def gvr_two_phase(
    sales: int, n: int, rho: float, ticks: int, drift: tuple[float, ...], grid: tuple[float, ...]
) -> list[Measurement]:
    continuous, gridded = gvr_sale(n, rho, ticks, drift=drift), gvr_sale(n, rho, ticks, drift=drift, grid=grid)
    shown = text(drift=drift) if len(drift) < 6 else f"drift = {drift[0]:g} .. {drift[-1]:g} in {len(drift)} steps"
    label, best = f"{text(n=n, rho=rho, K=ticks)}, {shown}", best_constant_price(gridded)
    return [
        optimum(f"optimal revenue, any price, {label}", continuous, sales),
        optimum(f"dynamic program, price grid, {label}", gridded, sales),
        constant_price(f"best fixed price {best:g}, {label}", gridded, best, sales),
        random_price(f"random prices, {label}", gridded, sales),
    ]


# ---------------------------------------------------------------- multinomial logit


def logit_sale(
    quality: Sequence[float],
    prices: Sequence[Sequence[float]],
    stock: Sequence[int],
    customers: float,
    ticks: int,
    *,
    sensitivity: float = 1.0,
    unit_cost: Sequence[float] = (),
    continuous: bool = False,
    may_be_withheld: bool = False,
    law: str = "poisson",
) -> Scenario:
    """Multinomial logit products whose leftovers are worth what they cost, so profit is margin."""
    costs = unit_cost or [0.0] * len(quality)
    if not len(quality) == len(prices) == len(stock) == len(costs):
        raise ValueError(
            f"every product needs a number in every list, got {len(quality)}, {len(prices)}, {len(stock)} and "
            f"{len(costs)} of them."
        )
    return Scenario(
        name="verification",
        horizon_ticks=ticks,
        tick_minutes=MINUTES / ticks,
        products=tuple(
            Product(
                f"product {j + 1}",
                tuple(map(float, levels)),
                units,
                unit_cost=float(cost),
                salvage_value=float(cost),
                reference_price=1.0 / sensitivity,
                quality=float(a),
                may_be_withheld=may_be_withheld,
            )
            for j, (a, levels, units, cost) in enumerate(zip(quality, prices, stock, costs, strict=True))
        ),
        arrivals=Arrivals(customers / MINUTES, law=law),
        pricing=Pricing(continuous),
        observe=("time_left", "on_hand"),
    )


def ample(customers: float) -> int:
    """Stock that never binds: customers hardly ever outnumber it."""
    return int(stats.poisson.isf(1e-12, customers)) + 1


@anchor(
    "mnl-assortment",
    "Talluri & van Ryzin (2004), Management Science 50(1), proposition 6",
    "with prices given, the best set of products to offer is the k dearest",
    prices=(100.0, 90.0, 80.0, 60.0, 45.0, 30.0),
    weights=(0.2, 0.35, 0.3, 0.6, 0.9, 1.5),
    no_purchase=1.0,
    customers=20.0,
)
def mnl_assortment(
    sales: int, prices: tuple[float, ...], weights: tuple[float, ...], no_purchase: float, customers: float
) -> list[Measurement]:
    # At a sensitivity of 1 a price of 100 would ask for e^100 odds at price 0.
    sensitivity = 1.0 / max(prices)
    stock = [ample(customers)] * len(prices)
    quality = [math.log(w / no_purchase) + sensitivity * price for w, price in zip(weights, prices, strict=False)]
    scenario = logit_sale(
        quality, [[price] for price in prices], stock, customers, 1, sensitivity=sensitivity, may_be_withheld=True
    )
    revenue, offered = exact.revenue_ordered_assortment(prices, weights, no_purchase)
    table = simulate(agents.make("dp", scenario), scenario, sales)
    return [
        ratio_of(
            f"revenue of a customer, best set {{{', '.join(str(j + 1) for j in offered)}}}",
            revenue,
            table["revenue"],
            table["customers"],
            reach=max(prices),
        )
    ]


@anchor(
    "mnl-price",
    "Li & Huh (2011), Manufacturing & Service Operations Management 13(4)",
    "without a stock limit every product has the same margin 1/b + R, R = W(sum e^(a - b·c - 1)) / b",
    a=(10.0, 9.0, 8.0),
    b=1.0,
    c=(3.0, 2.5, 2.0),
    customers=20.0,
)
def mnl_price(sales: int, a: tuple[float, ...], b: float, c: tuple[float, ...], customers: float) -> list[Measurement]:
    margin, best, shares = exact.mnl_optimum(a, b, c)
    levels = [(2.0 * price, 0.5 * price) for price in best.tolist()]
    scenario = logit_sale(
        a, levels, [ample(customers)] * len(a), customers, 1, sensitivity=b, unit_cost=c, continuous=True
    )
    agent = agents.make("dp", scenario)
    seeds = split_seeds("validation", RUN, sales)
    simulator = Simulator(scenario, sales=sales)
    simulator.advance(agent.predict(simulator.open(seeds, np.zeros(sales, np.int64)))[0])
    sold, came = simulator.sales["sold"].astype(float), simulator.sales["customers"].astype(float)
    earned = (sold * (simulator.sales["price"] - np.array(c))).sum(axis=1)
    return [
        ratio_of("margin of a customer", margin, earned, came, reach=float(np.max(levels)) + max(c)),
        *(
            ratio_of(f"share who buy product {j + 1}", float(q), sold[:, j], came, reach=1.0)
            for j, q in enumerate(shares)
        ),
    ]


@anchor(
    "mnl-stock",
    "computed, V_t = V_(t-1) + lambda/b·W(sum e^(a - b·dV - 1))",
    "two products with little stock, at most one customer a tick",
    a=(2.0, 1.0),
    b=1.0,
    stock=(3, 3),
    ticks=30,
    arrival_probability=0.5,
)
def mnl_stock(
    sales: int, a: tuple[float, ...], b: float, stock: tuple[int, ...], ticks: int, arrival_probability: float
) -> list[Measurement]:
    highest = 2.0 * (max(a) / b + math.log(1 + ticks) / b + 2.0 / b)  # far above the dearest last unit
    scenario = logit_sale(
        a, [(highest, highest / 1000.0)] * len(a), [int(n) for n in stock], arrival_probability * ticks, ticks,
        sensitivity=b, continuous=True, law="bernoulli",
    )  # fmt: skip
    label = text(stock=stock, T=ticks, **{"lambda": arrival_probability})
    found = [optimum(f"optimal revenue, {label}", scenario, sales)]
    for j, (price, shown) in enumerate(opening_prices(scenario)):
        found.append(Measurement(f"opening price {j + 1} shown, {label}", price, shown, tolerance=1e-5))
    return found


@anchor(
    "stockout-substitution",
    "computed, Markov chain over stock vectors by matrix exponential",
    "inside one tick, customers who find their first choice gone turn to what is left",
    weights=(1.5, 1.0),
    stock=(2, 1),
    customers=4.0,
)
def stockout_substitution(
    sales: int, weights: tuple[float, ...], stock: tuple[int, ...], customers: float
) -> list[Measurement]:
    units = [int(n) for n in stock]
    # The right to withhold gives the policy something to decide; it never uses it.
    scenario = logit_sale(
        [math.log(w) + 1.0 for w in weights], [[1.0]] * len(weights), units, customers, 1, may_be_withheld=True
    )
    seeds = split_seeds("validation", RUN, sales)
    simulator = Simulator(scenario, sales=sales, actions="multidiscrete")
    simulator.open(seeds, np.zeros(sales, np.int64))
    simulator.advance(np.zeros((sales, len(units)), np.int64))
    law = exact.substitution_law(weights, units, customers)
    left = simulator.sales["on_hand"]
    code = np.ravel_multi_index(left.T, law.shape)
    label = text(v=weights, stock=tuple(units), customers=customers)
    found = [
        law_of(f"law of the stock left, {label}", law.ravel(), np.bincount(code, minlength=law.size).astype(float))
    ]
    for j, n in enumerate(units):
        others = tuple(k for k in range(len(units)) if k != j)
        expected = n - float(law.sum(axis=others) @ np.arange(n + 1))
        sold = (n - left[:, j]).astype(float)
        found.append(mean_of(f"expected sales of product {j + 1}", expected, sold, reach=n))
    gone = (left == 0).all(axis=1).astype(float)
    found.append(mean_of("probability that all is gone", float(law.flat[0]), gone, reach=1.0))
    return found


@anchor(
    "intent-signal",
    "computed; third-degree price discrimination on a noisy signal",
    "a price for each predicted class, when willingness to pay differs by class and the prediction errs",
    cases=({"accuracy": 1.0}, {"accuracy": 0.9}, {}, {"accuracy": 0.7}),
    means=(40.0, 80.0, 160.0),
    shares=(0.5, 0.35, 0.15),
    accuracy=0.8,
    customers=20.0,
)
def intent_signal(
    sales: int, means: tuple[float, ...], shares: tuple[float, ...], accuracy: float, customers: float
) -> list[Measurement]:
    classes = len(means)
    if not 2 <= classes <= len(INTENTS) or len(shares) != classes:
        raise ValueError(
            f"intent-signal: want a share for each of 2 to {len(INTENTS)} means, got {classes} and {len(shares)}."
        )
    confusion = signal.symmetric_confusion(classes, accuracy)
    revenue, prices = signal.price_by_prediction(means, shares, confusion)
    single, single_price = signal.best_single_price(means, shares)
    # A voice for each pair of true class and prediction; the intents only lend their names to the classes.
    true, read = (axis.ravel() for axis in np.indices(confusion.shape))
    weight = (np.array(shares)[:, None] * confusion).ravel()
    kept = weight > 0
    population = Population(
        products=("voucher",),
        utterances=tuple(f"class {c} read as {k}" for c, k in zip(true[kept], read[kept], strict=True)),
        languages=("en",) * int(kept.sum()),
        intent_probabilities=np.eye(len(INTENTS), dtype=np.float32)[read[kept]],
        latent_class=true[kept],
        relevance=np.zeros((int(kept.sum()), 1), np.float32),
        price_sensitivity=(max(means) / np.array(means))[true[kept]].astype(np.float32),
        coupon_affinity=np.ones(int(kept.sum()), np.float32),
        weight=weight[kept].astype(np.float32),
    )
    # Level k of the offer leads to the price of prediction k: 0 and the depths must rise, so dearest first.
    dearest = max(*prices, single_price) + 1.0
    wanted = sorted({1.0 - price / dearest for price in (*prices, single_price)})
    scenario = Scenario(
        name="verification",
        horizon_ticks=1,
        tick_minutes=MINUTES,
        products=(Product("voucher", (dearest,), ample(customers), reference_price=max(means)),),
        arrivals=Arrivals(customers / MINUTES),
        choice=Choice("exponential"),
        targeted=Targeted((0.0, *wanted)),
        messages=Messages(1.0),
        observe=("time_left", "on_hand"),
    )
    simulator = Simulator(scenario, population, sales=sales, actions="multidiscrete")
    seeds, episodes = split_seeds("validation", RUN, sales), np.zeros(sales, np.int64)
    found = []
    for name, expected, chosen in (
        (f"revenue of a customer, a price for each prediction, accuracy = {accuracy:g}", revenue, prices),
        ("revenue of a customer, one price", single, np.full(classes, single_price)),
    ):
        levels = np.zeros((sales, len(INTENTS)), np.int64)
        levels[:, :classes] = 1 + np.searchsorted(wanted, 1.0 - chosen / dearest)
        simulator.open(seeds, episodes)
        simulator.advance(levels)
        earned, came = simulator.sales["tick_revenue"], simulator.sales["customers"].astype(float)
        found.append(ratio_of(name, expected, earned, came, reach=dearest))
    return found


# ---------------------------------------------------------------- inventory

# Zipkin (2008), table 3: optimal average cost, Poisson(5) demand, holding cost 1.
ZIPKIN = {
    (4.0, 1): 4.04, (4.0, 2): 4.40, (4.0, 3): 4.60, (4.0, 4): 4.73,
    (9.0, 1): 5.44, (9.0, 2): 6.09, (9.0, 3): 6.53, (9.0, 4): 6.84,
}  # fmt: skip


@anchor(
    "lost-sales",
    "Zipkin (2008), Operations Research 56(5), table 3; value iteration",
    "replenishment with lead time L and lost sales: long-run average cost of the optimal orders",
    cases=tuple({"lost_sale_cost": p, "lead": lead} for p, lead in ZIPKIN),
    demand=5.0,
    lost_sale_cost=9.0,
    holding=1.0,
    lead=4,
    largest_order=15,
    storage=60,
    ticks=1000,
)
def lost_sales(
    sales: int,
    demand: float,
    lost_sale_cost: float,
    holding: float,
    lead: int,
    largest_order: int,
    storage: int,
    ticks: int,
) -> list[Measurement]:
    if ticks <= WARM_UP:
        raise ValueError(f"lost-sales: a long-run average leaves out {WARM_UP} ticks; ticks must be more, got {ticks}.")
    base = load_scenario("lost-sales")
    product = dataclasses.replace(
        base.products[0], price_levels=(lost_sale_cost,), reference_price=lost_sale_cost,
        holding_cost=holding, order_levels=tuple(range(largest_order + 1)), storage=storage,
        initial_stock=min(storage, int((lead + 1) * demand)),
    )  # fmt: skip
    scenario = base.replace(
        products=(product,),
        arrivals=Arrivals(demand / base.tick_minutes),
        replenishment=Replenishment(lead * base.tick_minutes, unlimited=True),
        horizon_ticks=ticks,
        tick_minutes=base.tick_minutes,
        observe=("on_hand", "pipeline") if lead else ("on_hand", "stock_pressure"),
    )
    agent = agents.make("dp", scenario)
    # A sale is a long average already, so a hundredth of the sales will do.
    count = max(sales // 100, 100)
    simulator = Simulator(scenario, sales=count)
    observation = simulator.open(split_seeds("validation", RUN, count), np.zeros(count, np.int64))

    def cost() -> Floats:
        sale = simulator.sales
        return np.asarray(lost_sale_cost * sale["lost"][:, 0] - sale["money"][:, HOLDING])

    for tick in range(ticks):
        if tick == WARM_UP:
            before = cost()
        observation, _, _ = simulator.advance(agent.predict(observation)[0])
    average = (cost() - before) / (ticks - WARM_UP)
    printed = ZIPKIN.get((lost_sale_cost, lead)) if (demand, holding) == (5.0, 1.0) else None
    label = text(p=lost_sale_cost, L=lead)
    most = lost_sale_cost * ample(demand * ticks) / ticks + holding * storage
    return [mean_of(f"average cost of a tick, {label}", agent.average_cost, average, reach=most, limit=printed)]


@anchor(
    "newsvendor",
    "newsvendor, F(Q) = (p - c) / (p - s)",
    "one order before one period of Poisson demand",
    demand=100.0,
    price=10.0,
    unit_cost=6.0,
    salvage=2.0,
)
def newsvendor(sales: int, demand: float, price: float, unit_cost: float, salvage: float) -> list[Measurement]:
    quantity, profit = exact.newsvendor(stats.poisson(demand), price, unit_cost, salvage)
    most = ample(demand)
    scenario = Scenario(
        name="verification",
        horizon_ticks=1,
        tick_minutes=MINUTES,
        products=(
            Product(
                "paper", (price,), 0, unit_cost=unit_cost, salvage_value=salvage, reserve=most, quality=60.0,
                order_levels=tuple(range(most + 1)),
            ),
        ),
        arrivals=Arrivals(demand / MINUTES),
        replenishment=Replenishment(),
        observe=("time_left", "on_hand"),
    )  # fmt: skip
    table = simulate(agents.make("dp", scenario), scenario, sales)
    label = text(Q=quantity, demand=demand)
    return [
        mean_of(f"expected profit, {label}", profit, table["profit"], reach=most * (price + unit_cost + salvage)),
        Measurement("units ordered", quantity, float(table["units_ordered"].mean()), samples=sales),
    ]

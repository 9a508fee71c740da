"""Baskets: several units of several products, and a threshold deal on a pair.

Owns    their scenarios and what is known of them.
Units   the scenario's currency; utilities in logits, buying nothing at 0.
"""

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import Basket, Choice, Deal, Population, Scenario, Simulator
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.cases.logit import logit_sale
from flashsale_env.experiments.verify.measurement import Measurement, described, distribution_of, ratio_of
from flashsale_env.experiments.verify.simulating import RUN, ample
from flashsale_env.intents import ByIntent

# Far beyond any liking: no second unit of a product.
_ENOUGH = 1000.0
# Visits are recorded for the law of baskets; this many sales of them fit into memory.
_MOST_LOGGED = 10_000
# Voices of a uniform willingness to pay lie in the middle of this many cells in each direction. The taste draws have
# the scale of a cell: that smooths the grid, and moves the revenue of a pair by 3e-5.
_CELLS = 256


def _basket(most_units: int, satiation: float, limit: int = 0) -> Basket:
    """Baskets of customers with one satiation, without substitution."""
    return Basket(most_units, ByIntent.read(satiation, "satiation"), purchase_limit=limit)


def sequential_law(a: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """(2^M,) probability of every basket of at most one unit each; bit j of the index is product j.

    Product j is taken if a_j + g_j > g_0, with Gumbel draws g. Given g_0 these events are independent, so

        P(exactly S) = sum over B within S of (-1)^|B| / (1 + sum of e^a_j over j in B or not in S)
    """
    products = range(len(a))
    law = np.zeros(1 << len(a))
    for chosen in range(len(law)):
        inside = [j for j in products if chosen >> j & 1]
        outside = [j for j in products if not chosen >> j & 1]
        for size in range(len(inside) + 1):
            for others in itertools.combinations(inside, size):
                law[chosen] += (-1) ** size / (1.0 + sum(math.exp(a[j]) for j in (*outside, *others)))
    return law


def _play(
    scenario: Scenario, sales: int, population: Population | None = None, *, deal: bool = False, log_rows: int = 0
) -> Simulator:
    """Sales of one tick at the first price level, with the last level of the deal if asked for."""
    simulator = Simulator(scenario, population, sales=sales, actions="multidiscrete", log_rows=log_rows)
    simulator.open(split_seeds("validation", RUN, sales), np.zeros(sales, np.int64))
    action = np.zeros((sales, len(simulator.codec.names)), np.int64)
    if deal:
        action[:, simulator.codec.columns("deal")] = 1
    simulator.advance(action)
    return simulator


def _counts(simulator: Simulator) -> tuple[Any, Any, Any]:
    """Units sold (S, M), baskets (S,) and customers (S,)."""
    sales = simulator.sales
    return sales["sold"].astype(float), sales["basket"]["filled"].astype(float), sales["customers"].astype(float)


@validation_case(
    "basket-mnl",
    "computed, inclusion and exclusion over Gumbel draws",
    "a customer takes every product that is worth more than buying nothing, by the draws of the multinomial logit",
    a=(0.3, -0.4),
    customers=20.0,
)
def basket_mnl(sales: int, a: tuple[float, ...], customers: float) -> list[Measurement]:
    if not 2 <= len(a) <= 8:
        raise ValueError(f"basket-mnl: a basket holds 2 to 8 products, got {len(a)} values of a.")
    stock = ample(customers)
    # The price is 1, and may be withheld: a scenario needs a decision.
    plain = logit_sale([u + 1.0 for u in a], [[1.0]] * len(a), [stock] * len(a), customers, 1, may_be_withheld=True)
    scenario = plain.replace(basket=_basket(len(a), _ENOUGH))
    simulator = _play(scenario, min(sales, _MOST_LOGGED), log_rows=stock)
    log = simulator.choice_log()
    code = (log["units"] > 0) @ (1 << np.arange(len(a)))
    law = sequential_law(a)
    label = described(a=a)
    found = [distribution_of(f"law of baskets, {label}", law, np.bincount(code, minlength=len(law)).astype(float))]
    sold, baskets, came = _counts(_play(scenario, sales))
    for j in range(len(a)):
        holds = float(law[[k for k in range(len(law)) if k >> j & 1]].sum())
        found.append(ratio_of(f"share who take product {j + 1}, {label}", holds, sold[:, j], came, reach=1.0))
    found.append(ratio_of(f"share who buy, {label}", float(1.0 - law[0]), baskets, came, reach=1.0))
    return found


@validation_case(
    "basket-satiation",
    "computed, P(at least n units) = 1 / (1 + exp(-(a - (n - 1)·d)))",
    "every further unit is worth d logits less",
    a=0.5,
    satiation=0.7,
    most_units=8,
    customers=20.0,
)
def basket_satiation(sales: int, a: float, satiation: float, most_units: int, customers: float) -> list[Measurement]:
    stock = ample(customers) * most_units
    plain = logit_sale([a + 1.0], [[1.0]], [stock], customers, 1, may_be_withheld=True)
    scenario = plain.replace(basket=_basket(most_units, satiation))
    at_least = 1.0 / (1.0 + np.exp(-(a - satiation * np.arange(most_units))))
    label = described(a=a, d=satiation, most=most_units)
    simulator = _play(scenario, min(sales, _MOST_LOGGED), log_rows=ample(customers))
    counts = np.bincount(simulator.choice_log()["units"][:, 0], minlength=most_units + 1).astype(float)
    law = -np.diff(np.concatenate([[1.0], at_least, [0.0]]))
    sold, _, came = _counts(_play(scenario, sales))
    return [
        distribution_of(f"law of units, {label}", law, counts),
        ratio_of(f"units of a customer, {label}", float(at_least.sum()), sold[:, 0], came, reach=most_units),
    ]


@validation_case(
    "basket-exponential",
    "computed, geometric numbers of units",
    "with exponential willingness to pay, P(at least n units at price p) = exp(-p - (n - 1)·d)",
    prices=(1.0, 5.0),
    satiation=0.7,
    most_units=8,
    customers=20.0,
)
def basket_exponential(
    sales: int, prices: tuple[float, ...], satiation: float, most_units: int, customers: float
) -> list[Measurement]:
    stock = ample(customers) * most_units
    plain = logit_sale(
        [0.0] * len(prices), [[p] for p in prices], [stock] * len(prices), customers, 1, may_be_withheld=True
    )
    scenario = plain.replace(choice=Choice("exponential"), basket=_basket(most_units, satiation))
    total = np.array([1.0])
    apart = 0.0
    for price in prices:
        at_least = np.exp(-price - satiation * np.arange(most_units))
        apart += float(at_least.sum())
        total = np.convolve(total, -np.diff(np.concatenate([[1.0], at_least, [0.0]])))
    expected = float(total @ np.minimum(np.arange(len(total)), most_units))
    sold, _, came = _counts(_play(scenario, sales))
    label = described(prices=prices, d=satiation, most=most_units)
    found = ratio_of(f"units of a customer, {label}", expected, sold.sum(axis=1), came, reach=most_units)
    # Beside it: as many units of every product, instead of all together.
    return [Measurement(**{**vars(found), "limit": apart})]


def uniform_pair() -> Population:
    """Customers whose willingness to pay for each of two products is uniform on [0, 1], at reference price 1."""
    middle = (np.arange(_CELLS) + 0.5) / _CELLS
    values = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
    one = Population.homogeneous(("product 1", "product 2"))
    voices = len(values)
    return Population(
        products=one.products,
        utterances=("",) * voices,
        languages=("",) * voices,
        intent_probabilities=np.repeat(one.intent_probabilities, voices, axis=0),
        latent_class=np.zeros(voices, np.int64),
        relevance=(_CELLS * values).astype(np.float32),
        price_sensitivity=np.full(voices, _CELLS, np.float32),
        coupon_affinity=np.zeros(voices, np.float32),
        weight=np.ones(voices, np.float32),
    )


@validation_case(
    "deal-pair",
    "computed, areas of the unit square; McAfee, McMillan & Whinston (1989), Quarterly Journal of Economics 104(2)",
    "two products at one price each, less for both: with uniform willingness to pay 2/3, and (4 - sqrt 2)/3 for both",
    price=2.0 / 3.0,
    both=(4.0 - math.sqrt(2.0)) / 3.0,
    separate=0.5,
    customers=20.0,
)
def deal_pair(sales: int, price: float, both: float, separate: float, customers: float) -> list[Measurement]:
    if not price <= both < 2.0 * price or not max(price, separate) < 1.0:
        raise ValueError(
            f"deal-pair: prices must lie below 1, and that of both between one price and two, got price={price:g}, "
            f"both={both:g}, separate={separate:g}."
        )
    stock = [ample(customers)] * 2
    people = uniform_pair()
    parts: dict[str, Any] = {"basket": _basket(2, 0.0, 1), "deal": Deal((0.0, 2.0 * price - both), 2.0 * price)}
    plain = logit_sale([0.0, 0.0], [[price]] * 2, stock, customers, 1).replace(**parts)
    # One product: worth its price, and the other one not worth what it adds. Both: the square above the added price,
    # less the triangle in which the pair is not worth its price.
    added = both - price
    single = 2.0 * (1.0 - price) * added
    pair = (1.0 - added) ** 2 - 0.5 * (price - added) ** 2
    simulator = _play(plain, sales, people, deal=True)
    revenue = simulator.sales["tick_revenue"]
    found = [
        ratio_of(
            f"revenue of a customer, {described(price=price, both=both)}",
            price * single + both * pair,
            revenue,
            simulator.sales["customers"].astype(float),
            reach=2.0,
        )
    ]
    apart = logit_sale([0.0, 0.0], [[separate]] * 2, stock, customers, 1)
    without = _play(apart.replace(basket=parts["basket"], deal=Deal((0.0, separate), 2.0 * separate)), sales, people)
    found.append(
        ratio_of(
            f"revenue of a customer, {described(price=separate)}, no deal",
            2.0 * separate * (1.0 - separate),
            without.sales["tick_revenue"],
            without.sales["customers"].astype(float),
            reach=2.0,
        )
    )
    return found

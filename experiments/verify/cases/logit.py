"""Multinomial logit sales: assortment, price, price under a stock limit, and substitution at a stockout.

Owns    their scenario and what is known of it.
Units   the scenario's currency; utilities in logits, buying nothing at 0.
"""

import math
from collections.abc import Sequence

import numpy as np

from flashsale_env import Arrivals, Pricing, Product, Scenario, Simulator, agents
from flashsale_env.agents import exact
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Measurement, described, distribution_of, mean_of, ratio_of
from flashsale_env.experiments.verify.simulating import (
    MINUTES,
    RUN,
    ample,
    first_price,
    first_prices,
    optimum,
    simulate,
)


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
    """Multinomial logit products whose leftover units are worth their unit cost, so that profit is margin.

    Args:
        quality: (M,) utility at price 0, logits.
        prices: price levels of each product; the highest and lowest where prices are continuous.
        stock: (M,) units.
        customers: expected in the whole sale.
        ticks: decision periods.
        sensitivity: utility lost with one unit of currency.
        unit_cost: (M,), 0 by default.
        continuous, may_be_withheld: as in `Pricing` and `Product`.
        law: of the arrivals, as in `Arrivals`.
    """
    costs = unit_cost or [0.0] * len(quality)
    if not len(quality) == len(prices) == len(stock) == len(costs):
        raise ValueError(
            f"every product needs a number in every list, got {len(quality)} qualities, {len(prices)} prices, "
            f"{len(stock)} stocks and {len(costs)} unit costs."
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


@validation_case(
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
    # With a sensitivity of 1, a price of 100 would need odds of e^100 at price 0.
    sensitivity = 1.0 / max(prices)
    stock = [ample(customers)] * len(prices)
    # The weights are odds at the given prices. `logit_sale` checks that there is one for each price.
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


@validation_case(
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


@validation_case(
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
    highest = 2.0 * (max(a) / b + math.log(1 + ticks) / b + 2.0 / b)  # far above the optimal price of a last unit
    scenario = logit_sale(
        a, [(highest, highest / 1000.0)] * len(a), [int(n) for n in stock], arrival_probability * ticks, ticks,
        sensitivity=b, continuous=True, law="bernoulli",
    )  # fmt: skip
    label = described(stock=stock, T=ticks, **{"lambda": arrival_probability})
    found = [optimum(f"optimal revenue, {label}", scenario, sales)]
    for j, (price, charged) in enumerate(first_prices(scenario)):
        found.append(first_price(f"opening price {j + 1} shown, {label}", price, charged))
    return found


@validation_case(
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
    # A scenario needs a decision. This one is whether to withhold a product, and no product is withheld.
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
    label = described(v=weights, stock=tuple(units), customers=customers)
    found = [
        distribution_of(
            f"law of the stock left, {label}", law.ravel(), np.bincount(code, minlength=law.size).astype(float)
        )
    ]
    for j, n in enumerate(units):
        others = tuple(k for k in range(len(units)) if k != j)
        expected = n - float(law.sum(axis=others) @ np.arange(n + 1))
        sold = (n - left[:, j]).astype(float)
        found.append(mean_of(f"expected sales of product {j + 1}", expected, sold, reach=n))
    gone = (left == 0).all(axis=1).astype(float)
    found.append(mean_of("probability that all is gone", float(law.flat[0]), gone, reach=1.0))
    return found

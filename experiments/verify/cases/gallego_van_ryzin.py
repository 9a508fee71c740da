"""The Gallego-van Ryzin sale: one product, Poisson customers, exponential willingness to pay.

Owns    its scenario and what is known of it: optimal and fixed prices, sales, price grids, bursts and drift.
Units   currency in units of the mean willingness to pay theta.

The expected value is the exact one of the *ticked* sale that is simulated. The value in continuous time stands beside
it as the limit.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from flashsale_env import Arrivals, Choice, Pricing, Product, Scenario, agents
from flashsale_env.agents import exact
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Measurement, described, distribution_of, mean_of
from flashsale_env.experiments.verify.simulating import (
    MINUTES,
    best_constant_price,
    constant_price,
    first_price,
    first_prices,
    optimum,
    profit_range,
    random_price,
    rule_price,
    simulate,
)

GVR = "Gallego & van Ryzin (1994), Management Science 40(8)"


def gvr_sale(
    n: int,
    rho: float,
    ticks: int,
    *,
    grid: Sequence[float] = (),
    drift: Sequence[float] = (1.0,),
    **shape: Any,
) -> Scenario:
    """One product and a·T = rho·e customers, so rho units sell on average at the optimal unconstrained price theta.

    Args:
        n: units in stock.
        rho: customers over e.
        ticks: decision periods.
        grid: price levels; without it any price from far below theta to above the optimal price of a last unit.
        drift: mean willingness to pay by phase, in units of theta.
        shape: of the arrival rate, as for `Arrivals`.
    """
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


@validation_case(
    "gvr-optimal",
    GVR,
    "optimal revenue of one product, J = ln sum_{i<=n} rho^i / i!",
    variants=({"n": 1}, {"n": 5}, {}, {"n": 20}),
    n=10,
    rho=10.0,
    ticks=60,
)
def gvr_optimal(sales: int, n: int, rho: float, ticks: int) -> list[Measurement]:
    scenario = gvr_sale(n, rho, ticks)
    label = described(n=n, rho=rho, K=ticks)
    found = [optimum(f"optimal revenue, {label}", scenario, sales, exact.gvr_value(n, rho))]
    ((optimal_price, charged),) = first_prices(scenario)
    found.append(first_price(f"opening price shown, {label}", optimal_price, charged, exact.gvr_price(n, rho)))
    return found


@validation_case(
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
    label, blocked = described(n=n, rho=rho, K=ticks), exact.erlang_b(n, rho)
    return [
        distribution_of(f"law of sales, {label}", law, np.bincount(sold.astype(int), minlength=n + 1).astype(float)),
        mean_of(
            f"probability of a sell-out, {label}", float(law[n]), (sold == n).astype(float), reach=1.0, limit=blocked
        ),
        mean_of(f"expected sales, {label}", float(law @ np.arange(n + 1)), sold, reach=n, limit=rho * (1 - blocked)),
    ]


@validation_case(
    "gvr-fixed-price",
    GVR + ", theorems 2 and 3",
    "one price for the whole sale, p·E min(n, Poisson(rho·e·e^-p)): the fluid price and the best one",
    n=10,
    rho=10.0,
    ticks=60,
)
def gvr_fixed_price(sales: int, n: int, rho: float, ticks: int) -> list[Measurement]:
    scenario, customers = gvr_sale(n, rho, ticks), rho * math.e
    label = described(n=n, rho=rho, K=ticks)
    fluid, (best, value) = exact.fluid_price(n, customers), exact.best_single_price(n, customers)
    at_fluid = exact.single_price_value(n, customers, fluid)
    return [
        constant_price(f"fluid price {fluid:.6f}, {label}", scenario, fluid, sales, at_fluid),
        constant_price(f"best single price {best:.6f}, {label}", scenario, best, sales, value),
    ]


@validation_case(
    "gvr-tightness",
    GVR + ", theorem 3",
    "the optimal revenue approaches the fluid bound as stock and customers grow together, n = rho = k",
    variants=({"k": 10}, {}, {"k": 1000, "ticks": 2000}),
    k=100,
    ticks=1000,
)
def gvr_tightness(sales: int, k: int, ticks: int) -> list[Measurement]:
    scenario, bound = gvr_sale(k, float(k), ticks), exact.fluid_value(k, k * math.e)
    agent = agents.make("dp", scenario)
    # The relative standard deviation of the revenue of k units is of order 1 / sqrt(k): large sales need few samples.
    earned = simulate(agent, scenario, max(sales // k, 500))["profit"]
    limit = exact.gvr_value(k, float(k)) / bound
    label, reach = described(k=k, K=ticks), profit_range(scenario) / bound
    return [
        mean_of(
            f"optimal revenue / fluid bound, {label}",
            agent.expected_profit / bound,
            earned / bound,
            reach=reach,
            limit=limit,
        )
    ]


@validation_case(
    "gvr-policies",
    "computed; " + GVR,
    "fluid prices re-solved in every tick, p = max(1, ln(customers left / units left)), and myopic ones, p = 1",
    n=10,
    rho=10.0,
    ticks=60,
)
def gvr_policies(sales: int, n: int, rho: float, ticks: int) -> list[Measurement]:
    scenario, label = gvr_sale(n, rho, ticks), described(n=n, rho=rho, K=ticks)
    return [
        rule_price(f"{title}, {label}", name, scenario, sales)
        for title, name in (("fluid re-solve", "fluid_resolve"), ("myopic", "myopic"), ("continuous-time price", "gvr"))
    ]


@validation_case(
    "gvr-periodic",
    "computed; the periodic pricing of " + GVR + ", section 5",
    "prices from a grid, changed K times: dynamic program, best fixed price, random prices",
    variants=({}, {"ticks": 60}),
    n=10,
    rho=10.0,
    ticks=10,
    grid=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0),
)
def gvr_periodic(sales: int, n: int, rho: float, ticks: int, grid: tuple[float, ...]) -> list[Measurement]:
    scenario, label = gvr_sale(n, rho, ticks, grid=grid), described(n=n, rho=rho, K=ticks)
    best = best_constant_price(scenario)
    return [
        optimum(f"dynamic program, {label}", scenario, sales),
        constant_price(f"best fixed price {best:g}, {label}", scenario, best, sales),
        random_price(f"random prices, {label}", scenario, sales),
        rule_price(f"rounded continuous-time price, {label}", "gvr", scenario, sales),
        rule_price(f"fluid re-solve, {label}", "fluid_resolve", scenario, sales),
    ]


@validation_case(
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
    label = described(n=n, rho=rho, K=ticks, burst=burst_share)
    return [optimum(f"optimal revenue, {label}", scenario, sales, exact.gvr_value(n, rho))]


@validation_case(
    "gvr-two-phase",
    "computed, exact recursion",
    "willingness to pay that drifts by phases: a fixed price is far from optimal",
    variants=({}, {"drift": tuple(1.5 - (t + 0.5) / 60 for t in range(60))}),
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
    shown = described(drift=drift) if len(drift) < 6 else f"drift = {drift[0]:g} .. {drift[-1]:g} in {len(drift)} steps"
    label, best = f"{described(n=n, rho=rho, K=ticks)}, {shown}", best_constant_price(gridded)
    return [
        optimum(f"optimal revenue, any price, {label}", continuous, sales),
        optimum(f"dynamic program, price grid, {label}", gridded, sales),
        constant_price(f"best fixed price {best:g}, {label}", gridded, best, sales),
        random_price(f"random prices, {label}", gridded, sales),
    ]

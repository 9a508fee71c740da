"""Scarce units: a quota at a special price, and bots that race customers for them.

Owns    their scenarios and what is known of them.
Units   currency in units of the mean willingness to pay; times as shares of the sale.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from flashsale_env import Arrivals, Bots, Choice, Product, Scenario, Seckill
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Measurement, described, mean_of
from flashsale_env.experiments.verify.simulating import MINUTES, ConstantPrices, ample, simulate
from flashsale_env.intents import ByIntent
from flashsale_env.market.bots import bots_per_tick

# High enough that everybody buys at any price of these sales: e^-60 is far below the precision of a double.
WANTED_BY_ALL = 60.0
# A sale of ten thousand arrivals takes as long as many small ones, and its share of bots varies little.
LARGE = 20


@validation_case(
    "seckill",
    "computed, a Poisson stream whose rate changes at its K-th sale",
    "the first K units at p1, then p2: revenue p1 E min(K, N) + p2 L2 / L1 E max(N - K, 0), N ~ Poisson(L1), "
    "L1 = lambda (1 + lift (1 - p1 / p2)) e^-p1, L2 = lambda e^-p2",
    variants=({}, {"lift": 0.9}),
    quota=5,
    special_price=0.5,
    price=1.5,
    customers=12.0,
    lift=0.0,
)
def seckill(
    sales: int, quota: int, special_price: float, price: float, customers: float, lift: float
) -> list[Measurement]:
    if special_price >= price:
        raise ValueError(f"seckill: special_price must be below price, got {special_price:g} and {price:g}.")
    attracted = customers * (1.0 + lift * (1.0 - special_price / price))
    most = ample(attracted)
    scenario = Scenario(
        name="verification",
        horizon_ticks=1,
        tick_minutes=MINUTES,
        products=(Product("ticket", (price, 0.5 * price), most, reference_price=1.0),),
        arrivals=Arrivals(customers / MINUTES),
        choice=Choice("exponential"),
        seckill=Seckill((0.0,), special_price / price, (quota,), lift),
    )
    units, revenue = special_price_sales(quota, special_price, price, attracted, customers)
    table = simulate(ConstantPrices(scenario, [price]), scenario, sales)
    label = described(K=quota, p=(special_price, price), customers=customers, lift=lift)
    return [
        mean_of(f"revenue, {label}", revenue, table["revenue"], reach=most * price),
        mean_of(f"units at the special price, {label}", units, table["seckill_units"], reach=quota),
    ]


def special_price_sales(
    quota: int, special_price: float, price: float, attracted: float, customers: float
) -> tuple[float, float]:
    """(expected units at the special price, expected revenue) of one tick with exponential willingness to pay.

    Args:
        quota: units at the special price.
        special_price, price: in units of the mean willingness to pay.
        attracted, customers: expected customers in the tick while the quota lasts, and afterwards.
    """
    first, then = attracted * math.exp(-special_price), customers * math.exp(-price)
    k = np.arange(quota)
    units = quota - float(stats.poisson.pmf(k, first) @ (quota - k))
    # The quota ends when the tick has (N - K)+ / L1 of itself left on average, by Wald's equation.
    return units, special_price * units + price * then * (first - units) / first


@validation_case(
    "bots-race",
    "computed; the first n points of two Poisson streams",
    "units that bots get when everybody wants one, people come at rate e^-t and bots at rate s e^-st",
    variants=({"speed": 1.0}, {}, {"speed": 20.0}, {"speed": 100.0}),
    stock=500,
    people=9000.0,
    bots=1000.0,
    speed=5.0,
    ticks=1000,
)
def bots_race(sales: int, stock: int, people: float, bots: float, speed: float, ticks: int) -> list[Measurement]:
    # The sale ends at t = 1, when a share 1 - e^-1 of the people and 1 - e^-s of the bots have come.
    come, bots_come = -people * math.expm1(-1.0), -bots * math.expm1(-speed)
    scenario = scarce_sale(
        stock, bots_come / come, ticks, Arrivals(come / MINUTES, burst_share=1.0, burst_scale=1.0), speed=speed
    )
    _require_enough(stock, come + bots_come)
    customers = scenario.customers_per_tick
    expected = share_of_first(stock, bots_per_tick(scenario) * (bots_come / come), customers)
    label = described(units=stock, people=people, bots=bots, speed=speed, K=ticks)
    return [
        _share_of_bots(f"share of bots, {label}", expected, scenario, sales, fluid_share(stock, people, bots, speed))
    ]


@validation_case(
    "bots-lottery",
    "by symmetry",
    "admitted by lottery, bots get the share of units that is their share of the arrivals, whatever their speed",
    stock=500,
    people=9000.0,
    bots=1000.0,
    ticks=10,
)
def bots_lottery(sales: int, stock: int, people: float, bots: float, ticks: int) -> list[Measurement]:
    _require_enough(stock, people + bots)
    scenario = scarce_sale(stock, bots / people, ticks, Arrivals(people / MINUTES, lottery_minutes=MINUTES))
    label = described(units=stock, people=people, bots=bots)
    return [_share_of_bots(f"share of bots, {label}", bots / (people + bots), scenario, sales)]


def scarce_sale(stock: int, share: float, ticks: int, arrivals: Arrivals, **racing: Any) -> Scenario:
    """Few units that everybody wants, and so many bots per customer."""
    return Scenario(
        name="verification",
        horizon_ticks=ticks,
        tick_minutes=MINUTES / ticks,
        products=(Product("ticket", (1.0, 0.5), stock, quality=WANTED_BY_ALL),),
        arrivals=arrivals,
        bots=Bots(ByIntent.read(share, "share"), resale_share=2.0, **racing),
    )


def share_of_first(n: int, marked: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> float:
    """Expected share of marked points among the first n points of a Poisson stream.

    On the clock of the whole stream, in which its rate is 1, a point at u is one of the first n with probability
    P(Poisson(u) < n) = Q(n, u). The integral of Q(n, u) from 0 to x is x·Q(n, x) + n·P(n + 1, x), P and Q the
    regularised incomplete gamma functions. The total is at least so large that n points come for certain.

    Args:
        n: points that count.
        marked, others: (T,) expected points of each kind in each tick.
    """
    clock = np.append(0.0, np.cumsum(marked + others))
    among = clock * special.gammaincc(n, clock) + n * special.gammainc(n + 1, clock)
    share = marked / np.maximum(marked + others, np.finfo(float).tiny)
    return float(share @ np.diff(among)) / n


def fluid_share(stock: float, people: float, bots: float, speed: float) -> float:
    """Share of bots among the first `stock` of two deterministic streams, people·e^-t and bots·s·e^-st."""

    def bots_by(t: float) -> float:
        return -bots * math.expm1(-speed * t)

    end = optimize.brentq(lambda t: bots_by(t) - people * math.expm1(-t) - stock, 0.0, 50.0, xtol=1e-14)
    return bots_by(end) / stock


def _require_enough(stock: int, come: float) -> None:
    if stats.poisson.cdf(stock, come) > 1e-9:
        raise ValueError(
            f"the race is for scarce units: {come:.4g} expected arrivals must be more than enough for all "
            f"{stock} of them; lower stock, or raise people or bots."
        )


def _share_of_bots(
    quantity: str, expected: float, scenario: Scenario, sales: int, limit: float | None = None
) -> Measurement:
    table = simulate(ConstantPrices(scenario, [1.0]), scenario, max(sales // LARGE, 200))
    stock = scenario.products[0].initial_stock
    return mean_of(quantity, expected, table["bot_units"] / stock, reach=1.0, limit=limit)

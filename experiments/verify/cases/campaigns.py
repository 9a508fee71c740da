"""Campaigns: goodwill, customers who come back, and what a coupon for them is worth."""

import math

import numpy as np
import numpy.typing as npt

from flashsale_env import (
    METRICS,
    Arrivals,
    Campaign,
    CampaignSimulator,
    Choice,
    Product,
    Replenishment,
    Retention,
    Scenario,
    Simulator,
)
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Measurement, described, mean_of, ratio_of
from flashsale_env.experiments.verify.simulating import BATCH, MINUTES, RUN, ample
from flashsale_env.market.retention import customer_types
from flashsale_env.theory.customer_base import CustomerBase

# As many as would be a rounding error: a sale to which nobody comes but past customers, or no past customer.
_NEXT_TO_NOBODY = 1e-9
_WEEK = 7.0
# Visits of a sale that are recorded, of 20 expected.
_MOST_VISITS = 128


def goodwill_after(sales: int, first: float, rate: float, service: float) -> float:
    """s + (1 - r)^n·(g_0 - s): goodwill after n sales of the same service.

    >>> goodwill_after(2, 0.4, 0.5, 1.0)
    0.85
    """
    return service + (1 - rate) ** sales * (first - service)


def coupon_values(theta: float, price: float, coupon: float) -> tuple[float, float, float]:
    """Profit of a customer, with an exponential willingness to pay of mean theta: a coupon for nobody, for everybody,
    and for those only who would not buy without it.

    >>> [round(value, 6) for value in coupon_values(80.0, 80.0, 20.0)]
    [29.430355, 28.341993, 35.699582]
    """
    full, lower = math.exp(-price / theta), math.exp(-(price - coupon) / theta)
    return price * full, (price - coupon) * lower, price * full + (price - coupon) * (lower - full)


def _sale(campaign: Campaign, retention: Retention, customers: float, product: Product, **parts: object) -> Scenario:
    """All cases have the same mechanisms, so they are compiled once."""
    return Scenario(
        name="verification",
        horizon_ticks=1,
        tick_minutes=MINUTES,
        products=(product,),
        arrivals=Arrivals(customers / MINUTES),
        choice=Choice("exponential"),
        campaign=campaign,
        retention=retention,
        observe=("time_left", "on_hand"),
        **parts,  # type: ignore[arg-type]
    )


def _seeds(sales: int) -> npt.NDArray[np.uint64]:
    return split_seeds("validation", RUN, sales)


def _opened(scenario: Scenario, sales: int) -> CampaignSimulator:
    simulator = CampaignSimulator(scenario, sales=sales, actions="multidiscrete")
    simulator.open(_seeds(sales), np.zeros(sales, np.int64))
    return simulator


@validation_case(
    "goodwill",
    "Nerlove & Arrow (1962), Economica 29, in steps of a sale",
    "goodwill after n sales of service s is s + (1 - r)^n (g - s), and that share of the customers comes",
    variants=({}, {"service": 0.0, "goodwill": 1.0}),
    goodwill=0.4,
    rate=0.3,
    service=1.0,
    sales_each=4,
    customers=40.0,
)
def goodwill_law(
    sales: int, goodwill: float, rate: float, service: float, sales_each: int, customers: float
) -> list[Measurement]:
    if service not in (0.0, 1.0):
        raise ValueError(f"goodwill: service must be 1, all are served, or 0, nobody is, got {service:g}.")
    # Nobody is served where all units are in a reserve from which nothing is ordered.
    stock = ample(customers) if service else 0
    product = Product("ticket", (0.02, 0.01), stock, reserve=1, order_levels=(0, 1), reference_price=1.0)
    scenario = _sale(
        Campaign(sales_each, goodwill=goodwill, goodwill_rate=rate),
        Retention(_NEXT_TO_NOBODY),
        customers,
        product,
        replenishment=Replenishment(),
    )
    simulator, found = _opened(scenario, sales), []
    for number in range(sales_each):
        came = _play(simulator, 0)["customers"]
        expected = customers * goodwill_after(number, goodwill, rate, service)
        label = described(g=goodwill, r=rate, s=service, n=number)
        found.append(mean_of(f"customers, {label}", expected, came, reach=ample(customers)))
    return found


@validation_case(
    "retention-churn",
    "Fader, Hardie & Lee (2005), Marketing Science 24(2), BG/NBD",
    "customers who buy at every visit, and drop out after it: how many of a cohort come to each sale",
    variants=({}, {"r": 1.5, "alpha": 3.0, "a": 1.2}),
    cohort=100.0,
    r=0.243,
    alpha=4.414,
    a=0.793,
    b=2.426,
    days=7.0,
    sales_each=4,
)
def retention_churn(
    sales: int, cohort: float, r: float, alpha: float, a: float, b: float, days: float, sales_each: int
) -> list[Measurement]:
    part = Retention(cohort, cohort, visit_shape=r, visit_scale=alpha, dropout_a=a, dropout_b=b)
    product = Product("ticket", (2e-9, 1e-9), ample(cohort), reserve=1, order_levels=(0, 1), reference_price=1.0)
    scenario = _sale(
        Campaign(sales_each, days_between=days), part, _NEXT_TO_NOBODY, product, replenishment=Replenishment()
    )
    rates, dropouts, shares = customer_types(part)
    visits = -np.expm1(-rates * days / _WEEK)
    alive, base = cohort * shares, CustomerBase(r, alpha, a, b)
    simulator, found = _opened(scenario, sales), []
    for number in range(sales_each):
        came = _play(simulator, 1)["past_customers"]
        by_then = cohort * base.expected_purchases(np.array([number, number + 1]) * days / _WEEK)
        label = described(r=r, alpha=alpha, a=a, b=b, n=number)
        limit = float(np.diff(by_then)[0])
        found.append(mean_of(f"past customers, {label}", float(alive @ visits), came, reach=ample(cohort), limit=limit))
        alive = alive * (1 - dropouts * visits)
    return found


@validation_case(
    "uplift",
    "computed; a coupon under exponential willingness to pay",
    "a coupon for past customers: for nobody, for everybody, and only for those who would not buy without it",
    variants=({}, {"theta": 40.0}),
    theta=80.0,
    price=80.0,
    coupon=20.0,
    customers=20.0,
)
def uplift(sales: int, theta: float, price: float, coupon: float, customers: float) -> list[Measurement]:
    if coupon >= price:
        raise ValueError(f"uplift: the coupon must be below the price of {price:g}, got {coupon:g}.")
    if ample(customers) > _MOST_VISITS:
        raise ValueError(f"uplift: of {customers:g} customers more may come than the {_MOST_VISITS} that are recorded.")
    # Every visit of a cohort is repeated: a visit rate that is so high makes all of them come.
    part = Retention(
        customers, customers, visit_shape=1000.0, visit_scale=1e-2, dropout_b=1.0, coupon=(0.0, coupon / price)
    )
    product = Product("ticket", (price,), ample(customers), reserve=1, order_levels=(0, 1), reference_price=1.0 * theta)
    scenario = _sale(Campaign(2), part, _NEXT_TO_NOBODY, product, replenishment=Replenishment())
    played = [_replayed(scenario, seeds) for seeds in np.array_split(_seeds(sales), -(-sales // BATCH))]
    without, with_coupon, came = (np.concatenate(parts) for parts in zip(*played, strict=True))
    label = described(theta=theta, price=price, coupon=coupon)
    return [
        ratio_of(f"profit of a customer, {who}, {label}", expected, earned, came, reach=price)
        for who, expected, earned in zip(
            ("nobody", "everybody", "who would not buy"),
            coupon_values(theta, price, coupon),
            (
                price * without,
                (price - coupon) * with_coupon,
                price * without + (price - coupon) * (with_coupon - without),
            ),
            strict=True,
        )
    ]


def _replayed(scenario: Scenario, seeds: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.float64], ...]:
    """(S,) buyers without a coupon, with one, and customers; the same customers in the same order meet both."""
    simulator = Simulator(scenario, sales=len(seeds), actions="multidiscrete", log_rows=_MOST_VISITS)
    bought = []
    for level in (0, 1):
        simulator.open(seeds, np.zeros(len(seeds), np.int64))
        simulator.advance(_action(simulator, retention=level))
        log = simulator.choice_log()
        bought.append(log["bought"] == 0)
        row = log["row"]
    assert not (bought[0] & ~bought[1]).any(), "a customer who buys at the full price does not buy with the coupon"
    without, with_coupon = (np.bincount(row, buys, minlength=len(seeds)).astype(np.float64) for buys in bought)
    return without, with_coupon, simulator.sales["customers"].astype(np.float64)


def _action(simulator: Simulator, **levels: int) -> npt.NDArray[np.int64]:
    """The same levels of these decisions in every sale, the first level of the others."""
    action = np.zeros((len(simulator), len(simulator.codec.names)), np.int64)
    for decision, level in levels.items():
        action[:, simulator.codec.columns(decision)] = level
    return action


def _play(simulator: CampaignSimulator, price_level: int) -> dict[str, npt.NDArray[np.float64]]:
    """Play the sale in progress, of one tick: name -> (S,) of its metrics at the close."""
    simulator.advance(_action(simulator, price=price_level))
    return dict(zip(METRICS, simulator.measure().T, strict=True))

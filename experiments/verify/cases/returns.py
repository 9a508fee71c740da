"""Returns: the price that earns most if a share of the units sold comes back."""

import math

from flashsale_env import Arrivals, Choice, Product, Returns, Scenario
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Measurement, described, ratio_of
from flashsale_env.experiments.verify.simulating import MINUTES, ConstantPrices, ample, simulate
from flashsale_env.intents import ByIntent


def best_price_with_returns(theta: float, rate: float, handling: float, salvage: float) -> float:
    """theta + rate·(handling - salvage)/(1 - rate): the best price under exponential willingness to pay of mean theta.

    >>> round(best_price_with_returns(80.0, 0.176, 10.0, 0.0), 6)
    82.135922
    """
    return theta + rate * (handling - salvage) / (1.0 - rate)


def profit_with_returns(price: float, theta: float, rate: float, handling: float, salvage: float) -> float:
    """Expected profit of one customer: e^(-price/theta) · ((1 - rate)·price - rate·(handling - salvage))."""
    return math.exp(-price / theta) * ((1.0 - rate) * price - rate * (handling - salvage))


@validation_case(
    "returns-price",
    "computed; exponential demand with refunds",
    "the best price rises by rate · (handling - salvage) / (1 - rate) above that without returns",
    variants=({}, {"rate": 0.4, "handling": 30.0}),
    theta=80.0,
    rate=0.176,
    handling=10.0,
    customers=20.0,
)
def returns_price(sales: int, theta: float, rate: float, handling: float, customers: float) -> list[Measurement]:
    if rate >= 1:
        raise ValueError(f"returns-price: rate must be below 1, or nothing is earned at any price, got {rate:g}.")
    best, found = best_price_with_returns(theta, rate, handling, 0.0), []
    for price in (0.8 * best, best, 1.2 * best):
        scenario = Scenario(
            name="verification",
            horizon_ticks=1,
            tick_minutes=MINUTES,
            products=(Product("shoes", (2.0 * best, price), ample(customers), reference_price=1.0 * theta),),
            arrivals=Arrivals(customers / MINUTES),
            choice=Choice("exponential"),
            returns=Returns(ByIntent.read(rate, "rate"), handling),
            observe=("time_left", "on_hand"),
        )
        table = simulate(ConstantPrices(scenario, [price]), scenario, sales)
        label = f"{'best ' if price == best else ''}price {price:.6f}, {described(r=rate, k=handling)}"
        expected = profit_with_returns(price, theta, rate, handling, 0.0)
        found.append(
            ratio_of(f"profit of a customer, {label}", expected, table["profit"], table["customers"],
                     reach=price + handling)
        )  # fmt: skip
    return found

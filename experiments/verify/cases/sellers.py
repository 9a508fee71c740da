"""Several sellers: two of them under multinomial logit, at the price of equilibrium and at the joint one.

Leaves  the sale and its closed forms to `theory.duopoly`.
Units   currency.
"""

import numpy as np

from flashsale_env import Pricing
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.envs.sellers import SellersBatch
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Atom, Measurement, described, ratio_of
from flashsale_env.experiments.verify.simulating import RUN, ample
from flashsale_env.theory.duopoly import Duopoly, duopoly_sale


@validation_case(
    "duopoly",
    "computed; Anderson, de Palma & Thisse (1992), section 7.4: p = c + 1/(b (1 - q)), jointly p = c + 1/(b (1 - 2q))",
    "at the price of equilibrium, and at the joint one, the simulated share q gives this price",
    a=2.0,
    b=1.0,
    c=1.0,
    customers=50.0,
)
def duopoly(sales: int, a: float, b: float, c: float, customers: float) -> list[Measurement]:
    if not b > 0 or not c >= 0:
        raise ValueError(f"duopoly: b must be above 0 and c at least 0, got {b:g} and {c:g}.")
    market, label = Duopoly(a, b, c), described(a=a, b=b, c=c)
    found = []
    for name, price, together in (("Nash", market.nash_price, 1.0), ("joint", market.joint_price, 2.0)):
        units, profit, came = _play(market, price, customers, sales)
        expected = float(market.profit(price, price))
        share = ratio_of("", float(market.share(price, price)), units, came, reach=1.0)
        found.append(_price(f"{name} price, {label}", price, share, market, together))
        found.append(ratio_of(f"profit a customer at the {name} price, {label}", expected, profit, came, reach=price))
    return found


def _play(market: Duopoly, price: float, customers: float, sales: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(S,) units and profit of the second seller, and customers, with both at this price."""
    # Any price from the cost to ten margins above it.
    prices = (market.c + 10.0 / market.b, market.c + 0.01 / market.b)
    scenario = duopoly_sale(market, prices, customers_per_tick=customers, stock=ample(customers))
    batch = SellersBatch(sales, scenario.replace(pricing=Pricing(continuous=True)))
    batch.reset(seed=split_seeds("validation", RUN, sales))
    at_price = {a: np.tile(codec.from_prices(np.array([[price]])), (sales, 1)) for a, codec in batch.codecs.items()}
    _, _, _, infos = batch.step(at_price)
    metrics = infos["rival"]
    return metrics["metrics/units_sold"], metrics["profit"], metrics["metrics/customers"]


def _price(quantity: str, expected: float, share: Measurement, market: Duopoly, together: float) -> Measurement:
    """The price that the first-order condition gives for a simulated share, with its error to first order."""
    rest = 1.0 - together * share.simulated
    slope = together / (market.b * rest**2)
    assert share.atom is not None
    return Measurement(
        quantity,
        expected,
        market.c + 1.0 / (market.b * rest),
        share.standard_error * slope,
        share.samples,
        tolerance=share.tolerance * slope,
        atom=Atom(share.atom.value, share.atom.others, share.atom.reach * slope),
    )

"""Coupons: a share off the price for customers who clip one, while the budget lasts.

Owns    the coupon on offer, the price with it, its budget, and its effect on traffic.
Units   depth is a share of the price; the budget is currency.

A coupon is honoured on a product that is on hand and offered, if the remaining budget covers the discount.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import put
from flashsale_env.market.mechanism import Between, Decision, Feature, Mechanism, OneOf, ScenarioLike
from flashsale_env.market.parts import Part, require_range, require_rising
from flashsale_env.tables import example

# The budget is observed in single precision, so up to this relative error.
_PRECISION = 1e-5


@dataclass(frozen=True)
class Coupon(Part):
    """A share off the price for customers who clip it, while the budget lasts.

    Args:
        depths: shares off, rising from 0.
        budget: limit on the sum of all discounts, currency.
        traffic_lift: relative increase of traffic under the deepest coupon; proportional to depth below it.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    depths: tuple[float, ...] = field(metadata=example([0.0, 0.1, 0.2]))
    budget: float = field(metadata=example(3000.0))
    traffic_lift: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_rising(self, "depths")
        require_range(self, "budget", "traffic_lift")
        if self.budget == 0:
            raise ValueError("coupon.budget must be above 0, got 0; leave [coupon] out for a sale without one.")

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Nothing: a coupon works in every scenario. `idle_among` checks whether these customers clip it."""
        return iter(())

    def idle_among(self, scenario: ScenarioLike, customers: Any) -> Iterator[str]:
        """The whole part, if no customer clips the coupon; then a lift of traffic would cost nothing."""
        if customers.coupon_affinity.any():
            return
        if self.traffic_lift:
            yield (
                f"coupon.traffic_lift of scenario {scenario.name!r} costs nothing among these customers: no customer "
                f"clips the coupon that attracts them. Set traffic_lift = 0."
            )
        else:
            yield f"[coupon] of scenario {scenario.name!r} does nothing among these customers: no customer clips it."


@scalar
def open_sale(rules, sale, grids):
    """Start with the whole budget."""
    sale.coupon.budget = rules.coupon.budget


@scalar
def decide(rules, sale, grids, encoding, action):
    """The depth on offer in this tick."""
    sale.coupon.depth = chosen(rules, grids, encoding, action, rules.row.coupon)


@scalar
def clips(coupon, voice, marks):
    """Whether this customer clips the coupon on offer; `coupon` is None in a sale without coupons."""
    if coupon is None:
        return False
    return coupon.depth > 0.0 and streams.middle16(marks) < voice.coupon_affinity


@scalar
def tag(coupon, sale, clips, j):
    """The price tag of product j as a customer reads it."""
    if coupon is None:
        return sale.price_share[j]
    return coupon.price_share[j] if clips else sale.price_share[j]


@scalar
def budget_left(coupon):
    """The budget left, currency; 0 in a sale without coupons."""
    if coupon is None:
        return 0.0
    return coupon.budget


@scalar
def net_price(coupon, price, clips, left):
    """What a customer pays for a product with this price while so much of the budget is left, currency."""
    if coupon is None or not clips:
        return price
    discount = price * coupon.depth
    return price if discount > left else price - discount


@scalar
def redeem(coupon, discount, pays):
    """Take the discount of one purchase out of the budget; returns whether there was one.

    It is spent if the customer pays; a cart that is never paid only holds it, see `give_back`.
    """
    if coupon is None or discount <= 0.0:
        return False
    # The discounts of a basket fit one by one; their sum may exceed the budget by rounding.
    coupon.budget = max(coupon.budget - discount, 0.0)
    if pays:
        coupon.spend += discount
        coupon.redeemed += 1
    return True


@scalar
def give_back(coupon, discount):
    """Put the discounts of carts that were never paid back into the budget, currency."""
    if coupon is None:
        return
    coupon.budget += discount


@scalar
def write_tags(rules, sale):
    """The price of every product with the coupon, and the share of the dominating stream that comes."""
    coupon = sale.coupon
    for j in range(rules.n_products):
        # A product out of stock or not offered keeps its tag: an empty shelf carries no promotion.
        if sale.on_hand[j] > 0 and sale.asking_price[j] > 0.0:
            coupon.price_share[j] = np.float32(
                net_price(coupon, sale.asking_price[j], True, coupon.budget) / rules.reference_price[j]
            )
        else:
            coupon.price_share[j] = sale.price_share[j]
    sale.coming_share *= traffic_share(rules, sale)


@scalar
def is_honoured(rules, sale):
    """Whether the remaining budget covers the discount on some product that is on hand and offered."""
    for j in range(rules.n_products):
        on_sale = sale.on_hand[j] > 0 and sale.asking_price[j] > 0.0
        if on_sale and sale.asking_price[j] * sale.coupon.depth <= sale.coupon.budget:
            return True
    return False


@scalar
def traffic_share(rules, sale):
    """Traffic under the coupon on offer, relative to traffic under the deepest one.

    A coupon that cannot be honoured on any product attracts no customers. Otherwise a budget just short of one
    redemption, or empty shelves, would lift traffic at no cost.
    """
    lift = rules.coupon.traffic_lift
    if not is_honoured(rules, sale):
        return 1.0 / (1.0 + lift)
    return (1.0 + lift * sale.coupon.depth / rules.coupon.max_depth) / (1.0 + lift)


@scalar
def observe(rules, sale, schedule, out):
    """The coupon of the last tick and the remaining budget."""
    put(out, rules.at.coupon_depth, sale.coupon.depth / rules.coupon.max_depth, 0.0, 1.0)
    put(out, rules.at.coupon_budget, sale.coupon.budget / rules.coupon.budget, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """The cost of coupons."""
    out[rules.metric.coupon_spend] = sale.coupon.spend


def highest_useful(scenario: ScenarioLike, units: Any, observations: Any) -> Any:
    """(N, 1) level of the deepest coupon that the remaining budget can honour at the lowest price.

    No deeper coupon can be redeemed on any product, so it earns nothing.
    """
    if "coupon_budget" not in units:
        return None
    left = units.coupon_budget(observations)
    cheapest = min(min(product.price_levels) for product in scenario.products)
    discounts = np.array(scenario.coupon.depths) * cheapest
    return np.searchsorted(discounts, left * (1 + _PRECISION), side="right")[:, None] - 1


MECHANISM = Mechanism(
    settings=Coupon,
    state=lambda sizes: (
        ("depth", "f8"),
        ("budget", "f8"),  # currency left
        ("price_share", "f4", (sizes.products,)),  # price tags with the coupon, as `sale.price_share`
        ("redeemed", "i8"),
        ("spend", "f8"),
    ),
    rules=lambda sizes: (("budget", "f8"), ("max_depth", "f8"), ("traffic_lift", "f8")),
    lay_out=lambda scenario: {
        "budget": scenario.coupon.budget,
        "max_depth": scenario.coupon.depths[-1],
        "traffic_lift": scenario.coupon.traffic_lift,
    },
    decisions={
        "coupon": Decision(
            labels=lambda scenario: ("",),
            levels=lambda scenario: [scenario.coupon.depths],
            discrete_steps=None,
            highest_useful=highest_useful,
            meaning=lambda scenario: (
                "coupon: share off the price for customers who clip it; all discounts together at most "
                f"{scenario.coupon.budget:,.10g}"
            ),
            unit="share of the price",
        )
    },
    features={
        "coupon_depth": Feature(
            "sale", 0.0, 1.0, "share of the deepest coupon", "coupon in the last tick", "promotion"
        ),
        "coupon_budget": Feature("sale", 0.0, 1.0, "share of the budget", "coupon budget left", "promotion"),
    },
    metrics={"coupon_spend": "discounts given by coupons; currency"},
    bounded={
        "depths": "a customer pays at most the list price, since coupons only lower prices",
        "budget": "it only limits the shop",
        "traffic_lift": "the bounds include all customers that the deepest coupon attracts",
    },
    most_traffic=lambda scenario: float(1.0 + scenario.coupon.traffic_lift),
    promotion="a share off the price for customers who clip it, while its budget lasts",
    ranges={
        "depths": OneOf(((0.0, 0.1, 0.2), (0.0, 0.3), (0.0, 0.05, 0.1, 0.15, 0.2))),
        "budget": Between(50.0, 2000.0),
        "traffic_lift": Between(0.0, 0.3),
    },
    facts=(("coupon", "depth", "discount"), ("coupon budget", "budget", "money")),
    open=open_sale,
    decide=decide,
    write_tags=write_tags,
    observe=observe,
    measure=measure,
)

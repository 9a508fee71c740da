"""Prices: the price of each product in a tick, and the tags that customers read.

Owns    the price decision, the price tags, revenue and profit.
Units   currency; a tag is a share of the product's reference price.

Until stock arrives, a product out of stock counts in demand at the price of its last unit (at list price if it never
had one), before coupons and offers. A policy therefore gains nothing from prices on an empty shelf.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import BOX, chosen
from flashsale_env.core.records import option, put
from flashsale_env.market import rivals
from flashsale_env.market.mechanism import Decision, Feature, Mechanism, OneOf, ScenarioLike, Term
from flashsale_env.market.parts import Part

# The tag of a product that is on hand and not offered. It is not a price; check with `is_offered`.
NOT_OFFERED = np.float32(-1.0)
# Steps of the common markdown in the discrete grid: fine enough to sell well, small enough to learn.
_DISCRETE_STEPS = 12


@dataclass(frozen=True)
class Pricing(Part):
    """How a box action sets prices.

    Args:
        continuous: true for any price between a product's first and last level, false for one of the levels.
    """

    continuous: bool = False

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Continuous prices, if every product has a single price."""
        decided = (product for product in scenario.products if not rivals.is_scripted(scenario, product))
        if self.continuous and all(len(product.price_levels) == 1 for product in decided):
            yield (
                "pricing.continuous does nothing, every product has a single price. Give price_levels, or set "
                "pricing.continuous = false."
            )

    def check(self, scenario: ScenarioLike) -> None:
        """Refuse continuous prices together with `may_be_withheld`: a range has no level for "not offered".

        Raises:
            ValueError: a product may be withheld.
        """
        if self.continuous and any(product.may_be_withheld for product in scenario.products):
            raise ValueError(
                "pricing.continuous has no level for a product that is not offered: set may_be_withheld = false or "
                "pricing.continuous = false."
            )


@scalar
def open_sale(rules, sale, grids):
    """Start at list prices."""
    for j in range(rules.n_products):
        sale.price[j] = grids[rules.row.price + j, 0]
        sale.price_share[j] = np.float32(sale.price[j] / rules.reference_price[j])


@scalar
def begin_tick(rules, sale):
    """Nothing is earned yet."""
    sale.tick_revenue = 0.0


@scalar
def decide(rules, sale, grids, encoding, action):
    """The price of every product; 0 if it is not offered."""
    for j in range(rules.n_products):
        row = rules.row.price + j
        if rules.continuous_prices and encoding == BOX and rules.column[row] >= 0:
            last = rules.n_levels[row] - 1
            # Linear from the first level at -1 to the last one at +1.
            weight = (action[rules.column[row]] + 1.0) * 0.5
            sale.price[j] = grids[row, 0] + weight * (grids[row, last] - grids[row, 0])
        else:
            sale.price[j] = chosen(rules, grids, encoding, action, row)


@scalar
def write_tags(rules, sale):
    """The tag of every product on hand; a product out of stock keeps its last one.

    Mechanisms with a special price, further down in the order of `write_tags`, lower both `asking_price` and tag.
    """
    for j in range(rules.n_products):
        sale.asking_price[j] = sale.price[j]
        if sale.on_hand[j] > 0:
            if sale.price[j] > 0.0:
                sale.price_share[j] = np.float32(sale.price[j] / rules.reference_price[j])
            else:
                sale.price_share[j] = NOT_OFFERED


@scalar
def is_offered(price_share):
    """Whether a tag is a price; a product that is not offered is neither wanted nor bought."""
    return price_share >= 0.0


@scalar
def is_for_sale(sale, j):
    """Whether product j is on hand and offered."""
    return sale.on_hand[j] > 0 and is_offered(sale.price_share[j])


@scalar
def settle(rules, sale, closes, terms):
    """The revenue of the tick."""
    terms[rules.term.revenue] = rivals.own_money(option(rules, "rivals"), option(sale, "rivals"), sale)[0]


@scalar
def observe(rules, sale, schedule, out):
    """The prices of the last tick."""
    if rules.at.price >= 0:
        for j in range(rules.n_products):
            price = rivals.price_seen(option(rules, "rivals"), sale, j)
            put(out, rules.at.price + j, price / rules.list_price[j], 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Revenue, and the profit: all terms that are money, less the cost of the initial stock."""
    profit = 0.0
    for k in range(len(sale.money)):
        if rules.is_money[k]:
            profit += sale.money[k]
    cost = 0.0
    for j in range(rules.n_products):
        if rivals.is_own(option(rules, "rivals"), j):
            cost += rules.initial_stock[j] * rules.unit_cost[j]
    out[rules.metric.profit] = profit - cost
    out[rules.metric.revenue] = sale.money[rules.term.revenue]


def _has_one_price(product: Any) -> bool:
    # A rival's price is observed as 0 once it is sold out.
    return len(product.price_levels) == 1 and not product.may_be_withheld and not product.owner


def _levels(scenario: ScenarioLike) -> list[tuple[float, ...]]:
    """The prices to choose from; where a script sets the price, the list price alone."""
    return [
        (product.list_price,)
        if rivals.is_scripted(scenario, product)
        else (*product.price_levels, *(0.0,) * product.may_be_withheld)
        for product in scenario.products
    ]


def sold_out_for_good(units: Any, observations: Any) -> Any:
    """(N, M) whether no unit is on hand, in transit or to be ordered; None if the scenario does not show it."""
    if "position" not in units or "to_order" not in units:
        return None
    return (units.position(observations) == 0) & (units.to_order(observations) == 0)


def highest_useful(scenario: ScenarioLike, units: Any, observations: Any) -> Any:
    """(N, M) level 0 for a product that is sold out for good, whose price has no effect; else the last level."""
    gone = sold_out_for_good(units, observations)
    if gone is None:
        return None
    last = [len(product.price_levels) + product.may_be_withheld - 1 for product in scenario.products]
    return np.where(gone, 0, last)


MECHANISM = Mechanism(
    settings=Pricing,
    state=lambda sizes: (
        ("price", "f8", (sizes.products,)),  # set by the last action; 0 where the product is not offered
        ("asking_price", "f8", (sizes.products,)),  # the same, or a special price in its place
        # the tag, over reference price; out of stock: of the last unit; on hand and not offered: NOT_OFFERED
        ("price_share", "f4", (sizes.products,)),
        ("tick_revenue", "f8"),
    ),
    rules=lambda sizes: (
        ("continuous_prices", "i8"),
        ("list_price", "f8", (sizes.products,)),
        ("reference_price", "f8", (sizes.products,)),
    ),
    lay_out=lambda scenario: {
        "continuous_prices": scenario.pricing.continuous,
        "list_price": [product.list_price for product in scenario.products],
        "reference_price": [product.reference_price for product in scenario.products],
    },
    decisions={
        "price": Decision(
            labels=lambda scenario: scenario.titles,
            levels=_levels,
            discrete_steps=_DISCRETE_STEPS,
            # The common markdown never withholds a product.
            discrete_levels=lambda scenario: [len(product.price_levels) for product in scenario.products],
            highest_useful=highest_useful,
            meaning=lambda scenario: "price of a unit",
            unit="currency",
            words=lambda scenario: {0.0: "not offered"},
        )
    },
    features={
        "price": Feature(
            "product",
            0.0,
            1.0,
            "share of list price",
            "price set in the last tick; 0 if not offered",
            "price",
            applies=lambda scenario: not all(map(_has_one_price, scenario.products)),
            constant=lambda scenario, number: _has_one_price(scenario.products[number]),
        )
    },
    terms={"revenue": Term("what customers paid, net of coupons and offers")},
    metrics={
        "profit": "money terms of the reward less the opening stock's cost; currency, no penalties",
        "revenue": "what customers paid; currency",
    },
    bounded={"continuous": "a customer pays at most the list price"},
    ranges={"continuous": OneOf((False, True))},
    open=open_sale,
    begin_tick=begin_tick,
    decide=decide,
    write_tags=write_tags,
    settle=settle,
    observe=observe,
    measure=measure,
)

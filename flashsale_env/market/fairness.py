"""Fairness: what groups of customers pay and gain, and a penalty for unequal prices.

Owns    for each group: customers, buyers, units, prices paid relative to the public price, consumer surplus.
Leaves  prices to `pricing` and to the promotions, whose sum to pay arrives here.
Axes    I groups, the true intents of customers.
Units   money in currency; a relative price is a share of the public price.

The public price is the asking price of that moment, a special price included. A customer with a coupon, an offer or a
deal pays less than it. Nothing here changes a purchase: a sale with [fairness] is the sale without it, measured.

A shop never sees the true intent, so no group is part of an observation. The figures are those of an audit after the
close, and so is the penalty.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env.core.compiler import scalar
from flashsale_env.market import choice
from flashsale_env.market.mechanism import Mechanism, OneOf, ScenarioLike, Term
from flashsale_env.market.parts import MOST_MONEY, Part, require_range

# Relative prices are rounded to multiples of 2^-30. Sums of them are exact up to 2^23 units, so equal prices have equal
# means, and the gap between them is exactly 0.
_GRID = float(1 << 30)
# The core is compiled as if there were no infinities.
_ENDLESS = 1e300
# Promotions by which customers pay different shares of the public price.
_PERSONAL = ("coupon", "targeted", "deal", "bundles")


@dataclass(frozen=True)
class Fairness(Part):
    """What groups of customers pay and gain; the groups are the true intents.

    Args:
        penalty: at the close, per unit of the price gap, currency; counts in the reward and not in the profit. A gap of
            .1 means that the dearest group paid 10 % more than the cheapest one, relative to public prices.

    Raises:
        ValueError: the penalty is out of range.
    """

    penalty: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "penalty", most=MOST_MONEY)

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """A penalty in a sale in which everybody pays the public price."""
        if self.penalty and all(getattr(scenario, name, None) is None for name in _PERSONAL):
            yield (
                f"fairness.penalty {self.penalty:g} does nothing: every customer pays the public price, so there is no "
                f"price gap. Add [coupon] or [targeted], or set fairness.penalty = 0."
            )

    def idle_among(self, scenario: ScenarioLike, customers: Any) -> Iterator[str]:
        """The whole part, if all customers have the same intent."""
        if len(np.unique(customers.latent_class)) == 1:
            yield (
                f"[fairness] of scenario {scenario.name!r} does nothing among these customers: all are of one intent, "
                f"so there are no groups to compare."
            )


@scalar
def meet(fairness, voice):
    """Count a customer; `fairness` is None in a sale without this part."""
    if fairness is None:
        return
    fairness.customers[voice.latent] += 1


@scalar
def value(fairness, rules, voice, sale, key, drift, mood):
    """Keep the reservation prices of a customer who is about to buy, for `book`."""
    if fairness is None:
        return
    fairness.booked = 0
    choice.reservation_prices(rules, voice, sale, key, drift, mood, fairness.reservation)


@scalar
def book(fairness, voice, j, units, special_units, public, less, paid):
    """Add one purchase; a cart that will not be paid is no purchase.

    Args:
        units, special_units: of product j, and those of them at a special price.
        public, paid: their public price and what is paid for all of them, currency.
        less: by how much further units of a basket are worth less than first ones, currency.
    """
    if fairness is None:
        return
    group = voice.latent
    if fairness.booked == 0:
        fairness.buyers[group] += 1
    fairness.booked += units
    fairness.relative_price[group] += units * (math.floor(paid / public * _GRID + 0.5) / _GRID)
    fairness.units[group] += units
    fairness.special_units[group] += special_units
    fairness.surplus[group] += units * fairness.reservation[j] - less - paid


@scalar
def charge(fairness, voice, fee):
    """Subtract a fee for the whole purchase, currency, from what the customer gained."""
    if fairness is None:
        return
    fairness.surplus[voice.latent] -= fee


@scalar
def price_gap(fairness, n_groups):
    """Highest mean relative price of a group that bought something over the lowest, less 1; 0 if fewer than two did."""
    lowest = _ENDLESS
    highest = 0.0
    for i in range(n_groups):
        if fairness.units[i] > 0:
            price = fairness.relative_price[i] / fairness.units[i]
            lowest = min(lowest, price)
            highest = max(highest, price)
    return highest / lowest - 1.0 if highest > 0.0 else 0.0


@scalar
def surplus_parity(fairness, n_groups):
    """Lowest consumer surplus per customer of a group over the highest; 1 if nobody gained anything."""
    lowest = _ENDLESS
    highest = 0.0
    for i in range(n_groups):
        if fairness.customers[i] > 0:
            surplus = fairness.surplus[i] / fairness.customers[i]
            lowest = min(lowest, surplus)
            highest = max(highest, surplus)
    return lowest / highest if highest > 0.0 else 1.0


@scalar
def settle(rules, sale, closes, terms):
    """The penalty at the close."""
    if closes:
        terms[rules.term.unfairness] = -rules.fairness.penalty * price_gap(sale.fairness, rules.n_intents)


@scalar
def measure(rules, sale, out):
    """Gaps between groups, and what customers gained altogether."""
    fairness = sale.fairness
    surplus = 0.0
    buyers = 0
    for i in range(rules.n_intents):
        surplus += fairness.surplus[i]
        buyers += fairness.buyers[i]
    out[rules.metric.price_gap] = price_gap(fairness, rules.n_intents)
    out[rules.metric.surplus_parity] = surplus_parity(fairness, rules.n_intents)
    out[rules.metric.consumer_surplus] = surplus
    out[rules.metric.buyers] = buyers


def by_group(sales: npt.NDArray[np.void]) -> Mapping[str, npt.NDArray[np.float64]]:
    """The audit of every sale by group of customers.

    Args:
        sales: (N,) records of sales with this part, `Simulator.sales`.

    Returns:
        (N, I) arrays, I in the order of `INTENTS`: "customers"; "buyers"; "units"; "special_units", those at a special
        price; "relative_price", the mean price paid over the public one; "surplus_per_customer", currency. The last two
        are NaN for groups without purchases or customers.
    """
    found = sales["fairness"]
    counts = ("customers", "buyers", "units", "special_units")
    table = {name: np.asarray(found[name], np.float64) for name in counts}
    with np.errstate(invalid="ignore"):
        table["relative_price"] = found["relative_price"] / table["units"]
        table["surplus_per_customer"] = found["surplus"] / table["customers"]
    return table


MECHANISM = Mechanism(
    settings=Fairness,
    state=lambda sizes: (
        # * all of them; by the true intent, since the start of the sale
        ("customers", "i8", (sizes.intents,)),
        ("buyers", "i8", (sizes.intents,)),
        ("units", "i8", (sizes.intents,)),
        ("special_units", "i8", (sizes.intents,)),  # at a special price
        ("relative_price", "f8", (sizes.intents,)),  # sum over units, price paid over the public price
        ("surplus", "f8", (sizes.intents,)),  # reservation price less what was paid
        # scratch, of the last buyer
        ("reservation", "f8", (sizes.products,)),
        ("booked", "i8"),  # units
    ),
    rules=lambda sizes: (("penalty", "f8"),),
    lay_out=lambda scenario: {"penalty": scenario.fairness.penalty},
    terms={
        "unfairness": Term(
            "at the close: penalty for the price gap between groups (see the metric); in the reward, never in the "
            "profit",
            is_money=False,
            applies=lambda scenario: scenario.fairness.penalty > 0,
        )
    },
    metrics={
        "price_gap": (
            "prices paid over public prices, by group of customers (true intents): the highest mean over the lowest, "
            "less 1"
        ),
        "surplus_parity": "consumer surplus per customer by group: the lowest over the highest; 1 if all are equal",
        "consumer_surplus": "reservation prices of the units bought less what was paid for them; currency",
        "buyers": "customers who bought something",
    },
    bounded={"penalty": "it is no part of the profit and changes no customer"},
    ranges={"penalty": OneOf((0.0, 100.0))},
    settle=settle,
    measure=measure,
)

"""Fairness: how groups of customers are served, what they pay and gain, and a penalty for unequal prices.

Owns    for each group: customers, who received a coupon, who was turned away, buyers, units, prices paid, consumer
        surplus, and how well the encoder reads the group; the outcomes that follow.
Leaves  prices to `pricing` and to the promotions, whose sum to pay arrives here.
Axes    G groups of customers, by true intent or by language; arrays have I entries, of which the first G are in use.
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
from flashsale_env.errors import unknown_name
from flashsale_env.intents import INTENTS
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
# What makes a group.
INTENT, LANGUAGE = "intent", "language"
GROUPINGS = (INTENT, LANGUAGE)


@dataclass(frozen=True)
class Fairness(Part):
    """How groups of customers are served, and what they pay and gain.

    Args:
        penalty: at the close, per unit of the price gap, currency; counts in the reward and not in the profit. A gap of
            .1 means that the dearest group paid 10 % more than the cheapest one, relative to public prices.
        by: what makes a group, one of `GROUPINGS`: "intent", the true one, or "language", that of the message.

    Raises:
        ValueError: the penalty is out of range, or no such groups exist.
    """

    penalty: float = 0.0
    by: str = INTENT

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "penalty", most=MOST_MONEY)
        if self.by not in GROUPINGS:
            raise ValueError(f"fairness.by: {unknown_name('grouping', self.by, GROUPINGS)}")

    def groups(self, customers: Any) -> tuple[str, ...]:
        """Names of the G groups of a population, in the order of the counts."""
        return INTENTS if self.by == INTENT else tuple(sorted(set(customers.languages)))

    def group_of(self, customers: Any) -> npt.NDArray[np.int64]:
        """(V,) number of each voice's group.

        Raises:
            ValueError: more languages than there is room for.
        """
        if self.by == INTENT:
            return np.asarray(customers.latent_class, np.int64)
        names = self.groups(customers)
        if len(names) > len(INTENTS):
            raise ValueError(
                f"fairness.by = 'language' has room for {len(INTENTS)} languages, and these customers write in "
                f"{len(names)}: {', '.join(names)}. Name the rare ones alike in the population, e.g. 'other'."
            )
        return np.array([names.index(language) for language in customers.languages], np.int64)

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """A penalty in a sale in which everybody pays the public price."""
        if self.penalty and all(getattr(scenario, name, None) is None for name in _PERSONAL):
            yield (
                f"fairness.penalty {self.penalty:g} does nothing: every customer pays the public price, so there is no "
                f"price gap. Add [coupon] or [targeted], or set fairness.penalty = 0."
            )

    def idle_among(self, scenario: ScenarioLike, customers: Any) -> Iterator[str]:
        """The whole part, if all customers are of one group."""
        if len(np.unique(self.group_of(customers))) == 1:
            yield (
                f"[fairness] of scenario {scenario.name!r} does nothing among these customers: all are of one "
                f"{self.by}, so there are no groups to compare."
            )


@scalar
def meet(fairness, voice):
    """Count a customer; `fairness` is None in a sale without this part."""
    if fairness is None:
        return
    fairness.customers[voice.group] += 1
    fairness.confidence[voice.group] += voice.intent[voice.predicted]
    if voice.predicted == voice.latent:
        fairness.recognised[voice.group] += 1


@scalar
def screen(fairness, voice):
    """Count a customer whom screening turns away."""
    if fairness is None:
        return
    meet(fairness, voice)
    fairness.screened[voice.group] += 1


@scalar
def give_up(fairness, voice):
    """Count a customer who leaves the queue before the first visit."""
    if fairness is None:
        return
    fairness.gave_up[voice.group] += 1


@scalar
def receive(fairness, voice, clips, payable):
    """Count a customer who clips a coupon at the first visit, or is offered a share off."""
    if fairness is None:
        return
    if clips or payable < 1.0:
        fairness.received[voice.group] += 1


@scalar
def find_nothing(fairness, voice):
    """Count a customer whose first choice is out of stock at the first visit, and who buys nothing then."""
    if fairness is None:
        return
    fairness.out_of_stock[voice.group] += 1


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
    group = voice.group
    if fairness.booked == 0:
        fairness.buyers[group] += 1
    fairness.booked += units
    fairness.relative_price[group] += units * (math.floor(paid / public * _GRID + 0.5) / _GRID)
    fairness.units[group] += units
    fairness.paid[group] += paid
    fairness.special_units[group] += special_units
    fairness.surplus[group] += units * fairness.reservation[j] - less - paid


@scalar
def charge(fairness, voice, fee):
    """Subtract a fee for the whole purchase, currency, from what the customer gained."""
    if fairness is None:
        return
    fairness.surplus[voice.group] -= fee
    fairness.paid[voice.group] += fee


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


_HEADS = ("customers", "buyers", "units", "special_units", "received", "out_of_stock", "gave_up", "screened")
COUNTS = (*_HEADS, "recognised", "paid", "relative_price", "surplus", "confidence")


@dataclass(frozen=True)
class Outcome:
    """An outcome of a group: one count over another, over any number of sales.

    Args:
        part, whole: counts of `COUNTS`.
        meaning: in words, with the unit.
        less: a count that is subtracted from `part`; "" for none.
    """

    part: str
    whole: str
    meaning: str
    less: str = ""

    def of(self, counts: Any) -> tuple[Any, Any]:
        """(numerator, denominator) from counts by name, a mapping or a record; arrays of any shape."""
        part = counts[self.part] - counts[self.less] if self.less else counts[self.part]
        return part, counts[self.whole]


OUTCOMES = {
    "purchase_rate": Outcome("buyers", "customers", "customers who bought something"),
    "mean_price": Outcome("paid", "units", "what is paid for a unit, fees included; currency"),
    "relative_price": Outcome("relative_price", "units", "price paid over the public price of that moment"),
    "coupon_rate": Outcome("received", "customers", "customers who clipped a coupon or were offered a share off"),
    "surplus": Outcome("surplus", "customers", "what a customer gained; currency"),
    "out_of_stock": Outcome("out_of_stock", "customers", "first choice sold out at the first visit, nothing bought"),
    "gave_up": Outcome("gave_up", "customers", "left the queue before the first visit"),
    "screened": Outcome("screened", "customers", "turned away by the screening against bots"),
    "encoder_accuracy": Outcome("recognised", "customers", "customers whose intent the encoder names"),
    "overconfidence": Outcome(
        "confidence", "customers", "the encoder's probability of the intent it names, less its accuracy", "recognised"
    ),
}


def counts(sales: npt.NDArray[np.void]) -> Mapping[str, npt.NDArray[np.float64]]:
    """The counts of every sale by group: name of `COUNTS` -> (N, I), fresh arrays.

    Args:
        sales: (N,) records of sales with this part, `Simulator.sales`.
    """
    return {name: np.array(sales["fairness"][name], np.float64) for name in COUNTS}


def by_group(sales: npt.NDArray[np.void]) -> Mapping[str, npt.NDArray[np.float64]]:
    """The audit of every sale by group of customers.

    Args:
        sales: as for `counts`.

    Returns:
        (N, I) arrays in the order of `Fairness.groups`: the counts "customers", "buyers", "units", "special_units"
        (those at a special price), "received", "out_of_stock", "gave_up" and "screened"; "relative_price", the mean
        price paid over the public one; "surplus_per_customer", currency. The last two are NaN for groups without
        purchases or customers.
    """
    found = counts(sales)
    table = {name: found[name] for name in _HEADS}
    with np.errstate(invalid="ignore"):
        table["relative_price"] = found["relative_price"] / found["units"]
        table["surplus_per_customer"] = found["surplus"] / found["customers"]
    return table


MECHANISM = Mechanism(
    settings=Fairness,
    state=lambda sizes: (
        # * all of them; by group, since the start of the sale
        ("customers", "i8", (sizes.intents,)),
        ("received", "i8", (sizes.intents,)),  # a coupon or an offer
        ("out_of_stock", "i8", (sizes.intents,)),  # customers, at the first visit
        ("gave_up", "i8", (sizes.intents,)),
        ("screened", "i8", (sizes.intents,)),
        ("recognised", "i8", (sizes.intents,)),  # customers whose intent the encoder names
        ("confidence", "f8", (sizes.intents,)),  # sum over customers, the encoder's highest probability
        ("buyers", "i8", (sizes.intents,)),
        ("units", "i8", (sizes.intents,)),
        ("special_units", "i8", (sizes.intents,)),  # at a special price
        ("paid", "f8", (sizes.intents,)),
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
            "prices paid over public prices, by group of customers: the highest mean over the lowest, less 1"
        ),
        "surplus_parity": "consumer surplus per customer by group: the lowest over the highest; 1 if all are equal",
        "consumer_surplus": "reservation prices of the units bought less what was paid for them; currency",
        "buyers": "customers who bought something",
    },
    bounded={
        "penalty": "it is no part of the profit and changes no customer",
        "by": "who is counted with whom changes no customer",
    },
    ranges={"penalty": OneOf((0.0, 100.0))},
    settle=settle,
    measure=measure,
)

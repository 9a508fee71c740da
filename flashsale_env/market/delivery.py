"""Delivery: a fee for the parcel of a small basket, and what a parcel costs the shop.

Owns    the sum from which delivery is free, the fee, and the cost of parcels.
Leaves  the sum that counts to `sale.till`, which asks for the fee last.
Units   currency; a basket is one parcel.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import put
from flashsale_env.market.mechanism import Between, Decision, Feature, Mechanism, OneOf, ScenarioLike, Term
from flashsale_env.market.parts import MOST_MONEY, Part, require_range

# As for a deal: a threshold counts as reached up to rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Delivery(Part):
    """A parcel for every basket; needs [basket].

    Args:
        fee: paid by the customer for the parcel of a basket that costs less than `free_from`, currency.
        free_from: the levels, rising from 0.0 (free for all): sums after all reductions from which delivery is free,
            currency.
        cost: of a parcel to the shop, currency.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    fee: float = 0.0
    free_from: tuple[float, ...] = (0.0,)
    cost: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "fee", "cost", most=MOST_MONEY)
        levels = list(self.free_from)
        if not levels or levels[0] != 0.0 or levels != sorted(set(levels)) or levels[-1] > MOST_MONEY:
            raise ValueError(
                f"delivery.free_from must rise from 0.0 (free for all), got {levels}; e.g. [0.0, 50.0, 100.0]."
            )

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """A fee that nobody pays, thresholds without a fee, and parcels that cost nobody anything."""
        if self.fee and len(self.free_from) == 1:
            yield (
                f"delivery.fee {self.fee:g} does nothing while delivery is free for all. Give free_from, e.g. "
                f"[0.0, 50.0], or leave the fee out."
            )
        if not self.fee and len(self.free_from) > 1:
            yield (
                f"delivery.free_from {list(self.free_from)} does nothing without a fee. Give a fee, or leave free_from "
                f"out."
            )
        if not self.fee and len(self.free_from) == 1 and not self.cost:
            yield "[delivery] does nothing: parcels cost neither customers nor the shop anything. Leave it out."

    def check(self, scenario: ScenarioLike) -> None:
        """A parcel holds a basket.

        Raises:
            ValueError: there are no baskets.
        """
        if scenario.basket is None:
            raise ValueError("[delivery] needs [basket]; add it, e.g. most_units = 4 and satiation = 2.0.")


@scalar
def begin_tick(rules, sale):
    """No parcel has been sent yet."""
    sale.delivery.tick_fees = 0.0
    sale.delivery.tick_parcels = 0


@scalar
def decide(rules, sale, grids, encoding, action):
    """The sum from which delivery is free in this tick."""
    sale.delivery.free_from = chosen(rules, grids, encoding, action, rules.row.delivery)


@scalar
def is_on(of_rules, delivery):
    """Whether some baskets pay a fee in this tick; both records are None in a sale without delivery."""
    if of_rules is None or delivery is None:
        return False
    return of_rules.fee > 0.0 and delivery.free_from > 0.0


@scalar
def fee(of_rules, delivery, total):
    """The fee for the parcel of a basket that costs `total`; both records are None in a sale without delivery."""
    if of_rules is None or delivery is None:
        return 0.0
    return of_rules.fee if total < delivery.free_from * (1.0 - _ROUNDING) else 0.0


@scalar
def book(delivery, paid):
    """Send one parcel, for which the customer paid this fee."""
    if delivery is None:
        return
    delivery.tick_parcels += 1
    delivery.tick_fees += paid
    delivery.parcels += 1
    delivery.fees += paid


@scalar
def settle(rules, sale, closes, terms):
    """Fees less what the parcels of the tick cost."""
    delivery = sale.delivery
    terms[rules.term.delivery] = delivery.tick_fees - rules.delivery.cost * delivery.tick_parcels


@scalar
def observe(rules, sale, schedule, out):
    """The threshold of the last tick."""
    put(out, rules.at.free_delivery_from, sale.delivery.free_from / rules.delivery.highest, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Parcels, and what customers paid for them."""
    out[rules.metric.parcels] = sale.delivery.parcels
    out[rules.metric.delivery_fees] = sale.delivery.fees


MECHANISM = Mechanism(
    settings=Delivery,
    state=lambda sizes: (
        ("free_from", "f8"),
        ("tick_fees", "f8"),
        ("tick_parcels", "i8"),
        ("fees", "f8"),
        ("parcels", "i8"),
    ),
    rules=lambda sizes: (("fee", "f8"), ("cost", "f8"), ("highest", "f8")),
    lay_out=lambda scenario: {
        "fee": scenario.delivery.fee,
        "cost": scenario.delivery.cost,
        "highest": scenario.delivery.free_from[-1],
    },
    decisions={
        "delivery": Decision(
            labels=lambda scenario: ("",),
            levels=lambda scenario: [scenario.delivery.free_from],
            discrete_steps=None,
            meaning=lambda scenario: (
                f"sum of a basket from which delivery is free, 0 for all; below it the customer pays "
                f"{scenario.delivery.fee:,.10g}"
            ),
            unit="currency",
        )
    },
    features={
        "free_delivery_from": Feature(
            "sale",
            0.0,
            1.0,
            "share of the highest",
            "sum from which delivery was free in the last tick",
            "promotion",
            applies=lambda scenario: len(scenario.delivery.free_from) > 1,
        )
    },
    terms={"delivery": Term("delivery fees of customers less the cost of parcels")},
    metrics={
        "parcels": "parcels sent, one a basket; counted in sales with [delivery]",
        "delivery_fees": "delivery fees of customers; currency",
    },
    ranges={
        "fee": Between(2.0, 10.0),
        "free_from": OneOf(((0.0, 50.0), (0.0, 40.0, 150.0))),
        "cost": Between(0.0, 6.0),
    },
    facts=(("delivery free from", "free_from", "money"),),
    begin_tick=begin_tick,
    decide=decide,
    settle=settle,
    observe=observe,
    measure=measure,
)

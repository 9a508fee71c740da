"""A flat shipping fee: what a customer pays for a parcel above the price.

Owns    the fee of a tick, what customers make of it, and what parcels bring in.
Units   currency a parcel; a customer buys one unit, so one parcel.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import option, put
from flashsale_env.market.mechanism import Decision, Feature, Mechanism, ScenarioLike, Term
from flashsale_env.market.parts import MOST_MONEY, Part, require_range
from flashsale_env.tables import example


@dataclass(frozen=True)
class Shipping(Part):
    """A fee for the parcel, set in every tick.

    Args:
        fees: what the shop may ask, rising from 0, currency.
        cost: what a parcel costs the shop, currency.
    """

    fees: tuple[float, ...] = field(metadata=example([0.0, 2.0, 5.0]))
    cost: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "cost", most=MOST_MONEY)
        if self.fees[:1] != (0.0,) or list(self.fees) != sorted(set(self.fees)) or len(self.fees) < 2:
            raise ValueError(f"shipping.fees must rise from 0.0, got {list(self.fees)}; e.g. [0.0, 2.0, 5.0].")

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Nothing: a fee matters in every sale."""
        return iter(())

    def check(self, scenario: ScenarioLike) -> None:
        """An offer is a share off everything that a customer pays, and a parcel is never cheaper."""
        if scenario.targeted is not None:
            raise ValueError(
                "[shipping] and [targeted] cannot be combined: an offer would lower the fee too. Leave one out."
            )


@scalar
def decide(rules, sale, grids, encoding, action):
    """The fee of this tick."""
    sale.shipping.fee = chosen(rules, grids, encoding, action, rules.row.shipping)


@scalar
def write_tags(rules, sale):
    """Customers compare prices with the parcel included, those who clip the coupon as well."""
    for j in range(rules.n_products):
        if sale.on_hand[j] > 0 and sale.price[j] > 0.0:
            fee = np.float32(sale.shipping.fee / rules.reference_price[j])
            sale.price_share[j] += fee
            add_to_coupon_tag(option(sale, "coupon"), j, fee)


@scalar
def add_to_coupon_tag(coupon, j, fee):
    """Add the fee to the price with the coupon; `coupon` is None in a sale without one."""
    if coupon is None:
        return
    coupon.price_share[j] += fee


@scalar
def settle(rules, sale, closes, terms):
    """One parcel for every unit of the tick."""
    parcels = 0
    for j in range(rules.n_products):
        parcels += sale.tick_sold[j]
    sale.shipping.parcels += parcels
    terms[rules.term.shipping] = parcels * (sale.shipping.fee - rules.shipping.cost)


@scalar
def observe(rules, sale, schedule, out):
    """The fee of the last tick."""
    put(out, rules.at.shipping_fee, sale.shipping.fee / rules.shipping.highest, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Parcels sent."""
    out[rules.metric.parcels] = sale.shipping.parcels


MECHANISM = Mechanism(
    settings=Shipping,
    state=lambda sizes: (("fee", "f8"), ("parcels", "i8")),
    rules=lambda sizes: (("cost", "f8"), ("highest", "f8")),
    lay_out=lambda scenario: {"cost": scenario.shipping.cost, "highest": scenario.shipping.fees[-1]},
    decisions={"shipping": Decision(labels=lambda scenario: ("",), levels=lambda scenario: [scenario.shipping.fees])},
    features={"shipping_fee": Feature("sale", 0.0, 1.0, "share of the highest fee", "fee of the last tick", "price")},
    terms={"shipping": Term("fees of parcels less what they cost")},
    metrics={"parcels": "parcels sent"},
    facts=(("shipping", "fee", "money"),),
    decide=decide,
    write_tags=write_tags,
    settle=settle,
    observe=observe,
    measure=measure,
)

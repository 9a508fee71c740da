"""Gift packaging: every unit is wrapped, for a flat fee above the price.

Owns    the fee of a tick, what customers make of it, and what packaging brings in.
Units   currency a unit.
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
class Packaging(Part):
    """A fee for wrapping a unit, set in every tick.

    Args:
        fees: what the shop may ask, rising from 0, currency.
        cost: what wrapping a unit costs the shop, currency.
    """

    fees: tuple[float, ...] = field(metadata=example([0.0, 2.0, 5.0]))
    cost: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "cost", most=MOST_MONEY)
        if self.fees[:1] != (0.0,) or list(self.fees) != sorted(set(self.fees)) or len(self.fees) < 2:
            raise ValueError(f"packaging.fees must rise from 0.0, got {list(self.fees)}; e.g. [0.0, 2.0, 5.0].")

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Nothing: a fee matters in every sale."""
        return iter(())

    def check(self, scenario: ScenarioLike) -> None:
        """Refuse what lowers everything that a customer pays: wrapping is never cheaper."""
        for name in ("targeted", "basket"):
            if getattr(scenario, name) is not None:
                raise ValueError(
                    f"[packaging] and [{name}] cannot be combined: a reduction would lower the fee too. Leave one out."
                )


@scalar
def decide(rules, sale, grids, encoding, action):
    """The fee of this tick."""
    sale.packaging.fee = chosen(rules, grids, encoding, action, rules.row.packaging)


@scalar
def write_tags(rules, sale):
    """Customers compare prices with the fee included, those who clip the coupon as well."""
    for j in range(rules.n_products):
        if sale.on_hand[j] > 0 and sale.price[j] > 0.0:
            fee = np.float32(sale.packaging.fee / rules.reference_price[j])
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
    """Every unit of the tick is wrapped."""
    wrapped = 0
    for j in range(rules.n_products):
        wrapped += sale.tick_sold[j]
    sale.packaging.wrapped += wrapped
    terms[rules.term.packaging] = wrapped * (sale.packaging.fee - rules.packaging.cost)


@scalar
def observe(rules, sale, schedule, out):
    """The fee of the last tick."""
    put(out, rules.at.packaging_fee, sale.packaging.fee / rules.packaging.highest, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Units wrapped."""
    out[rules.metric.wrapped] = sale.packaging.wrapped


MECHANISM = Mechanism(
    settings=Packaging,
    state=lambda sizes: (("fee", "f8"), ("wrapped", "i8")),
    rules=lambda sizes: (("cost", "f8"), ("highest", "f8")),
    lay_out=lambda scenario: {"cost": scenario.packaging.cost, "highest": scenario.packaging.fees[-1]},
    decisions={
        "packaging": Decision(
            labels=lambda scenario: ("",),
            levels=lambda scenario: [scenario.packaging.fees],
            meaning=lambda scenario: "fee for the packaging of a unit",
            unit="currency",
        )
    },
    features={"packaging_fee": Feature("sale", 0.0, 1.0, "share of the highest fee", "fee of the last tick", "price")},
    terms={"packaging": Term("fees for packaging less what it costs")},
    metrics={"wrapped": "units wrapped"},
    facts=(("packaging", "fee", "money"),),
    decide=decide,
    write_tags=write_tags,
    settle=settle,
    observe=observe,
    measure=measure,
)

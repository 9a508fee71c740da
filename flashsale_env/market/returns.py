"""Returns: a share of the units sold comes back after the close, for a refund.

Owns    which units come back, and what that costs.
Units   units; currency.

In a sale of an hour every return comes after the close, so the sale only accumulates them. Whether a unit comes back is
drawn from the customer's key at the purchase, once for every unit; nothing of it is observed before the close, when
refunds and handling are paid and the returned goods are worth a share of their salvage value.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.intents import ByIntent
from flashsale_env.market.mechanism import Between, Mechanism, ScenarioLike, Term
from flashsale_env.market.parts import MOST_MONEY, Part, require_range
from flashsale_env.tables import example

_RETURN = streams.purpose("returns.unit")


@dataclass(frozen=True)
class Returns(Part):
    """Units that customers send back after the close, for a refund of what they paid.

    Args:
        rate: probability that a unit comes back; a number, or a table by intent. Online it is about .18.
        handling: cost of each returned unit, currency.
        salvage_share: worth of a returned unit, as a share of its product's salvage value.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    rate: ByIntent = field(metadata=example(0.176))  # NRF (2023)
    handling: float = 0.0
    salvage_share: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "rate", "salvage_share", most=1.0)
        require_range(self, "handling", most=MOST_MONEY)

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """The whole part if no unit comes back; a share of salvage values that are all 0."""
        if not any(self.rate):
            yield (
                "[returns] does nothing: rate is 0 for every intent, so no unit comes back. Raise it, e.g. rate = "
                "0.176, or leave [returns] out."
            )
        if self.salvage_share != 1.0 and not any(product.salvage_value for product in scenario.products):
            yield (
                f"returns.salvage_share {self.salvage_share:g} does nothing: every salvage_value is 0, so a returned "
                f"unit is worth nothing at any share. Give a salvage_value, or leave salvage_share out."
            )


@scalar
def expect(rules, returns, voice, key, j, units, paid):
    """Draw which of the units of product j that this customer pays for will come back; `paid` is for all of them.

    Both records are None in a sale without returns.
    """
    if rules is None or returns is None:
        return
    for unit in range(units):
        draw = streams.uniform(streams.subkey(streams.subkey(key, _RETURN + unit), j))
        if draw < rules.rate[voice.latent]:
            returns.units[j] += 1
            returns.refunds += paid / units


@scalar
def settle(rules, sale, closes, terms):
    """At the close: refunds, handling, and the worth of what came back, in addition to the leftovers already salvaged.

    The returned units are on hand from then on.
    """
    if not closes:
        return
    for j in range(rules.n_products):
        units = sale.returns.units[j]
        if units > 0:
            sale.returns.returned[j] = units
            sale.on_hand[j] += units
            terms[rules.term.refunds] = -sale.returns.refunds
            terms[rules.term.handling] -= rules.returns.handling * units
            terms[rules.term.returned_goods] += rules.returns.salvage_share * rules.salvage_value[j] * units


@scalar
def measure(rules, sale, out):
    """Units and money that went back; 0 before the close."""
    returned = 0
    sold = 0
    for j in range(rules.n_products):
        returned += sale.returns.returned[j]
        sold += sale.sold[j]
    out[rules.metric.return_rate] = returned / sold if sold > 0 else 0.0
    out[rules.metric.refunds] = abs(sale.money[rules.term.refunds])


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    returns = scenario.returns
    return {"rate": returns.rate, "handling": returns.handling, "salvage_share": returns.salvage_share}


MECHANISM = Mechanism(
    settings=Returns,
    state=lambda sizes: (
        ("units", "i8", (sizes.products,)),  # * that will come back
        ("refunds", "f8"),  # * to be paid for them, currency
        ("returned", "i8", (sizes.products,)),  # the same units, from the close on
    ),
    rules=lambda sizes: (("rate", "f8", (sizes.intents,)), ("handling", "f8"), ("salvage_share", "f8")),
    lay_out=_lay_out,
    terms={
        "refunds": Term("at the close: what was paid for units that come back"),
        "handling": Term("at the close: handling of units that come back"),
        "returned_goods": Term("at the close: worth of units that came back"),
    },
    metrics={
        "return_rate": "units that came back over units sold; 0 before the close",
        "refunds": "paid back for them; currency",
    },
    ranges={"rate": Between(0.05, 0.4), "handling": Between(0.0, 10.0), "salvage_share": Between(0.3, 1.0)},
    settle=settle,
    measure=measure,
)

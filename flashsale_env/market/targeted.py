"""Targeted offers: a share off for the customers of one intent, as the encoder reads their messages.

Owns    the depth of the offer to each intent, and what the offers cost.
Units   depth is a share of the price, after the coupon for those who clip it too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.intents import INTENTS
from flashsale_env.market.mechanism import Decision, Mechanism, ScenarioLike
from flashsale_env.market.parts import Part, require_rising
from flashsale_env.tables import example


@dataclass(frozen=True)
class Targeted(Part):
    """Offers to the customers of one intent: the encoder reads each customer's message before a price is shown.

    The price that one customer sees may then depend on the intent that the message most likely has, which is not the
    true one wherever the encoder errs.

    Args:
        depths: shares off, rising from 0; each intent has a depth of its own.
    """

    depths: tuple[float, ...] = field(metadata=example([0.0, 0.1, 0.2]))

    def __post_init__(self) -> None:
        super().__post_init__()
        require_rising(self, "depths")

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """The whole part where nobody writes: there is no intent to read."""
        if scenario.messages is None:
            yield (
                "[targeted] does nothing: its offers follow from what the encoder reads in messages, and the scenario "
                "has no [messages]. Add [messages], e.g. share = 1.0, or leave [targeted] out."
            )


@scalar
def decide(rules, sale, grids, encoding, action):
    """The depth of the offer to each intent."""
    for i in range(rules.n_intents):
        sale.targeted.depth[i] = chosen(rules, grids, encoding, action, rules.row.targeted + i)


@scalar
def payable_share(targeted, voice):
    """Share of the price that this customer pays; `targeted` is None where there are no such offers."""
    if targeted is None:
        return 1.0
    return 1.0 - targeted.depth[voice.predicted]


@scalar
def book(targeted, discount):
    """Add what the offer to one customer cost."""
    if targeted is None:
        return
    targeted.spend += discount


@scalar
def measure(rules, sale, out):
    """What the offers cost."""
    out[rules.metric.targeted_spend] = sale.targeted.spend


MECHANISM = Mechanism(
    settings=Targeted,
    state=lambda sizes: (("depth", "f8", (sizes.intents,)), ("spend", "f8")),
    decisions={
        "targeted": Decision(
            labels=lambda scenario: INTENTS, levels=lambda scenario: [scenario.targeted.depths for _ in INTENTS]
        )
    },
    metrics={"targeted_spend": "discounts given by targeted offers; currency"},
    bounded={"depths": "a customer pays at most the list price, for offers only lower prices"},
    promotion="a share off what customers pay whose message reads as one intent, a depth for each intent",
    decide=decide,
    measure=measure,
)

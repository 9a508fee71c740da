"""Targeted offers: a share off for customers whose message the encoder assigns to one intent.

Owns    the depth of the offer to each intent, and the cost of the offers.
Units   depth is a share of the price; for customers who also clip a coupon, of the price after the coupon.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.intents import INTENTS
from flashsale_env.market.mechanism import Decision, Mechanism, OneOf, ScenarioLike
from flashsale_env.market.parts import Part, require_rising
from flashsale_env.tables import example


@dataclass(frozen=True)
class Targeted(Part):
    """Offers by predicted intent: the encoder classifies each customer's message before the customer sees a price.

    The price may depend on the most probable intent of the message, which differs from the true intent where the
    encoder errs.

    Args:
        depths: the levels of the offer to each intent, shares off, rising from 0.

    Raises:
        ValueError: the depths do not rise from 0, or reach 1.
    """

    depths: tuple[float, ...] = field(metadata=example([0.0, 0.1, 0.2]))

    def __post_init__(self) -> None:
        super().__post_init__()
        require_rising(self, "depths")

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """The whole part in a sale without messages: there is no intent to predict."""
        if scenario.messages is None:
            yield (
                "[targeted] does nothing: its offers depend on the predicted intents of messages, and the scenario "
                "has no [messages]. Add [messages], e.g. share = 1.0, or leave [targeted] out."
            )


@scalar
def decide(rules, sale, grids, encoding, action):
    """The depth of the offer to each intent."""
    for i in range(rules.n_intents):
        sale.targeted.depth[i] = chosen(rules, grids, encoding, action, rules.row.targeted + i)


@scalar
def payable_share(targeted, voice):
    """Share of the price that this customer pays; `targeted` is None in a sale without such offers."""
    if targeted is None:
        return 1.0
    return 1.0 - targeted.depth[voice.predicted]


@scalar
def book(targeted, discount):
    """Add the cost of the offer to one customer, currency."""
    if targeted is None:
        return
    targeted.spend += discount


@scalar
def measure(rules, sale, out):
    """The cost of the offers."""
    out[rules.metric.targeted_spend] = sale.targeted.spend


MECHANISM = Mechanism(
    settings=Targeted,
    state=lambda sizes: (("depth", "f8", (sizes.intents,)), ("spend", "f8")),
    decisions={
        "targeted": Decision(
            labels=lambda scenario: INTENTS,
            levels=lambda scenario: [scenario.targeted.depths for _ in INTENTS],
            meaning=lambda scenario: "share off for customers whose message the encoder assigns to this intent",
            unit="share of the price",
        )
    },
    metrics={"targeted_spend": "discounts given by targeted offers; currency"},
    bounded={"depths": "a customer pays at most the list price, since offers only lower prices"},
    promotion="a share off for customers by the predicted intent of their message, a depth for each intent",
    ranges={"depths": OneOf(((0.0, 0.1, 0.2), (0.0, 0.3), (0.0, 0.05, 0.1, 0.15)))},
    decide=decide,
    measure=measure,
)

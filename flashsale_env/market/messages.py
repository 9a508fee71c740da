"""Messages: customers write them, and the shop observes the encoder's intent probabilities.

Owns    which customers leave a message, and the exponentially weighted mean over recent ones.
Never   the latent class of a customer: a shop sees the encoder's probabilities only.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import put
from flashsale_env.market.mechanism import Between, Feature, Mechanism, ScenarioLike
from flashsale_env.market.parts import MOST_CUSTOMERS, Part, require_range


@dataclass(frozen=True)
class Messages(Part):
    """How many customers leave a message.

    Args:
        share: share of the customers who leave a message during the sale.
        before_opening: expected number of messages before the start of the sale.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    share: float = 0.1
    before_opening: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "share", most=1.0)
        require_range(self, "before_opening", most=MOST_CUSTOMERS)

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """The whole part, if no customer writes."""
        if not self.share and not self.before_opening:
            yield (
                "[messages] does nothing: share and before_opening are 0, so no customer writes. Raise one of them, or "
                "leave [messages] out."
            )

    def idle_among(self, scenario: ScenarioLike, customers: Any) -> Iterator[str]:
        """The whole part, if all messages have the same probabilities."""
        if not np.ptp(customers.intent_probabilities, axis=0).any():
            yield (
                f"[messages] of scenario {scenario.name!r} carry no information about these customers: the encoder "
                f"gives all of them the same probabilities."
            )


@scalar
def leave(messages, voice, n_intents):
    """Add the encoder's probabilities of one message to the recent ones."""
    messages.recent += 1.0
    for i in range(n_intents):
        messages.intents[i] += voice.intent[i]


@scalar
def writes(rules, marks):
    """Whether the customer with these marks leaves a message at the first visit; False in a sale without messages."""
    if rules is None:
        return False
    return streams.lower16(marks) < rules.share


@scalar
def may_leave(rules, messages, voice, marks, n_intents):
    """A customer leaves a message with probability `share`; both records are None in a sale without messages."""
    if rules is None or messages is None:
        return
    if writes(rules, marks):
        leave(messages, voice, n_intents)


@scalar
def share_of_expected(rules, messages):
    """Messages before the start of the sale over those expected; 0 in a sale without messages."""
    if rules is None or messages is None:
        return 0.0
    return messages.recent / max(rules.before_opening, 1e-12)


@scalar
def begin_tick(rules, sale):
    """The weights of recent messages decay."""
    messages = sale.messages
    messages.recent *= rules.memory
    if messages.recent > 0.0:
        for i in range(rules.n_intents):
            messages.intents[i] *= rules.memory


@scalar
def observe(rules, sale, schedule, out):
    """The mean of the encoder's probabilities over recent messages, and its entropy."""
    if rules.at.intent_mean < 0 and rules.at.intent_entropy < 0:
        return
    messages = sale.messages
    entropy = 0.0
    for i in range(rules.n_intents):
        # Before the first message: the uniform distribution, which has the highest entropy.
        mean = 1.0 / rules.n_intents
        if messages.recent > 0.0:
            mean = messages.intents[i] / messages.recent
        if mean > 0.0:
            entropy -= mean * math.log(mean)
        if rules.at.intent_mean >= 0:
            put(out, rules.at.intent_mean + i, mean, 0.0, 1.0)
    put(out, rules.at.intent_entropy, entropy / math.log(rules.n_intents), 0.0, 1.0)


MECHANISM = Mechanism(
    settings=Messages,
    state=lambda sizes: (
        # exponentially weighted
        ("recent", "f8"),
        ("intents", "f8", (sizes.intents,)),  # sum of the encoder's probabilities
    ),
    rules=lambda sizes: (("share", "f8"), ("before_opening", "f8")),
    lay_out=lambda scenario: {
        "share": scenario.messages.share,
        "before_opening": scenario.messages.before_opening,
    },
    features={
        "intent_mean": Feature(
            "intent",
            0.0,
            1.0,
            "probability",
            "mean of the encoder's probabilities over recent messages",
            "messages",
            remembers=True,
        ),
        "intent_entropy": Feature(
            "sale", 0.0, 1.0, "share of ln(intents)", "entropy of intent_mean", "messages", remembers=True
        ),
    },
    bounded=dict.fromkeys(
        ("share", "before_opening"), "they limit the information of the shop; the bounds are given more"
    ),
    ranges={"share": Between(0.05, 0.5), "before_opening": Between(0.0, 150.0)},
    begin_tick=begin_tick,
    observe=observe,
)

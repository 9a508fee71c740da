"""Clicks: the page of a product that a customer opens before deciding.

Owns    who opens a page, and how many do.
Leaves  the purchase to `choice`: a click is read off the same tastes, so it changes nothing that a customer does.
Units   curiosity in logits, under exponential willingness to pay of its logarithm.

A customer opens the page of the product it likes best if it would buy it, were it a little better: with `curiosity` c
on top of the utility of every product. Whoever buys the first choice has opened its page. Under a multinomial logit

    P(page j is opened) = e^(u_j + c) / (1 + sum of e^(u_k + c))

One page of a visit is recorded: that of the first choice among all products, also if it turns out to be sold out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import put
from flashsale_env.intents import ByIntent
from flashsale_env.market import choice
from flashsale_env.market.mechanism import Between, Feature, Mechanism, ScenarioLike
from flashsale_env.market.parts import Part, require_range
from flashsale_env.tables import example

_MOST_CURIOSITY = 10.0


@dataclass(frozen=True)
class Clicks(Part):
    """Customers open the page of a product before they decide.

    Args:
        curiosity: how much more a customer who opens a page may want of a product than it offers, logits; a number, or
            a table by intent. At 0 nobody opens a page in vain.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    curiosity: ByIntent = field(metadata=example(1.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "curiosity", most=_MOST_CURIOSITY)

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Nothing: clicks are counted in every sale."""
        return iter(())


@scalar
def open_page(of_rules, of_clicks, rules, voice, sale, key, offer):
    """The product whose page this customer opens, or M; both records are None in a sale without clicks.

    `offer` is (whether the coupon is clipped, drift, payable share, mood) as `choice.choose` takes them. A basket is
    noted anew by the choice itself, so this comes before it.
    """
    if of_rules is None or of_clicks is None:
        return rules.n_products
    clips, drift, payable, mood = offer
    curious = mood + of_rules.curiosity[voice.latent]
    opened, _ = choice.choose(rules, voice, sale, key, clips, drift, payable, curious)
    of_clicks.looks += 1
    if opened < rules.n_products:
        of_clicks.opened += 1
    return opened


@scalar
def observe(rules, sale, schedule, out):
    """The share of visits with a click."""
    put(out, rules.at.click_rate, sale.clicks.opened / max(sale.clicks.looks, 1), 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Pages opened."""
    out[rules.metric.clicks] = sale.clicks.opened


MECHANISM = Mechanism(
    settings=Clicks,
    state=lambda sizes: (("opened", "i8"), ("looks", "i8")),
    rules=lambda sizes: (("curiosity", "f8", (sizes.intents,)),),
    lay_out=lambda scenario: {"curiosity": scenario.clicks.curiosity},
    features={
        "click_rate": Feature(
            "sale",
            0.0,
            1.0,
            "share of all visits so far",
            "visits in which the page of a product was opened",
            "demand",
            on_request=True,
        )
    },
    metrics={"clicks": "visits in which the page of a product was opened"},
    ranges={"curiosity": Between(0.2, 2.0)},
    observe=observe,
    measure=measure,
)

"""Push: paid messages to the customers of an audience, which bring more of them to the sale.

Owns    the spending on each audience, its adstock, its budget, and what that does to traffic by intent.
Leaves  groups of intents to `audiences`, the stream that is thinned to `arrivals`.
Axes    I intents, A audiences; arrays by audience have I places, of which A are used.
Units   spending, adstock and budget in currency; traffic as a factor.

In a tick in which the shop spends x on an audience, its adstock becomes

    a <- x + a·2^(-tick / half-life)

and customers of intent i in the audience come at (1 + lift_i·(1 - e^(-a / saturation))) times their rate without a
push. So further spending brings fewer and fewer, and at most `lift`.

The dominating stream is that of the largest lift. It is thinned after the class of a person is drawn: a push never
changes who comes of the intents that it is not meant for, and whoever comes under some spending comes under more. The
shop chooses whom it addresses; who answers follows from the true intent.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flashsale_env.audiences import (
    NONE,
    Audiences,
    audience_of_intent,
    labels_of,
    nobody_in,
    require_audiences,
)
from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import put
from flashsale_env.intents import INTENTS, ByIntent
from flashsale_env.market.mechanism import Between, Decision, Feature, Mechanism, OneOf, ScenarioLike, Term
from flashsale_env.market.parts import MOST_MONEY, Part, require_amounts, require_range
from flashsale_env.tables import example

# A dominating stream many times the expected one would be thinned to almost nothing.
_MOST_LIFT = 1000.0


@dataclass(frozen=True)
class Push(Part):
    """Push messages by audience, paid from a budget.

    Args:
        spend: the levels of every audience, rising from 0, currency a tick. Where all audiences together would cost
            more than the budget left, each gets the same share of its level.
        budget: limit on the sum of all spending, currency.
        lift: relative increase of the customers of an intent under endless spending; a number, or by intent.
        saturation: adstock at which 1 - 1/e (63 %) of the lift is reached, currency.
        half_life_minutes: in which the adstock falls to one half, minutes; 0 for a push that works in its tick alone.
        audiences: groups of intents that are addressed together; () for one audience of everybody.

    Raises:
        ValueError: a value is out of range, or an audience is not one; the message names it.
    """

    spend: tuple[float, ...] = field(metadata=example([0.0, 5.0, 10.0, 20.0]))
    budget: float = field(metadata=example(200.0))
    lift: ByIntent = field(metadata=example(0.5))
    saturation: float = field(metadata=example(10.0))
    half_life_minutes: float = 0.0
    audiences: Audiences = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        require_audiences(self)
        require_amounts(self, "spend")
        require_range(self, "lift", most=_MOST_LIFT)
        require_range(self, "half_life_minutes")
        for name in ("budget", "saturation"):
            if not 0 < getattr(self, name) <= MOST_MONEY:
                raise ValueError(
                    f"push.{name} must be above 0 and at most {MOST_MONEY:g}, got {getattr(self, name):g}."
                )

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """An audience whose customers no push brings; a half-life in a sale of one tick."""
        for label, most in zip(labels_of(self.audiences), _most_lift_of_audience(self), strict=True):
            if most == 0.0:
                yield (
                    f"push.audiences {label or 'everybody'!r} can only be wasted on: push.lift is 0 for all of its "
                    f"intents. Raise it, or leave the audience out."
                )
        if self.half_life_minutes and scenario.horizon_ticks == 1:
            yield (
                f"push.half_life_minutes {self.half_life_minutes:g} does nothing in a sale of one tick: it is what "
                f"remains in the ticks after a push. Take more, shorter ticks, or leave it out."
            )

    def idle_among(self, scenario: ScenarioLike, customers: Any) -> Iterator[str]:
        """An audience to which none of these customers belongs."""
        return nobody_in(self, scenario, customers.latent_class)

    def kept(self, tick_minutes: float) -> float:
        """Share of an adstock that is left after a tick of this length."""
        return float(0.5 ** (tick_minutes / self.half_life_minutes)) if self.half_life_minutes else 0.0


def _most_lift_of_audience(part: Push) -> list[float]:
    """(A,) the largest lift among the intents of each audience."""
    audience, lift = audience_of_intent(part.audiences), np.array(part.lift)
    return [float(lift[audience == a].max()) for a in range(len(labels_of(part.audiences)))]


def _most_traffic(scenario: ScenarioLike) -> float:
    return 1.0 + max(_most_lift_of_audience(scenario.push))


@scalar
def open_sale(rules, sale, grids):
    """Start with the whole budget, and without adstock."""
    sale.push.budget = rules.push.budget
    write_shares(rules, sale)


@scalar
def write_shares(rules, sale):
    """The share of the stream that comes, of each intent, and of everybody in an average sale."""
    push = sale.push
    for i in range(rules.n_intents):
        a = rules.push.audience[i]
        lift = 0.0
        if a >= 0:
            lift = rules.push.lift[i] * -math.expm1(-push.adstock[a] / rules.push.saturation)
        push.share[i] = (1.0 + lift) * rules.push.share_without
    push.expected_share = 0.0
    for c in range(rules.n_classes):
        push.expected_share += rules.class_share[c] * push.share[rules.class_intent[c]]


@scalar
def decide(rules, sale, grids, encoding, action):
    """What is spent on each audience in this tick, and the adstock with it."""
    push = sale.push
    wanted = 0.0
    for a in range(rules.push.n_audiences):
        wanted += chosen(rules, grids, encoding, action, rules.row.push + a)
    share = 1.0
    push.tick_spend = wanted
    if wanted > push.budget:
        share = push.budget / wanted
        push.tick_spend = push.budget
    push.budget -= push.tick_spend
    push.spend += push.tick_spend
    for a in range(rules.push.n_audiences):
        x = share * chosen(rules, grids, encoding, action, rules.row.push + a)
        push.adstock[a] = x + push.adstock[a] * rules.push.kept
    write_shares(rules, sale)


@scalar
def misses(of_rules, push, voice, u, share):
    """Whether a point of the stream that prices and promotions let pass does not come, for want of a push.

    `u` is the point's uniform number, below the `share` that would come under the largest lift.
    """
    if u >= share * push.share[voice.latent]:
        return True
    push.brought += u >= share * of_rules.share_without
    return False


@scalar
def end_tick(rules, sale, closes):
    """Those expected in the tick are those under the push."""
    sale.tick_came *= sale.push.expected_share


@scalar
def settle(rules, sale, closes, terms):
    """What was spent in the tick."""
    terms[rules.term.push] = -sale.push.tick_spend


@scalar
def observe(rules, sale, schedule, out):
    """The budget left, and how much of its lift each intent has had in the last tick."""
    push = sale.push
    put(out, rules.at.push_budget, push.budget / rules.push.budget, 0.0, 1.0)
    if rules.at.push_response >= 0:
        for i in range(rules.n_intents):
            a = rules.push.audience[i]
            response = -math.expm1(-push.adstock[a] / rules.push.saturation) if a >= 0 else 0.0
            put(out, rules.at.push_response + i, response, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """The cost of the messages, and whom they brought."""
    out[rules.metric.push_spend] = sale.push.spend
    out[rules.metric.push_customers] = sale.push.brought


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    part = scenario.push
    return {
        "audience": audience_of_intent(part.audiences),
        "n_audiences": len(labels_of(part.audiences)),
        "lift": part.lift,
        "saturation": part.saturation,
        "kept": part.kept(scenario.tick_minutes),
        "budget": part.budget,
        "share_without": 1.0 / _most_traffic(scenario),
    }


MECHANISM = Mechanism(
    settings=Push,
    state=lambda sizes: (
        ("adstock", "f8", (sizes.intents,)),  # by audience, currency
        ("share", "f8", (sizes.intents,)),  # of the stream that comes, by intent
        ("expected_share", "f8"),  # mean over the intents of an average sale
        ("budget", "f8"),  # currency left
        ("tick_spend", "f8"),
        # since the start of the sale
        ("spend", "f8"),
        ("brought", "i8"),  # * customers who would not have come without a push
    ),
    rules=lambda sizes: (
        ("audience", "i8", (sizes.intents,)),  # of each intent
        ("n_audiences", "i8"),
        ("lift", "f8", (sizes.intents,)),
        ("saturation", "f8"),
        ("kept", "f8"),  # share of an adstock left after a tick
        ("budget", "f8"),
        ("share_without", "f8"),  # of the stream that comes without a push
    ),
    lay_out=_lay_out,
    decisions={
        "push": Decision(
            labels=lambda scenario: labels_of(scenario.push.audiences),
            levels=lambda scenario: [scenario.push.spend for _ in labels_of(scenario.push.audiences)],
            discrete_steps=None,
            meaning=lambda scenario: (
                f"push messages: spending in every tick on messages that bring more customers, with falling returns: "
                f"{scenario.push.saturation:,.6g} brings 63 % of all that any sum could; all spending together at "
                f"most {scenario.push.budget:,.10g}"
            ),
            unit="currency a tick",
        )
    },
    features={
        "push_budget": Feature("sale", 0.0, 1.0, "share of the budget", "push budget left", "promotion"),
        "push_response": Feature(
            "intent",
            0.0,
            1.0,
            "share of its lift",
            "what the adstock of the last tick brought, of all that push messages could bring",
            "promotion",
            applies=lambda scenario: scenario.push.half_life_minutes > 0,
            constant=lambda scenario, number: bool(audience_of_intent(scenario.push.audiences)[number] == NONE),
        ),
    },
    terms={"push": Term("cost of push messages")},
    metrics={
        "push_spend": "spent on push messages; currency",
        "push_customers": "customers who would not have come without a push",
    },
    bounded={
        "spend": "spending is a cost",
        "budget": "it only limits the shop",
        "lift": "the bounds include all customers that endless spending brings",
        "saturation": "likewise",
        "half_life_minutes": "likewise",
        "audiences": "likewise",
    },
    most_traffic=_most_traffic,
    ranges={
        "spend": OneOf(((0.0, 5.0, 20.0), (0.0, 40.0), (0.0, 2.0, 5.0, 10.0, 20.0))),
        "budget": Between(20.0, 200.0),
        "lift": Between(0.2, 1.0),
        "saturation": Between(5.0, 50.0),
        "half_life_minutes": Between(1.0, 10.0),
        "audiences": OneOf(((), (INTENTS[:5],), (INTENTS[:2], INTENTS[2:]), (INTENTS[:3], INTENTS[3:6], INTENTS[6:]))),
    },
    facts=(("push budget", "budget", "money"),),
    open=open_sale,
    decide=decide,
    end_tick=end_tick,
    settle=settle,
    observe=observe,
    measure=measure,
)

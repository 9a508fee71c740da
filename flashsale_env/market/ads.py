"""Ads: paid traffic, won in second-price auctions for the attention of further people.

Owns    the bid of each audience, the auctions, the budget, and the people whom an ad brings.
Leaves  groups of intents to `audiences`, the stream that is thinned to `arrivals`.
Axes    I intents, A audiences; arrays by audience have I places, of which A are used.
Units   currency; a bid is for a click.

For each customer whom the sale expects without promotions, `auctions` further people are to be had, in the same mix of
intents. Whoever wins the auction of such a person shows an ad. Two things are known in it: the click rate v of this
person for the ad of the shop, uniform on [0, 1], and the audience, by the *predicted* intent. The shop bids

    min(v·bid of the audience, budget left)

against the highest bid of its rivals, uniform on [0, rival_bid]. The higher bid wins and pays the other one, clicked or
not (Vickrey 1961). A person who clicks, with probability v, comes to the sale as a customer like any other.

Auctions are points of the dominating stream beside those of the customers. All draws belong to the person, so every
policy meets the same auctions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flashsale_env.audiences import (
    Audiences,
    audience_of_intent,
    labels_of,
    nobody_in,
    require_audiences,
)
from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import put
from flashsale_env.intents import INTENTS
from flashsale_env.market import arrivals
from flashsale_env.market.mechanism import Between, Decision, Feature, Mechanism, OneOf, ScenarioLike, Term
from flashsale_env.market.parts import MOST_MONEY, Part, require_amounts, require_range
from flashsale_env.tables import example

CLICK_RATE = streams.purpose("ads.click_rate")
RIVAL = streams.purpose("ads.rival")
CLICK = streams.purpose("ads.click")

# A dominating stream many times the expected one would be lost in auctions.
_MOST_AUCTIONS = 1000.0


@dataclass(frozen=True)
class Ads(Part):
    """Auctions for further customers, paid from a budget.

    Args:
        bids: the levels of every audience, rising from 0, currency a click.
        auctions: further people per customer expected without promotions.
        rival_bid: the highest bid of rivals is uniform from 0 to this, currency.
        budget: limit on the sum of all prices paid, currency.
        audiences: groups of predicted intents with a bid of their own; () for one bid for everybody. For other people
            the shop does not bid.

    Raises:
        ValueError: a value is out of range, or an audience is not one; the message names it.
    """

    bids: tuple[float, ...] = field(metadata=example([0.0, 1.0, 2.0, 4.0]))
    auctions: float = field(metadata=example(0.5))
    rival_bid: float = field(metadata=example(2.0))
    budget: float = field(metadata=example(200.0))
    audiences: Audiences = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        require_audiences(self)
        require_amounts(self, "bids")
        require_range(self, "auctions", most=_MOST_AUCTIONS)
        for name in ("rival_bid", "budget"):
            if not 0 < getattr(self, name) <= MOST_MONEY:
                raise ValueError(f"ads.{name} must be above 0 and at most {MOST_MONEY:g}, got {getattr(self, name):g}.")

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """The whole part without auctions."""
        if not self.auctions:
            yield "[ads] does nothing: auctions is 0, so there is nobody to win. Raise it, or leave [ads] out."

    def idle_among(self, scenario: ScenarioLike, customers: Any) -> Iterator[str]:
        """An audience to which the message of none of these customers is assigned."""
        return nobody_in(self, scenario, customers.intent_probabilities.argmax(axis=1))


@scalar
def open_sale(rules, sale, grids):
    """Start with the whole budget."""
    sale.ads.budget = rules.ads.budget


@scalar
def begin_tick(rules, sale):
    """No auction has been held yet."""
    sale.ads.tick_auctions = 0
    sale.ads.tick_won = 0
    sale.ads.tick_visits = 0
    sale.ads.tick_spend = 0.0


@scalar
def decide(rules, sale, grids, encoding, action):
    """The bid of each audience."""
    for a in range(rules.ads.n_audiences):
        sale.ads.bid[a] = chosen(rules, grids, encoding, action, rules.row.bid + a)


@scalar
def write_tags(rules, sale):
    """The share of the dominating stream that comes of its own accord; the auctions are the last points of it."""
    sale.coming_share *= rules.ads.share_without


@scalar
def loses(of_rules, ads, rules, voices, sale, key, u):
    """Whether a point of the stream that does not come of its own accord is not brought by an ad either.

    Both records are None in a sale without ads. `u` is the point's uniform number.
    """
    if of_rules is None or ads is None:
        return True
    if u < of_rules.auctions_from:
        return True  # no auction
    a = of_rules.audience[voices[arrivals.pick_voice(rules, voices, sale, key)].predicted]
    if a < 0:
        return True
    ads.tick_auctions += 1
    rate = streams.uniform(streams.subkey(key, CLICK_RATE))
    rival = of_rules.rival_bid * streams.uniform(streams.subkey(key, RIVAL))
    if min(rate * ads.bid[a], ads.budget) <= rival:
        return True
    ads.tick_won += 1
    ads.tick_spend += rival
    ads.budget -= rival
    clicks = streams.uniform(streams.subkey(key, CLICK)) < rate
    ads.tick_visits += clicks
    return not clicks


@scalar
def end_tick(rules, sale, closes):
    """Add up the tick. The shop knows whom an ad brought, so those are also expected."""
    ads = sale.ads
    ads.auctions += ads.tick_auctions
    ads.won += ads.tick_won
    ads.visits += ads.tick_visits
    ads.spend += ads.tick_spend
    sale.recent_expected += ads.tick_visits


@scalar
def settle(rules, sale, closes, terms):
    """The prices of the auctions won in the tick."""
    terms[rules.term.ads] = -sale.ads.tick_spend


@scalar
def share_won(won, auctions):
    """Share of the auctions won; 0 if there were none."""
    return won / auctions if auctions > 0 else 0.0


@scalar
def observe(rules, sale, schedule, out):
    """The budget left, and the share of the last tick's auctions that were won."""
    put(out, rules.at.ad_budget, sale.ads.budget / rules.ads.budget, 0.0, 1.0)
    put(out, rules.at.ad_wins, share_won(sale.ads.tick_won, sale.ads.tick_auctions), 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Auctions won, whom they brought, and the cost."""
    ads = sale.ads
    out[rules.metric.auctions_won] = share_won(ads.won, ads.auctions)
    out[rules.metric.ad_visits] = ads.visits
    out[rules.metric.ad_spend] = ads.spend
    out[rules.metric.cost_per_visit] = ads.spend / ads.visits if ads.visits > 0 else 0.0


def _most_traffic(scenario: ScenarioLike) -> float:
    return float(1.0 + scenario.ads.auctions)


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    part = scenario.ads
    return {
        "audience": audience_of_intent(part.audiences),
        "n_audiences": len(labels_of(part.audiences)),
        "rival_bid": part.rival_bid,
        "budget": part.budget,
        "share_without": 1.0 / _most_traffic(scenario),
        # Of the whole stream; other lifts make it longer, and leave the number of auctions as it is.
        "auctions_from": 1.0 - part.auctions / scenario.most_traffic,
    }


MECHANISM = Mechanism(
    settings=Ads,
    state=lambda sizes: (
        ("bid", "f8", (sizes.intents,)),  # by audience, currency a click
        ("budget", "f8"),  # currency left
        # in this tick
        ("tick_auctions", "i8"),
        ("tick_won", "i8"),
        ("tick_visits", "i8"),
        ("tick_spend", "f8"),
        # since the start of the sale
        ("auctions", "i8"),
        ("won", "i8"),
        ("visits", "i8"),
        ("spend", "f8"),
    ),
    rules=lambda sizes: (
        ("audience", "i8", (sizes.intents,)),  # of each predicted intent
        ("n_audiences", "i8"),
        ("rival_bid", "f8"),
        ("budget", "f8"),
        ("share_without", "f8"),  # of the stream that comes without an ad
        ("auctions_from", "f8"),  # points with a uniform number from here on are auctions
    ),
    lay_out=_lay_out,
    decisions={
        "bid": Decision(
            labels=lambda scenario: labels_of(scenario.ads.audiences),
            levels=lambda scenario: [scenario.ads.bids for _ in labels_of(scenario.ads.audiences)],
            discrete_steps=None,
            meaning=lambda scenario: (
                "bid for a click in second-price auctions for further customers; each impression is paid at the "
                f"highest bid of rivals, from 0 to {scenario.ads.rival_bid:,.6g}; all prices together at most "
                f"{scenario.ads.budget:,.10g}"
            ),
            unit="currency a click",
        )
    },
    features={
        "ad_budget": Feature("sale", 0.0, 1.0, "share of the budget", "ad budget left", "promotion"),
        "ad_wins": Feature(
            "sale", 0.0, 1.0, "share of auctions", "auctions of the last tick that were won", "promotion"
        ),
    },
    terms={"ads": Term("prices paid in auctions for further customers")},
    metrics={
        "auctions_won": "auctions won over auctions held for the audiences",
        "ad_visits": "customers whom an ad brought",
        "ad_spend": "paid in auctions; currency",
        "cost_per_visit": "paid in auctions per customer whom an ad brought; currency, 0 without one",
    },
    bounded={
        "bids": "a bid is paid or lost",
        "auctions": "the bounds include everybody for whom there is an auction",
        "rival_bid": "a price paid is a cost",
        "budget": "it only limits the shop",
        "audiences": "likewise",
    },
    most_traffic=_most_traffic,
    ranges={
        "bids": OneOf(((0.0, 2.0, 5.0), (0.0, 10.0), (0.0, 1.0, 2.0, 4.0, 8.0))),
        "auctions": Between(0.2, 1.5),
        "rival_bid": Between(1.0, 10.0),
        "budget": Between(10.0, 200.0),
        "audiences": OneOf(((), (INTENTS[:5],), (INTENTS[:2], INTENTS[2:]))),
    },
    facts=(("ad budget", "budget", "money"),),
    open=open_sale,
    begin_tick=begin_tick,
    decide=decide,
    write_tags=write_tags,
    end_tick=end_tick,
    settle=settle,
    observe=observe,
    measure=measure,
)

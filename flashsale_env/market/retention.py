"""Retention: past customers, their churn, and the coupon that brings them back.

Owns    who of the buyers of earlier sales is still a customer, how many are expected at a sale, and their coupon.
Leaves  the sequence of sales to `campaign`. In a sale that is played alone there are the past customers of the start.
Axes    I intents; K types of past customers: pairs of a visit rate and a dropout probability.
Units   visit rates a week; past customers are expected numbers.

The BG/NBD model (Fader, Hardie & Lee 2005, doi 10.1287/mksc.1040.0098), with at most one visit a sale:

    visits      a living customer of visit rate l comes to a sale with probability 1 - exp(-l·weeks between sales)
    dropout     after each repeat purchase a customer is gone for good with probability p
    customers   l is gamma distributed over customers, p beta distributed

The types are the nodes of Gauss quadrature of both distributions: 16 numbers an intent are the whole state.

Past customers are points of the dominating stream, as many as could come at most. Those who are not expected are
thinned, so the same people stand in the stream under any policy. Where `persons` follows them one by one, none of them
is a point of the stream, and the numbers here are what is expected of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh_tridiagonal

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import option, put
from flashsale_env.intents import INTENTS
from flashsale_env.market import arrivals
from flashsale_env.market.mechanism import Between, Decision, Feature, Mechanism, OneOf, ScenarioLike
from flashsale_env.market.parts import MOST_CUSTOMERS, Part, require_range, require_rising
from flashsale_env.tables import example

# Nodes of either distribution. Expected purchases of CDNOW's customers: right to .1 % after 10 weeks, 1.2 % after 39.
_NODES = 4
TYPES = _NODES * _NODES
_NO_COUPON = (0.0,)
_DAYS_OF_A_WEEK = 7.0
_MOST_LIFT = 100.0
_PAST = streams.purpose("retention.past")


@dataclass(frozen=True)
class Retention(Part):
    """Customers of earlier sales, who come back until they drop out.

    The defaults of the four parameters of the BG/NBD model are those of CDNOW (Fader, Hardie & Lee 2005).

    Args:
        most_returning: past customers expected at a sale, at most, without a coupon. More are cut off and counted
            (`past_customers_missed`).
        customers: past customers, all of them alive, before the first sale.
        visit_shape, visit_scale: shape r, and scale alpha in weeks, of the gamma distribution of visit rates.
        dropout_a, dropout_b: of the beta distribution of dropout probabilities.
        coupon: levels of the coupon for past customers, shares off, rising from 0; (0.0,) for none.
        by_intent: whether the coupon is set for each predicted intent.
        lift: relative increase of the visits of past customers under the deepest coupon, in proportion to the depth.
        keeps: share of the dropouts after a purchase that the deepest coupon prevents, in proportion to the depth.
        watchers: probability that somebody who waits at the close comes to the next sale; needs [waiting].

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    most_returning: float = field(metadata=example(50.0))
    customers: float = 0.0
    visit_shape: float = 0.243
    visit_scale: float = 4.414
    dropout_a: float = 0.793
    dropout_b: float = 2.426
    coupon: tuple[float, ...] = _NO_COUPON
    by_intent: bool = False
    lift: float = 0.0
    keeps: float = 0.0
    watchers: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "keeps", "watchers", most=1.0)
        require_range(self, "customers", "most_returning", most=MOST_CUSTOMERS)
        require_range(self, "lift", most=_MOST_LIFT)
        for name in ("visit_shape", "visit_scale", "dropout_a", "dropout_b"):
            if not 1e-3 <= getattr(self, name) <= 1e3:
                raise ValueError(f"retention.{name} must lie in 0.001..1000, got {getattr(self, name):g}.")
        if self.coupon != _NO_COUPON:
            require_rising(self, "coupon")

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """The whole part without a campaign or past customers; settings of a coupon that is not there; watchers."""
        if scenario.campaign is None:
            yield (
                "[retention] does nothing without [campaign]: customers come back to a later sale. Add [campaign], "
                "e.g. sales = 6, or leave [retention] out."
            )
        elif not self.most_returning:
            yield (
                "[retention] does nothing: most_returning is 0, so nobody comes back. Raise it, e.g. most_returning = "
                "50.0, or leave [retention] out."
            )
        idle = [name for name in ("by_intent", "lift", "keeps") if getattr(self, name) != getattr(Retention, name)]
        if idle and self.coupon == _NO_COUPON:
            yield (
                f"retention.{idle[0]} does nothing without a coupon. Give coupon, e.g. [0.0, 0.1, 0.2], or leave "
                f"{idle[0]} out."
            )
        if self.watchers and scenario.waiting is None:
            yield (
                "retention.watchers does nothing without [waiting]: nobody waits at the close. Add [waiting], or leave "
                "watchers out."
            )
        if self.by_intent and scenario.messages is None:
            yield (
                "retention.by_intent does nothing without [messages]: there is no intent to predict. Add [messages], "
                "or leave it out."
            )

    def check(self, scenario: ScenarioLike) -> None:
        """Refuse arrivals beside which no past customers can come.

        Raises:
            ValueError: at most one customer a tick, or a sale to which nobody else comes.
        """
        refused = ""
        if scenario.arrivals.law != "poisson":
            refused = f"arrivals.law {scenario.arrivals.law!r}: past customers come beside the expected ones"
        if not scenario.arrivals.customers_per_minute:
            refused = "arrivals.customers_per_minute 0: past customers come in proportion to the others"
        if refused:
            raise ValueError(f"[retention] cannot be combined with {refused}. Leave one of them out.")


def customer_types(retention: Retention) -> npt.NDArray[np.float64]:
    """(3, K) visit rate a week, dropout probability and share of each type.

    >>> rates, dropouts, shares = customer_types(Retention(50.0))
    >>> round(float(shares @ rates), 6), round(float(shares @ dropouts), 6)  # r/alpha and a/(a + b)
    (0.055052, 0.24635)
    """
    n = np.arange(_NODES, dtype=np.float64)
    k = n[1:]
    r, a, b = retention.visit_shape, retention.dropout_a, retention.dropout_b
    rates, of_rate = _gauss(2 * n + r, np.sqrt(k * (k + r - 1)))
    # Jacobi polynomials of exponents b - 1 and a - 1, on [0, 1].
    both = a + b
    middle = (a - b) * (both - 2) / ((2 * k + both - 2) * (2 * k + both))
    ratio = np.ones(_NODES - 1)  # at k = 1 both of its terms are a + b - 1, which may be 0
    ratio[1:] = (k[1:] + both - 2) / (2 * k[1:] + both - 3)
    product = k * (k + b - 1) * (k + a - 1) * ratio / (2 * k + both - 1)
    dropouts, of_dropout = _gauss(np.concatenate([[a / both], (1 + middle) / 2]), np.sqrt(product) / (2 * k + both - 2))
    return np.array(
        [
            np.repeat(rates / retention.visit_scale, _NODES),
            np.tile(dropouts, _NODES),
            np.outer(of_rate, of_dropout).ravel(),
        ]
    )


def _gauss(
    diagonal: npt.NDArray[np.float64], beside: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Nodes and weights, which sum to 1, from the recurrence of the polynomials (Golub & Welsch 1969)."""
    nodes, vectors = eigh_tridiagonal(diagonal, beside)
    return nodes, vectors[0] ** 2


@scalar
def open_sale(rules, sale, grids):
    """Past customers before the first sale; `carry` replaces them later."""
    for c in range(rules.n_classes):
        for k in range(TYPES):
            sale.retention.alive[rules.class_intent[c], k] = (
                rules.retention.customers * rules.class_share[c] * rules.retention.share[k]
            )
    expect(rules, sale)


@scalar
def expect(rules, sale):
    """Past customers and watchers who are expected at this sale, and their mix of classes."""
    retention = sale.retention
    total = 0.0
    for i in range(rules.n_intents):
        retention.coming[i] = retention.watchers[i]
        for k in range(TYPES):
            retention.coming[i] += retention.alive[i, k] * rules.retention.visits[k]
    for c in range(rules.n_classes):
        total += retention.coming[rules.class_intent[c]]
        retention.mix[c] = total
    for c in range(rules.n_classes):
        retention.mix[c] = retention.mix[c] / total if total > 0.0 else sale.mix[c]
    most = rules.retention.most_returning
    retention.share_coming = min(1.0, total / most) if most > 0.0 else 0.0
    retention.missed = max(0.0, total - most)


@scalar
def dominating(of_rules, rate):
    """The rate of the stream with all past customers who could come; `of_rules` is None in a sale without retention."""
    if of_rules is None:
        return rate
    return rate * (1.0 + of_rules.most_past)


@scalar
def is_past(of_rules, key):
    """Whether the point of the stream with this key is a past customer."""
    if of_rules is None:
        return False
    if of_rules.most_past == 0.0:
        return False
    share = of_rules.most_past / (1.0 + of_rules.most_past)
    return streams.uniform(streams.subkey(key, _PAST)) < share


@scalar
def is_served(of_rules, retention, key):
    """Whether the customer at the till is a past one: a point of the stream, or a person whom `persons` follows."""
    return retention.serving == 1 or is_past(of_rules, key)


@scalar
def newcomer(of_rules, key, number):
    """Key of person `number` whom the customer with this key brings along: anybody but a past customer."""
    other = streams.subkey(key, number)
    if of_rules is None:
        return other
    while is_past(of_rules, other):
        other = streams.subkey(other, _PAST)
    return other


@scalar
def pick_voice(of_rules, retention, rules, voices, sale, key):
    """Row of the voice: of a past customer by the mix of those who are expected; see `arrivals.pick_voice`."""
    if of_rules is None or retention is None:
        return arrivals.pick_voice(rules, voices, sale, key)
    if is_past(of_rules, key):
        return arrivals.voice_of(rules, voices, retention.mix, key)
    return arrivals.pick_voice(rules, voices, sale, key)


@scalar
def share_of_past(of_rules, retention, rules, voices, sale, key):
    """For a past customer the share of its points of the stream that come; for anybody else 1."""
    if of_rules is None or retention is None:
        return 1.0
    if not is_past(of_rules, key):
        return 1.0
    voice = voices[pick_voice(of_rules, retention, rules, voices, sale, key)]
    invited = 1.0 + of_rules.lift * retention.depth[voice.predicted] / of_rules.deepest
    return retention.share_coming * invited / (1.0 + of_rules.lift)


@scalar
def payable_share(of_rules, retention, voice, key):
    """Share of the price that this customer pays: past customers have the coupon."""
    if of_rules is None or retention is None:
        return 1.0
    return 1.0 - retention.depth[voice.predicted] if is_served(of_rules, retention, key) else 1.0


@scalar
def meet(of_rules, retention, key):
    """Count a past customer who came."""
    if of_rules is None or retention is None:
        return
    if is_served(of_rules, retention, key):
        retention.came += 1


@scalar
def book(of_rules, retention, voice, key, discount):
    """Add the cost of the coupon to one customer, currency."""
    if of_rules is None or retention is None:
        return
    if retention.depth[voice.predicted] > 0.0 and is_served(of_rules, retention, key):
        retention.spend += discount


@scalar
def count_buyer(of_rules, retention, voice, key):
    """A customer has paid: a first purchase, or one after which a past customer may be gone."""
    if of_rules is None or retention is None:
        return
    if is_served(of_rules, retention, key):
        retention.past_buyers[voice.latent] += 1
        retention.kept[voice.latent] += share_kept(of_rules, retention, voice)
    else:
        retention.new_buyers[voice.latent] += 1


@scalar
def share_kept(of_rules, retention, voice):
    """Share of the dropouts after a purchase that the coupon prevents."""
    return of_rules.keeps * retention.depth[voice.predicted] / of_rules.deepest


@scalar
def decide(rules, sale, grids, encoding, action):
    """The depth of the coupon for past customers."""
    for i in range(rules.n_intents):
        row = rules.row.retention + i * rules.retention.by_intent
        sale.retention.depth[i] = chosen(rules, grids, encoding, action, row)


@scalar
def end_tick(rules, sale, closes):
    """At the close, what the next sale begins with, and who waits for it."""
    if not closes:
        return
    note_watchers(option(sale, "waiting"), rules, sale)


@scalar
def note_watchers(waiting, rules, sale):
    """Count those who wait, by class; `waiting` is None in a sale where nobody does."""
    if waiting is None:
        return
    for slot in range(len(waiting.first)):
        place = waiting.first[slot]
        while place > 0:
            key = waiting.key[place - 1]
            if is_past(rules.retention, key):
                c = arrivals.class_of(rules, sale.retention.mix, key)
            else:
                c = arrivals.class_of(rules, sale.mix, key)
            sale.retention.watching[rules.class_intent[c]] += 1
            place = waiting.following[place - 1]


@scalar
def carry(of_rules, before, retention, rules, sale):
    """Give a sale that has just opened its past customers; the records are None in a sale without retention.

    Args:
        of_rules: the rules of retention.
        before, retention: its state in the closed sale, and in the one that opened.
        rules, sale: of the sale that opened.
    """
    if of_rules is None or before is None or retention is None:
        return
    for i in range(rules.n_intents):
        visits = 0.0
        for k in range(TYPES):
            visits += before.alive[i, k] * of_rules.visits[k]
        # Watchers have not bought before, so their purchases are first ones.
        repeat = visits / before.coming[i] if before.coming[i] > 0.0 else 0.0
        first = before.new_buyers[i] + before.past_buyers[i] * (1.0 - repeat)
        leaving = (before.past_buyers[i] - before.kept[i]) * repeat
        for k in range(TYPES):
            alive = before.alive[i, k]
            gone = 0.0
            if visits > 0.0:
                gone = of_rules.dropout[k] * leaving * alive * of_rules.visits[k] / visits
            # Nobody leaves twice: of few expected customers more may have bought than there were.
            retention.alive[i, k] = alive - min(gone, alive) + first * of_rules.share[k]
        retention.watchers[i] = of_rules.watchers * before.watching[i]
    expect(rules, sale)


@scalar
def observe(rules, sale, schedule, out):
    """The past customers who are expected."""
    put(out, rules.at.returning, sale.retention.share_coming, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Past customers and their coupon."""
    out[rules.metric.past_customers] = sale.retention.came
    out[rules.metric.past_customers_missed] = sale.retention.missed
    out[rules.metric.retention_spend] = sale.retention.spend


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    part = scenario.retention
    rates, dropouts, shares = customer_types(part)
    expected = float(scenario.customers_per_tick.sum())
    in_stream = scenario.persons is None
    return {
        "customers": part.customers,
        "most_returning": part.most_returning,
        "most_past": part.most_returning * (1.0 + part.lift) / expected if in_stream else 0.0,
        "visits": -np.expm1(-rates * scenario.campaign.days_between / _DAYS_OF_A_WEEK),
        "dropout": dropouts,
        "share": shares,
        "by_intent": part.by_intent,
        "deepest": part.coupon[-1] or 1.0,
        "lift": part.lift,
        "keeps": part.keeps,
        "watchers": part.watchers,
    }


MECHANISM = Mechanism(
    settings=Retention,
    state=lambda sizes: (
        ("alive", "f8", (sizes.intents, TYPES)),  # * past customers
        ("watchers", "f8", (sizes.intents,)),  # * who waited at the last close and are expected
        ("coming", "f8", (sizes.intents,)),  # * both, expected at this sale at goodwill 1 without a coupon
        ("mix", "f8", (sizes.intents,)),  # * of them, cumulative over latent classes
        ("depth", "f8", (sizes.intents,)),  # of the coupon, by predicted intent
        ("new_buyers", "i8", (sizes.intents,)),  # *
        ("past_buyers", "i8", (sizes.intents,)),  # *
        ("kept", "f8", (sizes.intents,)),  # * of the latter: the coupon prevents this share of their dropouts
        ("watching", "i8", (sizes.intents,)),  # * at the close
        ("share_coming", "f8"),  # of the past customers who could come at most
        ("missed", "f8"),  # expected beyond that
        ("spend", "f8"),  # on the coupon
        ("came", "i8"),  # past customers
        ("serving", "i8"),  # * 1 while a past customer whom `persons` follows is served
    ),
    rules=lambda sizes: (
        ("customers", "f8"),
        ("most_returning", "f8"),
        ("most_past", "f8"),  # points of the stream that are past customers, for each one that is not
        ("visits", "f8", (TYPES,)),  # probability of a visit to a sale
        ("dropout", "f8", (TYPES,)),
        ("share", "f8", (TYPES,)),
        ("by_intent", "i8"),
        ("deepest", "f8"),
        ("lift", "f8"),
        ("keeps", "f8"),
        ("watchers", "f8"),
    ),
    lay_out=_lay_out,
    decisions={
        "retention": Decision(
            labels=lambda scenario: INTENTS if scenario.retention.by_intent else ("",),
            levels=lambda scenario: [scenario.retention.coupon] * (len(INTENTS) if scenario.retention.by_intent else 1),
            discrete_steps=None,
            meaning=lambda scenario: "share off for customers of earlier sales who come back",
            unit="share of the price",
        )
    },
    features={
        "returning": Feature(
            "sale",
            0.0,
            1.0,
            "share of `retention.most_returning`",
            "past customers expected at this sale without a coupon",
            "demand",
            on_request=True,
        )
    },
    metrics={
        "past_customers": "customers of earlier sales who came back",
        "past_customers_missed": "past customers expected beyond `retention.most_returning`, who did not come",
        "retention_spend": "discounts given by the retention coupon; currency",
    },
    ranges={
        "most_returning": Between(5.0, 50.0),
        "customers": Between(20.0, 500.0),
        "visit_shape": Between(0.2, 1.5),
        "visit_scale": Between(1.0, 6.0),
        "dropout_a": Between(0.5, 2.0),
        "dropout_b": Between(0.5, 3.0),
        "coupon": OneOf(((0.0, 0.1, 0.2), (0.0, 0.3))),
        "by_intent": OneOf((False, True)),
        "lift": Between(0.1, 1.0),
        "keeps": Between(0.1, 0.9),
        "watchers": Between(0.1, 0.9),
    },
    open=open_sale,
    decide=decide,
    end_tick=end_tick,
    observe=observe,
    measure=measure,
)

"""Bots: scalpers who race customers for cheap units, and the screening that stops them.

Owns    how many bots come and when, what they buy, the harm they do, and whom screening stops.
Units   resale value and harm in currency; strength of screening is the share of bots caught.

Bots are points of the same stream as customers: their rates add up, and each point is a bot with the probability of its
share of the rate (superposition of Poisson processes). Their number follows from the mix of intents of the sale and
from its schedule alone, so the same bots come under any policy. A bot leaves no message and is no visit in a choice
log; it buys at the asking price, pays at once and returns nothing.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import option, put
from flashsale_env.intents import ByIntent
from flashsale_env.market import seckill, service
from flashsale_env.market.mechanism import Between, Decision, Feature, Mechanism, OneOf, ScenarioLike, Term
from flashsale_env.market.parts import MOST_CUSTOMERS, MOST_MONEY, Part, require_range
from flashsale_env.tables import example

SCREENING = streams.purpose("bots.screening")


@dataclass(frozen=True)
class Bots(Part):
    """Scalpers, and the screening of requests against them.

    Their arrivals are a burst like that of `Arrivals`, `speed` times as fast, from the start of the sale and from the
    start of every seckill slot; each of these bursts has the same number of bots.

    Args:
        share: expected number of bots per customer of an intent: some messages announce a sale that scalpers like.
        speed: `arrivals.burst_scale` over the scale of the bots' burst.
        units: bought by a bot at once, of the product with the largest gain.
        resale_share: resale value as a share of the reference price; a bot buys only below it.
        harm_per_unit: complaints, chargebacks and goodwill lost by a unit that a bot takes, currency.
        screening: possible strengths of screening, rising; a bot is caught with this probability.
        false_positives: probability that a customer is turned away at strength 1; in proportion to its square below.

    Raises:
        ValueError: a value is out of range or the strengths do not rise; the message names it.
    """

    share: ByIntent = field(metadata=example(0.2))
    speed: float = 20.0
    units: int = 1
    resale_share: float = 1.0
    harm_per_unit: float = 0.0
    screening: tuple[float, ...] = (0.0,)
    false_positives: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "share", most=100.0)
        require_range(self, "units", most=float(1 << 23))
        require_range(self, "resale_share", "harm_per_unit", most=MOST_MONEY)
        require_range(self, "false_positives", most=1.0)
        if not 1e-3 <= self.speed <= 1e6:
            raise ValueError(f"bots.speed must lie between .001 and 1e6, got {self.speed:g}.")
        if self.units < 1:
            raise ValueError(f"bots.units must be at least 1, got {self.units}.")
        strengths = list(self.screening)
        if not strengths or strengths != sorted(set(strengths)) or strengths[0] < 0 or strengths[-1] > 1:
            raise ValueError(
                f"bots.screening must rise from 0 or more to at most 1, got {strengths}; e.g. [0.0, 0.5, 0.9]."
            )

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Bots that never come or never buy; a speed in a sale of one tick; errors of a screening that is off."""
        if not any(self.share):
            yield "[bots] does nothing: share is 0, so no bot comes. Raise it, or leave [bots] out."
        if all(_lowest_price(scenario, product) >= self.resale_share * product.reference_price
               for product in scenario.products):  # fmt: skip
            yield (
                f"[bots] does nothing: no product can be had below its resale value, bots.resale_share "
                f"{self.resale_share:g} of its reference price, so no bot buys. Raise resale_share."
            )
        if self.speed != Bots.speed and len(scenario.customers_per_tick.nonzero()[0]) == 1:
            yield (
                f"bots.speed {self.speed:g} does nothing: all bots come in the same tick. Take more, shorter ticks, or "
                f"leave speed out."
            )
        if self.false_positives and self.screening == (0.0,):
            yield (
                f"bots.false_positives {self.false_positives:g} does nothing: without screening no customer is turned "
                f"away. Give screening, e.g. [0.0, 0.5, 0.9], or set false_positives = 0."
            )

    def idle_among(self, scenario: ScenarioLike, customers: Any) -> Iterator[str]:
        """The whole part, if no customer has an intent that brings bots."""
        if not any(self.share[intent] for intent in np.unique(customers.latent_class)):
            yield (
                f"[bots] of scenario {scenario.name!r} does nothing among these customers: bots.share is 0 for all of "
                f"their intents."
            )

    def check(self, scenario: ScenarioLike) -> None:
        """Refuse more bots than can be simulated, and an arrival law with at most one arrival in a tick.

        Raises:
            ValueError: too many bots, or the law "bernoulli".
        """
        if scenario.arrivals.law != "poisson":
            raise ValueError(
                f"[bots] needs arrivals.law 'poisson', in which the streams of bots and customers add up, got "
                f"{scenario.arrivals.law!r}."
            )
        number = max(self.share) * float(scenario.customers_per_tick.sum())
        if number > MOST_CUSTOMERS:
            raise ValueError(
                f"bots.share {max(self.share):g} times the expected customers are {number:.3g} bots; every one is "
                f"simulated, so at most {MOST_CUSTOMERS:.0e} may come."
            )


def _lowest_price(scenario: ScenarioLike, product: Any) -> float:
    special = scenario.seckill.price_share * product.list_price if scenario.seckill else math.inf
    return float(min(special, *product.price_levels))


@scalar
def begin_tick(rules, sale):
    """No unit has gone to a bot yet; the weight of recent catches decays."""
    sale.bots.tick_units = 0
    sale.bots.recent_caught *= rules.memory


@scalar
def decide(rules, sale, grids, encoding, action):
    """The strength of screening."""
    sale.bots.strength = chosen(rules, grids, encoding, action, rules.row.screening)


@scalar
def join(of_rules, bots, rules, sale, schedule, customers):
    """Bots per tick, to be added to the rate of customers; both records are None in a sale without bots."""
    if of_rules is None or bots is None:
        return 0.0
    per_customer = 0.0
    below = 0.0
    for c in range(rules.n_classes):
        per_customer += (sale.mix[c] - below) * of_rules.share[rules.class_intent[c]]
        below = sale.mix[c]
    rate = schedule[sale.tick, rules.along.bots] * sale.traffic * per_customer
    bots.share_of_stream = rate / (rate + customers) if rate > 0.0 else 0.0
    return rate


@scalar
def split(bots, u):
    """(whether a point of the stream with this uniform number is a bot, for a customer another uniform number)."""
    if bots is None:
        return False, u
    share = bots.share_of_stream
    return u < share, (u - share) / (1.0 - share)


@scalar
def turns_away(of_rules, bots, sale, key):
    """Whether screening takes this customer for a bot. The shop sees a request; the customer is gone."""
    if of_rules is None or bots is None:
        return False
    probability = of_rules.false_positives * bots.strength * bots.strength
    if probability == 0.0 or streams.uniform(streams.subkey(key, SCREENING)) >= probability:
        return False
    bots.turned_away += 1
    bots.recent_caught += 1.0
    sale.customers += 1
    sale.tick_customers += 1
    return True


@scalar
def write_tags(rules, sale):
    """The product with the largest gain, M if none gains."""
    most = 0.0
    sale.bots.wanted = rules.n_products
    for j in range(rules.n_products):
        gain = rules.bots.resale_value[j] - sale.asking_price[j]
        if sale.on_hand[j] > 0 and sale.asking_price[j] > 0.0 and gain > most:
            most = gain
            sale.bots.wanted = j


@scalar
def wanted(of_rules, bots, sale, n_products):
    """(product with the largest gain or M, units of it that a bot buys)."""
    j = bots.wanted
    if j == n_products:
        return j, 0
    units = min(of_rules.units, sale.on_hand[j])
    if sale.price[j] >= of_rules.resale_value[j]:
        # It pays at the special price only.
        units = min(units, seckill.left(option(sale, "seckill"), sale, j))
    return j, units


@scalar
def ask(of_rules, bots, rules, sale, key, time):
    """The request of a bot: (product or M, units of it that the bot buys); none if it is caught.

    One that is not caught takes a server's time, as a customer does, and waits as long as it must.
    """
    n_products = rules.n_products
    if of_rules is None or bots is None:
        return n_products, 0
    sale.tick_customers += 1  # the shop cannot tell it from a customer
    if streams.uniform(streams.subkey(key, SCREENING)) < bots.strength:
        bots.caught += 1
        bots.recent_caught += 1.0
        return n_products, 0
    service.answer_bot(option(rules, "service"), option(sale, "service"), key, sale.tick + time)
    j, units = wanted(of_rules, bots, sale, n_products)
    if units > 0:
        bots.units += units
        bots.tick_units += units
        bots.special += min(units, seckill.left(option(sale, "seckill"), sale, j))
    return j, units


@scalar
def settle(rules, sale, closes, terms):
    """The harm of the units that bots took in the tick."""
    terms[rules.term.scalping] = -rules.bots.harm_per_unit * sale.bots.tick_units


@scalar
def observe(rules, sale, schedule, out):
    """What a shop sees of bots: more requests than expected, and the share of them that screening stopped."""
    requests = 0.0
    if sale.tick > 0:
        # One request keeps the logarithm finite in quiet ticks.
        requests = math.log((sale.recent_customers + 1.0) / (sale.recent_expected + 1.0))
    put(out, rules.at.requests, requests, -4.0, 4.0)
    put(out, rules.at.caught, sale.bots.recent_caught / max(sale.recent_customers, 1.0), 0.0, 1.0)
    put(out, rules.at.screening, sale.bots.strength, 0.0, 1.0)


@scalar
def reached_customers(seckill, bots, sale, n_products):
    """Share of units that went to customers: of those at the special price, in a sale without seckill of all units."""
    if seckill is not None:
        return _rest(bots.special, seckill.claimed)
    sold = 0
    for j in range(n_products):
        sold += sale.sold[j]
    return _rest(bots.units, sold)


@scalar
def _rest(part, whole):
    return 1.0 - part / whole if whole > 0 else 1.0


@scalar
def measure(rules, sale, out):
    """Units that bots took, and whom screening stopped."""
    bots = sale.bots
    out[rules.metric.bot_units] = bots.units
    out[rules.metric.bots_caught] = bots.caught
    out[rules.metric.turned_away] = bots.turned_away
    out[rules.metric.reached_customers] = reached_customers(option(sale, "seckill"), bots, sale, rules.n_products)


def bots_per_tick(scenario: ScenarioLike) -> npt.NDArray[np.float64]:
    """(T,) bots expected in each tick, before shocks, if there were one per customer."""
    starts = {0.0}
    if scenario.seckill is not None:
        starts |= {tick / scenario.horizon_ticks for tick in scenario.seckill.slot_ticks(scenario)}
    scale = scenario.arrivals.burst_scale / scenario.bots.speed
    edges = scenario.admission_edges
    come = np.mean([_burst(np.clip(edges - start, 0.0, None), 1.0 - start, scale) for start in sorted(starts)], axis=0)
    return np.asarray(scenario.customers_per_tick.sum() * np.diff(come))


def _burst(since: npt.NDArray[np.float64], rest: float, scale: float) -> npt.NDArray[np.float64]:
    """Share of an exponential burst, cut off after `rest` of the sale, that has come after these shares of the sale."""
    return np.asarray(np.expm1(-since / scale) / np.expm1(-rest / scale))


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    part = scenario.bots
    return {
        "share": part.share,
        "units": part.units,
        "resale_value": [part.resale_share * product.reference_price for product in scenario.products],
        "harm_per_unit": part.harm_per_unit,
        "false_positives": part.false_positives,
    }


def _screens(scenario: ScenarioLike) -> bool:
    return bool(scenario.bots.screening != (0.0,))


MECHANISM = Mechanism(
    settings=Bots,
    state=lambda sizes: (
        ("strength", "f8"),  # of screening in this tick
        ("recent_caught", "f8"),  # requests stopped by screening, exponentially weighted
        ("wanted", "i8"),  # * product with the largest gain for a bot; M for none
        ("share_of_stream", "f8"),  # * probability that a point of this tick's stream is a bot
        # * since the start of the sale
        ("units", "i8"),  # taken by bots
        ("special", "i8"),  # those at the special price
        ("tick_units", "i8"),
        ("caught", "i8"),
        ("turned_away", "i8"),  # customers
    ),
    rules=lambda sizes: (
        ("share", "f8", (sizes.intents,)),
        ("units", "i8"),
        ("resale_value", "f8", (sizes.products,)),
        ("harm_per_unit", "f8"),
        ("false_positives", "f8"),
    ),
    lay_out=_lay_out,
    schedule={"bots": bots_per_tick},
    decisions={
        "screening": Decision(
            labels=lambda scenario: ("",),
            levels=lambda scenario: [scenario.bots.screening],
            discrete_steps=None,
            meaning=lambda scenario: "strength of the screening against bots: the share of bots that it catches",
            unit="share of bots",
        )
    },
    features={
        "requests": Feature(
            "sale",
            -4.0,
            4.0,
            "log ratio",
            "recent requests, of bots or customers, over the customers expected; one more of each",
            "demand",
            remembers=True,
        ),
        "caught": Feature(
            "sale",
            0.0,
            1.0,
            "share of requests",
            "recent requests stopped by screening",
            "demand",
            applies=_screens,
            remembers=True,
        ),
        "screening": Feature(
            "sale",
            0.0,
            1.0,
            "strength",
            "screening in the last tick",
            "promotion",
            applies=lambda scenario: len(scenario.bots.screening) > 1,
        ),
    },
    terms={"scalping": Term("harm of the units that bots took: complaints, chargebacks, goodwill")},
    metrics={
        "bot_units": "units that bots took",
        "bots_caught": "bots stopped by screening",
        "turned_away": "customers stopped by screening",
        "reached_customers": "share of units that went to customers; under [seckill], of those at the special price",
    },
    ranges={
        "share": OneOf((0.1, 0.5)),
        "speed": Between(1.0, 50.0),
        "units": Between(1, 3),
        "resale_share": Between(0.8, 1.5),
        "harm_per_unit": Between(0.0, 1.0),
        "screening": OneOf(((0.0,), (0.0, 0.5, 0.9))),
        "false_positives": Between(0.01, 0.1),
    },
    begin_tick=begin_tick,
    decide=decide,
    write_tags=write_tags,
    settle=settle,
    observe=observe,
    measure=measure,
)

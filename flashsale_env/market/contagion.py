"""Contagion: buyers tell friends, and a sale that sells draws a crowd.

Owns    who follows whom, when friends come, and the lift of traffic by the share of units sold.
Leaves  the order in which people come to `sale.guests`.
Axes    S places of the heap of friends on their way.
Units   time in ticks since the start of the sale; traffic as a factor.

Friends come by branching: every buyer tells a Poisson number of friends, each of whom comes after an exponential delay
and may buy and tell friends in turn. The arrivals are a Hawkes process, in its cluster representation (Hawkes & Oakes
1974). A friend is an 8-byte key that follows from the buyer's, so a buyer has the same friends under every policy, and
no intensity has to be bounded and thinned.

The share of units sold is a badge that every visitor of the shop can read ("80 % claimed"). It rises by sales alone:
its denominator is all units that the sale could ever sell, whether ordered yet or not.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import option, put
from flashsale_env.intents import NOBODY, ByIntent
from flashsale_env.market import arrivals, retention
from flashsale_env.market.mechanism import Between, Feature, Mechanism, OneOf, ScenarioLike, power_of_two
from flashsale_env.market.parts import Part, require_range

# A Poisson number of mean 10 exceeds 255 with probability below 1e-200, so the draw needs no more.
_MOST_FRIENDS, _MOST_TOLD = 10.0, 255
# Places of the heap: 16 bytes each in the record of every sale.
_MOST_PLACES = 1 << 16
# Beyond any badge; the dominating stream grows with it.
_MOST_LIFT = 100.0

_FRIENDS = streams.purpose("contagion.friends")
_DELAY = streams.purpose("contagion.delay")


@dataclass(frozen=True)
class Contagion(Part):
    """Word of mouth, and the pull of the share of units sold.

    Args:
        friends: mean number of friends whom a buyer tells, who pays now or later; they come whether or not the traffic
            of the shop is lifted.
        minutes: mean time from the visit of the buyer until a friend comes, minutes; exponential.
        claimed_lift: relative increase of traffic when everything is sold; in proportion to the share of units sold at
            the start of a tick.
        most_coming: friends on their way that the store can hold, a power of two. Who finds it full does not come
            (`friends_dropped`).

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    friends: ByIntent = NOBODY
    minutes: float = 5.0
    claimed_lift: float = 0.0
    most_coming: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "friends", most=_MOST_FRIENDS)
        require_range(self, "claimed_lift", most=_MOST_LIFT)
        if self.minutes <= 0:
            raise ValueError(f"contagion.minutes must be above 0, got {self.minutes:g}; e.g. 5.0.")
        if not 1 <= self.most_coming <= _MOST_PLACES or self.most_coming != power_of_two(self.most_coming):
            raise ValueError(
                f"contagion.most_coming must be a power of two from 1 to {_MOST_PLACES}, got {self.most_coming}; "
                f"e.g. {min(power_of_two(max(self.most_coming, 1)), _MOST_PLACES)}."
            )

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """The whole part without any contagion; the settings of friends without friends; a lift of one tick."""
        if not any(self.friends) and not self.claimed_lift:
            yield (
                "[contagion] does nothing: friends and claimed_lift are 0. Raise one of them, e.g. friends = 0.5, or "
                "leave [contagion] out."
            )
        for name in ("minutes", "most_coming"):
            if not any(self.friends) and getattr(self, name) != getattr(Contagion, name):
                yield (
                    f"contagion.{name} {getattr(self, name):g} does nothing while friends is 0. Give friends, or leave "
                    f"{name} out."
                )
        if self.claimed_lift and scenario.horizon_ticks == 1:
            yield (
                f"contagion.claimed_lift {self.claimed_lift:g} does nothing in a sale of one tick: it follows the "
                f"units sold at the start of a tick. Take more, shorter ticks, or leave it out."
            )

    def idle_among(self, scenario: ScenarioLike, customers: Any) -> Iterator[str]:
        """Friends, if nobody of the intents of these customers has any."""
        if any(self.friends) and not np.array(self.friends)[np.unique(customers.latent_class)].any():
            yield (
                f"contagion.friends of scenario {scenario.name!r} do nothing among these customers: nobody of their "
                f"intents has friends."
            )


@scalar
def begin_tick(rules, sale):
    """The badge shows the share of all units that were sold before this tick."""
    sold = 0
    units = 0
    for j in range(rules.n_products):
        sold += sale.sold[j]
        units += rules.stock_scale[j]
    # Under unlimited supply more units can be sold than the storage holds.
    sale.contagion.claimed = min(1.0, sold / units)


@scalar
def write_tags(rules, sale):
    """The share of the dominating stream that comes."""
    lift = rules.contagion.claimed_lift
    sale.coming_share *= (1.0 + lift * sale.contagion.claimed) / (1.0 + lift)


@scalar
def tell(rules, of_rules, contagion, voice, sale, key, time):
    """A buyer tells a Poisson number of friends; both records are None in a sale without contagion."""
    if of_rules is None or contagion is None:
        return
    expected = of_rules.friends[voice.latent]
    if expected <= 0.0:
        return
    told = streams.subkey(key, _FRIENDS)
    u = streams.uniform(streams.subkey(told, 0))
    # Inversion: the number is the lowest n with P(at most n) >= u.
    chance = math.exp(-expected)
    at_most = chance
    n = 0
    while u > at_most and n < _MOST_TOLD:
        n += 1
        chance *= expected / n
        at_most += chance
        friend = retention.newcomer(option(rules, "retention"), told, n)
        delay = -math.log(streams.uniform(streams.subkey(friend, _DELAY))) * of_rules.delay
        when = sale.tick + time + delay
        if when < rules.horizon:
            push(contagion, when, friend)


@scalar
def push(contagion, when, key):
    """Add a friend to the heap, whose root comes first; without a place the friend does not come."""
    if contagion.number == len(contagion.key):
        contagion.dropped += 1
        return
    i = contagion.number
    contagion.number += 1
    while i > 0 and contagion.when[(i - 1) >> 1] > when:
        contagion.when[i] = contagion.when[(i - 1) >> 1]
        contagion.key[i] = contagion.key[(i - 1) >> 1]
        i = (i - 1) >> 1
    contagion.when[i] = when
    contagion.key[i] = key


@scalar
def pop(contagion):
    """Take the root off the heap."""
    contagion.number -= 1
    n = contagion.number
    when = contagion.when[n]
    key = contagion.key[n]
    i = 0
    while 2 * i + 1 < n:
        child = 2 * i + 1
        if child + 1 < n and contagion.when[child + 1] < contagion.when[child]:
            child += 1
        if contagion.when[child] >= when:
            break
        contagion.when[i] = contagion.when[child]
        contagion.key[i] = contagion.key[child]
        i = child
    contagion.when[i] = when
    contagion.key[i] = key


@scalar
def time_of_next(contagion, sale):
    """When the next friend comes, in ticks from the start of this one; `contagion` None: never."""
    if contagion is None:
        return arrivals.NEVER
    return contagion.when[0] - sale.tick if contagion.number > 0 else arrivals.NEVER


@scalar
def next_friend(contagion, sale, before):
    """(time, key) of the next friend of this tick, at the latest at `before`; `contagion` None: there are none."""
    if contagion is None:
        return arrivals.NEVER, sale.key
    if contagion.number == 0:
        return arrivals.NEVER, sale.key
    time = contagion.when[0] - sale.tick
    if time >= 1.0 or time > before:
        return arrivals.NEVER, sale.key
    key = contagion.key[0]
    pop(contagion)
    contagion.came += 1
    return time, key


@scalar
def observe(rules, sale, schedule, out):
    """The customers who followed a friend's link."""
    put(out, rules.at.referred, sale.contagion.came / max(sale.customers, 1), 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Friends who came, and those without a place in the store."""
    out[rules.metric.friends] = sale.contagion.came
    out[rules.metric.friends_dropped] = sale.contagion.dropped


MECHANISM = Mechanism(
    settings=Contagion,
    size=lambda scenario: int(scenario.contagion.most_coming) if any(scenario.contagion.friends) else 1,
    state=lambda sizes: (
        ("key", "u8", (sizes.own,)),  # *
        ("when", "f8", (sizes.own,)),  # * heap: place i is not after 2i + 1 and 2i + 2
        ("claimed", "f8"),  # share of all units sold at the start of the tick
        ("number", "i8"),  # * friends on their way
        ("came", "i8"),
        ("dropped", "i8"),  # *
    ),
    rules=lambda sizes: (("friends", "f8", (sizes.intents,)), ("delay", "f8"), ("claimed_lift", "f8")),
    lay_out=lambda scenario: {
        "friends": scenario.contagion.friends,
        "delay": scenario.contagion.minutes / scenario.tick_minutes,
        "claimed_lift": scenario.contagion.claimed_lift,
    },
    features={
        "referred": Feature(
            "sale",
            0.0,
            1.0,
            "share of all customers so far",
            "customers who came because a buyer told them",
            "demand",
            applies=lambda scenario: scenario.contagion is not None and any(scenario.contagion.friends),
            on_request=True,
        )
    },
    metrics={
        "friends": "customers who came because a buyer told them",
        "friends_dropped": "friends who found the store of `contagion.most_coming` full and did not come",
    },
    most_traffic=lambda scenario: float(1.0 + scenario.contagion.claimed_lift),
    ranges={
        "friends": Between(0.05, 0.8),
        "minutes": Between(1.0, 20.0),
        "claimed_lift": Between(0.1, 2.0),
        "most_coming": OneOf((64, 256)),
    },
    begin_tick=begin_tick,
    write_tags=write_tags,
    observe=observe,
    measure=measure,
)

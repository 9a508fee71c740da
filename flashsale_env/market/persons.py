"""Persons: past customers who are followed one by one, from their first purchase until they are gone for good.

Owns    who is a customer of the shop, when each of them comes, and who is gone.
Leaves  the law of visits and dropouts, the coupon and the expected numbers to `retention`, the sequence of sales to
        `campaign`.
Axes    P places for persons, in the order of their first purchases; places from `number` on are empty.
Units   times in ticks since the start of the sale.

`retention` keeps expected numbers of past customers, and whoever comes back is somebody of the same intent. Here the
same person comes back: with the same voice, and with tastes drawn anew in every sale, as for everybody. A buyer who is
not known yet becomes a person, with a type (visit rate and dropout probability) of its own. In every later sale

    visit       a living person of visit rate l comes with probability g·(1 - exp(-l·weeks))·(1 + lift·depth), at a time
                of the law of all arrivals; g is goodwill, depth that of its coupon over the deepest
    dropout     after each repeat purchase it is gone for good with probability p·(1 - keeps·depth)

which is the model of `retention`, person by person. Traffic shocks and other promotions bring nobody back.

A person is an 8-byte key, that of its first visit, and all its draws follow from this key and the number of the sale:
under another policy the same persons come to the same sales, as long as they are alive.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.market import arrivals, retention
from flashsale_env.market.mechanism import Mechanism, OneOf, ScenarioLike, power_of_two
from flashsale_env.market.parts import Part

# 40 bytes each in the record of every sale.
_MOST_PLACES = 1 << 16

_TYPE = streams.purpose("persons.type")
_SALE = streams.purpose("persons.sale")
_VISIT = streams.purpose("persons.visit")
_DROPOUT = streams.purpose("persons.dropout")
_BEFORE = streams.purpose("persons.before")


@dataclass(frozen=True)
class Persons(Part):
    """Past customers who are followed one by one.

    Args:
        most: persons the store can hold, a power of two. Who finds it full is not followed, and does not come back
            (`persons_dropped`).

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    most: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.most <= _MOST_PLACES or self.most != power_of_two(self.most):
            raise ValueError(
                f"persons.most must be a power of two from 1 to {_MOST_PLACES}, got {self.most}; e.g. "
                f"{min(power_of_two(max(self.most, 1)), _MOST_PLACES)}."
            )

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """The whole part without the law by which persons come back."""
        if scenario.retention is None:
            yield (
                "[persons] does nothing without [retention], which says how often customers come back and when they "
                "are gone. Add [retention], or leave [persons] out."
            )

    def check(self, scenario: ScenarioLike) -> None:
        """Refuse what brings a customer back within a sale, by a key that has another voice.

        Raises:
            ValueError: the scenario has [waiting].
        """
        if scenario.waiting is not None:
            raise ValueError(
                "[persons] cannot be combined with [waiting]: who looks again is drawn anew from its key, and a person "
                "has a voice of its own. Leave one of them out."
            )


@scalar
def open_sale(rules, sale, grids):
    """Nobody is turned down by `retention.most_returning`: that is a limit of the stream."""
    sale.retention.missed = 0.0


@scalar
def carry(before, persons, sale):
    """Give a sale that has just opened the persons of the sale before; both records are None in a sale without."""
    if before is None or persons is None:
        return
    persons.number = before.number
    persons.dropped = before.dropped
    persons.lost = before.lost
    for i in range(before.number):
        persons.key[i] = before.key[i]
        persons.row[i] = before.row[i]
        persons.type[i] = before.type[i]
        persons.gone[i] = before.gone[i]
    sale.retention.missed = 0.0


@scalar
def follow(of_rules, persons, key, row):
    """A new person, or one without a place."""
    if persons.number == len(persons.key):
        persons.dropped += 1
        return
    u = streams.uniform(streams.subkey(key, _TYPE))
    kind = 0
    until = of_rules.share[0]
    while u >= until and kind < retention.TYPES - 1:
        kind += 1
        until += of_rules.share[kind]
    i = persons.number
    persons.number += 1
    persons.key[i] = key
    persons.row[i] = row
    persons.type[i] = kind
    persons.gone[i] = 0


@scalar
def chance(of_rules, persons, sale, i, raised):
    """Probability that person i comes to this sale if alive; `raised` is the factor of its coupon."""
    return of_rules.visits[persons.type[i]] * sale.campaign.goodwill * raised


@scalar
def visit_key(persons, sale, i):
    """The key of person i at this sale."""
    return streams.subkey(streams.subkey(persons.key[i], _SALE), sale.episode)


@scalar
def time_of(u, rules, schedule):
    """A time by the law of all arrivals, from a uniform number: exactly in the tick, uniform within it."""
    total = 0.0
    for t in range(rules.horizon):
        total += schedule[t, 0]
    left = u * total
    for t in range(rules.horizon):
        if left < schedule[t, 0]:
            return t + left / schedule[t, 0]
        left -= schedule[t, 0]
    return rules.horizon - 1e-9


@scalar
def invite(of_rules, persons, rules, voices, sale, schedule):
    """At the start of a sale, who may come and when; the records are None in a sale without persons."""
    if of_rules is None or persons is None:
        return
    if sale.tick > 0:
        return
    if sale.campaign.number == 0:
        for n in range(int(of_rules.customers + 0.5)):
            key = streams.subkey(streams.subkey(sale.key, _BEFORE), n)
            follow(of_rules, persons, key, arrivals.voice_of(rules, voices, sale.retention.mix, key))
    for i in range(persons.number):
        if persons.gone[i] == 1:
            continue
        key = visit_key(persons, sale, i)
        if streams.uniform(streams.subkey(key, _VISIT)) < chance(of_rules, persons, sale, i, 1.0 + of_rules.lift):
            when = time_of(streams.uniform(streams.subkey(key, _VISIT + 1)), rules, schedule)
            place = persons.coming
            persons.coming += 1
            while place > 0 and persons.when[place - 1] > when:
                persons.when[place] = persons.when[place - 1]
                persons.who[place] = persons.who[place - 1]
                place -= 1
            persons.when[place] = when
            persons.who[place] = i


@scalar
def next_person(persons, sale, before):
    """(time, key) of the next person of this tick, at the latest at `before`; `persons` None: there are none."""
    if persons is None:
        return arrivals.NEVER, sale.key
    if persons.next == persons.coming:
        return arrivals.NEVER, sale.key
    time = persons.when[persons.next] - sale.tick
    if time >= 1.0 or time > before:
        return arrivals.NEVER, sale.key
    i = persons.who[persons.next]
    persons.next += 1
    persons.here = i + 1
    sale.retention.serving = 1
    return max(time, 0.0), visit_key(persons, sale, i)


@scalar
def stays_away(of_rules, persons, voices, sale, key):
    """Whether the person who is here would have come under a deeper coupon only; then nobody is here."""
    if of_rules is None or persons is None:
        return False
    i = persons.here - 1
    depth = sale.retention.depth[voices[persons.row[i]].predicted]
    raised = 1.0 + of_rules.lift * depth / of_rules.deepest
    if streams.uniform(streams.subkey(key, _VISIT)) < chance(of_rules, persons, sale, i, raised):
        return False
    persons.here = 0
    sale.retention.serving = 0
    return True


@scalar
def voice_of(persons, drawn):
    """Row of the voice of the person who is here; `drawn` if the customer is not known."""
    if persons is None:
        return drawn
    return persons.row[persons.here - 1] if persons.here > 0 else drawn


@scalar
def identity(persons, key):
    """The key of the person who is here; that of the visit if the customer is not known."""
    if persons is None:
        return key
    return persons.key[persons.here - 1] if persons.here > 0 else key


@scalar
def note_payment(persons):
    """The customer who is here pays, now or later; `persons` is None in a sale without."""
    if persons is None:
        return
    persons.paid = 1


@scalar
def end_visit(of_rules, persons, voices, sale, key, row):
    """The customer leaves: a new person, or one who may be gone for good after a repeat purchase."""
    if of_rules is None or persons is None:
        return
    if persons.paid == 1 and persons.here > 0:
        i = persons.here - 1
        dropout = of_rules.dropout[persons.type[i]]
        dropout *= 1.0 - retention.share_kept(of_rules, sale.retention, voices[row])
        if streams.uniform(streams.subkey(key, _DROPOUT)) < dropout:
            persons.gone[i] = 1
            persons.lost += 1
    elif persons.paid == 1:
        follow(of_rules, persons, key, row)
    persons.paid = 0
    persons.here = 0
    sale.retention.serving = 0


@scalar
def measure(rules, sale, out):
    """Persons followed, those who are gone, and those without a place."""
    out[rules.metric.persons] = sale.persons.number
    out[rules.metric.persons_gone] = sale.persons.lost
    out[rules.metric.persons_dropped] = sale.persons.dropped


MECHANISM = Mechanism(
    settings=Persons,
    size=lambda scenario: int(scenario.persons.most),
    state=lambda sizes: (
        ("key", "u8", (sizes.own,)),  # *
        ("row", "i4", (sizes.own,)),  # * of the voice
        ("type", "i4", (sizes.own,)),  # * see `retention.customer_types`
        ("gone", "i4", (sizes.own,)),  # * 1 if gone for good
        # those who may come to this sale, in the order of their times
        ("when", "f8", (sizes.own,)),  # *
        ("who", "i4", (sizes.own,)),  # * place of the person
        ("coming", "i8"),  # * their number
        ("next", "i8"),  # * of them who comes next
        # at the till
        ("here", "i8"),  # * 1 + place of the person; 0 if the customer is not known
        ("paid", "i8"),  # *
        # since the start of the campaign
        ("number", "i8"),  # of persons
        ("lost", "i8"),  # * gone for good
        ("dropped", "i8"),  # without a place
    ),
    metrics={
        "persons": "past customers who are followed one by one",
        "persons_gone": "of them, those who are gone for good",
        "persons_dropped": "buyers who found the store of `persons.most` full and are not followed",
    },
    ranges={"most": OneOf((64, 256))},
    open=open_sale,
    measure=measure,
)

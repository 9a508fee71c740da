"""Waiting: customers who do not buy may come back for another look.

Owns    who waits, until which tick, and the public commitment to a later price.
Leaves  the order in which people come to `sale.guests`, and what happens at a look to `sale.visit`.
Axes    S places of the store; R slots of the calendar: whoever looks in tick t is listed in slot t % R.
Units   ticks; a probability at each look.

Prices change at the start of a tick, so that is when people look again, in the order in which they decided to. The
store holds 8-byte keys: voice and tastes are drawn again from the key, so the same person comes back under any policy.

Most who wait are myopic: they look at the prices of the day again. A strategic customer also knows the announced price,
and waits for it if patience · (surplus then) is above the surplus now (Aviv & Pazgal 2008; Cachon & Swinney 2009).

Every customer counts once in demand or lost sales: when buying, when leaving for good, or at the close. Making people
wait therefore avoids no lost sale.
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
from flashsale_env.market import arrivals, choice, coupon, slate, stock
from flashsale_env.market.mechanism import Between, Feature, Mechanism, OneOf, ScenarioLike, power_of_two
from flashsale_env.market.parts import Part, require_range

# Slots of the calendar. People due in a later round stay in their slot, so any number is exact.
_SLOTS = 32
# Places in the store: 25 bytes each in the record of every sale.
_MOST_PLACES = 1 << 16

_STAY = streams.purpose("waiting.stay")
_DELAY = streams.purpose("waiting.delay")
_STRATEGIC = streams.purpose("waiting.strategic")
_OF_A_LOOK = 42  # bits of the number of a purpose; the number of the look follows


@dataclass(frozen=True)
class Waiting(Part):
    """Customers who come back.

    Args:
        stay: probability that a customer who did not buy stays for another look, drawn anew at each look.
        look_minutes: mean time between two looks, minutes; geometric in ticks, so at least one tick.
        restock: the same as `stay`, for customers whose first choice was out of stock; by default as `stay`.
        strategic: share of customers who compare the offer with the announced price.
        patience: factor on the surplus at the announced price, 0 to 1; below 1 for discounting and for the risk of
            finding the shelf empty.
        announced_share: from `announced_minute` on the price of every product is at most this share of its list price;
            0 for no announcement. The shop is bound by it: a higher price is lowered.
        announced_minute: the minute from which the announcement holds.
        most_waiting: people the store can hold, a power of two. Who finds it full leaves (`waiting_dropped`).

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    stay: ByIntent = NOBODY
    look_minutes: float = 5.0
    restock: ByIntent | None = None
    strategic: ByIntent = NOBODY
    patience: float = 1.0
    announced_share: float = 0.0
    announced_minute: float = 0.0
    most_waiting: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "stay", "strategic", "patience", most=1.0)
        if self.restock is not None:
            require_range(self, "restock", most=1.0)
        require_range(self, "look_minutes", "announced_minute")
        if self.look_minutes == 0:
            raise ValueError("waiting.look_minutes must be above 0, got 0; people look at most once in a tick.")
        if not 0 <= self.announced_share < 1:
            raise ValueError(
                f"waiting.announced_share must be a share of the list price of at least 0 and below 1, got "
                f"{self.announced_share:g}; 0 is no announcement."
            )
        if not 1 <= self.most_waiting <= _MOST_PLACES or self.most_waiting != power_of_two(self.most_waiting):
            raise ValueError(
                f"waiting.most_waiting must be a power of two from 1 to {_MOST_PLACES}, got {self.most_waiting}; "
                f"e.g. {min(power_of_two(max(self.most_waiting, 1)), _MOST_PLACES)}."
            )

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """The whole part if nobody ever waits; settings of the announcement without it; a time that nobody takes."""
        looks = any(self.stay) or any(self.restock or ())
        if not looks and not any(self.strategic):
            yield (
                "[waiting] does nothing: stay, restock and strategic are 0, so nobody waits. Raise one of them, e.g. "
                "stay = 0.3, or leave [waiting] out."
            )
        elif scenario.horizon_ticks == 1:
            yield "[waiting] does nothing in a sale of one tick: nobody could look again. Take more, shorter ticks."
        if not looks and self.look_minutes != Waiting.look_minutes:
            yield (
                f"waiting.look_minutes {self.look_minutes:g} does nothing while stay and restock are 0. Give stay, or "
                f"leave look_minutes out."
            )
        if self.announced_minute and not self.announced_share:
            yield (
                f"waiting.announced_minute {self.announced_minute:g} does nothing without announced_share. Give "
                f"announced_share, e.g. 0.5, or leave announced_minute out."
            )
        if any(self.strategic) and not self.announced_share:
            yield (
                "waiting.strategic does nothing without an announced price. Give announced_share and announced_minute, "
                "or leave strategic out."
            )
        if self.patience != Waiting.patience and not any(self.strategic):
            yield (
                f"waiting.patience {self.patience:g} does nothing while strategic is 0. Give strategic, or leave "
                f"patience out."
            )

    def idle_among(self, scenario: ScenarioLike, customers: Any) -> Iterator[str]:
        """The whole part, if nobody of the intents of these customers waits."""
        shares = np.maximum(np.maximum(self.stay, self.restock or 0.0), self.strategic)
        if not shares[np.unique(customers.latent_class)].any():
            yield (
                f"[waiting] of scenario {scenario.name!r} does nothing among these customers: nobody of their intents "
                f"waits."
            )

    def check(self, scenario: ScenarioLike) -> None:
        """Refuse an announcement outside the sale, or of products that the shop could withhold instead.

        Raises:
            ValueError: such an announcement.
        """
        if not self.announced_share:
            return
        if not 1 <= announced_tick(scenario) < scenario.horizon_ticks:
            raise ValueError(
                f"waiting.announced_minute {self.announced_minute:g} must fall after the first of "
                f"{scenario.horizon_ticks} ticks of {scenario.tick_minutes:g} minutes and before the close at "
                f"{scenario.sale_minutes:g}."
            )
        withheld = [product.title for product in scenario.products if product.may_be_withheld]
        if withheld:
            raise ValueError(
                f"waiting.announced_share and may_be_withheld of product {withheld[0]!r} cannot be combined: the shop "
                f"could announce a price and then not sell. Set may_be_withheld = false or leave the announcement out."
            )


def announced_tick(scenario: ScenarioLike) -> int:
    """The tick of the announced minute; 0 without an announcement."""
    # A minute at the start of tick k must not fall into tick k - 1 through rounding in the division.
    return int(scenario.waiting.announced_minute / scenario.tick_minutes + 1e-9)


@scalar
def append(waiting, slot, place):
    """Add a place to the end of the list of this slot. Places count from 1; 0 is none."""
    waiting.following[place - 1] = 0
    if waiting.last[slot] > 0:
        waiting.following[waiting.last[slot] - 1] = place
    else:
        waiting.first[slot] = place
    waiting.last[slot] = place


@scalar
def begin_tick(rules, sale):
    """Move people who look in this tick from its slot to the list `now`, in order; the others stay in the slot."""
    waiting = sale.waiting
    slot = sale.tick % _SLOTS
    place = waiting.first[slot]
    waiting.first[slot] = 0
    waiting.last[slot] = 0
    end = 0
    while place > 0:
        following = waiting.following[place - 1]
        if waiting.due[place - 1] > sale.tick:
            append(waiting, slot, place)
        else:
            waiting.following[place - 1] = 0
            if end > 0:
                waiting.following[end - 1] = place
            else:
                waiting.now = place
            end = place
        place = following


@scalar
def decide(rules, sale, grids, encoding, action):
    """From the announced tick on, no price is above the announced one."""
    if rules.waiting.announced_tick == 0 or sale.tick < rules.waiting.announced_tick:
        return
    for j in range(rules.n_products):
        sale.price[j] = min(sale.price[j], rules.waiting.announced_share * rules.list_price[j])


@scalar
def next_look(waiting, sale):
    """(time, key) of the next customer who looks again in this tick; `waiting` is None in a sale where nobody waits.

    Frees the place and notes the number of the look, from 1, and what was out of stock at the last one.
    """
    if waiting is None:
        return arrivals.NEVER, sale.key
    place = waiting.now
    if place == 0:
        return arrivals.NEVER, sale.key
    waiting.now = waiting.following[place - 1]
    waiting.following[place - 1] = waiting.free
    waiting.free = place
    waiting.number -= 1
    waiting.visits += 1
    waiting.look = waiting.looks[place - 1]
    waiting.wanted_last = waiting.wanted[place - 1] if waiting.lost[place - 1] else -1
    return 0.0, waiting.key[place - 1]


@scalar
def look_of(waiting, returns):
    """Number of the look of the current customer: 0 for the first visit."""
    if waiting is None:
        return 0
    return waiting.look if returns else 0


@scalar
def remember(waiting, key, due, look, wanted, lost):
    """Keep a customer for a look in tick `due`; false if the store is full, and the customer leaves."""
    place = waiting.free
    if place > 0:
        waiting.free = waiting.following[place - 1]
    elif waiting.used < len(waiting.key):
        waiting.used += 1
        place = waiting.used
    else:
        waiting.dropped += 1
        return False
    waiting.key[place - 1] = key
    waiting.due[place - 1] = due
    waiting.looks[place - 1] = look
    waiting.wanted[place - 1] = wanted
    waiting.lost[place - 1] = lost
    waiting.number += 1
    append(waiting, due % _SLOTS, place)
    return True


@scalar
def ticks_until_look(chance, key, look):
    """Geometric time until the next look, in ticks, at least 1; `chance` is the probability of each tick."""
    if chance >= 1.0:
        return 1
    u = streams.uniform(streams.subkey(key, _DELAY + (np.int64(look) << _OF_A_LOOK)))
    return 1 + np.int64(min(math.log(u) / math.log1p(-chance), 1e9))


@scalar
def prefers_announced(rules, waiting, voice, sale, key, offer, bought):
    """Whether this customer gains more by waiting for the announced price than by the offer of today.

    Surplus is compared in the units of the choice model: currency under "exponential"; under a logit, reference prices,
    which differ from logits by one factor for all products. Today's surplus includes coupon and targeted offer. The
    customer foresees neither stock nor offers: the announced prices are those of the products on hand today.
    """
    clips, drift, payable, mood = offer
    choice.reservation_prices(rules, voice, sale, key, drift, mood, waiting.reservation)
    of_coupon, listed = option(sale, "coupon"), option(sale, "slate")
    in_currency = rules.choice_model == choice.EXPONENTIAL
    today = 0.0
    later = 0.0
    for j in range(rules.n_products):
        if sale.on_hand[j] == 0 or not slate.sees(listed, j):
            continue
        unit = 1.0 if in_currency else 1.0 / rules.reference_price[j]
        announced = rules.waiting.announced_share * rules.list_price[j]
        later = max(later, (waiting.reservation[j] - announced) * unit)
        if j == bought:
            price = np.float64(coupon.tag(of_coupon, sale, clips, j)) * payable * rules.reference_price[j]
            today = (waiting.reservation[j] - price) * unit
    return rules.waiting.patience * later > max(today, 0.0)


@scalar
def waits(rules, of_rules, waiting, voice, sale, key, returns, offer, wanted, bought):
    """Whether this customer neither buys nor leaves now; both records are None in a sale where nobody waits.

    `offer` is what the visit makes of the price tags: (clips, drift, payable, mood), as in `choice.choose`.
    """
    if of_rules is None or waiting is None:
        return False
    look = waiting.look if returns else 0
    intent = voice.latent
    if sale.tick < of_rules.announced_tick:
        share = of_rules.strategic[intent]
        is_strategic = share > 0.0 and streams.uniform(streams.subkey(key, _STRATEGIC)) < share
        if is_strategic and prefers_announced(rules, waiting, voice, sale, key, offer, bought):
            lost = wanted < rules.n_products and bought == rules.n_products
            kept = remember(waiting, key, of_rules.announced_tick, look + 1, wanted, lost)
            # Without a place this customer leaves: a full store makes nobody buy.
            return kept or bought < rules.n_products
    if bought < rules.n_products:
        return False
    lost = wanted < rules.n_products
    stay = of_rules.restock[intent] if lost else of_rules.stay[intent]
    if stay == 0.0 or streams.uniform(streams.subkey(key, _STAY + (np.int64(look) << _OF_A_LOOK))) >= stay:
        return False
    due = sale.tick + ticks_until_look(of_rules.look_chance, key, look)
    return remember(waiting, key, due, look + 1, wanted, lost)


@scalar
def give_up(waiting, sale, returns):
    """A customer leaves before this look: who found the first choice out of stock at the last one is a lost sale.

    Returns whether it is counted.
    """
    if waiting is None:
        return False
    if returns and waiting.wanted_last >= 0:
        sale.demand[waiting.wanted_last] += 1
        stock.lose(sale, waiting.wanted_last)
        return True
    return False


@scalar
def count_buyer(waiting, returns):
    """Count a purchase at a later look."""
    if waiting is None:
        return
    if returns:
        waiting.buyers += 1


@scalar
def end_tick(rules, sale, closes):
    """At the close nobody can look again: customers whose last first choice was out of stock are lost sales."""
    if not closes:
        return
    waiting = sale.waiting
    for slot in range(_SLOTS):
        place = waiting.first[slot]
        while place > 0:
            if waiting.lost[place - 1]:
                sale.demand[waiting.wanted[place - 1]] += 1
                stock.lose(sale, waiting.wanted[place - 1])
            place = waiting.following[place - 1]


@scalar
def observe(rules, sale, schedule, out):
    """The customers on the watch list."""
    put(out, rules.at.waiting, sale.waiting.number / max(sale.customers, 1), 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Later looks, and what came of them."""
    out[rules.metric.return_visits] = sale.waiting.visits
    out[rules.metric.return_buyers] = sale.waiting.buyers
    out[rules.metric.waiting_dropped] = sale.waiting.dropped


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    waiting = scenario.waiting
    return {
        "stay": waiting.stay,
        "restock": waiting.stay if waiting.restock is None else waiting.restock,
        "strategic": waiting.strategic,
        "look_chance": min(1.0, scenario.tick_minutes / waiting.look_minutes),
        "patience": waiting.patience,
        "announced_share": waiting.announced_share,
        "announced_tick": announced_tick(scenario),
    }


MECHANISM = Mechanism(
    settings=Waiting,
    size=lambda scenario: int(scenario.waiting.most_waiting),
    state=lambda sizes: (
        # * all of them, except `number`
        ("key", "u8", (sizes.own,)),
        ("reservation", "f8", (sizes.products,)),  # scratch: reservation prices of one customer
        ("due", "i4", (sizes.own,)),  # tick of the next look
        ("looks", "i4", (sizes.own,)),  # its number
        ("wanted", "i4", (sizes.own,)),  # first choice at the last look
        ("following", "i4", (sizes.own,)),  # next place in the list
        ("first", "i4", (_SLOTS,)),
        ("last", "i4", (_SLOTS,)),
        ("now", "i4"),  # first place of those who look in this tick
        ("free", "i4"),  # first free place among those used so far
        ("used", "i4"),
        ("number", "i4"),  # people who wait
        ("look", "i4"),  # number of the look of the customer who came back last
        ("wanted_last", "i4"),  # the product that this customer found out of stock at the look before; -1 for none
        ("dropped", "i4"),
        ("visits", "i8"),
        ("buyers", "i8"),
        ("lost", "u1", (sizes.own,)),  # whether the first choice at the last look was out of stock
    ),
    rules=lambda sizes: (
        ("stay", "f8", (sizes.intents,)),
        ("restock", "f8", (sizes.intents,)),
        ("strategic", "f8", (sizes.intents,)),
        ("look_chance", "f8"),  # of each tick
        ("patience", "f8"),
        ("announced_share", "f8"),
        ("announced_tick", "i8"),
    ),
    lay_out=_lay_out,
    features={
        "waiting": Feature(
            "sale",
            0.0,
            1.0,
            "share of all customers so far",
            "customers who wait for another look",
            "demand",
            on_request=True,
        )
    },
    metrics={
        "return_visits": "visits of customers who came back",
        "return_buyers": "customers who bought when they came back",
        "waiting_dropped": "customers who would have waited and found the store full (`waiting.most_waiting`)",
    },
    ranges={
        "stay": Between(0.05, 0.95),
        "look_minutes": Between(1.0, 20.0),
        "restock": Between(0.05, 0.95),
        "announced_share": Between(0.4, 0.9),
        "announced_minute": Between(2.0, 20.0),
        "strategic": Between(0.05, 0.5),
        "patience": Between(0.5, 1.0),
        "most_waiting": OneOf((256, 1024)),
    },
    begin_tick=begin_tick,
    decide=decide,
    end_tick=end_tick,
    observe=observe,
    measure=measure,
)

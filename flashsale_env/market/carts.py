"""Carts: units are held for a customer who has not paid yet, and come back if the customer never pays.

Owns    when a cart ends and whether it is paid then, and the units in open carts.
Leaves  the shelf and the sales to `stock`; what a paid cart books besides to `sale.visit`.
Axes    M products, R slots of the ring: slot t % R holds the carts that end in tick t.
Units   units; currency; rates per tick.

A customer pays after an exponential time, or gives the cart up after another one, whichever comes first; after
`hold_minutes` the shop takes the units back. All lines of one visit are one cart. The end of a cart is drawn when it is
opened: it belongs to the customer, as the tastes do, and no policy can change or observe it. A cart therefore takes no
record of its own, only counts in the slot of the tick in which it ends.

Carts that end within a tick are booked at the end of it, before the observation: until then their units are not on the
shelf. One that is paid in the very tick in which it was opened is an ordinary sale.

At the close every open cart ends as it would have ended later: it is paid or its units are left over.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import option, put
from flashsale_env.intents import ByIntent
from flashsale_env.market import coupon, stock
from flashsale_env.market.mechanism import Between, Feature, Mechanism, ScenarioLike, room_for
from flashsale_env.market.parts import Part, require_range
from flashsale_env.tables import example

_PAYMENT = streams.purpose("carts.payment")
# A longer ring would take megabytes of every sale.
_MOST_TICKS = 1 << 14


@dataclass(frozen=True)
class Carts(Part):
    """Units in carts: held for a while, then paid or released.

    Of all carts, the share paid / (paid + given up) · (1 - exp(-(paid + given up) · hold)) is paid, with the rates per
    minute `paid_per_minute` and `given_up_per_minute`. About 30 % of online carts are.

    Args:
        hold_minutes: how long the shop holds the units of a cart, minutes, at least one tick. With holds below some
            ten ticks, units wait noticeably for the end of the tick.
        paid_per_minute: rate at which a customer pays; a number, or a table by intent.
        given_up_per_minute: rate at which a customer gives the cart up before the hold ends; likewise.

    Raises:
        ValueError: a value is out of range, or nobody ever pays; the message names it.
    """

    hold_minutes: float = field(metadata=example(15.0))
    # 70 % of carts are not paid within 15 minutes.
    paid_per_minute: ByIntent = field(default=ByIntent.read(0.023778, ""), metadata=example(0.023778))
    given_up_per_minute: ByIntent = field(default=ByIntent.read(0.0, ""))

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "paid_per_minute", "given_up_per_minute")
        if self.hold_minutes <= 0:
            raise ValueError(
                f"carts.hold_minutes must be above 0, got {self.hold_minutes:g}; leave [carts] out for a sale in "
                f"which customers pay at once."
            )
        if not any(self.paid_per_minute):
            raise ValueError("carts.paid_per_minute must be above 0 for some intent, or nothing is ever sold.")

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Nothing: a cart keeps a unit off the shelf in every sale."""
        return iter(())

    def check(self, scenario: ScenarioLike) -> None:
        """Refuse a hold below one tick, and one of very many ticks.

        Raises:
            ValueError: it is; the message says which length of a tick would do.
        """
        ticks = self.hold_minutes / scenario.tick_minutes
        if ticks < 1:
            raise ValueError(
                f"carts.hold_minutes {self.hold_minutes:g} is shorter than a tick of {scenario.tick_minutes:g} minutes,"
                f" at whose end carts are booked: no hold would end in time. Take a hold of at least one tick, better "
                f"ten, or ticks of {self.hold_minutes / 10:g} minutes."
            )
        if _slots(scenario) > _MOST_TICKS:
            raise ValueError(
                f"carts.hold_minutes {self.hold_minutes:g} are {ticks:.3g} ticks of {scenario.tick_minutes:g} minutes, "
                f"and every sale keeps as many slots; at most {_MOST_TICKS:,} are played. Take longer ticks."
            )


@scalar
def ending(rules, voice, key, time):
    """(number of ticks until this customer's cart ends, whether it is paid then).

    0 and True is a purchase at once, as in a sale without carts, where `rules` is None. `time` is within the tick.
    """
    if rules is None:
        return 0, True
    until = rules.hold
    pays = False
    payment = rules.paid[voice.latent]
    rate = payment + rules.given_up[voice.latent]
    if rate > 0.0:
        # The first of two exponential times is exponential with the sum of the rates, independent of which comes first.
        first = -math.log(streams.uniform(streams.subkey(key, _PAYMENT))) / rate
        if first < rules.hold:
            until = first
            pays = streams.uniform(streams.subkey(key, _PAYMENT + 1)) * rate < payment
    # A cart that outlives the sale ends at the close, so any slot that the sale never reaches will do.
    return int(min(time + until, float(rules.last_slot))), pays


@scalar
def check_out(carts, sale, ahead, pays, j, units, paid, discount):
    """Sell units of product j that were taken off the shelf, or keep them in a cart; see `ending` for `ahead`, `pays`.

    `paid` is the sum to pay, `discount` the coupon budget that it takes, both currency. `carts` is None in a sale
    without carts.
    """
    if carts is None:
        stock.sell(sale, j, units, paid)
        return
    carts.opened += units
    if pays and ahead == 0:
        stock.sell(sale, j, units, paid)
        return
    slot = (sale.tick + ahead) % len(carts.budget)
    carts.reserved[j] += units
    if pays:
        carts.paying[slot, j] += units
        carts.money[slot, j] += paid
    else:
        carts.lapsing[slot, j] += units
        carts.budget[slot] += discount


@scalar
def end_slot(rules, sale, slot):
    """End the carts of a slot: paid ones are sold, the units and the coupon budget of the others come back."""
    carts = sale.carts
    for j in range(rules.n_products):
        paying = carts.paying[slot, j]
        lapsing = carts.lapsing[slot, j]
        if paying > 0:
            stock.sell(sale, j, paying, carts.money[slot, j])
        sale.on_hand[j] += lapsing
        carts.lapsed += lapsing
        carts.reserved[j] -= paying + lapsing
        carts.paying[slot, j] = 0
        carts.lapsing[slot, j] = 0
        carts.money[slot, j] = 0.0
    coupon.give_back(option(sale, "coupon"), carts.budget[slot])
    carts.budget[slot] = 0.0


@scalar
def end_tick(rules, sale, closes):
    """End the carts of this tick, at the close all of them, in the order of their ends.

    The tags of products that come back are written at the start of the next tick, before the next customer.
    """
    slots = len(sale.carts.budget)
    for ahead in range(slots if closes else 1):
        end_slot(rules, sale, (sale.tick + ahead) % slots)
    for j in range(rules.n_products):
        sale.carts.reserved_ticks += sale.carts.reserved[j]


@scalar
def observe(rules, sale, schedule, out):
    """Units in carts, as shares of all units of the product."""
    if rules.at.reserved >= 0:
        for j in range(rules.n_products):
            put(out, rules.at.reserved + j, sale.carts.reserved[j] / float(rules.stock_scale[j]), 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Units put in carts, and what became of them."""
    carts = sale.carts
    open_units = 0
    for j in range(rules.n_products):
        open_units += carts.reserved[j]
    out[rules.metric.carted] = carts.opened
    out[rules.metric.mean_reserved] = carts.reserved_ticks / max(sale.tick, 1)
    ended = carts.opened - open_units
    out[rules.metric.cart_abandonment] = carts.lapsed / ended if ended > 0 else 0.0


def _slots(scenario: ScenarioLike) -> int:
    """Slots that the carts of a sale can need: its last tick is in the sale, or beyond the close."""
    hold = min(scenario.carts.hold_minutes / scenario.tick_minutes, float(scenario.horizon_ticks))
    return 1 + math.ceil(float(hold))


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    carts, minutes = scenario.carts, scenario.tick_minutes
    return {
        "hold": carts.hold_minutes / minutes,
        "last_slot": room_for(_slots(scenario)) - 1,
        "paid": [rate * minutes for rate in carts.paid_per_minute],
        "given_up": [rate * minutes for rate in carts.given_up_per_minute],
    }


MECHANISM = Mechanism(
    settings=Carts,
    size=lambda scenario: room_for(_slots(scenario)),
    state=lambda sizes: (
        ("reserved", "i8", (sizes.products,)),  # units in open carts
        # of the carts that end in tick t, in slot t % R
        ("paying", "i4", (sizes.own, sizes.products)),  # * units
        ("lapsing", "i4", (sizes.own, sizes.products)),  # * units that come back
        ("money", "f8", (sizes.own, sizes.products)),  # * currency
        ("budget", "f8", (sizes.own,)),  # * coupon budget that comes back, currency
        # since the start of the sale
        ("opened", "i8"),  # units
        ("lapsed", "i8"),  # units that came back
        ("reserved_ticks", "i8"),  # sum of the reserved units at the end of every tick
    ),
    rules=lambda sizes: (
        ("hold", "f8"),  # ticks
        ("last_slot", "i8"),
        ("paid", "f8", (sizes.intents,)),
        ("given_up", "f8", (sizes.intents,)),
    ),
    lay_out=_lay_out,
    features={"reserved": Feature("product", 0.0, 1.0, stock.STOCK_UNIT, "units in open carts", "stock")},
    metrics={
        "carted": "units put in carts",
        "cart_abandonment": "units that came back over units of carts that have ended",
        "mean_reserved": "units in open carts at the end of a tick, mean over ticks",
    },
    ranges={
        "hold_minutes": Between(10.0, 30.0),
        "paid_per_minute": Between(0.01, 0.3),
        "given_up_per_minute": Between(0.0, 0.1),
    },
    end_tick=end_tick,
    observe=observe,
    measure=measure,
)

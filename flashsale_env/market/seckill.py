"""Seckill (秒杀): a few units at a deep special price, released at announced times.

Owns    the special price, the quotas, what is left of them, and their effect on traffic.
Units   quotas in units of one product; prices in currency.

When a slot begins, what is left of the last quota lapses and the quota in the action of that tick is released. While
any of it is left, the product is sold at the lower of special and normal price. A unit bought at the special price is
claimed for good: if it comes back to the shelf, it is sold at the normal price.

What attracts customers is the depth of the special price below the *prior price*, the lowest normal price of the sale
so far. The law measures a reduction in the same way (EU directive 98/6/EC, article 6a: the lowest price of the last 30
days). Below the current price alone, raising it while a quota lasts would attract customers at no cost.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import put
from flashsale_env.market.mechanism import Between, Decision, Feature, Mechanism, OneOf, ScenarioLike, room_for
from flashsale_env.market.parts import Part, require_range
from flashsale_env.tables import example

_MOST_UNITS = 1 << 23  # single precision represents whole units exactly up to here


@dataclass(frozen=True)
class Seckill(Part):
    """A quota of each product at a special price, released when a slot begins.

    Args:
        slot_minutes: starts of the slots, minutes from the start of the sale, rising; rounded up to whole ticks.
        price_share: special price as a share of the list price, between 0 and 1.
        quota: the possible quotas of a product in a slot, units, rising. A single one leaves nothing to decide.
        traffic_lift: relative increase of traffic if all products were free. Each product on hand with a quota left
            adds in proportion to the depth of its special price below its prior price.

    Raises:
        ValueError: a value is out of range or a list does not rise; the message names it.
    """

    slot_minutes: tuple[float, ...] = field(metadata=example([0.0, 20.0, 40.0]))
    price_share: float = field(metadata=example(0.5))
    quota: tuple[int, ...] = field(metadata=example([0, 10, 20]))
    traffic_lift: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "traffic_lift")
        for name, wanted in (("slot_minutes", "[0.0, 20.0, 40.0]"), ("quota", "[0, 10, 20]")):
            values = getattr(self, name)
            if not values or values[0] < 0 or list(values) != sorted(set(values)):
                raise ValueError(f"seckill.{name} must rise from 0 or more, got {list(values)}; e.g. {wanted}.")
        if not 0 < self.price_share < 1:
            raise ValueError(
                f"seckill.price_share must be above 0 and below 1, a share of the list price, got {self.price_share:g}."
            )
        if not 0 < self.quota[-1] <= _MOST_UNITS:
            raise ValueError(
                f"seckill.quota must reach at least 1 and at most {_MOST_UNITS:,} units, got {list(self.quota)}; "
                f"leave [seckill] out for a sale without one."
            )

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """A slot that begins after the close, or in the same tick as another one."""
        ticks = self.slot_ticks(scenario)
        for k, (minutes, tick) in enumerate(zip(self.slot_minutes, ticks, strict=True)):
            if tick >= scenario.horizon_ticks:
                yield (
                    f"seckill.slot_minutes {minutes:g} does nothing: no tick begins then or later in a sale of "
                    f"{scenario.horizon_ticks} ticks of {scenario.tick_minutes:g} minutes. Leave it out."
                )
            elif k > 0 and tick == ticks[k - 1]:
                yield (
                    f"seckill.slot_minutes {self.slot_minutes[k - 1]:g} does nothing: the slot of {minutes:g} begins "
                    f"in the same tick of {scenario.tick_minutes:g} minutes. Leave one out, or take shorter ticks."
                )

    def slot_ticks(self, scenario: ScenarioLike) -> list[int]:
        """The tick in which each slot begins."""
        # A slot that begins with tick k must not move to k + 1 through rounding in the division.
        return [math.ceil(minutes / scenario.tick_minutes - 1e-9) for minutes in self.slot_minutes]


@scalar
def open_sale(rules, sale, grids):
    """Before the sale every product was sold at list price."""
    for j in range(rules.n_products):
        sale.seckill.prior_price[j] = rules.list_price[j]


@scalar
def decide(rules, sale, grids, encoding, action):
    """When a slot begins, the quotas in the action take the place of what is left."""
    seckill = sale.seckill
    if sale.tick != rules.seckill.starts[seckill.slots]:
        return
    seckill.slots += 1
    for j in range(rules.n_products):
        units = np.int64(chosen(rules, grids, encoding, action, rules.row.seckill + j))
        seckill.left[j] = units
        seckill.released += units


@scalar
def write_tags(rules, sale):
    """The special price in place of a higher one, and the share of the dominating stream that comes."""
    seckill = sale.seckill
    depth = 0.0
    for j in range(rules.n_products):
        # An empty shelf keeps its tag and attracts nobody; a product that is not offered has the price 0.
        if sale.on_hand[j] == 0 or sale.price[j] <= 0.0:
            continue
        seckill.prior_price[j] = min(seckill.prior_price[j], sale.price[j])
        special = rules.seckill.price[j]
        if seckill.left[j] > 0 and special < sale.price[j]:
            depth += max(0.0, 1.0 - special / seckill.prior_price[j])
            sale.asking_price[j] = special
            sale.price_share[j] = np.float32(special / rules.reference_price[j])
    lift = rules.seckill.traffic_lift * depth / rules.n_products
    sale.coming_share *= (1.0 + lift) / rules.seckill.most_traffic


@scalar
def left(seckill, sale, j):
    """Units of product j that the next customer gets at the special price; `seckill` is None in a sale without it."""
    if seckill is None:
        return 0
    return seckill.left[j] if sale.asking_price[j] < sale.price[j] else 0


@scalar
def price_of(seckill, sale, j, units):
    """The sum for these units of product j, currency; units beyond the quota are sold at the normal price."""
    special = left(seckill, sale, j)
    if special == 0 or special >= units:
        return sale.asking_price[j] * units
    return sale.asking_price[j] * special + sale.price[j] * (units - special)


@scalar
def claim(seckill, sale, j, units):
    """Take units of product j that are being bought out of the quota; returns whether that was the end of it."""
    if seckill is None:
        return False
    special = min(left(seckill, sale, j), units)
    seckill.left[j] -= special
    seckill.claimed += special
    return special > 0 and seckill.left[j] == 0


@scalar
def observe(rules, sale, schedule, out):
    """What is left of the quotas, and the time until the next slot."""
    if rules.at.prior_price >= 0:
        for j in range(rules.n_products):
            put(out, rules.at.prior_price + j, sale.seckill.prior_price[j] / rules.list_price[j], 0.0, 1.0)
    if rules.at.quota_left >= 0:
        for j in range(rules.n_products):
            put(out, rules.at.quota_left + j, sale.seckill.left[j] / rules.seckill.highest, 0.0, 1.0)
    waits = rules.seckill.starts[sale.seckill.slots] - sale.tick
    put(out, rules.at.next_slot, waits / rules.horizon, 0.0, 1.0)
    put(out, rules.at.slot_opens, 1.0 if waits == 0 and sale.tick < rules.horizon else 0.0, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Units at the special price, and their share of the quotas."""
    released = sale.seckill.released
    out[rules.metric.seckill_units] = sale.seckill.claimed
    out[rules.metric.quota_used] = sale.seckill.claimed / released if released > 0 else 0.0


def _most_traffic(scenario: ScenarioLike) -> float:
    """A special price is deepest below the list price."""
    return float(1.0 + scenario.seckill.traffic_lift * (1.0 - scenario.seckill.price_share))


def _slots(scenario: ScenarioLike) -> int:
    # One more than there are: the last entry is the close, which no tick begins with.
    return room_for(len(scenario.seckill.slot_minutes) + 1)


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    starts = np.full(_slots(scenario), scenario.horizon_ticks)
    ticks = scenario.seckill.slot_ticks(scenario)
    starts[: len(ticks)] = ticks
    return {
        "starts": starts,
        "price": [scenario.seckill.price_share * product.list_price for product in scenario.products],
        "highest": scenario.seckill.quota[-1],
        "traffic_lift": scenario.seckill.traffic_lift,
        "most_traffic": _most_traffic(scenario),
    }


def highest_useful(scenario: ScenarioLike, units: Any, observations: Any) -> Any:
    """(N, M) level 0 in a tick without the start of a slot, whose quotas are not released; else the last level."""
    if "tick" not in units:
        return None
    opens = np.isin(units.tick(observations), scenario.seckill.slot_ticks(scenario))
    return np.tile(np.where(opens, len(scenario.seckill.quota) - 1, 0)[:, None], len(scenario.products))


MECHANISM = Mechanism(
    settings=Seckill,
    size=_slots,
    state=lambda sizes: (
        ("left", "i8", (sizes.products,)),  # units of the quota of the last slot
        ("prior_price", "f8", (sizes.products,)),
        ("slots", "i8"),  # that have begun
        # since the start of the sale, units of all products
        ("released", "i8"),
        ("claimed", "i8"),
    ),
    rules=lambda sizes: (
        ("starts", "i8", (sizes.own,)),  # ticks in which slots begin, filled up with that of the close
        ("price", "f8", (sizes.products,)),  # special prices
        ("highest", "i8"),  # quota
        ("traffic_lift", "f8"),
        ("most_traffic", "f8"),
    ),
    lay_out=_lay_out,
    decisions={
        "seckill": Decision(
            labels=lambda scenario: scenario.titles,
            levels=lambda scenario: [tuple(map(float, scenario.seckill.quota)) for _ in scenario.products],
            discrete_steps=None,
            highest_useful=highest_useful,
            meaning=lambda scenario: (
                f"seckill: units at {scenario.seckill.price_share:.6g} of the list price, released when a slot begins, "
                f"at minute {', '.join(f'{minutes:g}' for minutes in scenario.seckill.slot_minutes)}"
            ),
            unit="units",
        )
    },
    features={
        "quota_left": Feature(
            "product", 0.0, 1.0, "share of the highest quota", "units left at the special price", "promotion"
        ),
        "prior_price": Feature(
            "product",
            0.0,
            1.0,
            "share of list price",
            "lowest normal price so far, on hand and offered",
            "price",
            applies=lambda scenario: (
                scenario.seckill.traffic_lift > 0 and any(len(p.price_levels) > 1 for p in scenario.products)
            ),
            constant=lambda scenario, number: len(scenario.products[number].price_levels) == 1,
        ),
        "next_slot": Feature(
            "sale", 0.0, 1.0, "share of the horizon", "time until the next slot begins, or until the close", "time"
        ),
        "slot_opens": Feature("sale", 0.0, 1.0, "1 or 0", "whether a slot begins with the coming tick", "time"),
    },
    metrics={
        "seckill_units": "units claimed at the special price; a cart that lapses keeps its claim",
        "quota_used": "units claimed at the special price over all quotas released",
    },
    most_traffic=_most_traffic,
    promotion="a special price for a quota of units, released at announced times",
    ranges={
        "slot_minutes": OneOf(((0.0,), (0.0, 3.0), (0.0, 2.0, 4.0))),
        "price_share": Between(0.3, 0.9),
        "quota": OneOf(((0, 2), (0, 5, 10), (1, 20))),
        "traffic_lift": Between(0.0, 0.6),
    },
    open=open_sale,
    decide=decide,
    write_tags=write_tags,
    observe=observe,
    measure=measure,
)

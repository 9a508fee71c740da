"""Disclosure: what the page of a product shows changes what customers do.

Owns    whether each page shows its figures, and their effect on the utility of the product.
Axes    M products; a table by units left: entry k is for k + 1 units.
Units   logits, relative to a page that shows nothing; under "exponential", of the logarithm of willingness to pay.

The figures are those of the moment of the visit, not of the start of the tick: a customer who takes a unit changes the
page of the next one. A product out of stock shows nothing.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import put
from flashsale_env.intents import ByIntent
from flashsale_env.market.mechanism import Between, Decision, Feature, Mechanism, OneOf, ScenarioLike, room_for
from flashsale_env.market.parts import Part, require_range
from flashsale_env.market.pricing import sold_out_for_good

NOTHING = ByIntent.read(0.0, "")

# A factor of e^10 = 22,000 on the odds of a purchase.
MOST_LOGITS = 10.0
# Far more than any page counts out to a customer.
MOST_UNITS = 1024


@dataclass(frozen=True)
class Disclosure(Part):
    """Pages that show the units left, the share claimed and the time left, or nothing.

    A customer with intent i who reads a page with x units left, after a share c of all units was claimed and a share e
    of the sale has passed, adds to the utility of the product

        units_left[x] + scarcity[i]   (x at most K; `plenty` above)   + claimed·c + hurry[i]·e

    Args:
        units_left: effect of 1, 2, ..., K units left, logits; () for none.
        plenty: effect of more than K units left, logits.
        scarcity: further effect of K or fewer units left, logits; a number, or by intent. Such a message lowered the
            sales of durable goods by 17.6 % on average: ln(1 - .176) = -.19 (Park, Rabinovich, Tang & Yin 2020).
        claimed: effect when all units are claimed, logits; in proportion below that. 10 % more claims led to 2.08 %
            more cart-adds in the next hour (Cui, Zhang & Bassamboo 2019); as an elasticity at half of the units that
            is claimed = .43.
        hurry: effect at the close, logits; in proportion to the time passed before it; a number, or by intent.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    units_left: tuple[float, ...] = ()
    plenty: float = 0.0
    scarcity: ByIntent = NOTHING
    claimed: float = 0.0
    hurry: ByIntent = NOTHING

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.units_left) > MOST_UNITS:
            raise ValueError(
                f"disclosure.units_left must have at most {MOST_UNITS:,} entries, got {len(self.units_left):,}; "
                f"plenty is the effect of more units."
            )
        for name in ("units_left", "plenty", "scarcity", "claimed", "hurry"):
            value = getattr(self, name)
            for logits in value if isinstance(value, tuple) else (value,):
                if not abs(logits) <= MOST_LOGITS:
                    raise ValueError(
                        f"disclosure.{name} must lie between -{MOST_LOGITS:g} and {MOST_LOGITS:g} logits, got "
                        f"{logits:g}."
                    )
        require_range(self, "claimed")

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """The whole part without any effect; effects of numbers of units that no product has."""
        most, counted = int(scenario.stock_scale.max()), len(self.units_left)
        if not any((*self.units_left, self.plenty, *self.scarcity, self.claimed, *self.hurry)):
            yield (
                "[disclosure] does nothing, all its effects are 0. Give units_left, claimed, scarcity or hurry, or "
                "leave [disclosure] out."
            )
        if any(self.scarcity) and not counted:
            yield (
                "disclosure.scarcity does nothing without units_left, whose length is the number of units at which "
                "the message is shown. Give it, e.g. units_left = [0.0, 0.0, 0.0, 0.0, 0.0] for 5 or fewer."
            )
        if counted > most:
            yield (
                f"disclosure.units_left has {counted} entries, and no product ever has more than {most} units: the "
                f"last ones do nothing. Leave them out."
            )
        if self.plenty and counted >= most:
            yield (
                f"disclosure.plenty does nothing: no product ever has more than the {counted} units of units_left. "
                f"Leave it out."
            )

    def check(self, scenario: ScenarioLike) -> None:
        """Refuse pages that only win or only lose customers: there would be nothing to decide.

        Raises:
            ValueError: no effect on some product is below 0, or none above.
        """
        for product, units in zip(scenario.products, scenario.stock_scale.tolist(), strict=True):
            shown = [logits + more for logits in self.units_left[:units] for more in self.scarcity]
            if units > len(self.units_left):
                shown.append(self.plenty)
            low = min(shown) + min(0.0, *self.hurry)
            high = max(shown) + max(0.0, *self.hurry) + self.claimed
            where = f"disclosure: on the page of {product.title!r}, of which there are {units} units,"
            if low >= 0 and high > 0:
                raise ValueError(
                    f"{where} no effect is below 0, so to show everything would win customers at no cost. A page that "
                    f"shows plenty of units tells customers that they need not hurry: give plenty below 0, e.g. -0.3."
                )
            if low < 0 and high <= 0:
                raise ValueError(
                    f"{where} no effect is above 0, so to show nothing would always be best. Give units_left, claimed "
                    f"or hurry above 0, or leave [disclosure] out."
                )


@scalar
def decide(rules, sale, grids, encoding, action):
    """Whether the page of each product shows its figures in this tick."""
    for j in range(rules.n_products):
        sale.disclosure.shown[j] = chosen(rules, grids, encoding, action, rules.row.disclosure + j)
        sale.disclosure.pages += sale.disclosure.shown[j]


@scalar
def write_tags(rules, sale):
    """The effect of each unit that is claimed, which changes when stock arrives, and whether any page shows figures."""
    disclosure = sale.disclosure
    disclosure.some_show = 0
    for j in range(rules.n_products):
        all_units = max(rules.initial_stock[j] + sale.received[j], 1)
        disclosure.per_unit[j] = rules.disclosure.claimed / all_units
        disclosure.logits[j] = 0.0
        if disclosure.shown[j] > 0.0 and sale.on_hand[j] > 0:
            disclosure.some_show = 1


@scalar
def show(page, disclosure, rules, sale, voice):
    """Write what the pages do to this customer; `page`, the mechanism's rules, is None in a sale without disclosure."""
    if page is None or disclosure is None:
        return
    if disclosure.some_show == 0:
        return
    scarcity = page.scarcity[voice.latent]
    # What all pages share: the time left, and the effect if everything were claimed.
    common = page.claimed + page.hurry[voice.latent] * sale.tick / rules.horizon
    for j in range(rules.n_products):
        units = sale.on_hand[j]
        logits = 0.0
        if disclosure.shown[j] > 0.0 and units > 0:
            counted = units <= page.counted
            logits = page.units_left[units - 1] + scarcity if counted else page.plenty
            logits += common - disclosure.per_unit[j] * units
        disclosure.logits[j] = np.float32(logits)


@scalar
def effect(disclosure, j):
    """Logits that the page of product j adds to its utility; `disclosure` is None in a sale without it."""
    if disclosure is None:
        return np.float32(0.0)
    return disclosure.logits[j]


@scalar
def factor(disclosure, j):
    """The same, as a factor on willingness to pay."""
    if disclosure is None:
        return 1.0
    return math.exp(disclosure.logits[j])


@scalar
def observe(rules, sale, schedule, out):
    """The pages of the last tick."""
    for j in range(rules.n_products):
        put(out, rules.at.disclosed + j, sale.disclosure.shown[j], 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """How much was shown."""
    out[rules.metric.disclosed] = sale.disclosure.pages / max(sale.tick * rules.n_products, 1)


def highest_useful(scenario: ScenarioLike, units: Any, observations: Any) -> Any:
    """(N, M) level 0 for a product that is sold out for good, whose page shows nothing."""
    gone = sold_out_for_good(units, observations)
    return None if gone is None else np.where(gone, 0, 1)


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    part = scenario.disclosure
    table = np.zeros(MECHANISM.size(scenario))
    table[: len(part.units_left)] = part.units_left
    return {
        "units_left": table,
        "counted": len(part.units_left),
        **{name: getattr(part, name) for name in ("plenty", "scarcity", "claimed", "hurry")},
    }


MECHANISM = Mechanism(
    settings=Disclosure,
    size=lambda scenario: room_for(len(scenario.disclosure.units_left)),
    state=lambda sizes: (
        ("shown", "f8", (sizes.products,)),  # 1 for a page that shows its figures
        ("per_unit", "f8", (sizes.products,)),  # logits of each unit claimed, if the page shows its figures
        ("some_show", "i8"),  # * 1 if some page shows its figures
        ("logits", "f4", (sizes.products,)),  # * what the pages do to the customer of the current visit
        ("pages", "f8"),  # that showed, one for each product and tick
    ),
    rules=lambda sizes: (
        ("units_left", "f8", (sizes.own,)),
        ("counted", "i8"),  # entries of the table
        ("plenty", "f8"),
        ("scarcity", "f8", (sizes.intents,)),
        ("claimed", "f8"),
        ("hurry", "f8", (sizes.intents,)),
    ),
    lay_out=_lay_out,
    decisions={
        "disclosure": Decision(
            labels=lambda scenario: scenario.titles,
            levels=lambda scenario: [(0.0, 1.0) for _ in scenario.products],
            discrete_steps=None,
            highest_useful=highest_useful,
            meaning=lambda scenario: (
                "whether the page of a product shows its figures: what is left and what was claimed"
            ),
            unit="word",
            words=lambda scenario: {0.0: "hidden", 1.0: "shown"},
        )
    },
    features={
        "disclosed": Feature(
            "product", 0.0, 1.0, "0 or 1", "whether the page showed its figures in the last tick", "promotion"
        )
    },
    metrics={"disclosed": "share of pages, one for each product and tick, that showed their figures"},
    ranges={
        "units_left": OneOf(((0.4, 0.3, 0.2, 0.1), (0.6, 0.4, 0.2, 0.1, 0.0))),
        "plenty": Between(-0.6, -0.05),
        "scarcity": Between(-0.2, 0.2),
        "claimed": Between(0.0, 0.8),
        "hurry": Between(-0.2, 0.4),
    },
    decide=decide,
    write_tags=write_tags,
    observe=observe,
    measure=measure,
)

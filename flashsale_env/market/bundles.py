"""Bundles: a share off the units of a set of products that are bought together.

Owns    the sets, the share off each of them, and the cost of the bundles.
Leaves  the order of reductions to `sale.till`.
Units   currency; a share off is a share of what the set costs after coupon and targeted offers.

A basket holds as many sets as it has units of the set's scarcest product. A unit of a set counts at the mean price of
its product in the basket, which differs between units only where a coupon's budget or a special price ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import put
from flashsale_env.errors import unknown_name
from flashsale_env.market.mechanism import Decision, Feature, Mechanism, OneOf, ScenarioLike, room_for
from flashsale_env.market.parts import Part, require_rising
from flashsale_env.tables import example

_SMALLEST_SET = 2


@dataclass(frozen=True)
class Bundles(Part):
    """A share off sets of products bought together; needs [basket].

    Args:
        off: the levels of every set, shares off, rising from 0.
        sets: titles of the products of each set, at least two; () for one set of all products. A product belongs to at
            most one set, so no basket can be divided into sets in two ways.

    Raises:
        ValueError: a set is too small, sets share a product, or the shares do not rise from 0; the message names it.
    """

    off: tuple[float, ...] = field(metadata=example([0.0, 0.1, 0.2]))
    sets: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        require_rising(self, "off")
        if any(len(titles) < _SMALLEST_SET for titles in self.sets):
            raise ValueError(
                f"bundles.sets must be sets of at least {_SMALLEST_SET} products, got "
                f"{[list(titles) for titles in self.sets]}; e.g. [['phone', 'case']]."
            )
        titles = [title for titles in self.sets for title in titles]
        for title in titles:
            if titles.count(title) > 1:
                raise ValueError(f"bundles.sets must have every product at most once, got {title!r} twice or more.")

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Sets that are larger than any basket."""
        for titles in sets_of(scenario) if scenario.basket is not None else ():
            if len(titles) > scenario.basket.most_units:
                yield (
                    f"the set {list(titles)} of [bundles] does nothing: it has {len(titles)} units, and a customer "
                    f"takes at most basket.most_units {scenario.basket.most_units}."
                )

    def check(self, scenario: ScenarioLike) -> None:
        """A bundle is in a basket, and made of products of the scenario.

        Raises:
            ValueError: there are no baskets, or no such product.
        """
        if scenario.basket is None:
            raise ValueError("[bundles] needs [basket]; add it, e.g. most_units = 4 and satiation = 2.0.")
        if len(scenario.products) < _SMALLEST_SET:
            raise ValueError(f"[bundles] needs at least {_SMALLEST_SET} products, the scenario has one.")
        for title in (title for titles in self.sets for title in titles):
            if title not in scenario.titles:
                raise ValueError(unknown_name("product in bundles.sets", title, scenario.titles))


def sets_of(scenario: ScenarioLike) -> tuple[tuple[str, ...], ...]:
    """Titles of the products of each set."""
    sets: tuple[tuple[str, ...], ...] = scenario.bundles.sets or (scenario.titles,)
    return sets


@scalar
def decide(rules, sale, grids, encoding, action):
    """The share off every set in this tick."""
    for s in range(rules.bundles.n_sets):
        sale.bundles.off[s] = chosen(rules, grids, encoding, action, rules.row.bundles + s)


@scalar
def most_off(of_rules, bundles):
    """The largest share by which a basket can become cheaper; both records are None in a sale without bundles."""
    most = 0.0
    if of_rules is None or bundles is None:
        return most
    for s in range(of_rules.n_sets):
        most = max(most, bundles.off[s])
    return most


@scalar
def n_sets(of_rules):
    """The number of sets; 0 in a sale without bundles."""
    if of_rules is None:
        return 0
    return of_rules.n_sets


@scalar
def take_off(of_rules, bundles, n_products, units, sums):
    """Lower the sums of products by the shares off the sets in a basket with these units; returns what was taken off.

    Both records are None in a sale without bundles.
    """
    if of_rules is None or bundles is None:
        return 0.0
    taken = 0.0
    for s in range(of_rules.n_sets):
        complete = -1
        for j in range(n_products):
            if of_rules.set_of[j] == s and (complete < 0 or units[j] < complete):
                complete = units[j]
        if complete > 0 and bundles.off[s] > 0.0:
            for j in range(n_products):
                if of_rules.set_of[j] == s:
                    reduction = sums[j] * bundles.off[s] * complete / units[j]
                    sums[j] -= reduction
                    taken += reduction
    return taken


@scalar
def book(bundles, amount):
    """Add what bundles took off one basket to their cost."""
    if bundles is None:
        return
    bundles.spend += amount


@scalar
def observe(rules, sale, schedule, out):
    """The share off the set of every product in the last tick."""
    if rules.at.bundle_off >= 0:
        for j in range(rules.n_products):
            s = rules.bundles.set_of[j]
            put(out, rules.at.bundle_off + j, sale.bundles.off[s] / rules.bundles.largest if s >= 0 else 0.0, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """The cost of bundles."""
    out[rules.metric.bundle_spend] = sale.bundles.spend


def _set_of(scenario: ScenarioLike, title: str) -> int:
    return next((s for s, titles in enumerate(sets_of(scenario)) if title in titles), -1)


def _lay_out(scenario: ScenarioLike) -> dict[str, object]:
    return {
        "n_sets": len(sets_of(scenario)),
        "set_of": [_set_of(scenario, title) for title in scenario.titles],
        "largest": scenario.bundles.off[-1],
    }


MECHANISM = Mechanism(
    settings=Bundles,
    size=lambda scenario: room_for(len(sets_of(scenario))),
    state=lambda sizes: (("off", "f8", (sizes.own,)), ("spend", "f8")),
    rules=lambda sizes: (("n_sets", "i8"), ("set_of", "i8", (sizes.products,)), ("largest", "f8")),
    lay_out=_lay_out,
    decisions={
        "bundles": Decision(
            labels=lambda scenario: tuple(" + ".join(titles) for titles in sets_of(scenario)),
            levels=lambda scenario: [scenario.bundles.off for _ in sets_of(scenario)],
            discrete_steps=None,
            meaning=lambda scenario: "share off the units of a set of products that are bought together",
            unit="share of the price",
        )
    },
    features={
        "bundle_off": Feature(
            "product",
            0.0,
            1.0,
            "share of the largest",
            "share off the product's set in the last tick; 0 for a product of no set",
            "promotion",
            constant=lambda scenario, number: _set_of(scenario, scenario.titles[number]) < 0,
        )
    },
    metrics={"bundle_spend": "reductions given by bundles; currency"},
    promotion="a share off the units of a set of products that are bought together",
    ranges={"off": OneOf(((0.0, 0.1, 0.2), (0.0, 0.3)))},
    decide=decide,
    observe=observe,
    measure=measure,
)

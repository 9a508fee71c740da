"""Slate: the list on which a shop shows its products, and how far down a customer reads it.

Owns    the rankings, the place of each product on the list, and which products a customer examines.
Leaves  the scores of a ranking to whoever estimates them.
Axes    M products, I predicted intents, R rankings.

A customer reads the list from the top and stops at some place; place k is examined by the share `examined[k - 1]` of
the customers. A product that is not examined is not chosen. So the share who click on a product is its place's share
times its own (the examination hypothesis of Richardson, Dominowska & Ragno 2007).

The list is written anew whenever the offer changes and holds the products on hand and offered. A product out of stock
is not on it; the customers who look for it are those who would have examined the place of its last unit. Otherwise a
shop could avoid its lost sales by the order of its list.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import put
from flashsale_env.intents import INTENTS, ByIntent
from flashsale_env.market.mechanism import Decision, Feature, Mechanism, OneOf, ScenarioLike, room_for
from flashsale_env.market.parts import Part
from flashsale_env.market.pricing import is_for_sale
from flashsale_env.tables import example

ATTENTION = streams.purpose("slate.attention")  # how far a customer reads
SHUFFLE = streams.purpose("slate.shuffle")  # the order of a shuffled list, of a sale


@dataclass(frozen=True)
class Ranking(Part):
    """One way to order the list: by falling scores; products of equal score keep the order of the scenario.

    Args:
        title: its name.
        scores: of each product, a number or a table by the *predicted* intent of the customer; () for 0.
        by_stock: score of a product of which all units are on hand, in proportion below that; above 0, what would be
            left over is shown first.
        shuffled: a new random order in every tick, the same for all customers, instead of scores. Logs recorded with it
            tell the effect of a place from that of the products on it.

    Raises:
        ValueError: a shuffled ranking with scores.
    """

    title: str = field(metadata=example("popular"))
    scores: tuple[ByIntent, ...] = ()
    by_stock: float = 0.0
    shuffled: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shuffled and (self.scores or self.by_stock):
            raise ValueError(
                f"ranking {self.title!r} is shuffled, so its scores would do nothing; leave scores and by_stock out."
            )

    @property
    def needs_messages(self) -> bool:
        """Whether it depends on the predicted intent."""
        return any(len(set(score)) > 1 for score in self.scores)

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Scores that order nothing."""
        if self.scores and len(set(self.scores)) == 1 and not self.needs_messages:
            yield (
                f"the scores of ranking {self.title!r} do nothing, because they are equal; leave them out for the "
                f"order of the scenario."
            )
        if self.needs_messages and scenario.messages is None:
            yield (
                f"ranking {self.title!r} has scores by predicted intent, which do nothing without [messages]: there is "
                f"no intent to predict. Add [messages], e.g. share = 1.0, or give one score for each product."
            )


CATALOGUE = Ranking("catalogue")


@dataclass(frozen=True)
class Slate(Part):
    """A list of products in an order that the shop decides in every tick, read from the top.

    Args:
        examined: share of the customers who examine place 1, 2, ..., K; falling. Nobody examines a later place. How far
            a customer reads is the same at every look.
        rankings: the orders to choose from; by default only that of the scenario, which leaves nothing to decide.

    Raises:
        ValueError: the shares rise or are none; the message names them.
    """

    examined: tuple[float, ...] = field(metadata=example([1.0, 0.5, 0.33]))
    rankings: tuple[Ranking, ...] = (CATALOGUE,)

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = self.examined
        falls = list(shares) == sorted(shares, reverse=True)
        if not shares or not falls or not 0 < shares[-1] <= shares[0] <= 1:
            raise ValueError(
                f"slate.examined must be shares above 0 and at most 1 that never rise, one for each place, got "
                f"{list(shares)}; e.g. [1.0, 0.5, 0.33]."
            )
        if not self.rankings:
            raise ValueError("slate.rankings must name at least one ranking, got none; leave it out for the catalogue.")
        for title, number in Counter(ranking.title for ranking in self.rankings).items():
            if number > 1:
                raise ValueError(f"the titles of slate.rankings must differ, got {title!r} {number} times.")

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """A list that everybody reads to the end, places without a product, orders of a single product."""
        products = len(scenario.products)
        if len(self.examined) > products:
            yield (
                f"slate.examined has {len(self.examined)} places, and there are {products} products: the last ones do "
                f"nothing. Leave them out."
            )
        elif len(self.examined) == products and self.examined[-1] == 1.0:
            yield (
                "[slate] does nothing: everybody examines every place. Give slate.examined shares that fall below 1, "
                "or leave [slate] out."
            )
        if products == 1 and self.rankings != (CATALOGUE,):
            yield "slate.rankings do nothing: there is one product. Leave them out."
        for ranking in self.rankings:
            yield from ranking.idle(scenario)

    def check(self, scenario: ScenarioLike) -> None:
        """A ranking scores every product or none.

        Raises:
            ValueError: another number of scores.
        """
        for ranking in self.rankings:
            if len(ranking.scores) not in (0, len(scenario.products)):
                raise ValueError(
                    f"ranking {ranking.title!r} of [slate] must have a score for each of the {len(scenario.products)} "
                    f"products, got {len(ranking.scores)}."
                )


@scalar
def open_sale(rules, sale, grids):
    """Everybody looks for a product that has not been on the list yet."""
    for i in range(rules.n_intents):
        for j in range(rules.n_products):
            sale.slate.chance[i, j] = 1.0


@scalar
def decide(rules, sale, grids, encoding, action):
    """The ranking of this tick."""
    sale.slate.ranking = np.int64(chosen(rules, grids, encoding, action, rules.row.display))


@scalar
def score(rules, sale, r, i, j):
    """The score of product j for customers of predicted intent i, by ranking r."""
    of_rules = rules.slate
    if of_rules.shuffled[r] > 0:
        order = streams.subkey(sale.key, SHUFFLE)
        return streams.uniform(streams.subkey(order, sale.tick * rules.n_products + j))
    return of_rules.scores[r, i, j] + of_rules.by_stock[r] * sale.on_hand[j] / of_rules.units[j]


@scalar
def write_list(rules, sale, i):
    """The places on the list for customers of predicted intent i."""
    slate = sale.slate
    for j in range(rules.n_products):
        slate.score[j] = score(rules, sale, slate.ranking, i, j)
    for j in range(rules.n_products):
        slate.place[i, j] = 0
        if slate.listed[j] > 0:
            place = 1
            for k in range(rules.n_products):
                above = slate.score[k] > slate.score[j] or (slate.score[k] == slate.score[j] and k < j)
                if above and slate.listed[k] > 0:
                    place += 1
            slate.place[i, j] = place
            slate.chance[i, j] = rules.slate.examined[place - 1]


@scalar
def write_tags(rules, sale):
    """The list of the moment."""
    for j in range(rules.n_products):
        sale.slate.listed[j] = is_for_sale(sale, j)
    for i in range(rules.n_intents):
        write_list(rules, sale, i)


@scalar
def begin_tick(rules, sale):
    """Impressions are counted anew."""
    sale.slate.readers = 0
    for j in range(rules.n_products):
        sale.slate.impressions[j] = 0


@scalar
def read(slate, rules, voice, key):
    """Note the products that a customer examines; `slate` is None in a sale without a list."""
    if slate is None:
        return
    attention = streams.uniform(streams.subkey(key, ATTENTION))
    slate.readers += 1
    slate.all_readers += 1
    for j in range(rules.n_products):
        sees_it = attention < slate.chance[voice.predicted, j]
        slate.seen[j] = sees_it
        if sees_it and slate.listed[j] > 0:
            slate.impressions[j] += 1
            slate.all_impressions += 1


@scalar
def sees(slate, j):
    """Whether the customer of the current visit examines product j; `slate` is None in a sale without a list."""
    if slate is None:
        return True
    return slate.seen[j] > 0


@scalar
def place_of(slate, voice, j):
    """The place of product j on the list of this customer, 0 for none; `slate` is None in a sale without a list."""
    if slate is None:
        return 0
    return slate.place[voice.predicted, j]


@scalar
def observe(rules, sale, schedule, out):
    """Who examined each product in the last tick."""
    if rules.at.impressions >= 0:
        for j in range(rules.n_products):
            share = sale.slate.impressions[j] / max(sale.slate.readers, 1)
            put(out, rules.at.impressions + j, share, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """How far customers read."""
    out[rules.metric.products_examined] = sale.slate.all_impressions / max(sale.slate.all_readers, 1)


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    part = scenario.slate
    scores = np.zeros((MECHANISM.size(scenario), len(INTENTS), len(scenario.products)))
    by_stock, shuffled = np.zeros(len(scores)), np.zeros(len(scores), np.int64)
    for r, ranking in enumerate(part.rankings):
        if ranking.scores:
            scores[r] = np.transpose(ranking.scores)
        by_stock[r], shuffled[r] = ranking.by_stock, ranking.shuffled
    examined = np.zeros(len(scenario.products))
    examined[: len(part.examined)] = part.examined
    return {
        "scores": scores,
        "by_stock": by_stock,
        "shuffled": shuffled,
        "units": np.maximum(scenario.stock_scale, 1),
        "examined": examined,
    }


MECHANISM = Mechanism(
    settings=Slate,
    size=lambda scenario: room_for(len(scenario.slate.rankings)),
    state=lambda sizes: (
        ("ranking", "i8"),
        ("place", "i8", (sizes.intents, sizes.products)),  # by predicted intent, from 1; 0 for a product not listed
        ("chance", "f8", (sizes.intents, sizes.products)),  # that a customer examines the product
        ("listed", "i8", (sizes.products,)),
        ("score", "f8", (sizes.products,)),  # * scratch
        ("seen", "i8", (sizes.products,)),  # * by the customer of the current visit
        # products on the list that customers examined, and looks at it
        ("impressions", "i8", (sizes.products,)),  # of the tick
        ("readers", "i8"),
        ("all_impressions", "i8"),
        ("all_readers", "i8"),
    ),
    rules=lambda sizes: (
        ("scores", "f8", (sizes.own, sizes.intents, sizes.products)),
        ("by_stock", "f8", (sizes.own,)),
        ("shuffled", "i8", (sizes.own,)),
        ("units", "i8", (sizes.products,)),  # all that the sale has of a product
        ("examined", "f8", (sizes.products,)),  # by place; 0 beyond the last one
    ),
    lay_out=_lay_out,
    decisions={
        "display": Decision(
            labels=lambda scenario: ("",),
            levels=lambda scenario: [tuple(map(float, range(len(scenario.slate.rankings))))],
            discrete_steps=None,
            meaning=lambda scenario: "ranking of the list: which products stand on its first places",
            unit="word",
            words=lambda scenario: {float(level): one.title for level, one in enumerate(scenario.slate.rankings)},
        )
    },
    features={
        "impressions": Feature(
            "product",
            0.0,
            1.0,
            "share of visitors",
            "visitors of the last tick who examined the product on the list",
            "promotion",
        )
    },
    metrics={"products_examined": "products on the list that a customer examines, on average"},
    ranges={
        "examined": OneOf(((1.0, 0.4), (0.9, 0.6, 0.3), (1.0, 0.5, 0.33, 0.25))),
        "rankings": OneOf(
            (
                (CATALOGUE, Ranking("left over", by_stock=1.0)),
                (CATALOGUE, Ranking("shuffled", shuffled=True)),
                (Ranking("left over", by_stock=1.0), Ranking("scarce", by_stock=-1.0), CATALOGUE),
            )
        ),
    },
    open=open_sale,
    begin_tick=begin_tick,
    decide=decide,
    write_tags=write_tags,
    observe=observe,
    measure=measure,
)

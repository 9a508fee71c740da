"""Rivals: other sellers on the same page, whose products customers compare with the shop's.

Owns    who sells what, the scripts by which rivals set their prices, what a seller sees of another one, and the split
        of the money of a tick by product.
Leaves  the choice between sellers to `choice`, and sellers that learn to `envs.sellers`.
Axes    M products.
Units   currency; a script compares prices as shares of the products' reference prices.

The shop is the seller "". Decisions, stock, money and metrics of a sale are the shop's alone; customers, traffic and
messages are the market's. Of another seller it sees what every customer sees: prices, and which products are sold out.
A script sees no more. It answers the prices of the last tick, so all sellers move at once.

A customer who finds a first choice sold out and buys from another seller is a lost sale of the one and demand of the
other.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flashsale_env.core.compiler import scalar
from flashsale_env.errors import unknown_name
from flashsale_env.market.mechanism import Mechanism, OneOf, ScenarioLike
from flashsale_env.market.parts import Part
from flashsale_env.tables import example

# The shop's name among sellers that learn; its owner in a scenario is "".
SHOP = "shop"

CONSTANT, UNDERCUT, FOLLOW, MARKDOWN, AGENT = range(5)

SCRIPTS = {
    "constant": CONSTANT,
    "undercut": UNDERCUT,
    "follow": FOLLOW,
    "markdown": MARKDOWN,
    "agent": AGENT,
}

# The parts that are split by seller, or say what customers do, whoever sells. Any other one decides, earns or shows
# something for the products of the shop and of rivals alike.
SPLIT = ("arrivals", "choice", "pricing", "replenishment", "rivals", "waiting", "contagion", "shocks", "messages")


@dataclass(frozen=True)
class Rival(Part):
    """A seller beside the shop; it sells the products whose `owner` is its name.

    Its prices lie between the first and the last of a product's `price_levels`, and it never withholds a product. On
    each of its products it asks, by its script,

    - "constant": the list price less `share` of it;
    - "markdown": the list price in the first tick, falling evenly to `share` below it in the last one;
    - "undercut": `share` less than the lowest price of the other sellers in the last tick; with 0 it matches them;
    - "follow": its own last price, moved by `share` of the way to that lowest price;
    - "agent": what an agent decides, in an environment of several sellers (`envs.sellers`).

    The lowest price is the lowest share of a reference price, among products that are offered and not sold out. Where
    there is none, it asks the list price.

    Args:
        name: the `owner` of its products.
        script: a key of `SCRIPTS`.
        share: see above, 0 to 1.

    Raises:
        ValueError: an empty or reserved name, an unknown script, or a share that is out of range or does nothing.
    """

    name: str = field(metadata=example("rival"))
    script: str = "constant"
    share: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name in ("", SHOP):
            raise ValueError(f"rivals.sellers: a seller needs a name of its own, not {self.name!r}; e.g. 'rival'.")
        if self.script not in SCRIPTS:
            raise ValueError(unknown_name(f"script of seller {self.name!r}", self.script, SCRIPTS))
        if not 0 <= self.share <= 1:
            raise ValueError(f"{self._where}share must lie between 0 and 1, got {self.share:g}.")
        if self.script in ("follow", "markdown") and self.share == 0:
            raise ValueError(
                f"{self._where}share 0 does nothing: by script {self.script!r} its prices would never move. Give a "
                f"share, e.g. 0.2, or take script 'constant'."
            )
        if self.script == "agent" and self.share:
            raise ValueError(f"{self._where}share {self.share:g} does nothing where an agent decides; leave it out.")

    @property
    def _where(self) -> str:
        return f"seller {self.name!r}: "

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """A seller without products, and a script without a second price."""
        sold = [product for product in scenario.products if product.owner == self.name]
        if not sold:
            yield f'{self._where}it sells nothing. Give a product owner = "{self.name}", or leave the seller out.'
        elif all(len(product.price_levels) == 1 for product in sold) and (self.share or self.script != "constant"):
            yield (
                f"{self._where}script {self.script!r} does nothing, each of its products has a single price. Give "
                f"price_levels, the highest and the lowest price, or take script 'constant' without a share."
            )


@dataclass(frozen=True)
class Rivals(Part):
    """The sellers beside the shop.

    Args:
        sellers: each with a name of its own.

    Raises:
        ValueError: no seller, or two with the same name.
    """

    sellers: tuple[Rival, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.sellers:
            raise ValueError("[rivals] needs at least one of [[rivals.sellers]], got none; or leave [rivals] out.")
        for name, number in Counter(seller.name for seller in self.sellers).items():
            if number > 1:
                raise ValueError(f"the names of rivals.sellers must differ, got {name!r} {number} times.")

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """What is idle of each seller."""
        for seller in self.sellers:
            yield from seller.idle(scenario)

    def check(self, scenario: ScenarioLike) -> None:
        """Refuse parts that are not split by seller, a shop without products, and decisions that no script takes.

        Raises:
            ValueError: see above; the message names the part or the product.
        """
        for name, part in vars(scenario).items():
            if isinstance(part, Part) and name not in SPLIT:
                raise ValueError(
                    f"[rivals] and [{name}] cannot be combined: [{name}] is not split by seller. Leave one of them out."
                )
        if scenario.waiting is not None and scenario.waiting.announced_share:
            raise ValueError(
                "[rivals] and waiting.announced_share cannot be combined: the shop would announce the prices of other "
                "sellers. Leave one of them out."
            )
        if all(product.owner for product in scenario.products):
            raise ValueError("[rivals]: the shop sells nothing, every product has an owner. Leave owner out of one.")
        scripts = {seller.name: seller.script for seller in self.sellers}
        for product in scenario.products:
            for name in ("can_be_ordered", "may_be_withheld") if scripts.get(product.owner, "agent") != "agent" else ():
                if getattr(product, name):
                    told = "order_levels" if name == "can_be_ordered" else name
                    raise ValueError(
                        f"product {product.title!r}: {told} does nothing, the script of its owner {product.owner!r} "
                        f"sets prices alone. Leave {told} out, or take script 'agent'."
                    )


def is_scripted(scenario: ScenarioLike, product: Any) -> bool:
    """Whether a script sets the price of a product, and no decision does."""
    if not product.owner or scenario.rivals is None:
        return False
    return any(seller.name == product.owner and seller.script != "agent" for seller in scenario.rivals.sellers)


def shared_out(products: Sequence[Any], rivals: Rivals) -> tuple[Any, ...]:
    """The products of a scenario with owners: the first and then every other one stays with the shop.

    The rest go to the rivals in turn, who neither order nor withhold them.
    """
    names = [seller.name for seller in rivals.sellers]
    theirs = {"may_be_withheld": False, "reserve": 0, "storage": 0, "order_levels": (0,)}
    return tuple(
        dataclasses.replace(product, owner=names[j // 2 % len(names)], **theirs) if j % 2 else product
        for j, product in enumerate(products)
    )


@scalar
def is_own(of_rules, j):
    """Whether product j is the shop's; `of_rules` is None in a sale without rivals, where all are."""
    if of_rules is None:
        return True
    return of_rules.owner[j] == 0


@scalar
def price_seen(of_rules, sale, j):
    """The price of product j as the shop sees it: 0 for a rival's product that is sold out."""
    if of_rules is None:
        return sale.price[j]
    if of_rules.owner[j] != 0 and sale.on_hand[j] == 0:
        return 0.0
    return sale.price[j]


@scalar
def note_sale(rivals, j, paid):
    """Note what a customer paid for product j; `rivals` is None in a sale without them."""
    if rivals is None:
        return
    rivals.paid[j] += paid


@scalar
def note_order(rivals, j, procurement, ordering):
    """Note unit costs and fees of an order of product j."""
    if rivals is None:
        return
    rivals.procurement[j] += procurement
    rivals.ordering[j] += ordering


@scalar
def own_money(of_rules, rivals, sale):
    """(revenue, procurement, ordering) of the tick of the shop's products; both records are None without rivals."""
    if of_rules is None or rivals is None:
        return sale.tick_revenue, sale.tick_procurement, sale.tick_ordering
    revenue = 0.0
    procurement = 0.0
    ordering = 0.0
    for j in range(len(rivals.paid)):
        if of_rules.owner[j] == 0:
            revenue += rivals.paid[j]
            procurement += rivals.procurement[j]
            ordering += rivals.ordering[j]
    return revenue, procurement, ordering


@scalar
def begin_tick(rules, sale):
    """Scripts will see the prices of the last tick; nothing is earned yet."""
    rivals = sale.rivals
    for j in range(rules.n_products):
        rivals.seen[j] = sale.price[j] if sale.on_hand[j] > 0 else 0.0
        rivals.paid[j] = 0.0
        rivals.procurement[j] = 0.0
        rivals.ordering[j] = 0.0


@scalar
def lowest_of_others(rules, sale, j):
    """Lowest price of the other sellers in the last tick, as a share of the reference price; 0 for none."""
    lowest = 0.0
    for k in range(rules.n_products):
        if rules.rivals.owner[k] != rules.rivals.owner[j] and sale.rivals.seen[k] > 0.0:
            share = sale.rivals.seen[k] / rules.reference_price[k]
            if lowest == 0.0 or share < lowest:
                lowest = share
    return lowest


@scalar
def decide(rules, sale, grids, encoding, action):
    """The prices of the products whose sellers follow a script."""
    of_rules = rules.rivals
    for j in range(rules.n_products):
        script = of_rules.script[j]
        if script == AGENT:
            continue
        price = rules.list_price[j]
        share = of_rules.share[j]
        if script == CONSTANT:
            price *= 1.0 - share
        elif script == MARKDOWN:
            price *= 1.0 - share * sale.tick / max(rules.horizon - 1, 1)
        else:
            lowest = lowest_of_others(rules, sale, j) * rules.reference_price[j]
            if lowest > 0.0:
                price = lowest * (1.0 - share)
                if script == FOLLOW and sale.rivals.seen[j] > 0.0:
                    price = sale.rivals.seen[j] + share * (lowest - sale.rivals.seen[j])
        sale.price[j] = min(max(price, of_rules.lowest_price[j]), rules.list_price[j])


@scalar
def measure(rules, sale, out):
    """The shop's share of all units sold."""
    own = 0
    sold = 0
    for j in range(rules.n_products):
        sold += sale.sold[j]
        if rules.rivals.owner[j] == 0:
            own += sale.sold[j]
    out[rules.metric.market_share] = own / sold if sold > 0 else 0.0


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    sellers = scenario.rivals.sellers
    names = ["", *(seller.name for seller in sellers)]
    owner = [names.index(product.owner) for product in scenario.products]
    script = np.array([AGENT, *(SCRIPTS[seller.script] for seller in sellers)])
    share = np.array([0.0, *(seller.share for seller in sellers)])
    return {
        "owner": owner,
        "script": script[owner],
        "share": share[owner],
        "lowest_price": [product.price_levels[-1] for product in scenario.products],
    }


MECHANISM = Mechanism(
    settings=Rivals,
    state=lambda sizes: (
        ("seen", "f8", (sizes.products,)),  # price of the last tick; 0 for a product that was sold out or not offered
        # of the tick
        ("paid", "f8", (sizes.products,)),  # * by customers
        ("procurement", "f8", (sizes.products,)),  # *
        ("ordering", "f8", (sizes.products,)),  # *
    ),
    rules=lambda sizes: (
        ("owner", "i8", (sizes.products,)),  # 0 for the shop, k for seller k - 1 of the scenario
        ("script", "i8", (sizes.products,)),
        ("share", "f8", (sizes.products,)),
        ("lowest_price", "f8", (sizes.products,)),
    ),
    lay_out=_lay_out,
    metrics={"market_share": "units sold by the shop over those sold by all sellers"},
    bounded=dict.fromkeys(
        ("sellers.name", "sellers.script", "sellers.share"),
        "whoever buys from the shop would buy at that price without rivals too; the bounds are those of the shop alone",
    ),
    ranges={
        "sellers": OneOf(
            (
                (Rival("rival", "undercut", 0.05),),
                (Rival("rival", "follow", 0.5),),
                (Rival("rival", "markdown", 0.3),),
                (Rival("rival", "constant", 0.1),),
            )
        )
    },
    begin_tick=begin_tick,
    decide=decide,
    measure=measure,
)

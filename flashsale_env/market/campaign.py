"""Campaign: what a sale inherits from the sale before, and what it leaves to the next one.

Owns    goodwill, and the stock between two sales.
Leaves  the sequence of sales to `flashsale_env.campaign`, customers who come back to `retention`. A sale that is played
        alone is the first of its campaign, and its leftovers are salvaged.
Units   goodwill from 0 to 1, as a share of the expected traffic; units; currency.

After each sale goodwill moves towards its service, with s the share of the wanted units that customers got (Nerlove &
Arrow 1962, doi 10.2307/2551549, in steps of a sale):

    g <- g + goodwill_rate·(s - g)

Stockouts lower s, and so do bots. With a constant s this is g_n = s + (1 - goodwill_rate)^n·(g_0 - s).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import option, put
from flashsale_env.market import stock
from flashsale_env.market.mechanism import Between, Feature, Mechanism, ScenarioLike, Term
from flashsale_env.market.parts import MOST_MONEY, Part, require_range

_MOST_SALES = 1000
_MOST_DAYS = 1e4


@dataclass(frozen=True)
class Campaign(Part):
    """Several sales in a row, and what each leaves to the next one.

    Args:
        sales: number of sales, at least 2.
        days_between: days from one sale to the next.
        goodwill: at the first sale; the share of the expected traffic that comes.
        goodwill_rate: how much of its distance to the service of a sale goodwill makes up after it, 0 to 1.
        restock: share of the gap to `initial_stock` that is delivered before each later sale, at unit cost; 1: all
            sales begin with the same stock, 0: the stock is for the whole campaign.
        carrying_cost: of a unit left over, or returned, a day until the next sale, currency.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    sales: int = 6
    days_between: float = 7.0
    goodwill: float = 1.0
    goodwill_rate: float = 0.0
    restock: float = 1.0
    carrying_cost: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.sales <= _MOST_SALES:
            raise ValueError(
                f"campaign.sales must lie in 2..{_MOST_SALES:,}, got {self.sales}; leave [campaign] out for one sale."
            )
        if not 0 < self.days_between <= _MOST_DAYS:
            raise ValueError(
                f"campaign.days_between must be above 0 and at most {_MOST_DAYS:,.0f}, got {self.days_between:g}."
            )
        require_range(self, "goodwill", "goodwill_rate", "restock", most=1.0)
        require_range(self, "carrying_cost", most=MOST_MONEY)

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """The time between two sales if nothing depends on it."""
        if self.days_between != Campaign.days_between and scenario.retention is None and not self.carrying_cost:
            yield (
                f"campaign.days_between {self.days_between:g} does nothing without [retention] and carrying_cost. Give "
                f"one of them, or leave days_between out."
            )


@scalar
def open_sale(rules, sale, grids):
    """The first sale: goodwill and stock as the scenario has them; `carry` replaces them later."""
    campaign = sale.campaign
    campaign.number = sale.episode % rules.campaign.sales
    campaign.goodwill = rules.campaign.goodwill
    for j in range(rules.n_products):
        campaign.opening[j] = rules.initial_stock[j]


@scalar
def write_tags(rules, sale):
    """Goodwill is a share of the stream."""
    sale.coming_share *= sale.campaign.goodwill


@scalar
def settle(rules, sale, closes, terms):
    """At a close that another sale follows: leftovers and returned goods are kept, and stock is topped up."""
    campaign = sale.campaign
    if not closes or campaign.number + 1 >= rules.campaign.sales:
        return
    kept = 0
    cost = 0.0
    for j in range(rules.n_products):
        left = sale.on_hand[j] + stock.in_transit(rules, sale, j)
        gap = max(rules.initial_stock[j] - left, 0)
        delivered = np.int64(rules.campaign.restock * gap + 0.5)
        campaign.next_stock[j] = left + delivered
        kept += left
        cost += rules.unit_cost[j] * delivered
    terms[rules.term.salvage] = 0.0
    terms[rules.term.returned_goods] = 0.0
    terms[rules.term.restocking] = -cost
    terms[rules.term.carrying] = -rules.campaign.carrying_cost * kept


@scalar
def service(bots, sale, n_products):
    """Share of the wanted units that customers got, 1 if nothing was wanted; `bots` is None in a sale without bots."""
    wanted = 0
    missed = 0
    for j in range(n_products):
        wanted += sale.demand[j]
        missed += sale.lost[j]
    if bots is not None:
        missed += bots.units
    return 1.0 - missed / wanted if wanted > 0 else 1.0


@scalar
def carry(rules, was, sale, profit):
    """Give a sale that has just opened what the closed sale before it leaves.

    Args:
        rules: of both.
        was, sale: the closed sale, and the one that opened.
        profit: of the campaign up to that close, currency.
    """
    before = was.campaign
    campaign = sale.campaign
    served = service(option(was, "bots"), was, rules.n_products)
    campaign.goodwill = before.goodwill + rules.campaign.goodwill_rate * (served - before.goodwill)
    campaign.earned = profit
    for j in range(rules.n_products):
        campaign.opening[j] = before.next_stock[j]
        sale.on_hand[j] = before.next_stock[j]
        sale.reserve[j] = was.reserve[j]


@scalar
def observe(rules, sale, schedule, out):
    """The sales that follow, and goodwill."""
    put(out, rules.at.sales_left, 1.0 - (sale.campaign.number + 1.0) / rules.campaign.sales, 0.0, 1.0)
    put(out, rules.at.goodwill, sale.campaign.goodwill, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Goodwill; profit and sell-through of a sale that is not the first."""
    campaign = sale.campaign
    out[rules.metric.goodwill] = campaign.goodwill
    if campaign.number == 0:
        return
    sold = 0
    had = 0
    for j in range(rules.n_products):
        sold += sale.sold[j]
        had += campaign.opening[j] + sale.ordered[j]
        # The stock of a later sale was paid for at the close before it.
        out[rules.metric.profit] += rules.initial_stock[j] * rules.unit_cost[j]
    out[rules.metric.profit] += campaign.earned
    out[rules.metric.sell_through] = sold / had if had > 0 else 0.0


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    part = scenario.campaign
    return {
        "sales": 1,  # of a sale that is played alone; `flashsale_env.campaign` writes the number of the campaign
        "goodwill": part.goodwill,
        "goodwill_rate": part.goodwill_rate,
        "restock": part.restock,
        "carrying_cost": part.carrying_cost * part.days_between,
    }


MECHANISM = Mechanism(
    settings=Campaign,
    state=lambda sizes: (
        ("opening", "i8", (sizes.products,)),  # units at the start of this sale
        ("next_stock", "i8", (sizes.products,)),  # and of the next one, from the close on
        ("goodwill", "f8"),
        ("earned", "f8"),  # profit of the sales before
        ("number", "i8"),  # of the sale, from 0
    ),
    rules=lambda sizes: (
        ("sales", "i8"),
        ("goodwill", "f8"),
        ("goodwill_rate", "f8"),
        ("restock", "f8"),
        ("carrying_cost", "f8"),  # of a unit until the next sale
    ),
    lay_out=_lay_out,
    features={
        "sales_left": Feature(
            "sale", 0.0, 1.0, "share of the campaign", "sales after this one", "time", on_request=True
        ),
        "goodwill": Feature(
            "sale", 0.0, 1.0, "share of the expected traffic", "goodwill of this sale", "demand", on_request=True
        ),
    },
    terms={
        "restocking": Term("at a close that another sale follows: unit cost of what is delivered before it"),
        "carrying": Term("at a close that another sale follows: cost of keeping leftovers and returned goods"),
    },
    metrics={"goodwill": "goodwill of this sale: share of the expected traffic that comes"},
    ranges={
        "sales": Between(2, 8),
        "goodwill": Between(0.5, 1.0),
        "goodwill_rate": Between(0.1, 0.5),
        "restock": Between(0.0, 1.0),
        "carrying_cost": Between(0.01, 0.5),
        "days_between": Between(1.0, 30.0),
    },
    open=open_sale,
    write_tags=write_tags,
    settle=settle,
    observe=observe,
    measure=measure,
)

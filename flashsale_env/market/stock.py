"""Stock: units on hand, in reserve and inbound; orders and their costs.

Owns    the order decision, the units of every product, and all reward terms except revenue.
Axes    M products, R slots of the inbound ring: slot t % R arrives in tick t.
Units   units; currency.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import option, put
from flashsale_env.market import rivals
from flashsale_env.market.arrivals import customers_left
from flashsale_env.market.mechanism import Between, Decision, Feature, Mechanism, OneOf, ScenarioLike, Term
from flashsale_env.market.parts import MOST_MONEY, Part, require_range

NO_LIMIT = 1 << 62
# Steps of the common order in the discrete grid.
_DISCRETE_STEPS = 3
STOCK_UNIT = "share of all units (opening stock + reserve; under unlimited supply, the storage)"


@dataclass(frozen=True)
class Replenishment(Part):
    """Orders from the reserve. `Product.order_levels` are the possible order sizes.

    Args:
        lead_minutes: lead time, minutes, rounded up to whole ticks. Units ordered at the start of a tick are on hand
            after the lead time.
        order_cost: fixed cost of an order of one product, currency.
        freight_per_unit: currency per unit, in addition to its unit cost.
        unlimited: orders do not draw on a reserve; each product that can be ordered then needs a `storage`.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    lead_minutes: float = 0.0
    order_cost: float = 0.0
    freight_per_unit: float = 0.0
    unlimited: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "lead_minutes")
        require_range(self, "order_cost", "freight_per_unit", most=MOST_MONEY)

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """The whole part, if no product can be ordered or no order arrives before the close."""
        if not any(product.can_be_ordered for product in scenario.products):
            yield (
                "[replenishment] does nothing, no product has order_levels. Give them, e.g. [0, 25, 50, 100], or leave "
                "[replenishment] out."
            )
        elif scenario.lead_ticks >= scenario.horizon_ticks:
            yield (
                f"replenishment.lead_minutes {self.lead_minutes:g}: an order of the first tick would arrive after the "
                f"close, {scenario.lead_ticks} ticks later in a sale of {scenario.horizon_ticks}, so orders could "
                f"serve no customer. Shorten the lead, or leave [replenishment] and order_levels out."
            )


@scalar
def open_sale(rules, sale, grids):
    """Start with the initial stock and the reserve."""
    for j in range(rules.n_products):
        sale.on_hand[j] = rules.initial_stock[j]
        sale.reserve[j] = rules.initial_reserve[j]


@scalar
def begin_tick(rules, sale):
    """Nothing is sold, lost or ordered yet."""
    sale.tick_procurement = 0.0
    sale.tick_ordering = 0.0
    for j in range(rules.n_products):
        sale.tick_sold[j] = 0
        sale.tick_lost[j] = 0


@scalar
def in_transit(rules, sale, j):
    """Units of product j that were ordered and have not arrived."""
    units = 0
    for slot in range(rules.n_slots):
        units += sale.inbound[slot, j]
    return units


@scalar
def in_carts(carts, j):
    """Units of product j in open carts, neither on the shelf nor sold; `carts` is None in a sale without carts."""
    if carts is None:
        return 0
    return carts.reserved[j]


@scalar
def available_to_order(rules, sale, j):
    """Units of product j that an order can bring now: those in the reserve, limited by the room in the storage."""
    units = NO_LIMIT if rules.unlimited_supply else sale.reserve[j]
    if rules.storage[j] > 0:
        stored = sale.on_hand[j] + in_carts(option(sale, "carts"), j)
        units = min(units, rules.storage[j] - stored - in_transit(rules, sale, j))
    return units


@scalar
def decide(rules, sale, grids, encoding, action):
    """Ordered units leave the reserve and are paid."""
    arrival_slot = (sale.tick + rules.lead_ticks) % rules.n_slots
    for j in range(rules.n_products):
        wanted = chosen(rules, grids, encoding, action, rules.row.order + j)
        units = min(math.floor(wanted + 0.5), available_to_order(rules, sale, j))
        if units > 0:
            if not rules.unlimited_supply:
                sale.reserve[j] -= units
            sale.inbound[arrival_slot, j] += units
            sale.ordered[j] += units
            procurement = rules.unit_cost[j] * units
            ordering = rules.order_cost + rules.freight_per_unit * units
            sale.tick_procurement += procurement
            sale.tick_ordering += ordering
            rivals.note_order(option(sale, "rivals"), j, procurement, ordering)


@scalar
def receive(rules, sale):
    """Inbound units of this tick become units on hand."""
    slot = sale.tick % rules.n_slots
    for j in range(rules.n_products):
        sale.on_hand[j] += sale.inbound[slot, j]
        sale.received[j] += sale.inbound[slot, j]
        sale.inbound[slot, j] = 0


@scalar
def take(sale, j, units):
    """Take units of product j off the shelf; returns whether the last one is gone."""
    sale.on_hand[j] -= units
    return sale.on_hand[j] == 0


@scalar
def sell(sale, j, units, paid):
    """Book units of product j that were taken off the shelf as sold, for this sum, currency."""
    sale.sold[j] += units
    sale.tick_sold[j] += units
    sale.tick_revenue += paid
    rivals.note_sale(option(sale, "rivals"), j, paid)


@scalar
def lose(sale, j):
    """Count a lost sale: the first choice, product j, was out of stock, and the customer bought nothing."""
    sale.lost[j] += 1
    sale.tick_lost[j] += 1


@scalar
def switch(of_rules, sale, wanted, bought):
    """A customer finds the first choice sold out and buys product `bought`: between sellers, lost by one and demand of
    the other. `of_rules` is None in a sale without rivals.
    """
    if of_rules is None:
        return
    if of_rules.owner[wanted] != of_rules.owner[bought]:
        lose(sale, wanted)
        sale.demand[bought] += 1


@scalar
def settle(rules, sale, closes, terms):
    """Orders, holding, penalties for lost sales and, at the close, the salvage value of leftovers."""
    of_rules = option(rules, "rivals")
    holding = 0.0
    salvage = 0.0
    lost_sales = 0.0
    for j in range(rules.n_products):
        if rivals.is_own(of_rules, j):
            holding += rules.holding_cost[j] * (sale.on_hand[j] + in_carts(option(sale, "carts"), j))
            lost_sales += rules.lost_sale_penalty[j] * sale.tick_lost[j]
            if closes:
                salvage += rules.salvage_value[j] * (sale.on_hand[j] + in_transit(rules, sale, j))
    _, procurement, ordering = rivals.own_money(of_rules, option(sale, "rivals"), sale)
    terms[rules.term.procurement] = -procurement
    terms[rules.term.ordering] = -ordering
    terms[rules.term.holding] = -holding
    terms[rules.term.salvage] = salvage
    terms[rules.term.lost_sales] = -lost_sales


@scalar
def observe(rules, sale, schedule, out):
    """Units as shares of all units of the product, see `spaces.units`; 0 of a rival's product."""
    left = customers_left(rules, sale, schedule)
    for j in range(rules.n_products):
        own = rivals.is_own(option(rules, "rivals"), j)
        coming = in_transit(rules, sale, j) if own else 0
        all_units = float(rules.stock_scale[j])
        if rules.at.on_hand >= 0:
            put(out, rules.at.on_hand + j, sale.on_hand[j] / all_units if own else 0.0, 0.0, 1.0)
        if rules.at.in_transit >= 0:
            put(out, rules.at.in_transit + j, coming / all_units, 0.0, 1.0)
        if rules.at.pipeline >= 0:
            for ahead in range(rules.lead_ticks):
                units_then = sale.inbound[(sale.tick + ahead) % rules.n_slots, j] if own else 0
                put(out, rules.at.pipeline + j * rules.lead_ticks + ahead, units_then / all_units, 0.0, 1.0)
        if rules.at.reserve >= 0:
            put(out, rules.at.reserve + j, sale.reserve[j] / all_units if own else 0.0, 0.0, 1.0)
        if rules.at.stock_pressure >= 0:
            # Half a unit and half a tick keep the logarithms finite at the very end.
            units = (sale.on_hand[j] + coming + 0.5) / (all_units + 0.5)
            pressure = math.log(units / (left + 0.5 / rules.horizon))
            put(out, rules.at.stock_pressure + j, pressure if own else 0.0, -8.0, 8.0)


@scalar
def _share(part, whole):
    return part / whole if whole > 0 else 0.0


@scalar
def measure(rules, sale, out):
    """Demand, sales, lost sales and orders."""
    demand = 0
    sold = 0
    lost = 0
    ordered = 0
    initial = 0
    for j in range(rules.n_products):
        if rivals.is_own(option(rules, "rivals"), j):
            demand += sale.demand[j]
            sold += sale.sold[j]
            lost += sale.lost[j]
            ordered += sale.ordered[j]
            initial += rules.initial_stock[j]
    out[rules.metric.demand] = demand
    out[rules.metric.units_sold] = sold
    out[rules.metric.lost_sales] = lost
    out[rules.metric.units_ordered] = ordered
    out[rules.metric.sell_through] = _share(sold, initial + ordered)
    out[rules.metric.fill_rate] = _share(sold, demand)


def _orders_arrive_later(scenario: ScenarioLike) -> bool:
    orders = scenario.replenishment is not None and any(product.can_be_ordered for product in scenario.products)
    return orders and scenario.lead_ticks > 0


def _is_hidden(scenario: ScenarioLike, number: int) -> bool:
    """Whether product `number` is a rival's, whose stock the shop does not see."""
    return bool(scenario.products[number].owner)


def highest_useful(scenario: ScenarioLike, units: Any, observations: Any) -> Any:
    """(N, M) the lowest level of each order that takes all available units."""
    if "to_order" not in units:
        return None
    supply = units.to_order(observations)
    return np.column_stack(
        [
            np.minimum(np.searchsorted(product.order_levels, supply[:, j]), len(product.order_levels) - 1)
            for j, product in enumerate(scenario.products)
        ]
    )


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    products, supply = scenario.products, scenario.replenishment or Replenishment()
    return {
        "unlimited_supply": supply.unlimited,
        "order_cost": supply.order_cost,
        "freight_per_unit": supply.freight_per_unit,
        "stock_scale": scenario.stock_scale,
        "initial_reserve": [product.reserve for product in products],
        "holding_cost": [product.holding_cost * scenario.tick_minutes / 60.0 for product in products],
        **{
            name: [getattr(product, name) for product in products]
            for name in ("unit_cost", "salvage_value", "lost_sale_penalty", "initial_stock", "storage")
        },
    }


def terms_in_words(scenario: ScenarioLike) -> str:
    """When an order arrives and what it costs."""
    supply = scenario.replenishment
    return (
        f"units ordered now, which arrive after {scenario.lead_ticks} ticks; an order costs {supply.order_cost:,.10g}, "
        f"freight {supply.freight_per_unit:,.10g} a unit"
    )


MECHANISM = Mechanism(
    settings=Replenishment,
    always=True,
    state=lambda sizes: (
        ("on_hand", "i8", (sizes.products,)),
        ("reserve", "i8", (sizes.products,)),
        ("inbound", "i8", (sizes.slots, sizes.products)),  # slot t % R arrives in tick t
        # since the start of the sale
        ("demand", "i8", (sizes.products,)),  # * first choices over the products offered and those out of stock
        ("sold", "i8", (sizes.products,)),
        ("lost", "i8", (sizes.products,)),  # *
        ("ordered", "i8", (sizes.products,)),
        ("received", "i8", (sizes.products,)),
        ("tick_sold", "i8", (sizes.products,)),
        ("tick_lost", "i8", (sizes.products,)),
        ("tick_procurement", "f8"),
        ("tick_ordering", "f8"),
    ),
    rules=lambda sizes: (
        ("unlimited_supply", "i8"),
        ("unit_cost", "f8", (sizes.products,)),
        ("salvage_value", "f8", (sizes.products,)),
        ("holding_cost", "f8", (sizes.products,)),  # per unit and tick
        ("lost_sale_penalty", "f8", (sizes.products,)),
        ("initial_stock", "i8", (sizes.products,)),
        ("initial_reserve", "i8", (sizes.products,)),
        ("storage", "i8", (sizes.products,)),  # 0 for no limit
        ("stock_scale", "i8", (sizes.products,)),
        ("order_cost", "f8"),
        ("freight_per_unit", "f8"),
    ),
    lay_out=_lay_out,
    decisions={
        "order": Decision(
            labels=lambda scenario: scenario.titles,
            levels=lambda scenario: [
                tuple(float(units) for units in product.order_levels) for product in scenario.products
            ],
            discrete_steps=_DISCRETE_STEPS,
            highest_useful=highest_useful,
            meaning=terms_in_words,
            unit="units",
            once=True,
        )
    },
    features={
        "on_hand": Feature("product", 0.0, 1.0, STOCK_UNIT, "units free to sell", "stock", constant=_is_hidden),
        "in_transit": Feature(
            "product",
            0.0,
            1.0,
            STOCK_UNIT,
            "units ordered and not yet arrived",
            "stock",
            applies=_orders_arrive_later,
            constant=lambda scenario, number: (
                len(scenario.products[number].order_levels) == 1 or _is_hidden(scenario, number)
            ),
        ),
        "pipeline": Feature(
            "product and tick",
            0.0,
            1.0,
            STOCK_UNIT,
            "units that arrive in 0, 1, ... ticks",
            "stock",
            applies=_orders_arrive_later,
            constant=lambda scenario, number: (
                len(scenario.products[number // scenario.lead_ticks].order_levels) == 1
                or _is_hidden(scenario, number // scenario.lead_ticks)
            ),
            on_request=True,
        ),
        "reserve": Feature(
            "product",
            0.0,
            1.0,
            STOCK_UNIT,
            "units that can still be ordered",
            "stock",
            applies=lambda scenario: (
                scenario.replenishment is not None and any(product.reserve for product in scenario.products)
            ),
            constant=lambda scenario, number: (
                len(scenario.products[number].order_levels) == 1
                or scenario.products[number].reserve == 0
                or _is_hidden(scenario, number)
            ),
        ),
        "stock_pressure": Feature(
            "product",
            -8.0,
            8.0,
            "log ratio",
            "log share of units left (on hand + in transit) less log share of customers left",
            "stock",
            constant=_is_hidden,
        ),
    },
    terms={
        "procurement": Term("unit cost of ordered units, paid when ordered"),
        "ordering": Term("fixed cost of an order and freight of its units, paid when ordered"),
        "holding": Term("holding cost of the units on hand or in carts at the end of the tick"),
        "salvage": Term("at the close: salvage value of leftovers, on hand or inbound"),
        "lost_sales": Term(
            "goodwill penalty for lost sales (see the metric); in the reward, never in the profit",
            is_money=False,
            applies=lambda scenario: any(product.lost_sale_penalty for product in scenario.products),
        ),
    },
    metrics={
        "demand": "first choices among products offered or out of stock, the latter at the price of their last unit",
        "units_sold": "units sold",
        "lost_sales": (
            "customers whose first choice was out of stock, at the price of its last unit, and who bought nothing"
        ),
        "units_ordered": "units ordered from the reserve",
        "sell_through": "units sold over all units bought by the shop, orders included",
        "fill_rate": "units sold over demand",
    },
    bounded=dict.fromkeys(
        ("lead_minutes", "order_cost", "freight_per_unit", "unlimited"),
        "an ordered unit costs at least unit cost and freight; all else only limits the shop. Under unlimited supply "
        "no unit is worth more than its landed cost",
    ),
    ranges={
        "lead_minutes": Between(0.0, 10.0),
        "order_cost": Between(0.0, 60.0),
        "freight_per_unit": Between(0.0, 2.0),
        "unlimited": OneOf((False, False, True)),
    },
    open=open_sale,
    begin_tick=begin_tick,
    decide=decide,
    settle=settle,
    observe=observe,
    measure=measure,
)

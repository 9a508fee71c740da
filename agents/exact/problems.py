"""From a scenario to the problem that a solver takes, or the reason why there is none.

Owns    which scenarios and customers each solver models (`PRICING`, `SINGLE_ORDER`, `LOST_SALES`).

Each `why_...` returns the reason as the end of a sentence, or None where the problem exists. Functions that build a
problem raise ValueError with that reason. All take the customers of the sale, the scenario's own by default.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from scipy.stats import poisson

from flashsale_env import Population, Scenario, load_scenario
from flashsale_env.agents.exact.logit import MnlSale, solve_mnl
from flashsale_env.agents.exact.pricing import (
    PriceTable,
    PricingProblem,
    optimal_continuous_prices,
    optimal_prices,
    why_too_large,
)
from flashsale_env.agents.exact.replenishment import LostSales, OrderTable, solve_lost_sales
from flashsale_env.theory.scope import ANY, Scope, every

Floats = npt.NDArray[np.float64]
Customers = str | Path | Population | None

# With relevance 0 and price sensitivity 1, voices differ only in name.
_ALIKE = (
    *("products", "utterances", "languages", "intent_probabilities", "latent_class", "coupon_affinity", "weight"),
    "card",
)
# Homogeneous customers, whose purchase probability is a formula of tick and prices. Their messages then carry no
# information.
_TEXTBOOK: Mapping[str, Any] = {
    "name": ANY,
    "description": ANY,
    "currency": ANY,
    "version": ANY,
    "horizon_ticks": ANY,
    "tick_minutes": ANY,
    "memory_minutes": ANY,
    "observe": ANY,
    **every("arrivals", "customers_per_minute", "burst_share", "burst_scale", "late_share", "late_scale"),
    "arrivals.law": ("poisson", "bernoulli"),
    "choice.model": ("mnl", "exponential"),
    "choice.drift": ANY,
    **every("messages", "share", "before_opening"),
    **every("products", "title", "noun", "price_levels", "reference_price", "quality", "nest"),
    **every("products", "initial_stock", "storage", "unit_cost", "salvage_value", "holding_cost"),
}

PRICING = Scope(
    "textbook pricing",
    {**_TEXTBOOK, "pricing.continuous": ANY, "products.may_be_withheld": ANY},
    _ALIKE,
)
SINGLE_ORDER = Scope(
    "the newsvendor's problem",
    {
        **_TEXTBOOK,
        **every("products", "order_levels", "reserve", "lost_sale_penalty"),
        **every("replenishment", "lead_minutes", "order_cost", "freight_per_unit", "unlimited"),
    },
    _ALIKE,
)
LOST_SALES = Scope(
    "the lost-sales problem",
    {**SINGLE_ORDER.options, "arrivals.law": ("poisson",), "replenishment.unlimited": (True,)},
    _ALIKE,
)


def why_unseen(scenario: Scenario, *features: str) -> str | None:
    """The reason that some of these features are not shown by a scenario, or None where all are."""
    missing = [name for name in features if name not in scenario.features]
    return f"the agent reads {', '.join(missing)}, which the scenario does not show" if missing else None


def why_no_pricing(scenario: Scenario, population: Customers = None) -> str | None:
    """Why a scenario is not a sale to textbook customers with prices as the only decision, or None where it is."""
    return PRICING.why_not(scenario, population)


def why_no_pricing_of_one(scenario: Scenario, population: Customers = None) -> str | None:
    """Why a scenario is not the textbook pricing of one product, or None where it is."""
    reason = why_no_pricing(scenario, population)
    if reason is None and len(scenario.products) > 1:
        reason = f"the scenario has {len(scenario.products)} products"
    return reason or why_too_large(scenario.horizon_ticks, (scenario.products[0].initial_stock,))


def pricing_problem(scenario: str | Path | Scenario, population: Customers = None) -> PricingProblem:
    """The sale of a scenario with one product, for `optimal_prices` and `policy_value`.

    Raises:
        ValueError: the scenario is of another kind; the message gives the reason.
    """
    scenario = load_scenario(scenario)
    _require(scenario, "the pricing of one product", why_no_pricing_of_one(scenario, population))
    product = scenario.products[0]
    return PricingProblem(
        stock=product.initial_stock,
        customers=scenario.customers_per_tick,
        mean_wtp=scenario.drift_per_tick * product.reference_price,
        choice=scenario.choice.model,
        quality=product.quality,
        arrivals=scenario.arrivals.law,
        salvage_value=product.salvage_value,
        holding_cost=holding_per_tick(scenario)[0],
    )


def why_no_mnl_sale(scenario: Scenario, population: Customers = None) -> str | None:
    """Why a scenario is not the textbook pricing of multinomial logit customers, or None where it is."""
    reason = why_no_pricing(scenario, population)
    if reason is None and scenario.choice.model != "mnl":
        reason = f"the scenario's choice model is {scenario.choice.model!r}, not 'mnl'"
    return reason


def mnl_sale(scenario: Scenario, population: Customers = None) -> MnlSale:
    """The sale of a scenario with any number of products and multinomial logit customers.

    Raises:
        ValueError: the scenario is of another kind; the message gives the reason.
    """
    _require(scenario, "the pricing of multinomial logit customers", why_no_mnl_sale(scenario, population))
    return _as_mnl_sale(scenario)


def _as_mnl_sale(scenario: Scenario) -> MnlSale:
    products = scenario.products
    menus = [(*product.price_levels, *(0.0,) * product.may_be_withheld) for product in products]
    return MnlSale(
        customers=scenario.customers_per_tick,
        quality=np.array([product.quality for product in products]),
        sensitivity=1.0 / np.outer(scenario.drift_per_tick, [product.reference_price for product in products]),
        stock=tuple(product.initial_stock for product in products),
        menus=tuple(menus),
        continuous=scenario.pricing.continuous,
        arrivals=scenario.arrivals.law,
        salvage_value=np.array([product.salvage_value for product in products]),
        holding_cost=holding_per_tick(scenario),
    )


def _require(scenario: Scenario, kind: str, reason: str | None) -> None:
    if reason is not None:
        raise ValueError(f"scenario {scenario.name!r} is not {kind}: {reason}.")


def holding_per_tick(scenario: Scenario) -> Floats:
    """(M,) cost of holding a unit for a tick; `holding_cost` of a product is per hour."""
    return np.array([product.holding_cost for product in scenario.products]) * scenario.tick_minutes / 60.0


def why_no_lost_sales(scenario: Scenario, population: Customers = None) -> str | None:
    """Why a scenario is not the replenishment of one product with stationary Poisson demand, or None where it is."""
    reason = why_no_order_alone(scenario) or LOST_SALES.why_not(scenario, population)
    if reason is not None:
        return reason
    product = scenario.products[0]
    if not _demand_per_tick(scenario)[0] > 0:
        return "the scenario has no demand"
    if not np.allclose(_demand_per_tick(scenario), _demand_per_tick(scenario)[0], rtol=1e-9):
        return "the scenario's demand changes from tick to tick"
    if product.holding_cost == 0:
        return "the scenario's holding cost is 0, so the fullest storage is best"
    if _lost_margin(scenario) <= 0:
        return "the scenario's price is no higher than what a unit costs"
    return None


def lost_sales_problem(scenario: Scenario, population: Customers = None) -> LostSales:
    """The replenishment of one product over an infinite horizon.

    In the long run every unit ordered is sold. A lost sale therefore costs the margin over unit cost and freight, plus
    the goodwill penalty.

    Raises:
        ValueError: the scenario is of another kind; the message gives the reason.
    """
    _require(scenario, "the replenishment of one product without end", why_no_lost_sales(scenario, population))
    product, supply = scenario.products[0], scenario.replenishment
    assert supply is not None
    return LostSales(
        mean_demand=float(_demand_per_tick(scenario)[0]),
        lead=scenario.lead_ticks,
        order_levels=product.order_levels,
        storage=product.storage,
        holding_cost=float(holding_per_tick(scenario)[0]),
        lost_sale_cost=_lost_margin(scenario),
        order_cost=supply.order_cost,
    )


def _lost_margin(scenario: Scenario) -> float:
    """Margin and goodwill of a lost sale of the only product."""
    product, supply = scenario.products[0], scenario.replenishment
    assert supply is not None
    return product.list_price + product.lost_sale_penalty - product.unit_cost - supply.freight_per_unit


def why_no_order_alone(scenario: Scenario) -> str | None:
    """Why orders of one product are not the only decision of a scenario, or None where they are."""
    if len(scenario.products) > 1:
        return f"the scenario decides on {len(scenario.products)} products"
    product = scenario.products[0]
    if len(product.order_levels) == 1 or scenario.replenishment is None:
        return "the scenario has nothing to order"
    if len(product.price_levels) > 1 or product.may_be_withheld:
        return "the scenario decides on prices and orders together"
    return None


def why_no_single_order(scenario: Scenario, population: Customers = None) -> str | None:
    """Why a scenario is not the newsvendor's problem (one tick, one order of one product), or None where it is."""
    if scenario.horizon_ticks > 1:
        return f"the scenario has {scenario.horizon_ticks} ticks"
    return why_no_order_alone(scenario) or SINGLE_ORDER.why_not(scenario, population)


def _demand_per_tick(scenario: Scenario) -> Floats:
    """(T,) expected demand for the only product at its only price."""
    product = scenario.products[0]
    theta = scenario.drift_per_tick * product.reference_price
    if scenario.choice.model == "exponential":
        buys = np.exp(-product.list_price / theta)
    else:
        buys = expit(product.quality - product.list_price / theta)
    return np.asarray(scenario.customers_per_tick * buys)


def why_unsolved_pricing(scenario: Scenario, population: Customers = None) -> str | None:
    """Why `solve_pricing` cannot solve a scenario, or None where it can."""
    reason = why_no_pricing(scenario, population)
    if reason is not None:
        return reason
    if _solved_as_logit(scenario):
        return _as_mnl_sale(scenario).why_unsolved
    if len(scenario.products) > 1:
        return "the scenario has several products, which are solved for choice model 'mnl' only"
    return why_no_pricing_of_one(scenario, population)


def _solved_as_logit(scenario: Scenario) -> bool:
    """Whether a pricing scenario goes to `solve_mnl`: several products, or one whose stock never binds."""
    if scenario.choice.model != "mnl":
        return False
    return len(scenario.products) > 1 or _as_mnl_sale(scenario).stock_never_binds


@lru_cache(maxsize=16)
def solve_pricing(scenario: Scenario) -> PriceTable:
    """The optimum of a pricing scenario; solved once for all its agents.

    Raises:
        ValueError: it cannot be solved; the message gives the reason.
    """
    _require(scenario, "a pricing that can be solved", why_unsolved_pricing(scenario))
    if _solved_as_logit(scenario):
        return solve_mnl(mnl_sale(scenario))
    problem, product = pricing_problem(scenario), scenario.products[0]
    if scenario.pricing.continuous:
        return optimal_continuous_prices(problem, product.price_levels[-1], product.price_levels[0])
    return optimal_prices(problem, (*product.price_levels, *(0.0,) * product.may_be_withheld))


@lru_cache(maxsize=16)
def solve_replenishment(problem: LostSales) -> OrderTable:
    """The optimum of a replenishment; solved once for all agents."""
    return solve_lost_sales(problem)


def single_order_profits(scenario: Scenario, population: Customers = None) -> tuple[Floats, Floats]:
    """Expected reward and expected profit, (A,) each, of every order level in a sale of one tick.

    Raises:
        ValueError: the scenario is of another kind; the message gives the reason.
    """
    _require(scenario, "a newsvendor's", why_no_single_order(scenario, population))
    product, supply = scenario.products[0], scenario.replenishment
    assert supply is not None
    wanted = np.array(product.order_levels)
    room = product.storage - product.initial_stock if product.storage else np.inf
    ordered = np.minimum(wanted, room if supply.unlimited else min(room, product.reserve))
    mean = float(_demand_per_tick(scenario)[0])
    # With a lead time the order arrives after the sale: it is paid, and salvaged.
    arrives = ordered if scenario.lead_ticks == 0 else np.zeros_like(ordered)
    stock = product.initial_stock + arrives
    if scenario.arrivals.law == "bernoulli":
        sold = mean * (stock > 0)
    else:
        # E min(D, y) = sum_{k < y} P(D > k)
        sold = np.array([poisson.sf(np.arange(int(units)), mean).sum() for units in stock])
    left = stock - sold
    paid = (product.unit_cost + supply.freight_per_unit) * ordered + supply.order_cost * (ordered > 0)
    salvaged = product.salvage_value * (left + ordered - arrives)
    money = product.list_price * sold + salvaged - holding_per_tick(scenario)[0] * left - paid
    return money - product.lost_sale_penalty * (mean - sold), money - scenario.opening_stock_cost

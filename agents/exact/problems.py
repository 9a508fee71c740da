"""From a scenario to the problem that the solvers take, or the reason why there is none.

Each `why_...` returns the reason as the end of a sentence, or None where the problem exists.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from scipy.stats import poisson

from flashsale_env import Scenario, load_scenario
from flashsale_env.agents.exact.logit import MnlSale, solve_mnl
from flashsale_env.agents.exact.pricing import PriceTable, PricingProblem, optimal_continuous_prices, optimal_prices
from flashsale_env.agents.exact.replenishment import LostSales, OrderTable, solve_lost_sales
from flashsale_env.population import HOMOGENEOUS

Floats = npt.NDArray[np.float64]


def why_not_textbook(scenario: Scenario) -> str | None:
    """Why the customers of a scenario have no formula, or None where they have."""
    shocks = scenario.shocks
    if scenario.choice.model not in ("mnl", "exponential"):
        return f"its choice model is {scenario.choice.model!r}, the formulas know 'mnl' and 'exponential'"
    if scenario.population != HOMOGENEOUS:
        return f"its customers differ (population {scenario.population!r}), the formulas know one kind"
    if shocks.appeal_sd or shocks.common_appeal_sd or shocks.traffic_sd or shocks.mix_sd:
        return "its sales differ by unobserved shocks"
    if scenario.coupon is not None:
        return "it has a coupon"
    return None


def why_unseen(scenario: Scenario, *features: str) -> str | None:
    """Which of these features a scenario does not show, as a reason, or None where it shows all."""
    missing = [name for name in features if name not in scenario.features]
    return f"it reads {', '.join(missing)}, which the scenario does not show" if missing else None


def why_no_pricing(scenario: Scenario) -> str | None:
    """Why a scenario is not a sale in which textbook customers are priced and nothing else, or None where it is."""
    if any(len(product.order_levels) > 1 for product in scenario.products):
        return "it decides on orders"
    if any(product.lost_sale_penalty for product in scenario.products):
        return "a lost sale costs a penalty"
    return why_not_textbook(scenario)


def pricing_problem(scenario: str | Path | Scenario) -> PricingProblem:
    """The sale of a scenario with one product, as `optimal_prices` and `policy_value` take it.

    Raises:
        ValueError: the scenario is not of that kind; the message says why.
    """
    scenario = load_scenario(scenario)
    reason = why_no_pricing(scenario)
    if reason is None and len(scenario.products) > 1:
        reason = f"it has {len(scenario.products)} products"
    if reason is not None:
        raise ValueError(f"scenario {scenario.name!r} is not the pricing of one product: {reason}.")
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


def mnl_sale(scenario: Scenario) -> MnlSale:
    """The sale of a multinomial logit scenario that `why_no_pricing` has no word against."""
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


def holding_per_tick(scenario: Scenario) -> Floats:
    """(M,) cost of holding a unit for a tick; products state it per hour."""
    return np.array([product.holding_cost for product in scenario.products]) * scenario.tick_minutes / 60.0


def why_no_lost_sales(scenario: Scenario) -> str | None:
    """Why a scenario is not the replenishment of one product with even Poisson demand, or None where it is."""
    reason = why_no_single_order(scenario)
    if reason is not None:
        return reason
    product = scenario.products[0]
    assert scenario.replenishment is not None
    if not scenario.replenishment.unlimited:
        return "its orders draw on a reserve"
    if scenario.arrivals.law != "poisson":
        return "its customers do not come as a Poisson stream"
    if not _demand_per_tick(scenario)[0] > 0:
        return "nobody buys"
    if not np.allclose(_demand_per_tick(scenario), _demand_per_tick(scenario)[0], rtol=1e-9):
        return "its demand changes from tick to tick"
    if product.holding_cost == 0:
        return "holding stock costs nothing, so the fullest storage is best"
    if _lost_margin(scenario) <= 0:
        return "a sale brings no more than the unit costs"
    return None


def lost_sales_problem(scenario: Scenario) -> LostSales:
    """The sale of a scenario that `why_no_lost_sales` has no word against.

    In the long run every unit ordered is sold, so a lost sale costs the margin over unit cost and freight, and the
    goodwill penalty.
    """
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
    """Margin and goodwill lost with a unit of the only product that was wanted and not there."""
    product, supply = scenario.products[0], scenario.replenishment
    assert supply is not None
    return product.list_price + product.lost_sale_penalty - product.unit_cost - supply.freight_per_unit


def why_no_single_order(scenario: Scenario) -> str | None:
    """Why a scenario does not decide on the orders of one product alone, or None where it does."""
    if len(scenario.products) > 1:
        return f"it decides on orders of {len(scenario.products)} products"
    product = scenario.products[0]
    if len(product.order_levels) == 1 or scenario.replenishment is None:
        return "it has nothing to order"
    if len(product.price_levels) > 1 or product.may_be_withheld:
        return "it decides on prices and orders together"
    return why_not_textbook(scenario)


def _demand_per_tick(scenario: Scenario) -> Floats:
    """(T,) expected units wanted of the only product at its only price."""
    product = scenario.products[0]
    theta = scenario.drift_per_tick * product.reference_price
    if scenario.choice.model == "exponential":
        buys = np.exp(-product.list_price / theta)
    else:
        buys = expit(product.quality - product.list_price / theta)
    return np.asarray(scenario.customers_per_tick * buys)


@lru_cache(maxsize=16)
def solve_pricing(scenario: Scenario) -> PriceTable:
    """The optimum of a pricing scenario; solved once for all its agents."""
    if scenario.choice.model == "mnl" and (len(scenario.products) > 1 or mnl_sale(scenario).stock_never_binds):
        return solve_mnl(mnl_sale(scenario))
    problem, product = pricing_problem(scenario), scenario.products[0]
    if scenario.pricing.continuous:
        return optimal_continuous_prices(problem, product.price_levels[-1], product.price_levels[0])
    return optimal_prices(problem, (*product.price_levels, *(0.0,) * product.may_be_withheld))


@lru_cache(maxsize=16)
def solve_replenishment(problem: LostSales) -> OrderTable:
    """The optimum of a replenishment; solved once for all agents."""
    return solve_lost_sales(problem)


def single_order_profits(scenario: Scenario) -> tuple[Floats, Floats]:
    """Expected reward and expected profit, (A,) each, of every order level in a sale of one tick."""
    product, supply = scenario.products[0], scenario.replenishment
    assert supply is not None
    wanted = np.array(product.order_levels)
    room = product.storage - product.initial_stock if product.storage else np.inf
    ordered = np.minimum(wanted, room if supply.unlimited else min(room, product.reserve))
    mean = float(_demand_per_tick(scenario)[0])
    arrives = ordered if scenario.lead_ticks == 0 else np.zeros_like(ordered)
    stock = product.initial_stock + arrives
    if scenario.arrivals.law == "bernoulli":
        sold = mean * (stock > 0)
    else:
        sold = np.array([poisson.sf(np.arange(int(units)), mean).sum() for units in stock])
    left = stock - sold
    paid = (product.unit_cost + supply.freight_per_unit) * ordered + supply.order_cost * (ordered > 0)
    salvaged = product.salvage_value * (left + ordered - arrives)
    money = product.list_price * sold + salvaged - holding_per_tick(scenario)[0] * left - paid
    return money - product.lost_sale_penalty * (mean - sold), money - scenario.opening_stock_cost

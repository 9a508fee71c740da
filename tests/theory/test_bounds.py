"""The upper bounds: above every policy, and equal to closed-form values in small cases."""

import dataclasses

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import lambertw

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.agents import exact
from flashsale_env.market.choice import MNL, NESTED
from flashsale_env.theory import dual
from flashsale_env.theory.bounds import HINDSIGHT_SCOPE, hindsight_bound, lagrangian_dual_bound


def test_the_inner_problem_is_mnl_pricing_by_lambert_w():
    """R = W(sum e^(a_i - b·c_i - 1))/b, p_i = c_i + 1/b + R: a = (10, 9, 8), c = (3, 2.5, 2), b = 1 give 5.059084."""
    a, c = np.array([[10.0, 9.0, 8.0]]), np.array([3.0, 2.5, 2.0])
    demand, margins = np.empty(3), np.zeros(1)
    value = dual.expected_margin(
        MNL, a, np.zeros(3), np.ones((1, 3)), np.full(3, 1e9), c, np.ones(1), margins, demand, np.empty(3)
    )
    assert value == pytest.approx(float(lambertw(np.exp(a[0] - c - 1).sum()).real), rel=1e-9)
    assert value == pytest.approx(5.059084, abs=1e-6)
    assert demand == pytest.approx([0.422890, 0.256496, 0.155573], abs=1e-6)


def test_with_prices_capped_the_inner_problem_is_the_best_of_a_fine_grid():
    """Brute force over three capped prices, including a cap below the worth of a unit (never offered)."""
    a, b, c = np.array([1.0, 0.5, 2.0]), np.array([1.0, 2.0, 0.7]), np.array([0.2, 0.1, 3.0])
    caps = np.array([0.9, 1.0, 2.5])
    demand = np.empty(3)
    value = dual.expected_margin(
        MNL, a[None], np.zeros(3), b[None], caps, c, np.ones(1), np.zeros(1), demand, np.empty(3)
    )
    grid = np.stack(np.meshgrid(*[np.append(np.linspace(0, cap, 91), np.inf) for cap in caps], indexing="ij"), -1)
    odds = np.exp(a - b * np.where(np.isfinite(grid), grid, 0.0)) * np.isfinite(grid)
    gain = np.where(np.isfinite(grid), grid - c, 0.0)
    brute = ((odds * gain).sum(-1) / (1 + odds.sum(-1))).max()
    assert brute <= value + 1e-12
    assert value == pytest.approx(brute, rel=1e-3)
    assert demand[2] == 0.0


@pytest.mark.parametrize("name", fs.SCENARIOS)
def test_no_agent_earns_more_than_the_bounds(name):
    """Every heuristic on the same 64 sales: hindsight bounds each sale, the dual the mean (3 standard errors).

    A scenario that a bound does not model is refused by it.
    """
    scenario, seeds = fs.load_scenario(name), agents.split_seeds("validation", 0, 64, start=90_000)
    if HINDSIGHT_SCOPE.why_not(scenario) is not None:
        for bound in (lagrangian_dual_bound, hindsight_bound):
            with pytest.raises(ValueError, match="does not model"):
                bound(scenario, seeds=seeds)
        return
    dual_bound, hindsight = (bound(scenario, seeds=seeds) for bound in (lagrangian_dual_bound, hindsight_bound))
    played = [agent for agent, entry in agents.AGENTS.items() if not entry.learns and not entry.applies(scenario)]
    assert played
    for agent in played:
        profit = agents.play(agents.make(agent, scenario), scenario, seeds=seeds)["profit"]
        assert (profit <= hindsight.per_sale + 1e-6 * np.abs(hindsight.per_sale)).all(), (
            f"{agent} earns more than {hindsight.name}"
        )
        gap = dual_bound.per_sale - profit
        assert gap.mean() > -3 * gap.std() / 8, f"{agent} earns more than {dual_bound.name}"


def test_hindsight_sells_to_the_customers_who_would_pay_most():
    """One product: E of the n largest capped payments is the integral of E min(n, N(p)), N(p) ~ Poisson(a·T·e^-p)."""
    scenario = fs.load_scenario("gallego-van-ryzin")
    product = scenario.products[0]

    def served(price):
        mean = 10 * np.e * np.exp(-price)
        return stats.poisson.expect(lambda k: np.minimum(k, product.initial_stock), (mean,), maxcount=200)

    paid = integrate.quad(served, 0.0, product.list_price)[0]
    bound = hindsight_bound(scenario, seeds=agents.split_seeds("validation", 0, 10_000, start=200_000))
    assert bound.name == "hindsight, one price per customer"
    assert abs(bound.value - paid) < 1.5 * bound.half_width  # 99.7 %
    assert bound.half_width < 0.01 * paid


def test_the_dual_reaches_the_optimum_where_stock_never_binds():
    """Multinomial logit without a stock limit: customers · R, the revenue of the optimal posted prices."""
    scenario = fs.load_scenario("mnl-price")
    optimum = agents.make("dp", scenario).expected_profit
    assert optimum == pytest.approx(300 * 5.059084, rel=1e-6)
    assert lagrangian_dual_bound(scenario, seeds=[0]).value == pytest.approx(optimum, rel=1e-8)


@pytest.mark.parametrize(("units", "share"), [(10, 0.946050), (100, 0.993586), (1000, 0.999324)])
def test_the_dual_is_tight_for_large_sales(units, share):
    """Optimal revenue over the dual bound, n = rho = k, rises to 1 as k grows."""
    base = fs.load_scenario("gallego-van-ryzin")
    scenario = base.replace(
        products=(dataclasses.replace(base.products[0], initial_stock=units),),
        arrivals=fs.Arrivals(units * np.e / base.sale_minutes),
    )
    bound = lagrangian_dual_bound(scenario, seeds=[0])
    assert exact.gvr_value(units, units) / bound.value == pytest.approx(share, abs=1e-6)


def test_the_dual_bounds_unlimited_replenishment():
    """At most the list price of every customer."""
    scenario = fs.load_scenario("lost-sales")
    bound = lagrangian_dual_bound(scenario, seeds=[0])
    assert bound.value == pytest.approx(5000 * 9.0, rel=1e-6)


def test_more_stock_never_lowers_the_bound_by_more_than_it_costs(standard):
    """The bound falls by at most the cost of the extra opening stock."""
    richer = standard.replace(
        products=tuple(dataclasses.replace(p, initial_stock=p.initial_stock + 50) for p in standard.products)
    )
    extra = richer.opening_stock_cost - standard.opening_stock_cost
    few, many = (lagrangian_dual_bound(s, seeds=range(4)).per_sale for s in (standard, richer))
    assert (many >= few - extra - 1e-6).all()


def test_the_bound_holds_for_the_known_optimum():
    """Gallego-van Ryzin: the optimum 9.460500 is below the fluid value 10, which the dual attains."""
    bound = lagrangian_dual_bound("gallego-van-ryzin", seeds=[0])
    assert 9.460500 < bound.value == pytest.approx(10.0, abs=1e-6)


def test_the_bound_of_a_scarce_sale_is_the_fluid_value():
    """4·ln(10·e/4): the stock binds, so the fluid price is ln(a·T/4)."""
    scenario = fs.load_scenario("gallego-van-ryzin")
    scarce = scenario.replace(products=(dataclasses.replace(scenario.products[0], initial_stock=4),))
    assert lagrangian_dual_bound(scarce, seeds=[0]).value == pytest.approx(4 * np.log(np.e * 10 / 4), abs=1e-5)


def test_the_dual_covers_nested_logit_and_refuses_mixed(standard):
    """Nested: above the mean profit of a heuristic."""
    nested = standard.replace(choice=fs.Choice("nested", dissimilarity=0.4))
    seeds = agents.split_seeds("validation", 0, 16, start=91_000)
    bound = lagrangian_dual_bound(nested, seeds=seeds)
    profit = agents.play(agents.make("sell_through", nested), nested, seeds=seeds)["profit"]
    assert (bound.per_sale - profit).mean() > 0
    with pytest.raises(ValueError, match="Take hindsight_bound"):
        lagrangian_dual_bound(standard.replace(choice=fs.Choice("mixed", appetite_sd=1.0)), seeds=seeds)


def test_each_nested_product_alone_earns_its_logit_optimum():
    """The relaxation of nested logit: two products earn the sum of their separate optima by Lambert W."""
    a, c = np.array([[2.0, 1.0]]), np.array([0.5, 0.2])
    value = dual.expected_margin(
        NESTED, a, np.zeros(2), np.ones((1, 2)), np.full(2, 1e9), c, np.ones(1), np.zeros(1), np.empty(2), np.empty(2)
    )
    assert value == pytest.approx(float(lambertw(np.exp(a[0] - c - 1)).real.sum()), rel=1e-9)

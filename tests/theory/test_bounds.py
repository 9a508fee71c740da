"""The dual bound: above every policy, and equal to what is known where the small case is known."""

import dataclasses

import numpy as np
import pytest
from scipy.special import lambertw

import agents
import flashsale_env as fs
from flashsale_env.bounds import lagrangian_dual_bound
from flashsale_env.core import dual
from flashsale_env.core.choice import MNL


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
    """Brute force over three capped prices, a cap below a unit's worth (never offered) included."""
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


def test_no_agent_earns_more_than_the_bound(standard):
    """Every heuristic on 64 sales of `standard`, paired with the bound of the same sales."""
    seeds = agents.split_seeds("validation", 0, 64, start=90_000)
    bound = lagrangian_dual_bound(standard, seeds=seeds)
    for name, entry in agents.AGENTS.items():
        if not entry.learns and entry.applies(standard) is None:
            gap = bound.per_sale - agents.play(agents.make(name, standard), standard, seeds=seeds)["profit"]
            assert gap.mean() > 2 * gap.std() / 8, f"{name} earns more than {bound.name}"


def test_more_stock_never_lowers_the_bound_by_more_than_it_costs(standard):
    """The bound less nothing but the cost of the extra opening stock."""
    richer = standard.replace(
        products=tuple(dataclasses.replace(p, initial_stock=p.initial_stock + 50) for p in standard.products)
    )
    extra = richer.opening_stock_cost - standard.opening_stock_cost
    few, many = (lagrangian_dual_bound(s, seeds=range(4)).per_sale for s in (standard, richer))
    assert (many >= few - extra - 1e-6).all()


def test_the_bound_holds_for_the_known_optimum():
    """Gallego-van Ryzin: the optimum 9.460500 lies below the fluid value 10 that the dual reaches."""
    bound = lagrangian_dual_bound("gallego-van-ryzin", seeds=[0])
    assert 9.460500 < bound.value == pytest.approx(10.0, abs=1e-6)


def test_the_bound_of_a_scarce_sale_is_the_fluid_value():
    """4·ln(e·10/4): the stock binds, so the price rises to ln(a·T/4)."""
    scenario = fs.load_scenario("gallego-van-ryzin")
    scarce = scenario.replace(products=(dataclasses.replace(scenario.products[0], initial_stock=4),))
    assert lagrangian_dual_bound(scarce, seeds=[0]).value == pytest.approx(4 * np.log(np.e * 10 / 4), abs=1e-5)

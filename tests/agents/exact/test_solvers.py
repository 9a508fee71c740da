"""Solvers of replenishment and of the deterministic problem, against published values and each other."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize

from flashsale_env import agents, load_scenario
from flashsale_env.agents import exact

# Poisson demand, holding cost 1, fixed cost K; for s >= 0, backlogging and lost sales lead to the same stock.
REORDER_POINTS = [
    # mean, p, K, s, S, cost
    (6, 4.0, 5.0, 4, 10, 8.034111561),  # Snyder & Shen (2019), Fundamentals of Supply Chain Theory, example 4.7
    (10, 9.0, 64.0, 6, 40, 35.02),  # from here on Zheng & Federgruen (1991), table of examples with K = 64, p = 9
    (15, 9.0, 64.0, 10, 49, 42.70),
    (20, 9.0, 64.0, 14, 62, 49.17),
    (25, 9.0, 64.0, 19, 56, 54.26),
]


@pytest.mark.parametrize(("mean", "penalty", "fee", "low", "high", "cost"), REORDER_POINTS)
def test_the_best_reorder_point_is_the_published_one(mean, penalty, fee, low, high, cost):
    found = exact.best_reorder_point(exact.LostSales(mean, 0, (0, 1), 400, 1.0, penalty, fee))
    assert found[:2] == (low, high)
    assert found[2] == pytest.approx(cost, abs=6e-3)


def test_without_lead_time_no_policy_is_cheaper_than_the_best_reorder_point():
    """Value iteration over all policies, and the Markov chain of this one, agree with the renewal formula."""
    problem = exact.LostSales(6, 0, tuple(range(31)), 30, 1.0, 4.0, 5.0)
    low, high, cost = exact.best_reorder_point(problem)
    assert exact.solve_lost_sales(problem).average_cost == pytest.approx(cost, abs=1e-6)
    assert exact.average_cost(problem, exact.reorder_rule(problem, low, high)) == pytest.approx(cost, abs=1e-9)


def test_without_a_fixed_cost_the_reorder_point_is_one_below_the_newsvendor_quantity():
    assert exact.best_reorder_point(exact.LostSales(100, 0, (0, 1), 400, 1.0, 1.0))[:2] == (99, 100)


def logit_fluid(scenario):
    """Shadow prices (2,), expected sales (2,) and value of the deterministic problem of two products."""
    sale = exact.mnl_sale(scenario)
    quality, slope = np.broadcast_to(sale.quality, (1, 1, 2)), sale.sensitivity[None, :1]
    low, high = (np.array([end(menu) for menu in sale.menus]) for end in (min, max))
    customers, stock = np.full((1, 1, 1), sale.customers.sum()), np.array([sale.stock], np.float64)
    worth = exact.clearing_worth(customers, quality, slope, stock, salvage=sale.salvage_value, low=low, high=high)
    margin, price = exact.best_offer(quality[0], slope[0], worth, low=low, high=high)
    odds = np.exp(quality[0] - slope[0] * price)
    return (
        worth[0],
        sale.customers.sum() * (odds / (1 + odds.sum()))[0],
        float(customers[0, 0, 0] * margin[0] + worth[0] @ stock[0]),
    )


@pytest.mark.parametrize("stock", [(3, 3), (1, 6), (2, 60), (60, 60)])
def test_expected_sales_equal_the_stock_or_its_shadow_price_is_the_salvage_value(stock):
    scenario = load_scenario("mnl-stock")
    scenario = scenario.replace(
        products=tuple(dataclasses.replace(p, initial_stock=n) for p, n in zip(scenario.products, stock, strict=True))
    )
    worth, sold, value = logit_fluid(scenario)
    lasts = worth == 0
    assert sold[~lasts] == pytest.approx(np.array(stock)[~lasts], rel=1e-8)
    assert (sold[lasts] <= np.array(stock)[lasts]).all()

    def dual(w):
        sale = exact.mnl_sale(scenario)
        return 15 * exact.best_offer(sale.quality, sale.sensitivity[0], w)[0] + w @ np.array(stock)

    found = minimize(dual, np.ones(2), bounds=[(0, 8)] * 2)
    assert value == pytest.approx(found.fun, abs=1e-6)


def test_the_deterministic_problem_earns_more_than_any_policy():
    assert logit_fluid(load_scenario("mnl-stock"))[2] > agents.make("dp", "mnl-stock").expected_profit

"""The agent that plays exact optima.

Exact values are compared exactly. Simulations play 20,000 sales, or the number stated, with z = 3.29: one false alarm
in a thousand, on seeds fixed by the split.
"""

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import poisson

from flashsale_env import Product, Simulator, agents, load_scenario
from flashsale_env.agents import AGENTS, exact, play, split_seeds
from flashsale_env.agents.exact import evaluate_exactly
from flashsale_env.scenario import Arrivals, Pricing, Replenishment, Scenario
from tests.agents.measuring import Z, simulated

WITH_MEMORY = ("estimated_myopic", "lp_resolve", "order_up_to")
WITH_MEMORY += ("ucb", "thompson", "thompson_lp", "exp3", "contextual", "certainty_equivalent")

ONE_PRODUCT = ["gallego-van-ryzin", "gvr-burst", "gvr-periodic", "gvr-two-phase"]


@pytest.mark.parametrize("scenario", ONE_PRODUCT)
def test_the_optimal_agent_shows_the_prices_of_its_table(scenario):
    """Evaluated through observations, actions and the simulator, it earns its expected profit, up to rounding."""
    agent = agents.make("dp", scenario)
    assert evaluate_exactly(agent, scenario) == pytest.approx(agent.expected_profit, abs=1e-7)


@pytest.mark.parametrize("scenario", ["gvr-periodic", "gvr-two-phase", "mnl-stock", "mnl-price"])
def test_the_simulated_value_of_the_optimal_agent_is_the_computed_one(scenario):
    agent = agents.make("dp", scenario)
    mean, half_width = simulated(agent, 2_000 if scenario == "mnl-price" else 20_000)
    assert abs(mean - agent.expected_profit) < half_width


def test_the_optimal_agent_earns_the_published_values(sixty):
    """9.412768 and 9.436405 from a grid with K = 10 and 60, 13.154522 with two products."""
    assert agents.make("dp", "gvr-periodic").expected_profit == pytest.approx(9.412768, abs=1e-6)
    assert agents.make("dp", sixty).expected_profit == pytest.approx(9.436405, abs=1e-6)
    assert agents.make("dp", "mnl-stock").expected_profit == pytest.approx(13.154522, abs=1e-6)
    assert agents.make("dp", "mnl-price").expected_profit == pytest.approx(300 * 5.059084, abs=1e-3)


@pytest.mark.parametrize("scenario", [*ONE_PRODUCT, "sixty"])
def test_no_agent_without_memory_earns_more_than_the_optimum(scenario, sixty):
    scenario = sixty if scenario == "sixty" else load_scenario(scenario)
    best = agents.make("dp", scenario).expected_profit
    for name, entry in AGENTS.items():
        if entry.learns or entry.applies(scenario) is not None or name in ("random", "dp", *WITH_MEMORY):
            continue
        assert evaluate_exactly(agents.make(name, scenario), scenario) < best + 1e-7, name


def test_products_that_would_lower_the_revenue_are_not_offered():
    """Six products at fixed prices; the best set is the first four, with 45.510204 a customer."""
    prices, weights = (100.0, 90.0, 80.0, 60.0, 45.0, 30.0), (0.2, 0.35, 0.3, 0.6, 0.9, 1.5)
    scenario = Scenario(
        name="assortment",
        horizon_ticks=4,
        tick_minutes=1.0,
        products=tuple(
            Product(f"product {j}", (r,), 500, quality=1.0 + math.log(v), may_be_withheld=True)
            for j, (r, v) in enumerate(zip(prices, weights, strict=True))
        ),
        arrivals=Arrivals(10.0),
    )
    agent = agents.make("dp", scenario)
    assert agent.expected_profit == pytest.approx(40 * 45.510204, abs=1e-4)
    simulator = Simulator(scenario, sales=2)
    actions, _ = agent.predict(simulator.open(np.arange(2, dtype=np.uint64), np.zeros(2, np.int64)))
    simulator.advance(actions)
    np.testing.assert_array_equal(simulator.sales["price"][0], [100, 90, 80, 60, 0, 0])
    mean, half_width = simulated(agent, 4_000)
    assert abs(mean - agent.expected_profit) < half_width


def test_several_products_with_poisson_ticks_from_a_grid():
    """Substitution within a tick: the simulated value equals the recursion, which tries every price vector."""
    levels = (4.0, 3.0, 2.5, 2.0, 1.5, 1.0)
    scenario = load_scenario("mnl-stock")
    scenario = scenario.replace(
        products=tuple(dataclasses.replace(p, price_levels=levels) for p in scenario.products),
        pricing=Pricing(continuous=False),
        arrivals=Arrivals(1.5),
        horizon_ticks=6,
    )
    agent = agents.make("dp", scenario)
    mean, half_width = simulated(agent)
    assert abs(mean - agent.expected_profit) < half_width


def test_agents_of_one_scenario_share_one_solution():
    first, second = agents.make("dp", "gvr-two-phase"), agents.make("dp", "gvr-two-phase")
    assert first._prices is second._prices


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"population": "reference"}, "the scenario's customers differ"),
        ({"observe": ("time_left", "stock_pressure")}, "reads on_hand"),
        (
            {"horizon_ticks": 1_000_000, "products": (Product("ticket", (2.0, 1.0), 20),)},
            "the table of 1000000 ticks and a stock of 20 has 21,000,021 entries",
        ),
    ],
)
def test_the_optimal_agent_gives_the_reason_why_it_does_not_apply(change, reason):
    scenario = load_scenario("gvr-periodic").replace(**change)
    assert reason in AGENTS["dp"].applies(scenario)
    with pytest.raises(ValueError, match="does not apply to scenario 'gvr-periodic'"):
        agents.make("dp", scenario)


def test_standard_has_no_exact_optimum(standard):
    for name in ("dp", "fluid", "fluid_resolve", "gvr", "myopic", "base_stock", "s_S"):
        assert AGENTS[name].applies(standard) is not None


def test_continuous_prices_of_several_products_need_one_customer_at_a_time():
    scenario = load_scenario("mnl-stock").replace(arrivals=Arrivals(0.5))
    assert "at most one customer a tick" in AGENTS["dp"].applies(scenario)


def newsvendor(**changes):
    """Poisson(100) demand at price 10, unit cost 6, salvage value 2."""
    settings = {"order_levels": tuple(range(151)), "storage": 200, "unit_cost": 6.0, "salvage_value": 2.0}
    return Scenario(
        name="newsvendor",
        horizon_ticks=1,
        tick_minutes=60.0,
        products=(Product("paper", (10.0,), 0, quality=60.0, **(settings | changes)),),
        arrivals=Arrivals(100 / 60),
        replenishment=Replenishment(unlimited=True),
    )


def test_the_optimal_agent_is_the_newsvendor_in_a_single_period():
    """100 papers earn 368.111203."""
    agent = agents.make("dp", newsvendor())
    table = play(agent, agent.scenario, seeds=split_seeds("test", 7, 20_000))
    assert (table["units_ordered"] == 100).all()
    assert agent.expected_profit == pytest.approx(368.111203, abs=1e-6)
    mean, error = table["profit"].mean(), table["profit"].std(ddof=1) / 20_000**0.5
    assert abs(mean - agent.expected_profit) < Z * error


def test_the_newsvendor_accounts_for_initial_stock_and_lost_sale_penalties():
    """With 40 papers in stock, 60 are ordered; goodwill of 4 raises the fractile from 4/8 to 8/12."""
    stocked = newsvendor()
    product = dataclasses.replace(stocked.products[0], initial_stock=40)
    table = play(agents.make("dp", s := stocked.replace(products=(product,))), s, seeds=split_seeds("test", 7, 4))
    assert (table["units_ordered"] == 60).all()
    small = newsvendor(storage=70)
    table = play(agents.make("dp", small), small, seeds=split_seeds("test", 7, 4))
    assert (table["units_ordered"] == 70).all()
    assert agents.make("dp", small).expected_profit == pytest.approx(
        8 * poisson.sf(np.arange(70), 100).sum() - 4 * 70, abs=1e-9
    )
    penalised = newsvendor(lost_sale_penalty=4.0)
    table = play(agents.make("dp", penalised), penalised, seeds=split_seeds("test", 7, 4))
    assert (table["units_ordered"] == poisson.ppf(8 / 12, 100)).all()


@pytest.mark.parametrize(("name", "cost"), [("dp", 6.8359), ("base_stock", 7.2709)])
def test_replenishment_costs_its_exact_long_run_average(name, cost):
    """64 sales of 800 ticks after 200; lead time 4, p = 9, published optimum 6.84."""
    scenario = load_scenario("lost-sales")
    agent = agents.make(name, scenario)
    simulator = Simulator(scenario, sales=64)
    observations = simulator.open(split_seeds("test", 7, 64), np.zeros(64, np.int64))
    paid = np.zeros(64)
    for tick in range(scenario.horizon_ticks):
        actions, _ = agent.predict(observations)
        observations, _, _ = simulator.advance(actions)
        if tick >= 200:
            paid += simulator.sales["on_hand"][:, 0] + 9.0 * simulator.sales["tick_lost"][:, 0]
    average = paid / 800
    assert abs(average.mean() - cost) < Z * average.std(ddof=1) / 8
    if name == "dp":
        assert agent.average_cost == pytest.approx(cost, abs=1e-4)
    else:
        assert exact.best_base_stock(exact.lost_sales_problem(scenario))[1] == pytest.approx(cost, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unit_cost": 9.0}, "no higher than what a unit costs"),
        ({"holding_cost": 0.0}, "holding cost is 0"),
        ({"price_levels": (9.0, 8.0)}, "prices and orders together"),
    ],
)
def test_other_problems_than_lost_sales_are_refused(change, reason):
    scenario = load_scenario("lost-sales")
    changed = scenario.replace(products=(dataclasses.replace(scenario.products[0], **change),))
    for name in ("dp", "base_stock"):
        assert reason in AGENTS[name].applies(changed)

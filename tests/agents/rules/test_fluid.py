"""Textbook rules: fluid, myopic and Gallego-van Ryzin prices, base stock, (s, S).

Exact values are compared exactly. Simulations play 20,000 sales, or the number stated, with z = 3.29: one false alarm
in a thousand, on seeds fixed by the split.
"""

import dataclasses
import math

import numpy as np
import pytest
from scipy.special import lambertw

from flashsale_env import Simulator, agents, load_scenario
from flashsale_env.agents import AGENTS, exact, split_seeds
from flashsale_env.agents.exact import evaluate_exactly
from flashsale_env.scenario import Arrivals, Choice, Replenishment
from tests.agents.measuring import Z, simulated


def test_base_stock_orders_up_to_its_level():
    scenario = load_scenario("lost-sales")
    agent = agents.make("base_stock", scenario, level=30)
    simulator = Simulator(scenario, sales=3)
    observations = simulator.open(np.arange(3, dtype=np.uint64), np.zeros(3, np.int64))
    for _ in range(50):
        before = simulator.sales["on_hand"][:, 0] + simulator.sales["inbound"].sum(axis=(1, 2))
        ordered = simulator.sales["ordered"][:, 0].copy()
        observations, _, _ = simulator.advance(agent.predict(observations)[0])
        np.testing.assert_array_equal(simulator.sales["ordered"][:, 0] - ordered, np.clip(30 - before, 0, 15))


def test_the_best_base_stock_is_the_default():
    """28 by the exact cost of every level; units in transit serve as well as the pipeline."""
    scenario = load_scenario("lost-sales")
    assert agents.make("base_stock", scenario).params == {"level": 28}
    assert agents.make("base_stock", scenario.replace(observe=("on_hand", "in_transit"))).params == {"level": 28}
    assert "pipeline" in AGENTS["dp"].applies(scenario.replace(observe=("on_hand", "in_transit")))


def with_order_cost(**changes):
    """Lost sales with orders that arrive at once and cost 5 each."""
    scenario = load_scenario("lost-sales")
    product = dataclasses.replace(scenario.products[0], order_levels=tuple(range(31)), price_levels=(4.0,))
    settings = {"replenishment": Replenishment(order_cost=5.0, unlimited=True), "arrivals": Arrivals(0.1)}
    return scenario.replace(products=(product,), observe=("on_hand",), **(settings | changes))


def test_the_reorder_point_costs_its_published_average():
    """8.034: 64 sales of 800 ticks after 200."""
    scenario = with_order_cost()
    agent = agents.make("s_S", scenario)
    assert agent.params == {"reorder_at": 4, "order_up_to": 10}
    simulator = Simulator(scenario, sales=64)
    observations = simulator.open(split_seeds("test", 7, 64), np.zeros(64, np.int64))
    paid = np.zeros(64)
    for tick in range(scenario.horizon_ticks):
        before = simulator.sales["ordered"][:, 0].copy()
        observations, _, _ = simulator.advance(agent.predict(observations)[0])
        if tick >= 200:
            ordered = simulator.sales["ordered"][:, 0] > before
            paid += simulator.sales["on_hand"][:, 0] + 4.0 * simulator.sales["tick_lost"][:, 0] + 5.0 * ordered
    average = paid / 800
    assert abs(average.mean() - 8.034112) < Z * average.std(ddof=1) / 8


def test_the_reorder_point_gives_the_reason_where_it_does_not_apply():
    assert "would be base_stock" in AGENTS["s_S"].applies(load_scenario("lost-sales"))
    with pytest.raises(ValueError, match="reorder_at must lie below order_up_to, got 9 and 4"):
        agents.make("s_S", with_order_cost(), reorder_at=9, order_up_to=4)


@pytest.mark.parametrize(
    ("name", "value"),
    [("fluid", 8.748900), ("myopic", 8.748900), ("fluid_resolve", 9.201155), ("gvr", 9.435758), ("dp", 9.436405)],
)
def test_formulas_rounded_to_the_grid_earn_their_exact_values(name, value, sixty):
    """Gallego and van Ryzin's sale with prices .5(.25)3 and 60 epochs."""
    assert evaluate_exactly(agents.make(name, sixty), sixty) == pytest.approx(value, abs=1e-6)


def test_formulas_approach_their_values_in_continuous_time():
    """Optimal 9.460500, fluid re-solved 9.226587, fixed at the fluid price 8.748900; 2,000 ticks."""
    scenario = load_scenario("gallego-van-ryzin").replace(horizon_ticks=2000)
    values = {
        name: evaluate_exactly(agents.make(name, scenario), scenario) for name in ("gvr", "fluid_resolve", "fluid")
    }
    assert values["gvr"] == pytest.approx(9.460500, abs=5e-4)
    assert values["fluid_resolve"] == pytest.approx(9.226587, abs=5e-4)
    assert values["fluid"] == pytest.approx(8.748900, abs=1e-6)


def shown(name, scenario):
    """(T, n + 1) prices that an agent shows in every state of a sale of one product with prices in a range."""
    agent = agents.make(name, scenario)
    ticks, stocks = scenario.horizon_ticks, scenario.products[0].initial_stock + 1
    tick, stock = np.repeat(np.arange(ticks), stocks), np.tile(np.arange(stocks), ticks)
    return agent.prices(tick, stock[:, None])[:, 0].reshape(ticks, stocks)


def test_the_fluid_price_is_the_formula_of_customers_and_units_left():
    scenario = load_scenario("gallego-van-ryzin")
    left = 10 * math.e * (60 - np.arange(60)[:, None]) / 60
    formula = np.maximum(1.0, np.log(left / np.arange(1, 11)))
    assert shown("fluid_resolve", scenario)[:, 1:] == pytest.approx(formula, abs=1e-9)
    scarce = scenario.replace(products=(dataclasses.replace(scenario.products[0], initial_stock=4),))
    assert shown("fluid", scarce) == pytest.approx(math.log(10 * math.e / 4), abs=1e-9)


def test_the_fluid_price_of_a_drifting_sale_sells_the_stock():
    """The shadow price is the same in both phases, and the expected sales over all ticks equal the stock."""
    scenario = load_scenario("gvr-two-phase")
    scarce = scenario.replace(products=(dataclasses.replace(scenario.products[0], initial_stock=3),))
    prices, theta = shown("fluid", scarce)[:, 3], scenario.drift_per_tick
    assert np.ptp(prices - theta) == pytest.approx(0, abs=1e-9)
    assert scenario.customers_per_tick @ np.exp(-prices / theta) == pytest.approx(3, abs=1e-9)


def test_the_fluid_price_of_multinomial_logit_sells_the_stock():
    scenario = load_scenario("gallego-van-ryzin").replace(choice=Choice("mnl"))
    scarce = scenario.replace(products=(dataclasses.replace(scenario.products[0], initial_stock=2, quality=1.5),))
    prices = shown("fluid", scarce)[:, 2]
    assert np.ptp(prices) == 0
    assert scenario.customers_per_tick.sum() / (1 + math.exp(prices[0] - 1.5)) == pytest.approx(2, abs=1e-9)


def test_one_product_has_the_same_shadow_price_by_contraction_and_by_bisection():
    scenario = load_scenario("gallego-van-ryzin").replace(choice=Choice("mnl"))
    product = dataclasses.replace(scenario.products[0], initial_stock=2, quality=1.5)
    price = shown("fluid", scenario.replace(products=(product,)))[0, 2]
    worth = exact.clearing_worth(
        np.full((1, 1, 1), 10 * math.e),
        np.full((1, 1, 1), 1.5),
        np.ones((1, 1, 1)),
        np.full((1, 1), 2.0),
        salvage=0.0,
        low=-np.inf,
        high=np.inf,
    )
    assert exact.best_offer(np.array([1.5]), np.ones(1), worth[0])[1][0] == pytest.approx(price, abs=1e-8)


def test_resolving_the_deterministic_problem_of_two_products_is_near_the_optimum():
    """13.154522; solved once and re-solved, 20,000 sales each."""
    once, anew = (simulated(agents.make(name, "mnl-stock"))[0] for name in ("fluid", "fluid_resolve"))
    assert 0.94 * 13.154522 < once < anew < 13.154522
    assert anew > 0.96 * 13.154522


def test_gallego_van_ryzins_price_is_above_the_salvage_value():
    """With salvage value s the sale is the same sale of price p - s with e^-s as many customers."""
    scenario = load_scenario("gallego-van-ryzin")
    salvaged = scenario.replace(products=(dataclasses.replace(scenario.products[0], salvage_value=0.4),))
    for name in ("gvr", "fluid_resolve"):
        fewer = scenario.replace(arrivals=Arrivals(scenario.arrivals.customers_per_minute * math.exp(-0.4)))
        assert shown(name, salvaged)[:, 1:] == pytest.approx(0.4 + shown(name, fewer)[:, 1:], abs=1e-9)
    assert shown("gvr", scenario)[0, 10] == pytest.approx(exact.gvr_price(10, 10.0), rel=1e-12)


def test_myopic_prices_are_optimal_where_stock_never_binds_and_only_there():
    plenty, scarce = load_scenario("mnl-price"), load_scenario("mnl-stock")
    for scenario, same in ((plenty, True), (scarce, False)):
        simulator = Simulator(scenario, sales=2)
        observations = simulator.open(np.arange(2, dtype=np.uint64), np.zeros(2, np.int64))
        actions = [agents.make(name, scenario).predict(observations)[0] for name in ("dp", "myopic")]
        assert np.allclose(*actions, atol=1e-6) is same


def test_myopic_prices_consider_only_products_on_hand():
    """With "large" gone, "small" is priced as if it were alone: 1 + W(e^(1 - 1))."""
    agent = agents.make("myopic", "mnl-stock")
    both, alone = agent.prices(np.zeros(2, np.int64), np.array([[1, 1], [0, 1]]))[:, 1]
    assert alone == pytest.approx(1 + float(lambertw(1.0).real), rel=1e-12)
    assert both > alone


def test_a_stock_that_lasts_is_priced_myopically():
    scenario = load_scenario("gvr-two-phase")
    plenty = scenario.replace(products=(dataclasses.replace(scenario.products[0], initial_stock=40),))
    for name in ("fluid", "fluid_resolve"):
        assert shown(name, plenty)[:, 40] == pytest.approx(scenario.drift_per_tick, rel=1e-12)

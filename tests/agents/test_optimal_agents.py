"""The agents that play exact optima and textbook formulas.

Where a value is exact it is compared exactly; where sales are simulated, 20,000 of them (or what is said) with
z = 3.29, one false alarm in a thousand, on seeds fixed by the split.
"""

import dataclasses
import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import lambertw
from scipy.stats import poisson

from flashsale_env import Product, Simulator, agents, load_scenario
from flashsale_env.agents import AGENTS, exact, play, split_seeds
from flashsale_env.agents.exact import evaluate_exactly
from flashsale_env.scenario import Arrivals, Choice, Pricing, Replenishment, Scenario

Z = 3.29
WITH_MEMORY = ("estimated_myopic", "lp_resolve", "order_up_to")
WITH_MEMORY += ("ucb", "thompson", "thompson_lp", "exp3", "contextual", "certainty_equivalent")
ONE_PRODUCT = ["gallego-van-ryzin", "gvr-burst", "gvr-periodic", "gvr-two-phase"]


@pytest.fixture
def sixty():
    """The periodic sale with 60 epochs."""
    return load_scenario("gvr-periodic").replace(horizon_ticks=60)


def simulated(agent, sales=20_000, column="profit"):
    """Mean of a metric and the half-width of its interval."""
    values = play(agent, agent.scenario, seeds=split_seeds("test", 7, sales))[column]
    return values.mean(), Z * values.std(ddof=1) / sales**0.5


# ---------------------------------------------------------------- dynamic programming


@pytest.mark.parametrize("scenario", ONE_PRODUCT)
def test_the_optimal_agent_shows_the_prices_of_its_table(scenario):
    """Read back through observations, actions and the simulator, it earns what it says, to the rounding of actions."""
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
    """Six products at given prices; the best set is the first four and earns 45.510204 a customer."""
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
    """Substitution inside a tick: the simulated value meets the recursion, which tries every price vector."""
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
def test_the_optimal_agent_says_why_it_cannot_play(change, reason):
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


# ---------------------------------------------------------------- orders


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


def test_the_newsvendor_counts_what_is_there_and_what_a_lost_sale_costs():
    """40 papers on the shelf leave 60 to order; goodwill of 4 raises the fractile from 4/8 to 8/12."""
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


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unit_cost": 9.0}, "no higher than what a unit costs"),
        ({"holding_cost": 0.0}, "holding cost is 0"),
        ({"price_levels": (9.0, 8.0)}, "prices and orders together"),
    ],
)
def test_what_is_no_lost_sales_problem_is_refused(change, reason):
    scenario = load_scenario("lost-sales")
    changed = scenario.replace(products=(dataclasses.replace(scenario.products[0], **change),))
    for name in ("dp", "base_stock"):
        assert reason in AGENTS[name].applies(changed)


# Poisson demand, holding cost 1, a cost per order K; where nothing is backlogged at s >= 0, lost sales are the same.
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


def test_no_policy_is_cheaper_than_the_best_reorder_point_where_orders_arrive_at_once():
    """Value iteration over all policies, and the Markov chain of this one, agree with the renewal formula."""
    problem = exact.LostSales(6, 0, tuple(range(31)), 30, 1.0, 4.0, 5.0)
    low, high, cost = exact.best_reorder_point(problem)
    assert exact.solve_lost_sales(problem).average_cost == pytest.approx(cost, abs=1e-6)
    assert exact.average_cost(problem, exact.reorder_rule(problem, low, high)) == pytest.approx(cost, abs=1e-9)


def test_without_a_cost_per_order_the_reorder_point_is_one_below_the_newsvendors_quantity():
    assert exact.best_reorder_point(exact.LostSales(100, 0, (0, 1), 400, 1.0, 1.0))[:2] == (99, 100)


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


def test_the_reorder_point_says_where_it_does_not_apply():
    assert "would be base_stock" in AGENTS["s_S"].applies(load_scenario("lost-sales"))
    with pytest.raises(ValueError, match="reorder_at must lie below order_up_to, got 9 and 4"):
        agents.make("s_S", with_order_cost(), reorder_at=9, order_up_to=4)


# ---------------------------------------------------------------- formulas


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
    """Both phases value a unit alike, and the expected sales over all ticks are the stock."""
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


def logit_fluid(scenario):
    """Worths (2,), expected sales (2,) and value of the deterministic problem of a sale of two products."""
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
def test_several_products_are_priced_so_that_expected_sales_are_the_stock_or_its_worth_is_the_salvage_value(stock):
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


def test_one_product_has_the_same_worth_by_contraction_and_by_bisection():
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
    """13.154522; solved once and solved anew, 20,000 sales each."""
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


def test_myopic_prices_count_only_what_is_on_hand():
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


# ---------------------------------------------------------------- evaluating


def test_an_agent_is_evaluated_in_every_encoding():
    """A multidiscrete agent that always shows level 7, 1.25: the best fixed price, 9.274319."""

    class Fixed:
        encoding = "multidiscrete"

        def predict(self, observation, state=None, episode_start=None, deterministic=True):
            return np.full((len(observation), 1), 7), state

    assert evaluate_exactly(Fixed(), "gvr-periodic") == pytest.approx(9.274319, abs=1e-6)


def test_only_what_tick_and_stock_determine_is_evaluated_exactly():
    with pytest.raises(ValueError, match="the agent keeps a state"):
        evaluate_exactly(agents.make("random", "gvr-periodic"), "gvr-periodic")
    seen = load_scenario("gvr-periodic").replace(observe=("time_left", "on_hand", "price"))
    with pytest.raises(ValueError, match="shows price, which tick and stock do not determine"):
        evaluate_exactly(agents.make("gvr", seen), seen)
    with pytest.raises(ValueError, match="the scenario has 2 products"):
        evaluate_exactly(agents.make("myopic", "mnl-stock"), "mnl-stock")

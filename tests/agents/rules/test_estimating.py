"""Rules that estimate demand during the sale: the estimates, the decisions, and the memory.

Simulated means have z = 3.29, one false alarm in a thousand, on seeds fixed by the split.
"""

import dataclasses

import numpy as np
import pytest

from flashsale_env import Simulator, agents, load_scenario
from flashsale_env.agents import play, split_seeds
from flashsale_env.agents.rules.estimating import EstimatedMyopic, LpResolve, OrderUpTo
from flashsale_env.scenario import Arrivals

Z = 3.29


def sell(agent, sales, ticks=None):
    """Simulator and memory after the whole sale, or so many ticks of it."""
    simulator = Simulator(agent.scenario, sales=sales)
    observations = simulator.open(split_seeds("test", 3, sales), np.zeros(sales, np.int64))
    start, memory = np.ones(sales, np.bool_), None
    for _ in range(ticks or agent.scenario.horizon_ticks):
        actions, memory = agent.predict(observations, memory, start)
        observations, _, _ = simulator.advance(actions)
        start = np.zeros(sales, np.bool_)
    return simulator, agent.predict(observations, memory, start)[1]


@pytest.fixture
def plenty():
    """Three multinomial logit products and stock that never binds."""
    return load_scenario("mnl-price")


def test_with_the_true_demand_as_its_prior_the_first_price_is_the_myopic_one(plenty):
    observation = Simulator(plenty, sales=1).open(np.zeros(1, np.uint64), np.zeros(1, np.int64))
    myopic, _ = agents.make("myopic", plenty).predict(observation)
    for rule in (EstimatedMyopic, LpResolve):
        np.testing.assert_allclose(rule(plenty).predict(observation)[0], myopic, atol=1e-6)


def test_a_wrong_prior_gives_way_to_the_sales(plenty):
    """Prior odds half of the true ones; 200 customers a tick; 8 sales, log odds within 5 %."""
    products = tuple(dataclasses.replace(p, quality=p.quality - 4, initial_stock=9000) for p in plenty.products)
    scenario = plenty.replace(products=products, arrivals=Arrivals(200.0))
    true = EstimatedMyopic.defaults(scenario)
    wrong = {name: value - np.log(2) for name, value in true.items() if name.startswith("appeal")}
    agent = EstimatedMyopic(scenario, **{**true, **wrong, "prior_units": 20.0})
    _, memory = sell(agent, 8)
    estimate = (20 + memory.bought) / (20 * np.exp(-agent.per_product("appeal")) + memory.offered)
    np.testing.assert_allclose(np.log(estimate).mean(axis=0), agent.per_product("appeal") + np.log(2), atol=0.05)


def test_a_tick_that_ends_sold_out_is_not_counted():
    """With one unit each nothing counts as bought, and customers count only while there was something to buy."""
    scenario = load_scenario("mnl-stock")
    single = scenario.replace(products=tuple(dataclasses.replace(p, initial_stock=1) for p in scenario.products))
    simulator, memory = sell(EstimatedMyopic(single), 64, ticks=8)
    gone = simulator.sales["on_hand"] == 0
    assert 0 < gone.mean() < 1
    assert (memory.bought == 0).all()
    assert memory.offered[gone].mean() < memory.offered[~gone].mean()


@pytest.mark.parametrize("name", ["estimated_myopic", "lp_resolve", "order_up_to"])
def test_the_state_is_the_whole_memory_and_a_new_sale_resets_it(name):
    scenario = load_scenario("lost-sales" if name == "order_up_to" else "mnl-stock")
    agent = agents.make(name, scenario)
    simulator, memory = sell(agent, 4, ticks=20)
    observations = simulator.observe()
    now, _ = agent.predict(observations, memory)
    again, _ = agents.make(name, scenario).predict(observations, memory)
    np.testing.assert_array_equal(now, again)
    opening = simulator.open(np.arange(4, dtype=np.uint64), np.zeros(4, np.int64))
    fresh, blank = agent.predict(opening, None)
    forgot, state = agent.predict(opening, memory, np.ones(4, np.bool_))
    np.testing.assert_array_equal(forgot, fresh)
    np.testing.assert_array_equal(
        *[np.stack([getattr(m, f.name) for f in dataclasses.fields(m)]) for m in (blank, state)]
    )


def test_a_state_mixes_sales_that_begin_with_sales_that_continue():
    """As in a vector environment whose sales close at different times."""
    agent = agents.make("lp_resolve", "mnl-stock")
    simulator, memory = sell(agent, 4, ticks=10)
    observations = simulator.observe()
    start = np.array([True, False, True, False])
    mixed, _ = agent.predict(observations, memory, start)
    goes_on, _ = agent.predict(observations, memory)
    opens, _ = agent.predict(observations, None)
    np.testing.assert_allclose(mixed, np.where(start[:, None], opens, goes_on), atol=1e-4)


def test_with_the_true_demand_the_first_prices_are_those_of_the_deterministic_problem():
    scenario = load_scenario("mnl-stock")
    observation = Simulator(scenario, sales=1).open(np.zeros(1, np.uint64), np.zeros(1, np.int64))
    known, _ = agents.make("fluid_resolve", scenario).predict(observation)
    estimated, _ = LpResolve(scenario).predict(observation)
    np.testing.assert_allclose(estimated, known, atol=0.02)  # sales within 1 % are prices within a few cents


def test_planning_with_the_stock_earns_more_than_myopic_prices():
    """Paired on 4,000 sales of two products with three units each."""
    seeds = split_seeds("test", 3, 4000)
    gain = play(LpResolve("mnl-stock"), "mnl-stock", seeds=seeds)["profit"]
    gain = gain - play(EstimatedMyopic("mnl-stock"), "mnl-stock", seeds=seeds)["profit"]
    assert gain.mean() > 1.0 + Z * gain.std(ddof=1) / len(gain) ** 0.5


# ---------------------------------------------------------------- orders


def test_the_forecast_includes_lost_demand():
    """With little stock on purpose, sales are well below the demand of 5 units a tick; most of the gap is recovered."""
    scenario = load_scenario("lost-sales").replace(horizon_ticks=400, tick_minutes=60.0)
    agent = OrderUpTo(scenario, prior=0.5, safety=-2.0, review=1)
    simulator, memory = sell(agent, 64)
    sold = simulator.sales["sold"][:, 0] / memory.customers[:, 0]
    forecast = memory.wanted[:, 0] / memory.customers[:, 0]
    assert sold.mean() < 0.8
    assert abs(1.0 - forecast.mean()) < 0.4 * (1.0 - sold.mean())


def test_the_first_order_fills_up_to_the_prior_forecast():
    """Prior of .8 units a customer: 5 ticks of 5 customers are 20, and half a root of 20 on top is 22 of 25 there."""
    scenario = load_scenario("lost-sales")
    low, high = (OrderUpTo(scenario, prior=prior, safety=0.5, review=1) for prior in (0.8, 1.0))
    observation = Simulator(scenario, sales=1).open(np.zeros(1, np.uint64), np.zeros(1, np.int64))
    orders = [np.floor((agent.predict(observation)[0] + 1) / 2 * agent.codec.n_levels).ravel() for agent in (low, high)]
    assert orders == [0, 2]  # 25 + 2.5 are wanted of 25 there


def test_a_forecast_is_nearly_as_good_as_knowing_the_demand():
    """Paired on 32 sales of 1,000 ticks: tuned, within 1 % of the best base-stock level."""
    seeds = split_seeds("test", 3, 32)
    earned = [
        play(agents.make(name, "lost-sales"), "lost-sales", seeds=seeds)["profit"].mean()
        for name in ("order_up_to", "base_stock")
    ]
    assert earned[0] > 0.99 * earned[1]


def test_orders_that_would_arrive_too_late_are_not_placed(standard):
    agent = OrderUpTo(standard, prior=1.0, review=60)
    observation = np.zeros((2, agent.layout.size), np.float32)
    observation[:, agent.layout["time_left"]] = [[0.5], [0.1]]  # an order takes 8 of 60 minutes
    observation[:, agent.layout["traffic"]] = 1.0
    observation[:, agent.layout["reserve"]] = 0.3
    levels = np.floor((agent.predict(observation)[0] + 1) / 2 * agent.codec.n_levels)[:, agent.codec.columns("order")]
    assert (levels[0] > 0).all()
    assert (levels[1] == 0).all()


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("lp_resolve", {"observe": ("time_left",)}, "the agent reads on_hand"),
        ("order_up_to", {}, "nothing to order"),
    ],
)
def test_scenarios_to_which_they_do_not_apply_are_refused(name, change, reason):
    assert reason in agents.AGENTS[name].applies(load_scenario("mnl-stock").replace(**change))


def test_an_uneven_demand_needs_the_clock():
    uneven = load_scenario("lost-sales").replace(arrivals=Arrivals(5 / 60, burst_share=0.3))
    assert "time_left" in agents.AGENTS["order_up_to"].applies(uneven)

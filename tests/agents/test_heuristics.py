"""Rules of thumb: that each does what its name says."""

import numpy as np
import pytest

import agents
from agents import play, split_seeds, trace
from agents.heuristics import FixedPrice, LinearMarkdown, Merchant, SellThrough
from flashsale_env import SCENARIOS, Layout, load_scenario

# One-in-a-thousand false alarms: every test here has its own sales, fixed by the split.
Z = 3.29


def mean_and_error(values):
    return values.mean(), values.std(ddof=1) / len(values) ** 0.5


def test_the_random_agent_earns_the_exact_value_of_uniform_prices():
    """7.345626 by backward recursion (theory row 6, K = 10); 40,000 sales, z = 3.29."""
    table = play(agents.make("random", "gvr-periodic"), "gvr-periodic", seeds=split_seeds("test", 0, 40_000))
    mean, error = mean_and_error(table["ret"])
    assert abs(mean - 7.345626) < Z * error


def test_the_tuned_fixed_price_is_the_best_of_the_grid():
    """1.25 with value 9.274319 by backward recursion (theory row 6); 40,000 sales, z = 3.29."""
    agent = agents.make("fixed_price", "gvr-periodic")
    rung = agent.params["rung[ticket]"]
    assert load_scenario("gvr-periodic").products[0].price_levels[rung] == 1.25
    mean, error = mean_and_error(play(agent, "gvr-periodic", seeds=split_seeds("test", 0, 40_000))["ret"])
    assert abs(mean - 9.274319) < Z * error


def test_the_random_agent_is_uniform_over_the_levels_and_its_state_is_all_it_remembers():
    agent = agents.make("random", "standard", seed=5)
    observations = np.zeros((4000, agent.layout.size), np.float32)
    first, state = agent.predict(observations)
    again, _ = agent.predict(observations)
    second, _ = agent.predict(observations, state)
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()
    levels = np.floor((first + 1) / 2 * agent.codec.n_levels)
    for column, n in enumerate(agent.codec.n_levels):
        counts = np.bincount(levels[:, column].astype(int), minlength=n)
        assert abs(counts - 4000 / n).max() < 5 * (4000 / n) ** 0.5  # five standard deviations, 101 cells


def test_a_fixed_price_never_moves():
    prices = trace(agents.make("fixed_price", "standard"), "standard", seed=1)["price"]
    assert (prices == prices[0]).all()


def test_a_linear_markdown_only_falls_and_ends_where_it_says():
    scenario = load_scenario("gvr-periodic")
    prices = trace(LinearMarkdown(scenario, opening=0.0, closing=1.0), scenario, seed=1)["price"][:, 0]
    assert prices[0] == scenario.products[0].list_price
    assert (np.diff(prices) <= 0).all()
    assert prices[-1] == scenario.products[0].price_levels[9]  # nine tenths of the sale are over then


def test_the_chaser_marks_down_what_sells_behind_its_plan():
    scenario = load_scenario("standard")
    agent, layout = SellThrough(scenario, coupon_level=0), Layout(scenario)
    low, high = np.zeros((2, layout.size), np.float32)
    for observation, stock in ((low, 0.1), (high, 0.6)):
        observation[layout["time_left"]] = observation[layout["customers_left"]] = 0.5
        observation[layout["reserve"]] = 0.2
        observation[layout["on_hand"]] = stock
    prices = agent.codec.price_columns
    actions, _ = agent.predict(np.stack([low, high]))
    assert (actions[1, prices] > actions[0, prices]).all()  # towards +1 is towards the lowest price


def test_orders_fill_up_to_what_will_still_be_wanted_and_not_when_they_come_too_late():
    scenario = load_scenario("standard")
    agent, layout = FixedPrice(scenario, order_cover=1.0, order_from=0.1), Layout(scenario)
    observation = np.zeros((2, layout.size), np.float32)
    observation[:, layout["time_left"]] = [[0.5], [0.1]]  # an order takes 8 of 60 minutes
    observation[:, layout["customers_left"]] = 0.5
    observation[:, layout["reserve"]] = 0.3
    observation[:, layout["on_hand"]] = 0.1  # 0.6 sold by half of the customers, so 0.6 will be wanted
    levels = np.floor((agent.predict(observation)[0] + 1) / 2 * agent.codec.n_levels)
    orders = agent.codec.order_columns
    assert (levels[0, orders] == 3).all()
    assert (levels[1, orders] == 0).all()


def test_nothing_is_ordered_without_cover_and_no_coupon_is_shown_at_level_0():
    ticks = trace(FixedPrice("standard", order_cover=0.0, coupon_level=0), "standard", seed=4)
    assert ticks["ordered"].sum() == 0
    assert (ticks["coupon_depth"] == 0).all()


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", ["fixed_price", "linear_markdown", "sell_through"])
def test_advice_means_the_action_itself(name, scenario):
    """The smooth form that learners start from picks the same levels, or the same continuous prices within a rung."""
    if agents.AGENTS[name].applies(scenario) is not None:
        pytest.skip("does not apply")
    agent = agents.make(name, scenario)
    assert isinstance(agent, Merchant)
    rng = np.random.default_rng(0)
    observations = rng.uniform(agent.layout.low, agent.layout.high, (64, agent.layout.size)).astype(np.float32)
    advice, (actions, _) = agent.advise(observations), agent.predict(observations)
    assert (abs(advice) <= 1).all()
    cells = [np.minimum((x + 1) / 2 * agent.codec.n_levels, agent.codec.n_levels - 1) for x in (advice, actions)]
    if not agent.scenario.pricing.continuous:
        np.testing.assert_array_equal(np.floor(cells[0]), np.floor(cells[1]))

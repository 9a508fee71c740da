"""Potential-based reward shaping: the optimal policy stays, the scale of the values shrinks."""

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.agents.exact import evaluate_exactly
from flashsale_env.agents.sb3.advice import AdvisedSales
from flashsale_env.agents.sb3.base import reward_scale
from flashsale_env.agents.sb3.potential import Potential

SCENARIO = fs.load_scenario("gvr-periodic")
FIXED = agents.make("fixed_price", SCENARIO)


def batch(sales, run=0):
    return agents.FlashSaleVecEnv(SCENARIO, num_envs=sales, run=run, reward_scale=reward_scale(SCENARIO))


@pytest.fixture(scope="module")
def potential():
    return Potential(FIXED, batch(4096), gamma=1.0)


def test_it_is_the_value_function_of_the_heuristic(potential):
    """At the start of the sale, the exact value of the fixed price; the regression noise of 4,096 sales is 0.02."""
    opening = batch(2).reset()
    exact = evaluate_exactly(FIXED, SCENARIO) * reward_scale(SCENARIO)
    assert potential(opening) == pytest.approx(exact, rel=0.02)
    assert potential(opening).shape == (2,)


def test_more_stock_and_more_time_are_worth_more(potential):
    layout = fs.Layout(SCENARIO)
    seen = np.tile(batch(1).reset(), (3, 1))
    seen[1, layout["on_hand"]] = 0.5
    seen[2, layout["time_left"]] = 0.5
    if "sqrt_time_left" in layout:
        seen[2, layout["sqrt_time_left"]] = 0.5**0.5
    full, half_stock, half_time = potential(seen)
    assert full > half_stock > 0
    assert full > half_time > 0


def test_shaped_rewards_of_a_sale_sum_to_its_reward_minus_the_potential_at_its_start(potential):
    """Telescoping (Ng, Harada & Russell 1999, theorem 1): no policy gains or loses against another."""
    venv = AdvisedSales(batch(8, run=1), lambda seen: seen, advice=0)
    venv.potential = potential
    plain = batch(8, run=1)
    opening = plain.reset()
    venv.reset()
    rng = np.random.default_rng(0)
    shaped, earned = np.zeros(8), np.zeros(8)
    for _ in range(2 * SCENARIO.horizon_ticks):
        actions = rng.uniform(-1, 1, (8, *venv.action_space.shape)).astype(np.float32)
        shaped += venv.step(actions)[1]
        earned += plain.step(actions)[1]
    # The second sales start from the same observation as the first.
    assert shaped == pytest.approx(earned - 2 * potential(opening), abs=1e-4)
    assert np.abs(shaped).max() < np.abs(earned).max()


def test_the_same_sales_give_the_same_potential(potential):
    again = Potential(FIXED, batch(4096), gamma=1.0)
    seen = batch(16).reset()
    assert (again(seen) == potential(seen)).all()


def test_the_discounted_value_of_a_long_sale_is_that_of_its_next_ticks():
    """With gamma = 1/2, about two of ten ticks count."""
    near = Potential(FIXED, batch(1024), gamma=0.5)(batch(1).reset())
    whole = Potential(FIXED, batch(1024), gamma=1.0)(batch(1).reset())
    assert 0 < near[0] < 0.3 * whole[0]

"""The batch of sales as Stable-Baselines3 sees it."""

import numpy as np
import pytest
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from flashsale_env import METRICS, Simulator
from flashsale_env.agents import split_seeds
from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv

TICKS = 10  # of gvr-periodic


@pytest.fixture
def venv():
    return FlashSaleVecEnv("gvr-periodic", num_envs=4, threads=1)


def play(venv, ticks, action=0.0):
    """Observations after the reset and after every step, and what the steps returned."""
    seen, steps = [venv.reset()], []
    for _ in range(ticks):
        steps.append(venv.step(np.full((venv.num_envs, *venv.action_space.shape), action, np.float32)))
        seen.append(steps[-1][0])
    return seen, steps


def test_a_new_sale_starts_in_the_step_in_which_one_closes(venv):
    seen, steps = play(venv, TICKS)
    assert not np.array([step[2] for step in steps[:-1]]).any()
    observations, _, dones, infos = steps[-1]
    assert dones.all()
    assert (observations[:, venv.layout["time_left"]] == 1.0).all()
    for info in infos:
        assert info["terminal_observation"][venv.layout["time_left"]] == 0.0
        assert info["TimeLimit.truncated"] is False
    np.testing.assert_array_equal(seen[0][:, venv.layout["time_left"]], observations[:, venv.layout["time_left"]])


def test_the_episode_of_a_closed_sale_is_in_currency_whatever_the_scale(venv):
    _, steps = play(venv, TICKS)
    scaled = FlashSaleVecEnv("gvr-periodic", num_envs=4, reward_scale=0.1, threads=1)
    _, scaled_steps = play(scaled, TICKS)
    returns = sum(step[1].astype(np.float64) for step in steps)
    for i, (info, other) in enumerate(zip(steps[-1][3], scaled_steps[-1][3], strict=True)):
        assert info["episode"] == {"r": pytest.approx(returns[i]), "l": TICKS}
        assert info["episode"] == other["episode"]
        assert info["profit"] == other["profit"]
    np.testing.assert_allclose(sum(step[1] for step in scaled_steps), 0.1 * returns, rtol=1e-5)


def test_the_sales_are_those_of_the_block_in_order(venv):
    """Batch b of n rows plays seeds b·n .. b·n + n - 1 of (split, run), episode 0."""
    _, steps = play(venv, 2 * TICKS)
    profits = [info["profit"] for step in (steps[TICKS - 1], steps[-1]) for info in step[3]]
    simulator = Simulator("gvr-periodic", sales=8)
    simulator.open(split_seeds("train", 0, 8), np.zeros(8, np.int64))
    for _ in range(TICKS):
        simulator.advance(np.zeros((8, 1), np.float32))
    np.testing.assert_array_equal(profits, simulator.measure()[:, list(METRICS).index("profit")])


def test_seed_moves_to_another_run_and_runs_share_no_sale(venv):
    first = set(venv.seed(0))
    second = set(venv.seed(1))
    assert not first & second
    a = play(venv, TICKS)[1][-1][3]
    venv.seed(1)
    b = play(venv, TICKS)[1][-1][3]
    assert [info["profit"] for info in a] == [info["profit"] for info in b]


def test_siblings_play_the_same_sale_and_their_rewards_cancel():
    venv = FlashSaleVecEnv("gvr-periodic", num_envs=6, siblings=3, threads=1)
    assert venv.different_sales == 2
    assert len(set(venv.seed(0))) == 2
    rng = np.random.default_rng(0)
    venv.reset()
    rewards = np.array([venv.step(rng.uniform(-1, 1, (6, 1)).astype(np.float32))[1] for _ in range(TICKS)])
    assert abs(rewards).max() > 0
    np.testing.assert_allclose(rewards.reshape(TICKS, 2, 3).sum(axis=2), 0, atol=1e-5)
    with pytest.raises(ValueError, match="divide num_envs"):
        FlashSaleVecEnv("gvr-periodic", num_envs=6, siblings=4)


def test_rewards_paid_at_the_close_are_the_same_in_sum(venv):
    at_close = FlashSaleVecEnv("gvr-periodic", num_envs=4, pay_at_close=True, threads=1)
    rewards = np.array([step[1] for step in play(venv, TICKS)[1]])
    late = np.array([step[1] for step in play(at_close, TICKS)[1]])
    assert (late[:-1] == 0).all()
    np.testing.assert_allclose(late[-1], rewards.sum(axis=0), rtol=1e-6)


def test_attributes_are_those_of_the_batch(venv):
    assert venv.get_attr("scenario", [0, 2]) == [venv.scenario] * 2
    venv.set_attr("reward_scale", 2.0)
    assert venv.reward_scale == 2.0
    with pytest.raises(ValueError, match="share 'reward_scale'"):
        venv.set_attr("reward_scale", 1.0, indices=[1])
    assert venv.env_method("seed", 5, indices=[0, 1]) == [venv.seed(5)] * 2
    assert venv.env_is_wrapped(VecMonitor) == [False] * 4


def test_it_works_under_the_wrappers_of_stable_baselines3(venv):
    wrapped = VecNormalize(VecMonitor(venv))
    _, steps = play(wrapped, TICKS)
    assert all(info["episode"]["l"] == TICKS for info in steps[-1][3])
    assert np.isfinite(steps[-1][0]).all()


def test_a_step_without_actions_and_wrong_settings_are_errors(venv):
    with pytest.raises(RuntimeError, match="step_wait without step_async"):
        venv.step_wait()
    with pytest.raises(ValueError, match="Did you mean 'train'"):
        FlashSaleVecEnv("gvr-periodic", num_envs=1, split="trian")
    with pytest.raises(ValueError, match="reward_scale must be above 0"):
        FlashSaleVecEnv("gvr-periodic", num_envs=1, reward_scale=0.0)

"""Infos are flat: one numpy number per key, and in a batch one array per key with Gymnasium's mask."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.monitor import Monitor

import flashsale_env as fs
from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv

PERIODIC = fs.environment_id("gvr-periodic")
TICKS = 10
KEYS = {"profit"} | {f"metrics/{name}" for name in fs.METRICS} | {f"reward_terms/{name}" for name in fs.REWARD_TERMS}


def test_the_info_of_a_sale_holds_numpy_numbers_by_flat_names():
    env = gym.make(PERIODIC)
    for info in (env.reset(seed=0)[1], env.step(env.action_space.sample())[4]):
        assert set(info) == KEYS
        assert {type(value) for value in info.values()} == {np.float64}
        assert info["profit"] == info["metrics/profit"]


@pytest.mark.parametrize("mode", AutoresetMode)
def test_the_infos_of_a_batch_equal_gymnasiums_own_over_single_sales(mode):
    """Key by key, array by array, type by type, masks and the info of closed sales included.

    Where a closed sale is opened in the same step, our reward terms are still those of the reward beside them.
    """
    native = gym.make_vec(PERIODIC, num_envs=3, autoreset_mode=mode)
    loop = gym.vector.SyncVectorEnv([lambda: gym.make(PERIODIC)] * 3, autoreset_mode=mode)
    assert_same(native.reset(seed=4)[1], loop.reset(seed=4)[1])
    for actions in np.random.default_rng(0).uniform(-1, 1, (2 * TICKS + 1, 3, 1)).astype(np.float32):
        ours, theirs = native.step(actions), loop.step(actions)
        if mode is AutoresetMode.SAME_STEP and ours[2].any():
            assert sum(ours[4][f"reward_terms/{name}"] for name in fs.REWARD_TERMS) == pytest.approx(ours[1])
            terms = {key: ours[4][key] for key in ours[4] if key.startswith("reward_terms/")}
            theirs = (*theirs[:4], theirs[4] | terms)
        assert_same(ours[4], theirs[4])
        if mode is AutoresetMode.DISABLED and ours[2].any():
            for mask in ([True, False, True], [False, True, False]):
                options = {"reset_mask": np.array(mask)}
                assert_same(native.reset(options=dict(options))[1], loop.reset(options=dict(options))[1])


def assert_same(ours, theirs):
    assert set(ours) == set(theirs)
    for key, value in theirs.items():
        if isinstance(value, dict):
            assert_same(ours[key], value)
        elif key == "final_obs":
            assert np.array_equal(np.stack(ours[key]), np.stack(value))
        else:
            assert ours[key].dtype == value.dtype, key
            assert np.array_equal(ours[key], value), key


def test_no_two_infos_and_no_two_masks_share_memory():
    venv = gym.make_vec(PERIODIC, num_envs=2)
    before, after = venv.reset(seed=0)[1], venv.step(venv.action_space.sample())[4]
    arrays = [*before.values(), *after.values()]
    for i, first in enumerate(arrays):
        assert not any(np.shares_memory(first, other) for other in arrays[i + 1 :])


def test_sb3s_monitor_logs_the_profit(tmp_path):
    env = Monitor(gym.make(PERIODIC), str(tmp_path / "log"), info_keywords=("profit", "metrics/sell_through"))
    env.reset(seed=0)
    for _ in range(TICKS):
        *_, info = env.step(env.action_space.sample())
    assert info["episode"]["profit"] == info["profit"]
    lines = (tmp_path / "log.monitor.csv").read_text().splitlines()
    assert lines[1] == "r,l,t,profit,metrics/sell_through"
    assert float(lines[2].split(",")[3]) == pytest.approx(info["profit"])


def test_a_learners_batch_reports_profit_and_episode_in_currency():
    venv = FlashSaleVecEnv("gvr-periodic", num_envs=2, reward_scale=0.01, threads=1)
    venv.reset()
    for _ in range(TICKS):
        *_, infos = venv.step(np.zeros((2, 1), np.float32))
    for info in infos:
        assert info["episode"] == {"r": pytest.approx(info["profit"]), "l": TICKS}, "nothing was paid for the stock"

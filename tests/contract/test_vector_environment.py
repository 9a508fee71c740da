"""A batch equals many single sales: seeds, autoreset, infos."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import NormalizeObservation, RecordEpisodeStatistics

import flashsale_env as fs

MODES = list(AutoresetMode)
STANDARD, PERIODIC = fs.environment_id("standard"), fs.environment_id("gvr-periodic")


@pytest.mark.parametrize("name", [fs.environment_id(name) for name in fs.SCENARIOS])
@pytest.mark.parametrize("encoding", fs.ENCODINGS)
def test_row_i_is_the_single_environment_with_seed_s_plus_i(name, encoding):
    """Over two episodes: the automatic reset opens the same next sale too."""
    venv = gym.make_vec(name, num_envs=5, actions=encoding)
    single = gym.make(name, actions=encoding)
    venv.action_space.seed(0)
    observations, infos = venv.reset(seed=20)
    observation, info = single.reset(seed=23)
    assert np.array_equal(observations[3], observation)
    closed = False
    for _ in range(2 * venv.unwrapped.scenario.horizon_ticks + 2):
        actions = venv.action_space.sample()
        observations, rewards, terminated, truncated, infos = venv.step(actions)
        if closed:
            observation, info = single.reset()
            reward, closed = 0.0, False
        else:
            observation, reward, closed, _, info = single.step(actions[3])
        assert np.array_equal(observations[3], observation)
        assert rewards[3] == reward
        assert rewards.dtype == np.float64
        assert terminated[3] == closed
        assert not truncated.any()
        assert infos["profit"][3] == info["profit"]
        assert infos["reward_terms/revenue"][3] == info["reward_terms/revenue"]


def test_it_is_the_native_batch():
    venv = gym.make_vec(STANDARD, num_envs=3)
    assert isinstance(venv.unwrapped, fs.FlashSaleVectorEnv)
    assert venv.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


@pytest.mark.parametrize("mode", MODES)
def test_every_autoreset_mode_matches_gymnasiums_own_loop(mode):
    """Observations, rewards and ends equal those of SyncVectorEnv over single environments."""
    venv = gym.make_vec(PERIODIC, num_envs=4, autoreset_mode=mode.value)
    loop = gym.vector.SyncVectorEnv([lambda: gym.make(PERIODIC) for _ in range(4)], autoreset_mode=mode)
    venv.action_space.seed(1)
    assert np.array_equal(venv.reset(seed=9)[0], loop.reset(seed=9)[0])
    for _ in range(33):
        actions = venv.action_space.sample()
        ours, theirs = venv.step(actions), loop.step(actions)
        for a, b in zip(ours[:4], theirs[:4], strict=True):
            assert np.array_equal(a, b)
        if mode is AutoresetMode.SAME_STEP and ours[2].any():
            assert np.array_equal(ours[4]["_final_obs"], theirs[4]["_final_obs"])
            assert np.array_equal(np.stack(ours[4]["final_obs"]), np.stack(theirs[4]["final_obs"]))
            profit = ours[4]["final_info"]["profit"]
            assert np.array_equal(profit, theirs[4]["final_info"]["profit"])
        if mode is AutoresetMode.DISABLED and ours[2].any():
            options = {"reset_mask": ours[2]}
            assert np.array_equal(venv.reset(options=options)[0], loop.reset(options=options)[0])


def test_disabled_autoreset_refuses_to_play_a_closed_sale():
    venv = gym.make_vec(PERIODIC, num_envs=2, autoreset_mode=AutoresetMode.DISABLED)
    venv.reset(seed=0)
    for _ in range(10):
        venv.step(venv.action_space.sample())
    with pytest.raises(gym.error.ResetNeeded, match="reset_mask"):
        venv.step(venv.action_space.sample())


def test_a_masked_reset_leaves_the_other_sales_alone():
    venv = gym.make_vec(STANDARD, num_envs=3, autoreset_mode=AutoresetMode.DISABLED)
    first, _ = venv.reset(seed=0)
    played = venv.step(venv.action_space.sample())[0]
    mask = np.array([False, True, False])
    observations, _ = venv.reset(options={"reset_mask": mask})
    assert np.array_equal(observations[[0, 2]], played[[0, 2]])
    assert not np.array_equal(observations[1], played[1])
    assert not np.array_equal(observations[1], first[1]), "the next episode, not the same one again"
    with pytest.raises(ValueError, match="reset_mask must be 3 booleans"):
        venv.reset(options={"reset_mask": np.array([0, 1, 0])})


def test_consecutive_observations_share_no_memory():
    venv = gym.make_vec(STANDARD, num_envs=3)
    before = venv.reset(seed=0)[0]
    after = venv.step(venv.action_space.sample())[0]
    assert not np.shares_memory(before, after)


def test_gymnasiums_vector_wrappers_work():
    venv = RecordEpisodeStatistics(NormalizeObservation(gym.make_vec(PERIODIC, num_envs=6)))
    venv.reset(seed=0)
    total = np.zeros(6)
    for _ in range(10):
        _, rewards, terminated, _, info = venv.step(venv.action_space.sample())
        total += rewards
    assert terminated.all()
    assert info["episode"]["r"] == pytest.approx(total, rel=1e-5)


def test_seeds_can_be_given_one_by_one():
    venv = gym.make_vec(STANDARD, num_envs=3)
    a = venv.reset(seed=[7, 8, 9])[0]
    assert np.array_equal(a, venv.reset(seed=7)[0])
    with pytest.raises(ValueError, match="one seed for each of 3 sales, got 2"):
        venv.reset(seed=[1, 2])

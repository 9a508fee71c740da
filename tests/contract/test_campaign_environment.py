"""The campaign as an environment: an episode of several sales, alone and in a batch.

All tests play the shipped scenario, whose shape of sale the golden trajectories compile anyway.
"""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import flashsale_env as fs

ID = fs.campaign_environment_id("campaign")
SCENARIO = fs.load_scenario("campaign")
TICKS, SALES = SCENARIO.horizon_ticks, SCENARIO.campaign.sales
LAST = TICKS * SALES


def play(env, seed, actions):
    """(observations, rewards, infos) of one episode; it ends with the last action."""
    observations, rewards, infos = [env.reset(seed=seed)[0]], [], []
    for number, action in enumerate(actions, start=1):
        observation, reward, terminated, truncated, info = env.step(action)
        assert (terminated, truncated) == (number == LAST, False)
        observations.append(observation)
        rewards.append(reward)
        infos.append(info)
    return np.array(observations), np.array(rewards), infos


def some_actions(env, seed=0):
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(LAST)]


@pytest.mark.parametrize("encoding", fs.ENCODINGS)
@pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric and normalized space")
def test_gymnasiums_checker_accepts_a_campaign(encoding):
    env = gym.make(fs.campaign_environment_id("campaign", encoding))
    assert env.spec.max_episode_steps == LAST + 1
    check_env(env.unwrapped, skip_render_check=True)


def test_an_episode_ends_with_the_last_sale_and_its_profit_is_its_rewards():
    env = gym.make(ID)
    _, rewards, infos = play(env, 3, some_actions(env))
    assert infos[-1]["profit"] == pytest.approx(rewards.sum() - SCENARIO.opening_stock_cost)
    assert all(np.ndim(value) == 0 for value in infos[TICKS].values())
    with pytest.raises(gym.error.ResetNeeded):
        env.step(env.action_space.sample())


def test_infos_of_a_closing_step_are_those_of_the_sale_that_closed():
    env = gym.make(ID)
    observations, _, infos = play(env, 3, some_actions(env))
    layout = env.unwrapped.layout
    for number in range(1, SALES):
        closing, next_step = infos[number * TICKS - 1], infos[number * TICKS]
        assert closing["metrics/customers"] >= infos[number * TICKS - 2]["metrics/customers"] > 0
        assert next_step["metrics/customers"] < closing["metrics/customers"]
        opened = observations[number * TICKS]
        assert opened[layout["time_left"]] == 1.0
        assert opened[layout["sales_left"]] == pytest.approx(1 - (number + 1) / SALES)
        assert opened[layout["goodwill"]] == pytest.approx(next_step["metrics/goodwill"])


def test_the_first_sale_is_that_of_the_single_environment_and_its_observation_begins_with_the_same_numbers():
    campaign, single = gym.make(ID), gym.make(fs.environment_id("campaign"))
    shown = single.observation_space.shape[0]
    assert campaign.observation_space.shape[0] == shown + 3
    ours, _ = campaign.reset(seed=5)
    theirs, _ = single.reset(seed=5)
    assert np.array_equal(ours[:shown], theirs)
    for action in some_actions(campaign)[: TICKS - 1]:
        ours, reward, *_ = campaign.step(action)
        theirs, other, *_ = single.step(action)
        assert np.array_equal(ours[:shown], theirs)
        assert reward == other


def test_the_same_seed_is_the_same_campaign_and_later_episodes_are_others():
    env = gym.make(ID)
    actions = some_actions(env)
    first, again = play(env, 8, actions), play(env, 8, actions)
    assert first[0].tobytes() == again[0].tobytes()
    assert first[1].tobytes() == again[1].tobytes()
    episode, _ = env.reset()
    keys = {int(env.unwrapped.simulator.sales["episode"][0])}
    assert keys == {SALES}, "episode 1 begins with the sale after those of episode 0"
    assert not np.array_equal(episode, first[0][0])


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_batch_is_gymnasiums_loop_over_single_campaigns(mode):
    """Over more than one episode, in every mode of automatic resets; with seeds s, s + 1, ..."""
    native = gym.make_vec(ID, num_envs=3, autoreset_mode=mode)
    assert isinstance(native.unwrapped, fs.FlashSaleCampaignVectorEnv)
    loop = gym.vector.SyncVectorEnv([lambda: gym.make(ID) for _ in range(3)], autoreset_mode=mode)
    native.action_space.seed(1)
    assert np.array_equal(native.reset(seed=20)[0], loop.reset(seed=20)[0])
    for _ in range(LAST + TICKS + 2):
        actions = native.action_space.sample()
        ours, theirs = native.step(actions), loop.step(actions)
        for a, b in zip(ours[:4], theirs[:4], strict=True):
            assert np.array_equal(a, b)
        assert np.array_equal(ours[4]["profit"], theirs[4]["profit"])
        if mode is AutoresetMode.DISABLED and ours[2].any():
            options = {"reset_mask": ours[2]}
            assert np.array_equal(native.reset(options=options)[0], loop.reset(options=options)[0])


def test_rows_may_be_in_different_sales():
    """One row is reset in the third sale of the others; each plays on as if alone."""
    batch = gym.make_vec(ID, num_envs=2, autoreset_mode=AutoresetMode.DISABLED)
    single = gym.make(ID)
    actions = some_actions(single, 4)
    expected = play(single, 7, actions)
    batch.reset(seed=[0, 7])
    for action in actions[: 2 * TICKS + 3]:
        batch.step(np.stack([action, action]))
    observation = batch.reset(seed=[None, 7], options={"reset_mask": np.array([False, True])})[0]
    assert np.array_equal(observation[1], expected[0][0])
    for number, action in enumerate(actions[: 2 * TICKS]):
        observation, rewards, *_ = batch.step(np.stack([action, action]))
        assert np.array_equal(observation[1], expected[0][number + 1])
        assert rewards[1] == expected[1][number]


def test_a_limit_of_steps_counts_the_ticks_of_all_sales():
    native = gym.make_vec(ID, num_envs=2, max_episode_steps=TICKS + 3)
    loop = gym.vector.SyncVectorEnv([lambda: gym.make(ID, max_episode_steps=TICKS + 3) for _ in range(2)])
    assert np.array_equal(native.reset(seed=1)[0], loop.reset(seed=1)[0])
    native.action_space.seed(0)
    ends = []
    for number in range(2 * TICKS):
        actions = native.action_space.sample()
        ours, theirs = native.step(actions), loop.step(actions)
        for a, b in zip(ours[:4], theirs[:4], strict=True):
            assert np.array_equal(a, b)
        ends += [number + 1] * bool(ours[3].any())
    assert ends == [TICKS + 3]


def test_a_pickled_campaign_plays_on_alike():
    env = gym.make(ID).unwrapped
    actions = some_actions(env)
    env.reset(seed=2)
    for action in actions[: TICKS + 2]:
        env.step(action)
    copy = pickle.loads(pickle.dumps(env))
    for action in actions[TICKS + 2 : 3 * TICKS]:
        ours, theirs = env.step(action), copy.step(action)
        assert np.array_equal(ours[0], theirs[0])
        assert ours[1] == theirs[1]


def test_ids_are_those_of_scenarios_with_a_campaign():
    named = {name for name, spec in gym.registry.items() if spec.namespace == "FlashSaleCampaign"}
    with_campaign = [name for name in fs.SCENARIOS if fs.load_scenario(name).campaign is not None]
    assert named == {fs.campaign_environment_id(name, actions) for name in with_campaign for actions in fs.ENCODINGS}
    with pytest.raises(
        ValueError, match=r"scenario 'standard' has no \[campaign\], so it is a single sale: FlashSale/S"
    ):
        fs.campaign_environment_id("standard")
    with pytest.raises(ValueError, match=r"scenario 'gvr-periodic' has no \[campaign\], so it is a single sale"):
        gym.make(ID, scenario="gvr-periodic")

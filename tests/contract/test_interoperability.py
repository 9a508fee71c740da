"""Sales in other libraries: Gymnasium's wrappers and vectors, copies, Stable-Baselines3, RL Zoo, Minari."""

import copy
import functools
import importlib.util
import math
import os
import pickle
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector as vector_wrappers
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecCheckNan,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

import flashsale_env as fs
from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv

ID = fs.environment_id("gvr-periodic")
STANDARD = fs.environment_id("standard")
IN_ANY_PROCESS = f"flashsale_env:{ID}"  # a spawned worker has not imported the package yet
TICKS = 10
MODES = list(AutoresetMode)
ACTIONS = np.random.default_rng(3).uniform(-1, 1, (4 * TICKS, 1)).astype(np.float32)


def sale(env, seed=5, actions=ACTIONS):
    """One sale: the first observation, and the result of every step until the end."""
    first, _ = env.reset(seed=seed)
    steps = []
    for action in actions:
        steps.append(env.step(action))
        if steps[-1][2] or steps[-1][3]:
            break
    return first, steps


# --- Gymnasium's wrappers around one sale --------------------------------------------------------------------------

AROUND_ONE_SALE = {
    "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
    "NormalizeObservation": wrappers.NormalizeObservation,
    "RescaleObservation": lambda env: wrappers.RescaleObservation(env, np.float32(-1), np.float32(1)),
    "TimeAwareObservation": lambda env: wrappers.TimeAwareObservation(wrappers.TimeLimit(env, 1000)),
    "FlattenObservation": wrappers.FlattenObservation,
    "FrameStackObservation": lambda env: wrappers.FrameStackObservation(env, 3),
    "DelayObservation": lambda env: wrappers.DelayObservation(env, 2),
    "TransformReward": lambda env: wrappers.TransformReward(env, lambda reward: 0.1 * reward),
    "NormalizeReward": wrappers.NormalizeReward,
    "ClipReward": lambda env: wrappers.ClipReward(env, 0.0, 1.0),
    "ClipAction": wrappers.ClipAction,
    "RescaleAction": lambda env: wrappers.RescaleAction(env, np.float32(-1), np.float32(1)),
    "Autoreset": wrappers.Autoreset,
    "RenderCollection": wrappers.RenderCollection,
}


@pytest.mark.parametrize("name", AROUND_ONE_SALE)
def test_a_wrapper_changes_nothing_about_the_sale_inside(name):
    """Length, end, reward terms and metrics equal the bare sale's; observations lie in the wrapper's own space."""
    bare = sale(gym.make(ID))[1]
    env = AROUND_ONE_SALE[name](gym.make(ID, render_mode="rgb_array"))
    first, steps = sale(env)
    assert len(steps) == len(bare) == TICKS
    for ours, theirs in zip(steps, bare, strict=True):
        assert ours[2:4] == theirs[2:4]
        assert {key: ours[4][key] for key in theirs[4]} == theirs[4]
    for observation in (first, *(step[0] for step in steps)):
        assert env.observation_space.contains(observation)


def test_episode_statistics_are_the_sum_and_the_number_of_the_rewards():
    env = wrappers.RecordEpisodeStatistics(gym.make(ID))
    for _ in range(2):
        steps = sale(env)[1]
        assert steps[-1][4]["episode"]["r"] == pytest.approx(sum(step[1] for step in steps))
        assert steps[-1][4]["episode"]["l"] == TICKS
    assert len(env.return_queue) == 2


def test_observations_are_normalised_by_running_statistics():
    env = wrappers.NormalizeObservation(gym.make(ID))
    for seed in range(20):
        sale(env, seed)
    env.update_running_mean = False
    raw = np.array([step[0] for step in sale(gym.make(ID))[1]])
    shown = np.array([step[0] for step in sale(env)[1]])
    wanted = (raw - env.obs_rms.mean) / np.sqrt(env.obs_rms.var + env.epsilon)
    np.testing.assert_allclose(shown, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("by", ["wrapper", "make"])
def test_a_time_limit_truncates_and_the_next_sale_is_the_next_episode(by):
    env = wrappers.TimeLimit(gym.make(ID), 4) if by == "wrapper" else gym.make(ID, max_episode_steps=4)
    bare = gym.make(ID)
    steps = sale(env)[1]
    assert [step[3] for step in steps] == [False, False, False, True]
    assert not any(step[2] for step in steps)
    assert [step[1] for step in steps] == [step[1] for step in sale(bare)[1][:4]]
    assert np.array_equal(env.reset()[0], bare.reset()[0])


def test_a_sale_that_closes_at_the_limit_is_terminated_too():
    assert sale(gym.make(ID, max_episode_steps=TICKS))[1][-1][2]


def test_actions_are_clipped_to_the_price_ladder():
    levels = fs.load_scenario("gvr-periodic").products[0].price_levels
    env = wrappers.ClipAction(gym.make(ID))
    for action, price in ((-7.0, levels[0]), (7.0, levels[-1])):
        env.reset(seed=0)
        env.step(np.array([action], np.float32))
        assert env.unwrapped.simulator.sales["price"][0, 0] == price


def test_rescaled_actions_reach_both_ends_of_the_price_ladder():
    levels = fs.load_scenario("gvr-periodic").products[0].price_levels
    env = wrappers.RescaleAction(gym.make(ID), np.float32(0), np.float32(1))
    for action, price in ((0.0, levels[0]), (1.0, levels[-1])):
        env.reset(seed=0)
        env.step(np.array([action], np.float32))
        assert env.unwrapped.simulator.sales["price"][0, 0] == price


def test_a_transformed_reward_is_the_reward_transformed():
    bare = [step[1] for step in sale(gym.make(ID))[1]]
    tenth = [step[1] for step in sale(wrappers.TransformReward(gym.make(ID), lambda reward: 0.1 * reward))[1]]
    assert tenth == [0.1 * reward for reward in bare]
    env = wrappers.NormalizeReward(gym.make(ID), gamma=0.9)
    for seed in range(5):
        sale(env, seed)
    env.update_running_mean = False
    scale = math.sqrt(env.return_rms.var + env.epsilon)
    np.testing.assert_allclose([step[1] * scale for step in sale(env)[1]], bare, rtol=1e-6)


def test_stacked_frames_are_the_last_observations():
    bare = sale(gym.make(ID))[1]
    stacked = sale(wrappers.FrameStackObservation(gym.make(ID), 3))[1]
    for tick in range(2, TICKS):
        assert np.array_equal(stacked[tick][0], [bare[tick - 2][0], bare[tick - 1][0], bare[tick][0]])


# --- specs ----------------------------------------------------------------------------------------------------------


def test_a_spec_with_wrappers_and_a_limit_survives_json():
    options = {"population": "reference", "actions": "discrete", "max_episode_steps": 7}
    inner = wrappers.NormalizeObservation(gym.make(STANDARD, **options))
    env = wrappers.FrameStackObservation(inner, stack_size=2)
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.spec == env.spec
    actions = np.arange(TICKS)
    assert data_equivalence(sale(env, actions=actions), sale(again, actions=actions))
    assert len(sale(again, actions=actions)[1]) == 7


@pytest.mark.parametrize("name", fs.SCENARIOS)
def test_a_spec_with_a_scenario_object_survives_json(name):
    """Gymnasium writes the dataclass as a table, which is read back as the same scenario."""
    scenario = fs.load_scenario(name)
    env = gym.make(ID, scenario=scenario)
    assert gym.make(EnvSpec.from_json(env.spec.to_json())).unwrapped.scenario == scenario


def test_the_spec_of_a_batch_survives_json(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(fs.SCENARIOS["gvr-periodic"].read_text().replace('name = "gvr-periodic"', 'name = "mine"'))
    batch = gym.make_vec(ID, num_envs=3, scenario=str(path), actions="discrete", autoreset_mode="SameStep")
    again = gym.make_vec(EnvSpec.from_json(batch.spec.to_json()))
    assert again.num_envs == 3
    assert again.unwrapped.scenario.name == "mine"
    assert again.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert again.action_space == batch.action_space


# --- batches -------------------------------------------------------------------------------------------------------


def batch_steps(venv, steps=2 * TICKS + 3, seed=9):
    """Results of a batch without its infos; closed rows are reset explicitly if autoreset is disabled."""
    seen = [venv.reset(seed=seed)[0].copy()]
    for actions in np.random.default_rng(1).uniform(-1, 1, (steps, venv.num_envs, 1)).astype(np.float32):
        observations, rewards, terminated, truncated, _ = venv.step(actions)
        seen.append([observations.copy(), rewards.copy(), terminated.copy(), truncated.copy()])
        if terminated.any() and venv.metadata["autoreset_mode"] is AutoresetMode.DISABLED:
            seen.append(venv.reset(options={"reset_mask": terminated})[0].copy())
    return seen


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_is_given_by_name_or_as_gymnasiums_enum_and_as_a_loop(mode):
    """Native batch by string, by enum, and Gymnasium's loop over single sales through the same `make_vec`."""
    ways = [
        gym.make_vec(ID, num_envs=3, autoreset_mode=mode.value),
        gym.make_vec(ID, num_envs=3, autoreset_mode=mode),
        gym.make_vec(ID, num_envs=3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}),
    ]
    for venv in ways:
        assert venv.metadata["autoreset_mode"] is mode
    native, by_enum, loop = map(batch_steps, ways)
    assert data_equivalence(native, by_enum)
    assert data_equivalence(native, loop)


def test_an_unknown_autoreset_mode_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown autoreset_mode 'SAME_STEP'.*Known: .*SameStep"):
        gym.make_vec(ID, num_envs=2, autoreset_mode="SAME_STEP")


@pytest.mark.parametrize("mode", MODES)
def test_the_reward_terms_of_a_batch_belong_to_its_rewards_in_every_mode(mode):
    venv = gym.make_vec(ID, num_envs=2, autoreset_mode=mode)
    venv.action_space.seed(0)
    venv.reset(seed=0)
    for _ in range(2 * TICKS):
        _, rewards, terminated, _, info = venv.step(venv.action_space.sample())
        assert (sum(info[f"reward_terms/{name}"] for name in fs.REWARD_TERMS) == rewards).all()
        if mode is AutoresetMode.DISABLED and terminated.any():
            venv.reset(options={"reset_mask": terminated})


@pytest.mark.parametrize("mode", MODES)
def test_episode_statistics_of_a_batch_hold_in_every_mode(mode):
    venv = vector_wrappers.RecordEpisodeStatistics(gym.make_vec(ID, num_envs=3, autoreset_mode=mode))
    venv.action_space.seed(2)
    venv.reset(seed=0)
    totals, closings = np.zeros(3), 0
    while closings < 3:
        _, rewards, terminated, _, info = venv.step(venv.action_space.sample())
        totals += rewards
        if terminated.any():
            assert info["episode"]["r"] == pytest.approx(totals)
            assert info["episode"]["l"].tolist() == [TICKS] * 3
            totals, closings = np.zeros(3), closings + 1
            if mode is AutoresetMode.DISABLED:
                venv.reset(options={"reset_mask": terminated})


@pytest.mark.parametrize("mode", MODES)
def test_normalised_observations_of_a_batch_need_the_next_step_mode(mode):
    """Gymnasium's own rule: in the other modes its running statistics would miss observations."""
    bare = gym.make_vec(ID, num_envs=8, autoreset_mode=mode)
    if mode is not AutoresetMode.NEXT_STEP:
        with pytest.raises(ValueError, match=f"got AutoresetMode.{mode.name}"):
            vector_wrappers.NormalizeObservation(bare)
        return
    venv = vector_wrappers.NormalizeObservation(gym.make_vec(ID, num_envs=8, autoreset_mode=mode))
    batch_steps(venv, 200)
    venv.update_running_mean = False
    for raw, shown in zip(batch_steps(bare), batch_steps(venv), strict=True):
        wanted = (raw[0] - venv.obs_rms.mean) / np.sqrt(venv.obs_rms.var + venv.epsilon)
        np.testing.assert_allclose(shown[0], wanted, rtol=1e-4, atol=1e-5)


AROUND_A_BATCH = {
    "ClipAction": vector_wrappers.ClipAction,
    "RescaleAction": lambda venv: vector_wrappers.RescaleAction(venv, np.float32(-1), np.float32(1)),
    "FlattenObservation": vector_wrappers.FlattenObservation,
    "RescaleObservation": lambda venv: vector_wrappers.RescaleObservation(venv, np.float32(-1), np.float32(1)),
    "TransformReward": lambda venv: vector_wrappers.TransformReward(venv, lambda rewards: 0.1 * rewards),
    "ClipReward": lambda venv: vector_wrappers.ClipReward(venv, 0.0, 1.0),
    "NormalizeReward": vector_wrappers.NormalizeReward,
    "NormalizeObservation": vector_wrappers.NormalizeObservation,
    "RecordEpisodeStatistics": vector_wrappers.RecordEpisodeStatistics,
}


@pytest.mark.parametrize("name", AROUND_A_BATCH)
def test_a_vector_wrapper_changes_nothing_about_the_sales_inside(name):
    bare = gym.make_vec(ID, num_envs=3)
    venv = AROUND_A_BATCH[name](gym.make_vec(ID, num_envs=3))
    bare.reset(seed=4)
    assert venv.observation_space.contains(venv.reset(seed=4)[0])
    for actions in np.random.default_rng(0).uniform(-1, 1, (2 * TICKS, 3, 1)).astype(np.float32):
        theirs, ours = bare.step(actions), venv.step(actions)
        assert data_equivalence(theirs[2:4], ours[2:4])
        assert data_equivalence(theirs[4], {key: ours[4][key] for key in theirs[4]})
        assert venv.observation_space.contains(ours[0])


def test_clipped_and_rescaled_actions_of_a_batch_reach_the_ends_of_the_price_ladder():
    levels = fs.load_scenario("gvr-periodic").products[0].price_levels
    for venv, actions in (
        (vector_wrappers.ClipAction(gym.make_vec(ID, num_envs=2)), [[-7], [7]]),
        (vector_wrappers.RescaleAction(gym.make_vec(ID, num_envs=2), np.float32(0), np.float32(1)), [[0], [1]]),
    ):
        venv.reset(seed=0)
        venv.step(np.array(actions, np.float32))
        assert venv.unwrapped.simulator.sales["price"][:, 0].tolist() == [levels[0], levels[-1]]


def test_infos_as_a_list_are_those_of_the_single_sales():
    venv = vector_wrappers.DictInfoToList(gym.make_vec(ID, num_envs=3, autoreset_mode="SameStep"))
    singles = [sale(gym.make(ID), seed=6 + i)[1] for i in range(3)]
    venv.reset(seed=6)
    for tick in range(TICKS):
        infos = venv.step(np.repeat(ACTIONS[tick : tick + 1], 3, axis=0))[4]
        for info, steps in zip(infos, singles, strict=True):
            shown = info["final_info"] if tick == TICKS - 1 else info
            assert {key: shown[key] for key in steps[tick][4]} == steps[tick][4]
            if tick == TICKS - 1:
                assert np.array_equal(info["final_obs"], steps[tick][0])


@pytest.mark.parametrize("context", [None, "spawn", "forkserver"])
def test_sales_in_worker_processes_equal_sales_in_a_loop(context):
    makers = [functools.partial(gym.make, IN_ANY_PROCESS)] * 2
    loop = SyncVectorEnv(makers)
    workers = AsyncVectorEnv(makers, context=context)
    try:
        assert data_equivalence(batch_steps(loop), batch_steps(workers))
    finally:
        workers.close()


def test_make_vec_runs_sales_in_worker_processes_too():
    """With `scenario` given by name and as an object."""
    native = gym.make_vec(ID, num_envs=2, autoreset_mode="SameStep")
    workers = gym.make_vec(
        ID,
        num_envs=2,
        scenario=fs.load_scenario("gvr-periodic"),
        vectorization_mode="async",
        vector_kwargs={"autoreset_mode": "SameStep"},
    )
    try:
        assert data_equivalence(batch_steps(native), batch_steps(workers))
    finally:
        workers.close()


# --- copies in mid-sale --------------------------------------------------------------------------------------------

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda thing: pickle.loads(pickle.dumps(thing))}


def to_the_end(env, actions):
    """The rest of this sale and the whole of the next."""
    seen = []
    for action in actions:
        seen.append(env.step(action))
        if seen[-1][2] or seen[-1][3]:
            seen.append(env.reset())
    return seen


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("encoding", fs.ENCODINGS)
def test_a_sale_and_its_copy_continue_equally_and_independently(copied, encoding):
    env = wrappers.RecordEpisodeStatistics(gym.make(STANDARD, actions=encoding), buffer_length=3)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(90)]
    env.reset(seed=2)
    to_the_end(env, actions[:25])
    twin, disturber = copied(env), copied(env)
    seen, expected = [], []
    for action in actions[25:]:
        disturber.step(actions[0])
        if disturber.unwrapped.simulator.closed[0]:
            disturber.reset(seed=77)
        expected += to_the_end(env, [action])
        seen += to_the_end(twin, [action])
    for outcome in (*expected, *seen):
        outcome[-1].pop("episode", None)  # contains wall-clock time
    assert data_equivalence(expected, seen)


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("mode", MODES)
def test_a_batch_and_its_copy_continue_equally_and_independently(copied, mode):
    venv = gym.make_vec(ID, num_envs=4, autoreset_mode=mode)
    batch_steps(venv, TICKS - 4)
    twin, disturber = copied(venv), copied(venv)
    rng = np.random.default_rng(8)
    for _ in range(2 * TICKS):
        actions = rng.uniform(-1, 1, (4, 1)).astype(np.float32)
        ours = venv.step(actions)
        if disturber.unwrapped.simulator.closed.any():
            disturber.reset(seed=1)
        disturber.step(-actions)
        assert data_equivalence(ours, twin.step(actions))
        if mode is AutoresetMode.DISABLED and ours[2].any():
            options = {"reset_mask": ours[2]}
            assert data_equivalence(venv.reset(options=dict(options)), twin.reset(options=dict(options)))


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_learners_batch_and_its_copy_continue_equally(copied):
    venv = make_learners_batch()
    venv.reset()
    actions = np.random.default_rng(8).uniform(-1, 1, (3 * TICKS, 4, 1)).astype(np.float32)
    for row in actions[:5]:
        venv.step(row)
    twin = copied(venv)
    expected = [venv.step(row)[:3] for row in actions[5:]]
    assert data_equivalence(expected, [twin.step(row)[:3] for row in actions[5:]])


# --- Stable-Baselines3 ---------------------------------------------------------------------------------------------


def learner_steps(venv, steps=2 * TICKS + 1, seed=0):
    rng = np.random.default_rng(seed)
    shape = (steps, venv.num_envs, *venv.action_space.shape)
    return [venv.reset(), *(venv.step(row) for row in rng.uniform(-1, 1, shape).astype(np.float32))]


def make_learners_batch():
    return FlashSaleVecEnv("gvr-periodic", num_envs=4)


def test_a_learners_batch_plays_the_sales_of_single_environments_to_their_last_observation():
    venv = make_learners_batch()
    seeds = venv.seed(0)
    seen = learner_steps(venv, TICKS)
    actions = np.random.default_rng(0).uniform(-1, 1, (TICKS, 4, 1)).astype(np.float32)
    for i, seed in enumerate(seeds):
        first, steps = sale(gym.make(ID), seed, actions[:, i])
        assert np.array_equal(seen[0][i], first)
        assert np.array_equal([step[1][i] for step in seen[1:]], np.float32([step[1] for step in steps]))
        assert np.array_equal([step[0][i] for step in seen[1:-1]], [step[0] for step in steps[:-1]])
        assert np.array_equal(seen[-1][3][i]["terminal_observation"], steps[-1][0])
        assert seen[-1][3][i]["profit"] == steps[-1][4]["profit"]


def test_vec_normalize_plays_the_same_sales_and_survives_saving(tmp_path):
    venv = VecNormalize(make_learners_batch(), gamma=0.9)
    learner_steps(venv, 100)
    path = str(tmp_path / "statistics.pkl")
    venv.save(path)
    loaded = VecNormalize.load(path, make_learners_batch())
    loaded.training = False
    raw = learner_steps(make_learners_batch())
    shown = learner_steps(loaded)
    np.testing.assert_allclose(loaded.obs_rms.mean, venv.obs_rms.mean)
    np.testing.assert_allclose(shown[0], loaded.normalize_obs(raw[0]))
    for ours, theirs in zip(shown[1:], raw[1:], strict=True):
        np.testing.assert_allclose(ours[0], loaded.normalize_obs(theirs[0]))
        np.testing.assert_allclose(ours[1], loaded.normalize_reward(theirs[1]))
        if theirs[2].any():
            wanted = loaded.normalize_obs(theirs[3][2]["terminal_observation"])
            np.testing.assert_allclose(ours[3][2]["terminal_observation"], wanted)


def test_vec_monitor_and_the_batch_count_the_same(tmp_path):
    plain = learner_steps(make_learners_batch())
    path = tmp_path / "monitor.csv"
    monitored = learner_steps(VecMonitor(make_learners_batch(), str(path), info_keywords=("profit",)))
    for ours, theirs in zip(monitored[1:], plain[1:], strict=True):
        for mine, own in zip(ours[3], theirs[3], strict=True):
            assert mine.keys() == own.keys()
            if own:
                assert mine["episode"]["r"] == pytest.approx(own["episode"]["r"])
                assert mine["episode"]["l"] == own["episode"]["l"]
                assert mine["episode"]["profit"] == own["profit"]
    assert len(path.read_text().splitlines()) == 2 + 2 * 4, "two lines of header, then a line for each closed sale"


def test_vec_frame_stack_shows_the_last_observations_of_the_same_sale():
    plain = learner_steps(make_learners_batch())
    stacked = learner_steps(VecFrameStack(make_learners_batch(), 2))
    width = plain[0].shape[1]
    for tick in range(1, len(plain)):
        before = plain[tick - 1] if tick == 1 else plain[tick - 1][0]
        opened = plain[tick][2].any()
        assert np.array_equal(stacked[tick][0][:, width:], plain[tick][0])
        assert np.array_equal(stacked[tick][0][:, :width], np.zeros_like(before) if opened else before)
        if opened:
            for ours, theirs, last in zip(stacked[tick][3], plain[tick][3], before, strict=True):
                assert np.array_equal(ours["terminal_observation"], [*last, *theirs["terminal_observation"]])


def test_a_sale_has_no_nan_and_wrappers_do_not_write_into_shared_infos():
    inner = make_learners_batch()
    venv = VecCheckNan(VecNormalize(VecFrameStack(VecMonitor(inner), 3)), raise_exception=True)
    for step in learner_steps(venv)[1:]:
        if not step[2].any():
            assert step[3] == [{}] * 4


@pytest.mark.parametrize(
    ("kind", "options"),
    [(DummyVecEnv, {}), (SubprocVecEnv, {"start_method": "forkserver"}), (SubprocVecEnv, {"start_method": "spawn"})],
)
def test_make_vec_env_of_stable_baselines3_plays_the_sales_of_the_native_batch(kind, options):
    theirs = make_vec_env(IN_ANY_PROCESS, n_envs=2, seed=5, vec_env_cls=kind, vec_env_kwargs=options)
    ours = gym.make_vec(ID, num_envs=2, autoreset_mode="SameStep")
    try:
        assert np.array_equal(theirs.reset(), ours.reset(seed=5)[0])
        for actions in np.random.default_rng(0).uniform(-1, 1, (TICKS + 2, 2, 1)).astype(np.float32):
            seen, expected = theirs.step(actions), ours.step(actions)
            assert np.array_equal(seen[0], expected[0])
            np.testing.assert_allclose(seen[1], expected[1], rtol=1e-6)
            assert np.array_equal(seen[2], expected[2])
            if expected[2].any():
                profits = [info["profit"] for info in seen[3]]
                assert profits == expected[4]["final_info"]["profit"].tolist()
                assert not any(info["TimeLimit.truncated"] for info in seen[3])
    finally:
        theirs.close()


def test_ppo_learns_over_vec_normalize_and_vec_monitor():
    venv = VecNormalize(VecMonitor(FlashSaleVecEnv("gvr-periodic", num_envs=16)), gamma=1.0)
    model = PPO("MlpPolicy", venv, n_steps=TICKS, batch_size=80, n_epochs=2, gamma=1.0, seed=0, device="cpu")
    before = {name: weight.clone() for name, weight in model.policy.state_dict().items()}
    model.learn(2 * 16 * TICKS)
    after = model.policy.state_dict()
    assert any((after[name] != before[name]).any() for name in before)
    assert all(weight.isfinite().all() for weight in after.values())
    assert [episode["l"] for episode in model.ep_info_buffer] == [TICKS] * 32


# --- RL Zoo and Minari ---------------------------------------------------------------------------------------------

ZOO_SETTINGS = f"""
{ID}:
  policy: MlpPolicy
  n_timesteps: 1000
  n_envs: 2
  n_steps: 20
  batch_size: 20
  n_epochs: 2
  normalize: true
"""


def zoo(folder, command, *arguments):
    words = f"-m rl_zoo3.{command} --algo ppo --env {ID} --gym-packages flashsale_env --device cpu".split()
    done = subprocess.run(
        [sys.executable, *words, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def zoo_folder(tmp_path_factory):
    """A folder in which RL Zoo's own command line has trained PPO."""
    if importlib.util.find_spec("rl_zoo3") is None:  # not imported: it would replace Gymnasium's TimeLimit
        pytest.skip("RL Zoo is not installed: pip install rl_zoo3")
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "ppo.yml").write_text(ZOO_SETTINGS)
    train = ["--conf-file", "ppo.yml", "-n", "200", "--eval-freq", "-1", "--log-folder", "logs", "--seed", "1"]
    zoo(folder, "train", *train, "--env-kwargs", "actions:'multidiscrete'")
    return folder


def test_rl_zoo_trains_with_its_own_command_line(zoo_folder):
    run = zoo_folder / "logs" / "ppo" / f"{ID.replace('/', '-')}_1"
    model = PPO.load(next(run.glob("FlashSale-*.zip")), device="cpu")
    assert model.num_timesteps == 200
    assert isinstance(model.action_space, gym.spaces.MultiDiscrete), "--env-kwargs reached the environment"
    lengths = [line.split(",")[1] for log in run.glob("*.monitor.csv") for line in log.read_text().splitlines()[2:]]
    assert lengths == [str(TICKS)] * 20
    assert next(run.glob("*/vecnormalize.pkl")).stat().st_size > 0


@pytest.mark.slow
def test_rl_zoo_replays_its_trained_agent(zoo_folder):
    pytest.importorskip("requests", reason="rl_zoo3.enjoy needs it: pip install requests")
    output = zoo(zoo_folder, "enjoy", "--folder", "logs", "-n", "30", "--no-render")
    assert "3 Episodes" in output
    assert f"Mean episode length: {TICKS}.00" in output


@pytest.fixture
def minari(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    pytest.importorskip("h5py", reason="Minari's default storage needs it: pip install h5py")
    return pytest.importorskip("minari", reason="Minari is not installed: pip install minari")


ABOUT = {"algorithm_name": "uniform", "author": "a", "author_email": "a@b", "code_permalink": "c", "description": "d"}


def assert_holds(dataset, played):
    """The dataset's episodes are those played: a list of (first observation, actions, steps)."""
    assert dataset.total_episodes == len(played)
    for episode, (first, actions, steps) in zip(dataset.iterate_episodes(), played, strict=True):
        assert np.array_equal(episode.observations, [first, *(step[0] for step in steps)])
        assert np.array_equal(episode.actions, actions)
        assert episode.rewards.tolist() == [step[1] for step in steps]
        assert episode.terminations.tolist() == [step[2] for step in steps]
        assert not episode.truncations.any()


def play_uniformly(env, seeds):
    played = []
    for seed in seeds:
        env.action_space.seed(seed)
        actions = [env.action_space.sample() for _ in range(TICKS)]
        first, steps = sale(env, seed, actions)
        played.append((first, actions, steps))
    return played


@pytest.mark.parametrize("encoding", fs.ENCODINGS)
@pytest.mark.filterwarnings("ignore:`eval_env` is set to None")
def test_a_minari_dataset_gives_back_the_sales_and_the_environment(minari, encoding):
    from minari.data_collector import EpisodeBuffer

    env = gym.make(ID, actions=encoding)
    played = play_uniformly(env, range(3))
    buffers = [
        EpisodeBuffer(
            id=i,
            seed=i,
            observations=[first, *(step[0] for step in steps)],
            actions=actions,
            rewards=[step[1] for step in steps],
            terminations=[step[2] for step in steps],
            truncations=[step[3] for step in steps],
        )
        for i, (first, actions, steps) in enumerate(played)
    ]
    minari.create_dataset_from_buffers(f"flashsale/{encoding}-v0", buffers, env=env, **ABOUT)
    dataset = minari.load_dataset(f"flashsale/{encoding}-v0")
    assert_holds(dataset, played)
    assert data_equivalence(play_uniformly(dataset.recover_environment(), range(3)), played)


@pytest.mark.filterwarnings("ignore:`eval_env` is set to None")
def test_minaris_collector_records_every_sale_and_its_infos(minari):
    pytest.importorskip("jax", reason="minari.DataCollector needs it: pip install 'minari[create]'")
    collector = minari.DataCollector(gym.make(ID), record_infos=True)
    played = play_uniformly(collector, range(3))
    collector.create_dataset("flashsale/collected-v0", **ABOUT)
    dataset = minari.load_dataset("flashsale/collected-v0")
    assert_holds(dataset, played)
    for episode, (_, _, steps) in zip(dataset.iterate_episodes(), played, strict=True):
        profits = [step[4]["profit"] for step in steps]
        assert episode.infos["profit"][1:].tolist() == profits
    collector.close()

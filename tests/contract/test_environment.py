"""The Gymnasium contract, for every registered id and every action encoding."""

import copy
import pickle
import random
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from gymnasium.utils.env_checker import data_equivalence
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import flashsale_env as fs

STANDARD, PERIODIC = fs.environment_id("standard"), fs.environment_id("gvr-periodic")
IDS = [fs.environment_id(name) for name in fs.SCENARIOS]
EVERY_KIND = [(name, encoding) for name in IDS for encoding in fs.ENCODINGS]


def episode(env, seed, sampler):
    """Every observation, reward and info of one sale."""
    rows = [env.reset(seed=seed)]
    closed = False
    while not closed:
        observation, reward, closed, truncated, info = env.step(sampler())
        assert not truncated
        rows.append((observation, reward, info))
    return rows


@pytest.mark.parametrize(("name", "encoding"), EVERY_KIND)
def test_gymnasium_and_sb3_accept_it_without_a_warning(name, encoding):
    for mode in (None, "ansi", "rgb_array"):
        env = gym.make(name, actions=encoding, render_mode=mode).unwrapped
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            gymnasium_check_env(env)
            sb3_check_env(env)


@pytest.mark.parametrize(("name", "encoding"), EVERY_KIND)
def test_the_same_seed_gives_the_same_sale(name, encoding):
    """Observations, rewards and infos, in two environments and in the first one again."""
    a, b = gym.make(name, actions=encoding), gym.make(name, actions=encoding)
    a.action_space.seed(3)
    actions = [a.action_space.sample() for _ in range(a.unwrapped.scenario.horizon_ticks)]
    runs = [episode(env, 11, iter(actions).__next__) for env in (a, b, a)]
    assert data_equivalence(runs[0], runs[1])
    assert data_equivalence(runs[0], runs[2])
    other = episode(a, 12, iter(actions).__next__)
    assert not data_equivalence(runs[0], other)


@pytest.mark.parametrize("name", IDS)
def test_rewards_are_the_sum_of_their_terms_and_observations_stay_in_bounds(name):
    env = gym.make(name)
    env.action_space.seed(0)
    previous, info = env.reset(seed=0)
    closed = False
    while not closed:
        observation, reward, closed, _, info = env.step(env.action_space.sample())
        assert type(reward) is float
        assert sum(info[f"reward_terms/{name}"] for name in fs.REWARD_TERMS) == reward
        assert env.observation_space.contains(observation)
        assert not np.shares_memory(observation, previous)
        previous = observation


def test_no_number_of_the_observation_is_constant():
    """Every element of every scenario's observation varies within or between sales, unless it says that it does not."""
    for name in IDS:
        env = gym.make_vec(name, num_envs=64)
        env.action_space.seed(0)
        seen = [env.reset(seed=0)[0]]
        for _ in range(env.unwrapped.scenario.horizon_ticks):
            seen.append(env.step(env.action_space.sample())[0])
        spread = np.ptp(np.concatenate(seen), axis=0)
        entries = env.unwrapped.layout.entries
        assert [entry.name for entry in entries if entry.constant] == [
            entry.name for entry, width in zip(entries, spread, strict=True) if width == 0
        ]


def test_the_layout_names_every_number(standard):
    layout = fs.Layout(standard)
    covered = np.concatenate([np.arange(layout.size)[layout[name]] for name in layout])
    assert covered.tolist() == list(range(layout.size))
    assert layout.size <= 100
    names = [entry.name for entry in layout.entries]
    assert len(set(names)) == layout.size
    assert "on_hand[Air fryer, 5.5 litres]" in names
    assert "intent_mean[bargain_hunting]" in names
    assert all(entry.unit and entry.meaning for entry in layout.entries)
    with pytest.raises(KeyError, match="Did you mean 'on_hand'"):
        layout["onhand"]


def test_env_seeds_do_not_leak_out_and_global_seeds_do_not_leak_in():
    env = gym.make(STANDARD)
    action = np.zeros(env.action_space.shape, np.float32)
    np.random.seed(1)  # noqa: NPY002  (the global generator is what this test is about)
    random.seed(1)
    state, state_py = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    first = episode(env, 5, lambda: action)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    assert random.getstate() == state_py
    np.random.seed(999)  # noqa: NPY002
    random.seed(999)
    assert data_equivalence(first, episode(env, 5, lambda: action))


def test_a_reset_without_seed_opens_the_next_episode():
    env = gym.make(STANDARD)
    first, _ = env.reset(seed=4)
    second, _ = env.reset()
    third, _ = env.reset()
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)
    again = [env.reset(seed=4)[0], env.reset()[0], env.reset()[0]]
    assert np.array_equal([first, second, third], again)


def test_a_sale_copied_or_pickled_midway_continues_unchanged():
    env = gym.make(STANDARD).unwrapped
    env.reset(seed=2)
    action = np.zeros(env.action_space.shape, np.float32)
    for _ in range(30):
        env.step(action)
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    expected = [env.step(action) for _ in range(30)]
    for twin in twins:
        assert data_equivalence(expected, [twin.step(action) for _ in range(30)])


def test_names_and_paths_in_a_spec_survive_json(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(fs.SCENARIOS["gvr-periodic"].read_text().replace('name = "gvr-periodic"', 'name = "mine"'))
    env = gym.make(STANDARD, scenario=str(path), population="homogeneous", actions="discrete")
    spec = gym.envs.registration.EnvSpec.from_json(env.spec.to_json())
    again = gym.make(spec)
    assert again.unwrapped.scenario.name == "mine"
    assert again.action_space == env.action_space


def test_action_0_of_discrete_encodings_is_list_price_no_order_no_coupon():
    for encoding, action in (("discrete", 0), ("multidiscrete", np.zeros(17, np.int64))):
        env = gym.make(STANDARD, actions=encoding).unwrapped
        env.reset(seed=0)
        env.step(action)
        sale = env.simulator.sales[0]
        assert (sale["price"] == [product.list_price for product in env.scenario.products]).all()
        assert sale["ordered"].sum() == 0
        assert sale["coupon"]["depth"] == 0


def test_a_box_is_cut_into_cells_of_equal_width():
    """A uniform action is uniform over the price levels; the bounds of the box are the first and last level."""
    env = gym.make(PERIODIC).unwrapped
    levels = env.scenario.products[0].price_levels

    def price(action):
        env.reset(seed=0)
        env.step(np.array([action], np.float32))
        return float(env.simulator.sales["price"][0, 0])

    actions = (np.arange(1100) + 0.5) / 1100 * 2 - 1
    found, counts = np.unique([price(a) for a in actions], return_counts=True)
    assert found.tolist() == sorted(levels)
    assert (counts == 100).all()
    assert price(-1.0) == levels[0]
    assert price(1.0) == levels[-1]


@pytest.mark.parametrize("encoding", ["box", "multidiscrete"])
@pytest.mark.parametrize("name", IDS)
def test_an_action_for_given_levels_decodes_to_these_levels(name, encoding):
    simulator = fs.Simulator(gym.spec(name).kwargs["scenario"], sales=50, actions=encoding)
    codec = simulator.codec
    levels = np.random.default_rng(0).integers(0, codec.n_levels, (50, len(codec.n_levels)))
    simulator.open(np.arange(50, dtype=np.uint64), np.zeros(50, np.int64))
    simulator.advance(codec.from_levels(levels))
    for column in codec.columns("price"):
        product = codec.numbers_of(np.array([column]))[0]
        wanted = np.array(codec.levels[column])[levels[:, column]]
        assert simulator.sales["price"][:, product] == pytest.approx(wanted, rel=1e-6)


def test_stepping_a_closed_or_unopened_sale_is_refused():
    env = gym.make(PERIODIC).unwrapped
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        env.step(np.zeros(1, np.float32))
    episode(env, 0, env.action_space.sample)
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        env.step(np.zeros(1, np.float32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenario": "standrd"}, "Did you mean 'standard'"),
        ({"actions": "boxes"}, "Did you mean 'box'"),
        ({"population": "learnt"}, "Did you mean 'learned'"),
    ],
)
def test_unknown_names_offer_the_nearest_known_one(options, message):
    with pytest.raises(ValueError, match=message):
        gym.make(STANDARD, **options)


def test_an_unknown_render_mode_is_refused():
    with pytest.raises(ValueError, match="render_mode must be None, 'ansi' or 'rgb_array', got 'humen'"):
        fs.FlashSaleEnv(render_mode="humen")


def test_a_nan_action_is_refused_and_the_sale_continues():
    env = gym.make(STANDARD).unwrapped
    env.reset(seed=0)
    action = np.zeros(17, np.float32)
    action[3] = np.nan
    with pytest.raises(ValueError, match=r"column 3 .*got nan. Nothing was played"):
        env.step(action)
    assert env.simulator.sales["tick"][0] == 0
    env.step(np.zeros(17, np.float32))
    with pytest.raises(ValueError, match=r"an action with box encoding must have shape \(17,\)"):
        env.step(np.zeros(5, np.float32))

"""Ids and their specs: version, encoding, step limit, known optimum."""

import copy
import pickle
import re

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.envs.registration import EnvSpec

import flashsale_env as fs
from flashsale_env.agents import exact
from flashsale_env.envs import registration
from flashsale_env.population import load_population
from flashsale_env.theory.duopoly import Duopoly

PERIODIC = fs.environment_id("gvr-periodic")
EVERY_KIND = [(name, encoding) for name in fs.SCENARIOS for encoding in fs.ENCODINGS]


def ends(env, steps=10**4):
    """(steps, terminated, truncated) of one sale under its first action."""
    env.reset(seed=0)
    action = np.zeros(env.action_space.shape, env.action_space.dtype)
    for step in range(1, steps):
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            return step, terminated, truncated
    raise AssertionError("the sale does not end")


@pytest.mark.parametrize(("name", "encoding"), EVERY_KIND)
def test_every_scenario_has_an_id_for_every_encoding(name, encoding):
    """For tools that accept only an id."""
    scenario = fs.load_scenario(name)
    name_in_id = "".join(part.capitalize() for part in name.split("-"))
    suffix = {"box": "", "multidiscrete": "MultiDiscrete", "discrete": "Discrete"}[encoding]
    assert fs.environment_id(name, encoding) == f"FlashSale/{name_in_id}{suffix}-v{scenario.version}"
    env = gym.make(fs.environment_id(name, encoding)).unwrapped
    assert env.scenario == scenario
    assert env.codec.encoding == encoding
    assert env.action_space == fs.ActionCodec(scenario, encoding).space
    assert gym.make(fs.environment_id(name), actions=encoding).action_space == env.action_space


def test_the_version_of_an_id_is_that_of_its_scenario(tmp_path):
    text = re.sub(r"(?m)^version = .*\n", "", fs.SCENARIOS["gvr-periodic"].read_text())
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('name = "gvr-periodic"', 'name = "mine"\nversion = 3'))
    assert fs.load_scenario(path).version == 3
    assert gym.spec(PERIODIC).version == fs.load_scenario("gvr-periodic").version
    for wrong, message in (("-1", "version must be at least 0"), ("1.5", "version must be a whole number")):
        path.write_text(text.replace('name = "gvr-periodic"', f'name = "mine"\nversion = {wrong}'))
        with pytest.raises(ValueError, match=message):
            fs.load_scenario(path)


def test_an_unknown_name_has_no_id():
    with pytest.raises(ValueError, match=r"unknown scenario 'standrd'\. Did you mean 'standard'"):
        fs.environment_id("standrd")
    with pytest.raises(ValueError, match=r"unknown action encoding 'discret'\. Did you mean 'discrete'"):
        fs.environment_id("standard", "discret")


@pytest.mark.parametrize("name", fs.SCENARIOS)
def test_the_step_limit_is_one_more_than_the_horizon(name):
    horizon = fs.load_scenario(name).horizon_ticks
    assert gym.make(fs.environment_id(name)).spec.max_episode_steps == horizon + 1
    assert gym.make_vec(fs.environment_id(name), num_envs=2).spec.max_episode_steps == horizon + 1


def test_the_close_terminates_and_never_truncates_for_any_scenario_under_an_id():
    """A limit registered with the id would truncate a longer sale."""
    longer = fs.load_scenario("gvr-periodic").replace(horizon_ticks=25)
    env = gym.make(PERIODIC, scenario=longer)
    assert env.spec.max_episode_steps == 26
    assert ends(env) == (25, True, False)
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.spec.max_episode_steps == 26
    assert ends(again) == (25, True, False)
    assert ends(gym.make(PERIODIC)) == (10, True, False)
    venv = gym.make_vec(PERIODIC, num_envs=2, scenario=longer)
    remade = gym.make_vec(EnvSpec.from_json(venv.spec.to_json()))
    assert venv.spec.max_episode_steps == remade.spec.max_episode_steps == 26
    for batch in (venv, remade):
        batch.reset(seed=0)
        flags = np.array([batch.step(np.zeros((2, 1), np.float32))[2:4] for _ in range(25)])
        assert flags[:, 0].all(axis=1).tolist() == [False] * 24 + [True]
        assert not flags[:, 1].any()


def test_a_given_step_limit_holds():
    assert ends(gym.make(PERIODIC, max_episode_steps=4)) == (4, False, True)
    assert gym.make(PERIODIC, max_episode_steps=4).spec.max_episode_steps == 4


@pytest.mark.parametrize("mode", gym.vector.AutoresetMode)
@pytest.mark.parametrize("limit", [4, 10, 11])
def test_a_limit_of_a_batch_is_that_of_the_single_sales(limit, mode):
    """Rewards, ends, observations and infos equal those of Gymnasium's loop with its own TimeLimit."""
    native = gym.make_vec(PERIODIC, num_envs=3, max_episode_steps=limit, autoreset_mode=mode)
    loop = gym.vector.SyncVectorEnv(
        [lambda: gym.make(PERIODIC, max_episode_steps=limit) for _ in range(3)], autoreset_mode=mode
    )
    assert native.spec.max_episode_steps == limit
    assert np.array_equal(native.reset(seed=4)[0], loop.reset(seed=4)[0])
    truncations = 0
    for actions in np.random.default_rng(0).uniform(-1, 1, (23, 3, 1)).astype(np.float32):
        ours, theirs = native.step(actions), loop.step(actions)
        for a, b in zip(ours[:4], theirs[:4], strict=True):
            assert np.array_equal(a, b)
        assert np.array_equal(ours[4]["profit"], theirs[4]["profit"])
        truncations += ours[3].sum()
        over = ours[2] | ours[3]
        if mode is gym.vector.AutoresetMode.DISABLED and over.any():
            assert np.array_equal(
                native.reset(options={"reset_mask": over})[0], loop.reset(options={"reset_mask": over})[0]
            )
    assert truncations > 0 if limit <= 10 else truncations == 0


def test_gymnasiums_time_aware_observation_needs_no_limit_of_its_own():
    env = wrappers.TimeAwareObservation(gym.make(PERIODIC), normalize_time=False)
    env.reset(seed=0)
    assert env.max_timesteps == 11
    assert env.step(np.zeros(1, np.float32))[0][-1] == 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_keeps_its_spec(copied):
    env = gym.make(PERIODIC)
    assert copied(env).spec == env.spec


# --- the optimum ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", fs.SCENARIOS)
def test_the_reward_threshold_is_the_optimum_wherever_a_solver_finds_one(name):
    """Solved again here. The test fails if a scenario becomes solvable, or stops being so."""
    scenario = fs.load_scenario(name)
    if name == "intent":
        optimum = best_price_for_each_intent(scenario)
    elif name == "duopoly":
        (seller,), product = scenario.rivals.sellers, scenario.products[0]
        market = Duopoly(product.quality, 1.0 / product.reference_price, product.unit_cost)
        profit, _ = market.against_undercut(product.price_levels, seller.share, scenario.customers_per_tick)
        optimum = profit + scenario.opening_stock_cost
    elif exact.why_no_pricing(scenario) is None:
        optimum = exact.solve_pricing(scenario).value_at_start
    else:
        optimum = None
    for spec in (gym.spec(fs.environment_id(name)), gym.make(fs.environment_id(name)).spec):
        assert spec.reward_threshold == (None if optimum is None else pytest.approx(optimum, rel=1e-9))


def best_price_for_each_intent(scenario):
    """A customer of voice v pays price p with probability exp(-p/theta_v), and p may depend on the predicted intent."""
    (product,) = scenario.products
    voices = load_population(scenario.population, [product.title])
    read = voices.intent_probabilities.argmax(axis=1)
    theta = product.reference_price / voices.price_sensitivity.astype(np.float64)
    weight = voices.weight.astype(np.float64) / voices.weight.sum(dtype=np.float64)
    prices = product.list_price * (1.0 - np.array(scenario.targeted.depths))
    earned = weight * prices[:, None] * np.exp(-prices[:, None] / theta)
    best = sum(earned[:, read == intent].sum(axis=1).max() for intent in np.unique(read))
    return best * scenario.customers_per_tick.sum()


def test_a_threshold_belongs_to_the_sale_in_the_environment():
    """Another scenario, other customers or a coarser grid have another optimum; a reward scale multiplies it."""
    scenario = fs.load_scenario("gvr-periodic")
    optimum = registration.OPTIMA["gvr-periodic"]
    assert gym.make(PERIODIC, reward_scale=0.5).spec.reward_threshold == 0.5 * optimum
    assert gym.make(PERIODIC, scenario=scenario).spec.reward_threshold == optimum
    assert gym.make(PERIODIC, scenario=scenario.replace(horizon_ticks=20)).spec.reward_threshold is None
    assert gym.make(PERIODIC, scenario="standard").spec.reward_threshold is None
    assert gym.make(PERIODIC, scenario="gvr-two-phase").spec.reward_threshold == registration.OPTIMA["gvr-two-phase"]
    assert gym.make_vec(PERIODIC, num_envs=2).spec.reward_threshold == optimum
    assert gym.make(fs.environment_id("intent"), population="homogeneous").spec.reward_threshold is None
    for name, known in (("gvr-periodic", fs.ENCODINGS), ("mnl-stock", ("box",))):  # continuous prices need box actions
        specs = {encoding: gym.spec(fs.environment_id(name, encoding)) for encoding in fs.ENCODINGS}
        assert [encoding for encoding, spec in specs.items() if spec.reward_threshold] == list(known)


def test_a_spec_of_another_package_keeps_its_threshold_and_step_limit():
    gym.register("Mine/Sale-v0", "flashsale_env.envs.sale:FlashSaleEnv", reward_threshold=5.0, max_episode_steps=7)
    try:
        spec = gym.make("Mine/Sale-v0", scenario="gvr-periodic").spec
        assert (spec.reward_threshold, spec.max_episode_steps) == (5.0, 7)
    finally:
        del gym.registry["Mine/Sale-v0"]

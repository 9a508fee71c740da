"""Features for other tools beyond reset and step: masks, scales, attributes, frames, a monitor."""

import gymnasium as gym
import numpy as np
import pytest
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

import flashsale_env as fs
from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv

PERIODIC = fs.environment_id("gvr-periodic")
TICKS = 10
GRIDS = [encoding for encoding in fs.ENCODINGS if encoding != "box"]


def outputs(space):
    return space.n if isinstance(space, gym.spaces.Discrete) else int(space.nvec.sum())


# --- scaled rewards and clipped actions ----------------------------------------------------------------------------


def test_a_reward_scale_scales_rewards_and_leaves_infos_in_currency():
    actions = np.random.default_rng(0).uniform(-1, 1, (TICKS, 3, 1)).astype(np.float32)
    for make in (lambda **k: gym.make(PERIODIC, **k), lambda **k: gym.make_vec(PERIODIC, num_envs=3, **k)):
        plain, scaled = make(), make(reward_scale=1e-4)
        rows = actions if isinstance(plain, gym.vector.VectorEnv) else actions[:, 0]
        assert np.array_equal(plain.reset(seed=1)[0], scaled.reset(seed=1)[0])
        for row in rows:
            theirs, ours = plain.step(row), scaled.step(row)
            assert np.array_equal(ours[0], theirs[0])
            assert ours[1] == pytest.approx(1e-4 * np.asarray(theirs[1]))
            assert type(ours[1]) is type(theirs[1])
            for key, value in theirs[4].items():
                assert np.array_equal(ours[4][key], value)


@pytest.mark.parametrize("scale", [0, -1.0, np.nan, np.inf, "1", True, None])
def test_a_reward_scale_that_is_not_positive_is_refused(scale):
    for make in (
        lambda: gym.make(PERIODIC, reward_scale=scale),
        lambda: gym.make_vec(PERIODIC, num_envs=2, reward_scale=scale),
        lambda: FlashSaleVecEnv("gvr-periodic", num_envs=2, reward_scale=scale),
    ):
        with pytest.raises(ValueError, match="reward_scale must be"):
            make()


def test_clipped_actions_are_at_the_bounds_and_nan_is_still_refused():
    inside, outside = gym.make(PERIODIC), gym.make(PERIODIC, clip_actions=True)
    for action in (-7.0, 7.0, np.inf, 0.3):
        inside.reset(seed=0)
        outside.reset(seed=0)
        expected = inside.step(np.array([np.clip(action, -1, 1)], np.float32))
        assert outside.step(np.array([action], np.float32))[1] == expected[1]
        assert outside.unwrapped.simulator.sales["price"] == inside.unwrapped.simulator.sales["price"]
    with pytest.raises(ValueError, match="must be a number, got nan"):
        outside.step(np.array([np.nan], np.float32))
    with pytest.raises(ValueError, match=r"must lie in \[-1, 1\]; clip_actions=True cuts it to that, got 7.0"):
        inside.step(np.array([7.0], np.float32))
    venv = gym.make_vec(PERIODIC, num_envs=2, clip_actions=True)
    venv.reset(seed=0)
    venv.step(np.array([[-7.0], [7.0]], np.float32))
    levels = fs.load_scenario("gvr-periodic").products[0].price_levels
    assert venv.unwrapped.simulator.sales["price"][:, 0].tolist() == [levels[0], levels[-1]]
    with pytest.raises(ValueError, match=r"sale 1, column 0 .* must be a number"):
        venv.step(np.array([[0.0], [np.nan]], np.float32))


@pytest.mark.parametrize("encoding", GRIDS)
def test_clipping_other_encodings_than_box_is_refused(encoding):
    with pytest.raises(ValueError, match=f"would do nothing to {encoding} ones"):
        gym.make(PERIODIC, actions=encoding, clip_actions=True)


# --- masks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", GRIDS)
def test_the_masks_of_a_sale_are_a_row_of_the_batchs(encoding):
    """In the single sale, Gymnasium's batch and Stable-Baselines3's batch, each with its own interface."""
    name = fs.environment_id("gvr-periodic", encoding)
    venv = gym.make_vec(name, num_envs=3)
    singles = [gym.make(name) for _ in range(3)]
    learners = FlashSaleVecEnv("gvr-periodic", num_envs=3, actions=encoding, threads=1)
    learners.simulator.open(np.arange(5, 8, dtype=np.uint64), np.zeros(3, np.int64))
    venv.reset(seed=5)
    for i, env in enumerate(singles):
        env.reset(seed=5 + i)
    cheapest = np.full(venv.action_space.shape, 10)  # the stock does not last
    for _ in range(TICKS - 1):
        venv.step(cheapest)
        learners.simulator.advance(cheapest)
        masks = venv.unwrapped.action_masks()
        assert masks.shape == (3, outputs(venv.single_action_space))
        assert masks.dtype == np.bool_
        assert np.array_equal(venv.unwrapped.call("action_masks"), masks)
        assert np.array_equal(get_action_masks(learners), masks)
        assert np.array_equal(learners.env_method("action_masks", indices=[2, 0]), masks[[2, 0]])
        for i, env in enumerate(singles):
            env.step(cheapest[i])
            assert np.array_equal(get_action_masks(env), masks[i])
    assert masks.sum(axis=1).tolist() == [1, 1, 1], "sold out: one price is as good as another"


def test_box_actions_have_no_masks():
    envs = [gym.make(PERIODIC), gym.make_vec(PERIODIC, num_envs=2), FlashSaleVecEnv("gvr-periodic", num_envs=2)]
    for env in envs:
        env.reset()
        with pytest.raises(ValueError, match="masks are for multidiscrete and discrete actions, got 'box'"):
            env.unwrapped.action_masks()


@pytest.mark.parametrize("encoding", GRIDS)
def test_maskable_ppo_learns_on_both_kinds_of_batch(encoding):
    for venv in (
        FlashSaleVecEnv("mnl-stock", num_envs=4, actions=encoding),
        DummyVecEnv([lambda: gym.make(fs.environment_id("mnl-stock", encoding))] * 2),
    ):
        assert is_masking_supported(venv)
        MaskablePPO("MlpPolicy", venv, n_steps=30, batch_size=30, n_epochs=1, device="cpu", seed=0).learn(60)


# --- Stable-Baselines3's batch -------------------------------------------------------------------------------------


def test_a_learners_batch_counts_as_monitored(recwarn):
    """Otherwise evaluate_policy would warn, and report scaled rewards as currency."""
    venv = FlashSaleVecEnv("gvr-periodic", num_envs=2, reward_scale=0.01)
    assert venv.env_is_wrapped(Monitor) == [True, True]
    model = PPO("MlpPolicy", venv, n_steps=TICKS, batch_size=2 * TICKS, device="cpu", seed=0)
    returns, lengths = evaluate_policy(model, venv, n_eval_episodes=4, return_episode_rewards=True)
    assert not [warning for warning in recwarn if "Monitor" in str(warning.message)]
    assert lengths == [TICKS] * 4
    assert all(value == round(4 * value) / 4 for value in returns), "prices are quarters of a unit of currency"


def test_a_step_before_the_first_reset_is_refused():
    """A regression: it used to play a sale that was never opened."""
    venv = FlashSaleVecEnv("gvr-periodic", num_envs=2)
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        venv.step(np.zeros((2, 1), np.float32))
    assert (venv.simulator.sales["tick"] == 0).all()


def test_a_learners_batch_takes_no_reset_options():
    venv = FlashSaleVecEnv("gvr-periodic", num_envs=2)
    venv.set_options({})
    venv.set_options(None)
    for options in ({"price": 1}, [{}, {"price": 1}]):
        with pytest.raises(ValueError, match="takes no options, got 'price'"):
            venv.set_options(options)


# --- attributes and frames of a batch ------------------------------------------------------------------------------

# Attributes of a single sale that a batch has once for all rows, or that belong to its life cycle.
OF_THE_BATCH = {"reset", "step", "close", "simulator", "metadata"}
GYMNASIUMS = {"get_wrapper_attr", "has_wrapper_attr", "set_wrapper_attr", "np_random", "np_random_seed", "unwrapped"}


def test_a_batch_offers_every_attribute_of_a_single_sale():
    name = fs.environment_id("mnl-stock", "discrete")
    venv = gym.make_vec(name, num_envs=2, render_mode="ansi")
    loop = gym.vector.SyncVectorEnv([lambda: gym.make(name, render_mode="ansi").unwrapped] * 2)
    venv.reset(seed=0)
    loop.reset(seed=0)
    public = {entry for entry in (*dir(fs.FlashSaleEnv), *vars(loop.envs[0])) if not entry.startswith("_")}
    asked = public - OF_THE_BATCH - GYMNASIUMS
    assert {"scenario", "layout", "codec", "spec", "action_masks", "render", "reward_scale", "action_space"} <= asked
    for entry in sorted(asked):
        ours, theirs = venv.unwrapped.call(entry), loop.call(entry)
        assert len(ours) == len(theirs) == 2
        for mine, own in zip(ours, theirs, strict=True):
            if entry == "codec":
                assert mine.names == own.names
            elif entry == "spec":
                assert (mine.id, mine.max_episode_steps) == (own.id, own.max_episode_steps)
            elif isinstance(own, np.ndarray):
                assert np.array_equal(mine, own)
            else:
                assert mine == own, entry
        assert len(venv.unwrapped.get_attr(entry)) == 2


def test_an_attribute_that_a_batch_lacks_is_an_error():
    venv = fs.FlashSaleVectorEnv(2, "gvr-periodic")
    for name in ("reset", "step"):
        with pytest.raises(AttributeError, match=f"unknown attribute of a sale in a batch '{name}'"):
            venv.call(name)
    with pytest.raises(AttributeError, match="Did you mean 'scenario'"):
        venv.get_attr("scenarios")


def test_attributes_are_set_for_all_sales_or_not_at_all():
    venv = fs.FlashSaleVectorEnv(2, "gvr-periodic")
    venv.set_attr("reward_scale", 0.5)
    assert venv.get_attr("reward_scale") == (0.5, 0.5)
    venv.set_attr("render_mode", ["ansi", "ansi"])
    assert venv.render_mode == "ansi"
    cases = [([0.1, 0.2], "2 equal values"), ([0.1], "one value of 'reward_scale' or 2"), (0, "above 0")]
    for values, message in cases:
        with pytest.raises(ValueError, match=message):
            venv.set_attr("reward_scale", values)
    with pytest.raises(AttributeError, match="unknown attribute that a batch can set 'scenario'"):
        venv.set_attr("scenario", fs.load_scenario("standard"))
    assert venv.reward_scale == 0.5


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_a_batch_renders_a_frame_of_every_sale(mode):
    venv = gym.make_vec(PERIODIC, num_envs=2, render_mode=mode)
    loop = gym.vector.SyncVectorEnv([lambda: gym.make(PERIODIC, render_mode=mode)] * 2)
    assert mode in venv.metadata["render_modes"]
    assert venv.render_mode == mode
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        venv.render()
    venv.reset(seed=3)
    loop.reset(seed=3)
    actions = np.array([[-0.5], [0.5]], np.float32)
    venv.step(actions)
    loop.step(actions)
    frames = venv.render()
    assert len(frames) == 2
    assert not np.array_equal(*frames)
    for ours, theirs in zip(frames, loop.render(), strict=True):
        assert np.array_equal(ours, theirs)
    assert gym.make_vec(PERIODIC, num_envs=2).render() is None
    with pytest.raises(ValueError, match="render_mode must be None, 'ansi' or 'rgb_array', got 'human'"):
        gym.make_vec(PERIODIC, num_envs=2, render_mode="human")


# --- counts, shapes and memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["4", 1.5, 0, -1, None, True, np.nan])
def test_a_number_of_sales_is_a_whole_number_of_at_least_one(number):
    with pytest.raises(ValueError, match="num_envs must be"):
        fs.FlashSaleVectorEnv(number, "gvr-periodic")
    with pytest.raises(ValueError, match="num_envs must be"):
        FlashSaleVecEnv("gvr-periodic", num_envs=number)
    with pytest.raises(ValueError, match="sales must be"):
        fs.Simulator("gvr-periodic", sales=number)


def test_more_sales_than_fit_into_memory_are_refused_with_the_arithmetic():
    """Before any allocation: some systems grant any memory and kill the process later."""
    wanted = r"1,000,000,000,000 sales at once take 1,000,000,000,000 x [\d,]+ bytes = [\d,]+ GB .* at most [\d,]+ s"
    for make in (
        lambda: gym.make_vec(PERIODIC, num_envs=10**12),
        lambda: FlashSaleVecEnv("gvr-periodic", num_envs=10**12),
        lambda: fs.Simulator("gvr-periodic", sales=10**12),
    ):
        with pytest.raises(ValueError, match=wanted):
            make()
    with pytest.raises(ValueError, match="1 sales at once take"):
        fs.Simulator("gvr-periodic", log_rows=10**13)


@pytest.mark.parametrize("options", [{"threads": "2"}, {"threads": 0}, {"log_rows": -1}, {"log_rows": 1.5}])
def test_other_counts_of_a_simulator_are_checked_too(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        fs.Simulator("gvr-periodic", **options)


def test_a_scenario_of_another_type_is_refused():
    for make in (lambda: gym.make(PERIODIC, scenario=3), lambda: gym.make_vec(PERIODIC, num_envs=2, scenario=3)):
        with pytest.raises(ValueError, match="got 3"):
            make()


@pytest.mark.parametrize("encoding", fs.ENCODINGS)
def test_a_shape_error_names_the_shape_of_a_single_sale_or_of_the_batch(encoding):
    """A regression: a single sale used to report "must be (1, 1), got (1, 1, 1)"."""
    shape = () if encoding == "discrete" else (1,)
    env, venv = gym.make(PERIODIC, actions=encoding), gym.make_vec(PERIODIC, num_envs=2, actions=encoding)
    env.reset(seed=0)
    venv.reset(seed=0)
    wrong = np.zeros((*shape, 1), env.action_space.dtype)
    with pytest.raises(ValueError, match=f"an action with {encoding} encoding must have shape ") as refused:
        env.unwrapped.step(wrong)
    assert f"must have shape {shape}" in str(refused.value)
    assert f"got {wrong.shape}." in str(refused.value)
    with pytest.raises(ValueError, match="actions of 2 sales") as refused:
        venv.step(wrong)
    assert f"must have shape {(2, *shape)}" in str(refused.value)
    bad = 99 if encoding == "discrete" else np.full(shape, 99, env.action_space.dtype)
    with pytest.raises(ValueError, match="Nothing was played") as refused:
        env.unwrapped.step(bad)
    assert "sale" not in str(refused.value)
    with pytest.raises(ValueError, match="sale 0"):
        venv.step(np.array([bad, bad]))

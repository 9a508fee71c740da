"""Zips of Stable-Baselines3 models: they play like the models, and other files are refused."""

import numpy as np
import pytest
from stable_baselines3 import A2C, DQN, PPO, SAC

from flashsale_env import FlashSaleEnv, agents, load_scenario
from flashsale_env.agents import FlashSaleVecEnv, play, trace
from flashsale_env.agents.protocol import as_policy
from flashsale_env.agents.sb3.zips import load_zip
from tests.agents.policies import SCENARIO, SEEDS

SMALL = {"device": "cpu", "seed": 0}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Plain models of every kind of action, and the zips that they saved."""
    folder, found = tmp_path_factory.mktemp("zips"), {}
    for name, algorithm, actions, more in (
        ("ppo", PPO, "box", {"n_steps": 10, "batch_size": 20}),
        ("a2c", A2C, "multidiscrete", {}),
        ("sac", SAC, "box", {}),
        ("dqn", DQN, "discrete", {"buffer_size": 10}),
    ):
        sales = FlashSaleVecEnv(SCENARIO, num_envs=2, actions=actions)
        model = algorithm("MlpPolicy", sales, policy_kwargs={"net_arch": [8]}, **SMALL, **more)
        model.save(folder / name)
        found[name] = (model, actions, folder / f"{name}.zip")
    found["ppo"][0].learn(20)
    found["ppo"][0].save(folder / "ppo")
    return found


@pytest.mark.parametrize("name", ["ppo", "a2c", "sac", "dqn"])
def test_a_plain_model_of_stable_baselines3_plays_and_so_does_its_zip(models, name):
    """The encoding follows from its actions; the same sales as tick by tick in the environment."""
    model, encoding, path = models[name]
    assert as_policy(model, load_scenario(SCENARIO)).encoding == encoding
    earned = play(model, SCENARIO, seeds=SEEDS)
    env = FlashSaleEnv(SCENARIO, actions=encoding)
    observation, _ = env.reset(seed=int(SEEDS[0]))
    closed = False
    while not closed:
        observation, _, closed, _, info = env.step(model.predict(observation, deterministic=True)[0])
    assert earned["profit"][0] == info["profit"]
    assert len(trace(model, SCENARIO, seed=3)["price"]) == 10
    loaded = load_zip(path, "cpu")
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(play(loaded, SCENARIO, seeds=SEEDS)["profit"], earned["profit"])


def test_a_model_for_another_sale_is_refused_before_it_plays(models):
    with pytest.raises(ValueError, match=r"PPO was made for the actions Box.*scenario 'standard' has Box.*\(17,\)"):
        play(models["ppo"][0], "standard", seeds=SEEDS)
    with pytest.raises(ValueError, match=r"PPO was made for the observations of shape \(4,\), scenario .* shows 3"):
        as_policy(models["ppo"][0], load_scenario(SCENARIO).replace(observe=("time_left", "on_hand", "price")))


def test_a_file_that_is_no_zip_of_a_model_is_refused(tmp_path, models):
    with pytest.raises(FileNotFoundError, match="no file at"):
        load_zip(tmp_path / "none.zip")
    (tmp_path / "broken.zip").write_bytes(models["ppo"][2].read_bytes()[:500])
    with pytest.raises(ValueError, match="is no zip of Stable-Baselines3"):
        load_zip(tmp_path / "broken.zip")
    agents.make("ppo", SCENARIO, device="cpu").save(tmp_path / "ours")
    with pytest.raises(ValueError, match=r"is a part of the agent in .*: give the folder"):
        load_zip(tmp_path / "ours" / "policy.zip")

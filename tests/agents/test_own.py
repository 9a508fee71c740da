"""Policies from outside: what the door lets in, and what it says to the others."""

import importlib
import sys
import textwrap

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import A2C, DQN, PPO, SAC

from flashsale_env import FlashSaleEnv, agents, load_scenario
from flashsale_env.agents import FlashSaleVecEnv, play, registry, split_seeds, trace
from flashsale_env.agents.protocol import as_policy
from flashsale_env.agents.sb3.zips import load_zip

SCENARIO = "gvr-periodic"
SEEDS = split_seeds("test", 0, 6)
SMALL = {"device": "cpu", "seed": 0}

POLICY = '''
import numpy as np

class ListPrice:
    """Never lowers a price."""
    encoding = "multidiscrete"

    def __init__(self, scenario, level=0):
        self.columns, self.level = len(scenario.products), level

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.full((len(observation), self.columns), self.level), state

def build(scenario):
    return ListPrice(scenario, 3)

ready = ListPrice(type("Shop", (), {"products": [0]}))
'''


def level(k):
    """What a fixed level earns on the sales of these tests."""
    return play(agents.make("fixed_price", SCENARIO, **{"rung[ticket]": k}), SCENARIO, seeds=SEEDS)["profit"]


class Quiet:
    """A policy that answers what it is told to."""

    encoding = "box"

    def __init__(self, answer=None, **attributes):
        self.answer = answer
        vars(self).update(attributes)

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return self.answer if self.answer is not None else (np.full((len(observation), 1), -1.0), state)


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


def test_a_model_for_another_sale_is_refused_at_the_door(models):
    with pytest.raises(ValueError, match=r"PPO was made for the actions Box.*scenario 'standard' has Box.*\(17,\)"):
        play(models["ppo"][0], "standard", seeds=SEEDS)
    with pytest.raises(ValueError, match=r"PPO was made for the observations of shape \(4,\), scenario .* shows 3"):
        as_policy(models["ppo"][0], load_scenario(SCENARIO).replace(observe=("time_left", "on_hand", "price")))


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (object(), r"object has no predict: a policy needs predict\(observation, state"),
        (Quiet, "Quiet is a class: give an object of it"),
        (Quiet(encoding=None), "has neither `encoding`.* nor `action_space`"),
        (Quiet(encoding="boxes"), "unknown action encoding 'boxes'. Did you mean 'box'"),
        (Quiet(encoding=None, action_space=gym.spaces.MultiBinary(2)), "takes Box, MultiDiscrete or Discrete"),
        (Quiet(action_space=gym.spaces.Box(-1, 1, (2,))), r"made for the actions Box.*has Box"),
        (Quiet(observation_space=gym.spaces.Box(-1, 1, (7,))), r"observations of shape \(7,\)"),
        (Quiet(observation_space=gym.spaces.Dict({})), "was made for the observations Dict"),
        (Quiet(predict=lambda observation: None), "predict cannot be called as predict"),
        (
            Quiet(np.zeros((6, 1))),
            r"must return \(actions, state\), got one ndarray of shape \(6, 1\); without a",
        ),
        (Quiet((1, 2, 3)), "got a tuple of 3"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_played(policy, message):
    with pytest.raises(ValueError, match=message):
        play(policy, SCENARIO, seeds=SEEDS)


def test_seeds_are_whole_numbers_and_a_batch_holds_a_sale():
    agent = agents.make("fixed_price", SCENARIO)
    for seeds in ([1.5], [1.0], ["1"], [True], [-1]):
        with pytest.raises(ValueError, match="seeds must be whole numbers of at least 0"):
            play(agent, SCENARIO, seeds=seeds)
    for batch in (0, -1, 2.0):
        with pytest.raises(ValueError, match="batch must be a whole number of sales, at least 1"):
            play(agent, SCENARIO, seeds=SEEDS, batch=batch)
    assert len(play(agent, SCENARIO, seeds=[1, 2**64 - 1])["profit"]) == 2


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of one's own in the working folder."""
    (tmp_path / "my_shop_policy.py").write_text(POLICY)
    monkeypatch.chdir(tmp_path)
    yield "my_shop_policy"
    sys.modules.pop("my_shop_policy", None)


@pytest.mark.parametrize(("attribute", "plays"), [("ListPrice", 0), ("build", 3), ("ready", 0)])
def test_a_class_a_function_and_an_object_are_found_by_module_and_name(mine, attribute, plays):
    before = list(sys.path)
    agent = agents.make(f"{mine}:{attribute}", SCENARIO)
    np.testing.assert_array_equal(play(agent, SCENARIO, seeds=SEEDS)["profit"], level(plays))
    assert sys.path == before


def test_settings_reach_a_class_and_wrong_ones_are_named(mine):
    agent = agents.make(f"{mine}:ListPrice", SCENARIO, level=5)
    np.testing.assert_array_equal(play(agent, SCENARIO, seeds=SEEDS)["profit"], level(5))
    with pytest.raises(ValueError, match=r"is called as ListPrice\(scenario, levels=...\)"):
        agents.make(f"{mine}:ListPrice", SCENARIO, levels=5)


def test_a_module_or_a_name_that_is_not_there_is_named(mine):
    with pytest.raises(ValueError, match="no module 'my_shop_polic' for the agent"):
        agents.make("my_shop_polic:ListPrice", SCENARIO)
    with pytest.raises(ValueError, match="Did you mean 'ListPrice'"):
        agents.make(f"{mine}:ListPrise", SCENARIO)


def test_a_registered_agent_is_found_by_name_like_ours(monkeypatch):
    monkeypatch.setattr(registry, "AGENTS", dict(registry.AGENTS))
    agents.register("quiet", lambda scenario: Quiet(), "never lowers a price")
    np.testing.assert_array_equal(play(agents.make("quiet", SCENARIO), SCENARIO, seeds=SEEDS)["profit"], level(0))
    with pytest.raises(ValueError, match="'quiet' is there already"):
        agents.register("quiet", Quiet)
    agents.register("quiet", Quiet(), replace=True)
    for name in ("ppo", "a:b", "", "x.zip"):
        with pytest.raises(ValueError, match=r"there already|the name of an agent"):
            agents.register(name, Quiet, replace=True)


def test_an_installed_package_offers_an_agent_by_an_entry_point(mine, tmp_path, monkeypatch):
    info = tmp_path / "my_shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[flashsale_env.agents]\nlist_price = {mine}:ListPrice\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    agent = agents.make("list_price", SCENARIO)
    np.testing.assert_array_equal(play(agent, SCENARIO, seeds=SEEDS)["profit"], level(0))
    with pytest.raises(ValueError, match="Did you mean 'list_price'"):
        agents.make("list_prise", SCENARIO)


def test_a_file_that_is_no_zip_of_a_model_is_refused(tmp_path, models):
    with pytest.raises(FileNotFoundError, match="no file at"):
        load_zip(tmp_path / "none.zip")
    (tmp_path / "broken.zip").write_bytes(models["ppo"][2].read_bytes()[:500])
    with pytest.raises(ValueError, match="is no zip of Stable-Baselines3"):
        load_zip(tmp_path / "broken.zip")
    agents.make("ppo", SCENARIO, device="cpu").save(tmp_path / "ours")
    with pytest.raises(ValueError, match=r"is a part of the agent in .*: give the folder"):
        load_zip(tmp_path / "ours" / "policy.zip")


def test_modules_are_reached_as_the_readme_writes_them():
    code = textwrap.dedent(
        """
        import sys
        from flashsale_env import agents
        assert "torch" not in sys.modules
        print(agents.exact.evaluate_exactly.__name__, agents.exact.__name__)
        assert not hasattr(agents, "nothing_such")
        """
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["evaluate_exactly", "flashsale_env.agents.exact"]

"""PPO: it improves, is reproducible, can be interrupted, and leaves a policy bound to its weights."""

import json
import random

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from flashsale_env import agents
from flashsale_env.agents import play, split_seeds
from flashsale_env.agents.training import TRAINING

SMALL = {"num_envs": 64, "batch_size": 640, "validation_sales": 64, "validate_every": 1, "net_arch": (8,)}
PARTS = {"siblings": 8, "persistence": 1.0, "pay_at_close": True, "gae_lambda": 1.0}


def learner(**settings):
    return agents.make("ppo", "gvr-periodic", device="cpu", **{"sales": 4 * 64, **SMALL, **settings})


def weights(agent):
    return torch.cat([value.flatten() for value in agent.policy.state_dict().values()])


def test_it_starts_from_the_advice():
    """Before the first update the mode of the policy is the heuristic's own action."""
    ppo, chaser = agents.make("ppo", "standard"), agents.make("sell_through", "standard")
    seeds = split_seeds("validation", 0, 16)
    np.testing.assert_array_equal(
        play(ppo, "standard", seeds=seeds)["profit"], play(chaser, "standard", seeds=seeds)["profit"]
    )


def test_it_learns_to_earn_more_than_its_start():
    """Without advice, on test sales; paired, 4,096 sales, z = 3.29."""
    start = learner(adviser="")
    seeds = split_seeds("test", 0, 4096)
    before = play(start, "gvr-periodic", seeds=seeds)["profit"]
    agent = learner(adviser="", sales=16 * 1024, num_envs=512, batch_size=5120, learning_rate=5e-3)
    curve = agent.learn()
    gain = play(agent, "gvr-periodic", seeds=seeds)["profit"] - before
    assert gain.mean() > 3.29 * gain.std(ddof=1) / len(gain) ** 0.5
    assert [row["sales"] for row in curve] == [512 * k for k in range(33)]
    assert curve[-1]["steps"] == 16 * 1024 * 10


@pytest.mark.parametrize("settings", [{}, PARTS], ids=["white noise", "persistent noise"])
def test_a_resumed_training_is_the_uninterrupted_one(settings, tmp_path):
    """Bit for bit: weights, curve, and what comes after."""
    whole = learner(**settings)
    curve = whole.learn(folder=tmp_path / "whole")

    def stop(done, total, row):
        if done == 2 * 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner(**settings).learn(folder=tmp_path / "parts", progress=stop)
    resumed = learner(**settings)
    resumed_curve = resumed.learn(folder=tmp_path / "parts")
    assert torch.equal(weights(whole), weights(resumed))
    for row, other in zip(curve, resumed_curve, strict=True):
        assert {**row, "seconds": 0} == {**other, "seconds": 0}
    last = [json.loads((tmp_path / name / TRAINING).read_text())["checkpoint"] for name in ("whole", "parts")]
    assert last[0] == last[1]
    assert len(list((tmp_path / "parts").glob("checkpoint-*.zip"))) == 1


def test_an_interrupted_training_leaves_an_agent_that_plays(tmp_path):
    def stop(done, total, row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner().learn(folder=tmp_path, progress=stop)
    play(agents.load(tmp_path, "gvr-periodic"), "gvr-periodic", seeds=split_seeds("test", 0, 2))


def test_a_finished_training_is_not_done_again(tmp_path):
    first = learner()
    curve = first.learn(folder=tmp_path)
    again = learner()
    assert again.learn(folder=tmp_path) == curve
    assert torch.equal(weights(first), weights(again))


def test_a_folder_with_another_training_is_an_error(tmp_path):
    learner().learn(folder=tmp_path)
    with pytest.raises(ValueError, match="another seed: 0, want 1"):
        learner(seed=1).learn(folder=tmp_path)
    with pytest.raises(ValueError, match="another settings"):
        learner(n_epochs=1).learn(folder=tmp_path)


def test_a_broken_policy_is_an_error(tmp_path):
    agent = learner()
    agent.save(tmp_path)
    content = (tmp_path / "policy.zip").read_bytes()
    (tmp_path / "policy.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"policy\.zip is truncated, edited or another agent's"):
        agents.load(tmp_path, "gvr-periodic")
    (tmp_path / "policy.zip").unlink()
    with pytest.raises(FileNotFoundError, match=r"policy\.zip is missing"):
        agents.load(tmp_path, "gvr-periodic")


def test_a_policy_of_another_scenario_is_an_error(tmp_path):
    learner().save(tmp_path)
    with pytest.raises(ValueError, match="was trained on scenario 'gvr-periodic'"):
        agents.load(tmp_path, "standard")


def test_runs_differ_and_the_same_run_does_not():
    trained = [learner(seed=seed) for seed in (0, 0, 1)]
    for agent in trained:
        agent.learn(sales=128)
    same, other = (torch.equal(weights(trained[0]), weights(agent)) for agent in trained[1:])
    assert same
    assert not other


def test_learning_leaves_the_global_generators_alone():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    expected = random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    learner().learn(sales=64)
    assert (random.random(), np.random.random(), torch.rand(1).item()) == expected  # noqa: NPY002


def test_the_saved_policy_is_one_of_stable_baselines3(tmp_path):
    agent = learner()
    agent.save(tmp_path)
    model = PPO.load(tmp_path / "policy.zip", device="cpu")
    assert torch.equal(weights(agent), torch.cat([v.flatten() for v in model.policy.state_dict().values()]))


def test_the_advice_is_saved_with_the_policy(tmp_path):
    """A later tuning of the heuristic must not change what a saved policy does."""
    agent = learner(adviser_params={"price_level[ticket]": 2})
    loaded = agents.load(agent.save(tmp_path), "gvr-periodic")
    observation = np.array([1.0, 1.0, 1.0, 0.0], np.float32)
    np.testing.assert_array_equal(agent.predict(observation)[0], loaded.predict(observation)[0])
    assert loaded.predict(observation)[0] != learner().predict(observation)[0]


def test_persistent_noise_keeps_its_distribution_and_its_sign():
    """Each tick's noise is standard normal; with persistence 1 it is the same for the whole sale."""
    agent = learner(num_envs=64, **PARTS)
    shown = torch.zeros((20_000, agent.policy.observation_space.shape[0]))
    with torch.no_grad():
        agent.policy.begin_sales()
        first, _, log_prob = agent.policy(shown)
        second, _, _ = agent.policy(shown)
        agent.policy.begin_sales()
        third, _, _ = agent.policy(shown)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    deviation = agent.policy.log_std.exp().item()
    assert first.std().item() == pytest.approx(deviation, rel=0.03)  # six standard errors
    assert log_prob.shape == (20_000,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rat": 1.0}, "Did you mean 'learning_rate'"),
        ({"persistence": 2.0}, r"persistence must lie in 0\.0\.\.1"),
        ({"n_epochs": 0}, r"n_epochs must lie in 1\.\.1,000, got 0"),
        ({"sales": 1.5}, "sales must be a whole number, got 1.5"),
        ({"learning_rate": "fast"}, "learning_rate must be a finite number, got 'fast'"),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number, got nan"),
        ({"pay_at_close": 1}, "pay_at_close must be true or false, got 1"),
        ({"net_arch": "64"}, "net_arch must be a list of whole numbers, got '64'"),
        ({"net_arch": []}, r"net_arch must be one or more widths in 1\.\.65536"),
        ({"reacts_to": "customer"}, "Did you mean 'customers'"),
        ({"adviser": "sell_trough"}, "Did you mean 'sell_through'"),
    ],
)
def test_a_wrong_setting_is_an_error(settings, message):
    with pytest.raises(ValueError, match=message):
        learner(**settings)

"""A trained policy is bound to its weights, and another game than the one of its training is a warning."""

import dataclasses
import json
import shutil
import warnings

import numpy as np
import pytest
import torch

from flashsale_env import agents, load_population, load_scenario
from flashsale_env.agents import play, split_seeds
from flashsale_env.agents.fingerprints import population_fingerprint, scenario_fingerprint
from flashsale_env.agents.tuned_values import UNTUNED

GVR = load_scenario("gvr-periodic")
SEEDS = split_seeds("test", 0, 4)


def doubled(scenario):
    products = tuple(
        dataclasses.replace(p, price_levels=tuple(2 * price for price in p.price_levels), reference_price=0.0)
        for p in scenario.products
    )
    return scenario.replace(products=products)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs of ppo, and a table, saved."""
    home = tmp_path_factory.mktemp("trained")
    small = {"num_envs": 16, "batch_size": 160, "validation_sales": 16, "net_arch": (8,), "sales": 16}
    for seed in (0, 1):
        learner = agents.make("ppo", GVR, device="cpu", seed=seed, **small)
        learner.learn()
        learner.save(home / f"ppo-{seed}")
    table = agents.make("q_learning", GVR, sales=64, num_envs=64, validation_sales=16)
    table.learn()
    table.save(home / "q_learning")
    agents.make("fixed_price", GVR).save(home / "fixed_price")
    return home


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of a saved folder."""

    def run(name):
        return shutil.copytree(trained / name, tmp_path / name)

    return run


def test_a_card_says_what_was_trained_on_what(trained):
    card = json.loads((trained / "ppo-0" / "agent.json").read_text())
    assert card["scenario_sha256"] == scenario_fingerprint(GVR)
    assert card["population"] == "homogeneous"
    assert card["population_sha256"] == population_fingerprint(load_population("homogeneous", ["ticket"]))
    assert len(card["weights_sha256"]) == 64
    assert card["adviser_mark"] == ""


@pytest.mark.parametrize(("name", "weights"), [("ppo-0", "policy.zip"), ("q_learning", "table.safetensors")])
def test_other_weights_than_those_of_the_card_are_refused(copy, trained, name, weights):
    """Swapped for another run's, and set to zero by the library that wrote them."""
    folder = copy(name)
    good = (folder / weights).read_bytes()
    if name == "ppo-0":
        (folder / weights).write_bytes((trained / "ppo-1" / weights).read_bytes())
        with pytest.raises(ValueError, match=r"is truncated, edited or another agent's: its sha256 should be"):
            agents.load(folder, GVR)
        agent = agents.load(trained / name, GVR, device="cpu")
        with torch.no_grad():
            for value in agent.policy.parameters():
                value.zero_()
        agent.model.save(folder / weights)
    else:
        agent = agents.load(folder, GVR)
        agent.q = np.zeros_like(agent.q)
        agent.save(folder.parent / "zero")
        shutil.copy(folder.parent / "zero" / weights, folder / weights)
    with pytest.raises(ValueError, match=r"is truncated, edited or another agent's"):
        agents.load(folder, GVR)
    (folder / weights).write_bytes(good)
    agents.load(folder, GVR)
    (folder / weights).unlink()
    with pytest.raises(FileNotFoundError, match="is missing"):
        agents.load(folder, GVR)


@pytest.mark.parametrize("name", ["ppo-0", "fixed_price"])
def test_another_game_is_a_warning_that_lists_the_differences(trained, name):
    """Twice the prices: it plays, as a transfer may be intended. The same game under another name gives no warning."""
    with pytest.warns(UserWarning, match=r"another sale than this .*: products\[0\].price_levels\[0\] .* ->"):
        moved = agents.load(trained / name, doubled(GVR))
    assert np.isfinite(play(moved, doubled(GVR), seeds=SEEDS)["profit"]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agents.load(trained / name, GVR.replace(name="mine", description="the same"))


def test_a_table_of_other_prices_is_refused(trained):
    with pytest.raises(ValueError, match="its actions are"):
        agents.load(trained / "q_learning", doubled(GVR))


def test_a_mark_is_saved_and_a_rule_in_another_game_has_one(tmp_path):
    sixty = GVR.replace(horizon_ticks=60)
    agents.make("fixed_price", sixty).save(tmp_path / "untuned")
    assert agents.load(tmp_path / "untuned", sixty).mark == UNTUNED
    agents.make("fixed_price", GVR).save(tmp_path / "tuned")
    assert agents.load(tmp_path / "tuned", GVR).mark == ""
    with pytest.warns(UserWarning, match="horizon_ticks"):
        assert agents.load(tmp_path / "tuned", sixty).mark == UNTUNED


def test_a_learner_and_its_card_are_marked_if_the_adviser_is_untuned(tmp_path):
    sixty = GVR.replace(horizon_ticks=60)
    agent = agents.make("ppo", sixty, device="cpu")
    assert agent.mark == "adviser untuned here"
    agent.save(tmp_path)
    assert json.loads((tmp_path / "agent.json").read_text())["adviser_mark"] == UNTUNED
    assert agents.load(tmp_path, sixty, device="cpu").mark == "adviser untuned here"
    given = agents.make("ppo", sixty, device="cpu", adviser_params={"price_level[ticket]": 7})
    assert given.mark == ""


def test_a_card_of_another_format_is_refused(copy):
    folder = copy("fixed_price")
    card = json.loads((folder / "agent.json").read_text())
    del card["game"]
    (folder / "agent.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="must say format 2, a name, a scenario and its game"):
        agents.load(folder, GVR)

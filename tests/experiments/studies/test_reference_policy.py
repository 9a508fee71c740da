"""The shipped trained policy: how it is made, and how it is found by name."""

import json

import numpy as np
import pytest

from flashsale_env import agents, load_population, load_scenario
from flashsale_env.agents import play, split_seeds
from flashsale_env.experiments.evaluate import find_agent
from flashsale_env.experiments.studies import reference_policy
from tests.experiments.conftest import ask


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    learner = agents.make("ppo", "standard", seed=3, device="cpu", sales=16, num_envs=16, validation_sales=8)
    learner.learn()
    learner.save(folder / "run")
    answer = ask("study", "reference-policy", "--run", folder / "run", "--out", folder / "mine", "--episodes", 32)
    assert answer.code == 0, answer.err
    return learner, folder / "mine"


def test_a_published_policy_is_loaded_by_name_and_plays_what_was_trained(published, monkeypatch):
    learner, folder = published
    monkeypatch.setitem(agents.REFERENCES, "mine", folder)
    seeds = split_seeds("test", 0, 8)
    for found in (agents.load("mine", "standard"), find_agent("mine", load_scenario("standard"))):
        again = play(found, "standard", seeds=seeds)["profit"]
        assert np.array_equal(again, play(learner, "standard", seeds=seeds)["profit"])


def test_its_card_tells_command_customers_and_figures(published):
    card = json.loads((published[1] / agents.REFERENCE_CARD).read_text())
    assert card["command"].startswith("flashsale study reference-policy --run")
    assert card["training_run"] == 3
    assert card["test_sales"] == 32
    assert set(card["figures"]) == {"ppo", *reference_policy.OPPONENTS}
    for name, row in card["minus"].items():
        gap = card["figures"]["ppo"]["mean_profit"] - card["figures"][name]["mean_profit"]
        assert row["diff"] == pytest.approx(gap)
        assert row["ci_low"] <= row["diff"] <= row["ci_high"]


def test_the_shipped_policy_beats_the_rules_among_the_customers_of_its_card():
    """On 512 of the card's test sales, by four standard errors; a population rebuilt without the policy is seen too."""
    (name,) = agents.REFERENCES
    card = json.loads((agents.REFERENCES[name] / agents.REFERENCE_CARD).read_text())
    customers = load_population(card["population"]["name"], [p.title for p in load_scenario(card["scenario"]).products])
    assert card["population"]["sha256"] == customers.card.get("sha256")
    seeds = split_seeds("test", 0, 512)
    earned = play(agents.load(name, card["scenario"]), card["scenario"], seeds=seeds)["profit"]
    for rule in reference_policy.OPPONENTS:
        gain = earned - play(agents.make(rule, card["scenario"]), card["scenario"], seeds=seeds)["profit"]
        assert gain.mean() > 4 * gain.std() / len(gain) ** 0.5

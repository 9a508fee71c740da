"""`flashsale evaluate`: an agent on test sales, alone or against another one."""

import dataclasses
import shutil
from pathlib import Path

import pytest

import flashsale_env as fs
from flashsale_env.experiments.runs import read_config


@pytest.mark.parametrize(
    ("agent", "options", "message"),
    [
        ("sell_trough", [], "unknown agent 'sell_trough'. Did you mean 'sell_through'"),
        ("ppo", [], "ppo has to be trained first"),
        ("{tmp}", [], "holds no trained agent"),
        ("random", ["--against", "rando"], "unknown agent 'rando'. Did you mean 'random'"),
        ("random", ["--episodes", "1"], "--episodes"),
    ],
)
def test_an_agent_that_cannot_be_evaluated_is_refused(flashsale, tmp_path, agent, options, message):
    answer = flashsale("evaluate", agent.format(tmp=tmp_path), "--scenario", "gvr-periodic", *options)
    assert message.replace("'", "") in answer.complaint.replace("'", "")


def test_a_misspelt_key_of_a_scenario_file_is_named(flashsale, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(fs.SCENARIOS["gvr-periodic"].read_text().replace("horizon_ticks", "horizon_tiks"))
    complaint = flashsale("evaluate", "random", "--scenario", path).complaint
    assert "unknown key 'horizon_tiks'. Did you mean 'horizon_ticks'" in complaint


@pytest.mark.parametrize("name", ["tastes.safetensors", "voices.json", "card.json"])
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_population_is_refused(flashsale, tmp_path, name, damage):
    folder = tmp_path / "population"
    shutil.copytree(Path(fs.__file__).parent / "data" / "learned", folder)
    path = folder / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-100])
    complaint = flashsale("evaluate", "random", "--scenario", "standard", "--population", folder).complaint
    assert name in complaint


def test_evaluating_two_agents_pairs_them_on_the_same_customers(flashsale):
    words = ("evaluate", "fixed_price", "--scenario", "gvr-periodic", "--episodes", 300, "--json")
    alone, paired = flashsale(*words).json, flashsale(*words, "--against", "random").json
    assert alone["agent"] == paired["agent"]
    mean = alone["agent"]["mean_profit"]
    assert alone["agent"]["ci_low"] < mean < alone["agent"]["ci_high"]
    found = paired["difference"]
    assert found["diff"] == pytest.approx(mean - paired["against"]["mean_profit"])
    assert found["ci_low"] > 0, "the best fixed price beats random prices"
    against_itself = flashsale(*words, "--against", "fixed_price").json["difference"]
    assert against_itself == {
        "diff": 0.0,
        "ci_low": 0.0,
        "ci_high": 0.0,
        "standard_deviation": 0.0,
        "variance_ratio": 0.0,
    }


def test_evaluate_says_what_common_customers_are_worth(flashsale):
    """`standard` sales differ far more than agents do: pairing leaves a few percent of the variance."""
    words = ("evaluate", "sell_through", "--scenario", "standard", "--episodes", 200, "--against", "linear_markdown")
    found = flashsale(*words, "--json").json["difference"]
    assert 0 < found["variance_ratio"] < 0.05
    assert found["ci_high"] - found["ci_low"] == pytest.approx(
        2 * 1.9719 * found["standard_deviation"] / 200**0.5, rel=1e-3
    ), "Student's quantile with 199 degrees of freedom"
    printed = " ".join(flashsale(*words).out.split())
    assert f"{found['variance_ratio']:.2%} of the variance" in printed


def test_evaluate_shows_a_table_to_people(flashsale):
    answer = flashsale("evaluate", "fixed_price", "--scenario", "gvr-periodic", "--episodes", 20, "--against", "random")
    assert answer.code == 0
    assert "95 % interval" in answer.out
    assert "fixed_price - random" in answer.out


def test_evaluating_among_other_customers_than_in_training_is_said(flashsale, small_policy, tmp_path):
    """Known by the hash of the customers, whatever they are called."""
    play = ("evaluate", small_policy, "--scenario", "gvr-periodic", "--episodes", 4)
    assert "was trained among" not in flashsale(*play).err
    alike = fs.Population.homogeneous(["ticket"])
    dataclasses.replace(alike, price_sensitivity=2 * alike.price_sensitivity).save(tmp_path / "mine")
    alike.save(tmp_path / "the same")
    answer = flashsale(*play, "--population", tmp_path / "mine")
    assert "was trained among the customers of homogeneous" in answer.err
    assert f"is evaluated among those of {tmp_path / 'mine'}" in answer.err
    assert "was trained among" not in flashsale(*play, "--population", tmp_path / "the same").err


def test_a_trained_policy_is_evaluated_from_its_folder(flashsale, small_policy):
    answer = flashsale("evaluate", small_policy, "--scenario", "gvr-periodic", "--episodes", 50, "--json")
    assert answer.json["agent"]["mean_profit"] > 0
    assert (small_policy / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    config = read_config(small_policy)
    assert config["command"].startswith("flashsale train gvr-periodic --sales 256")
    assert config["finished"]


def test_a_policy_does_not_play_a_scenario_of_another_shape(flashsale, small_policy):
    complaint = flashsale("evaluate", small_policy, "--scenario", "standard", "--episodes", 2).complaint
    assert "trained on scenario 'gvr-periodic' and does not fit 'standard'" in complaint


def test_a_truncated_policy_is_refused(flashsale, small_policy, tmp_path):
    folder = tmp_path / "policy"
    shutil.copytree(small_policy / "policy", folder)
    path = folder / "policy.zip"
    path.write_bytes(path.read_bytes()[:1000])
    complaint = flashsale("evaluate", folder, "--scenario", "gvr-periodic", "--episodes", 2).complaint
    assert "policy.zip is truncated" in complaint

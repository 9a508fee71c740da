"""Rules tuned beside a scenario, and policies of one's own, from the command line to the page of a benchmark."""

import json
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from stable_baselines3 import PPO

from flashsale_env import SCENARIOS, agents
from flashsale_env.agents import FlashSaleVecEnv, tuned_values
from flashsale_env.experiments.benchmark.settings import load_benchmark
from flashsale_env.experiments.tuning import Search, tune_and_keep

POLICY = """
import numpy as np

class LastPrice:
    encoding = "multidiscrete"

    def __init__(self, scenario):
        self.levels = [len(product.price_levels) - 1 for product in scenario.products]

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.tile(self.levels, (len(observation), 1)), state
"""

BENCHMARK = """
description = "one's own"
training_seeds = [0]
evaluation_sales = 20

[[problems]]
scenario = "mine.toml"
against = "fixed_price"
agents = ["fixed_price", "shop_policy:LastPrice", { agent = "model.zip", label = "zip" }, "random"]
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A working folder with a scenario, a policy and a model of one's own."""
    text = SCENARIOS["gvr-periodic"].read_text()
    assert "horizon_ticks = 10\n" in text
    (tmp_path / "mine.toml").write_text(text.replace("horizon_ticks = 10\n", "horizon_ticks = 12\n"))
    (tmp_path / "shop_policy.py").write_text(POLICY)
    (tmp_path / "mine-bench.toml").write_text(BENCHMARK)
    sales = FlashSaleVecEnv(str(tmp_path / "mine.toml"), num_envs=2)
    PPO("MlpPolicy", sales, n_steps=12, batch_size=24, policy_kwargs={"net_arch": [4]}, device="cpu").save(
        tmp_path / "model"
    )
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("shop_policy", None)


def test_tuned_values_are_kept_beside_the_scenario_and_used_there(shop, flashsale):
    before = flashsale("evaluate", "fixed_price", "--scenario", "mine.toml", "--episodes", 500, "--json")
    assert before.json["agent"]["mark"] == "untuned here"
    assert "`flashsale tune mine.toml fixed_price` finds its best parameters" in before.err
    shown = flashsale("evaluate", "fixed_price", "--scenario", "mine.toml", "--episodes", 4)
    assert "untuned here" in shown.out
    answer = flashsale("tune", "mine.toml", "fixed_price", "--trials", 12, "--json")
    assert answer.code == 0, answer.err
    entry = answer.json["agents"]["fixed_price"]
    assert entry["gain"]["mean"] == pytest.approx(entry["profit"] - entry["untuned_profit"], abs=1e-5)
    assert entry["gain"]["mean"] > 0
    assert entry["command"].startswith("flashsale tune mine.toml fixed_price")
    assert list(json.loads(Path("mine.tuned.json").read_text())) == ["fixed_price"]
    after = flashsale("evaluate", "fixed_price", "--scenario", "mine.toml", "--episodes", 500, "--json")
    assert after.json["agent"]["mark"] == ""
    assert after.err == ""
    assert after.json["agent"]["mean_profit"] > before.json["agent"]["mean_profit"]
    assert agents.make("ppo", "mine.toml", device="cpu").mark == "", "its adviser is the tuned one"
    shutil.copy("mine.toml", "other.toml")
    assert agents.make("fixed_price", "other.toml").mark == "untuned here", "values lie beside their own file"


def test_tuning_says_what_it_gained_and_refuses_what_has_nothing_to_tune(shop, flashsale):
    out = flashsale("tune", "mine.toml", "fixed_price", "--trials", 3).out
    assert "gain" in out
    assert "untuned" in out
    assert "agent 'random' has no parameters" in flashsale("tune", "mine.toml", "random").complaint
    assert "learns by itself" in flashsale("tune", "mine.toml", "ppo").complaint
    assert "Did you mean 'fixed_price'" in flashsale("tune", "mine.toml", "fixed_prise").complaint
    assert "there is no folder" in flashsale("tune", "mine.toml", "fixed_price", "--out", "no/x.json").complaint
    assert "holds no values of 'clearance'" in flashsale("tune", "mine.toml", "clearance", "--trials", 0).complaint


@pytest.mark.parametrize("name", ["shop_policy:LastPrice", "model.zip"])
def test_a_policy_of_ones_own_is_evaluated(shop, flashsale, name):
    answer = flashsale("evaluate", name, "--scenario", "mine.toml", "--against", "random", "--episodes", 20, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["agent"]["name"] == name
    assert answer.json["agent"]["mean_profit"] > 0


def test_a_name_that_nothing_stands_for_is_one_line(flashsale, shop):
    ask = ("--scenario", "mine.toml")
    assert "no module 'nowhere'" in flashsale("evaluate", "nowhere:Policy", *ask).complaint
    assert "Did you mean 'LastPrice'" in flashsale("evaluate", "shop_policy:LastPrize", *ask).complaint
    assert "no file at none.zip" in flashsale("evaluate", "none.zip", *ask).complaint
    assert "made for the actions" in flashsale("evaluate", "model.zip", "--scenario", "standard").complaint


def test_policies_of_ones_own_stand_in_a_benchmark_and_its_page(shop, flashsale):
    answer = flashsale("benchmark", "mine-bench.toml", "--out", "runs/mine", "--json")
    assert answer.code == 0, answer.err
    rows = {row["label"]: row for row in answer.json["problems"][0]["rows"]}
    assert set(rows) == {"fixed_price", "shop_policy:LastPrice", "zip", "random"}
    assert rows["fixed_price"]["mark"] == "untuned here"
    assert rows["random"]["mark"] == ""
    table = pd.read_csv("runs/mine/results.csv", keep_default_na=False).set_index("label")
    assert table.loc["fixed_price", "mark"] == "untuned here"
    shown = flashsale("report", "runs/mine", "--markdown").out
    assert "| fixed_price (untuned here) |" in shown
    assert "| shop_policy:LastPrice |" in shown
    assert flashsale("report", "runs/mine").code == 0
    assert "fixed_price (untuned here)" in Path("runs/mine/report.html").read_text()


def test_an_edited_policy_is_not_the_one_of_a_finished_benchmark(shop, flashsale):
    from flashsale_env.experiments.benchmark.fingerprint import fingerprint

    before = fingerprint(load_benchmark("mine-bench.toml"))
    Path("shop_policy.py").write_text(POLICY + "\n# another one\n")
    assert fingerprint(load_benchmark("mine-bench.toml")) != before


def test_a_benchmark_tunes_first_where_it_is_told_to(shop, flashsale):
    """The rule, and the adviser of a learner; each once, and nothing is marked then."""
    text = BENCHMARK.replace('scenario = "mine.toml"\n', 'scenario = "mine.toml"\ntuning_trials = 12\n')
    ppo = '{ agent = "ppo", tune_first = true, settings = { sales = 16, num_envs = 16, validation_sales = 8 } }'
    text = text.replace('["fixed_price", ', f'[{{ agent = "fixed_price", tune_first = true }}, {ppo}, "clearance", ')
    Path("first.toml").write_text(text)
    problem = load_benchmark("first.toml").problems[0]
    assert problem.tuned_first() == ("fixed_price",)
    answer = flashsale("benchmark", "first.toml", "--out", "runs/first", "--json")
    assert answer.code == 0, answer.err
    marks = {row["label"]: row["mark"] for row in answer.json["problems"][0]["rows"]}
    assert marks["fixed_price"] == marks["ppo"] == ""
    assert marks["clearance"] == "untuned here"
    found = json.loads(Path("runs/first/mine-toml/tuned/fixed_price/figures.json").read_text())
    assert found["gain"]["mean"] > 0
    card = json.loads(Path("runs/first/mine-toml/agents/ppo/run-0/training/policy/agent.json").read_text())
    assert card["adviser_params"] == found["params"]
    assert not Path("mine.tuned.json").exists()


def test_a_hidden_feature_leaves_the_adviser_tuned():
    from flashsale_env.experiments.benchmark.players import settings_of

    problem = load_benchmark("ablation").problems[0]
    hidden = next(row for row in problem.agents if row.hide)
    assert settings_of(problem, hidden)["adviser_params"] == agents.tuned("sell_through", "standard")


def test_an_agent_of_ones_own_that_declares_parameters_is_tuned_like_ours(shop):
    source = """
from flashsale_env.agents.rules.heuristics import FixedPrice

class Mine(FixedPrice):
    name = "mine"
"""
    Path("shop_rule.py").write_text(source)
    assert agents.make("shop_rule:Mine", "mine.toml").mark == "untuned here"
    entry = tune_and_keep("shop_rule:Mine", "mine.toml", search=Search(trials=3, sales=20))
    assert tuned_values.read(Path("mine.tuned.json"))["shop_rule:Mine"] == [entry]
    found = agents.make("shop_rule:Mine", "mine.toml")
    assert found.params == entry["params"]
    assert found.mark == ""
    sys.modules.pop("shop_rule", None)


def test_a_trained_policy_among_other_customers_is_noticed_by_their_hash(flashsale):
    words = ("evaluate", "standard-ppo", "--scenario", "standard", "--episodes", 2)
    assert "was trained among the customers of learned" in flashsale(*words, "--population", "reference").err
    assert "trained among" not in flashsale(*words).err

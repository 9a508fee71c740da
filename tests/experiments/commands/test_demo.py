"""The whole chain at its smallest: every stage runs, and what it leaves is complete."""

import json
import re

import pytest

import flashsale_env as fs
from flashsale_env.experiments.demo import verdict
from flashsale_env.experiments.runs import read_config

FIGURES = ("learning_curve", "sale", "confusion", "elasticity")


@pytest.fixture(scope="module")
def result(quick_demo):
    return json.loads((quick_demo[0] / "result.json").read_bytes())


def test_the_demo_leaves_everything_it_promises(quick_demo):
    folder, _ = quick_demo
    for name in (
        *("config.json", "result.json", "index.html", "learning_curve.csv"),
        *(f"{name}.{ending}" for name in FIGURES for ending in ("png", "svg", "json")),
        *(f"{name}.{ending}" for name in ("agents", "intents", "demand") for ending in ("csv", "tex")),
        *("encoder/card.json", "encoder/demand.safetensors", "population/card.json", "reference/card.json"),
        *("policy/agent.json", "policy/policy.zip"),
    ):
        assert (folder / name).stat().st_size > 0, name
    assert read_config(folder)["finished"]
    assert read_config(folder)["options"]["config"] == "quick"


def test_the_result_has_every_figure_of_the_chain(result):
    for name in ("accuracy", "macro_f1", "tfidf_macro_f1"):
        assert 0 <= result["encoder"][name] <= 1
    demand = result["demand"]
    assert min(demand["heldout_nll"], demand["no_text_nll"], demand["true_intent_nll"]) > 0
    assert set(demand["elasticity"]) == set(fs.INTENTS)
    gap = demand["gap_no_text_minus_true_intent"]
    assert gap["low"] < gap["mean"] < gap["high"]
    assert result["bound"]["name"]
    bound = result["bound"]
    assert bound["value"] - bound["ppo_profit"] == pytest.approx(bound["gap"])
    assert bound["gap_low"] < bound["gap"] < bound["gap_high"]
    stages = {"encoder", "demand", "tuning", "training", "evaluation", "pictures", "total"}
    assert result["seconds"].keys() == stages
    assert {"python", "torch", "flashsale-env"} <= result["versions"].keys()
    assert result["command"].startswith("flashsale demo --config quick")


def test_agents_are_compared_with_intervals_and_a_bound_is_no_agent(result):
    assert set(result["agents"]) == {"random", "fixed_price", "linear_markdown", "sell_through", "lp_resolve", "ppo"}
    for row in result["agents"].values():
        assert row["ci_low"] < row["mean_profit"] < row["ci_high"]
        assert 0 <= row["sell_through"] <= 1
        assert row["mean_profit"] < row["revenue"]
    found = result["ppo_vs_best"]
    rivals = {name: row["mean_profit"] for name, row in result["agents"].items() if name != "ppo"}
    assert found["best"] == max(rivals, key=rivals.get)
    assert found["diff"] == pytest.approx(result["agents"]["ppo"]["mean_profit"] - rivals[found["best"]])
    assert found["ci_low"] <= found["diff"] <= found["ci_high"]


def test_the_page_shows_figures_and_pictures_and_fetches_nothing(quick_demo, result):
    page = (quick_demo[0] / "index.html").read_text()
    assert page.count('<figure class="chart">') == len(FIGURES)
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)=|@import|https?:""", own)
    for name, row in result["agents"].items():
        assert name in page
        assert f"{row['mean_profit']:,.0f}" in page


def test_the_table_shows_every_agent_and_says_who_wins(quick_demo, result):
    _, answer = quick_demo
    for name, row in result["agents"].items():
        assert name in answer.out
        assert f"{row['mean_profit']:,.0f}" in answer.out
    assert verdict(result) in answer.out


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        (5.0, 15.0, "ppo beats the best heuristic, sell_through, by 10"),
        (-15.0, -5.0, "The heuristic sell_through wins: it beats ppo by 10"),
        (-5.0, 15.0, "do not differ significantly"),
    ],
)
def test_the_verdict_names_the_winner_whoever_it_is(low, high, sentence):
    diff = 10.0 if high > 0 else -10.0
    found = {"best": "sell_through", "diff": diff, "ci_low": low, "ci_high": high}
    assert sentence in verdict({"ppo_vs_best": found, "agents": {"ppo": {"mean_profit": 4e4}}})


def test_the_policy_and_the_population_of_the_demo_can_be_used_on(flashsale, quick_demo, result):
    """Evaluating what the demo left, on as many sales, gives the figure that the demo reported."""
    folder, _ = quick_demo
    words = ("--scenario", "standard", "--population", folder / "population", "--episodes", result["test_sales"])
    again = flashsale("evaluate", folder, *words, "--json").json["agent"]
    assert again["mean_profit"] == pytest.approx(result["agents"]["ppo"]["mean_profit"], rel=1e-9)


def test_the_demo_does_not_overwrite_unasked(flashsale, quick_demo):
    folder, _ = quick_demo
    before = (folder / "result.json").read_bytes()
    assert "already holds something" in flashsale("demo", "--config", "quick", "--out", folder).complaint
    assert (folder / "result.json").read_bytes() == before

"""What a benchmark finds: values, differences, shares and scores."""

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from flashsale_env.experiments.benchmark.results import Outcome
from flashsale_env.experiments.intervals import crossed_interval
from tests.experiments.benchmark.conftest import rows
from tests.experiments.conftest import ask


def test_small_sales_are_evaluated_exactly(quick_benchmark):
    """Theory's 9.412768 for the dynamic program and 9.274319 for the best fixed price, K = 10."""
    problem, found = rows(quick_benchmark[1].json, "gvr-periodic")
    assert found["dp"]["mean"] == pytest.approx(9.412768, abs=1e-6)
    assert found["fixed_price"]["mean"] == pytest.approx(9.274319, abs=1e-6)
    assert found["dp"]["share"]["mean"] == pytest.approx(1.0)
    assert found["fixed_price"]["share"]["mean"] == pytest.approx(9.274319 / 9.412768, abs=1e-6)
    assert found["dp"]["difference"]["mean"] == pytest.approx(9.412768 - 9.274319, abs=2e-6)
    assert problem["bound"] == {"name": "exact optimum", "value": pytest.approx(9.412768, abs=1e-6)} | {
        "half_width": 0.0,
        "exact": True,
        "sales": None,
    }
    assert not found["random"]["exact"], "what draws random numbers has no exact value"


def test_exact_values_are_not_compared_with_simulated_ones(quick_benchmark):
    """A run that earns what the exactly evaluated baseline earns on the same sales is neither better nor worse."""
    sales = np.random.default_rng(0).gamma(2.0, 5.0, (1, 40))
    exact = Outcome(sales, np.array([10.0]), {}, None)
    played = Outcome(np.tile(sales, (2, 1)), None, {}, 1.0)
    assert played.minus(exact).mean == 0.0
    assert played.probability_above(exact, 1.0) == 0.5
    _, found = rows(quick_benchmark[1].json, "gvr-periodic")
    less = found["random"]["share"]["mean"] * 9.412768 - 9.412768
    home = quick_benchmark[0] / "gvr-periodic" / "agents"
    by_sale = [load_file(home / name / "run-0" / "sales.safetensors")["value"] for name in ("random", "dp")]
    assert less == pytest.approx((by_sale[0] - by_sale[1]).mean(), abs=1e-5)


def test_learners_have_a_run_for_every_seed_and_rules_have_one(quick_benchmark):
    folder, answer = quick_benchmark
    _, found = rows(answer.json, "mnl-stock")
    assert found["ppo"]["seeds"] == [0, 1]
    assert (len(found["ppo"]["by_run"]), len(found["dp"]["by_run"])) == (2, 1)
    runs = pd.read_csv(folder / "runs.csv")
    mine = runs[(runs["problem"] == "mnl-stock") & (runs["label"] == "ppo")]
    assert mine["mean"].tolist() == pytest.approx(found["ppo"]["by_run"])


def test_differences_are_paired_by_sale_and_their_interval_is_over_runs_and_sales(quick_benchmark):
    folder, answer = quick_benchmark
    _, found = rows(answer.json, "mnl-stock")
    home = folder / "mnl-stock" / "agents"
    learned = np.stack([load_file(home / "ppo" / f"run-{seed}" / "sales.safetensors")["value"] for seed in (0, 1)])
    base = load_file(home / "random" / "run-0" / "sales.safetensors")["value"]
    wanted, less = crossed_interval(learned - base), found["ppo"]["difference"]
    assert (less["mean"], less["ci_low"], less["ci_high"]) == pytest.approx((wanted.mean, wanted.low, wanted.high))
    assert found["random"]["difference"] is None


def test_the_share_of_a_bound_is_on_the_sales_of_the_bound(quick_benchmark):
    folder, answer = quick_benchmark
    problem, found = rows(answer.json, "mnl-stock")
    earned = load_file(folder / "mnl-stock/agents/dp/run-0/sales.safetensors")["value"][: problem["bound"]["sales"]]
    share = found["dp"]["share"]
    assert share["mean"] == pytest.approx(earned.mean() / problem["bound"]["value"])
    assert share["ci_low"] < share["mean"] < share["ci_high"] < 1
    assert "hindsight" in problem["bound"]["name"]


def test_the_random_agent_scores_0_and_the_optimum_1(quick_benchmark):
    scores = quick_benchmark[1].json["scores"]
    assert scores["agents"]["random"]["iqm"] == 0
    assert scores["agents"]["dp"]["iqm"] == pytest.approx(1.0)
    assert "fixed_price" not in scores["agents"], "it does not play every problem"
    assert scores["references"] == {"gvr-periodic": "exact optimum", "mnl-stock": "best agent, dp"}


def test_less_is_better_where_costs_are_compared(tmp_path):
    path = tmp_path / "costs.toml"
    path.write_text("""
description = "costs"
training_seeds = [0]
evaluation_sales = 4

[[problems]]
scenario = "lost-sales"
changes = { replenishment = { lead_minutes = 60.0 } }
against = "random"
agents = ["random", "dp"]
evaluation = "long_run"
bound = "optimum"
""")
    result = ask("benchmark", path, "--out", tmp_path / "out", "--json").json
    problem, found = rows(result, "lost-sales")
    assert (problem["measure"], problem["rows"][0]["label"]) == ("average cost", "dp")
    assert found["dp"]["difference"]["mean"] < 0
    assert found["dp"]["difference"]["probability"] == 1.0
    assert found["dp"]["share"]["mean"] == 1.0, "its own sampling error cancels"
    assert result["scores"]["agents"]["dp"]["iqm"] == pytest.approx(1.0, abs=0.02)
    less, optimum = found["dp"]["difference"]["mean"], problem["bound"]["value"]
    assert found["random"]["share"]["mean"] == pytest.approx((optimum - less) / optimum)

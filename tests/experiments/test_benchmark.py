"""A benchmark from command to result: what it finds, and what survives a kill, a full disk and a foreign folder."""

import errno
import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from flashsale_env import agents
from flashsale_env.experiments.benchmark import running as benchmark
from flashsale_env.experiments.benchmark.running import FIGURES, Unit, average_costs, check_engine, units_of
from flashsale_env.experiments.benchmark.settings import LONG_RUN, Problem, Row, load_benchmark
from flashsale_env.experiments.runs import Run, read_config
from flashsale_env.experiments.statistics import crossed_interval
from tests.experiments.conftest import ask

ROOT = Path(__file__).parents[2]

RULES = """
description = "rules only"
training_seeds = [0]
evaluation_sales = 50

[[problems]]
scenario = "gvr-periodic"
against = "fixed_price"
agents = ["random", "fixed_price", "myopic"]
"""


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


def table(folder: Path) -> pd.DataFrame:
    """`results.csv` without the seconds, which no two runs share."""
    return pd.read_csv(folder / "results.csv").drop(columns="training_seconds")


def rows(result, problem):
    found = next(entry for entry in result["problems"] if entry["name"] == problem)
    return found, {row["label"]: row for row in found["rows"]}


def test_a_benchmark_leaves_what_it_promises(quick_benchmark):
    folder, answer = quick_benchmark
    for name in ("config.json", "result.json", "results.csv", "runs.csv", "gvr-periodic/sale.png"):
        assert (folder / name).stat().st_size > 0, name
    config = read_config(folder)
    assert config["finished"]
    assert config["command"].startswith("flashsale benchmark quick")
    assert config["options"]["training_seeds"] == [0, 1]
    assert answer.json["versions"].keys() >= {"python", "torch", "flashsale-env"}
    assert json.loads((folder / "result.json").read_bytes()).items() <= answer.json.items()


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


def test_exact_values_are_not_held_against_simulated_ones(quick_benchmark):
    """A run that earns what the exactly evaluated baseline earns on the same sales is neither better nor worse."""
    sales = np.random.default_rng(0).gamma(2.0, 5.0, (1, 40))
    exact = benchmark._Outcome(sales, np.array([10.0]), {}, None)
    played = benchmark._Outcome(np.tile(sales, (2, 1)), None, {}, 1.0)
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


def test_agents_play_as_flashsale_evaluate_plays_them(quick_benchmark):
    folder, answer = quick_benchmark
    _, found = rows(answer.json, "mnl-stock")
    trained = folder / "mnl-stock" / "agents" / "ppo" / "run-1" / "training"
    again = ask("evaluate", trained, "--scenario", "mnl-stock", "--episodes", 100, "--json").json["agent"]
    assert again["mean_profit"] == pytest.approx(found["ppo"]["by_run"][1], rel=1e-9)


def test_a_killed_benchmark_goes_on_to_what_an_uninterrupted_one_finds(quick_benchmark, tmp_path):
    out = tmp_path / "out"
    words = ["benchmark", "quick", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "flashsale_env.experiments", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    trained = out / "gvr-periodic" / "agents" / "ppo" / "run-0" / "training" / "policy" / "training.json"
    deadline = time.monotonic() + 120
    while not trained.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "result.json").exists()
    done = {path: path.stat().st_mtime_ns for path in out.rglob(FIGURES)}
    assert done

    edited = ROOT / "experiments" / "configs" / "benchmarks" / "quick.toml"
    other = tmp_path / "other.toml"
    other.write_text(edited.read_text().replace("evaluation_sales = 100", "evaluation_sales = 99"))
    complaint = ask("benchmark", other, "--out", out).complaint
    assert "settings.evaluation_sales 100, asked for is 99" in complaint
    assert "is not finished" in ask("report", out).complaint

    answer = ask(*words, "--json")
    assert answer.code == 0, answer.err
    assert "going on with it" in answer.err
    assert {path: path.stat().st_mtime_ns for path in done} == done, "nothing finished is done again"
    pd.testing.assert_frame_equal(table(out), table(quick_benchmark[0]))
    assert answer.json["scores"] == quick_benchmark[1].json["scores"]


def test_a_full_disk_costs_one_line_and_the_rest_is_done_later(rules, tmp_path, monkeypatch):
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert ask("benchmark", rules, "--out", whole).code == 0
    write, written = benchmark.write_json, []

    def full(path, content):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        write(path, content)

    monkeypatch.setattr(benchmark, "write_json", full)
    assert "no space left on device" in ask("benchmark", rules, "--out", out).complaint
    monkeypatch.undo()
    assert len(list(out.rglob(FIGURES))) == 2
    assert ask("benchmark", rules, "--out", out).code == 0
    pd.testing.assert_frame_equal(table(out), table(whole))


def test_results_are_never_replaced_unasked(rules, tmp_path):
    out = tmp_path / "out"
    assert ask("benchmark", rules, "--out", out).code == 0
    before = (out / "result.json").stat().st_mtime_ns
    assert "holds a finished run" in ask("benchmark", rules, "--out", out).complaint
    assert (out / "result.json").stat().st_mtime_ns == before
    assert ask("benchmark", rules, "--out", out, "--overwrite").code == 0


def test_a_finished_benchmark_goes_on_with_more_training_runs_only(tmp_path):
    out, path = tmp_path / "out", tmp_path / "few.toml"
    text = """
description = "one learner"
training_seeds = [{seeds}]
evaluation_sales = 50
[[problems]]
scenario = "gvr-periodic"
against = "random"
agents = ["random", {{ agent = "ppo", settings = {{ sales = 32, num_envs = 16, validation_sales = 16 }} }}]
"""
    path.write_text(text.format(seeds="0"))
    assert ask("benchmark", path, "--out", out).code == 0
    done = {entry: entry.stat().st_mtime_ns for entry in out.rglob(FIGURES)}
    path.write_text(text.format(seeds="0, 1"))
    answer = ask("benchmark", path, "--out", out, "--json")
    assert answer.code == 0, answer.err
    assert {row["label"]: row["runs"] for row in answer.json["problems"][0]["rows"]} == {"random": 1, "ppo": 2}
    assert {entry: entry.stat().st_mtime_ns for entry in done} == done
    assert read_config(out)["options"]["training_seeds"] == [0, 1]
    path.write_text(text.format(seeds="1"))
    complaint = ask("benchmark", path, "--out", out).complaint
    assert "holds a finished run with training_seeds [0, 1], asked for is [1]" in complaint
    assert "flashsale report" in complaint


def test_a_folder_that_is_not_ours_is_left_alone(rules, tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    assert "already holds something" in ask("benchmark", rules, "--out", folder).complaint
    assert "does not touch it" in ask("benchmark", rules, "--out", folder, "--overwrite").complaint
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


def test_a_damaged_unit_is_named(rules, tmp_path):
    out = tmp_path / "out"
    assert ask("benchmark", rules, "--out", out).code == 0
    settings = load_benchmark(str(rules))
    unit = next(units_of(settings))
    path = unit.folder(out) / "sales.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"sales.safetensors is damaged.*run the same command again"):
        benchmark.compare(out, settings, settings.problems[0])


def test_workers_find_what_one_process_finds(rules, tmp_path):
    for name, words in (("one", ()), ("two", ("--workers", 2))):
        answer = ask("benchmark", rules, "--out", tmp_path / name, *words)
        assert answer.code == 0, answer.err
    pd.testing.assert_frame_equal(table(tmp_path / "one"), table(tmp_path / "two"))


def test_ray_is_named_where_it_is_missing(rules, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    complaint = ask("benchmark", rules, "--out", tmp_path / "out", "--engine", "ray").complaint
    assert "pip install 'flashsale-env[ray]'" in complaint
    assert not (tmp_path / "out").exists()


def test_ray_finds_what_one_process_finds(rules, tmp_path, monkeypatch):
    """A stand-in with the five calls of Ray that are used, which runs every task where it is submitted."""
    remote = types.SimpleNamespace
    stand_in = types.SimpleNamespace(
        is_initialized=lambda: False,
        init=lambda **options: None,
        shutdown=lambda: None,
        remote=lambda function: remote(remote=function),
        wait=lambda tasks: (tasks[:1], tasks[1:]),
        get=lambda tasks: tasks,
    )
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    assert ask("benchmark", rules, "--out", tmp_path / "ray", "--engine", "ray").code == 0
    assert ask("benchmark", rules, "--out", tmp_path / "one").code == 0
    pd.testing.assert_frame_equal(table(tmp_path / "ray"), table(tmp_path / "one"))


@pytest.mark.parametrize(
    ("engine", "workers", "device", "message"),
    [
        ("rai", 1, "auto", "unknown engine 'rai'. Did you mean 'ray'"),
        ("ray", 2, "auto", "--workers and --device cuda are for --engine serial"),
        ("ray", 1, "cuda", "--workers and --device cuda are for --engine serial"),
    ],
)
def test_an_engine_that_cannot_run_is_refused(engine, workers, device, message):
    with pytest.raises(ValueError, match=message):
        check_engine(engine, workers, device)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("benchmark", "tabel"), "unknown benchmark 'tabel'. Did you mean 'table'"),
        (("benchmark", "nowhere.toml"), "no benchmark at nowhere.toml"),
        (("benchmark", "quick", "--workers", "0"), "--workers"),
        (("benchmark", "quick", "--device", "tpu"), "--device must be auto, cpu or cuda"),
    ],
)
def test_a_mistake_costs_one_line(tmp_path, words, message):
    out = tmp_path / "out"
    assert message in ask(*words, "--out", out).complaint
    assert not out.exists()


def test_the_long_run_average_of_the_optimum_is_what_value_iteration_says():
    """Zipkin's table 3 with lead time 1: 5.438219; 64 sales of 800 ticks, a false alarm once in 1,000 runs."""
    changes = {"replenishment": {"lead_minutes": 60.0}}
    problem = Problem("lost-sales", (Row("dp"),), "dp", changes=changes, evaluation=LONG_RUN)
    scenario = problem.load_scenario()
    agent = agents.make("dp", scenario)
    costs = average_costs(agent, scenario, None, agents.split_seeds("test", 0, 64))
    assert agent.average_cost == pytest.approx(5.438219, abs=1e-6)
    assert abs(costs.mean() - 5.438219) < 3.29 * costs.std(ddof=1) / 8


def test_the_cost_of_an_order_counts_and_its_freight_does_not():
    """Freight is paid out of the margin of the unit that it brings, so it lowers what a lost sale costs."""
    changes = {"replenishment": {"lead_minutes": 60.0, "order_cost": 2.0, "freight_per_unit": 1.0}}
    problem = Problem("lost-sales", (Row("dp"),), "dp", changes=changes, evaluation=LONG_RUN)
    scenario = problem.load_scenario()
    agent = agents.make("dp", scenario)
    costs = average_costs(agent, scenario, None, agents.split_seeds("test", 0, 64))
    assert abs(costs.mean() - agent.average_cost) < 3.29 * costs.std(ddof=1) / 8


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
    assert found["dp"]["share"]["mean"] == 1.0, "its own luck is taken off"
    assert result["scores"]["agents"]["dp"]["iqm"] == pytest.approx(1.0, abs=0.02)
    less, optimum = found["dp"]["difference"]["mean"], problem["bound"]["value"]
    assert found["random"]["share"]["mean"] == pytest.approx((optimum - less) / optimum)


def test_units_of_different_runs_have_different_folders():
    settings = load_benchmark("quick")
    folders = [unit.folder(Path("out")) for unit in units_of(settings)]
    assert len(set(folders)) == len(folders)
    assert Unit(settings.problems[0], None, 0, 100).folder(Path("out")) == Path("out/gvr-periodic/bound")


def test_a_benchmark_that_fails_ends_its_own_workers_and_nobody_elses(tmp_path, monkeypatch):
    """A user's process that happens to run beside a benchmark outlives it."""
    monkeypatch.setattr(benchmark, "_end_with_parent", gc.collect)  # workers that load nothing of ours
    monkeypatch.setattr(benchmark, "run_unit", divmod)  # which takes no unit
    beside = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    beside.start()
    try:
        unit = types.SimpleNamespace()
        with pytest.raises(TypeError, match="divmod"):
            list(benchmark._in_processes([unit, unit], Run(tmp_path, "", {}), "cpu", 2))
        assert beside.is_alive()
    finally:
        beside.terminate()
        beside.join()

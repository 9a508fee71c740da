"""A benchmark from command to result: what it leaves, and what survives a kill, a full disk and a foreign folder."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from flashsale_env.experiments.benchmark import work
from flashsale_env.experiments.benchmark.units import FIGURES
from flashsale_env.experiments.runs import read_config
from tests.experiments.benchmark.conftest import rows, table
from tests.experiments.conftest import ask

ROOT = Path(__file__).parents[3]


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


def test_agents_earn_what_flashsale_evaluate_gives_them(quick_benchmark):
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
    assert "resuming it" in answer.err
    assert {path: path.stat().st_mtime_ns for path in done} == done, "nothing finished is done again"
    pd.testing.assert_frame_equal(table(out), table(quick_benchmark[0]))
    assert answer.json["scores"] == quick_benchmark[1].json["scores"]


def test_a_full_disk_costs_one_line_and_the_rest_is_done_later(rules, tmp_path, monkeypatch):
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert ask("benchmark", rules, "--out", whole).code == 0
    write, written = work.write_json, []

    def full(path, content):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        write(path, content)

    monkeypatch.setattr(work, "write_json", full)
    assert "no space left on device" in ask("benchmark", rules, "--out", out).complaint
    monkeypatch.undo()
    assert len(list(out.rglob(FIGURES))) == 2
    assert ask("benchmark", rules, "--out", out).code == 0
    pd.testing.assert_frame_equal(table(out), table(whole))


def test_results_are_not_replaced_without_overwrite(rules, tmp_path):
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

"""Every engine finds the same results, and leaves the processes of others alone."""

import gc
import multiprocessing
import sys
import time
import types

import pandas as pd
import pytest

from flashsale_env.experiments import processes
from flashsale_env.experiments.benchmark import engines
from flashsale_env.experiments.benchmark.engines import check_engine, in_processes
from flashsale_env.experiments.runs import Run
from tests.experiments.benchmark.conftest import table
from tests.experiments.conftest import ask


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


def test_a_benchmark_that_fails_ends_its_own_workers_and_nobody_elses(tmp_path, monkeypatch):
    """A user's process that happens to run beside a benchmark outlives it."""
    monkeypatch.setattr(processes, "_end_with_parent", gc.collect)  # workers then load nothing of ours
    monkeypatch.setattr(engines, "run_unit", divmod)  # which fails on a unit
    beside = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    beside.start()
    try:
        unit = types.SimpleNamespace()
        with pytest.raises(TypeError, match="divmod"):
            list(in_processes([unit, unit], Run(tmp_path, "", {}), "cpu", 2))
        assert beside.is_alive()
    finally:
        beside.terminate()
        beside.join()

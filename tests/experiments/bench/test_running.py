"""The benchmarks run and give figures; how fast anything is, they do not test."""

import json

import numpy as np
import pytest
import torch

from flashsale_env.experiments.bench import running as bench
from flashsale_env.experiments.bench.page import as_json


@pytest.fixture(scope="module")
def quick():
    """Everything except the compiler's benchmark, once, at quick sizes."""
    global_states = np.random.get_state()[1].copy(), torch.random.get_rng_state(), torch.get_num_threads()  # noqa: NPY002
    seen = []
    names = [name for name in bench.BENCHMARKS if name != "compile"]
    result = bench.run_bench(names, repeats=1, progress=lambda *call: seen.append(call), quick=True)
    assert seen == [(done, len(names), name) for done, name in enumerate(names)]
    return result, global_states


def test_every_benchmark_gives_figures_that_json_can_hold(quick):
    result, _ = quick
    assert {row["benchmark"] for row in result["rows"]} == set(bench.BENCHMARKS) - {"compile"}
    for row in json.loads(as_json(result))["rows"]:
        assert row["value"] is not None or "not installed" in row["notes"], row
        assert row["met"] is None, "targets are not judged at quick sizes"
    assert set(result["ratios"]) >= {"served customers over bare numpy", "environment's share of PPO, standard"}
    assert result["versions"]["numba"]
    assert result["machine"]["cores"] >= 1


def test_benchmarks_leave_global_generators_and_torchs_threads_as_they_were(quick):
    _, (numpy_state, torch_state, threads) = quick
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert torch.get_num_threads() == threads


def test_an_unknown_benchmark_is_an_error_that_names_the_nearest():
    with pytest.raises(ValueError, match=r"unknown benchmark 'sale-tick'. Did you mean 'sale-ticks'\?"):
        bench.run_bench(["sale-tick"])
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        bench.run_bench(["sale-ticks"], repeats=0)

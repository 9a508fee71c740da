"""The benchmarks run, compare like with like, and say what they measured; how fast anything is, they do not test."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from flashsale_env import Simulator
from flashsale_env.agents import FlashSaleVecEnv
from flashsale_env.experiments.bench import running as bench

RECORDS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def quick():
    """Everything but the compiler's benchmark, once, at sizes that say nothing."""
    global_states = np.random.get_state()[1].copy(), torch.random.get_rng_state(), torch.get_num_threads()  # noqa: NPY002
    seen = []
    names = [name for name in bench.BENCHMARKS if name != "compile"]
    result = bench.run_bench(names, repeats=1, progress=lambda *call: seen.append(call), quick=True)
    assert seen == [(done, len(names), name) for done, name in enumerate(names)]
    return result, global_states


def test_every_benchmark_gives_figures_that_json_can_hold(quick):
    result, _ = quick
    assert {row["benchmark"] for row in result["rows"]} == set(bench.BENCHMARKS) - {"compile"}
    for row in json.loads(bench.as_json(result))["rows"]:
        assert row["value"] is not None or "not installed" in row["notes"], row
        assert row["met"] is None, "quick figures are not judged"
    assert set(result["ratios"]) >= {"served customers over bare numpy", "environment's share of PPO, standard"}
    assert result["versions"]["numba"]
    assert result["machine"]["cores"] >= 1


def test_benchmarks_leave_global_generators_and_torchs_threads_as_they_were(quick):
    _, (numpy_state, torch_state, threads) = quick
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert torch.get_num_threads() == threads


def test_the_page_holds_every_figure_with_the_command_and_the_machine(quick):
    result, _ = quick
    page = bench.as_markdown(result)
    assert all(f"| {row['name']} |" in page for row in result["rows"])
    assert bench.COMMAND in page
    assert result["machine"]["cpu"] in page
    assert "say nothing about speed" in page


@pytest.mark.slow
def test_the_first_process_compiles_and_says_so_and_the_later_ones_do_not():
    first, later = bench.run_bench(["compile"], repeats=2, quick=True)["rows"]
    assert ", announced" in first["notes"]
    assert "0 of 2 compiled again" in later["notes"]
    assert later["value"] < first["value"]


def test_an_unknown_benchmark_is_an_error_that_names_the_nearest():
    with pytest.raises(ValueError, match=r"unknown benchmark 'sale-tick'. Did you mean 'sale-ticks'\?"):
        bench.run_bench(["sale-tick"])
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        bench.run_bench(["sale-ticks"], repeats=0)


@pytest.mark.parametrize(
    ("value", "direction", "met"),
    [
        (3.0, "at least", True),
        (1.0, "at least", False),
        (3.0, "at most", False),
        (1.0, "at most", True),
        (3.0, "", None),
    ],
)
def test_a_target_is_met_from_its_own_side(value, direction, met):
    row = bench.Row("x", value, "s", target=2.0 if direction else None, direction=direction)
    assert row.met is met


def test_a_missed_target_stands_out_on_the_page(quick):
    result, _ = quick
    row = {**result["rows"][0], "value": 1.0, "repeats": [1.0], "target": 2.0, "direction": "at least", "met": False}
    assert "| **no** |" in bench.as_markdown({**result, "rows": [row]})


def test_a_peer_that_is_not_installed_is_said_to_be(monkeypatch):
    nobody = bench.Peer("nobody", "no_such_module_of_nobody", "Nothing", lambda module: module.Nothing())
    monkeypatch.setattr(bench, "PEERS", (nobody,))
    rows = bench.run_bench(["peers"], repeats=1, quick=True)["rows"]
    (row,) = [row for row in rows if row["name"] == "nobody Nothing"]
    assert row["value"] is None
    assert row["notes"] == "not installed"


def test_the_no_op_has_the_spaces_the_horizon_and_the_infos_of_the_sales_it_replaces():
    sales = FlashSaleVecEnv("gvr-periodic", num_envs=3)
    nothing = bench._no_op(sales)
    sales.seed(0)
    assert nothing.observation_space == sales.observation_space
    assert nothing.action_space == sales.action_space
    for venv in (sales, nothing):
        assert venv.reset().shape == (3, sales.layout.size)
    for tick in range(2 * sales.scenario.horizon_ticks):
        (shown, paid, closed, infos), (shown_2, paid_2, closed_2, infos_2) = (
            venv.step(np.zeros((3, 1), np.float32)) for venv in (sales, nothing)
        )
        assert (shown.dtype, shown.shape, paid.dtype) == (shown_2.dtype, shown_2.shape, paid_2.dtype)
        assert (closed == closed_2).all()
        assert closed.all() == ((tick + 1) % sales.scenario.horizon_ticks == 0)
        assert [sorted(info) for info in infos] == [sorted(info) for info in infos_2]


@pytest.mark.parametrize("own_offers", [False, True])
def test_the_numpy_reference_buys_as_the_multinomial_logit_does(own_offers):
    """400,000 choices against softmax shares, each within 5 standard errors: a false alarm in 10^5 runs."""
    simulator = Simulator("standard", sales=4)
    simulator.open(np.arange(4, dtype=np.uint64), np.zeros(4, np.int64))
    simulator.sales["price_share"][:] = np.linspace(0.6, 1.2, 32).reshape(4, 8)
    customers, seconds, bought = bench._numpy_reference(simulator, 400_000, own_offers)
    assert seconds > 0
    assert bought.sum() == customers >= 400_000

    voices = simulator.instance.voices
    for sale in range(4):
        offer = simulator.sales[sale if own_offers else 0]
        utility = voices["utility"] + offer["appeal"] - voices["price_sensitivity"][:, None] * offer["price_share"]
        weight = np.exp(np.column_stack([np.zeros(len(voices)), utility]))
        share = (weight / weight.sum(axis=1, keepdims=True)).mean(axis=0)
        n = bought[sale].sum()
        assert (np.abs(bought[sale] / n - share) < 5 * np.sqrt(share * (1 - share) / n) + 1e-4).all()


def test_a_call_from_one_timed_method_to_another_counts_once():
    class Clock:
        def outer(self):
            return self.inner() + self.inner()

        def inner(self):
            return 1

    original = Clock.outer
    with bench._Stopwatch(Clock, "outer", "inner") as watch:
        ticks = iter(range(100))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bench.time, "perf_counter", lambda: float(next(ticks)))
            assert Clock().outer() == 2
    assert watch.seconds == 1.0
    assert Clock.outer is original


def test_a_process_that_fails_is_an_error_with_its_last_words():
    with pytest.raises(RuntimeError, match="ValueError: no luck"):
        bench.in_fresh_process("raise ValueError('no luck')")


def test_the_recorded_page_is_the_one_of_the_recorded_figures():
    """`benchmarks/README.md` is generated from `benchmarks/results.json`, never typed, and never of quick sizes."""
    result = json.loads((RECORDS / "results.json").read_text(encoding="utf-8"))
    assert not result["quick"]
    assert {row["benchmark"] for row in result["rows"]} == set(bench.BENCHMARKS)
    assert (RECORDS / "README.md").read_text(encoding="utf-8") == bench.as_markdown(result)

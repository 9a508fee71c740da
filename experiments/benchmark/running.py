"""Agents on common sales: trained, evaluated, compared, and what came out of it.

Owns    `flashsale benchmark`: the runs of every agent, their order, going on after an interruption, and the table.
Leaves  what is compared to `benchmark_settings`, training to `train`, intervals to `statistics`, pages
        to `html_report`.
Axes    R training runs, S sales.
Units   profit of a sale, or average cost of a tick, in the scenario's currency.

A benchmark falls into units: one run of one agent on one problem, the bound of a problem, or the tuning of a rule,
which goes first. A unit is done when its `figures.json` is there, which is written last; a killed benchmark goes on
with the units that have none, and a training that was under way with its last checkpoint. Units depend on nothing but
the settings and what was tuned first, so their order and the number of workers change nothing. A finished benchmark
that is asked for more training runs does only those.

A folder holds `config.json`, `result.json`, `results.csv` (one line an agent of a problem), `runs.csv` (one line a
run), `PROBLEM/sale.png` (the first test sale, played by the best agent), `PROBLEM/bound/` and
`PROBLEM/agents/AGENT/run-SEED/`, the last two with `figures.json` and `sales.safetensors` (value (S,)), and for
learners `training/`, as `flashsale train` leaves it; `PROBLEM/tuned/RULE/figures.json` where rules are tuned first.
"""

import dataclasses
import hashlib
import json
import multiprocessing
import multiprocessing.context
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from flashsale_env import Population, Scenario, Simulator, agents
from flashsale_env.agents.exact import evaluate_exactly, lost_sales_problem, remembers, why_no_profit_optimum
from flashsale_env.agents.fingerprints import fingerprints
from flashsale_env.agents.play import play, trace
from flashsale_env.agents.protocol import Policy, as_policy
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.errors import unknown_name
from flashsale_env.experiments.benchmark.settings import (
    DUAL,
    EXACT,
    LONG_RUN,
    NO_BOUND,
    OPTIMUM,
    Benchmark,
    Problem,
    Row,
    slug,
)
from flashsale_env.experiments.evaluate import POLICY, REPORTED, find_agent, identity, is_from_outside
from flashsale_env.experiments.pages.pictures import one_sale
from flashsale_env.experiments.runs import Run, announce_part, held_as_part, read_config, write_json
from flashsale_env.experiments.statistics import (
    Interval,
    crossed_interval,
    interquartile_mean,
    mean_interval,
    probability_of_improvement,
    ratio_interval,
)
from flashsale_env.experiments.train import CURVE_TABLE, begin_or_continue, with_fingerprints, write_curve
from flashsale_env.experiments.verify.anchors import WARM_UP
from flashsale_env.files import write_atomically
from flashsale_env.scenario import REWARD_TERMS
from flashsale_env.theory.bounds import hindsight_bound, lagrangian_dual_bound
from flashsale_env.versions import versions

HOLDING = list(REWARD_TERMS).index("holding")
ORDERING = list(REWARD_TERMS).index("ordering")

RESULT, TABLE, RUNS, SALE_PICTURE = "result.json", "results.csv", "runs.csv", "sale.png"
AGENTS, BOUND, TUNED = "agents", "bound", "tuned"  # folders of a problem
FIGURES, SALE_VALUES, TRAINING = "figures.json", "sales.safetensors", "training"
SERIAL, RAY = "serial", "ray"
ENGINES = {SERIAL: "in this process, or in --workers processes", RAY: "on the cores of a Ray cluster that shares --out"}

Floats = npt.NDArray[np.float64]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Unit:
    """One run of one agent on one problem; without an agent, the tuning of a rule or the bound of the problem."""

    problem: Problem
    row: Row | None
    seed: int
    sales: int
    tunes: str = ""

    @property
    def title(self) -> str:
        """For people."""
        if self.tunes:
            return f"{self.problem.name}: tuning {self.tunes}"
        if self.row is None:
            return f"{self.problem.name}: bound"
        return f"{self.problem.name}: {self.row.label}" + (f", run {self.seed}" if self.row.learns else "")

    def folder(self, out: Path) -> Path:
        """Where its results lie."""
        home = out / self.problem.slug
        if self.tunes:
            return home / TUNED / slug(self.tunes)
        return home / BOUND if self.row is None else home / AGENTS / slug(self.row.label) / f"run-{self.seed}"


def units_of(benchmark: Benchmark) -> Iterator[Unit]:
    """Everything there is to do, quick things first inside a problem."""
    for problem in benchmark.problems:
        sales = benchmark.sales_of(problem)
        for rule in problem.tuned_first():
            yield Unit(problem, None, 0, sales, tunes=rule)
        for row in sorted(problem.agents, key=lambda row: row.learns):
            for seed in benchmark.seeds_of(row):
                yield Unit(problem, row, seed, sales)
        if problem.bound != NO_BOUND:
            yield Unit(problem, None, 0, sales)


def fingerprint(benchmark: Benchmark) -> str:
    """Hash of the settings, and of the scenarios, customers, presets and tuned values that they name.

    So a change of any of them is noticed. The training runs are not part of it: more of them change nothing about those
    that are finished.
    """
    named = []
    for problem in benchmark.problems:
        scenario = problem.load_scenario()
        played = fingerprints(scenario, problem.load_population(scenario))
        named.append([played, [_values(problem, row, scenario) for row in problem.agents]])
    settings = {**benchmark.as_json(), "training_seeds": None}
    return hashlib.sha256(json.dumps([settings, named], sort_keys=True).encode()).hexdigest()


def _values(problem: Problem, row: Row, scenario: Scenario) -> Any:
    """What makes an agent of this row what it is, apart from what is tuned first."""
    if not row.learns:
        agent = find_agent(row.agent, row.scenario(scenario), device="cpu", settings=settings_of(problem, row))
        return [getattr(agent, "params", {}), identity(row.agent)]
    agent = agents.make(row.agent, row.scenario(scenario), device="cpu", **settings_of(problem, row))
    return dataclasses.asdict(agent.settings)


def settings_of(problem: Problem, row: Row, out: Path | None = None) -> dict[str, Any]:
    """What `agents.make` is told: the row's settings, and the values of the rule that counts.

    Those are the ones tuned first, of which the folder `out` of the benchmark holds the result; else, where features
    are hidden, the ones tuned for the problem with all of them, for what customers do is the same.
    """
    scenario = problem.load_scenario()
    rule, given = row.rule(scenario), dict(row.settings)
    if not rule:
        return given
    values: dict[str, float] = {}
    if problem.tune_first or row.tune_first:
        if out is not None:
            values = _read_figures(Unit(problem, None, 0, 0, tunes=rule).folder(out))["params"]
    elif row.hide:
        values = agents.tuned(rule, problem.named, problem.population or None)
    if not values or not agents.entry(rule).space(row.scenario(scenario)).keys() >= values.keys():
        return given
    if row.learns:
        return {"adviser_params": values, **given}
    return {**values, **given}


def run_benchmark(
    run: Run,
    benchmark: Benchmark,
    *,
    device: str = "auto",
    engine: str = SERIAL,
    workers: int = 1,
    progress: Progress = lambda done, total, note: None,
) -> dict[str, Any]:
    """Run the units that are missing and write the results.

    Args:
        run: whose folder was claimed.
        benchmark: what is compared.
        device: of learners.
        engine: a key of `ENGINES`.
        workers: processes side by side.
        progress: called with units done, units in all and what is under way.

    Returns:
        The content of `result.json`.
    """
    todo = [unit for unit in units_of(benchmark) if not (unit.folder(run.folder) / FIGURES).exists()]
    total = sum(1 for _ in units_of(benchmark))
    done = total - len(todo)
    progress(done, total, "")
    for unit in todo:
        announce_part(unit.folder(run.folder))

    def note(text: str) -> None:
        progress(done, total, text)

    # What is tuned first is there before anybody needs it.
    for part in ([unit for unit in todo if unit.tunes], [unit for unit in todo if not unit.tunes]):
        if engine == RAY:
            finished = _on_ray(part, run)
        elif workers > 1:
            finished = _in_processes(part, run, device, workers)
        else:
            finished = _one_by_one(part, run, device, note)
        for title in finished:
            done += 1
            progress(done, total, title)
    result = {
        "description": benchmark.description,
        "problems": [compare(run.folder, benchmark, problem) for problem in benchmark.problems],
    }
    result["scores"] = score(result["problems"])
    result |= {"settings": benchmark.as_json(), "versions": versions(), "command": run.command}
    _write_tables(run.folder, result["problems"])
    for problem, table in zip(benchmark.problems, result["problems"], strict=True):
        _draw(run.folder, benchmark, problem, table["rows"][0]["label"], device)
    write_json(run.folder / RESULT, result)
    run.finish()
    return result


def check_engine(engine: str, workers: int, device: str) -> None:
    """Refuse what cannot run here.

    Raises:
        ValueError: unknown engine, workers or a device beside Ray's own, or Ray is not installed.
    """
    if engine not in ENGINES:
        raise ValueError(unknown_name("engine", engine, ENGINES))
    if engine == RAY and (workers > 1 or device.startswith("cuda")):
        raise ValueError(
            "--workers and --device cuda are for --engine serial: Ray takes as many processes as its cluster has "
            "cores, and learners stay on them."
        )
    if engine == RAY:
        _ray()


def run_unit(
    unit: Unit,
    out: Path,
    device: str,
    command: str,
    threads: int | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> str:
    """Do one unit, or what is left of it, and return its title.

    Args:
        unit: what to do.
        out: folder of the benchmark.
        device: of a learner.
        command: the command line.
        threads: of the simulator.
        note: called with what is under way.
    """
    folder = unit.folder(out)
    note(unit.title)
    with held_as_part(folder, command):
        if unit.tunes:
            values, figures = np.zeros(0), _tune(unit, note)
        elif unit.row is None:
            values, figures = _bound(unit)
        else:
            scenario, population = _world(unit.problem, unit.row, unit.seed)
            settings = settings_of(unit.problem, unit.row, out)
            if unit.row.learns:
                _train(unit, settings, scenario, population, folder / TRAINING, device, command, threads, note)
            agent = _player(unit, settings, folder, scenario, device)
            values, figures = _evaluate(unit, agent, scenario, population, threads)
            figures["mark"] = getattr(agent, "mark", "")
            if unit.row.learns:
                figures["training_seconds"] = float(pd.read_csv(folder / TRAINING / CURVE_TABLE)["seconds"].iloc[-1])
        write_atomically(folder / SALE_VALUES, save_tensors({"value": np.ascontiguousarray(values)}))
        write_json(folder / FIGURES, figures)
    return unit.title


def _tune(unit: Unit, note: Callable[[str], None]) -> dict[str, Any]:
    """The best parameters of a rule on validation sales of the problem, and what they gain over its defaults."""
    from flashsale_env.experiments.tuning import measure, tune  # loads optuna

    problem = unit.problem
    scenario = problem.load_scenario()
    population = problem.load_population(scenario) if problem.population else None
    params = tune(
        unit.tunes,
        problem.named,
        population,
        trials=problem.tuning_trials,
        sales=problem.tuning_sales,
        progress=lambda done, total, best: note(f"{unit.title}, {done / total:.0%}"),
    )
    return {"params": params, **measure(unit.tunes, scenario, population, params, problem.tuning_sales)}


def _world(problem: Problem, row: Row, seed: int) -> tuple[Scenario, Population]:
    """What the agent plays, as it is shown it."""
    scenario = problem.load_scenario()
    return row.scenario(scenario), row.population(problem.load_population(scenario), seed)


def _train(
    unit: Unit,
    settings: Mapping[str, Any],
    scenario: Scenario,
    population: Population,
    folder: Path,
    device: str,
    command: str,
    threads: int | None,
    note: Callable[[str], None],
) -> None:
    """Train, go on training, or leave a finished training as it is."""
    row = unit.row
    assert row is not None
    if (read_config(folder) or {}).get("finished"):
        return
    options = {"scenario": unit.problem.scenario, "agent": row.agent, "seed": unit.seed, "settings": dict(row.settings)}
    seeds = {"training run": unit.seed, "train split": unit.seed, "validation split": 0}
    run = with_fingerprints(Run(folder, command, options=options, seeds=seeds), scenario, population)

    def show(done: int, of: int, curve_row: Mapping[str, float] | None) -> None:
        note(f"{unit.title}, {done / of:.0%}")

    named = scenario if row.hide else unit.problem.named
    whom = unit.problem.population or None
    with run.claimed(overwrite=False, resume=True):
        begin_or_continue(run, overwrite=False)
        learner = agents.make(row.agent, named, population=whom, device=device, seed=unit.seed, **settings)
        curve = learner.learn(population, folder=folder / POLICY, progress=show, threads=threads)
        write_curve(folder, row.label, curve, {}, learner.settings.validation_sales)
        run.finish()


def _player(unit: Unit, settings: Mapping[str, Any], folder: Path, scenario: Scenario, device: str) -> Any:
    row = unit.row
    assert row is not None
    if row.learns:
        return agents.load(folder / TRAINING / POLICY, scenario, device=device)
    named, whom = scenario if row.hide else unit.problem.named, unit.problem.population or None
    found = find_agent(row.agent, named, population=whom, device=device, seed=unit.seed, settings=settings)
    return as_policy(found, scenario) if is_from_outside(row.agent) else found


def _evaluate(
    unit: Unit, agent: Policy, scenario: Scenario, population: Population, threads: int | None
) -> tuple[Floats, dict[str, Any]]:
    """Value of every test sale (S,), and the figures beside it."""
    seeds = split_seeds("test", 0, unit.sales)
    figures: dict[str, Any] = {"expected": None}
    if unit.problem.evaluation == LONG_RUN:
        return average_costs(agent, scenario, population, seeds, threads), figures
    table = play(agent, scenario, population, seeds=seeds, threads=threads)
    figures |= {"metrics": {name: float(table[name].mean()) for name in REPORTED}}
    if unit.problem.evaluation == EXACT and not remembers(agent, scenario):
        figures["expected"] = evaluate_exactly(agent, scenario, population)
    return table["profit"], figures


def average_costs(
    agent: Policy,
    scenario: Scenario,
    population: Population | None,
    seeds: npt.NDArray[np.uint64],
    threads: int | None = None,
) -> Floats:
    """(S,) average cost of a tick of each of these sales, without its first `WARM_UP` ticks.

    Raises:
        ValueError: the scenario is too short for a long-run average, or it or its customers are not those of a
            `LostSales` problem, so that nothing is known of what a lost sale costs.
    """
    ticks = scenario.horizon_ticks
    if ticks <= WARM_UP:
        raise ValueError(f"a long-run average leaves out {WARM_UP} ticks; {scenario.name!r} has only {ticks}.")
    margin = lost_sales_problem(scenario, population).lost_sale_cost
    supply = scenario.replenishment
    assert supply is not None
    simulator = Simulator(scenario, population, sales=len(seeds), actions=agent.encoding, threads=threads)
    observation, state = simulator.open(seeds, np.zeros(len(seeds), np.int64)), None

    def costs() -> Floats:
        sale = simulator.sales
        # Freight is part of the margin, so that only the fee of an order is left of its cost.
        fees = -sale["money"][:, ORDERING] - supply.freight_per_unit * sale["ordered"][:, 0]
        return np.asarray(margin * sale["lost"][:, 0] - sale["money"][:, HOLDING] + fees)

    warm_up = costs()
    for tick in range(ticks):
        if tick == WARM_UP:
            warm_up = costs()
        actions, state = agent.predict(observation, state, np.full(len(seeds), tick == 0))
        observation, _, _ = simulator.advance(actions)
    return np.asarray((costs() - warm_up) / (ticks - WARM_UP))


def _bound(unit: Unit) -> tuple[Floats, dict[str, Any]]:
    problem = unit.problem
    scenario = problem.load_scenario()
    population = problem.load_population(scenario)
    if problem.bound == OPTIMUM:
        value = _optimum(problem, scenario, population)
        return np.zeros(0), {"name": "exact optimum", "value": value, "half_width": 0.0, "exact": True}
    compute = lagrangian_dual_bound if problem.bound == DUAL else hindsight_bound
    found = compute(scenario, population, seeds=split_seeds("test", 0, problem.bound_sales))
    figures = {"name": found.name, "value": found.value, "half_width": found.half_width, "exact": False}
    return found.per_sale, figures


def _optimum(problem: Problem, scenario: Scenario, population: Population) -> float:
    """The highest expected profit of a sale, or the least average cost of a tick."""
    if problem.evaluation == LONG_RUN:
        lost_sales_problem(scenario, population)  # the customers are those that "dp" solves for, or it raises
        return float(agents.make("dp", scenario).average_cost)
    reason = why_no_profit_optimum(scenario, population)
    if reason is not None:
        raise ValueError(f"bound 'optimum' does not apply to {problem.name!r}: {reason}.")
    return float(agents.make("dp", scenario).expected_profit)


# --- who does the units


def _one_by_one(todo: Sequence[Unit], run: Run, device: str, note: Callable[[str], None]) -> Iterator[str]:
    for unit in todo:
        yield run_unit(unit, run.folder, device, run.command, note=note)


def _in_processes(todo: Sequence[Unit], run: Run, device: str, workers: int) -> Iterator[str]:
    """Spawned: a forked child has none of the threads that torch and the simulator rely on."""
    context, threads = _OwnProcesses(), max(1, (os.cpu_count() or 1) // workers)
    with ProcessPoolExecutor(min(workers, max(1, len(todo))), mp_context=context, initializer=_end_with_parent) as pool:
        try:
            futures = [pool.submit(run_unit, unit, run.folder, device, run.command, threads) for unit in todo]
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in context.started:
                process.terminate()
            raise


class _OwnProcesses(multiprocessing.context.SpawnContext):
    """Spawned processes that are remembered, so that only they are ended."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[multiprocessing.context.SpawnProcess] = []

    def Process(self, *args: Any, **options: Any) -> multiprocessing.context.SpawnProcess:  # type: ignore[override]
        process = multiprocessing.context.SpawnProcess(*args, **options)
        self.started.append(process)
        return process


def _end_with_parent() -> None:
    """A worker ends when the command does, however that ends; Ctrl-C reaches the command, which ends its workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


def _on_ray(todo: Sequence[Unit], run: Run) -> Iterator[str]:
    """A task for each unit, which Ray gives one core."""
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, include_dashboard=False, logging_level="WARNING")
    try:
        # The folder is shared, and workers have working folders of their own.
        out = run.folder.resolve()
        remote = ray.remote(run_unit)
        waiting = [remote.remote(unit, out, "cpu", run.command, 1) for unit in todo]
        while waiting:
            ready, waiting = ray.wait(waiting)
            yield from ray.get(ready)
    finally:
        if started:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise ValueError(
            "--engine ray needs the package 'ray', which is not installed: pip install 'flashsale-env[ray]', or take "
            "--workers N for processes on this machine."
        ) from None
    return ray


# --- what came out


def compare(out: Path, benchmark: Benchmark, problem: Problem) -> dict[str, Any]:
    """Every agent of a problem with its intervals, against the baseline and under the bound.

    Returns:
        "name", "scenario", "population", "measure" ("profit" or "average cost"), "evaluation", "against",
        "sales"; "bound", None or its "name", "value", "half_width", "exact" and "sales"; "rows", best first, each with
        "label", "agent", "mark" (what must be known of it, e.g. "untuned here", or ""), "runs", "seeds", "mean",
        "ci_low", "ci_high", "exact" (by recursion, else by simulation) and
        "by_run"; "share" of the bound (for costs cost over least cost) with "mean", "ci_low" and "ci_high", or None;
        "difference" to the baseline with "mean", "ci_low", "ci_high" and "probability" of improvement over runs, None
        for the baseline itself; "metrics" (means) and "training_seconds" (mean over runs; None for what does not
        learn).
    """
    sales = benchmark.sales_of(problem)
    less_is_better = problem.evaluation == LONG_RUN
    sign = -1.0 if less_is_better else 1.0
    bound = None
    of_sales = np.zeros(0)
    if problem.bound != NO_BOUND:
        folder = Unit(problem, None, 0, sales).folder(out)
        averaged = None if problem.bound == OPTIMUM else problem.bound_sales
        bound = {**_read_figures(folder), "sales": averaged}
        of_sales = _read_values(folder, averaged or 0)
    found = {
        row.label: _Outcome.read(
            [Unit(problem, row, seed, sales).folder(out) for seed in benchmark.seeds_of(row)], sales
        )
        for row in problem.agents
    }
    base = found[problem.against]
    plain = (row for row in problem.agents if row == Row("dp", label=row.label))
    optimal = next((found[row.label] for row in plain), None)
    rows = []
    for row in problem.agents:
        outcome = found[row.label]
        interval = outcome.interval
        entry: dict[str, Any] = {"label": row.label, "agent": row.agent, "mark": outcome.mark}
        entry["runs"] = len(outcome.values)
        entry["seeds"] = list(benchmark.seeds_of(row))
        entry |= {"mean": interval.mean, "ci_low": interval.low, "ci_high": interval.high, "exact": outcome.exact}
        entry["by_run"] = outcome.by_run.tolist()
        entry["share"] = None
        if bound is not None:
            share = _share(outcome, bound["value"], optimal) if bound["exact"] else outcome.share_of(of_sales)
            entry["share"] = {"mean": share.mean, "ci_low": share.low, "ci_high": share.high}
        entry["difference"] = None
        if row.label != problem.against:
            less = outcome.minus(base)
            entry["difference"] = {"mean": less.mean, "ci_low": less.low, "ci_high": less.high}
            entry["difference"]["probability"] = outcome.probability_above(base, sign)
        entry |= {"metrics": outcome.metrics, "training_seconds": outcome.training_seconds}
        rows.append(entry)
    return {
        "name": problem.name,
        "scenario": problem.scenario,
        "population": problem.population or problem.load_scenario().population,
        "measure": "average cost" if less_is_better else "profit",
        "evaluation": problem.evaluation,
        "against": problem.against,
        "sales": sales,
        "bound": bound,
        # By share where that is exact: it leaves out the luck of the sales that simulated agents were played on.
        "rows": sorted(
            rows, key=lambda entry: -sign * (entry["share"]["mean"] if bound and bound["exact"] else entry["mean"])
        ),
    }


@dataclass(frozen=True, eq=False)
class _Outcome:
    """All runs of one agent on one problem: (R, S) values, (R,) expected values where they are known."""

    values: Floats
    expected: Floats | None
    metrics: dict[str, float]
    training_seconds: float | None
    mark: str = ""

    @classmethod
    def read(cls, folders: Iterable[Path], sales: int) -> "_Outcome":
        figures, values = [], []
        for folder in folders:
            figures.append(_read_figures(folder))
            values.append(_read_values(folder, sales))
        expected = [entry["expected"] for entry in figures]
        known = None if any(value is None for value in expected) else np.array(expected, np.float64)
        metrics = {
            name: float(np.mean([entry["metrics"][name] for entry in figures]))
            for name in figures[0].get("metrics", {})
        }
        seconds = [entry["training_seconds"] for entry in figures if "training_seconds" in entry]
        mark = figures[0].get("mark", "")
        return cls(np.stack(values), known, metrics, float(np.mean(seconds)) if seconds else None, mark)

    @property
    def exact(self) -> bool:
        return self.expected is not None

    @property
    def by_run(self) -> Floats:
        """(R,) value of each run."""
        return self.values.mean(axis=1) if self.expected is None else self.expected

    @property
    def interval(self) -> Interval:
        """Over runs and sales; where values are exact, over runs alone."""
        return crossed_interval(self.values) if self.expected is None else _over_runs(self.expected)

    def share_of(self, bound: Floats) -> Interval:
        """Of a bound (B,) on each of the first sales."""
        return ratio_interval(self.values[:, : len(bound)], bound)

    def minus(self, base: "_Outcome") -> Interval:
        """Paired by sale, and by training run where both learn."""
        if self.expected is not None and base.expected is not None:
            return _over_runs(self.expected - base.expected)
        return crossed_interval(self.values - base.values)

    def probability_above(self, base: "_Outcome", sign: float) -> float:
        """Of a run's value times the sign; exact values are not held against simulated ones."""
        if self.expected is not None and base.expected is not None:
            return probability_of_improvement(sign * self.expected, sign * base.expected)
        return probability_of_improvement(sign * self.values.mean(axis=1), sign * base.values.mean(axis=1))


def _share(outcome: "_Outcome", optimum: float, optimal: "_Outcome | None") -> Interval:
    """Value over the optimum's; what is only simulated is told by how it differs from the optimal agent's sales.

    The optimal agent's luck on these sales is known, and most of it is everybody's: taking it off leaves an interval
    that is several times as narrow.
    """
    if outcome.exact or optimal is None:
        found = outcome.interval
    else:
        less = outcome.minus(optimal)
        found = Interval(optimum + less.mean, optimum + less.low, optimum + less.high)
    return Interval(found.mean / optimum, found.low / optimum, found.high / optimum)


def _over_runs(expected: Floats) -> Interval:
    if len(expected) == 1:
        return Interval(float(expected[0]), float(expected[0]), float(expected[0]))
    return mean_interval(expected)


def score(problems: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Agents over all problems: 0 is the random agent, 1 the best value known (Agarwal et al. 2021).

    Only agents that every problem has are scored, and only where every problem has the row "random".

    Returns:
        "references": problem -> what scores 1; "agents": label -> "iqm" with "ci_low" and "ci_high", "probability" of
        improvement over the baselines, and "scores", problem -> score of each run.
    """
    tables = {problem["name"]: {row["label"]: row for row in problem["rows"]} for problem in problems}
    common = [label for label in next(iter(tables.values())) if all(label in table for table in tables.values())]
    if "random" not in common:
        return {"references": {}, "agents": {}}
    references, scale = {}, {}
    for problem in problems:
        best, bound = problem["rows"][0], problem["bound"]
        optimum = bound is not None and bound["exact"]
        references[problem["name"]] = bound["name"] if optimum else f"best agent, {best['label']}"
        worst = tables[problem["name"]]["random"]["mean"]
        scale[problem["name"]] = (worst, (bound["value"] if optimum else best["mean"]) - worst)
    scored = {}
    for label in common:
        by_problem = {
            name: ((np.array(table[label]["by_run"]) - scale[name][0]) / scale[name][1]).tolist()
            for name, table in tables.items()
            if scale[name][1] != 0
        }
        if not by_problem:
            continue
        found = interquartile_mean(list(by_problem.values()))
        differences = [table[label]["difference"] for table in tables.values()]
        better = [difference["probability"] for difference in differences if difference is not None]
        scored[label] = {
            "iqm": found.mean,
            "ci_low": found.low,
            "ci_high": found.high,
            "probability": float(np.mean(better)) if better else None,
            "scores": by_problem,
        }
    return {"references": references, "agents": scored}


def _write_tables(out: Path, problems: Sequence[Mapping[str, Any]]) -> None:
    """`results.csv` and `runs.csv`."""
    lines, runs = [], []
    for problem in problems:
        head = {"problem": problem["name"], "measure": problem["measure"], "against": problem["against"]}
        for row in problem["rows"]:
            line = {name: row[name] for name in ("label", "agent", "mark", "runs", "mean", "ci_low", "ci_high")}
            line |= {"exact": row["exact"], "training_seconds": row["training_seconds"]}
            line |= {f"share_{name}": (row["share"] or {}).get(name) for name in ("mean", "ci_low", "ci_high")}
            less = row["difference"] or {}
            line |= {f"difference_{name}": less.get(name) for name in ("mean", "ci_low", "ci_high", "probability")}
            lines.append({**head, **line, **row["metrics"]})
            by_run = zip(row["seeds"], row["by_run"], strict=True)
            runs += [{**head, "label": row["label"], "seed": seed, "mean": value} for seed, value in by_run]
    write_atomically(out / TABLE, pd.DataFrame(lines).to_csv(index=False).encode())
    write_atomically(out / RUNS, pd.DataFrame(runs).to_csv(index=False).encode())


def _draw(out: Path, benchmark: Benchmark, problem: Problem, label: str, device: str) -> None:
    """The first test sale, played by this agent: by the first run of a learner."""
    row = next(row for row in problem.agents if row.label == label)
    unit = Unit(problem, row, benchmark.seeds_of(row)[0], benchmark.sales_of(problem))
    scenario, population = _world(problem, row, unit.seed)
    player = _player(unit, settings_of(problem, row, out), unit.folder(out), scenario, device)
    first = int(split_seeds("test", 0, 1)[0])
    one_sale(out / problem.slug / SALE_PICTURE, trace(player, scenario, population, first), scenario)


def _read_figures(folder: Path) -> dict[str, Any]:
    path = folder / FIGURES
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}. Remove it and run the same command again.") from None
    return content


def _read_values(folder: Path, sales: int) -> Floats:
    path = folder / SALE_VALUES
    try:
        values = load_tensors(path.read_bytes())["value"]
    except (SafetensorError, KeyError) as error:
        values, reason = np.zeros(0), str(error)
    else:
        reason = f"it holds {values.shape} values, want ({sales},)"
    if values.shape != (sales,):
        raise ValueError(f"{path} is damaged: {reason}. Remove {folder / FIGURES} and run the same command again.")
    return np.asarray(values, np.float64)

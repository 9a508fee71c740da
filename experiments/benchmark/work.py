"""Doing one unit of a benchmark: tuning, training, evaluating, bounding.

Owns    the values and figures of a unit, and resuming it where it stopped.
Leaves  learning to `agents`, in which process a unit runs to `engines`.
Axes    S sales.
Units   profit of a sale, or average cost of a tick, in the scenario's currency.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors.numpy import save as save_tensors

from flashsale_env import Population, Scenario, agents
from flashsale_env.agents.exact import evaluate_exactly, lost_sales_problem, remembers, why_no_profit_optimum
from flashsale_env.agents.play import play
from flashsale_env.agents.protocol import Policy
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.benchmark.players import player, settings_of, world
from flashsale_env.experiments.benchmark.settings import COMPUTED_BOUNDS, EXACT, LONG_RUN, OPTIMUM, Problem
from flashsale_env.experiments.benchmark.units import FIGURES, SALE_VALUES, TRAINING, Unit
from flashsale_env.experiments.evaluate import POLICY, REPORTED
from flashsale_env.experiments.long_run import average_costs
from flashsale_env.experiments.runs import Run, held_as_part, read_config, write_json
from flashsale_env.experiments.train import CURVE_TABLE, begin_or_continue, with_fingerprints, write_curve
from flashsale_env.files import write_atomically

Floats = npt.NDArray[np.float64]


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
        command: the command line, for the lock of the folder.
        threads: of the simulator.
        note: called with the unit that is running, and its progress.
    """
    folder = unit.folder(out)
    note(unit.title)
    with held_as_part(folder, command):
        if unit.tunes:
            values, figures = np.zeros(0), _tune(unit, note)
        elif unit.row is None:
            values, figures = _bound(unit)
        else:
            scenario, population = world(unit.problem, unit.row, unit.seed)
            settings = settings_of(unit.problem, unit.row, out)
            if unit.row.learns:
                _train(unit, settings, scenario, population, folder / TRAINING, device, command, threads, note)
            agent = player(unit, settings, folder, scenario, device)
            values, figures = _evaluate(unit, agent, scenario, population, threads)
            figures["mark"] = getattr(agent, "mark", "")
            if unit.row.learns:
                figures["training_seconds"] = float(pd.read_csv(folder / TRAINING / CURVE_TABLE)["seconds"].iloc[-1])
        write_atomically(folder / SALE_VALUES, save_tensors({"value": np.ascontiguousarray(values)}))
        write_json(folder / FIGURES, figures)
    return unit.title


def _tune(unit: Unit, note: Callable[[str], None]) -> dict[str, Any]:
    """The best parameters of a rule on validation sales of the problem, and their gain over its defaults."""
    from flashsale_env.experiments.tuning import Search, measure, tune  # loads optuna

    problem = unit.problem
    scenario = problem.load_scenario()
    population = problem.load_population(scenario) if problem.population else None
    params = tune(
        unit.tunes,
        problem.named,
        population,
        search=Search(trials=problem.tuning_trials, sales=problem.tuning_sales),
        progress=lambda done, total, best: note(f"{unit.title}, {done / total:.0%}"),
    )
    return {"params": params, **measure(unit.tunes, scenario, population, params, problem.tuning_sales)}


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
    """Train, resume an interrupted training, or keep a finished one."""
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
    among = unit.problem.population or None
    with run.claimed(overwrite=False, resume=True):
        begin_or_continue(run, overwrite=False)
        learner = agents.make(row.agent, named, population=among, device=device, seed=unit.seed, **settings)
        curve = learner.learn(population, folder=folder / POLICY, progress=show, threads=threads)
        write_curve(folder, row.label, curve, {}, learner.settings.validation_sales)
        run.finish()


def _evaluate(
    unit: Unit, agent: Policy, scenario: Scenario, population: Population, threads: int | None
) -> tuple[Floats, dict[str, Any]]:
    """(S,) value of each test sale, and the figures of the unit."""
    seeds = split_seeds("test", 0, unit.sales)
    figures: dict[str, Any] = {"expected": None}
    if unit.problem.evaluation == LONG_RUN:
        return average_costs(agent, scenario, population, seeds, threads), figures
    table = play(agent, scenario, population, seeds=seeds, threads=threads)
    figures |= {"metrics": {name: float(table[name].mean()) for name in REPORTED}}
    if unit.problem.evaluation == EXACT and not remembers(agent, scenario):
        figures["expected"] = evaluate_exactly(agent, scenario, population)
    return table["profit"], figures


def _bound(unit: Unit) -> tuple[Floats, dict[str, Any]]:
    """Bound on each of the first test sales, or none of them for an exact optimum, and its figures."""
    problem = unit.problem
    scenario = problem.load_scenario()
    population = problem.load_population(scenario)
    if problem.bound == OPTIMUM:
        value = _optimum(problem, scenario, population)
        return np.zeros(0), {"name": "exact optimum", "value": value, "half_width": 0.0, "exact": True}
    compute, _ = COMPUTED_BOUNDS[problem.bound]
    found = compute(scenario, population, seeds=split_seeds("test", 0, problem.bound_sales))
    figures = {"name": found.name, "value": found.value, "half_width": found.half_width, "exact": False}
    return found.per_sale, figures


def _optimum(problem: Problem, scenario: Scenario, population: Population) -> float:
    """The highest expected profit of a sale, or the least average cost of a tick."""
    if problem.evaluation == LONG_RUN:
        lost_sales_problem(scenario, population)  # raises unless the customers are those that "dp" assumes
        return float(agents.make("dp", scenario).average_cost)
    reason = why_no_profit_optimum(scenario, population)
    if reason is not None:
        raise ValueError(f"bound 'optimum' does not apply to {problem.name!r}: {reason}.")
    return float(agents.make("dp", scenario).expected_profit)

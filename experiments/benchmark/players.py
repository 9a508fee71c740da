"""The agents of a benchmark: their settings, what they observe, and the agent that is evaluated.

Leaves  the table of agents to `settings`, training to `work`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flashsale_env import Population, Scenario, agents
from flashsale_env.agents.protocol import as_policy
from flashsale_env.experiments.benchmark.settings import Problem, Row
from flashsale_env.experiments.benchmark.units import TRAINING, Unit, read_figures
from flashsale_env.experiments.evaluate import POLICY, find_agent, is_from_outside


def settings_of(problem: Problem, row: Row, out: Path | None = None) -> dict[str, Any]:
    """Settings for `agents.make`: those of the row, and the parameters of its rule.

    Parameters tuned first come from the folder `out` of the benchmark. Otherwise, where features are hidden, they are
    those tuned for the problem with all features: hiding features does not change how customers behave.
    """
    scenario = problem.load_scenario()
    rule, given = row.rule(scenario), dict(row.settings)
    if not rule:
        return given
    values: dict[str, float] = {}
    if problem.tune_first or row.tune_first:
        if out is not None:
            values = read_figures(Unit(problem, None, 0, 0, tunes=rule).folder(out))["params"]
    elif row.hide:
        values = agents.tuned(rule, problem.named, problem.population or None)
    if not values or not agents.entry(rule).space(row.scenario(scenario)).keys() >= values.keys():
        return given
    if row.learns:
        return {"adviser_params": values, **given}
    return {**values, **given}


def world(problem: Problem, row: Row, seed: int) -> tuple[Scenario, Population]:
    """The scenario and the customers, with the features and messages that the agent observes."""
    scenario = problem.load_scenario()
    return row.scenario(scenario), row.population(problem.load_population(scenario), seed)


def player(unit: Unit, settings: Mapping[str, Any], folder: Path, scenario: Scenario, device: str) -> Any:
    """The agent of a unit, ready to play; a learner is loaded from its training.

    Args:
        unit: with an agent.
        settings: as `settings_of`.
        folder: of the unit.
        scenario: as `world`.
        device: of a learner.
    """
    row = unit.row
    assert row is not None
    if row.learns:
        return agents.load(folder / TRAINING / POLICY, scenario, device=device)
    named, among = scenario if row.hide else unit.problem.named, unit.problem.population or None
    found = find_agent(row.agent, named, population=among, device=device, seed=unit.seed, settings=settings)
    return as_policy(found, scenario) if is_from_outside(row.agent) else found

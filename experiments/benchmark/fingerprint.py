"""The fingerprint of a benchmark: a finished or unfinished folder is resumed only if it matches."""

import dataclasses
import hashlib
import json
from typing import Any

from flashsale_env import Scenario, agents
from flashsale_env.agents.fingerprints import fingerprints
from flashsale_env.experiments.benchmark.players import settings_of
from flashsale_env.experiments.benchmark.settings import Benchmark, Problem, Row
from flashsale_env.experiments.evaluate import find_agent, identity


def fingerprint(benchmark: Benchmark) -> str:
    """Hash of the settings, and of the scenarios, customers, presets and tuned values that they name.

    A change to any of them changes the hash. The seeds of the training runs are left out, since more runs leave the
    finished ones valid.
    """
    named = []
    for problem in benchmark.problems:
        scenario = problem.load_scenario()
        played = fingerprints(scenario, problem.load_population(scenario))
        named.append([played, [_values(problem, row, scenario) for row in problem.agents]])
    settings = {**benchmark.as_json(), "training_seeds": None}
    return hashlib.sha256(json.dumps([settings, named], sort_keys=True).encode()).hexdigest()


def _values(problem: Problem, row: Row, scenario: Scenario) -> Any:
    """Everything that defines the agent of this row, except parameters that are tuned first."""
    if not row.learns:
        agent = find_agent(row.agent, row.scenario(scenario), device="cpu", settings=settings_of(problem, row))
        return [getattr(agent, "params", {}), identity(row.agent)]
    agent = agents.make(row.agent, row.scenario(scenario), device="cpu", **settings_of(problem, row))
    return dataclasses.asdict(agent.settings)

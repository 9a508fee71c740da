"""What a benchmark compares: problems, agents, runs and sales, read strictly from TOML.

Owns    the settings of `flashsale benchmark` and the files in `configs/benchmarks/`.
Leaves  running it to `running`.

    description = "one line for people"
    training_seeds = [0, 1, 2, 3, 4]    # one run of each learner a seed
    evaluation_sales = 10_000           # test sales, the same for all agents of a problem

    [[problems]]
    scenario = "standard"               # name, or path of a TOML file
    against = "sell_through"            # label of the baseline
    agents = ["heuristics", "ppo", { agent = "ppo", label = "ppo, no text", hide = ["intent_mean", "intent_entropy"] }]
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from flashsale_env import INTENTS, Population, Scenario, agents, load_population, load_scenario
from flashsale_env.agents.exact import why_no_exact_value, why_no_lost_sales, why_no_profit_optimum
from flashsale_env.agents.sb3.presets import ONE_PRODUCT, PRESETS, preset
from flashsale_env.errors import unknown_name
from flashsale_env.experiments.evaluate import check_agent, find_agent, is_trained
from flashsale_env.experiments.settings import read_shipped
from flashsale_env.tables import as_declared, check_fields, example, from_table
from flashsale_env.theory.bounds import DUAL_SCOPE, HINDSIGHT_SCOPE, hindsight_bound, lagrangian_dual_bound

BENCHMARKS: dict[str, Path] = {
    path.stem: path for path in sorted((Path(__file__).parent.parent / "configs" / "benchmarks").glob("*.toml"))
}

SALES, EXACT, LONG_RUN = "sales", "exact", "long_run"
EVALUATIONS = {
    SALES: "mean profit on common test sales",
    EXACT: "expected profit by backward recursion, for agents without memory; for others as 'sales'",
    LONG_RUN: "long-run average cost of a tick of replenishment, without the warm-up; less is better",
}
NO_BOUND, OPTIMUM, DUAL, HINDSIGHT = "none", "optimum", "dual", "hindsight"
BOUNDS = {
    NO_BOUND: "none",
    OPTIMUM: "the exact optimum of agent 'dp'",
    DUAL: "Lagrangian dual of the stock constraints",
    HINDSIGHT: "profit with perfect information on every customer",
}
# name -> (function, the scenarios for which it is proved)
COMPUTED_BOUNDS = {
    DUAL: (lagrangian_dual_bound, DUAL_SCOPE),
    HINDSIGHT: (hindsight_bound, HINDSIGHT_SCOPE),
}
READ, TRUE, SHUFFLED = "read", "true", "shuffled"
TEXTS = {
    READ: "the encoder's intent probabilities",
    TRUE: "probability 1 for the true intent (in a learned population, for the encoder's best guess)",
    SHUFFLED: "the probabilities of another voice, drawn anew for each training run",
}
# Word -> whether it stands for all learners that apply to the scenario, or for all rules.
GROUPS = {"heuristics": False, "learners": True}


@dataclass(frozen=True)
class Row:
    """One agent of a problem.

    Args:
        agent: an agent of `flashsale evaluate` or a learner: a name, `module:Class`, a folder or a zip.
        label: its name in the results; the agent's name by default.
        settings: of a learner, or parameters of a rule, as for `agents.make`.
        hide: features left out of the observation. Rules keep the values tuned with all features.
        texts: a key of `TEXTS`, what the agent observes of the messages.
        tune_first: whether the rule, or the learner's adviser, is first tuned on this problem.
    """

    agent: str = field(metadata=example("ppo"))
    label: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    hide: tuple[str, ...] = ()
    texts: str = READ
    tune_first: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        check_agent(self.agent, GROUPS)
        for name in self.settings.keys() & {"name", "scenario", "population", "device", "seed"}:
            raise ValueError(f"{name} is not a setting of an agent: the benchmark sets it.")
        if self.texts not in TEXTS:
            raise ValueError(unknown_name("texts", self.texts, TEXTS))
        object.__setattr__(self, "label", self.label or self.agent)

    @property
    def learns(self) -> bool:
        """Whether it is trained before it is evaluated."""
        return not is_trained(self.agent) and agents.entry(self.agent).learns

    def rule(self, scenario: Scenario) -> str:
        """The rule whose tuned values it uses: itself, or a learner's adviser; "" if there is nothing to tune."""
        if is_trained(self.agent):
            return ""
        name = self.agent
        if self.learns:
            chosen = preset(scenario, name) if (name, ONE_PRODUCT) in PRESETS else None
            name = str(self.settings.get("adviser", getattr(chosen, "adviser", "")))
        return name if name and agents.entry(name).space(scenario) else ""

    def scenario(self, scenario: Scenario) -> Scenario:
        """The problem's scenario without the hidden features."""
        for name in self.hide:
            if name not in scenario.features:
                raise ValueError(unknown_name(f"feature to hide from {self.label!r}", name, scenario.features))
        if not self.hide:
            return scenario
        return scenario.replace(observe=tuple(name for name in scenario.features if name not in self.hide))

    def population(self, population: Population, seed: int) -> Population:
        """The same customers, with the intent probabilities that the agent observes."""
        if self.texts == READ:
            return population
        if self.texts == TRUE:
            shown = np.eye(len(INTENTS), dtype=np.float32)[population.latent_class]
        else:
            shown = population.intent_probabilities[np.random.default_rng(seed).permutation(len(population))]
        return dataclasses.replace(population, intent_probabilities=shown)


@dataclass(frozen=True)
class Problem:
    """One scenario and the agents that are compared on it.

    Args:
        scenario: name, or path of a TOML file.
        agents: rows; in the file a list of names, words of `GROUPS` and tables.
        against: label of the baseline.
        name: in the results; the scenario's name by default.
        changes: fields of the scenario that differ, nested as in its TOML file; `horizon_ticks` keeps the minutes.
        population: name or folder; the scenario's own by default.
        evaluation: a key of `EVALUATIONS`.
        evaluation_sales: test sales in place of the benchmark's; 0 for the benchmark's.
        bound: a key of `BOUNDS`.
        bound_sales: number of test sales over which the bound is averaged, from the first on.
        tune_first: whether every rule, and every learner's adviser, is first tuned on validation sales of this
            problem. Otherwise those without tuned values for it are marked as untuned.
        tuning_trials, tuning_sales: parameter sets tried for each rule, and sales played with each.
    """

    scenario: str = field(metadata=example("standard"))
    agents: tuple[Row, ...] = field(metadata=example(("heuristics", "ppo")))
    against: str = field(metadata=example("sell_through"))
    name: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    population: str = ""
    evaluation: str = SALES
    evaluation_sales: int = 0
    bound: str = NO_BOUND
    bound_sales: int = 300
    tune_first: bool = False
    tuning_trials: int = 200
    tuning_sales: int = 1024

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "name", self.name or self.scenario)
        if self.evaluation not in EVALUATIONS:
            raise ValueError(unknown_name("evaluation", self.evaluation, EVALUATIONS))
        if self.bound not in BOUNDS:
            raise ValueError(unknown_name("bound", self.bound, BOUNDS))
        labels = [row.label for row in self.agents]
        if self.against not in labels:
            raise ValueError(unknown_name("agent to compare with (against)", self.against, labels))
        _require_distinct("labels of agents", labels)
        if self.evaluation_sales < 0 or self.evaluation_sales == 1:
            raise ValueError(f"evaluation_sales must be at least 2, got {self.evaluation_sales}.")
        for name, least in (("bound_sales", 2), ("tuning_trials", 1), ("tuning_sales", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}.")

    @property
    def slug(self) -> str:
        """Name of its folder."""
        return slug(self.name)

    @property
    def named(self) -> str | Scenario:
        """The name or path of the scenario, since tuned values lie beside its file; the scenario if it has changes."""
        return self.load_scenario() if self.changes else self.scenario

    def tuned_first(self) -> tuple[str, ...]:
        """The rules that are tuned first, each once."""
        scenario = self.load_scenario()
        rows = [row for row in self.agents if self.tune_first or row.tune_first]
        return tuple(dict.fromkeys(rule for rule in (row.rule(scenario) for row in rows) if rule))

    def load_scenario(self) -> Scenario:
        """The scenario with its changes.

        Raises:
            ValueError, FileNotFoundError: as `flashsale_env.load_scenario`.
        """
        return _changed(load_scenario(self.scenario), self.changes)

    def load_population(self, scenario: Scenario) -> Population:
        """The customers."""
        return load_population(self.population or scenario.population, [p.title for p in scenario.products])

    def check(self) -> None:
        """Find mistakes before anything long begins, by building what can be built quickly.

        Raises:
            ValueError: an agent, a setting, a feature, the evaluation or the bound does not fit the scenario.
        """
        scenario = self.load_scenario()
        population = self.load_population(scenario)
        for row in self.agents:
            shown = row.scenario(scenario)
            if is_trained(row.agent):
                find_agent(row.agent, shown, device="cpu", settings=row.settings)
                continue
            among = shown.replace(population=self.population or shown.population)
            known = agents.entry(row.agent)
            reason = known.applies(shown) or known.applies(among)
            if reason is not None:
                raise ValueError(f"agent {row.label!r} does not apply to {self.name!r}: {reason}.")
            if known.factory is not None:
                find_agent(row.agent, shown, device="cpu", settings=row.settings)
            elif row.settings:
                agents.make(row.agent, shown, device="cpu", **row.settings)
        long_run = self.evaluation == LONG_RUN
        claims: list[tuple[str, str | None]] = []
        if self.evaluation == EXACT:
            claims.append(("evaluation 'exact'", why_no_exact_value(scenario, population)))
        if long_run:
            claims.append(("evaluation 'long_run'", why_no_lost_sales(scenario, population)))
        if self.bound == OPTIMUM and long_run:
            claims.append(("bound 'optimum'", agents.AGENTS["dp"].applies(scenario)))
        elif self.bound == OPTIMUM:
            claims.append(("bound 'optimum'", why_no_profit_optimum(scenario, population)))
        elif self.bound != NO_BOUND:
            scope = COMPUTED_BOUNDS[self.bound][1]
            claims.append((f"bound {self.bound!r}", scope.why_not(scenario, population)))
        for claim, reason in claims:
            if reason is not None:
                raise ValueError(f"{claim} does not apply to {self.name!r}: {reason}.")
        if long_run and self.bound in COMPUTED_BOUNDS:
            raise ValueError(f"bound {self.bound!r} is on the profit of a sale; with 'long_run' take 'optimum'.")


@dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Args:
        description: one line for people.
        training_seeds: of the runs of every learner.
        evaluation_sales: test sales of each problem.
        problems: what is compared.
    """

    description: str = field(metadata=example("rules and PPO on standard"))
    training_seeds: tuple[int, ...] = field(metadata=example((0, 1, 2, 3, 4)))
    evaluation_sales: int = field(metadata=example(10_000))
    problems: tuple[Problem, ...] = field(
        metadata=example(({"scenario": "standard", "against": "sell_through", "agents": ("heuristics", "ppo")},))
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.training_seeds or len(set(self.training_seeds)) < len(self.training_seeds):
            raise ValueError(f"training_seeds must be one or more different numbers, got {list(self.training_seeds)}.")
        if min(self.training_seeds) < 0:
            raise ValueError(f"training_seeds must be at least 0, got {list(self.training_seeds)}.")
        if self.evaluation_sales < 2:
            raise ValueError(f"evaluation_sales must be at least 2, got {self.evaluation_sales}.")
        if not self.problems:
            raise ValueError("want at least one [[problems]] table, got none.")
        _require_distinct("names of problems", [problem.name for problem in self.problems])
        for problem in self.problems:
            if problem.bound in COMPUTED_BOUNDS and problem.bound_sales > self.sales_of(problem):
                raise ValueError(
                    f"bound_sales of {problem.name!r} must be at most its evaluation_sales, got {problem.bound_sales} "
                    f"> {self.sales_of(problem)}: the bound is compared with the profit on the same sales."
                )

    def sales_of(self, problem: Problem) -> int:
        """Test sales of a problem."""
        return problem.evaluation_sales or self.evaluation_sales

    def seeds_of(self, row: Row) -> tuple[int, ...]:
        """Runs of an agent; a rule has one."""
        return self.training_seeds if row.learns else (0,)

    def as_json(self) -> dict[str, Any]:
        """Every setting, as JSON holds it."""
        content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return content


def load_benchmark(name: str) -> Benchmark:
    """A benchmark by name of a shipped file, or by path.

    Raises:
        ValueError: unknown name; a wrong key, type or value in the file; or parts that do not fit together. The message
            names it.
        FileNotFoundError: a path that is not there.
    """
    path, content = read_shipped("benchmark", name, BENCHMARKS)
    problems = content.get("problems")
    if isinstance(problems, list):
        content["problems"] = [
            _with_rows(problem, f"{path}: problems[{i}]") if isinstance(problem, dict) else problem
            for i, problem in enumerate(problems)
        ]
    benchmark = from_table(Benchmark, content, str(path))
    for i, problem in enumerate(benchmark.problems):
        try:
            problem.check()
        except ValueError as error:
            raise ValueError(f"{path}: problems[{i}]: {error}") from None
    return benchmark


def slug(name: str) -> str:
    """A name as a folder is called.

    >>> slug("PPO, no text")
    'ppo-no-text'
    """
    return re.sub(r"[^\w]+", "-", name.lower()).strip("-")


def _require_distinct(what: str, names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if not slug(name):
            raise ValueError(f"{what} must hold a letter or a digit, got {name!r}.")
        if slug(name) in seen:
            raise ValueError(f"{what} must differ in letters and digits, got {seen[slug(name)]!r} and {name!r}.")
        seen[slug(name)] = name


def _changed(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """A checked copy with some fields changed, tables inside it merged; the sale keeps its minutes."""
    if not changes:
        return scenario
    table = json.loads(json.dumps(dataclasses.asdict(scenario)))
    ticks = changes.get("horizon_ticks")
    if isinstance(ticks, int) and ticks > 0 and "tick_minutes" not in changes:
        table["tick_minutes"] = scenario.sale_minutes / ticks
    for key, value in changes.items():
        part = table.get(key)
        table[key] = {**part, **value} if isinstance(part, dict) and isinstance(value, Mapping) else value
    return load_scenario(table)


def _with_rows(problem: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The table of a problem with a table for each agent: names, and words of `GROUPS`, written out.

    A group leaves out agents that the list names. Any other mistake in the table is left to `from_table`.
    """
    listed = problem.get("agents")
    if not isinstance(listed, list):
        return dict(problem)
    tables = [{"agent": entry} if isinstance(entry, str) else entry for entry in listed]
    named = [table.get("label", table.get("agent")) for table in tables if isinstance(table, dict)]
    rows: list[Any] = []
    for table in tables:
        group = table.get("agent") if isinstance(table, dict) else None
        if not isinstance(group, str) or group not in GROUPS or "scenario" not in problem:
            rows.append(table)
            continue
        if len(table) > 1:
            raise ValueError(f"{where}: agents: {group!r} stands for many agents and takes no settings.")
        try:
            members = _members(group, problem)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        rows += [{"agent": name} for name in members if name not in named]
    return {**problem, "agents": rows}


def _members(group: str, problem: Mapping[str, Any]) -> list[str]:
    """The agents of a word of `GROUPS` that apply to the problem of a table."""
    name = as_declared(str, problem["scenario"], "scenario")
    changes = dict(as_declared(Mapping[str, Any], problem.get("changes", {}), "changes"))
    if problem.get("population"):
        changes["population"] = problem["population"]
    scenario = _changed(load_scenario(name), changes)
    of_kind = [known for known in agents.AGENTS.values() if known.learns == GROUPS[group]]
    return [known.name for known in of_kind if known.applies(scenario) is None]

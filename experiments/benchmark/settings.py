"""What a benchmark compares: problems, agents, runs and sales, read strictly from TOML.

Owns    the settings of `flashsale benchmark` and the files in `configs/benchmarks/`.
Leaves  running it to `benchmark`.

    description = "one line for people"
    training_seeds = [0, 1, 2, 3, 4]    # runs of every agent that learns
    evaluation_sales = 10_000           # test sales, the same for all agents of a problem

    [[problems]]
    scenario = "standard"               # name, or path of a TOML file
    against = "sell_through"            # label of the agent that the others are compared with
    agents = ["heuristics", "ppo", { agent = "ppo", label = "ppo, no text", hide = ["intent_mean", "intent_entropy"] }]
"""

import dataclasses
import json
import re
import typing
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
from flashsale_env.theory.bounds import DUAL_SCOPE, HINDSIGHT_SCOPE

BENCHMARKS: dict[str, Path] = {
    path.stem: path for path in sorted((Path(__file__).parent.parent / "configs" / "benchmarks").glob("*.toml"))
}

SALES, EXACT, LONG_RUN = "sales", "exact", "long_run"
EVALUATIONS = {
    SALES: "mean profit of common test sales",
    EXACT: "expected profit by backward recursion, for agents without memory; for others as 'sales'",
    LONG_RUN: "long-run average cost of a tick of replenishment, the warm-up left out; less is better",
}
NO_BOUND, OPTIMUM, DUAL, HINDSIGHT = "none", "optimum", "dual", "hindsight"
BOUNDS = {
    NO_BOUND: "none",
    OPTIMUM: "the exact optimum of agent 'dp'",
    DUAL: "Lagrangian dual of the stock constraints",
    HINDSIGHT: "what is earned when every customer is known",
}
READ, TRUE, SHUFFLED = "read", "true", "shuffled"
TEXTS = {
    READ: "intent probabilities as the encoder reads them",
    TRUE: "certainty about the true intent (in a learned population: about the encoder's best guess)",
    SHUFFLED: "those of another voice, drawn anew for every training run",
}
# Words that stand for every agent of a kind that applies to the scenario.
GROUPS = {"heuristics": False, "learners": True}


@dataclass(frozen=True)
class Row:
    """One agent of a problem as it is asked for.

    Args:
        agent: whatever `flashsale evaluate` plays, or a learner: a name, `module:Class`, a folder or a zip.
        label: by which it is called in the results; the agent's name by default.
        settings: a learner's settings or a rule's parameters, as `agents.make` takes them.
        hide: features of the observation that the agent is not shown. Rules keep the values tuned with all of them.
        texts: a key of `TEXTS`, what the agent is shown of a customer's message.
        tune_first: whether the rule, or the learner's adviser, is tuned on this problem before anything is compared.
    """

    agent: str
    label: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    hide: tuple[str, ...] = ()
    texts: str = READ
    tune_first: bool = False

    def __post_init__(self) -> None:
        check_agent(self.agent, GROUPS)
        for name in self.settings.keys() & {"name", "scenario", "population", "device", "seed"}:
            raise ValueError(f"{name} is no setting of an agent: the benchmark gives it.")
        if self.texts not in TEXTS:
            raise ValueError(unknown_name("texts", self.texts, TEXTS))
        object.__setattr__(self, "label", self.label or self.agent)

    @property
    def learns(self) -> bool:
        """Whether it is trained before it is evaluated."""
        return not is_trained(self.agent) and agents.entry(self.agent).learns

    def rule(self, scenario: Scenario) -> str:
        """The rule whose values matter to it: itself, or a learner's adviser; "" where there is nothing to tune."""
        if is_trained(self.agent):
            return ""
        name = self.agent
        if self.learns:
            chosen = preset(scenario, name) if (name, ONE_PRODUCT) in PRESETS else None
            name = str(self.settings.get("adviser", getattr(chosen, "adviser", "")))
        return name if name and agents.entry(name).space(scenario) else ""

    def scenario(self, scenario: Scenario) -> Scenario:
        """What the agent plays: the problem's scenario without the features that are hidden from it."""
        for name in self.hide:
            if name not in scenario.features:
                raise ValueError(unknown_name(f"feature to hide from {self.label!r}", name, scenario.features))
        if not self.hide:
            return scenario
        return scenario.replace(observe=tuple(name for name in scenario.features if name not in self.hide))

    def population(self, population: Population, seed: int) -> Population:
        """The same customers with the messages that the agent is shown."""
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
        against: label of the row that the others are compared with.
        name: by which it is called in the results; the scenario's name by default.
        changes: fields of the scenario that differ, nested as in its TOML file; new `horizon_ticks` keep the minutes.
        population: name or folder; the scenario's own by default.
        evaluation: a key of `EVALUATIONS`.
        evaluation_sales: in place of the benchmark's; 0 takes the benchmark's.
        bound: a key of `BOUNDS`.
        bound_sales: test sales over which the bound is averaged, the first ones.
        tune_first: whether every rule, and every learner's adviser, is tuned on this problem first, on validation
            sales; else those that have no tuned values for it are marked as untuned.
        tuning_trials, tuning_sales: parameter sets that are tried of each rule, and sales that each of them plays.
    """

    scenario: str
    agents: tuple[Row, ...]
    against: str
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
        """The scenario as it is named where nothing is changed: tuned values lie beside its file."""
        return self.load_scenario() if self.changes else self.scenario

    def tuned_first(self) -> tuple[str, ...]:
        """The rules that are tuned before anything is compared, each once."""
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
        """Build what can be built quickly, so that a mistake costs seconds and not the night.

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
            scope = DUAL_SCOPE if self.bound == DUAL else HINDSIGHT_SCOPE
            claims.append((f"bound {self.bound!r}", scope.why_not(scenario, population)))
        for claim, reason in claims:
            if reason is not None:
                raise ValueError(f"{claim} does not apply to {self.name!r}: {reason}.")
        if long_run and self.bound in (DUAL, HINDSIGHT):
            raise ValueError(f"bound {self.bound!r} is on the profit of a sale; with 'long_run' take 'optimum'.")


@dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Args:
        description: one line for people.
        training_seeds: runs of every agent that learns.
        evaluation_sales: test sales of a problem.
        problems: what is compared.
    """

    description: str
    training_seeds: tuple[int, ...]
    evaluation_sales: int
    problems: tuple[Problem, ...]

    def __post_init__(self) -> None:
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
            if problem.bound in (DUAL, HINDSIGHT) and problem.bound_sales > self.sales_of(problem):
                raise ValueError(
                    f"bound_sales of {problem.name!r} must be at most its evaluation_sales, got {problem.bound_sales} "
                    f"> {self.sales_of(problem)}: the bound is compared with what was earned on the same sales."
                )

    def sales_of(self, problem: Problem) -> int:
        """Test sales of a problem."""
        return problem.evaluation_sales or self.evaluation_sales

    def seeds_of(self, row: Row) -> tuple[int, ...]:
        """Runs of an agent; what does not learn has one."""
        return self.training_seeds if row.learns else (0,)

    def as_json(self) -> dict[str, Any]:
        """Every setting, as JSON keeps it."""
        content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return content


def load_benchmark(name: str) -> Benchmark:
    """A benchmark by name of a shipped file, or by path.

    Raises:
        ValueError: unknown name, or the file has a wrong key, type or value, or asks for what does not fit; the message
            names it.
        FileNotFoundError: a path that is not there.
    """
    path, content = read_shipped("benchmark", name, BENCHMARKS)
    benchmark: Benchmark = _build(Benchmark, content, str(path))
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


def _build(kind: Any, content: Any, where: str) -> Any:
    """A settings dataclass from a TOML table, strictly."""
    if not isinstance(content, dict):
        raise ValueError(f"{where}: want a table, got {content!r}.")
    hints = typing.get_type_hints(kind)
    fields = {entry.name: entry for entry in dataclasses.fields(kind)}
    for key in content:
        if key not in fields:
            raise ValueError(f"{where}: {unknown_name('key', key, fields)}")
    for key, entry in fields.items():
        required = entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING
        if required and key not in content:
            raise ValueError(f"{where}: missing key {key!r}.")
    if kind is Problem:
        content = {**content, "agents": _without_groups(content, where)}
    values = {key: _convert(hints[key], value, f"{where}: {key}") for key, value in content.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _without_groups(problem: Mapping[str, Any], where: str) -> list[Any]:
    """The agents of a problem with each word of `GROUPS` replaced by whom it stands for, without those named."""
    listed = problem["agents"]
    if not isinstance(listed, list):
        raise ValueError(f"{where}: agents: want a list, got {listed!r}.")
    tables = [{"agent": entry} if isinstance(entry, str) else entry for entry in listed]
    groups = [table.get("agent") for table in tables if isinstance(table, dict) and table.get("agent") in GROUPS]
    if not groups:
        return tables
    name = _convert(str, problem["scenario"], f"{where}: scenario")
    changes = _convert(Mapping[str, Any], problem.get("changes", {}), f"{where}: changes")
    customers = {"population": problem["population"]} if problem.get("population") else {}
    try:
        scenario = _changed(load_scenario(name), {**changes, **customers})
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    named = {table.get("label", table.get("agent")) for table in tables if isinstance(table, dict)}
    rows: list[Any] = []
    for table in tables:
        if not isinstance(table, dict) or table.get("agent") not in GROUPS:
            rows.append(table)
            continue
        if len(table) > 1:
            raise ValueError(f"{where}: agents: {table['agent']!r} stands for many agents and takes no settings.")
        for known in agents.AGENTS.values():
            belongs = known.learns == GROUPS[table["agent"]] and known.name not in named
            if belongs and known.applies(scenario) is None:
                rows.append({"agent": known.name})
    return rows


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where}: want a list, got {value!r}.")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, entry, f"{where}[{i}]") for i, entry in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, dict):
            raise ValueError(f"{where}: want a table, got {value!r}.")
        return value
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where)
    if type(value) is not hint:
        raise ValueError(f"{where}: want {hint.__name__}, got {value!r}.")
    return value

"""Strategies on test sales: as written, improved by searches or by a language model, and beside the best agent.

Owns    the search over the free numbers of a document, and the comparison.
Leaves  the search itself to `tuning`, documents to `agents.strategies`, models to `agents.language`.
Axes    R searches, S test sales, the same customers for all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flashsale_env import Scenario, agents
from flashsale_env.agents import play, split_seeds
from flashsale_env.agents.language import Caller, Journal, Model, best_draft, write_strategies
from flashsale_env.agents.strategies import (
    WRITTEN,
    Strategy,
    StrategyAgent,
    as_class,
    read_strategy,
    write_strategy,
)
from flashsale_env.experiments.display import Callback, show_table
from flashsale_env.experiments.evaluate import find_agent
from flashsale_env.experiments.formats import low_to_high, money
from flashsale_env.experiments.intervals import crossed_interval, ratio_interval
from flashsale_env.experiments.language.asking import JOURNAL
from flashsale_env.experiments.runs import RESULT, write_json
from flashsale_env.experiments.tuning import Search, tune

# The name under which a strategy is entered among the agents while it is searched.
_SEARCHED = "strategy under search"


def shipped(scenario: Scenario) -> Path:
    """The document that is shipped for a scenario.

    Raises:
        FileNotFoundError: there is none.
    """
    if scenario.name not in WRITTEN:
        raise FileNotFoundError(
            f"no strategy is shipped for {scenario.name!r}, only for {', '.join(sorted(WRITTEN))}: give a file."
        )
    return WRITTEN[scenario.name]


def best_agent(scenario: Scenario) -> str:
    """The exact optimum where it can be computed, else a shipped policy, else the rule that chases the sales curve."""
    if agents.AGENTS["dp"].applies(scenario) is None:
        return "dp"
    trained = [name for name in agents.REFERENCES if name.startswith(f"{scenario.name}-")]
    return trained[0] if trained else "sell_through"


@dataclass(frozen=True)
class Effort:
    """How much is searched and played.

    Args:
        trials: of each search; 0 for none.
        searches: how many, with the seeds seed, seed + 1, ...
        sales: validation sales of a trial, and of the score that a language model is told.
        seed: of the first search.
        episodes: test sales of the comparison.
        rounds: strategies that a language model writes.
    """

    trials: int
    searches: int
    sales: int
    seed: int
    episodes: int
    rounds: int


@dataclass(frozen=True)
class Task:
    """What is compared: a scenario, a strategy for it, and the agent beside it."""

    scenario: Scenario
    written: Strategy
    name: str
    agent: Any


def prepared(named: str, scenario: Scenario, document: str | Path | None, against: str | None) -> Task:
    """The task, with everything checked.

    Args:
        named: the scenario as it was given: name or path.
        scenario: the same, loaded.
        document: the strategy; the shipped one by default.
        against: the agent beside it; `best_agent` by default.

    Raises:
        FileNotFoundError: there is no such document.
        ValueError: the document or the agent does not fit.
    """
    written = read_strategy(shipped(scenario) if document is None else document, scenario)
    StrategyAgent.check(written, scenario)
    name = best_agent(scenario) if against is None else against
    return Task(scenario, written, name, find_agent(name, named))


def improve(strategy: Strategy, search: Search, progress: Callable[[int, int, float], None] | None = None) -> Strategy:
    """The strategy with the free numbers that earn most on validation sales."""
    agents.register(_SEARCHED, as_class(strategy), replace=True)
    return strategy.moved(tune(_SEARCHED, strategy.levers.scenario, search=search, progress=progress))


def validation_profit(strategy: Strategy, sales: int) -> float:
    """Mean profit on validation sales, which a language model is told."""
    scenario = strategy.levers.scenario
    return float(play(_agent(strategy), scenario, seeds=split_seeds("validation", 0, sales))["profit"].mean())


def study(
    task: Task, effort: Effort, author: Model | None = None, out: Path | None = None, progress: Callback | None = None
) -> dict[str, Any]:
    """A strategy as written, after searches, and as a language model writes it, beside an agent.

    Args:
        task, effort: what, and how much.
        author: the language model, if any.
        out: folder of its journal, of the improved strategies and of the figures.
        progress: called after each trial, and after each strategy that is played.

    Returns:
        "rows", one for the agent and each kind of strategy: "strategy", "runs", "mean", "ci_low", "ci_high" of the
        profit, and its "share" of the agent's with "share_low" and "share_high" (None where the agent earns nothing);
        "improved" and "drafts", the documents that were found and written; "scenario"; "episodes".

    Raises:
        ValueError: the language model wrote nothing that fits.
        NoAnswer: it has no answer.
    """
    written = task.written
    rows: dict[str, Sequence[Strategy]] = {f"{written.name}, as written": [written]}
    drafts: list[dict[str, Any]] = []
    if author is not None:
        caller = Caller(author, journal=None if out is None else Journal(out / JOURNAL))
        made = write_strategies(
            caller, task.scenario, lambda s: validation_profit(s, effort.sales), rounds=effort.rounds
        )
        best = best_draft(made)
        if best is None or best.strategy is None:
            raise ValueError(f"{author.name} wrote no strategy that fits: {made[-1].complaint}")
        rows[f"{best.strategy.name}, by {author.name}"] = [best.strategy]
        drafts = [
            {"document": d.strategy and d.strategy.as_document(), "score": d.score, "complaint": d.complaint}
            for d in made
        ]
    improved = []
    for number in range(effort.searches if effort.trials else 0):

        def report(done: int, trials: int, best: float, number: int = number) -> None:
            if progress is not None:
                progress(number * trials + done, effort.searches * trials, f"search {number + 1}: {best:,.6g}")

        improved.append(improve(written, Search(effort.trials, effort.sales, effort.seed + number), report))
    if improved:
        rows[f"{written.name}, improved"] = improved
    found = {
        "scenario": task.scenario.name,
        "episodes": effort.episodes,
        "rows": compare(task, rows, effort.episodes, progress),
        "improved": [strategy.as_document() for strategy in improved],
        "drafts": drafts,
    }
    if out is not None:
        for number, strategy in enumerate(improved):
            path = out / f"improved-{number}.toml"
            write_strategy(path, strategy, [f"Found by search {number} on {task.scenario.name}."])
        write_json(out / RESULT, found)
    return found


def compare(
    task: Task, rows: Mapping[str, Sequence[Strategy]], episodes: int, progress: Callback | None = None
) -> list[dict[str, Any]]:
    """The rows of `study`, for strategies by title, one for each search."""
    seeds = split_seeds("test", 0, episodes)
    best = play(task.agent, task.scenario, seeds=seeds)["profit"]
    todo, done = sum(map(len, rows.values())), 0
    found = [_row(task.name, np.array([best]), best)]
    for title, strategies in rows.items():
        profits = []
        for strategy in strategies:
            profits.append(play(_agent(strategy), task.scenario, seeds=seeds)["profit"])
            done += 1
            if progress is not None:
                progress(done, todo, title)
        found.append(_row(title, np.array(profits), best))
    return found


def show(found: Mapping[str, Any]) -> None:
    """The rows as a table."""
    scale = max(abs(row["mean"]) for row in found["rows"])
    show_table(
        f"{found['scenario']}: profit on {found['episodes']:,} test sales",
        ("strategy", "runs", "profit", "95 % interval", f"share of {found['rows'][0]['strategy']}"),
        [
            (row["strategy"], str(row["runs"]), money(row["mean"], scale), low_to_high(row, scale), _share(row))
            for row in found["rows"]
        ],
    )


def _share(row: Mapping[str, Any]) -> str:
    if row["share"] is None:
        return ""
    return f"{100 * row['share']:.2f} % ({100 * row['share_low']:.2f} .. {100 * row['share_high']:.2f})"


def _agent(strategy: Strategy) -> StrategyAgent:
    return StrategyAgent(strategy.levers.scenario, document=strategy.as_document())


def _row(title: str, profits: Any, best: Any) -> dict[str, Any]:
    mean = crossed_interval(profits)
    share = ratio_interval(profits, best) if best.mean() > 0 else None
    return {
        "strategy": title,
        "runs": len(profits),
        "mean": mean.mean,
        "ci_low": mean.low,
        "ci_high": mean.high,
        "share": None if share is None else share.mean,
        "share_low": None if share is None else share.low,
        "share_high": None if share is None else share.high,
    }

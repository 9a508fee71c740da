"""The results of a benchmark: the table of each problem, the score over all problems, and their files.

Owns    intervals over runs and sales, the share of the bound, the difference to the baseline, and `results.csv`.
Leaves  the estimators to `intervals`, pages to `pages`.
Axes    R training runs, S sales, B sales of a bound.
Units   profit of a sale, or average cost of a tick, in the scenario's currency.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.agents.play import trace
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.benchmark.players import player, settings_of, world
from flashsale_env.experiments.benchmark.settings import LONG_RUN, NO_BOUND, OPTIMUM, Benchmark, Problem, Row
from flashsale_env.experiments.benchmark.units import Unit, read_figures, read_values
from flashsale_env.experiments.intervals import (
    crossed_interval,
    interquartile_mean,
    mean_interval,
    probability_of_improvement,
    ratio_interval,
)
from flashsale_env.experiments.pages.drawn import keep
from flashsale_env.experiments.pages.pictures import one_sale
from flashsale_env.files import write_atomically
from flashsale_env.intervals import Interval

RESULT, TABLE, RUNS, SALE_PICTURE = "result.json", "results.csv", "runs.csv", "sale"

Floats = npt.NDArray[np.float64]


def compare(out: Path, benchmark: Benchmark, problem: Problem) -> dict[str, Any]:
    """The table of a problem: each agent with its intervals, its difference to the baseline and share of the bound.

    Returns:
        "name", "scenario", "currency", "population", "measure" ("profit" or "average cost"), "evaluation", "against",
        "sales";
        "bound": None, or "name", "value", "half_width", "exact" and "sales";
        "rows": best first, each with
            "label", "agent", "mark" (a remark, e.g. "untuned here", or ""), "runs", "seeds", "by_run",
            "mean", "ci_low", "ci_high" and "exact" (by recursion, otherwise by simulation),
            "share": of the bound (for costs, cost over least cost), "mean", "ci_low" and "ci_high", or None,
            "difference": to the baseline, "mean", "ci_low", "ci_high" and "probability" of improvement over runs, None
            for the baseline itself,
            "metrics" (means) and "training_seconds" (mean over runs; None for rules).
    """
    sales, scenario = benchmark.sales_of(problem), problem.load_scenario()
    less_is_better = problem.evaluation == LONG_RUN
    sign = -1.0 if less_is_better else 1.0
    bound = None
    of_sales = np.zeros(0)
    if problem.bound != NO_BOUND:
        folder = Unit(problem, None, 0, sales).folder(out)
        averaged = None if problem.bound == OPTIMUM else problem.bound_sales
        bound = {**read_figures(folder), "sales": averaged}
        of_sales = read_values(folder, averaged or 0)
    found = {
        row.label: Outcome.read(
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
        "currency": scenario.currency,
        "population": problem.population or scenario.population,
        "measure": "average cost" if less_is_better else "profit",
        "evaluation": problem.evaluation,
        "against": problem.against,
        "sales": sales,
        "bound": bound,
        # By share where the bound is exact: shares are free of the sampling error that all agents have in common.
        "rows": sorted(
            rows, key=lambda entry: -sign * (entry["share"]["mean"] if bound and bound["exact"] else entry["mean"])
        ),
    }


@dataclass(frozen=True, eq=False)
class Outcome:
    """All runs of one agent on one problem.

    Args:
        values: (R, S) of each run and sale.
        expected: (R,) exact values where they are known.
        metrics: means over runs and sales.
        training_seconds: mean over runs; None for a rule.
        mark: a remark on the agent, or "".
    """

    values: Floats
    expected: Floats | None
    metrics: dict[str, float]
    training_seconds: float | None
    mark: str = ""

    @classmethod
    def read(cls, folders: Iterable[Path], sales: int) -> "Outcome":
        """Of the folders of the runs."""
        figures, values = [], []
        for folder in folders:
            figures.append(read_figures(folder))
            values.append(read_values(folder, sales))
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
        """Whether values are computed, not simulated."""
        return self.expected is not None

    @property
    def by_run(self) -> Floats:
        """(R,) value of each run."""
        return self.values.mean(axis=1) if self.expected is None else self.expected

    @property
    def interval(self) -> Interval:
        """Of the mean, over runs and sales; where values are exact, over runs alone."""
        return crossed_interval(self.values) if self.expected is None else _over_runs(self.expected)

    def share_of(self, bound: Floats) -> Interval:
        """Share of a bound, (B,) on the first sales."""
        return ratio_interval(self.values[:, : len(bound)], bound)

    def minus(self, base: "Outcome") -> Interval:
        """Difference of means, paired by sale, and by training run where both learn."""
        if self.expected is not None and base.expected is not None:
            return _over_runs(self.expected - base.expected)
        return crossed_interval(self.values - base.values)

    def probability_above(self, base: "Outcome", sign: float) -> float:
        """Probability that a run of this agent is better; exact values are never compared with simulated ones."""
        if self.expected is not None and base.expected is not None:
            return probability_of_improvement(sign * self.expected, sign * base.expected)
        return probability_of_improvement(sign * self.values.mean(axis=1), sign * base.values.mean(axis=1))


def _share(outcome: "Outcome", optimum: float, optimal: "Outcome | None") -> Interval:
    """Value over that of the optimum.

    The optimal agent serves as a control variate: its exact value is known, and its sampling error on these sales is
    largely shared by every agent. Optimum + (agent - optimal agent) has an interval several times as narrow.

    Args:
        outcome: of the agent.
        optimum: exact value of the optimal policy.
        optimal: outcome of the optimal agent, if it is in the table.
    """
    if outcome.exact or optimal is None:
        found = outcome.interval
    else:
        less = outcome.minus(optimal)
        found = Interval(optimum + less.mean, optimum + less.low, optimum + less.high)
    return Interval(found.mean / optimum, found.low / optimum, found.high / optimum)


def _over_runs(expected: Floats) -> Interval:
    """Interval over runs of exact values (R,); one run has a point."""
    if len(expected) == 1:
        return Interval(float(expected[0]), float(expected[0]), float(expected[0]))
    return mean_interval(expected)


def score(problems: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Agents over all problems: 0 is the random agent, 1 the best value known (Agarwal et al. 2021).

    Only agents that every problem has are scored, and only where every problem has the row "random".

    Returns:
        "references": problem -> name of what scores 1; "agents": label -> "iqm" with "ci_low" and "ci_high",
        "probability" of improvement over the baselines, and "scores", problem -> score of each run.
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


def write_tables(out: Path, problems: Sequence[Mapping[str, Any]]) -> None:
    """Write `results.csv` and `runs.csv`."""
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


def draw(out: Path, benchmark: Benchmark, problem: Problem, label: str, device: str) -> None:
    """Draw the first test sale, played by the agent with this label (the first run of a learner)."""
    row = next(row for row in problem.agents if row.label == label)
    unit = Unit(problem, row, benchmark.seeds_of(row)[0], benchmark.sales_of(problem))
    scenario, population = world(problem, row, unit.seed)
    agent = player(unit, settings_of(problem, row, out), unit.folder(out), scenario, device)
    first = int(split_seeds("test", 0, 1)[0])
    chart = one_sale(trace(agent, scenario, population, first), scenario, label)
    keep(out / problem.slug / SALE_PICTURE, chart)

"""The units of a benchmark: what there is to do, and where its results lie.

Owns    the order of the units, the folder of each, and reading their files.
Leaves  doing a unit to `work`.
Axes    S sales.

A unit is one run of one agent on one problem, the bound of a problem, or the tuning of a rule. It is done when its
`figures.json` exists, which is written last.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from flashsale_env.experiments.benchmark.settings import NO_BOUND, Benchmark, Problem, Row, slug

AGENTS, BOUND, TUNED = "agents", "bound", "tuned"  # folders of a problem
FIGURES, SALE_VALUES, TRAINING = "figures.json", "sales.safetensors", "training"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Unit:
    """One run of one agent on one problem; without an agent, the tuning of a rule or the bound of the problem.

    Args:
        problem: it belongs to.
        row: the agent, or None.
        seed: of the run.
        sales: test sales.
        tunes: the rule that is tuned, or "".
    """

    problem: Problem
    row: Row | None
    seed: int
    sales: int
    tunes: str = ""

    @property
    def title(self) -> str:
        """As the progress bar shows it."""
        if self.tunes:
            return f"{self.problem.name}: tuning {self.tunes}"
        if self.row is None:
            return f"{self.problem.name}: bound"
        return f"{self.problem.name}: {self.row.label}" + (f", run {self.seed}" if self.row.learns else "")

    def folder(self, out: Path) -> Path:
        """Of its results."""
        home = out / self.problem.slug
        if self.tunes:
            return home / TUNED / slug(self.tunes)
        return home / BOUND if self.row is None else home / AGENTS / slug(self.row.label) / f"run-{self.seed}"


def units_of(benchmark: Benchmark) -> Iterator[Unit]:
    """All units; inside a problem the tuning of rules first, then rules, learners and the bound."""
    for problem in benchmark.problems:
        sales = benchmark.sales_of(problem)
        for rule in problem.tuned_first():
            yield Unit(problem, None, 0, sales, tunes=rule)
        for row in sorted(problem.agents, key=lambda row: row.learns):
            for seed in benchmark.seeds_of(row):
                yield Unit(problem, row, seed, sales)
        if problem.bound != NO_BOUND:
            yield Unit(problem, None, 0, sales)


def read_figures(folder: Path) -> dict[str, Any]:
    """Content of `figures.json`.

    Raises:
        ValueError: it is not valid JSON.
    """
    path = folder / FIGURES
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}. Remove it and run the same command again.") from None
    return content


def read_values(folder: Path, sales: int) -> Floats:
    """(S,) value of each sale.

    Raises:
        ValueError: the file is damaged, or holds another number of sales.
    """
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

"""Open-loop schedules: every decision fixed before the sale, and the search for the best ones.

Owns    the family of schedules of a scenario, and the search by CMA-ES (Hansen 2016, arXiv:1604.00772) over common
        sales.
Axes    T ticks, C columns of a box action, X free numbers of a schedule, S sales.
Units   a free number lies in [0, 1]: 0 is the first level of a decision, 1 the last one; profit in currency.

A schedule reacts to nothing, so what it earns is a floor for what a decision is worth, and a search over schedules
finds rules of the market that pay without a reason.
"""

import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import optuna

from flashsale_env import Population, Scenario, Simulator
from flashsale_env.agents import split_seeds
from flashsale_env.errors import unknown_name
from flashsale_env.scenario import METRICS
from flashsale_env.spaces.decisions import Row, decision_rows

Floats = npt.NDArray[np.float64]

_PROFIT = list(METRICS).index("profit")
# The best of many trials on few sales were lucky, too: so many of them are compared again on more sales.
_FINALISTS, _FINAL_SALES = 12, 8
# First standard deviation of the search, as a share of a decision's range.
_FIRST_STEP = 0.25


@dataclass(frozen=True)
class Family:
    """The schedules of a scenario: steps in time for every decision.

    Args:
        scenario: the sale.
        phases: steps of equal length.
        held: decisions kept at their first level.
        constant: whether all decisions keep one level over the whole sale.
        by_row: whether every row of a decision, e.g. each product, has numbers of its own.

    Raises:
        ValueError: a decision that the scenario does not have, nothing left to decide, or too many phases.
    """

    scenario: Scenario
    phases: int = 4
    held: tuple[str, ...] = ()
    constant: bool = False
    by_row: bool = False

    def __post_init__(self) -> None:
        known = [row.decision for row in self._rows]
        for name in self.held:
            if name not in known:
                raise ValueError(unknown_name(f"decision of scenario {self.scenario.name!r}", name, set(known)))
        if not 1 <= self.phases <= self.scenario.horizon_ticks:
            raise ValueError(
                f"a schedule of {self.scenario.horizon_ticks} ticks has 1 to as many phases, got {self.phases}."
            )
        if not self.names:
            raise ValueError(
                f"without {', '.join(self.held)} scenario {self.scenario.name!r} leaves nothing to decide."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The X free numbers, e.g. "price, phase 2 of 4"."""
        steps = [""] if self.constant else [f", phase {k + 1} of {self.phases}" for k in range(self.phases)]
        return tuple(f"{kind}{step}" for kind in self._kinds for step in steps)

    @property
    def _rows(self) -> list[Row]:
        return [row for row in decision_rows(self.scenario) if row.column >= 0]

    @property
    def _kinds(self) -> list[str]:
        """What has numbers of its own: decisions, or their rows."""
        free = [row for row in self._rows if row.decision not in self.held]
        return list(dict.fromkeys(row.name if self.by_row else row.decision for row in free))

    def actions(self, numbers: npt.ArrayLike) -> Floats:
        """(X,) free numbers -> (T, C) box actions.

        >>> from flashsale_env import load_scenario
        >>> Family(load_scenario("gvr-periodic"), phases=2).actions([0.0, 1.0])[[0, -1], 0].tolist()
        [-1.0, 1.0]
        """
        values = np.asarray(numbers, np.float64).reshape(len(self._kinds), -1)
        ticks = self.scenario.horizon_ticks
        step = np.arange(ticks) * values.shape[1] // ticks
        out = np.full((ticks, len(self._rows)), -1.0)
        for column, row in enumerate(self._rows):
            if row.decision not in self.held:
                kind = self._kinds.index(row.name if self.by_row else row.decision)
                out[:, column] = 2.0 * values[kind, step] - 1.0
        return out


class Stage:
    """A batch of sales on which schedules are played, the same customers for all.

    Args:
        scenario: the sale.
        population: its customers; the scenario's own by default.
        seeds: (S,) of the sales.
    """

    def __init__(self, scenario: Scenario, population: Population | None, seeds: npt.NDArray[np.uint64]) -> None:
        self._simulator = Simulator(scenario, population, sales=len(seeds))
        self._seeds = seeds

    def metrics(self, actions: Floats) -> dict[str, Floats]:
        """Play (T, C) box actions in all sales; name -> (S,) for every metric."""
        sales = len(self._seeds)
        self._simulator.open(self._seeds, np.zeros(sales, np.int64))
        for action in actions:
            self._simulator.advance(np.broadcast_to(action, (sales, len(action))))
        return dict(zip(METRICS, self._simulator.measure().T, strict=True))

    def profit(self, actions: Floats) -> Floats:
        """(S,) profit of (T, C) box actions, currency."""
        return self.metrics(actions)["profit"]


@dataclass(frozen=True)
class Effort:
    """How long a search is.

    Args:
        trials: schedules tried.
        sales: validation sales that each is tried on; the best are compared on eight times as many.
        seed: of the search.
    """

    trials: int = 400
    sales: int = 256
    seed: int = 0


def best_schedule(
    family: Family,
    population: Population | None = None,
    *,
    effort: Effort = Effort(),
    start: Collection[npt.ArrayLike] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Floats:
    """The free numbers (X,) of the schedule with the highest mean profit on validation sales.

    Args:
        family: the schedules.
        population: the customers; the scenario's own by default.
        effort: how many trials on how many sales.
        start: schedules tried first; besides, the constant ones at the first, a middle and the last level.
        progress: called with the trials done and in all.
    """
    stage = Stage(family.scenario, population, split_seeds("validation", effort.seed, effort.sales))
    size = len(family.names)
    first = [np.asarray(numbers, np.float64) for numbers in start]
    first += [np.full(size, level) for level in (0.5, 0.0, 0.25, 0.75, 1.0)]
    tried: list[tuple[float, Floats]] = []

    def value(numbers: Floats) -> float:
        tried.append((float(stage.profit(family.actions(numbers)).mean()), numbers))
        if progress is not None:
            progress(len(tried), effort.trials)
        return tried[-1][0]

    for numbers in first[: effort.trials]:
        value(numbers)
    if len(tried) < effort.trials:
        _search(family.names, value, max(tried, key=lambda entry: entry[0])[1], effort.trials - len(tried), effort.seed)
    finalists = [numbers for _, numbers in sorted(tried, key=lambda entry: -entry[0])[:_FINALISTS]]
    longer = Stage(
        family.scenario,
        population,
        split_seeds("validation", effort.seed, (1 + _FINAL_SALES) * effort.sales)[effort.sales :],
    )
    return max(finalists, key=lambda numbers: float(longer.profit(family.actions(numbers)).mean()))


def _search(names: tuple[str, ...], value: Callable[[Floats], float], start: Floats, trials: int, seed: int) -> None:
    """Call `value` with more points, by CMA-ES around the start; a single number is searched by a Parzen estimator."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna warns that its CMA-ES is experimental
            sampler: optuna.samplers.BaseSampler = optuna.samplers.TPESampler(seed=seed)
            if len(names) > 1:
                around = dict(zip(names, start.tolist(), strict=True))
                sampler = optuna.samplers.CmaEsSampler(x0=around, sigma0=_FIRST_STEP, n_startup_trials=0, seed=seed)
            study = optuna.create_study(direction="maximize", sampler=sampler)
            # From a first trial the sampler learns which numbers there are.
            study.enqueue_trial(dict(zip(names, start.tolist(), strict=True)))
            study.optimize(
                lambda trial: value(np.array([trial.suggest_float(name, 0.0, 1.0) for name in names])), n_trials=trials
            )
    finally:
        optuna.logging.set_verbosity(verbosity)

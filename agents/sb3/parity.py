"""A limit on the gap between groups of customers: a Lagrangian penalty whose multiplier is learnt beside the policy.

Owns    the limit, the gap over a batch of sales, what each tick is charged, and the multiplier.
Leaves  who is in which group, and the counts, to `flashsale_env.market.fairness`.
Axes    N sales at once, I groups of which some are in use.
Units   the gap in those of the outcome, the charge in currency; the multiplier is a share of a sale's reward per gap of
        the size of the mean outcome.

The learner maximises E[reward] subject to gap <= most, as the saddle point of

    E[reward] - m·c·(gap - most),  m >= 0,  c = |mean reward of a sale| / mean outcome, both of the first batch,

by gradient ascent on the policy, and after every batch by a step of the multiplier along the excess. An outcome of
a group is a ratio of expectations, R = E[part]/E[whole], so the gradient of the gap is that of

    E[psi of the highest group] - E[psi of the lowest],  psi = (part - R·whole)/E[whole],

with R and E[whole] of the last batch held fixed. It adds up over the ticks of a sale, and each tick is charged for what
happens in it.

Source: Altman (1999), Constrained Markov Decision Processes, chapter 3, for the saddle point; Stooke, Achiam & Abbeel
(2020), Responsive Safety in Reinforcement Learning by PID Lagrangian Methods, arXiv:2007.03964, for the damping.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import Population, Scenario
from flashsale_env.errors import unknown_name
from flashsale_env.market.fairness import OUTCOMES
from flashsale_env.tables import check_fields

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parity:
    """A limit on the gap of one outcome, the highest of any group less the lowest.

    Args:
        most: the widest gap that is allowed, in the unit of the outcome.
        outcome: one of `flashsale_env.market.fairness.OUTCOMES`.
        groups: those that are compared; () for all that have customers.
        step: of the multiplier after each batch, per excess of the size of the mean outcome.
        damping: what the excess of the last batch adds to the multiplier, by the same measure. Without it, policy and
            multiplier chase each other around the limit.

    Raises:
        ValueError: an unknown outcome, a number out of range, or a single group.
    """

    most: float
    outcome: str = "relative_price"
    groups: tuple[str, ...] = ()
    step: float = 0.02
    damping: float = 0.5

    def __post_init__(self) -> None:
        check_fields(self, "parity: ")
        if self.outcome not in OUTCOMES:
            raise ValueError(f"parity: {unknown_name('outcome', self.outcome, OUTCOMES)}")
        if not self.most >= 0 or not self.step > 0 or not self.damping >= 0:
            raise ValueError(
                f"parity: want a limit of at least 0, a step above 0 and a damping of at least 0, got {self.most:g}, "
                f"{self.step:g} and {self.damping:g}."
            )
        if len(set(self.groups)) == 1:
            raise ValueError(f"parity: a gap is between two groups or more, got {self.groups[0]!r} alone.")

    def among(self, scenario: Scenario, population: Population) -> tuple[int, ...]:
        """Numbers of the groups that are compared.

        Raises:
            ValueError: the scenario counts nobody by group, or has no such group.
        """
        if scenario.fairness is None:
            raise ValueError(
                f"scenario {scenario.name!r} counts nobody by group: a limit on a gap needs [fairness], e.g. "
                f"scenario.replace(fairness=Fairness())."
            )
        names = scenario.fairness.groups(population)
        for name in self.groups:
            if name not in names:
                raise ValueError(f"parity: {unknown_name(f'group by {scenario.fairness.by}', name, names)}")
        return tuple(names.index(name) for name in self.groups or names)

    def outcomes(self, counts: Any, among: tuple[int, ...]) -> Floats:
        """(I,) the outcome of each group over all sales; NaN for those left out or without any.

        Args:
            counts: (N, I) arrays by name: a mapping, or the record `sales["fairness"]`.
            among: numbers of the groups, see `among`.
        """
        part, whole = (np.asarray(numbers, np.float64).sum(axis=0) for numbers in OUTCOMES[self.outcome].of(counts))
        found = np.full(len(whole), np.nan)
        for g in among:
            if whole[g] > 0:
                found[g] = part[g] / whole[g]
        return found


def gap_of(outcomes: Floats) -> float:
    """The highest outcome less the lowest, those that are NaN left out; 0 if fewer than two are left."""
    seen = outcomes[~np.isnan(outcomes)]
    return float(np.ptp(seen)) if len(seen) > 1 else 0.0


class Multiplier:
    """The multiplier of a limit, and what it charges.

    Args:
        parity: the limit.
        scenario, population: of the training.

    Attributes:
        value: the multiplier.
    """

    def __init__(self, parity: Parity, scenario: Scenario, population: Population) -> None:
        self.parity, self.among = parity, parity.among(scenario, population)
        self.value, self._sum = 0.0, 0.0
        # Of the first batch, reward of a sale and mean outcome; of the last batch, R and E[whole] of both groups.
        self._scale: list[float] | None = None
        self._high: list[float] | None = None
        self._low: list[float] | None = None
        self._charged: Floats | float = 0.0

    def charge(self, sales: npt.NDArray[np.void], closed: bool) -> Floats:
        """(N,) what a tick adds to the rewards, currency; after the last one the multiplier takes its step."""
        found = np.zeros(len(sales))
        if self._scale is not None and self._high is not None and self._low is not None:
            per_gap = self.value * self._scale[0] / self._scale[1]
            so_far = -per_gap * (self._psi(sales, self._high) - self._psi(sales, self._low))
            found, self._charged = so_far - self._charged, so_far
        if closed:
            self._charged = 0.0
            self._step(sales)
        return found

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds, as JSON."""
        return {"value": self.value, "sum": self._sum, "scale": self._scale, "high": self._high, "low": self._low}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.value, self._sum, self._scale = state["value"], state["sum"], state["scale"]
        self._high, self._low = state["high"], state["low"]

    def _psi(self, sales: npt.NDArray[np.void], of_group: list[float]) -> Floats:
        group, outcome, expected = int(of_group[0]), of_group[1], of_group[2]
        part, whole = (np.asarray(numbers)[:, group] for numbers in OUTCOMES[self.parity.outcome].of(sales["fairness"]))
        return np.asarray((part - outcome * whole) / expected)

    def _step(self, sales: npt.NDArray[np.void]) -> None:
        """Dual ascent, by a batch of closed sales."""
        outcomes = self.parity.outcomes(sales["fairness"], self.among)
        whole = np.asarray(OUTCOMES[self.parity.outcome].of(sales["fairness"])[1], np.float64).mean(axis=0)
        if np.isnan(outcomes).all():
            return
        mean = float(np.nansum(outcomes * whole) / whole[~np.isnan(outcomes)].sum())
        if self._scale is None:
            reward = float(sales["money"].sum(axis=1).mean())
            # A batch without money or outcome has no scale; those of a unit are as good.
            self._scale = [abs(reward) or 1.0, abs(mean) or 1.0]
        excess = (gap_of(outcomes) - self.parity.most) / self._scale[1]
        self._sum = max(0.0, self._sum + self.parity.step * excess)
        self.value = max(0.0, self._sum + self.parity.damping * excess)
        high, low = int(np.nanargmax(outcomes)), int(np.nanargmin(outcomes))
        self._high = [float(high), float(outcomes[high]), float(whole[high])]
        self._low = [float(low), float(outcomes[low]), float(whole[low])]


def as_json(parity: Parity | None) -> dict[str, Any] | None:
    """The limit as JSON; None for none."""
    return None if parity is None else {**dataclasses.asdict(parity), "groups": list(parity.groups)}

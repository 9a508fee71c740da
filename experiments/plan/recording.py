"""The decisions of an agent on test sales, tick by tick, and the sale that is most like the others.

Owns    the record of decisions.
Leaves  playing to `agents.play`, the values of an action to `spaces.actions`.
Axes    S sales, T ticks, C decisions that are open, M products.
Units   a price in currency, an order in units, a coupon as a share; stock in units.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import ActionCodec, Population, Scenario
from flashsale_env.agents.play import SaleTable, play
from flashsale_env.agents.protocol import CheckedPolicy, as_policy
from flashsale_env.spaces.decisions import Row, decision_rows
from flashsale_env.spaces.units import UnitReader

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Record:
    """What was decided.

    Args:
        rows: the C decisions.
        values: (S, T, C).
        on_hand: (S, T, M) units free to sell when it was decided; None where the scenario does not show them.
        table: the metrics of the sales.
    """

    rows: tuple[Row, ...]
    values: Floats
    on_hand: npt.NDArray[np.int64] | None
    table: SaleTable

    @property
    def typical(self) -> int:
        """The sale whose decisions and stock differ least from the medians of all sales, each in its own range."""
        parts = [self.values] if self.on_hand is None else [self.values, self.on_hand.astype(np.float64)]
        away = np.zeros(len(self.values))
        for part in parts:
            spread = np.maximum(np.ptp(part, axis=(0, 1)), 1e-12)
            away += (np.abs(part - np.median(part, axis=0)) / spread).mean(axis=(1, 2))
        return int(away.argmin())


def open_rows(scenario: Scenario) -> tuple[Row, ...]:
    """The decisions that are part of an action, in the order of its columns."""
    return tuple(row for row in decision_rows(scenario) if row.column >= 0)


class _Recorder:
    """A policy that keeps what it decides and how many units it saw."""

    def __init__(self, policy: CheckedPolicy, scenario: Scenario) -> None:
        self._policy, self.encoding = policy, policy.encoding
        self._codec, self._reader = ActionCodec(scenario, policy.encoding), UnitReader(scenario)
        self.values: list[Floats] = []
        self.on_hand: list[npt.NDArray[np.int64]] = []

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[npt.NDArray[Any], Any]:
        """As the policy."""
        actions, state = self._policy.predict(observation, state, episode_start, deterministic)
        self.values.append(self._codec.to_values(actions))
        if "on_hand" in self._reader:
            self.on_hand.append(self._reader.on_hand(observation))
        return actions, state


def record(
    agent: Any,
    scenario: Scenario,
    population: Population,
    seeds: npt.NDArray[np.uint64],
    progress: Callable[[int, int], None] | None = None,
) -> Record:
    """Play a sale for each of the S seeds."""
    recorder = _Recorder(as_policy(agent, scenario), scenario)
    table = play(recorder, scenario, population, seeds=seeds, progress=progress)

    def by_sale(ticks: list[Any]) -> Any:
        horizon = scenario.horizon_ticks
        batches = [np.stack(ticks[k : k + horizon], axis=1) for k in range(0, len(ticks), horizon)]
        return np.concatenate(batches)[: len(seeds)]

    on_hand = by_sale(recorder.on_hand) if recorder.on_hand else None
    return Record(open_rows(scenario), by_sale(recorder.values), on_hand, table)

"""Why an agent decides as it does: the part of each group of observations in its decision.

Owns    Shapley values of the groups of the observation, against what the agent sees at this moment in other sales.
Leaves  decisions to `decisions`.
Axes    G groups, K kinds of decisions, B sales of the background, D numbers of an observation.
Units   those of `Translation.by_kind`.

The parts sum to the decision less the mean decision for the background, whatever the sampling: every order of the
groups leads from an observation of another sale to this one. Orders are drawn from a seed of the session's.

Source:
    Shapley values by sampling orders: Castro, Gómez & Tejada (2009), doi 10.1016/j.cor.2008.04.004; groups of features
    against a background: Lundberg & Lee (2017), arXiv:1705.07874.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import Layout, Population, Scenario, Simulator
from flashsale_env.agents.protocol import Policy
from flashsale_env.agents.seeding import validation_seeds
from flashsale_env.experiments.live.decisions import Translation

Floats = npt.NDArray[np.float64]

BACKGROUND = 16  # sales that the decision is compared with


@dataclass(frozen=True)
class Reasons:
    """One decision, taken apart.

    Args:
        kinds: the kinds of decisions.
        groups: features of the observation.
        decided: (K,) the decision.
        usual: (K,) the mean decision at this moment in other sales.
        parts: (G, K) what each group adds; `usual` and the parts sum to `decided`.
    """

    kinds: tuple[str, ...]
    groups: tuple[str, ...]
    decided: Floats
    usual: Floats
    parts: Floats

    def strongest(self, kind: str, most: int = 4) -> list[tuple[str, float]]:
        """The groups that move this kind of decision most, and by how much."""
        column = self.parts[:, self.kinds.index(kind)]
        order = np.argsort(-np.abs(column), kind="stable")[:most]
        return [(self.groups[i], float(column[i])) for i in order if column[i] != 0]


class Explainer:
    """Takes the decisions of an agent without memory apart.

    Args:
        policy: the agent.
        scenario, population: of the sales.
        seed: of the orders that are drawn.
    """

    def __init__(self, policy: Policy, scenario: Scenario, population: Population, seed: int = 0) -> None:
        self._policy, self._translation = policy, Translation(scenario, policy.encoding)
        layout = Layout(scenario)
        self.groups = tuple(layout)
        self._slices = [layout[name] for name in self.groups]
        self._rng = np.random.default_rng(seed)
        self._seen, self.remembers = self._background(scenario, population)

    def _background(self, scenario: Scenario, population: Population) -> tuple[npt.NDArray[np.float32], bool]:
        """(T, B, D) what the agent sees in other sales, and whether it carries a state from tick to tick."""
        simulator = Simulator(scenario, population, sales=BACKGROUND, actions=self._policy.encoding, threads=1)
        observation = simulator.open(validation_seeds(BACKGROUND), np.zeros(BACKGROUND, np.int64))
        seen, state = [], None
        for tick in range(scenario.horizon_ticks):
            seen.append(observation)
            actions, state = self._policy.predict(observation, state, np.full(BACKGROUND, tick == 0), True)
            observation, _, _ = simulator.advance(actions)
        return np.stack(seen), state is not None

    def explain(self, observation: npt.NDArray[np.float32], tick: int) -> Reasons | None:
        """The decision for this observation (D,) taken apart; None for an agent with a memory."""
        if self.remembers:
            return None
        background = self._seen[tick]
        steps: list[npt.NDArray[np.float32]] = []
        orders = [self._rng.permutation(len(self.groups)) for _ in background]
        for row, order in zip(background, orders, strict=True):
            steps += self._walk(row, observation, order)
        decided = self._decide(np.stack(steps)).reshape(len(background), len(self.groups) + 1, -1)
        parts = np.zeros((len(self.groups), decided.shape[2]))
        for path, order in zip(decided, orders, strict=True):
            parts[order] += np.diff(path, axis=0)
        parts /= len(background)
        return Reasons(self._translation.kinds, self.groups, decided[0, -1], decided[:, 0].mean(axis=0), parts)

    def _walk(
        self, start: npt.NDArray[np.float32], end: npt.NDArray[np.float32], order: Sequence[int] | npt.NDArray[Any]
    ) -> list[npt.NDArray[np.float32]]:
        """From one observation to another, group by group."""
        current = start.copy()
        steps = [current.copy()]
        for group in order:
            current[self._slices[group]] = end[self._slices[group]]
            steps.append(current.copy())
        return steps

    def _decide(self, observations: npt.NDArray[np.float32]) -> Floats:
        start = np.zeros(len(observations), np.bool_)
        actions, _ = self._policy.predict(observations, None, start, True)
        return self._translation.by_kind(self._translation.to_box(actions))

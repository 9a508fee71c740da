"""The other policy, asked in every state of the log.

Owns    what it would do there, the probability that it would have done what was logged, and the mean of features over
        its actions.
Axes    S sales, T ticks, C decisions.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import ActionCodec
from flashsale_env.agents.protocol import as_policy
from flashsale_env.experiments.offline import exploration
from flashsale_env.experiments.offline.logs import Log

Floats = npt.NDArray[np.float64]
Levels = npt.NDArray[np.int64]

# With more actions, means over a policy that explores are taken over this many draws.
_MOST_ACTIONS, _DRAWS = 128, 16


@dataclass(frozen=True, eq=False)
class Target:
    """The other policy on a log.

    Args:
        greedy: (S, T, C) levels that it prefers.
        explore: probability with which it redraws a decision.
        n_levels: (C,).
    """

    greedy: Levels
    explore: float
    n_levels: Levels

    def ratios(self, log: Log) -> Floats:
        """(S, T) its probability of each logged action, over the logged propensity."""
        own = exploration.propensity(log.levels, self.greedy, self.n_levels, self.explore)
        return np.asarray(own / log.propensities)

    def mean_of(self, features: Callable[[Levels], Floats], tick: int) -> Floats:
        """(S, P) mean over its actions at a tick of what `features` makes of levels (S, C)."""
        greedy = self.greedy[:, tick]
        if self.explore == 0:
            return features(greedy)
        if math.prod(self.n_levels.tolist()) <= _MOST_ACTIONS:
            actions = np.array(list(itertools.product(*map(range, self.n_levels))), np.int64)
            total: Any = 0.0
            for action in actions:
                levels = np.broadcast_to(action, greedy.shape)
                share = exploration.propensity(levels, greedy, self.n_levels, self.explore)
                total = total + share[:, None] * features(levels)
            return np.asarray(total)
        rng = np.random.default_rng(tick)
        draws = (exploration.draw(greedy, self.n_levels, self.explore, rng) for _ in range(_DRAWS))
        return np.asarray(sum(features(levels) for levels in draws) / _DRAWS)


def on_log(agent: Any, log: Log, explore: float) -> Target:
    """Ask a policy in every state of a log, sale by sale in the order of ticks, so that it may have a memory.

    Raises:
        ValueError: the policy does not fit the scenario of the log.
    """
    policy = as_policy(agent, log.scenario)
    codec = ActionCodec(log.scenario, policy.encoding)
    state, found = None, []
    for tick in range(log.rewards.shape[1]):
        start = np.full(log.sales, tick == 0)
        actions, state = policy.predict(log.observations[:, tick], state, start, True)
        found.append(codec.to_levels(actions))
    return Target(np.stack(found, axis=1), explore, log.n_levels)

"""Exploration with known propensities: each decision is redrawn with a small probability.

Owns    the distribution of the actions of a policy that explores, as drawn and as a probability.
Axes    N sales, C decisions of an action.

In each tick and for each decision, the policy's level is played with probability 1 - e, and one drawn uniformly from
all levels with probability e. The decisions are drawn independently, so the propensity of an action is a product:

    mu(a | s) = prod over c of (1 - e)·[a_c = g_c(s)] + e / n_c
"""

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def by_decision(levels: Levels, greedy: Levels, n_levels: Levels, explore: float) -> Floats:
    """(..., C) probability of the level of each decision, given the policy's own levels `greedy`."""
    return np.asarray((1.0 - explore) * (levels == greedy) + explore / n_levels)


def propensity(levels: Levels, greedy: Levels, n_levels: Levels, explore: float) -> Floats:
    """(...,) probability of each whole action."""
    return np.asarray(by_decision(levels, greedy, n_levels, explore).prod(axis=-1))


def draw(greedy: Levels, n_levels: Levels, explore: float, rng: np.random.Generator) -> Levels:
    """(N, C) levels that are played."""
    redrawn = rng.random(greedy.shape) < explore
    return np.where(redrawn, rng.integers(n_levels, size=greedy.shape), greedy)

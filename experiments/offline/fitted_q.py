"""Fitted Q evaluation: the values of another policy by regression, from the last tick back to the first.

    Q_t(s, a) = features(s, a)·beta_t,   beta_t fitted to   r_t + V_{t+1}(s_{t+1}),   V_t(s) = mean of Q_t(s, a) over pi

Owns    the recursion, its interval, and the weights that it implies.
Leaves  the features to `features`.
Axes    S sales, T ticks, P features.

The interval covers the noise of the sales and not the error of a model whose features cannot express the values; the
doubly robust estimate corrects that error. For a linear model the estimate is also a weighted mean of the rewards, and
the effective number of sales behind these weights tells whether the log covers the policy.

Source:
    Le, Voloshin & Yue (2019), Batch policy learning under constraints, ICML; the weights and the variance of the linear
    case: Duan, Jia & Wang (2020), Minimax-optimal off-policy evaluation with linear function approximation, ICML.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashsale_env.experiments.offline.overlap import effective
from flashsale_env.experiments.offline.snips import around
from flashsale_env.intervals import Interval

Floats = npt.NDArray[np.float64]

# Of the mean diagonal of the features' second moments: only for features that are combinations of others.
_RIDGE = 1e-6
# Largest share of a policy's features that may lie outside those of the log.
_UNSEEN = 0.01


@dataclass(frozen=True, eq=False)
class FittedQ:
    """A fitted model.

    Args:
        coefficients: (P,) of each tick.
        moments: (P, P) inverse second moments of the features of each tick.
        ridges: added to their diagonal, for each tick.
    """

    coefficients: Sequence[Floats]
    moments: Sequence[Floats]
    ridges: Sequence[float]

    def values(self, features: Sequence[Floats]) -> Floats:
        """(S, T) values, given the features (S, P) of each tick."""
        return np.stack([x @ beta for x, beta in zip(features, self.coefficients, strict=True)], axis=1)


def fit(rewards: Floats, logged: Sequence[Floats], expected: Sequence[Floats]) -> FittedQ:
    """Fit the values of a policy.

    Args:
        rewards: (S, T).
        logged: features (S, P) of the logged action, for each tick.
        expected: mean features (S, P) over the policy's actions, for each tick.
    """
    ticks = rewards.shape[1]
    coefficients: list[Floats] = []
    moments: list[Floats] = []
    ridges: list[float] = []
    later = np.zeros(len(rewards))
    for t in reversed(range(ticks)):
        x = logged[t]
        second = x.T @ x / len(x)
        ridges.append(_RIDGE * float(np.trace(second)) / len(second))
        second[np.diag_indices_from(second)] += ridges[-1]
        inverse: Floats = np.asarray(np.linalg.inv(second), np.float64)
        beta = inverse @ (x.T @ (rewards[:, t] + later)) / len(x)
        later = expected[t] @ beta
        coefficients.append(beta)
        moments.append(inverse)
    return FittedQ(coefficients[::-1], moments[::-1], ridges[::-1])


def fitted_q(
    model: FittedQ, rewards: Floats, logged: Sequence[Floats], expected: Sequence[Floats]
) -> tuple[Interval, float]:
    """The value of the policy with its 95 % interval over sales, and the effective number of sales behind it.

    Args:
        model: fitted to the same data.
        rewards, logged, expected: as for `fit`.
    """
    q, v = model.values(logged), model.values(expected)
    value = float(v[:, 0].mean())
    influence = v[:, 0] - value
    least = float("inf")
    direction = expected[0].mean(axis=0)  # mean features that the policy meets at this tick
    for t in range(rewards.shape[1]):
        solved = model.moments[t] @ direction
        if model.ridges[t] * np.linalg.norm(solved) > _UNSEEN * np.linalg.norm(direction):
            least = 0.0  # the ridge alone decides: the policy meets features that the log does not hold
        weights = logged[t] @ solved
        later = v[:, t + 1] if t + 1 < rewards.shape[1] else 0.0
        influence = influence + weights * (rewards[:, t] + later - q[:, t])
        least = min(least, effective(weights))
        if t + 1 < rewards.shape[1]:
            direction = (weights[:, None] * expected[t + 1]).mean(axis=0)
    return around(value, influence), least

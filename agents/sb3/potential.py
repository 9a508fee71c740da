"""Potential-based reward shaping: r + gamma·F(s') - F(s), with F the value function of a heuristic.

Owns    the potential F, an estimate of the heuristic's reward from an observation to the close.
Axes    N sales, T ticks, D numbers of an observation.
Units   scaled rewards, as the learner sees them.

A tick is a small part of a sale, so a price changes the value of a state by a thousandth of that value. A network that
learns values spends its capacity on the value itself and on the luck of one sale (Tallec et al. 2019, Making Deep
Q-learning Methods Robust to Time Discretization, arXiv:1901.09732). Shaping with F = 0 after the close leaves the
optimal policy as it is (Ng, Harada & Russell 1999). With F close to the value, what is left to learn is the effect of
the actions.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from threadpoolctl import ThreadpoolController

from flashsale_env.agents.base import Agent
from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv

Floats = npt.NDArray[np.float64]

_HIGHEST_DEGREE = 4
_MOST_TERMS = 500
_PENALTY = 1.0
# Approximate number of observations in the regression; longer sales are thinned to every k-th tick.
_ROWS = 131_072


class Potential:
    """A heuristic's discounted reward from an observation to the close, by regression on sales that it plays.

    Args:
        heuristic: plays the sales.
        sales: a batch over the scenario with the learner's scale of rewards; its next N sales are played.
        gamma: discount factor of a tick.
    """

    def __init__(self, heuristic: Agent, sales: FlashSaleVecEnv, gamma: float) -> None:
        shown: Any = sales.reset()
        state, start = None, np.ones(sales.num_envs, np.bool_)
        observations, rewards = [], []
        for _ in range(sales.scenario.horizon_ticks):
            observations.append(shown)
            actions, state = heuristic.predict(shown, state, start, deterministic=True)
            shown, earned, _, _ = sales.step(actions)
            rewards.append(earned.astype(np.float64))
            start = np.zeros(sales.num_envs, np.bool_)
        to_come = np.zeros(sales.num_envs)
        values: list[Floats] = []
        for earned in reversed(rewards):
            to_come = earned + gamma * to_come
            values.append(to_come)
        # One thread: the split of a matrix product among threads changes its last bits.
        every = -(-len(rewards) * sales.num_envs // _ROWS)
        self._libraries = ThreadpoolController()
        with self._libraries.limit(limits=1):
            self._model = _polynomial(shown.shape[1]).fit(
                np.concatenate(observations[::every]).astype(np.float64), np.concatenate(values[::-1][::every])
            )

    def __call__(self, observations: npt.NDArray[np.float32]) -> Floats:
        """(N, D) -> (N,)."""
        with self._libraries.limit(limits=1):
            return np.asarray(self._model.predict(observations.astype(np.float64)))


def _polynomial(size: int) -> Pipeline:
    """A ridge regression on polynomials of `size` numbers, of the highest degree with few enough terms."""
    degree = max(d for d in range(1, _HIGHEST_DEGREE + 1) if d == 1 or math.comb(size + d, d) <= _MOST_TERMS)
    terms = PolynomialFeatures(degree, include_bias=False)
    return make_pipeline(StandardScaler(), terms, StandardScaler(), Ridge(_PENALTY))

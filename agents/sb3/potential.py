"""Rewards told as progress: what a transition earned, plus what it left, less what there was before.

Owns    the potential, an estimate of what a heuristic would still earn from an observation on.
Axes    N sales, T ticks, D numbers of an observation.
Units   scaled rewards, as the learner sees them.

A tick is a small part of a sale. What a price does to the value of a state is then a thousandth of that value, and a
network that learns values spends itself on the value and on the luck of one sale (Tallec et al. 2019, Making Deep
Q-learning Methods Robust to Time Discretization, arXiv:1901.09732). With rewards r + gamma·F(s') - F(s), F being 0
after the close, the best policy is the same (Ng, Harada & Russell 1999), and when F is near the value what is left to
learn is what actions change.
"""

import math

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
# Observations of the regression, about; of longer sales every few ticks.
_ROWS = 131_072


class Potential:
    """What a heuristic earns from an observation to the close, by regression on sales that it plays.

    Args:
        heuristic: who plays.
        sales: a batch over the scenario with the learner's scale of rewards; N sales of it are played from its next
            ones on.
        gamma: discount factor of a tick.
    """

    def __init__(self, heuristic: Agent, sales: FlashSaleVecEnv, gamma: float) -> None:
        shown, state, start = sales.reset(), None, np.ones(sales.num_envs, np.bool_)
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
        # One thread: how a product of matrices is shared among threads would change its last bits.
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
    """Of the highest degree that keeps the terms of `size` numbers few."""
    degree = max(d for d in range(1, _HIGHEST_DEGREE + 1) if d == 1 or math.comb(size + d, d) <= _MOST_TERMS)
    terms = PolynomialFeatures(degree, include_bias=False)
    return make_pipeline(StandardScaler(), terms, StandardScaler(), Ridge(_PENALTY))

"""Inverse propensity scoring, decision by decision.

The reward of tick t is weighted by the ratios of all decisions up to t:

    V = mean over sales of sum over t of w_t·r_t,   w_t = prod over k <= t of pi(a_k | s_k) / mu(a_k | s_k)

It is unbiased whatever the sale is like, and its variance grows with the horizon.

Source: Horvitz & Thompson (1952), JASA 47; by decision: Precup, Sutton & Singh (2000), ICML.
"""

import numpy as np
import numpy.typing as npt

from flashsale_env.experiments.intervals import mean_interval
from flashsale_env.intervals import Interval

Floats = npt.NDArray[np.float64]


def ips(rewards: Floats, ratios: Floats) -> Interval:
    """The value of the other policy and its 95 % interval over sales.

    Args:
        rewards: (S, T).
        ratios: (S, T) pi over mu of each tick's action.
    """
    return mean_interval((np.cumprod(ratios, axis=1) * rewards).sum(axis=1))

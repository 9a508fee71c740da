"""The doubly robust estimate, decision by decision.

A model of values Q takes the place of the rewards, and weighted rewards correct its errors:

    V = mean over sales of sum over t of w_{t-1}·V_t(s_t) + w_t·(r_t - Q_t(s_t, a_t)),   w_{-1} = 1

It is unbiased whatever the model, and the better the model, the smaller the variance. The model must not have seen the
sale whose values it gives, or its errors look smaller than they are: `running` fits one for each fold.

Source: Jiang & Li (2016), ICML; for one decision: Dudik, Langford & Li (2011), ICML.
"""

import numpy as np
import numpy.typing as npt

from flashsale_env.experiments.intervals import mean_interval
from flashsale_env.intervals import Interval

Floats = npt.NDArray[np.float64]


def doubly_robust(rewards: Floats, ratios: Floats, logged: Floats, expected: Floats) -> Interval:
    """The value of the other policy and its 95 % interval over sales.

    Args:
        rewards, ratios: as for `ips`.
        logged: (S, T) Q of the action that was logged.
        expected: (S, T) mean of Q over the other policy's actions.
    """
    weights = np.cumprod(ratios, axis=1)
    before = np.concatenate([np.ones((len(weights), 1)), weights[:, :-1]], axis=1)
    return mean_interval((before * expected + weights * (rewards - logged)).sum(axis=1))

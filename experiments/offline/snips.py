"""Self-normalised inverse propensity scoring, decision by decision.

The weights of each tick are divided by their mean over sales:

    V = sum over t of (sum over sales of w_t·r_t) / (sum over sales of w_t)

The estimate stays within the range of the rewards; its bias falls with the number of sales.

Source: Swaminathan & Joachims (2015), NeurIPS; the interval is the delta method's for a sum of ratios.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

from flashsale_env.intervals import CONFIDENCE, Interval

Floats = npt.NDArray[np.float64]


def snips(rewards: Floats, ratios: Floats) -> Interval:
    """The value of the other policy and its 95 % interval over sales; arguments as for `ips`."""
    weights = np.cumprod(ratios, axis=1)
    shares = weights / weights.mean(axis=0)
    by_tick = (shares * rewards).mean(axis=0)
    return around(float(by_tick.sum()), (shares * (rewards - by_tick)).sum(axis=1))


def around(value: float, influence: Floats) -> Interval:
    """The interval of an estimate, given the influence of each sale (S,), which has mean 0."""
    n = len(influence)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * influence.std(ddof=1) / np.sqrt(n))
    return Interval(value, value - half, value + half)

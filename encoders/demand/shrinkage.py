"""Empirical Bayes: estimates of many products drawn towards the mean of their category.

Owns    the variance between products, and the shrunk estimates.
Axes    J products.

An estimate is its true value plus an error of known variance; the true values vary around the category's mean, which is
weighted by sales. The variance between products follows from the spread of the estimates beyond their errors
(DerSimonian & Laird 1986, doi 10.1016/0197-2456(86)90046-2, with these weights); the shrunk value is the posterior mean
(Efron & Morris 1975, doi 10.1080/01621459.1975.10479864).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shrunk:
    """Estimates after shrinkage.

    Args:
        values: (J,).
        standard_errors: (J,) posterior standard deviations, with the uncertainty of the mean.
        mean: of the category, weighted.
        between_sd: standard deviation of the true values around it.
    """

    values: Floats
    standard_errors: Floats
    mean: float
    between_sd: float


def shrink(values: Floats, variance: Floats, weight: Floats) -> Shrunk:
    """Draw estimates towards their weighted mean, the more the less certain they are.

    Args:
        values: (J,) estimates.
        variance: (J,) of their errors, above 0.
        weight: (J,) 0 or more, not all 0.
    """
    w = weight / weight.sum()
    mean = float(w @ values)
    of_mean = float(w**2 @ variance)
    # E (value_j - mean)² = (1 - 2 w_j)(τ² + v_j) + Σ w²(τ² + v); solve its weighted sum for τ².
    spread = float(w @ (values - mean) ** 2)
    errors = float(w @ ((1 - 2 * w) * variance)) + of_mean
    per_unit = float(w @ (1 - 2 * w)) + float(w @ w)
    between = max(0.0, (spread - errors) / per_unit) if per_unit > 1e-12 else 0.0
    kept = between / (between + variance)
    shrunk = mean + kept * (values - mean)
    return Shrunk(shrunk, np.sqrt(kept * variance + (1 - kept) ** 2 * of_mean), mean, float(np.sqrt(between)))

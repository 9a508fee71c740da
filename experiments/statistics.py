"""Intervals on means over sales.

Owns    the 95 % interval of a mean, and of a paired difference on common customers.
Units   those of the values.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with the interval that covers the true one in `CONFIDENCE` of all repetitions."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the sign of the true mean is clear."""
        return self.low > 0 or self.high < 0


def mean_interval(values: npt.ArrayLike) -> Interval:
    """Student's interval on the mean of independent values.

    Args:
        values: (n,) one number a sale, n at least 2.

    Raises:
        ValueError: fewer than two values, or one that is not finite.

    >>> round(mean_interval([1.0, 2.0, 3.0]).high, 6)  # 2 + 4.302653·sqrt(1/3)
    4.484138
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or len(array) < 2:
        raise ValueError(f"an interval needs at least 2 values in one row, got shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"value {int((~np.isfinite(array)).argmax())} of {len(array)} is not finite.")
    mean = float(array.mean())
    if np.ptp(array) == 0:  # the interval of a constant is a point; Student's formula divides by its spread
        return Interval(mean, mean, mean)
    found = stats.ttest_1samp(array, 0.0).confidence_interval(CONFIDENCE)
    return Interval(mean, float(found.low), float(found.high))


def variance_ratio(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Variance of first - second over that of independent samples, var(first) + var(second): what pairing is worth.

    Its inverse says how many times as many sales of different customers would tell the difference as exactly. NaN
    where neither varies.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    independent = one.var(ddof=1) + other.var(ddof=1)
    return float((one - other).var(ddof=1) / independent) if independent > 0 else float("nan")


def paired_difference(first: npt.ArrayLike, second: npt.ArrayLike) -> Interval:
    """Interval on mean(first - second), sale by sale: both must have met the same customers in the same order.

    Raises:
        ValueError: different lengths, or what `mean_interval` refuses.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != other.shape:
        raise ValueError(f"a paired difference needs the same sales, got {one.shape} and {other.shape}.")
    return mean_interval(one - other)

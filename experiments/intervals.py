"""Intervals on means over sales and over training runs.

Owns    the 95 % interval of a mean, of a paired difference on common customers, of a mean over runs and sales, of a
        ratio of two such means, and of the interquartile mean over problems; the probability of improvement.
Axes    R training runs, S sales.
Units   those of the values.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from flashsale_env.intervals import CONFIDENCE, Interval


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


def crossed_interval(values: npt.ArrayLike) -> Interval:
    """Student's interval on the mean over training runs and sales, where every run has met the same sales.

    A value is mean + run + sale + rest, all independent, so that the mean over R runs and S sales has variance

        (A + B - E) / (R·S),  with the mean squares A between runs, B between sales, E of the rest,

    with the degrees of freedom of Satterthwaite. Runs are few: an interval over sales alone would say that five
    lucky seeds are a law, a bootstrap over five runs is too narrow. A component that is estimated below 0 counts as 0.

    Args:
        values: (R, S); one run has the interval over its sales.

    Raises:
        ValueError: the shape is another, there is but one sale, or a value is not finite.

    Source:
        Searle, Casella & McCulloch (1992), Variance Components, section 4.4; Satterthwaite (1946), Biometrics Bulletin
        2(6), doi 10.2307/3002019.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or min(array.shape) < 1:
        raise ValueError(f"an interval over runs and sales needs an array (runs, sales), got shape {array.shape}.")
    runs, sales = array.shape
    if runs == 1 or sales == 1:
        return mean_interval(array.ravel())
    if not np.isfinite(array).all():
        raise ValueError(f"value {tuple(map(int, np.argwhere(~np.isfinite(array))[0]))} (run, sale) is not finite.")
    mean, of_run, of_sale = float(array.mean()), array.mean(axis=1), array.mean(axis=0)
    rest = array - of_run[:, None] - of_sale + mean
    between_runs, between_sales = sales * of_run.var(ddof=1), runs * of_sale.var(ddof=1)
    within = (rest**2).sum() / ((runs - 1) * (sales - 1))
    taken_off = min(within, between_runs, between_sales)
    total = between_runs + between_sales - taken_off
    # What is left of a constant is rounding.
    if total <= (np.finfo(np.float64).eps * max(1.0, abs(mean))) ** 2 * array.size:
        return Interval(mean, mean, mean)
    freedom = total**2 / (
        between_runs**2 / (runs - 1) + between_sales**2 / (sales - 1) + taken_off**2 / ((runs - 1) * (sales - 1))
    )
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * (total / array.size) ** 0.5)
    return Interval(mean, mean - half, mean + half)


def ratio_interval(values: npt.ArrayLike, reference: npt.ArrayLike) -> Interval:
    """Interval on mean(values) / mean(reference) over runs and sales, both on the same sales.

    The ratio r is as uncertain as the mean of values - r·reference is, to first order.

    Args:
        values: (R, S).
        reference: (S,), of the same sales.

    Raises:
        ValueError: what `crossed_interval` refuses, or the mean of the reference is not above 0.

    Source:
        Cochran (1977), Sampling Techniques, section 6.4.
    """
    array, base = np.asarray(values, np.float64), np.asarray(reference, np.float64)
    if not base.mean() > 0:
        raise ValueError(f"a share needs a reference whose mean is above 0, got {base.mean():g}.")
    ratio = float(array.mean() / base.mean())
    rest = crossed_interval(array - ratio * base)
    half = (rest.high - rest.low) / 2 / float(base.mean())
    return Interval(ratio, ratio - half, ratio + half)


def interquartile_mean(runs: Sequence[npt.ArrayLike], *, resamples: int = 2000, seed: int = 0) -> Interval:
    """Mean of the middle half of all runs of all problems, with its stratified bootstrap interval (percentiles).

    Runs are drawn anew inside each problem, so every problem keeps its weight. Where every problem has one run there
    is nothing to draw, and the interval is a point.

    Args:
        runs: for each problem the scores of its runs.
        resamples: of the bootstrap.
        seed: of its random numbers.

    Source:
        Agarwal et al. (2021), Deep Reinforcement Learning at the Edge of the Statistical Precipice, arXiv:2108.13264.
    """
    strata = [np.asarray(scores, np.float64) for scores in runs]
    rng = np.random.default_rng(seed)
    drawn = np.hstack([scores[rng.integers(len(scores), size=(resamples, len(scores)))] for scores in strata])
    means = stats.trim_mean(drawn, 0.25, axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(stats.trim_mean(np.concatenate(strata), 0.25)), float(low), float(high))


def probability_of_improvement(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Share of pairs of a run of the first and a run of the second in which the first is higher; a tie is half a pair.

    >>> probability_of_improvement([2.0, 3.0], [1.0, 3.0])  # 2 > 1, 2 < 3, 3 > 1, 3 = 3
    0.625
    """
    one, other = np.asarray(first, np.float64)[:, None], np.asarray(second, np.float64)
    return float(((one > other) + 0.5 * (one == other)).mean())

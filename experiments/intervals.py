"""Intervals on means over sales and over training runs.

Owns    the 95 % interval of a mean, of a paired difference on common customers, of a mean over runs and sales, of a
        ratio of two such means, and of the interquartile mean over problems; the probability of improvement.
Leaves  the type `Interval` to `flashsale_env.intervals`, intervals over clustered visits to
        `encoders.demand.heldout`.
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
        values: (n,) one of each sale, n at least 2.

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
    if np.ptp(array) == 0:  # a point; Student's formula would divide by a standard deviation of 0
        return Interval(mean, mean, mean)
    found = stats.ttest_1samp(array, 0.0).confidence_interval(CONFIDENCE)
    return Interval(mean, float(found.low), float(found.high))


def variance_ratio(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Variance of first - second over that of independent samples, var(first) + var(second): the gain from pairing.

    Without common customers, the same standard error would take 1 / ratio times as many sales. NaN where neither
    varies.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    independent = one.var(ddof=1) + other.var(ddof=1)
    return float((one - other).var(ddof=1) / independent) if independent > 0 else float("nan")


def paired_difference(first: npt.ArrayLike, second: npt.ArrayLike) -> Interval:
    """Interval on mean(first - second), sale by sale: both on the same customers in the same order.

    Raises:
        ValueError: different lengths, or values that `mean_interval` refuses.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != other.shape:
        raise ValueError(f"a paired difference needs the same sales, got {one.shape} and {other.shape}.")
    return mean_interval(one - other)


def crossed_interval(values: npt.ArrayLike) -> Interval:
    """Student's interval on the mean over training runs and sales, where all runs play the same sales.

    The model is value = mean + run + sale + residual, with independent random effects. The mean over R runs and S sales
    then has variance

        (A + B - E) / (R·S),  with the mean squares A between runs, B between sales, E of the residuals,

    and the degrees of freedom of Satterthwaite. With five runs, an interval over sales alone ignores the variance
    between runs, and a bootstrap over runs is too narrow. Negative estimates of variance components are set to 0.

    Args:
        values: (R, S); a single run gets the interval over its sales.

    Raises:
        ValueError: another shape, a single value, or a value that is not finite.

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
    residual = array - of_run[:, None] - of_sale + mean
    between_runs, between_sales = sales * of_run.var(ddof=1), runs * of_sale.var(ddof=1)
    within = (residual**2).sum() / ((runs - 1) * (sales - 1))
    # E is counted in A and in B. It is at most either of them, or a component would be estimated below 0.
    subtracted = min(within, between_runs, between_sales)
    total = between_runs + between_sales - subtracted
    # For constant values the total is pure rounding error.
    if total <= (np.finfo(np.float64).eps * max(1.0, abs(mean))) ** 2 * array.size:
        return Interval(mean, mean, mean)
    # Satterthwaite: total² over the sum of (mean square)² / (its degrees of freedom).
    freedom = total**2 / (
        between_runs**2 / (runs - 1) + between_sales**2 / (sales - 1) + subtracted**2 / ((runs - 1) * (sales - 1))
    )
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * (total / array.size) ** 0.5)
    return Interval(mean, mean - half, mean + half)


def ratio_interval(values: npt.ArrayLike, reference: npt.ArrayLike) -> Interval:
    """Interval on r = mean(values) / mean(reference) over runs and sales, both on the same sales.

    To first order, the error of r is that of the mean of values - r·reference, over mean(reference).

    Args:
        values: (R, S).
        reference: (S,), of the same sales.

    Raises:
        ValueError: values that `crossed_interval` refuses, or the mean of the reference is not above 0.

    Source:
        Cochran (1977), Sampling Techniques, section 6.4.
    """
    array, base = np.asarray(values, np.float64), np.asarray(reference, np.float64)
    if not base.mean() > 0:
        raise ValueError(f"a share needs a reference whose mean is above 0, got {base.mean():g}.")
    ratio = float(array.mean() / base.mean())
    residual = crossed_interval(array - ratio * base)
    half = (residual.high - residual.low) / 2 / float(base.mean())
    return Interval(ratio, ratio - half, ratio + half)


def interquartile_mean(runs: Sequence[npt.ArrayLike], *, resamples: int = 2000, seed: int = 0) -> Interval:
    """Mean of the middle half of all runs of all problems, with its stratified percentile bootstrap interval.

    Runs are resampled within each problem, so every problem keeps its weight. If every problem has a single run, the
    interval is a point.

    Args:
        runs: the scores of the runs of each problem.
        resamples: of the bootstrap.
        seed: of the bootstrap.

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
    """Share of pairs (run of the first, run of the second) in which the first is higher; a tie counts half.

    >>> probability_of_improvement([2.0, 3.0], [1.0, 3.0])  # 2 > 1, 2 < 3, 3 > 1, 3 = 3
    0.625
    """
    one, other = np.asarray(first, np.float64)[:, None], np.asarray(second, np.float64)
    return float(((one > other) + 0.5 * (one == other)).mean())

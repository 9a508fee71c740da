"""Intervals of means and ratios over visits that are not independent.

Owns    standard errors clustered one way or two crossed ways, and the two figures that are read off likelihoods.
Axes    n visits, G clusters of a clustering.

Visits by one voice are alike whatever the sale, and visits to one sale are alike whoever comes: every sale has an
intent mix of its own. Clustered by voice alone, an interval is about other voices *in the same sales*.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from flashsale_env.intervals import CONFIDENCE, Interval


def clustered_ratio(
    top: npt.NDArray[np.float64],
    bottom: npt.NDArray[np.float64],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64] | None = None,
) -> Interval:
    """sum(top) / sum(bottom), with visits alike inside each cluster.

    The variance of the sum of residuals top - ratio·bottom is, over clusterings g with factors G / (G - 1),

        V = V_first + V_second - V_both,    V_g = G / (G - 1) · sum over clusters of (sum of residuals)²

    V_both is that of the intersections, which the other two count twice. Where chance makes it larger than one of them,
    that one is taken off, so V is never below V_first or V_second. Student's t has one degree of freedom less than the
    smaller number of clusters.

    Args:
        top, bottom: (n,) of each visit; the sum of `bottom` is not 0.
        first: (n,) number of each visit's cluster.
        second: (n,) of another clustering that crosses the first; None for one alone.

    Raises:
        ValueError: a clustering has fewer than two clusters.

    Source:
        Liang & Zeger (1986), doi 10.1093/biomet/73.1.13; two ways: Cameron, Gelbach & Miller (2011), Robust inference
        with multiway clustering, doi 10.1198/jbes.2010.07136, section 2.2.
    """
    ratio = float(top.sum() / bottom.sum())
    residual = top - ratio * bottom
    clusterings = [np.unique(g, return_inverse=True)[1] for g in (first, second) if g is not None]
    counts = [int(g.max()) + 1 for g in clusterings]
    if min(counts) < 2:
        raise ValueError(f"an interval needs at least 2 clusters of each kind, got {' and '.join(map(str, counts))}.")
    variances = [_variance_of_sum(residual, g) for g in clusterings]
    if len(clusterings) == 2:
        both = np.unique(clusterings[0] * counts[1] + clusterings[1], return_inverse=True)[1]
        variances.append(-min(_variance_of_sum(residual, both), *variances))
    error = math.sqrt(sum(variances)) / abs(float(bottom.sum()))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, min(counts) - 1)) * error
    return Interval(ratio, ratio - half, ratio + half)


def _variance_of_sum(residual: npt.NDArray[np.float64], cluster: npt.NDArray[np.int64]) -> float:
    sums = np.bincount(cluster, residual)
    return len(sums) / (len(sums) - 1) * float((sums**2).sum())


def likelihood_gap(
    worse: npt.NDArray[np.float64],
    better: npt.NDArray[np.float64],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64] | None = None,
) -> Interval:
    """mean(worse - better) of the negative log-likelihoods of n visits; clusters as for `clustered_ratio`."""
    difference = worse - better
    return clustered_ratio(difference, np.ones_like(difference), first, second)


def share_closed(
    none: npt.NDArray[np.float64],
    some: npt.NDArray[np.float64],
    full: npt.NDArray[np.float64],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64] | None = None,
) -> Interval:
    """mean(none - some) / mean(none - full): how much of what full information is worth some of it is worth.

    Args:
        none: (n,) negative log-likelihood of each visit without information.
        some: (n,) with the information to be valued.
        full: (n,) with all of it.
        first, second: clusters as for `clustered_ratio`.
    """
    return clustered_ratio(none - some, none - full, first, second)

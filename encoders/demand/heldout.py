"""Comparison of models on held-out visits, with intervals that allow for correlated visits.

Owns    likelihoods of several logs pooled, standard errors clustered one way or two crossed ways, the likelihood gap,
        and the share of a gap that is closed.
Axes    n visits, G clusters of a clustering.

Visits by one voice are correlated across sales, and visits to one sale across voices: each sale has its own intent mix.
An interval clustered by voice alone holds only for other voices in the same sales.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from flashsale_env.encoders.demand.tastes import ChoiceData
from flashsale_env.intervals import CONFIDENCE, Interval

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Likelihoods of models on the visits of several independent logs, pooled.

    Args:
        nll: model -> (n,) negative log-likelihood of each visit, nats.
        voice, sale, log: (n,) cluster of each visit. Voices and sales of different logs have different numbers.
    """

    nll: dict[str, Floats]
    voice: Integers
    sale: Integers
    log: Integers

    @classmethod
    def pool(cls, logs: Sequence[tuple[Mapping[str, Floats], ChoiceData]]) -> HeldOut:
        """From each log's likelihoods (model -> one value per visit) and visits."""
        return cls(
            {name: np.concatenate([nll[name] for nll, _ in logs]) for name in logs[0][0]},
            renumbered([data.voice for _, data in logs]),
            renumbered([data.sale for _, data in logs]),
            np.repeat(np.arange(len(logs)), [len(data) for _, data in logs]),
        )

    def by_log(self, values: Floats) -> Floats:
        """(number of logs,) mean of the values (n,) in each log."""
        return np.asarray(np.bincount(self.log, values) / np.bincount(self.log))


def renumbered(parts: Sequence[Integers]) -> Integers:
    """The numbers of several parts, concatenated and shifted so that no two parts share one.

    >>> renumbered([np.array([0, 1]), np.array([0, 2])]).tolist()
    [0, 1, 2, 4]
    """
    offsets = np.cumsum([0, *(int(part.max()) + 1 for part in parts[:-1])])
    return np.concatenate([part + offset for part, offset in zip(parts, offsets, strict=True)])


def clustered_ratio(top: Floats, bottom: Floats, first: Integers, second: Integers | None = None) -> Interval:
    """sum(top) / sum(bottom), for visits that are correlated within clusters.

    The variance of the sum of residuals top - ratio·bottom is, over clusterings g with factors G / (G - 1),

        V = V_first + V_second - V_both,    V_g = G / (G - 1) · sum over clusters of (sum of residuals)²

    V_both is that of the intersections, which the first two terms count twice. It is limited to the smaller of them, so
    that V is never below V_first or V_second. Student's t has one degree of freedom less than the smaller number of
    clusters.

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
    # Number the clusters 0..G-1.
    clusterings = [np.unique(g, return_inverse=True)[1] for g in (first, second) if g is not None]
    counts = [int(g.max()) + 1 for g in clusterings]
    if min(counts) < 2:
        raise ValueError(f"an interval needs at least 2 clusters of each kind, got {' and '.join(map(str, counts))}.")
    variances = [_variance_of_sum(residual, g) for g in clusterings]
    if len(clusterings) == 2:
        # A cluster of the intersection is a pair of clusters that occurs.
        both = np.unique(clusterings[0] * counts[1] + clusterings[1], return_inverse=True)[1]
        variances.append(-min(_variance_of_sum(residual, both), *variances))
    # Delta method: the ratio's variance is that of the residual sum over the square of the denominator.
    error = math.sqrt(sum(variances)) / abs(float(bottom.sum()))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, min(counts) - 1)) * error
    return Interval(ratio, ratio - half, ratio + half)


def _variance_of_sum(residual: Floats, cluster: Integers) -> float:
    sums = np.bincount(cluster, residual)
    return len(sums) / (len(sums) - 1) * float((sums**2).sum())


def likelihood_gap(worse: Floats, better: Floats, first: Integers, second: Integers | None = None) -> Interval:
    """mean(worse - better) of the negative log-likelihoods of n visits; clusters as in `clustered_ratio`."""
    difference = worse - better
    return clustered_ratio(difference, np.ones_like(difference), first, second)


def share_closed(none: Floats, some: Floats, full: Floats, first: Integers, second: Integers | None = None) -> Interval:
    """mean(none - some) / mean(none - full): the value of some information relative to that of full information.

    Args:
        none: (n,) negative log-likelihood of each visit without information.
        some: (n,) with the information to be valued.
        full: (n,) with full information.
        first, second: clusters as in `clustered_ratio`.
    """
    return clustered_ratio(none - some, none - full, first, second)

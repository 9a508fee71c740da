"""Standard errors of a price coefficient: which cells may be correlated, and how far few clusters can be trusted.

Owns    the clustered variances, their correction for few clusters, and the choice between them.
Leaves  the estimate to `count_regression`.
Axes    n cells, K regressors, G clusters, T weeks.

A clustered variance is a sum of squares, one a cluster. Under the working model, independent cells whose variance is in
proportion to their weight, that sum is a quadratic form of known mean and variance: dividing by the mean removes the
bias of few clusters, and the two give the degrees of freedom of the t distribution (Bell & McCaffrey 2002, Survey
Methodology 28(2); Imbens & Kolesár 2016, doi 10.1162/REST_a_00552). Where two dimensions are trusted, the variances are
V_1 + V_2 - V_12 (Cameron, Gelbach & Miller 2011, doi 10.1198/jbes.2010.07136).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from flashsale_env.encoders.demand.count_regression import CountFit

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# With fewer degrees of freedom a clustered variance is too uncertain to replace one with finer clusters.
LEAST_FREEDOM = 8.0
# With fewer there is no interval at all.
FEWEST_FREEDOM = 2.0


@dataclass(frozen=True)
class Uncertainty:
    """Variance of one coefficient.

    Args:
        variance: of the estimate.
        freedom: degrees of freedom of the t distribution of its intervals.
        clusters: the dimensions in which cells may be correlated, e.g. ("product", "week").
    """

    variance: float
    freedom: float
    clusters: tuple[str, ...]

    @property
    def standard_error(self) -> float:
        """Square root of the variance."""
        return math.sqrt(self.variance)

    @property
    def quantile(self) -> float:
        """Standard errors from the estimate to the end of its 95 % interval."""
        return float(stats.t.ppf(0.975, self.freedom))


def uncertainty(
    fit: CountFit, of_cell: Mapping[str, Integers], *, k: int = 0, further: Floats | None = None
) -> Uncertainty:
    """Variance of coefficient k, clustered in the dimensions that have enough clusters.

    Args:
        fit: the regression.
        of_cell: dimension -> (n,) codes; "week" and those by which units differ, the coarsest first.
        k: the coefficient.
        further: (n,) what estimates that the regression takes as given add to the influence of each cell.

    Raises:
        ValueError: too few clusters carry the estimate.
    """
    along = fit.left @ fit.bread[:, k]  # (n,) influence of a cell per unit of its score
    influence = along * fit.score
    if further is not None:
        influence = influence + further
    n, columns = fit.left.shape
    tried: dict[str, tuple[float, float]] = {}  # dimension -> (variance, degrees of freedom)
    for name, codes in of_cell.items():
        if name != "week" and any(freedom >= LEAST_FREEDOM for _, freedom in tried.values()):
            continue  # finer than a dimension that is trusted already
        mean, freedom = _of_week(fit, along, codes) if name == "week" else _of_units(fit, along, codes)
        if freedom > 0:
            tried[name] = (float((np.bincount(codes, influence) ** 2).sum()) / mean, freedom)
    trusted = [name for name, (_, freedom) in tried.items() if freedom >= LEAST_FREEDOM]
    if not trusted:
        trusted = sorted(tried, key=lambda name: -tried[name][1])[:1]
    if not trusted or tried[trusted[0]][1] < FEWEST_FREEDOM:
        raise ValueError(
            "prices differ in too few weeks to say how far chance goes: give more weeks, or weeks with other prices"
        )
    variance, freedom = tried[trusted[0]]
    if len(trusted) == 2:
        second, other = tried[trusted[1]]
        one, two = (of_cell[name] for name in trusted)
        both = np.unique(one * (int(two.max()) + 1) + two, return_inverse=True)[1]
        absorbed = len(fit.effects.of_unit) + max(fit.effects.weeks - 1, 0) + columns
        shared = float((np.bincount(both, influence) ** 2).sum()) * n / max(n - absorbed, 1)
        # By chance only, the difference may fall far below the part that both dimensions share.
        variance, freedom = max(variance + second - shared, shared / 2), min(freedom, other)
    return Uncertainty(variance, freedom, tuple(trusted))


def _of_units(fit: CountFit, along: Floats, codes: Integers) -> tuple[float, float]:
    """(mean of the sum of squares over its aim, degrees of freedom) for clusters that are made of units."""
    weight = fit.weight
    own = np.bincount(codes, weight * along**2)
    # The scores of a cluster after the effects were estimated: covariance diag(own) - F F'. The influence is free of
    # unit effects inside every cluster, so that weeks and regressors are left.
    factors = [_regressors(fit, along, codes)]
    if fit.effects.week is not None:
        values, vectors = np.linalg.eigh(fit.effects.inverse)
        root = vectors * np.sqrt(np.clip(values, 0, None))
        flat = codes * fit.effects.weeks + fit.effects.week
        size = (int(codes.max()) + 1, fit.effects.weeks)
        factors.append(np.bincount(flat, weight * along, size[0] * size[1]).reshape(size) @ root)
    factor = np.concatenate(factors, axis=1)
    lost = (factor**2).sum(axis=1)
    trace = float((own - lost).sum())
    square = float((own**2).sum() - 2 * (own * lost).sum() + ((factor.T @ factor) ** 2).sum())
    return _moments(trace, square, float(own.sum()))


def _of_week(fit: CountFit, along: Floats, codes: Integers) -> tuple[float, float]:
    """See `_of_units`, for clusters that are the weeks."""
    weight, effects = fit.weight, fit.effects
    own = np.bincount(codes, weight * along**2)
    factor = _regressors(fit, along, codes)
    values = weight * along
    if effects.week is None:  # one cluster a week, and units as the only effects
        by_both = np.zeros((len(effects.of_unit), int(codes.max()) + 1))
        np.add.at(by_both, (effects.unit, codes), values)
        covariance = np.diag(own) - by_both.T @ (by_both / effects.of_unit[:, None]) - factor @ factor.T
    else:
        across = effects.products(weight, values)
        covariance = (
            np.diag(own) - effects.products(values, values) - across.T @ effects.inverse @ across - factor @ factor.T
        )
    return _moments(float(np.trace(covariance)), float((covariance**2).sum()), float(own.sum()))


def _regressors(fit: CountFit, along: Floats, codes: Integers) -> Floats:
    """(G, K) the part of each cluster's score that the estimation of the coefficients takes away."""
    values, vectors = np.linalg.eigh(fit.bread)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    columns = [np.bincount(codes, fit.weight * along * column) for column in fit.left.T]
    return np.asarray(np.stack(columns, axis=1) @ root)


def _moments(trace: float, square: float, aim: float) -> tuple[float, float]:
    if trace <= 1e-6 * aim or square <= 0:
        return 1.0, 0.0  # the effects leave nothing of these clusters
    return trace / aim, trace**2 / square

"""Linear regression with fixed effects, instruments and clustered standard errors.

Owns    the absorption of effects, the regression on the residuals, and its covariance.
Axes    n observations, K regressors, L instruments.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Of the alternating projections: the maximum number of sweeps, and the largest mean at convergence, relative to the
# column's largest value.
_SWEEPS = 10_000
_TOLERANCE = 1e-11


@dataclass(frozen=True, eq=False)
class Regression:
    """A linear regression with K regressors after absorbing effects.

    Args:
        coefficients: (K,).
        covariance: (K, K) robust to any correlation within clusters.
        rows: number of observations.
        clusters: number of independent groups; equal to `rows` if none were given.
        freedom: degrees of freedom of the t distribution for intervals; infinite without the finite-sample correction.
        residuals: (rows,).
    """

    coefficients: Floats
    covariance: Floats
    rows: int
    clusters: int
    freedom: float
    residuals: Floats = field(repr=False)

    @property
    def standard_errors(self) -> Floats:
        """(K,) square roots of the diagonal of the covariance."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    def interval(self, k: int = 0, level: float = 0.95) -> tuple[float, float]:
        """Two-sided interval of coefficient k."""
        half = float(stats.t.ppf(0.5 + level / 2, self.freedom)) * float(self.standard_errors[k])
        return float(self.coefficients[k]) - half, float(self.coefficients[k]) + half


def within(columns: Floats, effects: Sequence[Integers]) -> Floats:
    """Residuals (n, K) of each column after regression on the dummies of all effects.

    By alternating projections: subtract the means over each effect in turn until they vanish (Guimarães & Portugal
    2010, Stata Journal 10(4); Gaure 2013, doi 10.1016/j.csda.2013.03.024). One sweep is exact for a single effect.

    Args:
        columns: (n, K).
        effects: integer codes (n,) of each effect.

    Raises:
        ValueError: no convergence, which happens if the effects barely overlap.
    """
    left = np.array(columns, np.float64)
    scale = np.abs(left).max(axis=0) + 1e-300  # a column of zeros divides by something
    counts = [np.bincount(effect) for effect in effects]
    for _ in range(_SWEEPS if len(effects) > 1 else 1):
        moved = 0.0  # largest mean that was subtracted in this sweep
        for effect, count in zip(effects, counts, strict=True):
            for k in range(left.shape[1]):
                mean = np.bincount(effect, left[:, k]) / np.maximum(count, 1)
                left[:, k] -= mean[effect]
                moved = max(moved, float(np.abs(mean).max() / scale[k]))
        if moved < _TOLERANCE:
            return left
    if len(effects) <= 1:
        return left
    raise ValueError(
        f"absorbing {len(effects)} effects did not converge in {_SWEEPS} sweeps (means still change by {moved:.1e}): "
        f"the effects barely overlap. Use fewer effects, or a part of the data in which they overlap."
    )


def fixed_effects_regression(
    outcome: Floats,
    regressors: Floats,
    effects: Sequence[Integers] = (),
    *,
    clusters: Integers | None = None,
    instruments: Floats | None = None,
    finite_sample: bool = True,
) -> Regression:
    """Least squares, or two-stage least squares, net of the effects.

    Args:
        outcome: (n,).
        regressors: (n, K).
        effects: integer codes (n,) of each effect to absorb.
        clusters: integer codes (n,); None makes every row a cluster, which is robust to heteroskedasticity only.
        instruments: (n, L >= K) for the first stage, including any exogenous regressors; None for least squares.
        finite_sample: scale the covariance by G/(G-1)·(n-1)/(n-k) and use t with G-1 degrees of freedom (Cameron &
            Miller 2015, doi 10.3368/jhr.50.2.317); k counts the regressors and the levels of effects that are not
            nested in clusters. False for the plain sandwich, as GMM packages report it.

    Raises:
        ValueError: a regressor has no variation net of the effects, or there are fewer than two clusters.
    """
    n, k = regressors.shape
    if len(outcome) != n or not np.isfinite(outcome).all() or not np.isfinite(regressors).all():
        raise ValueError(f"want {n} finite outcomes and regressors, got {len(outcome)} outcomes or some not finite.")
    group = np.arange(n) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    groups = int(group.max()) + 1
    if groups < 2:
        raise ValueError("a cluster-robust covariance needs at least 2 clusters, got 1.")
    blocks = [outcome[:, None], regressors] + ([] if instruments is None else [instruments])
    left = within(np.concatenate(blocks, axis=1), effects) if effects else np.concatenate(blocks, axis=1)
    y, x, z = left[:, 0], left[:, 1 : k + 1], left[:, k + 1 :]
    # First stage. With fitted = Z (Z'Z)^-1 Z'X, the second stage solves fitted' (y - X b) = 0; least squares has Z = X.
    fitted = x if instruments is None else z @ np.linalg.lstsq(z, x, rcond=None)[0]
    # A regressor that the effects explain is 0 up to rounding.
    flat = np.abs(fitted).max(axis=0) <= 1e-9 * np.maximum(np.abs(regressors).max(axis=0), 1e-300)
    if flat.any() or np.linalg.matrix_rank(fitted) < k:
        raise ValueError(
            f"regressor {int(flat.argmax())} does not vary beyond what the effects"
            f"{'' if instruments is None else ', instruments'} and other regressors explain: it is not identified."
        )
    bread = np.linalg.inv(fitted.T @ x)
    coefficients = bread @ (fitted.T @ y)
    residuals = y - x @ coefficients
    # Sandwich: the sum of each cluster's scores, between two factors (fitted'X)^-1.
    scores = np.column_stack([np.bincount(group, fitted[:, i] * residuals) for i in range(k)])
    covariance = bread @ (scores.T @ scores) @ bread.T
    freedom = math.inf
    if finite_sample:
        # One level of each effect is collinear with the others; together they absorb one intercept.
        absorbed = sum(_levels(effect) - 1 for effect in effects if not _nested(effect, group)) + bool(effects)
        covariance *= groups / (groups - 1) * (n - 1) / max(n - k - absorbed, 1)
        freedom = groups - 1
    return Regression(coefficients, covariance, n, groups, freedom, residuals)


def _levels(effect: Integers) -> int:
    """Number of distinct levels."""
    return len(np.unique(effect))


def _nested(effect: Integers, group: Integers) -> bool:
    """Whether each level of the effect lies inside one group."""
    return len(np.unique(np.column_stack([effect, group]), axis=0)) == _levels(effect)

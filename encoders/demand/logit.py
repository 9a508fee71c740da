"""Conditional logit by maximum likelihood, with fixed effects and clustered standard errors.

Owns    the maximum of the likelihood, standard errors, and elasticities with their intervals.
Leaves  the data to `choice_table`, the likelihood and its derivatives to `likelihood`, the checks of identification to
        `identification`, and tastes from text to `tastes`.
Axes    K covariates, G fixed effects, R rows and S choice sets of the data, C clusters.
Units   utility in logits, with the outside option at 0; intervals cover 95 %.

A sold-out product has no row in its choice set. Sales that are limited by stock, min(demand, stock), therefore do not
bias the estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg

from flashsale_env.encoders.demand.choice_table import ChoiceTable, Floats
from flashsale_env.encoders.demand.identification import (
    check_collinearity,
    check_effects,
    check_separation,
    check_variation,
)
from flashsale_env.encoders.demand.likelihood import Information, Likelihood
from flashsale_env.errors import unknown_name

Z_95 = 1.959963984540054
# On Newton's decrement, which is twice the remaining gain in nats. Rounding limits the log-likelihood to about 1e-9.
TOLERANCE = 1e-8
NEAR = 0.1  # decrement below which separation is checked
MAX_STEPS = 200


@dataclass(frozen=True)
class Estimate:
    """An estimate with its standard error and 95 % interval."""

    value: float
    standard_error: float

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.value - Z_95 * self.standard_error

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.value + Z_95 * self.standard_error


@dataclass(frozen=True, eq=False)
class LogitFit:
    """A conditional logit at its maximum.

    Args:
        names: the K covariates.
        coefficients: (K,), logits per unit.
        covariance: (K, K) inverse information, allowing for the estimation of the effects.
        robust_covariance: (K, K) clustered sandwich (Liang & Zeger 1986, doi 10.1093/biomet/73.1.13).
        effects: (G,) logits. Without outside option, only differences within a connected component are identified.
        log_likelihood: at the maximum, nats, without the ridge penalty.
        ridge: the penalty was ridge/2 times the sum of squared coefficients.
        steps: of Newton's method.
    """

    names: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    robust_covariance: Floats
    effects: Floats
    log_likelihood: float
    ridge: float
    steps: int
    _likelihood: Likelihood
    _information: Information

    def __getitem__(self, name: str) -> Estimate:
        """Coefficient of a covariate with the clustered standard error."""
        return self.estimate(name)

    def estimate(self, name: str, *, robust: bool = True) -> Estimate:
        """Coefficient of a covariate, with the clustered standard error or (`robust` False) that of the information."""
        k = _index(self.names, name)
        covariance = self.robust_covariance if robust else self.covariance
        return Estimate(float(self.coefficients[k]), float(np.sqrt(covariance[k, k])))

    def elasticity(
        self, price: str = "price", *, at: ChoiceTable | None = None, logarithm: bool = False, robust: bool = True
    ) -> Estimate:
        """Mean own-price elasticity of demand, with a standard error by the delta method.

        For row r it is slope_r·(1 - p_r), with slope = coefficient·price (or the coefficient, if the covariate is the
        logarithm of the price). The mean is weighted by expected demand.

        Args:
            price: name of the covariate.
            at: prices and availability to evaluate at; the sample of the fit by default. Of its choices only the totals
                matter.
            logarithm: the covariate is ln(price).
            robust: clustered standard error, or that of the information.

        Raises:
            ValueError: `at` has another number of covariates or effects than the fit.
        """
        k = _index(self.names, price)
        where = self._likelihood if at is None else Likelihood(at)
        if where.width != self._likelihood.width or where.groups != self._likelihood.groups:
            raise ValueError(
                f"the table to evaluate at has {where.width} covariates and {where.groups} effects, "
                f"the fit {self._likelihood.width} and {self._likelihood.groups}."
            )
        p = where.probabilities(np.concatenate([self.coefficients, self.effects]))
        # d utility / d ln price, per unit of the coefficient: the price itself, or 1 if the covariate is its logarithm.
        per_unit = np.ones_like(p) if logarithm else where.x[:, k]
        demand = where.total[where.set_of] * p
        slope = self.coefficients[k] * per_unit
        expected = float(demand.sum())
        value = float((demand * slope * (1 - p)).sum()) / expected
        # d value = [sum (slope (1 - 2p) - value) n dp + sum n p (1 - p) dslope] / expected. With g_r the factor of
        # dp_r / p_r and dp_r = p_r (a_r - sum_s p a), the first sum is A'(g - p sum_s g).
        gain = demand * (slope * (1 - 2 * p) - value)
        gradient = where.transpose(gain - p * where.per_set(gain)[where.set_of])
        gradient[k] += float((demand * (1 - p) * per_unit).sum())
        gradient /= expected
        # Delta method: the variance is gradient' I^-1 gradient, or that of the clusters' scores along I^-1 gradient.
        direction = self._information.solve(gradient[:, None])[:, 0]
        if not robust:
            return Estimate(value, float(np.sqrt(gradient @ direction)))
        influence = self._likelihood.cluster_scores(self._information.p, direction[:, None])
        return Estimate(value, float(np.sqrt(_sandwich(influence)[0, 0])))


def fit(table: ChoiceTable, *, ridge: float = 0.0, start: npt.ArrayLike | None = None) -> LogitFit:
    """Maximise the log-likelihood by Newton's method with Levenberg's damping.

    The log-likelihood is concave, so the result does not depend on the start.

    Args:
        table: the choices.
        ridge: factor of the penalty, half the sum of squared coefficients (not effects), which is subtracted from the
            log-likelihood of all choices. At 0 the estimate is maximum likelihood. Above 0, separated or collinear
            covariates are shrunk instead of refused.
        start: (K + G,) coefficients and effects to start from; 0 by default.

    Raises:
        ValueError: a quantity is not identified (a covariate that does not vary, collinear covariates, an effect that
            was never available, never or always chosen, perfect separation), or the start has another shape.
    """
    if ridge < 0:
        raise ValueError(f"ridge must be 0 or more, got {ridge}.")
    likelihood = Likelihood(table, ridge)
    size = likelihood.width + likelihood.groups
    check_effects(table, likelihood)
    check_variation(table, likelihood)
    scale = check_collinearity(likelihood)
    theta = np.zeros(size) if start is None else np.array(start, float)
    if theta.shape != (size,) or not np.isfinite(theta).all():
        raise ValueError(f"start must be {size} finite numbers ({likelihood.width} coefficients, then effects).")
    theta, information, steps = _climb(likelihood, theta, scale)
    # The first K columns of the inverse information: their upper block is the covariance of the coefficients, with the
    # effects estimated too, and their products with the clusters' scores are the influences of the sandwich.
    directions = information.solve(np.eye(size)[:, : likelihood.width])
    penalty = ridge / 2 * float(theta[: likelihood.width] @ theta[: likelihood.width])
    return LogitFit(
        names=likelihood.names,
        coefficients=theta[: likelihood.width],
        covariance=directions[: likelihood.width],
        robust_covariance=_sandwich(likelihood.cluster_scores(information.p, directions)),
        effects=theta[likelihood.width :],
        log_likelihood=likelihood.value(theta) + penalty,
        ridge=ridge,
        steps=steps,
        _likelihood=likelihood,
        _information=information,
    )


def _climb(likelihood: Likelihood, theta: Floats, sd: Floats) -> tuple[Floats, Information, int]:
    """(maximum, information there, steps); `sd` (K,) is the standard deviation of each covariate."""
    value, damping = likelihood.value(theta), 0.0
    # Damping is relative to the curvature at equal probabilities, so that the covariates' units do not matter.
    scale = likelihood.information(np.zeros_like(theta)).diagonal
    for step in range(MAX_STEPS):
        p = likelihood.probabilities(theta)
        gradient = likelihood.gradient(theta, p)
        while True:
            information = Information(likelihood, p, damping * scale)
            try:
                move = information.solve(gradient[:, None])[:, 0]
            except linalg.LinAlgError:
                move = None
            if move is not None and np.isfinite(move).all():
                gain = float(gradient @ move)  # Newton's decrement
                if damping == 0 and gain < NEAR and likelihood.ridge == 0:
                    check_separation(likelihood, theta, information, sd)
                if damping == 0 and gain < TOLERANCE:
                    theta = theta + move  # convergence is quadratic: this last step reaches rounding error
                    return theta, likelihood.information(theta), step + 1
                reached = likelihood.value(theta + move)
                # Armijo's condition, with an allowance for rounding of the value close to the maximum.
                if reached > value + 1e-4 * gain - 1e-13 * abs(value):
                    break
            # Levenberg (1944): more damping makes the step shorter and turns it towards the gradient. The curvature is
            # bounded by a small multiple of that at equal probabilities (Boehning 1992), so the loop terminates.
            damping = max(4 * damping, 0.001)
        theta, value = theta + move, reached
        damping = damping / 10 if damping > 1e-5 else 0.0
    return theta, likelihood.information(theta), MAX_STEPS


def _sandwich(scores: Floats) -> Floats:
    """(m, m) clustered covariance G/(G-1) · scores'scores; scores (G, m) are multiplied by the inverse information."""
    clusters = len(scores)
    if clusters < 2:
        return np.full((scores.shape[1], scores.shape[1]), np.nan)
    return clusters / (clusters - 1) * scores.T @ scores


def _index(names: Sequence[str], name: str) -> int:
    if name not in names:
        raise ValueError(unknown_name("covariate", name, names))
    return list(names).index(name)

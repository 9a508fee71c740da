"""Counts of a week: what a number of units sold says about the demand behind it.

Owns    the conditional mean of demand given what was seen, its derivative, and the dispersion of demand.
Leaves  what the expected demand depends on to `count_regression`.
Units   demand and sales in units a week.

Demand D is negative binomial with mean μ and variance μ + α μ²; α = 0 is the Poisson law. A week may be
    seen in full       D = units,
    sold out           D >= units, because the stock ended,
and a file without rows of 0 units shows a week only if D >= 1. The estimating equation of a week is

    E[D | what was seen] - E[D | the week is shown],    which is units - μ in a plain week,

and has mean 0 at the true μ. For plain weeks it is the score of Poisson pseudo-maximum likelihood, consistent whatever
the law of the counts (Gourieroux, Monfort & Trognon 1984, doi 10.2307/1913472; Santos Silva & Tenreyro 2006, doi
10.1162/rest.88.4.641). Truncated and censored weeks need the law itself (Grogger & Carson 1991, doi
10.1002/jae.3950060302; Terza 1985, doi 10.1016/0165-1765(85)90112-2).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# The range in which the dispersion α is sought: from hardly above the Poisson law to twice the mean in one deviation.
LEAST_DISPERSION, _MOST_DISPERSION = 1e-4, 4.0
# Below this probability of no sale, a truncated week equals a plain one to nine digits.
_NEGLIGIBLE = 1e-9
# Weeks that the dispersion is estimated from; the likelihood of more would cost seconds and change no digit.
_DISPERSION_WEEKS = 50_000
# Below this mean, the terms of second order are lost to rounding.
_RARE = 1e-4
_TINY = 1e-250


@dataclass(frozen=True, eq=False)
class Counts:
    """The weeks of a panel.

    Args:
        units: (n,) sold.
        sold_out: (n,) whether the stock ended, so that demand may have been larger.
        truncated: whether weeks without a sale are missing.
    """

    units: Floats
    sold_out: Bools
    truncated: bool = False

    @property
    def plain(self) -> bool:
        """Whether every week is seen in full, so that the dispersion plays no part."""
        return not self.truncated and not bool(self.sold_out.any())

    def part(self, rows: npt.NDArray[np.bool_]) -> "Counts":
        """Some of the weeks."""
        return Counts(self.units[rows], self.sold_out[rows], self.truncated)

    def score(self, mean: Floats, dispersion: float) -> tuple[Floats, Floats]:
        """The estimating equation of each week, and minus its derivative by the logarithm of the mean; (n,) each."""
        shown, slope = _from_one(mean, dispersion) if self.truncated else (mean, mean)
        out = self.sold_out
        if not out.any():
            return self.units - shown, slope
        seen, slope = self.units.copy(), slope.copy()
        seen[out], behind = _from(self.units[out], mean[out], dispersion)
        # What a sold-out week leaves open takes away from what it tells.
        slope[out] = np.maximum(slope[out] - behind, 1e-6 * slope[out])
        return seen - shown, slope

    def unmet(self, mean: Floats, dispersion: float) -> Floats:
        """(n,) expected demand beyond the units sold; 0 unless the stock ended."""
        missing = np.zeros(len(mean))
        out = self.sold_out
        missing[out] = _from(self.units[out], mean[out], dispersion)[0] - self.units[out]
        return missing

    def log_likelihood(self, mean: Floats, dispersion: float) -> Floats:
        """(n,) of each week under the negative binomial law with these means, nats."""
        size = 1 / dispersion
        out = self.sold_out
        found = np.zeros(len(mean))
        k, mu = self.units[~out], mean[~out]
        found[~out] = (
            special.gammaln(k + size)
            - special.gammaln(size)
            - special.gammaln(k + 1)
            - size * np.log1p(dispersion * mu)
            + k * (np.log(np.maximum(mu, _TINY)) - np.log(size + mu))
        )
        if out.any():
            found[out] = np.log(np.maximum(_tail(self.units[out], mean[out], dispersion), _TINY))
        if self.truncated:
            found -= np.log(np.maximum(-np.expm1(-size * np.log1p(dispersion * mean)), _TINY))
        return found

    def dispersion(self, mean: Floats) -> float:
        """The most likely dispersion α given the means; 0 where the Poisson law is as good."""
        step = max(1, len(mean) // _DISPERSION_WEEKS)
        some = np.zeros(len(mean), bool)
        some[::step] = True
        counts, mu = self.part(some), mean[some]
        found = optimize.minimize_scalar(
            lambda logarithm: -float(counts.log_likelihood(mu, float(np.exp(logarithm))).sum()),
            bounds=(np.log(LEAST_DISPERSION), np.log(_MOST_DISPERSION)),
            method="bounded",
            options={"xatol": 1e-3},
        )
        alpha = float(np.exp(found.x))
        return 0.0 if alpha < 2 * LEAST_DISPERSION else alpha


def _from_one(mean: Floats, dispersion: float) -> tuple[Floats, Floats]:
    """E[D | D >= 1] and its derivative by log mean."""
    log_none = -mean if dispersion == 0 else -np.log1p(dispersion * mean) / dispersion
    first, slope = mean.copy(), mean.copy()
    low = log_none > math.log(_NEGLIGIBLE)
    m = mean[low]
    shown = np.maximum(-np.expm1(log_none[low]), _TINY)
    first[low] = m / shown
    # The variance of D given D >= 1: E[D(D-1)] = μ²(1 + α) has no term at 0 or 1.
    variance = m**2 * (1 + dispersion) / shown + first[low] - first[low] ** 2
    rare = m < _RARE
    first[low] = np.where(rare, 1 + m * (1 + dispersion) / 2, first[low])
    variance = np.where(rare, m * (1 + dispersion) / 2, variance)
    slope[low] = variance / (1 + dispersion * m)
    return first, slope


def _from(least: Floats, mean: Floats, dispersion: float) -> tuple[Floats, Floats]:
    """E[D | D >= least] and its derivative by log mean, for `least` of 1 or more.

    With f(k; r) the law of size r = 1/α and the same success probability, k f(k; r) = μ f(k - 1; r + 1): the moments
    of a tail are tails of the next sizes.
    """
    tail = _tail(least, mean, dispersion)
    once = mean * _tail(least - 1, mean, dispersion, more=1)
    twice = mean**2 * (1 + dispersion) * _tail(least - 2, mean, dispersion, more=2)
    safe = tail > _TINY
    base = np.maximum(tail, _TINY)
    # So far in the tail, hardly more than `least` can have been wanted.
    first = np.where(safe, once / base, least + mean / (least + 1))
    variance = np.where(safe, twice / base + first - first**2, mean / (least + 1))
    return first, np.clip(variance, 0, None) / (1 + dispersion * mean)


def _tail(least: Floats, mean: Floats, dispersion: float, more: int = 0) -> Floats:
    """P(D >= least), for the law of size 1/α + `more` with the same success probability."""
    k = np.maximum(least, 1)
    if dispersion == 0:
        found = special.gammainc(k, mean)
    else:
        size = 1 / dispersion
        found = special.betainc(k, size + more, mean / (mean + size))
    return np.asarray(np.where(least >= 1, found, 1.0))

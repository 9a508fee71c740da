"""Regression of counts on prices, net of effects of units and weeks.

Owns    the solution of the estimating equations, the slopes by group, and what the effects leave of a column.
Leaves  what a week says about its demand to `counts`, standard errors to `clusters`.
Axes    n cells; U units (a product, or a product of a store), T weeks, K regressors, G groups of units.

    E[demand] = exp(unit + week + X b)

is solved by Newton's method. The block of the unit effects is diagonal, so that they are eliminated first, and a dense
system of the T week effects is left: exact, where alternating projections may fail to converge, and fast as long as T
is some hundreds.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env.encoders.demand.counts import Counts

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_STEPS = 100
_TOLERANCE = 1e-9  # of Newton's decrement per unit sold
_LONGEST_STEP = 2.0  # of a cell's log mean
_ROUNDS = 20  # of means and dispersion, in turn
_BLOCK = 1 << 22  # numbers in a block of the matrix of units and weeks
# Slopes by product: elasticities of single products differ by a few units, and never by tens.
_PRIOR_SD = 10.0
_SINGULAR = 1e-11  # eigenvalues below this share of the largest are directions that no week identifies


class NotIdentifiedError(ValueError):
    """A regressor does not vary beyond what effects and other regressors explain."""


class Effects:
    """Unit and week effects under weights, and slopes by group: solving with them, and taking them out of columns.

    Args:
        unit: (n,) codes 0..U-1.
        week: (n,) codes 0..T-1, or None without week effects.
        weight: (n,) above 0.
        slope: a column (n,) and the group (n,) of each cell, 0..G-1, to give the column a slope in each group; all
            cells of a unit are in one group.
        penalty: of the squared slopes, half.
    """

    def __init__(
        self,
        unit: Integers,
        week: Integers | None,
        weight: Floats,
        slope: tuple[Floats, Integers] | None = None,
        penalty: float = 0.0,
    ) -> None:
        self.unit, self.week, self.weight = unit, week, weight
        self.of_unit = np.bincount(unit, weight)
        self.weeks = 0 if week is None else int(week.max()) + 1
        self.inverse: Floats = np.zeros((0, 0))
        self.group = None if slope is None else slope[1]
        if slope is not None:
            self.column = slope[0]
            means = np.bincount(unit, weight * self.column) / self.of_unit
            self.inner = np.asarray(self.column - means[unit])  # net of the unit effects
            self.of_group = np.bincount(slope[1], weight * self.inner**2) + penalty
        if week is None:
            return
        left: Floats = np.diag(np.bincount(week, weight, self.weeks)).astype(np.float64)
        for rows, first, count in self._blocks():
            matrix = self.matrix(weight, rows, first, count)
            left = left - matrix.T @ (matrix / self.of_unit[first : first + count, None])
        if slope is not None:
            groups = len(self.of_group)
            flat = slope[1] * self.weeks + week
            self.crossed = np.bincount(flat, weight * self.inner, groups * self.weeks).reshape(groups, self.weeks)
            left = left - self.crossed.T @ (self.crossed / self.of_group[:, None])
        self.inverse = np.asarray(np.linalg.pinv(left, rcond=_SINGULAR, hermitian=True), np.float64)

    def _blocks(self) -> list[tuple[Integers, int, int]]:
        """(rows, first unit, number of units) of each block of units."""
        size = max(1, _BLOCK // max(self.weeks, 1))
        units = len(self.of_unit)
        if size >= units:
            return [(np.arange(len(self.unit)), 0, units)]
        block = self.unit // size
        order = np.argsort(block, kind="stable")
        ends = np.searchsorted(block[order], np.arange(-(-units // size) + 1))
        return [(order[ends[i] : ends[i + 1]], i * size, min(size, units - i * size)) for i in range(len(ends) - 1)]

    def matrix(self, values: Floats, rows: Integers, first: int, count: int) -> Floats:
        """(count, T) sums of the values by unit and week."""
        assert self.week is not None
        flat = (self.unit[rows] - first) * self.weeks + self.week[rows]
        return np.asarray(np.bincount(flat, values[rows], count * self.weeks).reshape(count, self.weeks), np.float64)

    def products(self, left: Floats, right: Floats) -> Floats:
        """(T, T) left' D^-1 right, with the (n,) values as matrices of units and weeks and D the weights of units."""
        total = np.zeros((self.weeks, self.weeks))
        for rows, first, count in self._blocks():
            a = self.matrix(left, rows, first, count)
            b = a if right is left else self.matrix(right, rows, first, count)
            total += a.T @ (b / self.of_unit[first : first + count, None])
        return total

    def solve(self, values: Floats, pull: Floats | float = 0.0) -> tuple[Floats, Floats]:
        """(n,) the part of a cell's log mean that follows from its effects, and (G,) the slopes.

        The effects are those whose weighted sums by unit, by week and by group equal those of the values (n,). `pull`
        (G,) is the derivative of the penalty.
        """
        by_unit = np.bincount(self.unit, values, len(self.of_unit))
        slopes: npt.NDArray[Any] = np.zeros(0)
        by_group: npt.NDArray[Any] = np.zeros(0)
        if self.group is not None:
            by_group = np.asarray(np.bincount(self.group, self.inner * values, len(self.of_group)) - pull)
            slopes = np.asarray(by_group / self.of_group)
        fitted: Floats = np.zeros(len(values))
        if self.week is not None:
            rest = np.bincount(self.week, values - self.weight * (by_unit / self.of_unit)[self.unit], self.weeks)
            if self.group is not None:
                rest = rest - self.crossed.T @ slopes
            week = self.inverse @ rest
            fitted = week[self.week]
            if self.group is not None:
                slopes = (by_group - self.crossed @ week) / self.of_group
        if self.group is not None:
            fitted = fitted + slopes[self.group] * self.column
        unit = (by_unit - np.bincount(self.unit, self.weight * fitted, len(self.of_unit))) / self.of_unit
        return fitted + unit[self.unit], slopes

    def without(self, columns: Floats) -> Floats:
        """(n, K) residuals of the weighted regression of each column on the effects."""
        return columns - np.stack([self.solve(self.weight * c)[0] for c in columns.T], axis=1).reshape(columns.shape)

    def slope_variance(self) -> Floats:
        """(G,) diagonal of the inverse of the information, for the slopes."""
        if self.week is None:
            return np.asarray(1 / self.of_group)
        ratio = self.crossed / self.of_group[:, None]
        return np.asarray(1 / self.of_group + np.einsum("gk,kl,gl->g", ratio, self.inverse, ratio))


@dataclass(frozen=True, eq=False)
class CountFit:
    """A solution of the estimating equations.

    Args:
        coefficients: (K,).
        mean: (n,) expected demand.
        score: (n,) of each cell, see `counts`.
        effects: at the solution, with the weights of the last step.
        left: (n, K) the regressors net of the effects.
        bread: (K, K) inverse of the derivative.
        dispersion: α of the counts; 0 where it plays no part.
    """

    coefficients: Floats
    mean: Floats = field(repr=False)
    score: Floats = field(repr=False)
    effects: Effects = field(repr=False)
    left: Floats = field(repr=False)
    bread: Floats
    dispersion: float

    @property
    def weight(self) -> Floats:
        """(n,) minus the derivative of each score by the log mean."""
        return self.effects.weight


def count_regression(
    counts: Counts, regressors: Floats, unit: Integers, week: Integers | None, *, dispersion: float | None = None
) -> CountFit:
    """Solve for the coefficients, net of the effects.

    Args:
        counts: the cells, n of them.
        regressors: (n, K).
        unit: (n,) codes 0..U-1; every unit has sales.
        week: (n,) codes 0..T-1, every week with sales; None without week effects.
        dispersion: of demand; None to estimate it where it plays a part.

    Raises:
        NotIdentifiedError: a regressor has no variation net of the effects.
        ValueError: there is no solution.
    """
    sold = np.bincount(unit, counts.units) / np.bincount(unit)
    eta = np.log(np.maximum(sold, 1e-8))[unit]
    beta = np.zeros(regressors.shape[1])
    fit = _newton(counts, regressors, unit, week, beta, eta, dispersion or 0.0)
    if counts.plain or dispersion is not None:
        return fit
    # The dispersion a that the means at dispersion a make most likely: a secant's zero of (most likely - a).
    tried: list[tuple[float, float]] = []
    at = 0.0
    for _ in range(_ROUNDS):
        likely = counts.dispersion(fit.mean)
        if abs(likely - at) <= 1e-3 * max(likely, 0.01):
            break
        tried.append((at, likely - at))
        at = likely
        if len(tried) > 1:
            (a, f), (b, g) = tried[-2:]
            found = b - g * (b - a) / (g - f) if g != f else likely
            at = float(np.clip(found, likely / 4, 4 * likely)) if likely > 0 else 0.0
        fit = _newton(counts, regressors, unit, week, fit.coefficients, np.log(fit.mean), at)
    return fit


def _newton(
    counts: Counts,
    regressors: Floats,
    unit: Integers,
    week: Integers | None,
    beta: Floats,
    eta: Floats,
    dispersion: float,
) -> CountFit:
    total = max(1.0, float(counts.units.sum()))
    for _ in range(_STEPS):
        mean = np.exp(eta)
        score, weight = counts.score(mean, dispersion)
        effects = Effects(unit, week, np.maximum(weight, 1e-12))
        left = effects.without(regressors)
        information = left.T @ (effects.weight[:, None] * left)
        _require_variation(left, regressors, effects.weight)
        bread = np.asarray(np.linalg.inv(information), np.float64)
        move = bread @ (left.T @ score)
        linear = regressors @ move
        step = linear + effects.solve(score - effects.weight * linear)[0]
        if not np.isfinite(step).all():
            break
        if float(score @ step) < _TOLERANCE * total:
            return CountFit(beta + move, mean, score, effects, left, bread, dispersion)
        length = min(1.0, _LONGEST_STEP / float(np.abs(step).max()))
        beta, eta = beta + length * move, eta + length * step
    raise ValueError(
        f"no solution within {_STEPS} steps: some product sold only at one price, or never sold more than one unit a "
        f"week. Leave it out."
    )


def _require_variation(left: Floats, columns: Floats, weight: Floats) -> None:
    """Every regressor must vary beyond what the effects and the other regressors explain.

    Raises:
        NotIdentifiedError: one does not.
    """
    size = np.sqrt(weight @ columns**2)
    scale = np.sqrt(weight @ left**2)
    values = np.linalg.eigvalsh((left.T @ (weight[:, None] * left)) / np.maximum(np.outer(scale, scale), 1e-300))
    if (scale <= 1e-7 * np.maximum(size, 1e-300)).any() or values[0] < 1e-10:
        k = int(np.argmin(scale / np.maximum(size, 1e-300)))
        raise NotIdentifiedError(f"regressor {k} does not vary beyond what the effects and other regressors explain.")


@dataclass(frozen=True, eq=False)
class Slopes:
    """A slope of its own for each group of units.

    Args:
        values: (G,).
        variance: (G,) with the dispersion of each group's own cells.
    """

    values: Floats
    variance: Floats


def slopes_by_group(counts: Counts, fit: CountFit, price: Floats, others: Floats, group: Integers) -> Slopes:
    """The slopes on `price` by group, beside common coefficients of the other regressors and the effects.

    Newton's steps from the pooled solution, with a wide prior around its slope: a product whose few sales were all at
    one price has no slope of its own. The variance is that of the information, times the mean ratio of squared
    scores to weights in the group's cells.

    Args:
        counts: the cells.
        fit: of the same cells with `price` as its first regressor.
        price: (n,) logarithms.
        others: (n, K - 1) the fit's other regressors.
        group: (n,) codes 0..G-1; all cells of a unit are in one group.

    Raises:
        ValueError: no solution.
    """
    unit, week = fit.effects.unit, fit.effects.week
    eta = np.log(fit.mean)
    slopes = np.full(int(group.max()) + 1, fit.coefficients[0])
    total = max(1.0, float(counts.units.sum()))
    for _ in range(_STEPS):
        score, weight = counts.score(np.exp(eta), fit.dispersion)
        effects = Effects(unit, week, np.maximum(weight, 1e-12), (price, group), 1 / _PRIOR_SD**2)
        linear = np.zeros(len(price))
        if others.shape[1]:
            left = effects.without(others)
            linear = others @ np.linalg.solve(left.T @ (effects.weight[:, None] * left), left.T @ score)
        pull = (slopes - fit.coefficients[0]) / _PRIOR_SD**2
        moved, change = effects.solve(score - effects.weight * linear, pull)
        step = linear + moved
        if float(score @ step - pull @ change) < _TOLERANCE * total:
            break
        length = min(1.0, _LONGEST_STEP / float(np.abs(step).max()))
        slopes, eta = slopes + length * change, eta + length * step
    else:
        raise ValueError(f"no solution for slopes by product after {_STEPS} steps.")
    # Counts vary more than the Poisson law says, as far as demand has causes that are not in the model.
    spread = np.bincount(group, score**2 / effects.weight) / np.maximum(np.bincount(group) - 2, 1)
    return Slopes(slopes, effects.slope_variance() * np.maximum(spread, 1.0))

"""Conditional logit by maximum likelihood, with fixed effects, honest standard errors and checks of identification.

Owns    the likelihood of choices among what was available, its derivatives, its maximum and the intervals that follow.
Leaves  where the choices come from to the caller, and tastes read from text to `demand`.
Axes    S choice sets, R rows (an alternative that was available in a choice set), K covariates, G fixed effects,
        C clusters.
Units   utility in logits, the outside option at 0; an interval covers 95 %.

Utility of row r is x_r · beta + effect_g(r). With n_s choices in set s, y_r of them of row r, the log-likelihood
(McFadden 1974) and its derivatives are

    l = sum_r y_r u_r - sum_s n_s ln(1 + sum_{r in s} e^{u_r}) - ridge/2 |beta|^2
    gradient = A'(y - n p) - ridge beta,    information = A' diag(n p) A - sum_s n_s (A_s'p_s)(A_s'p_s)' + ridge

where A = [x, effect indicators] and the 1 stands for the outside option, absent where choices are conditional on
buying. The information of the effects is a diagonal less a sparse product, so their part of every equation is solved by
conjugate gradients and only the K x K Schur complement is formed: a million rows and thousands of effects take seconds.

A sold-out product has no row, so sales cut off by the stock (min(demand, stock)) are not taken for a lack of demand.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, cg

from flashsale_env.errors import unknown_name

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

Z_95 = 1.959963984540054
# Newton's decrement is twice what is left to gain, nats; the log-likelihood itself is only known to about 1e-9.
TOLERANCE = 1e-8
NEAR = 0.1
MAX_STEPS = 200
# Squared sine of the angle between a covariate and the others: 1e-10 is what double precision can still tell from 0.
COLLINEAR = 1e-10
# Information about one standard deviation of a covariate, in choices. A maximum inside the parameter space is told by a
# choice or so; below a thousandth the standard error exceeds 30 logits and the estimate only runs away.
SEPARATED = 1e-3


@dataclass(frozen=True, eq=False)
class ChoiceTable:
    """What was available in each choice set and what was chosen.

    Args:
        choice_set: (R,) number of the choice set, 0..S-1, in any order.
        covariates: (R, K), finite.
        chosen: (R,) how often the row was chosen, or a weight; 0 or more.
        outside: (S,) how often nothing was chosen; None where that is not known: choices are conditional on buying.
        names: the K covariates.
        effect: (R,) number of the row's fixed effect (its product, or its product in its week), 0..G-1; None for none.
            An intercept is one effect shared by all rows.
        effect_names: the G effects; a name that never occurs is an error of the data and is found by `fit`.
        cluster: (S,) choice sets of equal number may depend on each other (a customer, a shop); by default each is its
            own. All choices counted in one choice set are of one cluster.

    Raises:
        ValueError: shapes disagree, or a number is out of range.
    """

    choice_set: Integers
    covariates: Floats
    chosen: Floats
    outside: Floats | None
    names: tuple[str, ...]
    effect: Integers | None = None
    effect_names: tuple[str, ...] = ()
    cluster: Integers | None = None

    def __post_init__(self) -> None:
        rows = len(self.choice_set)
        if rows == 0:
            raise ValueError("no rows: a choice table needs at least one alternative that was available.")
        sets = int(self.choice_set.max()) + 1
        wanted = {"covariates": (rows, len(self.names)), "chosen": (rows,)}
        if self.outside is not None:
            wanted["outside"] = (max(sets, len(self.outside)),)
            sets = len(self.outside)
        if self.effect is not None:
            wanted["effect"] = (rows,)
        if self.cluster is not None:
            wanted["cluster"] = (sets,)
        for name, shape in wanted.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise ValueError(f"{name} must have shape {shape} ({rows} rows, {sets} sets), got {array.shape}.")
            if not np.isfinite(array).all():
                bad = int((~np.isfinite(array.reshape(len(array), -1)).all(axis=1)).argmax())
                raise ValueError(f"{name} is not finite in row {bad}.")
        if self.choice_set.min() < 0:
            raise ValueError(f"choice_set counts from 0, got {self.choice_set.min()}.")
        for name in ("chosen", "outside"):
            array = getattr(self, name)
            if array is not None and array.min() < 0:
                raise ValueError(f"{name} must be 0 or more, got {array.min()} in row {int(array.argmin())}.")
        if self.effect is not None:
            low, high = int(self.effect.min()), int(self.effect.max())
            if low < 0 or high >= len(self.effect_names):
                raise ValueError(f"effects {low}..{high}, but {len(self.effect_names)} effect names: want 0..G-1.")

    @classmethod
    def from_visits(
        cls,
        covariates: Mapping[str, npt.ArrayLike],
        bought: npt.ArrayLike,
        available: npt.ArrayLike,
        *,
        products: Sequence[str],
        weight: npt.ArrayLike | None = None,
        cluster: npt.ArrayLike | None = None,
    ) -> ChoiceTable:
        """One choice set a visit, one fixed effect a product.

        Args:
            covariates: name -> array that broadcasts to (n, M), e.g. {"price": (n, M)}.
            bought: (n,) product bought, M for nothing.
            available: (n, M) what could be bought at that moment.
            products: the M products.
            weight: (n,) of the visits, 1 each by default.
            cluster: (n,) e.g. the customer; each visit its own by default.

        Raises:
            ValueError: shapes disagree, or a product was bought that was not available.
        """
        offered, choice = np.asarray(available, bool), np.asarray(bought, np.int64)
        n, m = len(choice), len(products)
        if offered.shape != (n, m):
            raise ValueError(f"available must have shape ({n}, {m}) ({n} visits, {m} products), got {offered.shape}.")
        if n and (choice.min() < 0 or choice.max() > m):
            raise ValueError(f"bought must be 0..{m} ({m}: nothing), got {choice.min()}..{choice.max()}.")
        impossible = (choice < m) & ~offered[np.arange(n), np.minimum(choice, m - 1)]
        if impossible.any():
            visit = int(impossible.argmax())
            raise ValueError(
                f"visit {visit} bought {products[choice[visit]]!r}, which was not available then. Availability must be "
                f"that of the moment before the purchase."
            )
        each = np.ones(n) if weight is None else np.asarray(weight, float)
        row, product = np.nonzero(offered)
        columns = [np.broadcast_to(np.asarray(x, float), (n, m))[row, product] for x in covariates.values()]
        return cls(
            choice_set=row.astype(np.int64),
            covariates=np.column_stack(columns) if columns else np.zeros((len(row), 0)),
            chosen=np.where(choice[row] == product, each[row], 0.0),
            outside=np.where(choice == m, each, 0.0),
            names=tuple(covariates),
            effect=product.astype(np.int64),
            effect_names=tuple(products),
            cluster=None if cluster is None else np.asarray(cluster, np.int64),
        )


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error and its 95 % interval."""

    value: float
    standard_error: float

    @property
    def low(self) -> float:
        return self.value - Z_95 * self.standard_error

    @property
    def high(self) -> float:
        return self.value + Z_95 * self.standard_error


@dataclass(frozen=True, eq=False)
class LogitFit:
    """A conditional logit at its maximum.

    Args:
        names: the K covariates.
        coefficients: (K,), logits per unit.
        covariance: (K, K) inverse information, with the effects estimated too.
        robust_covariance: (K, K) clustered sandwich (Liang & Zeger 1986, doi 10.1093/biomet/73.1.13).
        effects: (G,) logits; without outside option only differences between effects compared somewhere mean anything.
        log_likelihood: at the maximum, nats, without the ridge.
        ridge: what was subtracted is ridge/2 times the sum of squared coefficients.
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
    _information: _Information

    def __getitem__(self, name: str) -> Estimate:
        """Coefficient of a covariate with the clustered standard error."""
        return self.estimate(name)

    def estimate(self, name: str, *, robust: bool = True) -> Estimate:
        """Coefficient of a covariate; the standard error clustered, or from the information alone."""
        k = _index(self.names, name)
        covariance = self.robust_covariance if robust else self.covariance
        return Estimate(float(self.coefficients[k]), float(np.sqrt(covariance[k, k])))

    def elasticity(
        self, price: str = "price", *, at: ChoiceTable | None = None, logarithm: bool = False, robust: bool = True
    ) -> Estimate:
        """Mean own-price elasticity of demand by the delta method.

        Of row r it is slope_r·(1 - p_r) with slope = coefficient·price (or the coefficient alone where the covariate is
        the logarithm of the price). The mean weighs by expected demand: it is what a small common rise of one's own
        price does to the units sold, in per cent per per cent.

        Args:
            price: name of the covariate.
            at: prices and availability to evaluate at; the sample of the fit by default. Only its totals count.
            logarithm: the covariate is ln(price).
            robust: clustered standard error, or from the information alone.
        """
        k = _index(self.names, price)
        where = self._likelihood if at is None else Likelihood(at)
        if where.width != self._likelihood.width or where.groups != self._likelihood.groups:
            raise ValueError(
                f"the table to evaluate at has {where.width} covariates and {where.groups} effects, "
                f"the fit {self._likelihood.width} and {self._likelihood.groups}."
            )
        p = where.probabilities(np.concatenate([self.coefficients, self.effects]))
        per_unit = np.ones_like(p) if logarithm else where.x[:, k]
        demand = where.total[where.set_of] * p
        slope = self.coefficients[k] * per_unit
        expected = float(demand.sum())
        value = float((demand * slope * (1 - p)).sum()) / expected
        # d value = [sum (slope (1 - 2p) - value) n dp + sum n p (1 - p) dslope] / expected, dp_r = p_r (a_r - mean a).
        gain = demand * (slope * (1 - 2 * p) - value)
        gradient = where.transpose(gain - p * where.per_set(gain)[where.set_of])
        gradient[k] += float((demand * (1 - p) * per_unit).sum())
        gradient /= expected
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
        ridge: on half the sum of squared coefficients (not of the effects), against the sum over all choices. At 0 the
            estimate is the maximum likelihood one; above 0 a separated or collinear covariate is shrunk, not refused.
        start: (K + G,) coefficients and effects to start from, 0 by default.

    Raises:
        ValueError: a quantity is not identified (a covariate that does not vary, collinear covariates, an effect that
            was never available, never or always chosen, perfect separation), or the start has another shape.
    """
    if ridge < 0:
        raise ValueError(f"ridge must be 0 or more, got {ridge}.")
    likelihood = Likelihood(table, ridge)
    size = likelihood.width + likelihood.groups
    _check_effects(table, likelihood)
    _check_variation(table, likelihood)
    scale = _check_collinearity(likelihood)
    theta = np.zeros(size) if start is None else np.array(start, float)
    if theta.shape != (size,) or not np.isfinite(theta).all():
        raise ValueError(f"start must be {size} finite numbers ({likelihood.width} coefficients, then effects).")
    theta, information, steps = _climb(likelihood, theta, scale)
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


class Likelihood:
    """The log-likelihood of a choice table in theta = (K coefficients, G effects), with exact derivatives.

    Args:
        table: the choices; rows are sorted by choice set, and sets without a choice carry no weight.
        ridge: see `fit`.
    """

    def __init__(self, table: ChoiceTable, ridge: float = 0.0) -> None:
        order = slice(None)
        if (np.diff(table.choice_set) < 0).any():
            order = np.argsort(table.choice_set, kind="stable")
        present, self.starts, self.set_of = np.unique(table.choice_set[order], return_index=True, return_inverse=True)
        self.x = np.ascontiguousarray(table.covariates[order], float)
        self.effect = None if table.effect is None else table.effect[order]
        self.chosen = np.asarray(table.chosen[order], float)
        self.names = table.names
        self.width, self.groups = self.x.shape[1], len(table.effect_names) if table.effect is not None else 0
        self.has_outside = table.outside is not None
        outside = np.asarray(table.outside, float)[present] if table.outside is not None else 0.0
        self.total = self.per_set(self.chosen) + outside
        cluster = np.arange(len(present)) if table.cluster is None else table.cluster[present]
        self.cluster = np.unique(cluster, return_inverse=True)[1]
        self.ridge = ridge

    @functools.cached_property
    def component(self) -> Integers:
        """(G,) effects that some chain of choice sets compares share a number."""
        link = sparse.csr_matrix(
            (np.ones(len(self.x)), self.effect, np.append(self.starts, len(self.x))), (len(self.starts), self.groups)
        )
        graph = sparse.bmat([[None, link.T], [link, None]])
        return np.unique(connected_components(graph)[1][: self.groups], return_inverse=True)[1]

    def per_set(self, values: Floats) -> Floats:
        """Sums over the rows of each choice set, (S, ...)."""
        return np.add.reduceat(values, self.starts, axis=0)

    def transpose(self, values: Floats) -> Floats:
        """A' values: (K + G,)."""
        if self.effect is None:
            return self.x.T @ values
        return np.concatenate([self.x.T @ values, np.bincount(self.effect, values, self.groups)])

    def utility(self, theta: Floats) -> Floats:
        """(R,)"""
        u = self.x @ theta[: self.width]
        return u if self.effect is None else u + theta[self.width :][self.effect]

    def _log_sums(self, utility: Floats) -> Floats:
        top = np.maximum.reduceat(utility, self.starts)
        if self.has_outside:
            top = np.maximum(top, 0.0)
        odds = self.per_set(np.exp(utility - top[self.set_of]))
        return top + np.log(odds + np.exp(-top) if self.has_outside else odds)

    def probabilities(self, theta: Floats) -> Floats:
        """(R,) choice probability of every row."""
        utility = self.utility(theta)
        return np.exp(utility - self._log_sums(utility)[self.set_of])

    def value(self, theta: Floats) -> float:
        """Log-likelihood less the ridge, nats."""
        utility = self.utility(theta)
        beta = theta[: self.width]
        fitted = self.chosen @ utility - self.total @ self._log_sums(utility)
        return float(fitted - self.ridge / 2 * beta @ beta)

    def gradient(self, theta: Floats, p: Floats | None = None) -> Floats:
        """(K + G,)"""
        p = self.probabilities(theta) if p is None else p
        gradient = self.transpose(self.chosen - self.total[self.set_of] * p)
        gradient[: self.width] -= self.ridge * theta[: self.width]
        return gradient

    def information(self, theta: Floats) -> _Information:
        """Minus the Hessian, ready to be solved with."""
        return _Information(self, self.probabilities(theta))

    def cluster_scores(self, p: Floats, directions: Floats) -> Floats:
        """(C, m) score of each cluster along m directions (K + G, m)."""
        residual = self.chosen - self.total[self.set_of] * p
        scores = []
        for direction in directions.T:
            per_set = self.per_set(residual * self.utility(direction))
            scores.append(np.bincount(self.cluster, per_set))
        return np.stack(scores, axis=1) if scores else np.zeros((int(self.cluster.max()) + 1, 0))


class _Information:
    """Minus the Hessian at choice probabilities p, kept as its blocks.

    Args:
        likelihood: of what.
        p: (R,)
        damping: (K + G,) added to the diagonal, nothing by default.
    """

    def __init__(self, likelihood: Likelihood, p: Floats, damping: Floats | None = None) -> None:
        self.likelihood, self.p = likelihood, p
        self._damping = np.zeros(likelihood.width + likelihood.groups) if damping is None else damping
        x, total = likelihood.x, likelihood.total
        self._demand = total[likelihood.set_of] * p
        self._mean = likelihood.per_set(p[:, None] * x) if likelihood.width else np.zeros((len(total), 0))
        block = x.T @ (self._demand[:, None] * x) - self._mean.T @ (total[:, None] * self._mean)
        block[np.diag_indices_from(block)] += likelihood.ridge + self._damping[: likelihood.width]
        self._covariates = block

    @functools.cached_property
    def _effects(self) -> tuple[Floats, sparse.csr_matrix, sparse.csr_matrix]:
        """Diagonal (G,), P (S, G) and P' diag(n) of the effects' block diag(w) - P' diag(n) P."""
        like = self.likelihood
        indptr = np.append(like.starts, len(self.p))
        share = sparse.csr_matrix((self.p, like.effect, indptr), shape=(len(like.total), like.groups))
        share.sum_duplicates()
        # Far from the maximum an effect may have no expected demand left at all.
        weight = np.maximum(np.bincount(like.effect, self._demand, like.groups), 1e-100)
        return weight, share, share.T.multiply(like.total).tocsr()

    @functools.cached_property
    def _cross(self) -> Floats:
        """(G, K) block of effects and covariates."""
        like = self.likelihood
        columns = [
            np.bincount(like.effect, self._demand * (like.x[:, k] - self._mean[like.set_of, k]), like.groups)
            for k in range(like.width)
        ]
        return np.stack(columns, axis=1) if columns else np.zeros((like.groups, 0))

    def _solve_effects(self, right: Floats) -> Floats:
        """Solve the effects' block for each column of (G, m), by conjugate gradients with a diagonal preconditioner."""
        weight, share, back = self._effects
        weight, size = weight + self._damping[self.likelihood.width :], len(weight)
        most = min(2000, 20 + 3 * size)  # in exact arithmetic `size` are enough
        matrix = LinearOperator((size, size), matvec=lambda v: weight * v - back @ (share @ v))
        diagonal = LinearOperator((size, size), matvec=lambda v: v / weight)
        solutions = [cg(matrix, column, rtol=1e-11, maxiter=most, M=diagonal)[0] for column in self._centred(right).T]
        return self._centred(np.stack(solutions, axis=1)) if solutions else np.zeros_like(right)

    def _centred(self, values: Floats) -> Floats:
        """Without an outside option a constant on connected effects means nothing: (G, m) with each such mean at 0."""
        if self.likelihood.has_outside:
            return values
        component = self.likelihood.component
        size = np.bincount(component)
        means = np.stack([np.bincount(component, v) / size for v in values.T], axis=1) if values.shape[1] else values
        return values - means[component] if values.shape[1] else values

    @functools.cached_property
    def diagonal(self) -> Floats:
        """(K + G,)"""
        if self.likelihood.effect is None:
            return self._covariates.diagonal()
        weight, share, back = self._effects
        return np.concatenate([self._covariates.diagonal(), weight - share.multiply(back.T).sum(axis=0).A1])

    @functools.cached_property
    def _adjusted(self) -> Floats:
        """(G, K) what of each covariate the effects explain."""
        return self._solve_effects(self._cross)

    @functools.cached_property
    def schur(self) -> Floats:
        """(K, K) information about the coefficients when the effects are estimated too."""
        if self.likelihood.effect is None:
            return self._covariates
        return self._covariates - self._cross.T @ self._adjusted

    def solve(self, right: Floats) -> Floats:
        """(K + G, m) information^-1 right.

        Raises:
            LinAlgError: the information is singular.
        """
        k = self.likelihood.width
        if self.likelihood.effect is None:
            return _positive_solve(self.schur, right)
        top = _positive_solve(self.schur, right[:k] - self._adjusted.T @ right[k:])
        return np.concatenate([top, self._solve_effects(right[k:]) - self._adjusted @ top])


def _positive_solve(matrix: Floats, right: Floats) -> Floats:
    """Solve with a positive definite matrix, scaled so that units of the covariates do not matter."""
    if len(matrix) == 0:
        return np.zeros_like(right)
    diagonal = matrix.diagonal()
    if not (diagonal > 0).all():
        raise linalg.LinAlgError("no information")
    scale = 1 / np.sqrt(diagonal)
    factor = linalg.cho_factor(matrix * np.outer(scale, scale))
    return scale[:, None] * linalg.cho_solve(factor, scale[:, None] * right)


def _climb(likelihood: Likelihood, theta: Floats, spread: Floats) -> tuple[Floats, _Information, int]:
    """(maximum, its information, steps); `spread` (K,) is the standard deviation of each covariate."""
    value, damping = likelihood.value(theta), 0.0
    scale = likelihood.information(np.zeros_like(theta)).diagonal
    for step in range(MAX_STEPS):
        p = likelihood.probabilities(theta)
        gradient = likelihood.gradient(theta, p)
        while True:
            information = _Information(likelihood, p, damping * scale)
            try:
                move = information.solve(gradient[:, None])[:, 0]
            except linalg.LinAlgError:
                move = None
            if move is not None and np.isfinite(move).all():
                gain = float(gradient @ move)
                if damping == 0 and gain < NEAR and likelihood.ridge == 0:
                    _check_separation(likelihood, theta, information, spread)
                if damping == 0 and gain < TOLERANCE:
                    theta = theta + move  # convergence is quadratic: the last step makes it exact
                    return theta, likelihood.information(theta), step + 1
                reached = likelihood.value(theta + move)
                # Armijo's condition; close to the maximum rounding of the value hides the gain.
                if reached > value + 1e-4 * gain - 1e-13 * abs(value):
                    break
            # Levenberg (1944): the more damping, the shorter the step and the closer to the gradient's. The curvature
            # is nowhere more than a small multiple of that at equal probabilities (Boehning 1992), so this ends.
            damping = max(4 * damping, 0.001)
        theta, value = theta + move, reached
        damping = damping / 10 if damping > 1e-5 else 0.0
    return theta, likelihood.information(theta), MAX_STEPS


def _check_effects(table: ChoiceTable, likelihood: Likelihood) -> None:
    if likelihood.effect is None:
        return
    total = likelihood.total[likelihood.set_of]
    available = np.bincount(likelihood.effect, total, likelihood.groups)
    chosen = np.bincount(likelihood.effect, likelihood.chosen, likelihood.groups)
    # Rows of one effect may share a choice set, which is then counted once.
    first = np.unique(np.stack([likelihood.set_of, likelihood.effect]), axis=1) if (chosen >= available).any() else None
    if first is not None:
        available = np.bincount(first[1], likelihood.total[first[0]], likelihood.groups)
    alone = likelihood.groups == 1 and not likelihood.has_outside
    for bad, complaint in (
        (available == 0, "it was never available"),
        (chosen == 0, "it was never chosen"),
        ((chosen >= available) & (not alone), "it was chosen whenever it was available"),
    ):
        if bad.any():
            named = ", ".join(repr(table.effect_names[g]) for g in np.flatnonzero(bad)[:5])
            more = f" and {int(bad.sum()) - 5} others" if bad.sum() > 5 else ""
            raise ValueError(
                f"the effect of {named}{more} is not identified: {complaint} in {likelihood.total.sum():g} choices. "
                f"Leave it out, or pool it with another."
            )


def _check_variation(table: ChoiceTable, likelihood: Likelihood) -> None:
    """Every covariate must vary, and inside at least one effect where there are effects."""
    used = likelihood.total[likelihood.set_of] > 0
    effect = likelihood.effect[used] if likelihood.effect is not None else np.zeros(int(used.sum()), np.int64)
    for k, name in enumerate(likelihood.names):
        column = likelihood.x[used, k]
        low, high = np.full(max(likelihood.groups, 1), np.inf), np.full(max(likelihood.groups, 1), -np.inf)
        np.minimum.at(low, effect, column)
        np.maximum.at(high, effect, column)
        if (high - low).max() > 1e-12 * np.abs(column).max():
            continue
        concerned = np.flatnonzero((low != 0) | (high != 0))
        among = ""
        if likelihood.effect is not None:
            named = ", ".join(repr(table.effect_names[g]) for g in concerned[:5])
            among = f" within any of {named}{' ...' if len(concerned) > 5 else ''}"
        raise ValueError(
            f"the coefficient of {name!r} is not identified: it does not vary{among}. "
            f"A price must be seen at two levels at least; an intercept is an effect, not a covariate."
        )


def _check_collinearity(likelihood: Likelihood) -> Floats:
    """(K,) standard deviation of each covariate inside choice sets and beside the effects, at equal probabilities."""
    if likelihood.width == 0:
        return np.zeros(0)
    information = likelihood.information(np.zeros(likelihood.width + likelihood.groups))
    demand = likelihood.total[likelihood.set_of] * information.p
    schur, choices = information.schur, float(demand @ (1 - information.p))
    if likelihood.ridge > 0:
        return np.sqrt(schur.diagonal() / choices)
    absorbed = schur.diagonal() <= COLLINEAR * (demand @ likelihood.x**2)
    if absorbed.any():
        name = likelihood.names[int(absorbed.argmax())]
        raise ValueError(
            f"the coefficient of {name!r} is not identified: it is the same for all alternatives of a choice set, or "
            f"the fixed effects explain it fully."
        )
    scale = np.sqrt(schur.diagonal())
    values, vectors = np.linalg.eigh(schur / np.outer(scale, scale))
    if values[0] < COLLINEAR:
        columns = _loading(likelihood.names, vectors[:, 0])
        raise ValueError(f"the coefficients of {columns} are not identified: these columns are collinear. Drop one.")
    return scale / np.sqrt(choices)


def _check_separation(likelihood: Likelihood, theta: Floats, information: _Information, spread: Floats) -> None:
    if likelihood.width == 0 or np.linalg.eigvalsh(information.schur / np.outer(spread, spread))[0] >= SEPARATED:
        return
    # Where all choices are told apart there is no information about anything; what ran away is to blame.
    columns = _loading(likelihood.names, spread * theta[: likelihood.width])
    raise ValueError(
        f"the coefficient of {columns} is not identified: perfect separation, it tells all choices apart that it could "
        f"be estimated from, and its estimate runs to infinity. Drop it, or set a ridge above 0."
    )


def _loading(names: Sequence[str], vector: Floats) -> str:
    """The covariates that make up a direction."""
    large = np.abs(vector) > np.abs(vector).max() / 3
    return ", ".join(repr(name) for name, counts in zip(names, large, strict=True) if counts)


def _sandwich(scores: Floats) -> Floats:
    clusters = len(scores)
    if clusters < 2:
        return np.full((scores.shape[1], scores.shape[1]), np.nan)
    return clusters / (clusters - 1) * scores.T @ scores


def _index(names: Sequence[str], name: str) -> int:
    if name not in names:
        raise ValueError(unknown_name("covariate", name, names))
    return list(names).index(name)

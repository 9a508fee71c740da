"""The log-likelihood of the conditional logit, with exact derivatives.

Owns    value, gradient and information, and solving with the information.
Leaves  the data to `choice_table`, the maximum and what follows from it to `logit`.
Axes    S choice sets, R rows (an alternative that was available in a choice set), K covariates, G fixed effects,
        C clusters.
Units   utility in logits, with the outside option at 0.

Utility of row r is x_r · beta + effect_g(r). With n_s choices in set s, y_r of them of row r, the log-likelihood
(McFadden 1974) and its derivatives are

    l = sum_r y_r u_r - sum_s n_s ln(1 + sum_{r in s} e^{u_r}) - ridge/2 |beta|^2
    gradient = A'(y - n p) - ridge beta,    information = A' diag(n p) A - sum_s n_s (A_s'p_s)(A_s'p_s)' + ridge

where A = [x, effect indicators] and the 1 is the outside option, absent if choices are conditional on buying. The block
of the effects is a diagonal minus a sparse product. It is solved by conjugate gradients, and only the K x K Schur
complement is formed, so that a million rows with thousands of effects take seconds.
"""

from __future__ import annotations

import functools

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, cg

from flashsale_env.encoders.demand.choice_table import ChoiceTable, Floats, Integers


class Likelihood:
    """The log-likelihood of a choice table in theta = (K coefficients, G effects), with exact derivatives.

    Args:
        table: the choices. Rows are sorted by choice set; sets without a choice have weight 0.
        ridge: see `fit`.
    """

    def __init__(self, table: ChoiceTable, ridge: float = 0.0) -> None:
        order: slice | Integers = slice(None)
        if (np.diff(table.choice_set) < 0).any():
            order = np.argsort(table.choice_set, kind="stable")
        present, self.starts, self.set_of = np.unique(table.choice_set[order], return_index=True, return_inverse=True)
        self.x = np.ascontiguousarray(table.covariates[order], float)
        self.effect = None if table.effect is None else table.effect[order]
        self.chosen = np.asarray(table.chosen[order], float)
        self.names = table.names
        self.width, self.groups = self.x.shape[1], len(table.effect_names) if table.effect is not None else 0
        self.has_outside = table.outside is not None
        # Only choice sets with rows enter; without an outside option, n_s is the number of purchases.
        outside = np.asarray(table.outside, float)[present] if table.outside is not None else 0.0
        self.total = self.per_set(self.chosen) + outside
        cluster = np.arange(len(present)) if table.cluster is None else table.cluster[present]
        self.cluster = np.unique(cluster, return_inverse=True)[1]
        self.ridge = ridge

    @functools.cached_property
    def offered(self) -> sparse.csr_matrix:
        """(S, G) 1 where a choice set has a row with the effect."""
        shape = (len(self.starts), self.groups)
        offered = sparse.csr_matrix((np.ones(len(self.x)), self.effect, np.append(self.starts, len(self.x))), shape)
        offered.sum_duplicates()
        offered.data[:] = 1.0
        return offered

    @functools.cached_property
    def component(self) -> Integers:
        """(G,) number of each effect's connected component: two effects are connected if a choice set has both."""
        # Components of the bipartite graph of choice sets and effects.
        graph = sparse.bmat([[None, self.offered.T], [self.offered, None]])
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
        """(S,) ln(1 + sum e^u), shifted by the largest utility so that nothing overflows."""
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
        """Log-likelihood minus the ridge penalty, nats."""
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

    def information(self, theta: Floats) -> Information:
        """Minus the Hessian, ready to be solved with."""
        return Information(self, self.probabilities(theta))

    def cluster_scores(self, p: Floats, directions: Floats) -> Floats:
        """(C, m) score of each cluster along m directions (K + G, m)."""
        # A direction's inner product with the score of row r is its residual times its "utility" A_r · direction.
        residual = self.chosen - self.total[self.set_of] * p
        scores = []
        for direction in directions.T:
            per_set = self.per_set(residual * self.utility(direction))
            scores.append(np.bincount(self.cluster, per_set))
        return np.stack(scores, axis=1) if scores else np.zeros((int(self.cluster.max()) + 1, 0))


class Information:
    """Minus the Hessian at choice probabilities p, stored as blocks of covariates and effects.

    Args:
        likelihood: of the choices.
        p: (R,)
        damping: (K + G,) added to the diagonal; 0 by default.
    """

    def __init__(self, likelihood: Likelihood, p: Floats, damping: Floats | None = None) -> None:
        self.likelihood, self.p = likelihood, p
        self._damping = np.zeros(likelihood.width + likelihood.groups) if damping is None else damping
        x, total = likelihood.x, likelihood.total
        self._demand = total[likelihood.set_of] * p
        # (S, K) sum_r p_r x_r. With an outside option, whose covariates are 0, this is the mean of the choice.
        self._mean = likelihood.per_set(p[:, None] * x) if likelihood.width else np.zeros((len(total), 0))
        block: Floats = x.T @ (self._demand[:, None] * x) - self._mean.T @ (total[:, None] * self._mean)
        block[np.diag_indices_from(block)] += likelihood.ridge + self._damping[: likelihood.width]
        self._covariates = block

    @functools.cached_property
    def _effects(self) -> tuple[Floats, sparse.csr_matrix, sparse.csr_matrix]:
        """w (G,), P (S, G) and P' diag(n) of the effects' block diag(w) - P' diag(n) P.

        w is the expected demand of each effect, P its choice probability in each set.
        """
        like = self.likelihood
        assert like.effect is not None
        indptr = np.append(like.starts, len(self.p))
        share = sparse.csr_matrix((self.p, like.effect, indptr), shape=(len(like.total), like.groups))
        share.sum_duplicates()
        # Far from the maximum, an effect's expected demand may underflow to 0.
        weight = np.maximum(np.bincount(like.effect, self._demand, like.groups), 1e-100)
        return weight, share, share.T.multiply(like.total).tocsr()

    @functools.cached_property
    def _cross(self) -> Floats:
        """(G, K) block of effects and covariates."""
        like, effect = self.likelihood, self.likelihood.effect
        assert effect is not None
        # Column k: sum over the rows of each effect of n p (x_k - mean of x_k in the choice set).
        columns = [
            np.bincount(effect, self._demand * (like.x[:, k] - self._mean[like.set_of, k]), like.groups)
            for k in range(like.width)
        ]
        return np.stack(columns, axis=1) if columns else np.zeros((like.groups, 0))

    def _solve_effects(self, right: Floats) -> Floats:
        """Solve the effects' block for each column of (G, m) by conjugate gradients, preconditioned by the diagonal."""
        weight, share, back = self._effects
        weight, size = weight + self._damping[self.likelihood.width :], len(weight)
        most = min(2000, 20 + 3 * size)  # exact arithmetic needs at most `size`
        matrix = LinearOperator((size, size), matvec=lambda v: weight * v - back @ (share @ v))
        diagonal = LinearOperator((size, size), matvec=lambda v: v / weight)
        solutions = [cg(matrix, column, rtol=1e-11, maxiter=most, M=diagonal)[0] for column in self._centred(right).T]
        return self._centred(np.stack(solutions, axis=1)) if solutions else np.zeros_like(right)

    def _centred(self, values: Floats) -> Floats:
        """(G, m) with mean 0 on each component, if there is no outside option.

        Adding a constant to all effects of a component then changes no probability: the block is singular in exactly
        these directions. Conjugate gradients stay in their complement if right-hand side and solution are centred.
        """
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
            return np.asarray(self._covariates.diagonal())
        weight, share, back = self._effects
        # diag(w) - P' diag(n) P has the diagonal w_g - sum_s n_s P_sg^2.
        return np.concatenate([self._covariates.diagonal(), weight - share.multiply(back.T).sum(axis=0).A1])

    @functools.cached_property
    def _adjusted(self) -> Floats:
        """(G, K) coefficients of the weighted regression of each covariate on the effects."""
        return self._solve_effects(self._cross)

    @functools.cached_property
    def schur(self) -> Floats:
        """(K, K) Schur complement: information about the coefficients when the effects are estimated too."""
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
            return positive_solve(self.schur, right)
        # Block elimination: the coefficients from the Schur complement, then the effects given the coefficients.
        top = positive_solve(self.schur, right[:k] - self._adjusted.T @ right[k:])
        return np.concatenate([top, self._solve_effects(right[k:]) - self._adjusted @ top])


def positive_solve(matrix: Floats, right: Floats) -> Floats:
    """Solve with a positive definite matrix, scaled to unit diagonal so that the covariates' units do not matter.

    Raises:
        LinAlgError: the matrix is not positive definite.
    """
    if len(matrix) == 0:
        return np.zeros_like(right)
    diagonal = matrix.diagonal()
    if not (diagonal > 0).all():
        raise linalg.LinAlgError("no information")
    scale = 1 / np.sqrt(diagonal)
    factor = linalg.cho_factor(matrix * np.outer(scale, scale))
    return np.asarray(scale[:, None] * linalg.cho_solve(factor, scale[:, None] * right))

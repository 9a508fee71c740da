"""Choices and what was available: the data of the conditional logit.

Owns    the form of these data and its checks, and the form's construction from a log of visits.
Axes    S choice sets, R rows (an alternative that was available in a choice set), K covariates, G fixed effects,
        n visits, M products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ChoiceTable:
    """What was available in each choice set and what was chosen.

    Args:
        choice_set: (R,) number of the choice set, 0..S-1, in any order.
        covariates: (R, K), finite.
        chosen: (R,) how often the row was chosen, or a weight; 0 or more.
        outside: (S,) how often nothing was chosen; None if unknown: choices are then conditional on buying.
        names: the K covariates.
        effect: (R,) number of the row's fixed effect (its product, or its product in its week), 0..G-1; None for none.
            An intercept is one effect shared by all rows.
        effect_names: the G effects; `fit` refuses an effect that never occurs.
        cluster: (S,) choice sets of equal number may be correlated (a customer, a shop); by default each set is its own
            cluster. All choices counted in one choice set belong to one cluster.

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
        """One choice set per visit, one fixed effect per product.

        Args:
            covariates: name -> array that broadcasts to (n, M), e.g. {"price": (n, M)}.
            bought: (n,) product bought, M for nothing.
            available: (n, M) what could be bought at that moment.
            products: the M products.
            weight: (n,) of the visits, 1 each by default.
            cluster: (n,) e.g. the customer; each visit its own cluster by default.

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
                f"recorded before the purchase."
            )
        each = np.ones(n) if weight is None else np.asarray(weight, float)
        row, product = np.nonzero(offered)  # one row per available product, so a sold-out one is no alternative
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

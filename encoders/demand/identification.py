"""Checks that every quantity of a conditional logit is identified, with an error that names the one that is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flashsale_env.encoders.demand.choice_table import ChoiceTable, Floats
from flashsale_env.encoders.demand.likelihood import Information, Likelihood

# Squared sine of the angle between a covariate and the span of the others: 1e-10 is near the limit of double precision.
COLLINEAR = 1e-10
# Information about one standard deviation of a covariate, in choices. An interior maximum comes with information from
# about one choice or more. Below a thousandth the standard error exceeds 30 logits: the estimate diverges.
SEPARATED = 1e-3


def check_effects(table: ChoiceTable, likelihood: Likelihood) -> None:
    """Every effect must have been available, chosen, and not always chosen when available.

    Raises:
        ValueError: an effect's estimate would be infinite.
    """
    if likelihood.effect is None:
        return
    available = likelihood.offered.T @ likelihood.total  # choices in sets that have the effect, each counted once
    chosen = np.bincount(likelihood.effect, likelihood.chosen, likelihood.groups)
    # Conditional on buying, a single effect is chosen every time; it is normalised to 0 and needs no information.
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


def check_variation(table: ChoiceTable, likelihood: Likelihood) -> None:
    """Every covariate must vary; with effects, inside at least one of them.

    Raises:
        ValueError: a covariate is constant.
    """
    used = likelihood.total[likelihood.set_of] > 0
    effect = likelihood.effect[used] if likelihood.effect is not None else np.zeros(int(used.sum()), np.int64)
    for k, name in enumerate(likelihood.names):
        column = likelihood.x[used, k]
        low, high = np.full(max(likelihood.groups, 1), np.inf), np.full(max(likelihood.groups, 1), -np.inf)
        np.minimum.at(low, effect, column)
        np.maximum.at(high, effect, column)
        if (high - low).max() > 1e-12 * np.abs(column).max():
            continue
        concerned = np.flatnonzero((low != 0) | (high != 0))  # effects in which the covariate occurs
        among = ""
        if likelihood.effect is not None:
            named = ", ".join(repr(table.effect_names[g]) for g in concerned[:5])
            among = f" within any of {named}{' ...' if len(concerned) > 5 else ''}"
        raise ValueError(
            f"the coefficient of {name!r} is not identified: it does not vary{among}. "
            f"A price must take at least two values; an intercept is an effect, not a covariate."
        )


def check_collinearity(likelihood: Likelihood) -> Floats:
    """(K,) standard deviation of each covariate within choice sets, net of the effects, at equal probabilities.

    Raises:
        ValueError: without ridge, a covariate is explained by the choice sets and effects, or by other covariates.
    """
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
            f"is a function of the fixed effects."
        )
    scale = np.sqrt(schur.diagonal())
    # Eigenvalues of the correlation matrix: the smallest is 0 if some combination of covariates is constant.
    values, vectors = np.linalg.eigh(schur / np.outer(scale, scale))
    if values[0] < COLLINEAR:
        columns = _loading(likelihood.names, vectors[:, 0])
        raise ValueError(f"the coefficients of {columns} are not identified: these columns are collinear. Drop one.")
    return np.asarray(scale / np.sqrt(choices))


def check_separation(likelihood: Likelihood, theta: Floats, information: Information, sd: Floats) -> None:
    """The information about every combination of coefficients must not vanish near the maximum.

    Args:
        likelihood: of the choices.
        theta: (K + G,) coefficients and effects.
        information: at theta.
        sd: (K,) standard deviation of each covariate.

    Raises:
        ValueError: some covariate predicts the choices perfectly, so the maximum is at infinity.
    """
    if likelihood.width == 0 or np.linalg.eigvalsh(information.schur / np.outer(sd, sd))[0] >= SEPARATED:
        return
    # Under perfect separation no coefficient has information left: name the largest ones, which diverged.
    columns = _loading(likelihood.names, sd * theta[: likelihood.width])
    raise ValueError(
        f"the coefficient of {columns} is not identified: perfect separation, it predicts every choice in which it "
        f"varies, so its estimate diverges. Drop it, or set a ridge above 0."
    )


def _loading(names: Sequence[str], vector: Floats) -> str:
    """The covariates with a large share in a direction."""
    large = np.abs(vector) > np.abs(vector).max() / 3
    return ", ".join(repr(name) for name, counts in zip(names, large, strict=True) if counts)

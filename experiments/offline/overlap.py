"""Overlap: whether a log says enough about another policy.

Owns    the effective sample size of weights, and the refusal where it is too small or where the log lacks actions.

A log in which the other policy's actions hardly occur gives an estimate from a handful of sales, with an interval that
means nothing. Such an estimate is refused, not shown.
"""

import numpy as np
import numpy.typing as npt

# Below this number of effective sales, Student's interval does not cover: the weights are far from normal.
LEAST_EFFECTIVE = 30.0
# Standard errors by which the mean of the weights may differ from 1: a false alarm in 10^6.
_ERRORS = 5.0


def effective(weights: npt.NDArray[np.float64]) -> float:
    """Effective number of sales behind weights (S,): (sum w)^2 / sum w^2.

    Source:
        Kong (1992), A note on importance sampling using standardized weights, Chicago TR 348.

    >>> effective(np.ones(5)), effective(np.array([1.0, 0.0, 0.0])), effective(np.zeros(2))
    (5.0, 1.0, 0.0)
    """
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def why_unsupported(weights: npt.NDArray[np.float64]) -> str | None:
    """Why weights (S,) are not those of a log that could hold every action of the other policy; None where they may be.

    Their mean is 1 if it could. Where the other policy's actions had no chance of being logged, the weights are few and
    even, so the effective sample size does not tell.
    """
    mean = float(weights.mean())
    if abs(mean - 1.0) <= _ERRORS * float(weights.std()) / np.sqrt(len(weights)) + 1e-9:
        return None
    return (
        f"the weights' mean is {mean:.3g}, not 1: the log cannot hold all actions of this policy, log more exploration"
    )


def why_too_few(number: float, sales: int, least: float = LEAST_EFFECTIVE) -> str | None:
    """Why an estimate from so many effective sales is refused; None where it is not."""
    if number >= least:
        return None
    return f"{number:.1f} effective sales of {sales:,}, {least:g} are needed: log more sales, or more exploration"

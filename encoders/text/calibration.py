"""Calibrated probabilities: the temperature of the softmax, and the calibration error.

Leaves  the choice of held-out messages to `intent`.
Axes    n texts, k classes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as _softmax

__all__ = ["expected_calibration_error", "fit_temperature", "softmax"]

BINS = 15  # Guo et al. (2017); with equal counts, so that none is empty (Nixon et al. 2019)
# Outside this range the probabilities are practically uniform or 0 and 1: a fit at an end has diverged.
_TEMPERATURES = (0.05, 20.0)


def fit_temperature(logits: npt.NDArray[np.floating], target: npt.NDArray[np.integer]) -> float:
    """The temperature T that minimises the log loss of softmax(logits / T) on held-out rows.

    It changes no decision: the order of the classes is that of the logits.

    Args:
        logits: (n, k).
        target: (n,) class numbers.

    Raises:
        ValueError: no rows, or not one target per row.

    Source:
        Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, section 4.2.
    """
    logits, target = np.asarray(logits, np.float64), np.asarray(target)
    if logits.ndim != 2 or not len(logits) or len(logits) != len(target):
        raise ValueError(
            f"a temperature needs one target per row of logits and at least one row, "
            f"got logits {logits.shape} and {len(target)} targets."
        )
    rows = np.arange(len(target))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits / np.exp(log_temperature), axis=1)[rows, target].mean())

    found = minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def softmax(logits: npt.NDArray[np.floating], temperature: float = 1.0) -> npt.NDArray[np.floating]:
    """Probabilities (n, k) of logits (n, k) divided by the temperature."""
    return np.asarray(_softmax(np.asarray(logits) / temperature, axis=1))


def expected_calibration_error(
    probabilities: npt.NDArray[np.floating], target: npt.NDArray[np.integer], bins: int = BINS
) -> float:
    """Mean absolute difference between confidence and accuracy, over bins of equal counts.

    Confidence is the probability of the predicted class. With fewer rows than bins, each row is a bin.

    >>> expected_calibration_error(np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1]), bins=1)
    0.0
    """
    probabilities, target = np.asarray(probabilities, np.float64), np.asarray(target)
    if not len(target):
        raise ValueError("the calibration error of no rows is not defined: give at least one.")
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == target
    order = np.argsort(confidence, kind="stable")
    gaps = [
        abs(confidence[rows].mean() - right[rows].mean()) * len(rows)
        for rows in np.array_split(order, min(bins, len(target)))
    ]
    return float(np.sum(gaps) / len(target))

"""Probabilities that mean what they say, and messages that are none of the nine intents.

Owns    the temperature of the softmax, the calibration error, and the score that tells familiar messages from others.
Leaves  reading messages to `intent` and choosing the held-out ones to `training`.
Axes    n texts, k classes, w the embedding's width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as _softmax
from sklearn.covariance import ledoit_wolf

__all__ = ["ACCEPTANCE", "Scope", "expected_calibration_error", "fit_temperature", "held_out_distance", "softmax"]

BINS = 15  # Guo et al. (2017); of equal mass, so that none is empty (Nixon et al. 2019)
ACCEPTANCE = 0.95  # share of held-out in-scope messages that must pass
_ROWS = 8192  # rows at a time: the whitened copy of 100,000 embeddings would take as much memory as they do
# Temperatures beyond these make the probabilities uniform or certain; a fit that ends there has run away.
_TEMPERATURES = (0.05, 20.0)


def fit_temperature(logits: npt.NDArray[np.floating], target: npt.NDArray[np.integer]) -> float:
    """The T for which softmax(logits / T) has the lowest log loss on held-out rows.

    It changes no decision: the order of the classes is that of the logits.

    Args:
        logits: (n, k).
        target: (n,) class numbers.

    Raises:
        ValueError: no rows, or not one target a row.

    Source:
        Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, section 4.2.
    """
    logits, target = np.asarray(logits, np.float64), np.asarray(target)
    if logits.ndim != 2 or not len(logits) or len(logits) != len(target):
        raise ValueError(
            f"a temperature needs one target a row of logits and at least one row, "
            f"got logits {logits.shape} and {len(target)} targets."
        )
    rows = np.arange(len(target))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits / np.exp(log_temperature), axis=1)[rows, target].mean())

    found = minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def softmax(logits: npt.NDArray[np.floating], temperature: float = 1.0) -> npt.NDArray[np.floating]:
    """Probabilities (n, k) of logits (n, k) divided by the temperature."""
    return _softmax(np.asarray(logits) / temperature, axis=1)


def expected_calibration_error(
    probabilities: npt.NDArray[np.floating], target: npt.NDArray[np.integer], bins: int = BINS
) -> float:
    """Mean distance between confidence and accuracy, over bins that hold equally many rows.

    Confidence is the probability of the best guess; fewer rows than bins make one bin a row.

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


@dataclass(frozen=True, eq=False)
class Scope:
    """How near a message is to those that the encoder was trained on.

    The score adds two standardised parts: minus the squared Mahalanobis distance to the nearest class mean under one
    shared covariance, which asks whether the words are familiar, and the probability of the best guess, which asks
    whether they decide. On messages of two real shops, read by the shipped encoder, the sum separated the rows with
    and without an intent better (area under the ROC curve .85 and .71) than distance (.82 and .66), confidence (.76
    and .70) or energy (.77 and .68) alone.

    Source:
        Lee, Lee, Lee & Shin (2018), A simple unified framework for detecting out-of-distribution samples, equation 2.
    """

    whitening: npt.NDArray[np.float32]  # (w, w): differences times this have the identity as covariance
    means: npt.NDArray[np.float32]  # (k, w): class means, whitened
    centre: tuple[float, float]  # mean of (minus distance, confidence) over held-out messages
    spread: tuple[float, float]  # and their standard deviations
    threshold: float

    @classmethod
    def fit(
        cls,
        embeddings: npt.NDArray[np.float32],
        target: npt.NDArray[np.integer],
        distance: npt.NDArray[np.floating],
        confidence: npt.NDArray[np.floating],
    ) -> Scope:
        """Class means and covariance of the training messages, the threshold on held-out ones.

        Args:
            embeddings: (n, w) of the training messages.
            target: (n,) their classes.
            distance: (m,) of in-scope messages that were not trained on, by `held_out_distance`.
            confidence: (m,) probabilities of the best guesses of these.
        """
        whitening, means = _density(embeddings, target)
        parts = np.stack([-np.asarray(distance, np.float64), np.asarray(confidence, np.float64)])
        centre, spread = parts.mean(axis=1), np.maximum(parts.std(axis=1), 1e-12)
        score = ((parts - centre[:, None]) / spread[:, None]).sum(axis=0)
        threshold = float(np.quantile(score, 1 - ACCEPTANCE))
        return cls(
            whitening, means, (float(centre[0]), float(centre[1])), (float(spread[0]), float(spread[1])), threshold
        )

    def score(
        self, embeddings: npt.NDArray[np.float32], confidence: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.float32]:
        """(n,) higher for more familiar messages; in scope from `threshold` on."""
        distance = _distance(embeddings, self.whitening, self.means)
        near = (-distance - self.centre[0]) / self.spread[0]
        sure = (np.asarray(confidence, np.float64) - self.centre[1]) / self.spread[1]
        return (near + sure).astype(np.float32)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What a file of tensors holds of it; the rest is in `figures`."""
        return {"whitening": torch.from_numpy(self.whitening), "means": torch.from_numpy(self.means)}

    def figures(self) -> dict[str, Any]:
        """What the card holds of it."""
        return {
            "score": "mahalanobis + confidence",
            "acceptance": ACCEPTANCE,
            "centre": list(self.centre),
            "spread": list(self.spread),
            "threshold": self.threshold,
        }

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], figures: Mapping[str, Any]) -> Scope:
        """The inverse of `tensors` and `figures`."""
        return cls(
            tensors["whitening"].numpy(),
            tensors["means"].numpy(),
            tuple(figures["centre"]),
            tuple(figures["spread"]),
            figures["threshold"],
        )


def held_out_distance(
    embeddings: npt.NDArray[np.float32], target: npt.NDArray[np.integer], held_out: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """(m,) squared Mahalanobis distance of other messages (m, w) to the nearest class of these (n, w)."""
    return _distance(held_out, *_density(embeddings, target))


def _density(
    embeddings: npt.NDArray[np.float32], target: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Whitening (w, w) and whitened class means (k, w). The covariance is shrunk: it has w² entries to learn."""
    embeddings = np.asarray(embeddings, np.float64)
    classes, number = np.unique(target, return_inverse=True)
    means = np.stack([embeddings[number == i].mean(axis=0) for i in range(len(classes))])
    covariance, _ = ledoit_wolf(embeddings - means[number], assume_centered=True)
    whitening = np.linalg.cholesky(np.linalg.inv(covariance))
    return whitening.astype(np.float32), (means @ whitening).astype(np.float32)


def _distance(
    embeddings: npt.NDArray[np.float32], whitening: npt.NDArray[np.float32], means: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """(n,) squared Mahalanobis distance to the nearest class mean."""
    nearest = np.empty(len(embeddings))
    for start in range(0, len(embeddings), _ROWS):
        white = np.asarray(embeddings[start : start + _ROWS], np.float32) @ whitening
        square = (white**2).sum(axis=1)[:, None] + (means**2).sum(axis=1) - 2 * (white @ means.T)
        nearest[start : start + _ROWS] = square.min(axis=1)
    return np.maximum(nearest, 0.0)

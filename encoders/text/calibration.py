"""Probabilities that mean what they say, and messages that are none of the nine intents.

Owns    the temperature of the softmax, the calibration error, and the score that tells familiar messages from others.
Leaves  reading messages to `intent` and choosing the held-out ones to `training`.
Axes    n texts, k classes, w the embedding's width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp
from scipy.special import softmax as _softmax

from flashsale_env.encoders.text.training import frozen_head

__all__ = ["ACCEPTANCE", "Scope", "expected_calibration_error", "fit_temperature", "softmax"]

BINS = 15  # Guo et al. (2017); of equal mass, so that none is empty (Nixon et al. 2019)
ACCEPTANCE = 0.95  # share of held-out in-scope messages that must pass
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
    """Whether a message has one of the k intents or none: a class of its own, learned from generated messages.

    The score is the log-odds of having any intent, by a multinomial logistic regression on the embeddings whose last
    class is "none". On messages of two real shops, read by the shipped encoder, it separated the rows with and without
    an intent better (area under the ROC curve .90 and .76) than distance to the nearest class and confidence together
    (.85 and .70; Lee et al. 2018, equation 2). The tenth neighbour, a regression that knows in scope and out of scope
    but not the intents, and sums of these were no better either.

    Source:
        Hendrycks, Mazeika & Dietterich (2019), Deep anomaly detection with outlier exposure, arXiv 1812.04606; with a
        background class, as in its section 4.
    """

    weight: npt.NDArray[np.float32]  # (k + 1, w), the last row is "none"
    bias: npt.NDArray[np.float32]  # (k + 1,)
    threshold: float

    @classmethod
    def fit(
        cls,
        embeddings: npt.NDArray[np.float32],
        target: npt.NDArray[np.integer],
        outliers: npt.NDArray[np.float32],
        held_out: npt.NDArray[np.float32],
        *,
        sample_weight: npt.NDArray[np.floating] | None = None,
    ) -> Scope:
        """The regression on training messages, the threshold on held-out ones.

        Args:
            embeddings: (n, w) of messages with an intent.
            target: (n,) their classes, 0 to k - 1.
            outliers: (m, w) of messages with none.
            held_out: embeddings of messages with an intent that were not trained on; `ACCEPTANCE` of them pass.
            sample_weight: (n + m,) of the messages with an intent, then those with none; None weighs all alike.
        """
        none = int(np.max(target)) + 1
        together = np.concatenate([embeddings, outliers])
        head = frozen_head(
            together, np.concatenate([target, np.full(len(outliers), none)]), sample_weight=sample_weight
        )
        scope = cls(head["weight"].contiguous().numpy(), head["bias"].numpy(), 0.0)
        return scope.accepting(scope.score(held_out))

    def accepting(self, scores: npt.NDArray[np.floating]) -> Scope:
        """The same score with the threshold that `ACCEPTANCE` of these scores pass."""
        return replace(self, threshold=float(np.quantile(scores, 1 - ACCEPTANCE)))

    def score(self, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n,) log-odds of having an intent; in scope from `threshold` on."""
        logits = np.asarray(embeddings, np.float32) @ self.weight.T + self.bias
        return np.asarray(logsumexp(logits[:, :-1], axis=1) - logits[:, -1], np.float32)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What a file of tensors holds of it; the rest is in `figures`."""
        return {"weight": torch.from_numpy(self.weight), "bias": torch.from_numpy(self.bias)}

    def figures(self) -> dict[str, Any]:
        """What the card holds of it."""
        return {"score": "log-odds of any intent", "acceptance": ACCEPTANCE, "threshold": self.threshold}

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], figures: Mapping[str, Any]) -> Scope:
        """The inverse of `tensors` and `figures`."""
        return cls(tensors["weight"].numpy(), tensors["bias"].numpy(), figures["threshold"])

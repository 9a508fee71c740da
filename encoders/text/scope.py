"""The out-of-scope score: whether a message has one of the nine intents, or none.

Owns    the score, its fit and its threshold.
Leaves  generated messages without an intent to `corpus.outliers`, and the file to `storage`.
Axes    n texts, k classes, w the embedding's width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import logsumexp

from flashsale_env.encoders.text.heads import frozen_head

__all__ = ["ACCEPTANCE", "Scope"]

ACCEPTANCE = 0.95  # share of held-out in-scope messages above the threshold


@dataclass(frozen=True, eq=False)
class Scope:
    """The log-odds that a message has any intent, from a multinomial logistic regression with an extra class "none".

    The class "none" is trained on generated messages. On messages of two real shops, with the encoder of the first
    corpus, the score separated rows with and without an intent better (area under the ROC curve .90 and .76) than
    distance to the nearest class and confidence combined (.85 and .70; Lee et al. 2018, equation 2). The distance to
    the tenth neighbour, a binary regression without the intents, and sums of these were no better.

    Source:
        Hendrycks, Mazeika & Dietterich (2019), Deep anomaly detection with outlier exposure, arXiv 1812.04606; with a
        background class, as in its section 4.
    """

    weight: npt.NDArray[np.float32]  # (k + 1, w), the last row is "none"
    bias: npt.NDArray[np.float32]  # (k + 1,)
    threshold: float  # a message is in scope if its score is at least this

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
        """Fit the regression to training messages, and the threshold to held-out ones.

        Args:
            embeddings: (n, w) of messages with an intent.
            target: (n,) their classes, 0 to k - 1.
            outliers: (m, w) of messages without an intent.
            held_out: embeddings of messages with an intent that were not trained on; `ACCEPTANCE` of them pass.
            sample_weight: (n + m,) of the messages with an intent, then of those without; None gives all weight 1.
        """
        none = int(np.max(target)) + 1
        together = np.concatenate([embeddings, outliers])
        head = frozen_head(
            together, np.concatenate([target, np.full(len(outliers), none)]), sample_weight=sample_weight
        )
        scope = cls(head["weight"].contiguous().numpy(), head["bias"].numpy(), 0.0)
        return scope.accepting(scope.score(held_out))

    def accepting(self, scores: npt.NDArray[np.floating]) -> Scope:
        """The same score, with the threshold at which a share `ACCEPTANCE` of these scores pass."""
        return replace(self, threshold=float(np.quantile(scores, 1 - ACCEPTANCE)))

    def score(self, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n,) log-odds of having an intent."""
        logits = np.asarray(embeddings, np.float32) @ self.weight.T + self.bias
        return np.asarray(logsumexp(logits[:, :-1], axis=1) - logits[:, -1], np.float32)

    def tensors(self) -> dict[str, torch.Tensor]:
        """The part that is stored as tensors."""
        return {"weight": torch.from_numpy(self.weight), "bias": torch.from_numpy(self.bias)}

    def figures(self) -> dict[str, Any]:
        """The part that is stored on the card."""
        return {"score": "log-odds of any intent", "acceptance": ACCEPTANCE, "threshold": self.threshold}

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], figures: Mapping[str, Any]) -> Scope:
        """The inverse of `tensors` and `figures`."""
        return cls(tensors["weight"].numpy(), tensors["bias"].numpy(), figures["threshold"])

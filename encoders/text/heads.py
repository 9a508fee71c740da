"""Linear heads on the embedding.

Owns    the tasks and their classes, the class numbers of labelled messages, the names of a head's tensors, and the
        closed-form fit on a frozen backbone.
Axes    n messages, w the embedding's width, k classes in the order of `TASKS`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression

from flashsale_env.encoders.corpus.generator import Message
from flashsale_env.encoders.corpus.phrases import SENTIMENTS
from flashsale_env.intents import INTENTS

# Classes of each task. Every encoder has the intent head; other heads are optional.
TASKS: dict[str, tuple[str, ...]] = {"intent": INTENTS, "sentiment": SENTIMENTS}

UNLABELLED = -100  # class number of a message without a label: torch's default `ignore_index`
INVERSE_PENALTY = 3.0  # scikit-learn's C of the closed-form fit


def label_of(message: Message, task: str) -> str | None:
    """The message's label for a task; None if it has none."""
    label: str | None = getattr(message, task, None)
    return label


def targets(messages: Sequence[Message], task: str) -> npt.NDArray[np.int64]:
    """(n,) class numbers, `UNLABELLED` where a label is missing. The intent is required.

    Raises:
        ValueError: a label that is not in `TASKS`, with the message's number.
    """
    classes = TASKS[task]
    labels = [label_of(message, task) for message in messages]
    for row, label in enumerate(labels):
        if label not in classes and not (label is None and task != "intent"):
            raise ValueError(f"message {row} has {task} {label!r}; expected one of {', '.join(classes)}.")
    return np.array([UNLABELLED if label is None else classes.index(label) for label in labels], dtype=np.int64)


def head_name(task: str, key: str) -> str:
    """Name of a head's tensor in the head file. The intent head came first, so its tensors have no prefix."""
    return key if task == "intent" else f"{task}.{key}"


def frozen_head(
    embeddings: npt.NDArray[np.floating],
    target: npt.NDArray[np.integer],
    *,
    class_weight: str | None = None,
    sample_weight: npt.NDArray[np.floating] | None = None,
) -> dict[str, torch.Tensor]:
    """Multinomial logistic regression on embeddings (n, w), as the weight (k, w) and bias (k,) of a linear layer."""
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=2000, class_weight=class_weight)
    model.fit(embeddings, target, sample_weight=sample_weight)
    return {
        "weight": torch.tensor(model.coef_, dtype=torch.float32),
        "bias": torch.tensor(model.intercept_, dtype=torch.float32),
    }

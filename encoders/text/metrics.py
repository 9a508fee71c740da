"""Figures of classifiers of intents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.metrics import accuracy_score, f1_score


def scores(truth: Sequence[str], guess: Sequence[str]) -> dict[str, float]:
    """Accuracy, and macro-F1 over the intents that occur in `truth`."""
    return {
        "accuracy": float(accuracy_score(truth, guess)),
        "macro_f1": float(f1_score(truth, guess, labels=sorted(set(truth)), average="macro", zero_division=0)),
    }


def rounded(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Figures by language, rounded to four digits for a card; the confusion matrix is left out."""
    return {
        language: {name: round(value, 4) for name, value in found.items() if name != "confusion"}
        for language, found in figures.items()
    }

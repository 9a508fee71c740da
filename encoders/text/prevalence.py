"""The mix of a shop's messages: the share of each intent, corrected for the encoder's confusion.

Owns    the map (probabilities of n messages, mix of the training messages) -> shares with intervals.
Leaves  the probabilities to `intent`.
Axes    n messages, k classes, b resampled sets of messages.

An encoder is trained on every intent equally often. In a shop whose customers mostly browse, it reads rare intents too
often: counts and mean probabilities lean towards the mix of the training messages. Messages of one intent are assumed
to read alike in the shop and in training (label shift). The shares then maximise the likelihood of the messages, which
is concave, so expectation maximisation finds them.

Source:
    Saerens, Latinne & Decaestecker (2002), Adjusting the outputs of a classifier to new a priori probabilities,
    Neural Computation 14(1), equations 2.8 and 2.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Mix", "estimate_mix"]

# Messages of each class in the training mix that count as seen before: with few messages no share is 0 or 1.
PSEUDO_COUNT = 0.5
TOLERANCE, MOST_STEPS = 1e-6, 1000
RESAMPLED = 200  # sets of messages, for the intervals
MOST_RESAMPLED = 5000  # messages of such a set; the intervals of more messages are narrowed by the square root

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Mix:
    """Shares of k classes, each with a 95 % interval over messages; the intervals take the encoder as given."""

    share: npt.NDArray[np.float64]  # (k,) sums to 1
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def estimate_mix(probabilities: Floats, prior: Floats | None = None, *, seed: int = 0) -> Mix:
    """The mix that explains the messages best.

    Args:
        probabilities: (n, k) calibrated, of each message and class.
        prior: (k,) mix of the messages that the encoder was trained on; None is equal shares.
        seed: of the resampled messages.

    Raises:
        ValueError: no messages, or a prior that is not positive for each class.

    >>> sure = np.repeat([[0.99, 0.01], [0.01, 0.99]], [90, 10], axis=0)
    >>> estimate_mix(sure).share.round(1)
    array([0.9, 0.1])
    """
    given = np.asarray(probabilities, np.float64)
    n, k = given.shape
    prior = np.full(k, 1 / k) if prior is None else np.asarray(prior, np.float64)
    if not n or prior.shape != (k,) or not (prior > 0).all():
        raise ValueError(f"needs messages and a positive share of each of {k} classes, got {n} messages and {prior}.")
    ratio = given / prior  # proportional to the density of a message given its class
    share = _maximised(ratio, np.ones((1, n)), prior, prior)[0]
    rng = np.random.default_rng(seed)
    size = min(n, MOST_RESAMPLED)
    rows = np.arange(n) if size == n else rng.choice(n, size, replace=False)
    counts = rng.multinomial(size, np.full(size, 1 / size), RESAMPLED)
    spread = _maximised(ratio[rows], counts, prior, share)
    around = (spread - spread.mean(axis=0)) * np.sqrt(size / n)
    low, high = np.clip(share + np.quantile(around, [0.025, 0.975], axis=0), 0, 1)
    return Mix(share, low, high)


def _maximised(ratio: Floats, counts: npt.NDArray[Any], prior: Floats, start: Floats) -> npt.NDArray[np.float64]:
    """(b, k) shares by expectation maximisation, from densities (n, k) up to a factor and counts (b, n) of messages."""
    seen = PSEUDO_COUNT * len(prior)
    total = counts.sum(axis=1, keepdims=True) + seen
    share: npt.NDArray[np.float64] = np.tile(np.asarray(start, np.float64), (len(counts), 1))
    for _ in range(MOST_STEPS):
        responsible = share * ((counts / (share @ ratio.T)) @ ratio)
        before, share = share, np.asarray((responsible + seen * prior) / total, np.float64)
        if np.abs(share - before).max() < TOLERANCE:
            break
    return share

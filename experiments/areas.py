"""Areas under the ROC curve, with intervals over groups of customers.

Owns    the area of each of several scores of the same customers, and how far each lies below a reference.
Axes    C customers in G groups, B resamples of the groups.

The area is the probability that a customer with the label scores above one without it; a tie counts half.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from flashsale_env.intervals import CONFIDENCE, Interval

Floats = npt.NDArray[np.float64]


def areas(
    scores: Mapping[str, Floats],
    label: npt.NDArray[np.bool_],
    group: npt.NDArray[np.int64],
    reference: str,
    *,
    resamples: int = 400,
    seed: int = 0,
) -> dict[str, tuple[Interval, Interval]]:
    """The area of each score, and that of the reference less it, with percentile intervals of a bootstrap over groups.

    All scores meet the same resamples, so a difference is a paired one.

    Args:
        scores: name -> (C,).
        label: (C,).
        group: (C,) number of the group of each customer.
        reference: the score that the others are compared with.
        resamples, seed: of the bootstrap.

    Raises:
        ValueError: nobody or everybody has the label, or there is a single group.

    >>> found = areas({"a": np.array([1.0, 2.0, 3.0, 3.0])}, np.array([0, 1, 0, 1], bool), np.arange(4), "a")
    >>> found["a"][0].mean  # 2 > 1, 2 < 3, 3 > 1, 3 = 3
    0.625
    """
    groups = np.unique(group)
    if len(np.unique(label)) < 2 or len(groups) < 2:
        raise ValueError(
            f"an area needs customers with and without the label in at least 2 groups, got {int(label.sum())} of "
            f"{len(label)} in {len(groups)}."
        )
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(groups), np.full(len(groups), 1.0 / len(groups)), size=resamples)
    times = np.vstack([np.ones(len(groups)), drawn]).astype(np.float32)[:, np.searchsorted(groups, group)]
    found = {name: _areas(values, label, times) for name, values in scores.items()}
    return {name: (_interval(area), _interval(found[reference] - area)) for name, area in found.items()}


def _areas(score: Floats, label: npt.NDArray[np.bool_], times: npt.NDArray[np.float32]) -> Floats:
    """(1 + B,) area with each customer counted so many times, (1 + B, C)."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] > ordered[:-1]]))
    with_it = np.add.reduceat(np.where(label[order], times[:, order], 0.0), starts, axis=1, dtype=np.float64)
    without = np.add.reduceat(np.where(label[order], 0.0, times[:, order]), starts, axis=1, dtype=np.float64)
    below = np.cumsum(without, axis=1) - 0.5 * without
    total = with_it.sum(axis=1) * without.sum(axis=1)
    area = np.divide((with_it * below).sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)
    return np.asarray(area)


def _interval(values: Floats) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(values[1:], [tail, 1 - tail])
    return Interval(float(values[0]), float(low), float(high))

"""Errors of recording, known by their isolation: a value that stands alone, far from all others.

A deep discount is no error: a flash sale sells many units at a tenth of the price. An error stands alone: one or two
rows, far from every other price of the product, that sold no more than usual. So the depth of a discount never decides.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# A price that is five times as far from its neighbours is a misplaced decimal point, a weight recorded as a count, or
# a voucher; likewise a line of a hundred times the units of any other, such as litres of petrol beside bottles of milk.
PRICE_GAP = 5.0
UNITS_GAP = 100.0
# Values that stand alone: at most so many rows, of a product with at least so many others.
ALONE = 2
LEAST_OTHERS = 5
# Times: a year apart from all others, and less than a hundredth of the rows.
WEEKS_APART = 52
LEAST_SHARE = 0.01


def isolated(values: Floats, group: npt.NDArray[np.int64], gap: float, evidence: Mask | None = None) -> Mask:
    """(rows,) whether a value stands alone within its group.

    Args:
        values: (rows,) above 0.
        group: (rows,) number of the product.
        gap: ratio to the nearest other value from which a value is apart.
        evidence: (rows,) True where something else shows that the value is right.
    """
    out = np.zeros(len(values), bool)
    if not len(values):
        return out
    low, high = np.full(group.max() + 1, np.inf), np.full(group.max() + 1, -np.inf)
    logs = np.log(values)
    np.minimum.at(low, group, logs)
    np.maximum.at(high, group, logs)
    rows = np.flatnonzero((high - low > np.log(gap))[group])  # groups that hold a gap at all
    if not len(rows):
        return out
    rows = rows[np.lexsort((logs[rows], group[rows]))]
    g, x = group[rows], logs[rows]
    starts = np.r_[True, (g[1:] != g[:-1]) | (x[1:] - x[:-1] > np.log(gap))]
    run = np.cumsum(starts) - 1  # of values without a gap between them
    size = np.bincount(run)
    others = np.bincount(g, minlength=group.max() + 1)[g] - size[run]
    alone = (size[run] <= ALONE) & (others >= LEAST_OTHERS)
    out[rows] = alone
    return out if evidence is None else out & ~evidence


def isolated_weeks(week: Floats) -> Mask:
    """(rows,) whether a week lies more than a year from all others, with less than a hundredth of the rows."""
    distinct, codes, counts = np.unique(week, return_inverse=True, return_counts=True)
    run = np.cumsum(np.r_[True, np.diff(distinct) > WEEKS_APART]) - 1
    share = np.bincount(run, counts) / len(week)
    return np.asarray((share < LEAST_SHARE)[run][codes.ravel()], bool)

"""Errors of recording, known by their isolation: a value that stands alone, far from all others.

A deep discount is no error: a flash sale sells many units at a tenth of the price. So the depth of a discount never
decides. An error is far from every other price of its product, and alone there: hardly any row is like it, in its week
at most two are, no price tag repeats it, no list price explains it, and it did not sell more than usual.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# A price that is five times off its neighbours is a misplaced decimal point, a weight recorded as a count, or a
# voucher; likewise a line of a hundred times the units of any other, such as litres of petrol beside bottles of milk.
PRICE_GAP = 5.0
UNITS_GAP = 100.0
# What stands alone: at most two rows or a hundredth of the product's, at most two in a week, and less than three at one
# price; of a product with at least five other rows.
ALONE = 2
ALONE_SHARE = 0.01
LEAST_OTHERS = 5
# Times: a year apart from all others, and less than a hundredth of the rows.
WEEKS_APART = 52
LEAST_SHARE = 0.01


def isolated(values: Floats, group: Integers, gap: float) -> tuple[Mask, Integers]:
    """Which values are few and far from all others of their group.

    Args:
        values: (rows,) above 0.
        group: (rows,) number of the product.
        gap: ratio to the nearest other value from which a value is far.

    Returns:
        (rows,) whether a value is; (rows,) number of the cluster of values without a gap between them, -1 where a
        group has no gap.
    """
    few, cluster = np.zeros(len(values), bool), np.full(len(values), -1, np.int64)
    if not len(values):
        return few, cluster
    groups = int(group.max()) + 1
    low, high = np.full(groups, np.inf), np.full(groups, -np.inf)
    logs = np.log(values)
    np.minimum.at(low, group, logs)
    np.maximum.at(high, group, logs)
    rows = np.flatnonzero((high - low > np.log(gap))[group])
    if not len(rows):
        return few, cluster
    rows = rows[np.lexsort((logs[rows], group[rows]))]
    g, x = group[rows], logs[rows]
    run = np.cumsum(np.r_[True, (g[1:] != g[:-1]) | (x[1:] - x[:-1] > np.log(gap))]) - 1
    size, whole = np.bincount(run)[run], np.bincount(g, minlength=groups)[g]
    few[rows] = (size <= np.maximum(ALONE, ALONE_SHARE * whole)) & (whole - size >= LEAST_OTHERS)
    cluster[rows] = run
    return few, cluster


def isolated_prices(price: Floats, listed: Floats, units: Floats, week: Integers, group: Integers) -> Mask:
    """(rows,) whether a price is an error, see the module.

    Args:
        price, listed, units: (rows,); the list price is NaN where it is not known.
        week: (rows,) number of the week.
        group: (rows,) number of the product.
    """
    few, cluster = isolated(price, group, PRICE_GAP)
    rows = np.flatnonzero(few)
    if not len(rows):
        return few
    concerned = np.isin(group, group[rows])
    table = pd.DataFrame({"group": group, "week": week, "units": units, "price": price, "cluster": cluster})[concerned]
    usual_units = table.groupby(["group", "week"])["units"].sum().groupby("group").median()
    usual_price = table.groupby("group")["price"].median()
    odd = table.loc[few[concerned]]
    in_week = odd.groupby(["cluster", "week"])["units"]
    bought, lines = in_week.transform("sum").to_numpy(), in_week.transform("size").to_numpy()
    tags = odd.groupby(["cluster", "price"])["price"].transform("size").to_numpy()
    with np.errstate(invalid="ignore"):
        off = np.abs(np.log(listed[rows] / usual_price[odd["group"]].to_numpy()))
        explained = (listed[rows] > price[rows]) & (off < np.log(PRICE_GAP))
    right = explained | (lines > ALONE) | (tags > ALONE) | (bought > usual_units[odd["group"]].to_numpy())
    out = np.zeros(len(price), bool)
    out[rows] = ~right
    return out


def isolated_weeks(week: Floats) -> Mask:
    """(rows,) whether a week lies more than a year from all others, with less than a hundredth of the rows."""
    distinct, codes, counts = np.unique(week, return_inverse=True, return_counts=True)
    run = np.cumsum(np.r_[True, np.diff(distinct) > WEEKS_APART]) - 1
    share = np.bincount(run, counts) / len(week)
    return np.asarray((share < LEAST_SHARE)[run][codes.ravel()], bool)

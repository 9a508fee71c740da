"""The panel of weekly sales that elasticities are estimated from.

Owns    the sums by product (and store) and week, which weeks are zeros, which ended with the stock, and the list of
        products that tell nothing.
Leaves  reading and checking rows to `encoders.records`, estimation to `elasticities`.
Axes    one cell a unit and week; a unit is a product, or a product of a store.
Units   prices in currency per unit, time in weeks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from flashsale_env.errors import unknown_name

# Weekly mean prices that vary by less than this are one price with rounding.
LEAST_PRICE_RANGE = 0.01
# Minimum number of weeks with a record: fewer than two for each quantity that a product adds (level, slope, spread) say
# more about the weeks than about the product.
LEAST_WEEKS = 8
# Cells of single stores are used where at least this share of them has a record: with fewer, most of a store's weeks
# have no price.
LEAST_FILLED = 0.5
# What a week without a row is: no sale, at an unknown price, or not on sale (or not recorded).
ABSENT = ("auto", "zeros", "missing")
STORES = ("auto", "apart", "summed")
# Share of the cells whose units may exceed a recorded stock, by deliveries within the week.
_MOST_ABOVE_STOCK = 0.01


@dataclass(frozen=True, eq=False)
class Panel:
    """Units and mean price by unit and week.

    Args:
        cells: one row per unit and week: product, category, store (if apart), week, units, price (currency paid over
            units), sold_out (bool), and the columns asked for.
        weeks: from the first to the last of the data.
        stores: "none" in the data, "one", "apart" or "summed".
        absent: what a week without a row is, between the first and the last of a product: "zeros" or "missing".
        truncated: whether weeks without a sale are missing from the cells, at unknown prices.
        has_stock: whether the data say which weeks ended with the stock.
        left_out: reason -> {"products", "rows", "names"} that are not in the cells; rows are transactions, names those
            of products of which nothing is left.
        notes: how the data were understood, one sentence each.
    """

    cells: pd.DataFrame
    weeks: int
    stores: str
    absent: str
    truncated: bool
    has_stock: bool
    left_out: dict[str, dict[str, object]]
    notes: tuple[str, ...] = field(default=())

    @property
    def unit(self) -> list[str]:
        """The columns that identify a unit."""
        return ["product", "store"] if self.stores == "apart" else ["product"]


def weekly_panel(
    transactions: pd.DataFrame,
    *,
    stores: str = "auto",
    absent: str = "auto",
    extra: Sequence[str] = (),
    least_weeks: int = LEAST_WEEKS,
) -> Panel:
    """Sum transactions by week, and leave out products that tell nothing about prices.

    Args:
        transactions: as `records.transactions.read_transactions` returns them.
        stores: "apart" makes a cell of each store, "summed" adds them up; "auto" takes them apart where at least half
            of the cells have a record, or where the data say what was sold out.
        absent: what a week without a row is, between the first and the last of a product: "zeros" or "missing"; "auto"
            takes zeros unless the data hold rows of 0 units.
        extra: numeric columns to average over the rows of a cell: instruments and controls.
        least_weeks: minimum number of weeks with a record.

    Raises:
        ValueError: no product is left, an option is unknown, or the stock is not that of the week.
    """
    for name, value, known in (("stores", stores, STORES), ("absent", absent, ABSENT)):
        if value not in known:
            raise ValueError(unknown_name(name, value, known))
    notes: list[str] = []
    has_stock = "stock" in transactions or "sold_out" in transactions
    how = _stores(transactions, stores, has_stock, notes)
    unit = ["product", "store"] if how == "apart" else ["product"]
    cells = _cells(transactions, unit, extra)
    weeks = int(transactions["week"].max()) + 1
    counted = bool((transactions["units"] == transactions["units"].round()).all())
    zeros = bool((transactions["units"] == 0).any())
    if absent == "auto":
        absent = "missing" if zeros else "zeros"
        notes.append(
            "the data hold rows of 0 units, so a week without a row was not on sale"
            if zeros
            else "a week without a row, between the first and the last of a product, sold nothing"
        )
    truncated = absent == "zeros" and counted
    if absent == "zeros" and not counted:
        notes.append("units are not whole numbers, so weeks without a row are left out of the regression")
    cells["sold_out"] = _sold_out(cells)
    cells = cells[~(cells["sold_out"] & (cells["units"] == 0))]  # nothing was on sale
    kept, left_out = _informative(cells, unit, truncated, least_weeks)
    if not kept.any():
        counts = "; ".join(f"{reason}: {count['products']}" for reason, count in left_out.items() if count["products"])
        raise ValueError(
            f"no product identifies an elasticity ({counts}): give more weeks, or weeks with other prices."
        )
    wanted = ["product", "category", *unit[1:], "week", "units", "price", "sold_out", *extra]
    good = cells.loc[kept, wanted].reset_index(drop=True)
    return Panel(good, weeks, how, absent, truncated, has_stock, left_out, tuple(notes))


def _stores(transactions: pd.DataFrame, stores: str, has_stock: bool, notes: list[str]) -> str:
    """ "none", "one", "apart" or "summed"."""
    if "store" not in transactions:
        if stores != "auto":
            raise ValueError(f"stores {stores!r} need the column `store`, and the data have none.")
        return "none"
    count = transactions["store"].nunique()
    if count == 1:
        return "one"
    filled = _filled(transactions)
    if stores == "auto":
        stores = "apart" if filled >= LEAST_FILLED or has_stock else "summed"
    notes.append(
        f"{count} stores, {'each with cells of its own' if stores == 'apart' else 'summed'}: {filled:.0%} of the cells "
        f"of product, store and week have a record"
    )
    return stores


def _filled(transactions: pd.DataFrame) -> float:
    """Share of the cells of product, store and week with a record, among the pairs of product and store that occur."""
    product, store = transactions["product"].cat.codes.to_numpy(np.int64), transactions["store"].cat.codes
    week = transactions["week"].to_numpy(np.int64)
    pair = product * (int(store.max()) + 1) + store.to_numpy(np.int64)
    weeks = int(week.max()) + 1
    return len(np.unique(pair * weeks + week)) / (len(np.unique(pair)) * weeks)


def _cells(rows: pd.DataFrame, unit: list[str], extra: Sequence[str]) -> pd.DataFrame:
    """One row per unit and week: units, paid, rows, price, and what is asked for."""
    table = rows[[*unit, "category", "week", "units", "price"]].assign(
        paid=rows["price"] * rows["units"], rows=1, **{name: rows[name] for name in extra}
    )
    how: dict[str, str] = {"units": "sum", "paid": "sum", "rows": "sum", "price": "mean"}
    how |= dict.fromkeys(extra, "mean")
    if "sold_out" in rows:
        table["sold_out"] = rows["sold_out"]
        how["sold_out"] = "max"
    if "stock" in rows:
        table["stock"], table["least_stock"] = rows["stock"], rows["stock"]
        how |= {"stock": "max", "least_stock": "min"}
    cells = table.groupby([*unit, "category", "week"], observed=True).agg(how).reset_index()
    # Where something sold, the price is what was paid per unit; the rows of a week without a sale show its price.
    cells["price"] = (cells["paid"] / cells["units"].where(cells["units"] > 0)).fillna(cells["price"])
    return cells


def _sold_out(cells: pd.DataFrame) -> pd.Series:
    """Whether sales of the cell ended with the stock.

    Raises:
        ValueError: the stock varies within a cell, or sales exceed it.
    """
    ended = pd.Series(False, index=cells.index)
    if "sold_out" in cells:
        ended |= cells["sold_out"] > 0
    if "stock" not in cells:
        return ended
    varies = cells["stock"] > cells["least_stock"]
    if varies.any():
        bad = cells[varies].iloc[0]
        raise ValueError(
            f"stock of product {bad['product']!r} takes several values in week {bad['week']}, {bad['least_stock']:g} "
            f"to {bad['stock']:g}: want the units that could be sold in the week, deliveries included, the same in "
            f"each row; or a column `sold_out`."
        )
    above = cells["units"] > cells["stock"]
    if above.mean() > _MOST_ABOVE_STOCK:
        bad = cells[above].iloc[0]
        raise ValueError(
            f"{above.mean():.0%} of the weeks sold more than their stock, e.g. product {bad['product']!r} in week "
            f"{bad['week']}: {bad['units']:g} of {bad['stock']:g}. Want the units that could be sold in the week, "
            f"deliveries included; or a column `sold_out`."
        )
    return ended | (cells["units"] >= cells["stock"])


def _informative(
    cells: pd.DataFrame, unit: list[str], truncated: bool, least_weeks: int
) -> tuple[np.ndarray, dict[str, dict[str, object]]]:
    """(cells,) whether the unit of the cell says something about prices, and the counts of those that do not."""
    groups = cells.groupby(unit, observed=True)
    weeks, units = groups["units"].transform("size"), groups["units"].transform("sum")
    highest, lowest = groups["price"].transform("max"), groups["price"].transform("min")
    reasons = {
        "never sold": units == 0,
        f"fewer than {least_weeks} weeks with a record": weeks < least_weeks,
        "no price variation": highest <= lowest * (1 + LEAST_PRICE_RANGE),
        "sold out in every week": groups["sold_out"].transform("all"),
    }
    if truncated:
        reasons["never more than one unit a week"] = units <= weeks
    kept = np.ones(len(cells), bool)
    out_of: dict[str, np.ndarray] = {}
    for reason, holds in reasons.items():
        out_of[reason] = kept & holds.to_numpy(bool)
        kept &= ~out_of[reason]
    staying = set(cells.loc[kept, "product"].unique())
    left_out: dict[str, dict[str, object]] = {}
    for reason, out in out_of.items():
        gone = cells[out]
        names = [str(name) for name in gone["product"].unique() if name not in staying]
        left_out[reason] = {
            "products": int(gone[unit].drop_duplicates().shape[0]),
            "rows": int(gone["rows"].sum()),
            "names": sorted(names),
        }
    return kept, left_out

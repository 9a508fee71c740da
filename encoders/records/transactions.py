"""Transactions: what was bought when at what price, one row a line of a receipt, a unit, or a week's sales.

Owns    the checks of these rows, and prices from amounts.
Leaves  reading files to `tables`, exports of known shops to `shops`, estimation to `demand`.
Units   prices in one currency per unit; units as they were counted or weighed; time in weeks.

Equal rows are further units of the same purchase: tills that print one line a unit write them, and no two rows of a
file can be told to be one row written twice. They are counted, and added up by whoever counts units.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.encoders.records.columns import TRANSACTION_COLUMNS, proposed, require
from flashsale_env.encoders.records.isolation import PRICE_GAP, UNITS_GAP, isolated, isolated_prices, isolated_weeks
from flashsale_env.encoders.records.products import finish
from flashsale_env.encoders.records.rows import Rows, Validation, rows_of
from flashsale_env.encoders.tables.cells import Cells, identifiers, truths
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.numbers import Money, numbers
from flashsale_env.encoders.tables.opened import OpenTable
from flashsale_env.encoders.tables.reading import read_columns
from flashsale_env.encoders.tables.times import Weeks, weeks_of_numbers, weeks_of_times

ONE_UNIT = "1"  # in place of a column's name: every row is one unit

_NUMBERS = ("price", "amount", "units", "list_price", "discount")
_IDENTIFIERS = ("product", "category", "title", "store", "basket")
_STOCK = ("stock", "visits")
_LEAST_UNITS = 1.0  # a week that sold nothing is as near to others as one that sold a unit
_FIRST_WEEK, _LAST_WEEK = -52 * 70, 52 * 130 + 300  # 1900 to 2100, in weeks since 1970: others are placeholders


def read_transactions(
    paths: str | Path | Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    form: FileFormat | None = None,
    further: Sequence[str] = (),
) -> tuple[pd.DataFrame, Validation]:
    """Transactions from files.

    Args:
        paths: one file or several, see `tables.sources`.
        columns: our name -> the file's name, for columns with other names; units -> "1" for one unit a row.
        form: how the files write their cells.
        further: columns of numbers, by the files' names: instruments and controls.

    Returns:
        One row per purchase with `product`, `category`, `title`, `store`, `basket` (text; store and basket only if
        given), `week` (integer, from 0), `price`, `units` and `list_price` (NaN if unknown); `stock`, `sold_out`,
        `visits` and `further` as they are given; and the account of rows.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not readable, a column is missing, a form is ambiguous, or no row is left.
    """
    mapped = dict(columns or {})
    one_unit = mapped.get("units") == ONE_UNIT
    if one_unit:
        del mapped["units"]
    known = [name for name in TRANSACTION_COLUMNS if not (one_unit and name == "units")]
    for name in further:
        if name in TRANSACTION_COLUMNS or name in mapped.values():
            raise ValueError(f"column {name!r} has another use already; want one of instruments or controls.")
    mapped |= {name: name for name in further}
    known += further

    def needs(table: OpenTable, named: Mapping[str, str]) -> None:
        require(table, named, TRANSACTION_COLUMNS, table.source.name, table.names)
        _one_clock(named, mapped, table.source.name)
        if "units" not in named and not one_unit and (near := proposed("units", TRANSACTION_COLUMNS, table.names)):
            raise ValueError(
                f"{table.source.name}: column 'units' is missing. Is it {near!r}? Map it: units={near}. If every row "
                f"is one unit: units={ONE_UNIT}."
            )

    rows, named = _read(paths, known, mapped, form, needs)
    return check_rows(rows, form=form or FileFormat(), columns=named, further=further)


def _read(
    paths: str | Path | Sequence[str | Path],
    known: Sequence[str],
    mapped: Mapping[str, str],
    form: FileFormat | None,
    needs: Callable[[OpenTable, Mapping[str, str]], None],
) -> tuple[Rows, Mapping[str, str]]:
    table = read_columns(paths, known, mapped=mapped, form=form, require=needs)
    rows = rows_of(table)
    if {"week", "time"} <= set(rows.raw):
        rows.raw = rows.raw.drop(columns=["time" if "week" in mapped else "week"])
    return rows, table.columns


def _one_clock(named: Mapping[str, str], mapped: Mapping[str, str], source: str) -> None:
    if {"week", "time"} <= set(named) and len({"week", "time"} & set(mapped)) != 1:
        raise ValueError(
            f"{source}: want a column `week` or a column `time`, got both: name the one to use, e.g. time="
            f"{named['time']}."
        )


def check_transactions(
    table: pd.DataFrame,
    *,
    source: str,
    columns: Mapping[str, str] | None = None,
    form: FileFormat | None = None,
    further: Sequence[str] = (),
) -> tuple[pd.DataFrame, Validation]:
    """See `read_transactions`; for a table in memory that has our column names."""
    names = {str(name): str(name) for name in table.columns}
    require(None, names, TRANSACTION_COLUMNS, source, list(names))
    _one_clock(names, {}, source)
    known = [*(name for name in TRANSACTION_COLUMNS if name in table), *further]
    rows = Rows(table[known].reset_index(drop=True), source)
    return check_rows(rows, form=form or FileFormat(), columns=columns, further=further)


def check_rows(
    rows: Rows, *, form: FileFormat, columns: Mapping[str, str] | None = None, further: Sequence[str] = ()
) -> tuple[pd.DataFrame, Validation]:
    """Check rows of which some may have been dropped already, with our column names; see `read_transactions`."""
    raw, source = rows.raw, rows.source
    names = {name: f"{source}: column {(columns or {}).get(name, name)!r}" for name in raw.columns}
    table = pd.DataFrame({name: identifiers(raw[name]) for name in _IDENTIFIERS if name in raw})
    if "units" not in raw:
        rows.notes.append(f"{source} has no column of units: every row counts as one unit.")
    cells = {name: numbers(raw[name], form, names[name]) for name in _NUMBERS if name in raw}
    more = _further(rows, form, names, further)
    clock, weeks = _clock(rows, form, names)

    repeated = np.zeros(len(raw), bool)
    if "product" in raw and (columns or {}).get("product"):
        repeated = np.asarray(table["product"] == (columns or {})["product"], bool)
    rows.drop("the header again", repeated & np.isnan(next(iter(cells.values())).values))
    blank = np.logical_and.reduce([table[name].isna() for name in table] + [c.blank for c in cells.values()])
    rows.drop("blank row", blank)
    rows.drop("missing product", table["product"].isna())
    if "cancelled" in raw:
        cancelled = truths(raw["cancelled"])
        rows.drop("cancelled order", cancelled.values == 1)
        rows.drop("cancelled is neither true nor false", cancelled.unreadable)
    _one_currency(rows, cells, form)
    if "category" in table:
        rows.drop("missing category", table["category"].isna())
    rows.drop(f"missing {clock}", weeks.blank)
    rows.drop(f"unparsable {clock}", weeks.unreadable)
    week = weeks.values
    if clock == "time":
        rows.drop("time before 1900 or after 2100: a placeholder", (week < _FIRST_WEEK) | (week > _LAST_WEEK))
    table["units"] = cells["units"].values if "units" in cells else 1.0
    _drop_amounts(rows, table, cells)
    if "basket" in table:
        rows.drop("missing basket", table["basket"].isna() & (table["units"] > 0))
    for name, values in more.items():
        table[name] = values.values
        rows.drop(f"missing {name}", values.blank)
        rows.drop(f"unparsable {name}", values.unreadable)
        if name in _STOCK:
            rows.drop(f"{name} below 0", values.values < 0)
    table["list_price"] = _list_price(rows, table["price"].to_numpy(), cells)
    table["week"] = week
    _drop_isolated(rows, table, clock)
    rows.validation(columns)  # there is a row left
    del raw, cells, more, weeks, week, blank, repeated
    rows.forget_file()
    good = table[rows.kept] if not rows.kept.all() else table
    _note_equal_rows(rows, good)
    validation = rows.validation(columns)
    good = good.assign(week=(good["week"] - good["week"].min()).astype(np.int64))
    wanted = ("product", "category", "title", "store", "basket", "week", "price", "units", "list_price")
    extra = tuple(name for name in (*_STOCK, "sold_out", *further) if name in good)
    return finish(good, (*wanted, *extra), validation), validation


def _further(rows: Rows, form: FileFormat, names: Mapping[str, str], further: Sequence[str]) -> dict[str, Cells]:
    """The columns that some statistics use: stock, visits, whether the stock ended, instruments and controls."""
    found: dict[str, Cells] = {}
    for name in (*_STOCK, "sold_out", *further):
        if name in rows.raw:
            found[name] = truths(rows.raw[name]) if name == "sold_out" else numbers(rows.raw[name], form, names[name])
    return found


def _clock(rows: Rows, form: FileFormat, names: Mapping[str, str]) -> tuple[str, Weeks]:
    """Which column tells the week, and the weeks."""
    raw = rows.raw
    if "time" in raw:
        weeks = weeks_of_times(raw["time"], form, names["time"])
        if "year" in raw:
            rows.notes.append(f"{names['year']} is not used: the time has its year.")
    else:
        weeks = weeks_of_numbers(raw["week"], raw.get("year"), form, names["week"])
    if weeks.note:
        rows.notes.append(weeks.note)
    return ("time" if "time" in raw else "week"), weeks


def _one_currency(rows: Rows, cells: Mapping[str, Money], form: FileFormat) -> None:
    """Refuse several currencies, or keep the one that was named.

    Raises:
        ValueError: several, and none named; or the named one is not there.
    """
    written: list[tuple[npt.NDArray[np.int64], tuple[str, ...]]] = []
    if "currency" in rows.raw:
        code = identifiers(rows.raw["currency"]).cat
        written.append((code.codes.to_numpy().astype(np.int64), tuple(code.categories.str.upper())))
    written += [(c.currency, c.currencies) for c in cells.values() if c.currency is not None]
    there = sorted(
        {name for number, names in written for name in [names[i] for i in np.unique(number[rows.kept]) if i >= 0]}
    )
    if form.currency is None:
        if len(there) > 1 and any(len(np.unique(number[rows.kept & (number >= 0)])) > 1 for number, _ in written):
            raise ValueError(
                f"{rows.source} has prices in {len(there)} currencies, {', '.join(there)}: give --currency CODE to use "
                f"the rows of one of them, or convert them first."
            )
        return
    wanted = form.currency.upper()
    if written and wanted not in there:
        raise ValueError(f"{rows.source} has no prices in {wanted}: it has {', '.join(there) or 'no currency'}.")
    for number, names in written:
        other = np.array([name != wanted for name in names] + [False])[number]
        rows.drop(f"price in another currency than {wanted}", other)


def _drop_amounts(rows: Rows, table: pd.DataFrame, cells: Mapping[str, Money]) -> None:
    """Check units and price, and set the column `price`."""
    units = table["units"].to_numpy()
    if "units" in cells:
        rows.drop("missing units", cells["units"].blank)
        rows.drop("unparsable units", cells["units"].unreadable)
        rows.drop("units below 0: a return or a correction", units < 0)
        if "price" not in cells:
            rows.drop("units of 0, which have no price", units == 0)
    name = "price" if "price" in cells else "amount"
    rows.drop(f"missing {name}", cells[name].blank)
    rows.drop(f"unparsable {name}", cells[name].unreadable)
    rows.drop(f"{name} of 0 or less: a gift, a refund or a placeholder", cells[name].values <= 0)
    price = cells[name].values
    if name == "amount":
        price = np.divide(price, units, out=np.full(len(price), np.nan), where=units > 0)
    table["price"] = price


def _list_price(rows: Rows, price: npt.NDArray[np.float64], cells: Mapping[str, Money]) -> npt.NDArray[np.float64]:
    """The price before any discount, NaN where it is not known."""
    name = next((name for name in ("list_price", "discount") if name in cells), None)
    if name is None:
        return np.full(len(price), np.nan)
    if bad := int((cells[name].unreadable & rows.kept).sum()):
        example = rows.shown(int(np.flatnonzero(cells[name].unreadable & rows.kept)[0]))
        rows.notes.append(f"{bad:,} rows have an unparsable {name}; their list price is unknown ({example}).")
    return cells[name].values if name == "list_price" else price + cells[name].values


def _drop_isolated(rows: Rows, table: pd.DataFrame, clock: str) -> None:
    """Drop the errors that `isolation` finds: of time, price and units, in this order."""
    if not rows.kept.any():
        return
    rows.drop_kept(
        f"outlier: {clock} more than a year from all others", isolated_weeks(table["week"].to_numpy()[rows.kept])
    )
    group = table["product"].cat.codes.to_numpy().astype(np.int64)
    price, units, listed = (table[name].to_numpy(np.float64) for name in ("price", "units", "list_price"))
    week = table["week"].fillna(0).to_numpy().astype(np.int64)
    k = rows.kept
    rows.drop_kept(
        f"outlier: a price alone, {PRICE_GAP:g} times off every other of the product",
        isolated_prices(price[k], listed[k], units[k], week[k], group[k]),
    )
    k = rows.kept
    rows.drop_kept(
        f"outlier: units alone, {UNITS_GAP:g} times off every other row of the product",
        isolated(np.maximum(units[k], _LEAST_UNITS), group[k], UNITS_GAP)[0] & (units[k] > 0),
    )


def _note_equal_rows(rows: Rows, good: pd.DataFrame) -> None:
    equal = good.duplicated().to_numpy()
    if not (count := int(equal.sum())):
        return
    what = "further units of the same purchase" if "basket" in good else "further purchases"
    rows.notes.append(f"{count:,} rows equal an earlier one in every column read; they count as {what}.")
    if rows.files is not None and len(rows.files[1]) > 1 and "basket" in good:
        file = rows.files[0][rows.kept]
        within = good.assign(file=file).duplicated().to_numpy()
        if across := int((equal & ~within).sum()):
            rows.notes.append(f"{across:,} of them equal a row of another file: see whether the files overlap.")

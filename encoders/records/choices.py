"""Choices: what each visitor was offered, at what price, and what was bought.

Owns    the checks of these rows.
Leaves  reading files to `tables`, estimation to `demand`.

One bad row drops its whole visit, whose choice set would be incomplete. A visit may buy several units, and of several
products; a product that is listed more than once in a visit at one price is one alternative, whose units add up.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.encoders.records.columns import CHOICE_COLUMNS, require
from flashsale_env.encoders.records.products import finish
from flashsale_env.encoders.records.rows import Rows, Validation, rows_of
from flashsale_env.encoders.tables.cells import Cells, identifiers, truths
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.numbers import numbers
from flashsale_env.encoders.tables.opened import OpenTable
from flashsale_env.encoders.tables.reading import PRODUCT, read_columns

_IDENTIFIERS = ("visit", "product", "category", "title")
_SHOWN = 5


def read_choices(
    paths: str | Path | Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    form: FileFormat | None = None,
) -> tuple[pd.DataFrame, Validation]:
    """Choices from files.

    Args:
        paths: one file or several, see `tables.sources`.
        columns: our name -> the file's name, for columns with other names; with {product} in it for the columns of a
            wide table, see `tables.reading`.
        form: how the files write their cells.

    Returns:
        One row per product offered in a visit, with `visit`, `product`, `category`, `title`, `price` (NaN where it is
        not known because the product was not available), `available` (bool), `bought` (units, integer); and the
        account of rows.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not readable, a column is missing, a form is ambiguous, or no row is left.
    """

    def needs(table: OpenTable, named: Mapping[str, str]) -> None:
        wide = {"product": PRODUCT} if any(PRODUCT in theirs for theirs in named.values()) else {}
        require(table, {**wide, **named}, CHOICE_COLUMNS, table.source.name, table.names)

    table = read_columns(paths, list(CHOICE_COLUMNS), mapped=columns, form=form, require=needs)
    return check_rows(rows_of(table), form=form or FileFormat(), columns=table.columns)


def check_choices(
    table: pd.DataFrame, *, source: str, columns: Mapping[str, str] | None = None, form: FileFormat | None = None
) -> tuple[pd.DataFrame, Validation]:
    """See `read_choices`; for a table in memory that has our column names."""
    names = {str(name): str(name) for name in table.columns}
    require(None, names, CHOICE_COLUMNS, source, list(names))
    known = [name for name in CHOICE_COLUMNS if name in table]
    return check_rows(Rows(table[known].reset_index(drop=True), source), form=form or FileFormat(), columns=columns)


def check_rows(
    rows: Rows, *, form: FileFormat, columns: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, Validation]:
    """Check rows of which some may have been dropped already, with our column names; see `read_choices`."""
    raw, source = rows.raw, rows.source
    table = pd.DataFrame({name: identifiers(raw[name]) for name in _IDENTIFIERS if name in raw})
    price = numbers(raw["price"], form, f"{source}: column {(columns or {}).get('price', 'price')!r}")
    available = truths(raw["available"])
    bought = _units(raw["bought"], form, f"{source}: column {(columns or {}).get('bought', 'bought')!r}")
    offered = available.values == 1
    table["price"] = np.where(price.values > 0, price.values, np.nan)
    visit = table["visit"].cat.codes.to_numpy()

    def drop_visits(reason: str, bad: npt.ArrayLike) -> None:
        """Drop every visit with a row where `bad` holds; rows without a visit have code -1 and are gone."""
        hit = np.zeros(len(table["visit"].cat.categories) + 1, bool)
        hit[visit[np.asarray(bad, bool) & rows.kept]] = True
        rows.drop(reason, hit[visit])

    rows.drop("missing visit", table["visit"].isna())
    drop_visits("visit with a missing product", table["product"].isna())
    if "category" in table:
        drop_visits("visit with a missing category", table["category"].isna())
    for name, cells in (("available", available), ("bought", bought)):
        drop_visits(f"visit where {name} is blank", cells.blank)
    drop_visits("visit where available is neither true nor false", available.unreadable)
    drop_visits("visit where bought is no count of units", bought.unreadable)
    # A product that cannot be bought needs no price.
    drop_visits("visit with a missing price", price.blank & offered)
    drop_visits("visit with an unparsable price", price.unreadable & offered)
    drop_visits("visit with a price of 0 or less", (price.values <= 0) & offered)
    drop_visits("visit that bought what was not available", (bought.values > 0) & ~offered)
    if unpriced := int((np.isnan(table["price"]) & ~offered & rows.kept).sum()):
        rows.notes.append(f"{unpriced:,} rows of products that were not available have no price, and need none.")
    table["available"], table["bought"] = offered, bought.values
    good = _merged(rows, table, drop_visits)
    good = _without_unsold(rows, good)
    validation = rows.validation(columns)
    good = good.assign(bought=good["bought"].astype(np.int64))
    wanted = ("visit", "product", "category", "title", "price", "available", "bought")
    return finish(good, wanted, validation), validation


def _units(column: pd.Series, form: FileFormat, where: str) -> Cells:
    """Units bought: a count, or true and false."""
    flag = truths(column)
    if not flag.unreadable.any():
        return flag
    count = numbers(column, form, where)
    values = np.where(np.isnan(flag.values), count.values, flag.values)
    whole = (values >= 0) & (values == np.round(values))
    return Cells(np.where(whole, values, np.nan), flag.blank)


def _merged(rows: Rows, table: pd.DataFrame, drop_visits: Callable[[str, npt.ArrayLike], None]) -> pd.DataFrame:
    """One row of each product in a visit, with all of its units."""
    twice = np.zeros(len(table), bool)
    twice[rows.kept] = table[rows.kept].duplicated(["visit", "product"], keep=False)
    if twice.any():
        group = table[twice].groupby(["visit", "product"], observed=True)
        differ = (group["price"].transform("nunique") > 1) | (group["available"].transform("nunique") > 1)
        bad = np.zeros(len(table), bool)
        bad[np.flatnonzero(twice)] = differ
        drop_visits("visit with a product twice, at different prices or availabilities", bad)
        twice &= rows.kept
    good = table[rows.kept].copy()
    if len(good) and (units := float(good["bought"].sum())) > (
        visits := int((good.groupby("visit", observed=True)["bought"].sum() > 0).sum())
    ):
        rows.notes.append(f"{visits:,} visits bought {units:,.0f} units; each unit counts as a choice of its visit.")
    if twice.any():
        again = good.duplicated(["visit", "product"])
        rows.notes.append(
            f"{int(again.sum()):,} rows list a product again in its visit at the same price; their units are added up."
        )
        good["bought"] = good.groupby(["visit", "product"], observed=True)["bought"].transform("sum")
        good = good[~again]
    return good


def _without_unsold(rows: Rows, good: pd.DataFrame) -> pd.DataFrame:
    """Leave out products that nobody bought: their estimate is minus infinity, and no other depends on it."""
    if good.empty:
        return good
    units = good.groupby("product", observed=True)["bought"].sum()
    never = units.index[units == 0]
    if not len(never) or len(never) == len(units):
        return good
    out = good["product"].isin(never)
    names = ", ".join(map(repr, never[:_SHOWN])) + (" ..." if len(never) > _SHOWN else "")
    dropped = np.zeros(len(rows.kept), bool)
    dropped[good.index[out]] = True
    rows.drop(f"product that no visit bought ({names})", dropped)
    return good[~out]

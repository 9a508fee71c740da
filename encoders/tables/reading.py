"""Some columns of one or several files, as one table.

Owns    which kind of reader opens a file, names of columns, and wide tables.
Leaves  the kinds to `delimited`, `workbook` and `nested`.

A name with {product} in it stands for the columns of a wide table, one for each product: price_{product} makes one row
of each product from the columns price_tea and price_soda.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.encoders.tables.delimited import open_delimited
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.nested import joined, open_json, open_parquet
from flashsale_env.encoders.tables.opened import OpenTable
from flashsale_env.encoders.tables.sources import Source, listed, sources_of
from flashsale_env.encoders.tables.workbook import open_workbook
from flashsale_env.errors import unknown_name

PRODUCT = "{product}"  # in the name of a column of a wide table


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of all files, with our names of the columns.

    Args:
        frame: the columns as they lie in the files.
        source: the files, for messages.
        columns: our name -> the file's name.
        file: (rows,) number of the file.
        files: names of the files.
        dropped: reason -> (rows,) whether the row cannot be used.
        notes: observations that led to no change.
    """

    frame: pd.DataFrame
    source: str
    columns: Mapping[str, str]
    file: npt.NDArray[np.int64]
    files: tuple[str, ...]
    dropped: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def open_tables(paths: Sequence[str | Path], form: FileFormat) -> tuple[list[OpenTable], list[str]]:
    """Every table of some files, before its rows are read, and notes.

    Raises:
        FileNotFoundError, ValueError: a file is missing, or cannot be read.
    """
    sources, notes = sources_of(paths)
    opened = [table for source in sources for table in _open(source, form)]
    return opened, [*notes, *(note for table in opened for note in table.notes)]


def _open(source: Source, form: FileFormat) -> list[OpenTable]:
    if source.kind == "workbook":
        return open_workbook(source, form)
    if source.kind == "parquet":
        return [open_parquet(source)]
    if source.kind == "json":
        return [open_json(source, form)]
    return [open_delimited(source, form)]


def read_columns(
    paths: str | Path | Sequence[str | Path],
    known: Sequence[str],
    *,
    mapped: Mapping[str, str] | None = None,
    form: FileFormat | None = None,
    require: Callable[[OpenTable, Mapping[str, str]], None] | None = None,
) -> Table:
    """The columns that are there among those with a meaning.

    Args:
        paths: one file or several, in order.
        known: our names of the columns.
        mapped: our name -> the file's name, for columns with other names.
        form: how the files write their cells.
        require: refuses a table that lacks what is needed, given our name -> the file's name.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not readable, a mapped column is missing, or no rows.
    """
    paths, form, mapped = listed(paths), form or FileFormat(), dict(mapped or {})
    for name in mapped:
        if name not in known:
            raise ValueError(unknown_name("column of the schema", name, known))
    opened, notes = open_tables(paths, form)
    parts, named = [], {}
    for table in opened:
        named = _named(table, known, mapped)
        if require is not None:
            require(table, named)
        if not named:
            there = ", ".join(name for name in table.names if name)
            hint = header_below(table, known)
            raise ValueError(f"{table.source.name} has none of the columns {', '.join(known)}; it has {there}.{hint}")
        wide = {ours: theirs for ours, theirs in named.items() if PRODUCT in theirs}
        wanted = [name for name in dict.fromkeys(named.values()) if PRODUCT not in name]
        spread = {name: _products(table, theirs) for name, theirs in wide.items()}
        wanted += [column for columns in spread.values() for column in columns.values()]
        table.check_unique(wanted)
        parts.append(table.read(list(dict.fromkeys(wanted))))
        frame = parts[-1].frame
        notes += parts[-1].notes
        if frame.empty:
            raise ValueError(f"{table.source.name} has a header but no rows below it.")
        if wide:
            parts[-1] = type(parts[-1])(_long(table, frame, named, spread))
        else:
            columns = {ours: frame[theirs] for ours, theirs in named.items()}
            parts[-1] = type(parts[-1])(pd.DataFrame(columns), parts[-1].dropped)
    sizes = [len(part.frame) for part in parts]
    reasons = list(dict.fromkeys(reason for part in parts for reason in part.dropped))
    dropped = {
        reason: np.concatenate([part.dropped.get(reason, np.zeros(len(part.frame), bool)) for part in parts])
        for reason in reasons
    }
    everywhere = [name for name in known if all(name in part.frame for part in parts)]
    for name in known:
        if name not in everywhere and any(name in part.frame for part in parts):
            lacking = next(t.source.name for t, part in zip(opened, parts, strict=True) if name not in part.frame)
            raise ValueError(f"{lacking} has no column for {name!r}, which another file has: give equal columns.")
    return Table(
        joined([part.frame[everywhere] for part in parts]),
        ", ".join(map(str, paths)),
        {name: named[name] for name in everywhere if name in named},
        np.repeat(np.arange(len(parts)), sizes),
        tuple(table.source.name for table in opened),
        dropped,
        tuple(dict.fromkeys(notes)),
    )


def _named(table: OpenTable, known: Sequence[str], mapped: Mapping[str, str]) -> dict[str, str]:
    """Our name -> the file's name, for the columns that this table has."""
    for name, theirs in mapped.items():
        if PRODUCT in theirs:
            if not _products(table, theirs):
                raise ValueError(f"{table.source.name}: for {name}, no column is of the form {theirs!r}.")
        elif theirs not in table.names:
            raise ValueError(f"{table.source.name}: for {name}, {unknown_name('column', theirs, table.names)}")
    return {
        name: mapped.get(name, name)
        for name in known
        if mapped.get(name, name) in table.names or PRODUCT in mapped.get(name, "")
    }


def _products(table: OpenTable, pattern: str) -> dict[str, str]:
    """Product -> column, for the columns of a pattern such as price_{product}."""
    before, _, after = pattern.partition(PRODUCT)
    form = re.compile(f"{re.escape(before)}(.+){re.escape(after)}", re.DOTALL)
    return {match[1]: name for name in table.names if (match := form.fullmatch(name))}


def _long(
    table: OpenTable, frame: pd.DataFrame, named: Mapping[str, str], spread: Mapping[str, Mapping[str, str]]
) -> pd.DataFrame:
    """One row of each product from a wide table.

    A column `bought` that is not wide holds the identifier of the product bought, blank or "none" for nothing.

    Raises:
        ValueError: two patterns have other products, or `bought` names none of them.
    """
    first, *others = spread
    products = list(spread[first])
    for name in others:
        if differing := set(products) ^ set(spread[name]):
            raise ValueError(
                f"{table.source.name}: {first} and {name} have columns of different products: "
                f"{', '.join(sorted(differing)[:5])}."
            )
    rows, count = len(frame), len(products)
    columns: dict[str, pd.Series] = {"product": pd.Series(np.tile(products, rows))}
    for name, theirs in named.items():
        if name in spread:
            wide = pd.concat([frame[spread[name][product]] for product in products], ignore_index=True)
            columns[name] = wide.iloc[np.arange(rows * count).reshape(count, rows).T.ravel()].reset_index(drop=True)
        elif name != "product":
            columns[name] = frame[theirs].repeat(count).reset_index(drop=True)
    if "bought" in named and "bought" not in spread:
        columns["bought"] = _chosen(table, columns["bought"], columns["product"], products)
    return pd.DataFrame(columns)


def _chosen(table: OpenTable, bought: pd.Series, product: pd.Series, products: Sequence[str]) -> pd.Series:
    """1 for the product that is named, else 0."""
    words = bought.map(lambda value: str(int(value)) if isinstance(value, float) else str(value), na_action="ignore")
    words = words.fillna("").astype(str).str.strip()
    nothing = words.str.lower().isin(("", "none", "0", "nothing", "no"))
    unknown = words[~nothing & ~words.isin(products)]
    if len(unknown):
        raise ValueError(
            f"{table.source.name}: bought holds {unknown.iloc[0]!r}, want one of the products "
            f"{', '.join(products[:8])}, or a blank or none for nothing."
        )
    return (words == product).astype(np.int64)


def header_below(table: OpenTable, wanted: Sequence[str]) -> str:
    """A hint if one of the first rows of a table looks like its header; "" if none does."""
    best, most = 0, 1
    for number, row in enumerate(table.head):
        cells = {cell.strip() for cell in row}
        if (count := len(cells & set(wanted))) > most:
            best, most = number, count
    return f" Row {best + 1} looks like the header: give --skip-rows {best}." if best else ""


def nearest(name: str, found: Sequence[str], synonyms: Sequence[str] = ()) -> str:
    """The column that is probably meant by another name; "" if none is near."""
    folded = {re.sub(r"[\W_]+", "", column.lower()): column for column in reversed(found) if column}
    for synonym in synonyms:
        if (key := re.sub(r"[\W_]+", "", synonym.lower())) in folded:
            return folded[key]
    near = difflib.get_close_matches(name, list(folded), n=1, cutoff=0.5)
    return folded[near[0]] if near else ""

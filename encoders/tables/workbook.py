"""Spreadsheets: the sheet that is meant, its header, and the cells with the types they have there.

python-calamine reads a million rows in seconds. Numbers come as numbers and dates as dates, so none of them has to be
told apart; a date that is stored as a plain number has to (`FileFormat.date_format` excel).
"""

import datetime
from collections.abc import Sequence
from typing import Any

import pandas as pd
from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.opened import OpenTable, Part, header_names, typed
from flashsale_env.encoders.tables.sources import BROKEN_ARCHIVE, Source
from flashsale_env.errors import unknown_name

ALL_SHEETS = "*"
_HEAD = 50


def open_workbook(source: Source, form: FileFormat) -> list[OpenTable]:
    """The sheet that was named, or the only one with cells in it; every one for `ALL_SHEETS`.

    Raises:
        ValueError: no workbook, no such sheet, or several with cells and none named.
    """
    try:
        with source.open() as handle:
            book = CalamineWorkbook.from_filelike(handle)
            return [_open(source, book, name, form) for name in _sheets(source, book, form.sheet)]
    except (CalamineError, OSError, *BROKEN_ARCHIVE) as error:
        hint = ""
        if source.first_bytes(512).lstrip()[:1] == b"<":
            hint = " Its content is HTML or XML, which some systems save under this name: open it and save it as CSV."
        elif b"\t" in source.first_bytes(4096) or b"," in source.first_bytes(512):
            hint = " If it holds separated text, name it .csv or .tsv."
        raise ValueError(f"{source.name} is not a readable workbook: {error}.{hint}") from None


def _sheets(source: Source, book: CalamineWorkbook, wanted: str | None) -> list[str]:
    """Names of the sheets to read."""
    names = list(book.sheet_names)
    if wanted is not None and wanted != ALL_SHEETS:
        if wanted in names:
            return [wanted]
        if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
            return [names[int(wanted) - 1]]
        raise ValueError(f"{source.name}: {unknown_name('sheet', wanted, names)} Or give its number, from 1.")
    visible = [sheet.name for sheet in book.sheets_metadata if sheet.visible == SheetVisibleEnum.Visible]
    filled = [name for name in visible if book.get_sheet_by_name(name).total_height > 0]
    if not filled:
        raise ValueError(f"{source.name} is empty: no visible sheet has a cell.")
    if wanted is None and len(filled) > 1:
        raise ValueError(
            f"{source.name} has {len(filled)} sheets with cells, {', '.join(map(repr, filled))}: give --sheet NAME."
        )
    return filled


def _open(source: Source, book: CalamineWorkbook, sheet: str, form: FileFormat) -> OpenTable:
    place = source if len(book.sheet_names) == 1 else _named(source, sheet)
    rows: list[list[Any]] = book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    start = form.skip_rows or 0
    while start < len(rows) and _is_blank(rows[start]):
        start += 1
    if start >= len(rows):
        raise ValueError(f"{place.name} is empty: want a header and one record per row.")
    names = header_names(place, [None if cell == "" else cell for cell in rows[start]])
    head = tuple(tuple(map(str, row)) for row in rows[: start + _HEAD])
    below = [row for row in rows[start + 1 :] if not _is_blank(row)]

    def read(wanted: Sequence[str]) -> Part:
        at = [names.index(name) for name in wanted]
        return Part(
            pd.DataFrame({name: typed([_cell(row[i]) for row in below]) for name, i in zip(wanted, at, strict=True)})
        )

    return OpenTable(place, names, read, head=head)


def _named(source: Source, sheet: str) -> Source:
    return Source(f"{source.name}: {sheet}", source.stem, source.ending, source.open)


def _is_blank(row: Sequence[Any]) -> bool:
    return all(cell == "" for cell in row)


def _cell(value: Any) -> Any:
    """A value that pandas understands; None for a blank cell, whole numbers as such, for identifiers."""
    if value == "" or isinstance(value, datetime.timedelta | datetime.time):
        return None if value == "" else str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value

"""Text files with separated cells: CSV, TSV and their relatives.

Owns    the separator, the header, and rows with too few or too many cells.
Leaves  the encoding to `encodings`, and the meaning of cells to whoever reads them: every cell is text, also 007.

A row with fewer cells than the header is filled up with blank ones, as spreadsheets leave trailing blanks out, and
counted. Two such rows that follow each other and together have the cells of one row are a broken line, and dropped. A
row with more cells is an error, unless all that is too much is blank.
"""

import csv
import io
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from flashsale_env.encoders.tables.encodings import encoding_of
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.opened import OpenTable, Part, header_names, text_dtype
from flashsale_env.encoders.tables.sources import BROKEN_ARCHIVE, Source

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_NAMES = {"\t": "tab"}
_HEAD = 50  # rows that are looked at before the file is read
BROKEN = "broken line: two rows that together have the cells of one"


def open_delimited(source: Source, form: FileFormat) -> OpenTable:
    """Header and first rows of a text file.

    Raises:
        ValueError: empty, another separator than given or expected, or an encoding that does not fit.
    """
    encoding = encoding_of(source, form.encoding)
    notes = [encoding.note] if encoding.note else []
    separator = _separator(source, form, encoding.name)
    above = form.skip_rows or 0
    with _text(source, encoding.name) as text:
        rows = csv.reader(text, delimiter=separator)
        head: list[list[str]] = []
        try:
            if (declared := _declared(source, encoding.name)) is not None:
                next(rows)
                notes.append(f"{source.name} says itself that its separator is {declared!r}.")
            skipped = list(itertools.islice(rows, above))
            header = next((row for row in rows if any(cell.strip() for cell in row)), None)
            if header is None:
                raise ValueError(f"{source.name} is empty: want a header and one record per row.")
            lines = rows.line_num
            head = [row for row in itertools.islice(rows, _HEAD) if row]
        except csv.Error as error:
            raise ValueError(f"{source.name} is not a readable CSV file: {error}.") from None
    names = header_names(source, header)
    _check_separator(source, names, separator)
    width = len(names)
    if head and all(len(row) == width + 1 and not row[-1].strip() for row in head):
        width += 1  # a separator at the end of every row but the header

    def read(wanted: Sequence[str]) -> Part:
        return _read(source, encoding.name, separator, lines, width, names, wanted)

    return OpenTable(source, names, read, tuple(notes), tuple(map(tuple, [*skipped, header, *head])))


def _text(source: Source, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(source.open(), encoding=encoding, newline="")


def _declared(source: Source, encoding: str) -> str | None:
    """The separator of a first line such as sep=; which Excel reads too."""
    with _text(source, encoding) as text:
        line = text.readline(64).strip().strip('"')
    return line[4:] if line.lower().startswith("sep=") and len(line) == 5 else None


def _separator(source: Source, form: FileFormat, encoding: str) -> str:
    if form.separator is not None:
        return "\t" if form.separator in ("tab", r"\t") else form.separator
    try:
        declared = _declared(source, encoding)
    except BROKEN_ARCHIVE as error:
        raise ValueError(f"{source.name} is damaged: {error}.") from None
    if declared is not None:
        return declared
    if source.ending not in _SEPARATORS:
        raise ValueError(f"{source.name}: the name does not tell what separates the cells: give --separator.")
    return _SEPARATORS[source.ending]


def _check_separator(source: Source, names: Sequence[str], separator: str) -> None:
    """Refuse a header of one cell that holds another separator: it would be a table of one column."""
    if len(names) > 1:
        return
    for other in (",", ";", "\t", "|"):
        if other != separator and other in names[0]:
            raise ValueError(
                f"{source.name} has one column named {names[0]!r}: its cells seem to be separated by another sign: "
                f"give --separator {_NAMES.get(other, repr(other))}."
            )


def _read(
    source: Source, encoding: str, separator: str, lines: int, width: int, names: Sequence[str], wanted: Sequence[str]
) -> Part:
    odd: list[tuple[int, int, str]] = []  # (row below the header, its cells, its text)

    def odd_row(row: pyarrow.csv.InvalidRow) -> str:
        cells = next(csv.reader([row.text], delimiter=separator), [])
        if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
            return "error"
        odd.append((row.number, len(cells), row.text))
        return "skip"

    labels = [f"{i}" for i in range(width)]  # names may repeat
    places = [names.index(name) for name in wanted]
    try:
        with source.open() as handle:
            table = pyarrow.csv.read_csv(
                handle,
                read_options=pyarrow.csv.ReadOptions(
                    use_threads=False, encoding=encoding, skip_rows=lines, column_names=labels, block_size=1 << 24
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=separator,
                    newlines_in_values=True,
                    # A blank line is no row, unless the file has one column: then it is a blank cell.
                    ignore_empty_lines=len(names) > 1,
                    invalid_row_handler=odd_row,
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(labels, pa.string()),
                    include_columns=[labels[place] for place in places],
                ),
            )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):  # nothing below the header
            return Part(pd.DataFrame({name: pd.Series([], dtype=text_dtype()) for name in wanted}))
        raise ValueError(_unreadable(source, separator, len(names), str(error))) from None
    except BROKEN_ARCHIVE as error:
        raise ValueError(f"{source.name} is damaged: {error}.") from None
    _check_quotes(source, encoding, separator)
    frame = table.to_pandas(types_mapper={pa.string(): text_dtype()}.get).set_axis(list(wanted), axis=1)
    if len(names) == 1:  # blank lines at the end are no rows
        filled = np.flatnonzero((frame.iloc[:, 0].str.strip() != "").to_numpy(bool))
        frame = frame.iloc[: filled[-1] + 1 if len(filled) else 0]
    return _with_odd_rows(source, frame, odd, separator, lines, places, len(names))


def _check_quotes(source: Source, encoding: str, separator: str) -> None:
    """Refuse a file that ends inside a quoted cell, which would hold the rest of the file."""
    with source.open() as handle:
        if sum(block.count(b'"') for block in iter(lambda: handle.read(1 << 20), b"")) % 2 == 0:
            return
    csv.field_size_limit(1 << 30)
    with _text(source, encoding) as text:
        rows, row = csv.reader(text, delimiter=separator, strict=True), 0
        while True:
            try:
                row = rows.line_num
                next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                if "unexpected end" in str(error):
                    raise ValueError(
                        f"{source.name} is not a readable CSV file: the quotation mark that opens a cell in line "
                        f"{row + 1} is never closed; close it, or double it inside a cell."
                    ) from None


def _unreadable(source: Source, separator: str, width: int, message: str) -> str:
    words = " ".join(message.split())
    if "Expected" in words and "columns" in words:
        return (
            f"{source.name} is not a readable CSV file: {words} The header has {width}. Quote cells that hold the sign "
            f"{separator!r}, or give --separator or --skip-rows."
        )
    return f"{source.name} is not a readable CSV file: {words}"


def _with_odd_rows(
    source: Source,
    frame: pd.DataFrame,
    odd: Sequence[tuple[int, int, str]],
    separator: str,
    lines: int,
    places: Sequence[int],
    width: int,
) -> Part:
    """The table with its odd rows in their places, filled up or cut."""
    if not odd:
        return Part(frame)
    # Numbers count rows from 1 at the first row that was not skipped by number of lines.
    number = np.array([row - lines for row, _, _ in odd])
    first = int(number.min())
    offset = 1 if first >= 1 else first
    broken = set(_broken_pairs([(int(n), cells) for n, (_, cells, _) in zip(number, odd, strict=True)], width))
    rows = [next(csv.reader([text], delimiter=separator), []) for _, _, text in odd]
    filled = pd.DataFrame(
        {
            name: pd.array([row[place] if place < len(row) else "" for row in rows], dtype=text_dtype())
            for name, place in zip(frame.columns, places, strict=True)
        }
    )
    total = len(frame) + len(odd)
    at = np.clip(number - offset, 0, total - 1)
    free = np.setdiff1d(np.arange(total), at, assume_unique=False)
    if len(free) != len(frame):  # the numbers are not what they should be: keep the rows, at the end
        at, free = np.arange(len(frame), total), np.arange(len(frame))
    whole = pd.concat([frame.set_axis(free), filled.set_axis(at)]).sort_index()
    dropped = np.zeros(total, bool)
    dropped[[place for place, n in zip(at, number, strict=True) if int(n) in broken]] = True
    short = sum(cells < width for _, cells, _ in odd) - len(broken)
    note = f"{source.name}: {short:,} rows have fewer cells than the header; the others count as blank."
    return Part(whole, {BROKEN: dropped} if broken else {}, (note,) if short else ())


def _broken_pairs(odd: Sequence[tuple[int, int]], width: int) -> Iterator[int]:
    """Row numbers of two consecutive short rows whose cells add up to those of one row, which was broken in a cell."""
    i = 0
    while i + 1 < len(odd):
        (first, cells), (second, others) = odd[i], odd[i + 1]
        if second == first + 1 and cells + others == width + 1 and cells < width and others < width:
            yield first
            yield second
            i += 2
        else:
            i += 1

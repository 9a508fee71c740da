"""Messages of customers, and their labels: text that nothing may touch.

Owns    which cells are a text and which are none.
Leaves  reading files to `tables`, and what a label means to whoever reads it.

Customers write NA and null; these are messages. A blank cell is none.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from flashsale_env.encoders.records.rows import Rows, rows_of
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.opened import text_dtype
from flashsale_env.encoders.tables.reading import read_columns


def read_texts(
    paths: str | Path | Sequence[str | Path],
    text_column: str,
    label_column: str | None = None,
    form: FileFormat | None = None,
) -> Rows:
    """The rows of some files with the columns `text` and, if asked for, `label`, "" where a cell is blank.

    Args:
        paths: one file or several, see `tables.sources`.
        text_column, label_column: their names in the files.
        form: how the files write their cells.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not readable, no such column, or no rows.
    """
    mapped = {"text": text_column} | ({} if label_column is None else {"label": label_column})
    rows = rows_of(read_columns(paths, list(mapped), mapped=mapped, form=form))
    rows.raw = pd.DataFrame({name: _text(rows.raw[name]) for name in mapped})
    return rows


def _text(column: pd.Series) -> pd.Series:
    """Cells as they are; those of a spreadsheet that hold numbers or times as it would write them."""
    if isinstance(column.dtype, pd.StringDtype):
        return column.fillna("")
    words = column.map(lambda value: str(int(value)) if isinstance(value, float) and value.is_integer() else str(value))
    return words.where(column.notna(), "").astype(text_dtype())

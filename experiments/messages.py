"""A shop's messages, and their intents where it labelled some: no text is changed, and no row is dropped in silence."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from flashsale_env.encoders.corpus.outliers import NONE
from flashsale_env.encoders.records.messages import read_texts
from flashsale_env.encoders.records.rows import Rows
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.errors import unknown_name
from flashsale_env.intents import INTENTS

Files = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Messages:
    """The messages of some files.

    Args:
        texts: n of them, in the order of the files.
        labels: n intents, `NONE` for a message without one, "" where a row is not labelled; None if no column of labels
            was named.
        account: rows read and used, reasons and notes, as `Validation.as_dict`.
    """

    texts: list[str]
    labels: list[str] | None
    account: Mapping[str, Any]


def read(
    paths: Files,
    column: str,
    *,
    labels: str | None = None,
    mapping: Path | None = None,
    form: FileFormat | None = None,
    skip_empty: bool = False,
) -> Messages:
    """The texts of some files, and their intents where a column of labels is named.

    Args:
        paths: one file or several, see `encoders.tables`.
        column: name of the column that holds the messages.
        labels: column of the labels, "" where a row has none.
        mapping: TOML file that maps the shop's own labels to intents; rows with another label have no intent.
        form: how the files write their cells.
        skip_empty: leave out rows whose text is empty instead of refusing the file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not readable, no such column, no rows, or an empty text, with the row; a label that is no intent, or
            no label in any row.
    """
    rows, table = _rows(paths, column, labels, form, skip_empty)
    texts = table["text"].tolist()
    if labels is None:
        return Messages(texts, None, rows.validation({"text": column}).as_dict())
    meanings = None
    if mapping is not None:
        from flashsale_env.encoders.studies.transfer import read_mapping  # loads torch

        meanings = read_mapping(mapping)
    given = _intents(rows, table, labels, meanings)
    return Messages(texts, given, rows.validation({"text": column, "label": labels}).as_dict())


def _rows(
    paths: Files, column: str, labels: str | None, form: FileFormat | None, skip_empty: bool
) -> tuple[Rows, pd.DataFrame]:
    """The account, and the rows that hold a text."""
    rows = read_texts(paths, column, labels, form)
    empty = (rows.raw["text"].str.strip() == "").to_numpy(bool)
    if (empty & rows.kept).any() and not skip_empty:
        first = int((empty & rows.kept).argmax())
        raise ValueError(
            f"{rows.source}: column {column!r} is empty in row {rows.numbers[first]} below the header "
            f"({int(empty.sum())} such rows of {len(empty)}). Fill or remove them, or pass --skip-empty."
        )
    if empty.all():
        raise ValueError(f"{rows.source}: column {column!r} is empty in all {len(empty)} rows.")
    rows.drop("empty text", empty)
    return rows, rows.raw[rows.kept]


def _intents(rows: Rows, table: pd.DataFrame, column: str, mapping: Mapping[str, str] | None) -> list[str]:
    given = [str(label).strip() for label in table["label"]]
    if mapping is not None:
        if not set(given) & set(mapping):
            raise ValueError(f"{rows.source}: column {column!r} holds none of the mapped labels {', '.join(mapping)}.")
        counts = Counter(label for label in given if label and label not in mapping)
        unused = [label for label in mapping if label not in given]
        if counts or unused:
            others = ", ".join(f"{label} ({count})" for label, count in counts.most_common(8)) or "none"
            warnings.warn(
                f"labels without an intent in the mapping: {others}"
                + " ..." * (len(counts) > 8)
                + (f"; labels of the mapping without a row: {', '.join(unused)}" if unused else ""),
                stacklevel=3,
            )
        given = [mapping.get(label, "") for label in given]
    for row, label in zip(table.index, given, strict=True):
        if label and label not in (*INTENTS, NONE):
            where = f"{rows.source}: column {column!r}, row {rows.numbers[row]} below the header"
            raise ValueError(f"{where}: {unknown_name('intent', label, (*INTENTS, NONE))}")
    if not any(given):
        raise ValueError(
            f"{rows.source}: column {column!r} is empty in all rows; label some: {', '.join((*INTENTS, NONE))}."
        )
    return given

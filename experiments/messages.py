"""A shop's messages from a CSV file, read strictly: nothing is guessed, and no row is dropped silently."""

import io
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from flashsale_env.errors import unknown_name
from flashsale_env.intents import INTENTS


def read(
    path: Path,
    column: str,
    *,
    labels: str | None = None,
    mapping: Path | None = None,
    encoding: str = "utf-8",
    skip_empty: bool = False,
) -> tuple[list[str], list[str] | None]:
    """The texts of a file, and their intents where a column of labels is named.

    Args:
        path, column, encoding, skip_empty: as for `read_messages`.
        labels: column of the labels.
        mapping: TOML file that maps the shop's own labels to intents.
    """
    if labels is None:
        return read_messages(path, column, encoding=encoding, skip_empty=skip_empty), None
    meanings = None
    if mapping is not None:
        from flashsale_env.encoders.studies.transfer import read_mapping  # loads torch

        meanings = read_mapping(mapping)
    return read_labelled(path, column, labels, mapping=meanings, encoding=encoding, skip_empty=skip_empty)


def read_labelled(
    path: str | Path,
    column: str,
    labels: str,
    *,
    mapping: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    skip_empty: bool = False,
) -> tuple[list[str], list[str]]:
    """The texts of one column and the intents in another, "" where a row has none.

    Args:
        path, column, encoding, skip_empty: as for `read_messages`.
        labels: name of the column that holds the intents.
        mapping: the shop's own labels -> intents, see `encoders.studies.transfer`; rows with another label have no
            intent.

    Raises:
        FileNotFoundError, ValueError: as `read_messages`; also a label that is no intent, or no label in any row.
    """
    texts, table = _texts(Path(path), column, encoding, skip_empty)
    if labels not in table.columns:
        raise ValueError(f"{path}: {unknown_name('column', labels, map(str, table.columns))}")
    given = [str(label).strip() for label in table[labels].fillna("")]
    if mapping is not None:
        if not set(given) & set(mapping):
            raise ValueError(f"{path}: column {labels!r} holds none of the mapped labels {', '.join(mapping)}.")
        counts = Counter(label for label in given if label and label not in mapping)
        unused = [label for label in mapping if label not in given]
        if counts or unused:
            others = ", ".join(f"{label} ({count})" for label, count in counts.most_common(8)) or "none"
            warnings.warn(
                f"labels without an intent in the mapping: {others}"
                + " ..." * (len(counts) > 8)
                + (f"; labels of the mapping without a row: {', '.join(unused)}" if unused else ""),
                stacklevel=2,
            )
        given = [mapping.get(label, "") for label in given]
    for row, label in zip(table.index, given, strict=True):
        if label and label not in INTENTS:
            where = f"{path}: column {labels!r}, row {row + 1} below the header"
            raise ValueError(f"{where}: {unknown_name('intent', label, INTENTS)}")
    if not any(given):
        raise ValueError(f"{path}: column {labels!r} is empty in all rows; label some with {', '.join(INTENTS)}.")
    return texts, given


def read_messages(path: str | Path, column: str, *, encoding: str = "utf-8", skip_empty: bool = False) -> list[str]:
    """The texts of one column, in the order of the file.

    Args:
        path: a CSV file with a header.
        column: name of the column that holds the messages.
        encoding: of the file; a byte order mark is skipped.
        skip_empty: leave out rows whose text is empty instead of refusing the file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not CSV, another encoding, no such column, no rows, or an empty text; with the row or byte.
    """
    return _texts(Path(path), column, encoding, skip_empty)[0]


def _texts(path: Path, column: str, encoding: str, skip_empty: bool) -> tuple[list[str], pd.DataFrame]:
    """The texts, and the rows of the table that hold them."""
    table = _read_table(path, _read_text(path, encoding))
    if column not in table.columns:
        raise ValueError(f"{path}: {unknown_name('column', column, map(str, table.columns))}")
    if table.empty:
        raise ValueError(f"{path} has a header but no rows below it, so there are no messages to read.")
    texts = table[column].fillna("")
    empty = texts.str.strip() == ""
    if empty.any() and not skip_empty:
        row = int(empty.to_numpy().argmax()) + 1
        raise ValueError(
            f"{path}: column {column!r} is empty in row {row} below the header ({int(empty.sum())} such rows of "
            f"{len(texts)}). Fill or remove them, or pass --skip-empty."
        )
    if empty.all():
        raise ValueError(f"{path}: column {column!r} is empty in all {len(texts)} rows.")
    return [str(text) for text in texts[~empty]], table[~empty]


def _read_text(path: Path, encoding: str) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"no file at {path}: want a CSV file of messages.") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder: want a CSV file of messages.") from None
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path} is not {encoding}: byte 0x{content[error.start]:02x} at offset {error.start} (line {line}) "
            f"does not fit. "
            f"Give the file's own encoding, e.g. --encoding cp1252 or --encoding gb18030."
        ) from None
    except LookupError:
        raise ValueError(f"unknown encoding {encoding!r}: use a name such as utf-8, cp1252 or gb18030.") from None


def _read_table(path: Path, text: str) -> pd.DataFrame:
    # A blank line at the end of a file is not a row; one between rows is an empty message.
    text = text.strip("\r\n")
    if not text.strip():
        raise ValueError(f"{path} is empty: want a CSV file with a header and one message a row.")
    try:
        with warnings.catch_warnings():
            # pandas drops the fields beyond those of the header with no more than a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # Customers type "NA" and "null"; they are text, not gaps.
            return pd.read_csv(
                io.StringIO(text), dtype=str, keep_default_na=False, index_col=False, skip_blank_lines=False
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} does not read as CSV: {reason} Quote fields that hold commas.") from None

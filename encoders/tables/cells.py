"""What cells hold: a value, a blank, or something that cannot be read.

Owns    the form in which all readers of cells answer, blanks, identifiers and truth values.
Leaves  numbers to `numbers` and times to `times`.

A cell is read by its distinct values, which is much faster than by rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.encoders.tables.opened import text_dtype

Mask = npt.NDArray[np.bool_]

# What databases and spreadsheets write where there is no value.
NOTHING = frozenset({"", "null", r"\n", "nan", "none", "na", "n/a", "#n/a", "-", "--", "nat", "<na>"})
# An identifier may well be NA or None; these are never one.
_NO_IDENTIFIER = frozenset({"", "NULL", r"\N", "#N/A"})
TRUE = frozenset({"1", "1.0", "true", "t", "yes", "y"})
FALSE = frozenset({"0", "0.0", "false", "f", "no", "n"})


@dataclass(frozen=True, eq=False)
class Cells:
    """One column.

    Args:
        values: (rows,) float64, NaN where there is none.
        blank: (rows,) whether the cell is blank.
    """

    values: npt.NDArray[np.float64]
    blank: Mask

    @property
    def unreadable(self) -> Mask:
        """(rows,) whether there is something that is no such value."""
        return np.isnan(self.values) & ~self.blank


def is_text(column: pd.Series) -> bool:
    """Whether cells hold text, all of them or some."""
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype)


def distinct(column: pd.Series) -> tuple[npt.NDArray[np.int64], pd.Series]:
    """(codes (rows,), distinct values as text without blanks around them): code -1 where a cell is missing."""
    codes, values = pd.factorize(column)
    if isinstance(column.dtype, pd.StringDtype):
        words = pd.Series(values, dtype=column.dtype)
    else:
        words = pd.Series([_word(value) for value in values], dtype=text_dtype())
    return codes.astype(np.int64), words.str.strip()


def _word(value: Any) -> str:
    """A value as a shop writes it: 7.0 of a spreadsheet is the product 7."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def spread(codes: npt.NDArray[np.int64], values: npt.NDArray[Any], missing: Any) -> npt.NDArray[Any]:
    """Values of the distinct ones for every row; `missing` for code -1."""
    return np.append(values, np.array([missing], dtype=values.dtype))[codes]


def by_distinct(column: pd.Series, read: Callable[[pd.Series], npt.NDArray[np.float64]]) -> Cells:
    """Read the distinct values of a column of text.

    Args:
        column: text, or objects of which some are text.
        read: distinct values (as text, stripped) -> (values,) float64, NaN where they cannot be read.
    """
    codes, words = distinct(column)
    nothing = words.str.lower().isin(NOTHING).to_numpy(bool)
    found = np.full(len(words), np.nan)
    if (~nothing).any():
        found[~nothing] = read(words[~nothing].reset_index(drop=True))
    return Cells(spread(codes, found, np.nan), spread(codes, nothing, True))


def identifiers(column: pd.Series) -> pd.Series:
    """Text with equal spelling, as a categorical; a blank is missing. "007" stays, a number 7.0 is "7"."""
    codes, words = distinct(column)
    word, names = pd.factorize(
        words.mask(words.isin(_NO_IDENTIFIER)), sort=True
    )  # "7" and " 7" are equal; a blank gets -1, like a missing value
    return pd.Series(pd.Categorical.from_codes(spread(codes, word, -1), names), index=column.index)


def truths(column: pd.Series) -> Cells:
    """1 for true and 0 for false, written as numbers or as words: 1/0, true/false, yes/no, t/f, y/n."""
    codes, words = distinct(column)
    words = words.str.lower()
    nothing = words.isin(NOTHING).to_numpy(bool)
    found = np.where(words.isin(TRUE), 1.0, np.where(words.isin(FALSE), 0.0, np.nan))
    return Cells(spread(codes, found, np.nan), spread(codes, nothing, True))

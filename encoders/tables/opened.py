"""A table whose header is known and whose rows have not been read yet."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.encoders.tables.sources import Source


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of one table.

    Args:
        frame: the columns that were asked for; text, numbers, time stamps, or objects where a column is mixed.
        dropped: reason -> (rows,) whether the row cannot be used.
        notes: observations that led to no change.
    """

    frame: pd.DataFrame
    dropped: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class OpenTable:
    """A table before its rows are read.

    Args:
        source: where it lies.
        names: of the columns; "" for one without a name.
        read: the rows of some columns.
        notes: observations that led to no change.
        head: the first rows as they lie there, header included, to look for a header further down.
    """

    source: Source
    names: tuple[str, ...]
    read: Callable[[Sequence[str]], Part]
    notes: tuple[str, ...] = ()
    head: tuple[tuple[str, ...], ...] = ()

    def check_unique(self, wanted: Sequence[str]) -> None:
        """Refuse a column that is wanted and there twice.

        Raises:
            ValueError: a name is ambiguous.
        """
        for name, count in Counter(self.names).items():
            if count > 1 and name in wanted:
                raise ValueError(f"{self.source.name} has {count} columns named {name!r}: rename all but one.")


def header_names(source: Source, cells: Sequence[Any]) -> tuple[str, ...]:
    """Names of the columns as text, without blanks around them.

    Raises:
        ValueError: none of the cells holds a name.
    """
    names = tuple(str(cell).strip().removeprefix("\ufeff") if cell is not None else "" for cell in cells)
    if not any(names):
        raise ValueError(f"{source.name} has no header: want the names of the columns above the rows.")
    return names


def text_dtype() -> pd.StringDtype:
    """Text in Arrow's memory, a third of what Python's own takes."""
    return pd.StringDtype("pyarrow", na_value=np.nan)


def typed(values: Sequence[Any]) -> pd.Series:
    """A column of Python values: text, numbers or time stamps if all values agree, else as objects."""
    series = pd.Series(values, dtype=object)
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind == "string":
        return series.astype(text_dtype())
    if kind == "integer":
        return _whole(series)
    if kind in ("floating", "mixed-integer-float", "decimal"):
        return series.astype(np.float64)
    if kind in ("datetime", "date"):
        try:
            return pd.to_datetime(series)
        except (ValueError, pd.errors.OutOfBoundsDatetime):
            return series
    return series


def _whole(series: pd.Series) -> pd.Series:
    try:
        return series.astype("Int64")
    except OverflowError:  # identifiers of more than 18 digits
        return series.map(str, na_action="ignore").astype(text_dtype())

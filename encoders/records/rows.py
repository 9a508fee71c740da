"""The account of the rows of a file: which are used, and for what reason each of the others is not.

A row is used unchanged, or dropped for one named reason; no value is repaired. If several reasons apply, the first in
the order of the checks counts. Every reason is kept with examples from the file.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.encoders.tables.reading import Table

Mask = npt.NDArray[np.bool_]

_EXAMPLES = 3


@dataclass(frozen=True)
class Validation:
    """Counts of the rows of a file that were used and dropped.

    Args:
        source: the file, or the name of the data set.
        columns: our name -> the file's name, for every column that was read.
        rows_read: rows below the header.
        dropped: reason -> rows, in the order of the checks.
        examples: reason -> some of the rows dropped for it, with what they hold.
        notes: observations that led to no change.
    """

    source: str
    columns: Mapping[str, str]
    rows_read: int
    dropped: Mapping[str, int]
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def rows_used(self) -> int:
        """Number of rows that were not dropped."""
        return self.rows_read - sum(self.dropped.values())

    def as_dict(self) -> dict[str, Any]:
        """As a table for a card."""
        return {
            "source": self.source,
            "columns": dict(self.columns),
            "rows_read": self.rows_read,
            "rows_used": self.rows_used,
            "dropped": dict(self.dropped),
            "examples": {reason: list(rows) for reason, rows in self.examples.items()},
            "notes": list(self.notes),
        }

    def before(self, error: str) -> str:
        """A message about what remains, after a sentence about what was dropped, if anything was."""
        lost = {reason: count for reason, count in self.dropped.items() if count}
        if not lost:
            return error
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in lost.items())
        return f"{self.rows_read - self.rows_used:,} of {self.rows_read:,} rows were dropped ({reasons}). Then: {error}"

    @contextlib.contextmanager
    def told_first(self) -> Iterator[None]:
        """Let an error that follows from the rows that are left begin with those that were dropped."""
        try:
            yield
        except ValueError as error:
            raise ValueError(self.before(str(error))) from error


def rows_of(table: Table) -> "Rows":
    """The rows of some files, before the first check."""
    in_file = pd.Series(table.file).groupby(table.file).cumcount().to_numpy() + 1
    rows = Rows(table.frame, table.source, in_file, (table.file, table.files))
    rows.notes += table.notes
    for reason, bad in table.dropped.items():
        rows.drop(reason, bad)
    return rows


class Rows:
    """The rows that passed the checks so far, and the account of those that did not.

    Args:
        raw: the table as it lies in the file, for examples.
        source: for messages.
        numbers: (rows,) of each row in its file, from 1; by default one file.
        files: (rows,) which file a row is of, and the names, where there are several.
    """

    def __init__(
        self,
        raw: pd.DataFrame,
        source: str,
        numbers: npt.NDArray[np.int64] | None = None,
        files: tuple[npt.NDArray[np.int64], Sequence[str]] | None = None,
    ) -> None:
        self.raw, self.source = raw, source
        self.kept = np.ones(len(raw), bool)
        self.dropped: dict[str, int] = {}
        self.examples: dict[str, tuple[str, ...]] = {}
        self.notes: list[str] = []
        self.numbers = np.arange(1, len(raw) + 1) if numbers is None else numbers
        self.files = files

    def drop(self, reason: str, bad: npt.ArrayLike) -> None:
        """Drop the rows where `bad` (rows,) holds. Every reason is listed, also with 0 rows."""
        out = np.asarray(bad, bool) & self.kept
        count = int(out.sum())
        self.dropped[reason] = self.dropped.get(reason, 0) + count
        if count:
            shown = tuple(self.shown(int(i)) for i in np.flatnonzero(out)[:_EXAMPLES])
            self.examples[reason] = (*self.examples.get(reason, ()), *shown)[:_EXAMPLES]
            self.kept &= ~out

    def drop_kept(self, reason: str, bad: npt.ArrayLike) -> None:
        """`drop` with a mask over the kept rows alone."""
        out = np.zeros(len(self.kept), bool)
        out[self.kept] = bad
        self.drop(reason, out)

    def forget_file(self) -> None:
        """Give back the memory of the table as it lies in the file; no row can be shown any more."""
        self.raw = self.raw.iloc[:0]

    def shown(self, i: int) -> str:
        """Row i as a person finds it in the file."""
        cells = ", ".join(f"{name} {self._cell(name, i)}" for name in self.raw.columns)
        place = f"{self.files[1][self.files[0][i]]}, " if self.files is not None and len(self.files[1]) > 1 else ""
        return f"{place}row {self.numbers[i]}: {cells}"

    def _cell(self, name: str, i: int) -> str:
        value = self.raw[name].iloc[i]
        if pd.isna(value):
            return "blank"
        text = f"{value:.10g}" if isinstance(value, float) else " ".join(str(value).split())
        return repr(text if len(text) <= 24 else text[:23] + "…") if isinstance(value, str) else text

    def validation(self, columns: Mapping[str, str] | None) -> Validation:
        """The account.

        Raises:
            ValueError: no row is left; the message has the reasons.
        """
        account = Validation(
            self.source, dict(columns or {}), len(self.kept), self.dropped, self.examples, tuple(self.notes)
        )
        if not self.kept.any():
            lost = {reason: count for reason, count in self.dropped.items() if count}
            reasons = ", ".join(f"{reason} ({count})" for reason, count in lost.items())
            example = next((f"; e.g. {self.examples[reason][0]}" for reason in lost), "")
            raise ValueError(f"{self.source}: none of {len(self.kept)} rows can be used: {reasons}{example}.")
        return account

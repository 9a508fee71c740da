"""The records that a calibration reads: from files with our columns, or by a ready reader.

Owns    which of the two it is, and the name that the scenario takes from them.
Leaves  reading to `encoders.records` and `encoders.shops`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flashsale_env.encoders.records.choices import read_choices
from flashsale_env.encoders.records.rows import Validation
from flashsale_env.encoders.records.transactions import read_transactions
from flashsale_env.encoders.shops.registry import READERS, read_shop
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.sources import listed
from flashsale_env.errors import unknown_name

KINDS = ("transactions", "choices")


@dataclass(frozen=True, eq=False)
class Records:
    """What is to be read, checked before anything is.

    Args:
        kind: of `KINDS`.
        paths: the files; () where a package holds the data.
        reader: name of a ready reader; None for files with our columns.
        columns: our name -> the file's name.
        form: how the files write their cells.
        further: columns of numbers, by the files' names: instruments and controls.
    """

    kind: str
    paths: tuple[Path, ...]
    reader: str | None
    columns: Mapping[str, str]
    form: FileFormat
    further: tuple[str, ...] = ()

    @classmethod
    def named(
        cls,
        records: str | Path | Sequence[str | Path],
        *,
        kind: str,
        reader: str | None,
        columns: Mapping[str, str] | None,
        form: FileFormat | None,
        further: Sequence[str] = (),
    ) -> "Records":
        """What a user named: files, or the name of a reader whose data a package holds.

        Raises:
            ValueError: unknown names, or options that do not go together.
        """
        if kind not in KINDS:
            raise ValueError(unknown_name("kind of records", kind, KINDS))
        if reader is not None and reader not in READERS:
            raise ValueError(unknown_name("reader", reader, READERS))
        paths = listed(records)
        if reader is None and len(paths) == 1 and str(paths[0]) in READERS and not Path(paths[0]).exists():
            reader, paths = str(paths[0]), []
            if not READERS[reader].package:
                raise ValueError(f"{reader} reads files: name its export, and add --reader {reader}.")
        if reader is not None and kind != "transactions":
            raise ValueError(f"{reader} holds transactions, not {kind}.")
        if reader is not None and (named := [*(columns or ()), *further]):
            raise ValueError(f"{reader} has our column names already: leave out {', '.join(named)}.")
        return cls(kind, tuple(map(Path, paths)), reader, dict(columns or {}), form or FileFormat(), tuple(further))

    @property
    def name(self) -> str:
        """A name for the scenario: of the reader, or of the first file."""
        if not self.paths:
            return str(self.reader)
        stem = self.paths[0].name.split(".")[0]
        return re.sub(r"[^0-9a-z]+", "-", stem.lower()).strip("-") or "calibrated"

    @property
    def package(self) -> str:
        """The package that holds the data; "" for files."""
        return READERS[self.reader].package if self.reader is not None and not self.paths else ""

    @property
    def notice(self) -> str:
        """What the owner of the data asks for."""
        return READERS[self.reader].notice if self.reader is not None else ""

    def read(self) -> tuple[pd.DataFrame, Validation]:
        """The rows that can be used, and the account of all rows.

        Raises:
            FileNotFoundError, ValueError: not readable, or no row can be used.
        """
        if self.reader is not None:
            return read_shop(self.reader, self.paths, self.form)
        if self.kind == "choices":
            return read_choices(self.paths, columns=self.columns, form=self.form)
        return read_transactions(self.paths, columns=self.columns, form=self.form, further=self.further)

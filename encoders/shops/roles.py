"""Which of some files is which: a table is known by its columns, never by the name of its file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from flashsale_env.encoders.records.rows import Rows
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.nested import joined
from flashsale_env.encoders.tables.opened import OpenTable
from flashsale_env.encoders.tables.reading import open_tables
from flashsale_env.encoders.tables.sources import KINDS

TABLE = "(table)"  # column with the number of the table, among those of one role


@dataclass(frozen=True)
class Role:
    """One kind of table.

    Args:
        columns: name used here -> names in the wild, the first that is there counts.
        optional: likewise, for columns that a table may lack.
        needed: whether the files must hold such a table.
    """

    columns: Mapping[str, tuple[str, ...]]
    optional: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    needed: bool = True

    def named(self, table: OpenTable) -> dict[str, str] | None:
        """Name used here -> the table's name; None if the table has another role."""
        found = {}
        for ours, names in {**self.columns, **self.optional}.items():
            theirs = next((name for name in names if name in table.names), None)
            if theirs is not None:
                found[ours] = theirs
            elif ours in self.columns:
                return None
        return found


@dataclass(frozen=True)
class ShopReader:
    """A known export or data set.

    Args:
        name: by which it is chosen.
        what: one line.
        roles: of its tables; empty if a package holds the data.
        read: (paths, form) -> rows with the columns of transactions, some dropped already.
        form: what is known about its cells; what a user says goes before it.
        package: that holds the data, so that no file is needed; "" for none.
        notice: what the owner of the data asks for.
    """

    name: str
    what: str
    roles: Mapping[str, Role]
    read: Callable[[Sequence[Path], FileFormat], Rows]
    form: FileFormat = field(default_factory=FileFormat)
    package: str = ""
    notice: str = ""


def plain(*names: str) -> dict[str, tuple[str, ...]]:
    """Columns that have one name everywhere."""
    return {name: (name,) for name in names}


def read_roles(
    reader: str, roles: Mapping[str, Role], paths: Sequence[Path], form: FileFormat
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The tables of some files, archives and folders by role, and notes. Tables of one role are joined in order.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a needed table is not there.
    """
    opened, notes = open_tables(_files(reader, paths), form)
    parts: dict[str, list[pd.DataFrame]] = {}
    for table in opened:
        for role, wanted in roles.items():
            if (named := wanted.named(table)) is not None:
                table.check_unique(list(named.values()))
                part = table.read(list(named.values()))
                notes += part.notes
                frame = pd.DataFrame({ours: part.frame[theirs] for ours, theirs in named.items()})
                frame[TABLE] = len(parts.get(role, ()))
                parts.setdefault(role, []).append(frame)
                break
    for role, wanted in roles.items():
        if wanted.needed and role not in parts:
            columns = ", ".join(" or ".join(map(repr, names)) for names in wanted.columns.values())
            there = "; ".join(f"{t.source.name} ({', '.join(filter(None, t.names[:8]))} ...)" for t in opened[:3])
            raise ValueError(f"{reader}: no table of {role} with the columns {columns}. Read: {there}.")
    for role, frames in parts.items():
        common = [name for name in frames[0].columns if all(name in frame for frame in frames)]
        parts[role] = [frame[common] for frame in frames]
    return {role: joined(frames) for role, frames in parts.items()}, notes


def _files(reader: str, paths: Sequence[Path]) -> list[Path]:
    """The files of the paths; those of a folder that can hold tables, sorted by name."""
    if not paths:
        raise ValueError(f"{reader} reads files: name the export, its folder or its archive.")
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                file
                for file in path.iterdir()
                if file.is_file()
                and (Path(file.name.lower().removesuffix(".gz")).suffix in KINDS or file.suffix.lower() == ".zip")
            )
            if not inside:
                raise ValueError(f"{path} holds no table: want the files of {reader}.")
            found += inside
        else:
            found.append(path)
    return found

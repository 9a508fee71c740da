"""Which tables lie behind the paths that a user gave: plain files, gzip, and the members of zip archives.

Owns    the kinds of files that are read, and opening them as bytes.
Leaves  what is inside to `delimited`, `workbook` and `nested`.
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

# Ending of a name, in lower case -> kind.
KINDS = {
    ".csv": "delimited",
    ".tsv": "delimited",
    ".tab": "delimited",
    ".txt": "delimited",
    ".xlsx": "workbook",
    ".xlsm": "workbook",
    ".xlsb": "workbook",
    ".xls": "workbook",
    ".ods": "workbook",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
WANTED = "a CSV, TSV, XLSX, JSONL or Parquet file, as it is or in .gz or .zip"

# First bytes of what is often saved under the name of a text file.
_FIRST_BYTES = {
    b"PK\x03\x04": "a zip archive or an Excel workbook: name it .zip or .xlsx",
    b"\x1f\x8b": "compressed with gzip: let its name end in .gz",
    b"PAR1": "Parquet: name it .parquet",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: name it .xls",
}
BROKEN_ARCHIVE = (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error)


@dataclass(frozen=True)
class Source:
    """One table that can be opened as often as needed.

    Args:
        name: as a user knows it, e.g. "sales.zip: 2024.csv".
        stem: of the file's own name, for what is named after it.
        ending: of the name in lower case, without .gz; a key of `KINDS`.
        open: the bytes.
    """

    name: str
    stem: str
    ending: str
    open: Callable[[], BinaryIO]

    @property
    def kind(self) -> str:
        """delimited, workbook, json or parquet."""
        return KINDS[self.ending]

    def first_bytes(self, count: int) -> bytes:
        """The beginning of the content.

        Raises:
            ValueError: the archive is damaged.
        """
        try:
            with self.open() as handle:
                return handle.read(count)
        except BROKEN_ARCHIVE as error:
            raise ValueError(f"{self.name} is damaged: {error}.") from None

    def refuse_foreign_bytes(self) -> None:
        """Raise ValueError if a text file's first bytes are those of another kind."""
        start = self.first_bytes(4)
        for magic, meaning in _FIRST_BYTES.items():
            if start.startswith(magic):
                raise ValueError(f"{self.name} is no text: by its first bytes it is {meaning}.")


def listed(paths: str | Path | Sequence[str | Path]) -> list[str | Path]:
    """One file or several, as a list."""
    return [paths] if isinstance(paths, str | Path) else list(paths)


def sources_of(paths: Sequence[str | Path]) -> tuple[list[Source], list[str]]:
    """The tables of some files, in order, and notes about members of archives that are no tables.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a folder, a kind of file that is not read, a damaged or encrypted archive, or one without tables.
    """
    found: list[Source] = []
    notes: list[str] = []
    for path in map(Path, paths):
        if path.is_dir():
            raise ValueError(f"{path} is a folder: want {WANTED}.")
        if not path.exists():
            raise FileNotFoundError(f"no file at {path}: want {WANTED}.")
        if path.suffix.lower() == ".zip":
            members, other = _members(path)
            found += members
            notes += [f"{path}: {name} is no table and was not read." for name in other]
        else:
            found.append(_file(path))
    return found, notes


def _file(path: Path) -> Source:
    packed = path.suffix.lower() == ".gz"
    inner = path.with_suffix("") if packed else path
    ending = inner.suffix.lower()
    if ending not in KINDS:
        raise ValueError(f"{path}: want a file whose name ends in {', '.join(KINDS)}, or these with .gz, or .zip.")

    def opened() -> BinaryIO:
        return cast(BinaryIO, gzip.GzipFile(path)) if packed else path.open("rb")

    return Source(str(path), inner.stem, ending, opened)


def _members(path: Path) -> tuple[list[Source], list[str]]:
    """The tables in a zip archive, sorted by name, and the names of its other members."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = sorted(archive.infolist(), key=lambda info: info.filename)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is no zip archive or is damaged: {error}.") from None
    tables, other = [], []
    for info in infos:
        inner = Path(info.filename)
        if info.is_dir() or "__MACOSX" in inner.parts or inner.name.startswith("."):
            continue
        if inner.suffix.lower() not in KINDS:
            other.append(info.filename)
            continue
        if info.flag_bits & 1:
            raise ValueError(f"{path}: {info.filename} is encrypted: unpack it first.")

        def opened(name: str = info.filename) -> BinaryIO:
            # Workbooks and Parquet are read from their end, which a member of an archive cannot do.
            with zipfile.ZipFile(path) as archive:
                if KINDS[Path(name).suffix.lower()] in ("workbook", "parquet"):
                    return io.BytesIO(archive.read(name))
                return cast(BinaryIO, archive.open(name))

        tables.append(Source(f"{path}: {info.filename}", inner.stem, inner.suffix.lower(), opened))
    if not tables:
        inside = ", ".join(other) or "nothing"
        raise ValueError(f"{path} holds no table (it holds {inside}): want {WANTED}.")
    return tables, other

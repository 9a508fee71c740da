"""Atomic writes, file hashes, and a hook that records written files.

Every file of the project is written by `write_atomically`. A writer therefore maintains no list of its files: a
manifest subscribes with `recorded`.
"""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# A process killed in mid-write leaves `.NAME.RANDOM.part` beside `NAME`.
TEMPORARY = ".part"
_FULL = (errno.ENOSPC, errno.EDQUOT)

# Global to the process, not a context variable: threads inherit no context and write into the same folders.
_recorders: dict[Path, Callable[[Path], bool]] = {}


@contextlib.contextmanager
def recorded(folder: Path, record: Callable[[Path], bool]) -> Iterator[None]:
    """Call `record(path)` before a file below a folder is written.

    Args:
        folder: whose files, at any depth.
        record: called with the absolute path; returns whether it recorded the file. Recorders of inner folders come
            first; a file passes to the next outer folder until one returns True.

    Raises:
        ValueError: the folder already has a recorder.
    """
    home = folder.resolve()
    if home in _recorders:
        raise ValueError(f"{home} already has a recorder.")
    _recorders[home] = record
    try:
        yield
    finally:
        del _recorders[home]


def is_recorded(folder: Path) -> bool:
    """Whether this very folder has a recorder."""
    return folder.resolve() in _recorders


def note(path: Path) -> None:
    """Announce a file about to be written, here or by another process, to the innermost recorder that accepts it."""
    path = path.parent.resolve() / path.name
    for folder in path.parents:
        record = _recorders.get(folder)
        if record is not None and record(path):
            return


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write beside the target, then rename: a full disk or a kill leaves either the old file or the new one.

    Raises:
        OSError: the disk is full or the folder is not writable. The error names the target; no temporary file is left.
    """
    path = Path(path)
    note(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        # The system's own error names the temporary file, or no file at all when the disk is full.
        remedy = ": free some space, or write elsewhere" if error.errno in _FULL else ""
        raise OSError(error.errno, f"{error.strerror}{remedy}", str(path)) from error


def sha256(content: bytes) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file of any size, hexadecimal; Python 3.10 lacks `hashlib.file_digest`."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()

"""Files that are there whole or not at all, known by their hash, and whoever keeps a list of them.

Every file that the project writes goes through `write_atomically`, so that nothing has to remember to enter what it
writes in a list: whoever keeps one listens with `recorded`.
"""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# What a kill in the middle of a write leaves beside `NAME`: `.NAME.RANDOM.part`.
TEMPORARY = ".part"
_FULL = (errno.ENOSPC, errno.EDQUOT)

# Of the whole process rather than of a context: a thread inherits no context, and writes into the same folder.
_recorders: dict[Path, Callable[[Path], bool]] = {}


@contextlib.contextmanager
def recorded(folder: Path, record: Callable[[Path], bool]) -> Iterator[None]:
    """Call `record(path)` before a file below a folder is written.

    Args:
        folder: whose files, at any depth.
        record: told the absolute path; True where it took note of it. If not, or where a folder inside this one has a
            recorder of its own that did, the next folder further out is asked.

    Raises:
        ValueError: the folder has a recorder already.
    """
    home = folder.resolve()
    if home in _recorders:
        raise ValueError(f"{home} is recorded already.")
    _recorders[home] = record
    try:
        yield
    finally:
        del _recorders[home]


def is_recorded(folder: Path) -> bool:
    """Whether somebody keeps a list of the files of this very folder."""
    return folder.resolve() in _recorders


def note(path: Path) -> None:
    """Tell the innermost recorder of a file that is going to be written, here or by another process."""
    path = path.parent.resolve() / path.name
    for folder in path.parents:
        record = _recorders.get(folder)
        if record is not None and record(path):
            return


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write beside the target and rename, so that a full disk or a kill leaves the old file or the new one.

    Raises:
        OSError: the disk is full or the folder cannot be written; the error names the target, and nothing is left
            behind.
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
        # What the system says names the temporary file, or none at all where the disk is full.
        remedy = ": free some space, or write elsewhere" if error.errno in _FULL else ""
        raise OSError(error.errno, f"{error.strerror}{remedy}", str(path)) from error


def sha256(content: bytes) -> str:
    """Hash of a file's content."""
    return hashlib.sha256(content).hexdigest()


def sha256_of(path: str | Path) -> str:
    """Hash of a file of any size; `hashlib.file_digest` is not in Python 3.10."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()

"""The folder of a run: who may write it, which files are the run's own, and how to repeat the run.

Owns    the rules of `--out`, and three files beside the results. `config.json` holds what repeats the run: options,
        seeds, versions of the packages that the figures depend on, and the command line. `manifest.txt` lists the files
        of the run; a file is entered before it is written, and no other file in the folder is ever removed.
        `.flashsale.lock` is held by the process that writes the folder; the system releases it when that process ends,
        for whatever reason.

`write_atomically` enters a file itself, so no writer can forget to. A folder inside, written by another process (a unit
of a benchmark), has a manifest of its own, which is entered in the outer one.
"""

import contextlib
import errno
import json
import os
import socket
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from flashsale_env.experiments.display import notice
from flashsale_env.files import TEMPORARY, is_recorded, note, recorded, write_atomically
from flashsale_env.versions import versions

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

CONFIG, RESULT, MANIFEST, LOCK = "config.json", "result.json", "manifest.txt", ".flashsale.lock"
FORMAT = "flashsale_env run 1"
_HEAD = f"{FORMAT}: the files of this run, one a line. --overwrite removes these and no others."
_SHOWN = 5  # at most so many foreign files are named
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class FolderInUse(OSError):
    """Another process is writing the folder."""


@dataclass(frozen=True)
class Run:
    """One run of a command and the folder of its results.

        with run.claimed(overwrite=overwrite):
            ...  # long work that may fail: the files of an earlier run are still there
            run.begin()
            ...  # writes
            run.finish()

    Args:
        folder: `--out`.
        command: the command line.
        options: of the command, as JSON.
        seeds: what is drawn -> its seed.
        inputs: files and folders that the run reads, and that it must not remove.
    """

    folder: Path
    command: str
    options: Mapping[str, Any]
    seeds: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[str | Path] = ()

    def check(self, *, overwrite: bool, resume: bool = False) -> None:
        """Refuse a folder that may not be written, before anything long begins.

        Args:
            overwrite: the results of an earlier run may be replaced.
            resume: an earlier run may be resumed.

        Raises:
            OSError: it cannot be made, or holds something that may not be replaced.
            ValueError: it lies inside an input, or replacing its content would remove one.
        """
        folder = self.folder
        check_folder(folder, "--out")
        for path in self.inputs:
            if Path(path).is_dir() and folder.resolve().is_relative_to(Path(path).resolve()):
                raise ValueError(f"--out {folder} lies inside {path}, which this run reads: choose another --out.")
        is_run = Manifest(folder).exists
        if not folder.is_dir() or {entry.name for entry in folder.iterdir()} <= {LOCK, MANIFEST if is_run else LOCK}:
            return
        if not overwrite and not (resume and is_run):
            raise FileExistsError(
                f"{folder} already holds something: choose another --out"
                + (", or pass --overwrite to replace the results in it." if is_run else ".")
            )
        if not is_run:
            raise FileExistsError(
                f"{folder} holds no {MANIFEST} of an earlier run, so --overwrite does not touch it: remove it "
                f"yourself or choose another --out."
            )
        for path in self.inputs if overwrite else ():
            if Path(path).resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"--overwrite would empty {folder} and with it {path}, which this run reads.")

    @contextlib.contextmanager
    def claimed(self, *, overwrite: bool, resume: bool = False) -> Iterator[None]:
        """Hold the folder until the end of the block. A folder that was made for it is removed if it is still empty.

        Raises:
            FolderInUse: another process holds it.
            OSError, ValueError: as `check`.
        """
        self.check(overwrite=overwrite, resume=resume)
        with held(self.folder, self.command):
            self.check(overwrite=overwrite, resume=resume)  # it may have been filled since
            yield

    def begin(self) -> None:
        """Remove the files of an earlier run from the claimed folder, and write `config.json`."""
        if not is_recorded(self.folder):
            raise RuntimeError(f"{self.folder} is not claimed: call begin inside `with run.claimed(...)`.")
        manifest = Manifest(self.folder)
        if manifest.exists:
            manifest.remove_files()
        foreign = manifest.foreign()
        if foreign:
            more = f" and {len(foreign) - _SHOWN:,} more" if len(foreign) > _SHOWN else ""
            notice(f"{self.folder} holds files that no run has written; they stay: {', '.join(foreign[:_SHOWN])}{more}")
        manifest.reset()
        self._write(started=_now(), finished=None)

    def go_on(self) -> None:
        """Mark a finished run as unfinished in `config.json`, because more of it was asked for."""
        before = read_config(self.folder) or {}
        self._write(started=before.get("started"), finished=None)

    def finish(self) -> None:
        """Mark the results as complete in `config.json`."""
        before = read_config(self.folder) or {}
        self._write(started=before.get("started"), finished=_now())

    def keep(self, result: Mapping[str, Any]) -> None:
        """Begin, write `result.json` and finish: the whole of a run whose result is figures."""
        self.begin()
        write_json(self.folder / RESULT, result)
        self.finish()

    def _write(self, *, started: str | None, finished: str | None) -> None:
        config = {
            "format": FORMAT,
            "command": self.command,
            "options": dict(self.options),
            "seeds": dict(self.seeds),
            "versions": versions(),
            "started": started,
            "finished": finished,
        }
        write_json(self.folder / CONFIG, config)


class Manifest:
    """The files that a run has written in a folder and in the folders below.

    An entry precedes its file: a killed run leaves more entries than files, never a file without an entry.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.path = self.folder / MANIFEST
        self._lock = threading.Lock()

    @property
    def exists(self) -> bool:
        """Whether the folder holds a manifest that a run has written."""
        return self._read() is not None

    @property
    def names(self) -> list[str]:
        """Paths relative to the folder, in the order in which they were entered."""
        return self._read() or []

    def _read(self) -> list[str] | None:
        try:
            head, *lines = self.path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError):
            return None
        # Text after the last line break is an entry that was not finished, so its file was not begun.
        return lines[:-1] if head == _HEAD else None

    def reset(self, names: Iterable[str] = ()) -> None:
        """Begin anew with these entries."""
        write_atomically(self.path, "".join(f"{line}\n" for line in (_HEAD, *names)).encode())

    def enter(self, path: Path) -> bool:
        """Enter a file that is going to be written, and return True; the manifest itself belongs in an outer one.

        Raises:
            FileExistsError: the file exists, and no run has written it.
        """
        if path == self.path:
            return False
        name = path.relative_to(self.folder).as_posix()
        with self._lock:
            names = self._read()
            if names is None:
                raise FileNotFoundError(f"{self.folder} has no {MANIFEST} of a run, in which {name} would be entered.")
            if name in names:
                return True
            if os.path.lexists(path):
                raise FileExistsError(
                    f"{path} was not written by this run and would be replaced: move it away, then run the same "
                    f"command again."
                )
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")
                file.flush()
                os.fsync(file.fileno())
        return True

    def remove_files(self) -> None:
        """Remove the files that are entered, `config.json` last, and folders that are then empty.

        With `config.json` last, the same command can resume after an interruption. Of a link, the target stays.
        """
        names = sorted(set(self.names), key=lambda name: name == CONFIG)
        for name in names:
            path = self.folder / name
            if not path.parent.resolve().is_relative_to(self.folder) or not path.parent.is_dir():
                continue  # a folder of the run was replaced by a link to another place, or is gone
            if path.name == MANIFEST and Manifest(path.parent).exists:
                Manifest(path.parent).remove_files()
            for found in (path, *path.parent.glob(f".{path.name}.????????{TEMPORARY}")):
                if found.is_symlink() or found.is_file():
                    found.unlink()
        folders = {parent for name in names for parent in Path(name).parents}
        for folder in sorted(folders - {Path()}, key=lambda folder: -len(folder.parts)):
            with contextlib.suppress(OSError):  # it holds foreign files, or is gone
                (self.folder / folder).rmdir()

    def foreign(self) -> list[str]:
        """Files in the folder that are not the run's own, after `remove_files`."""
        found = (path for path in self.folder.rglob("*") if path.is_symlink() or not path.is_dir())
        own = (self.path, self.folder / LOCK)
        return sorted(path.relative_to(self.folder).as_posix() for path in found if path not in own)


@contextlib.contextmanager
def held(folder: Path, command: str) -> Iterator[None]:
    """`locked`, and every file written in the folder is entered in its manifest.

    Raises:
        OSError: as `locked`; or a write would replace a file that no run has written.
    """
    with locked(folder, command), recorded(folder, Manifest(folder).enter):
        yield


@contextlib.contextmanager
def locked(folder: Path, command: str) -> Iterator[None]:
    """Make a folder and lock it until the end of the block. A folder made here is removed if it is empty then.

    Raises:
        FolderInUse: another process holds it.
        OSError: it cannot be made or written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder, command)
    except FolderInUse:
        raise
    except OSError as error:
        _remove_empty(made)
        raise OSError(error.errno, f"{error.strerror}: nothing can be written there", str(folder)) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps open files; a lock file without its lock is harmless
            (folder / LOCK).unlink()
        os.close(lock)
        _remove_empty(made)


@contextlib.contextmanager
def held_as_part(folder: Path, command: str) -> Iterator[None]:
    """`held`, for a folder inside that of a run which another process may write; it has a manifest of its own."""
    with held(folder, command):
        manifest = Manifest(folder)
        if not manifest.exists:
            manifest.reset()
        yield


def announce_part(folder: Path) -> None:
    """Enter the manifest of a folder in that of the outer run, before another process begins to write there."""
    note(folder / MANIFEST)


def _remove_empty(made: Iterable[Path]) -> None:
    """Remove those of the folders, innermost first, that are empty."""
    for path in made:
        with contextlib.suppress(OSError):
            path.rmdir()


def _lock(folder: Path, command: str) -> int:
    """An open file that is locked until it is closed."""
    path = folder / LOCK
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock_file(handle)
        except BlockingIOError:
            holder = os.read(handle, 4096).decode(errors="replace").strip()
            os.close(handle)
            raise FolderInUse(
                f"{folder} is being written by {holder or 'another process'}: wait for it to end, or choose another "
                f"--out."
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(handle)
                raise
            warnings.warn(f"{folder} lies on a file system without locks: do not run two commands in it.", stacklevel=2)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(handle).st_ino:
                break
        os.close(handle)  # the previous holder removed the file between our opening and locking it
    os.truncate(handle, 0)
    os.write(handle, f"process {os.getpid()} on {socket.gethostname()} ({command})\n".encode())
    return handle


def _lock_file(handle: int) -> None:
    """Lock an open file for this process alone.

    Raises:
        BlockingIOError: another process holds it.
    """
    if sys.platform == "win32":
        # A byte far beyond the text, which other processes must be able to read.
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError(errno.EAGAIN, "locked") from None
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def check_folder(folder: Path, option: str) -> None:
    """Refuse a folder that cannot be made or written.

    Args:
        folder: value of an option.
        option: as the user typed it.

    Raises:
        OSError: the folder, or one above it, is a file or may not be written.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        where = "" if there == folder else f"{folder} cannot be made: "
        raise FileExistsError(f"{where}{there} is a file: {option} wants a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"{option} {folder}: {there} may not be written; choose another folder.")


def check_file(path: Path, option: str) -> None:
    """Refuse a file that cannot be written.

    Args:
        path: value of an option.
        option: as the user typed it.

    Raises:
        OSError: the path is a folder, or its folder is missing or may not be written.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: {option} wants a file.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{option} {path}: there is no folder {path.parent}; make it first.")
    check_folder(path.parent, option)


def read_config(folder: Path) -> dict[str, Any] | None:
    """The content of `config.json`, or None where no run has written one."""
    try:
        content = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("format") == FORMAT else None


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")

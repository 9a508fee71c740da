"""What a run leaves behind: whose folder it is, and how to do it again.

Owns    the rules of `--out` and the file `config.json`, which every command writes beside its results: options,
        seeds, versions of what the figures depend on, and the command line.
"""

import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from flashsale_env.files import write_atomically

CONFIG = "config.json"
_DISTRIBUTIONS = (
    "flashsale-env",
    "numpy",
    "scipy",
    "pandas",
    "numba",
    "gymnasium",
    "torch",
    "stable-baselines3",
    "transformers",
    "peft",
    "scikit-learn",
)


def versions() -> dict[str, str]:
    """Versions of what figures depend on, as far as it is installed."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Run:
    """One run of a command and the folder of its results.

    Args:
        folder: `--out`.
        command: the command line.
        options: what was asked for, as JSON.
        seeds: what was drawn from which seed.
        inputs: files and folders that the run reads, and which must survive.
    """

    folder: Path
    command: str
    options: Mapping[str, Any]
    seeds: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str | Path, ...] = ()

    def check(self, *, overwrite: bool) -> None:
        """Refuse a folder that may not be written, before anything long begins.

        Raises:
            FileExistsError: it holds something that may not be replaced.
            ValueError: replacing its content would remove an input.
        """
        folder = self.folder
        if folder.exists() and not folder.is_dir():
            raise FileExistsError(f"{folder} is a file: --out wants a folder.")
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        if not overwrite:
            raise FileExistsError(
                f"{folder} already holds something: choose another --out, or pass --overwrite to replace the "
                f"results in it."
            )
        if read_config(folder) is None:
            raise FileExistsError(
                f"{folder} holds no {CONFIG} of an earlier run, so --overwrite does not touch it: remove it "
                f"yourself or choose another --out."
            )
        for path in self.inputs:
            if Path(path).resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"--overwrite would empty {folder} and with it {path}, which this run reads.")

    def begin(self, *, overwrite: bool) -> None:
        """Check, empty and make the folder, and write its `config.json`."""
        self.check(overwrite=overwrite)
        if self.folder.is_dir():
            _empty(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write(started=_now(), finished=None)

    def go_on(self) -> None:
        """Note in `config.json` of a finished run that more was asked for since."""
        before = read_config(self.folder) or {}
        self._write(started=before.get("started"), finished=None)

    def finish(self) -> None:
        """Note in `config.json` that the results are complete."""
        before = read_config(self.folder) or {}
        self._write(started=before.get("started"), finished=_now())

    def _write(self, *, started: str | None, finished: str | None) -> None:
        config = {
            "command": self.command,
            "options": dict(self.options),
            "seeds": dict(self.seeds),
            "versions": versions(),
            "started": started,
            "finished": finished,
        }
        write_json(self.folder / CONFIG, config)


def read_config(folder: Path) -> dict[str, Any] | None:
    """The content of `config.json`, or None where there is none that a run has written."""
    try:
        content = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError):
        return None
    is_ours = isinstance(content, dict) and {"command", "options", "versions"} <= content.keys()
    return content if is_ours else None


def write_json(path: Path, content: Any) -> None:
    """A JSON file that is there whole or not at all."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _empty(folder: Path) -> None:
    """Remove the content, the config last, so that an interruption can be resumed by the same command."""
    for path in sorted(folder.iterdir(), key=lambda entry: entry.name == CONFIG):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

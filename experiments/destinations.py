"""Where a study writes: the folder of `--out`, the package itself, or nowhere.

Owns    the two exceptions to the rules of `--out`. A study of what the package ships may replace it in place; there no
        `config.json` and no manifest is written, because the cards of encoders, populations and policies hold command,
        seeds and versions. A study whose result is figures may print them and write nothing.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env.experiments.options import checked
from flashsale_env.experiments.runs import Run, check_folder, locked

OutOrShipped = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder for the results. Without it, --overwrite replaces the files that the package ships.",
        callback=checked(check_folder),
    ),
]
OutOrNowhere = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder for the results [default: they are only printed].",
        callback=checked(check_folder),
    ),
]


@dataclass(frozen=True)
class InPlace(Run):
    """A run that replaces files of the package; `folder` holds them."""

    def check(self, *, overwrite: bool, resume: bool = False) -> None:
        """Refuse to replace what is shipped unless that was asked for."""
        if not overwrite:
            raise FileExistsError(
                f"{self.folder} holds what the package ships: give --out DIR to write elsewhere, or --overwrite to "
                f"replace it."
            )
        check_folder(self.folder, "the package")

    @contextlib.contextmanager
    def claimed(self, *, overwrite: bool, resume: bool = False) -> Iterator[None]:
        """Hold the folder until the end of the block."""
        self.check(overwrite=overwrite)
        with locked(self.folder, self.command):
            yield

    def begin(self) -> None:
        """Nothing: each file is replaced as a whole when its successor is written."""

    def finish(self) -> None:
        """Nothing: a card is written last, so its presence marks the rest as complete."""


@dataclass(frozen=True)
class Nowhere(Run):
    """A run whose result is only printed."""

    @contextlib.contextmanager
    def claimed(self, *, overwrite: bool, resume: bool = False) -> Iterator[None]:
        """Nothing to hold."""
        yield

    def begin(self) -> None:
        """Nothing to remove."""

    def finish(self) -> None:
        """Nothing to mark."""

    def keep(self, result: Mapping[str, Any]) -> None:
        """Nothing to write."""


def run_in(
    out: Path | None,
    command: str,
    *,
    shipped: Path | None = None,
    options: Mapping[str, Any],
    seeds: Mapping[str, Any],
    inputs: Sequence[str | Path] = (),
) -> Run:
    """The run in `out`; without it, the one that replaces `shipped`, or that only prints where nothing is shipped."""
    if out is not None:
        return Run(out, command, options, seeds, inputs)
    if shipped is not None:
        return InPlace(shipped, command, options, seeds, inputs)
    return Nowhere(Path(), command, options, seeds, inputs)

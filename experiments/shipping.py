"""Where a study writes that makes what the package ships: a folder of the user's, or the package itself.

Owns    the one exception to the rules of `--out`. In the package no `config.json` and no manifest is written: the cards
        of encoders, populations and policies hold command, seeds and versions.
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


@dataclass(frozen=True)
class Shipped(Run):
    """A run that replaces files of the package in place; `folder` is theirs."""

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
        """Nothing: the cards are written last and say that the rest is complete."""


def run_in(
    out: Path | None,
    shipped: Path,
    command: str,
    *,
    options: Mapping[str, Any],
    seeds: Mapping[str, Any],
    inputs: Sequence[str | Path] = (),
) -> Run:
    """The run in `out`, or the one that replaces `shipped` where no folder is given."""
    if out is None:
        return Shipped(shipped, command, options, seeds, inputs)
    return Run(out, command, options, seeds, inputs)

"""`flashsale watch`: the progress of a training or a benchmark."""

from pathlib import Path
from typing import Annotated

import typer

from flashsale_env.experiments.display import print_json
from flashsale_env.experiments.options import Json

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a training or of a benchmark.")]
Every = Annotated[float, typer.Option("--every", metavar="SECONDS", min=0.1, max=3600, help="Between two looks.")]

EXAMPLES = (
    "flashsale watch runs/ppo",
    "flashsale watch runs/table --every 10",
)


def command(folder: Folder, every: Every = 2.0, as_json: Json = False) -> None:
    """Watch a training or a benchmark.

    Throughput, learning curve and time left, until it ends. In a pipe, and with --json, one look.
    """
    from flashsale_env.experiments.watch.progress import read_progress
    from flashsale_env.experiments.watch.screen import watch

    if as_json:
        print_json(read_progress(folder).as_json())
    else:
        watch(folder, every)

"""`flashsale report`: results of a benchmark, a training or a study, for people."""

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a benchmark, a training or a study.")]
Markdown = Annotated[
    bool, typer.Option("--markdown", help="Print the tables of a benchmark as Markdown, and write nothing.")
]

EXAMPLES = (
    "flashsale report runs/quick",
    "flashsale report runs/quick --markdown",
)


def command(folder: Folder, markdown: Markdown = False) -> None:
    """Make one HTML page of a benchmark, training or study.

    The page is self-contained and can be sent as one file. Beside it, the folder `paper` holds its tables as CSV and
    LaTeX, and its figures as SVG and PNG.
    """
    if markdown:
        from flashsale_env.experiments.pages.tables import as_markdown

        print(as_markdown(folder))
    else:
        from flashsale_env.experiments.pages.report import write_report

        print(write_report(folder))

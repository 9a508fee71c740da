"""What a person sees at the terminal: tables on standard output, progress and notices on standard error.

Leaves  how a figure is written to `formats`.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from flashsale_env.experiments.formats import AGENT_COLUMNS, agent_rows

FILE_WIDTH = 140  # columns of a table in a pipe or a file, which have no width of their own


class Callback(Protocol):
    """How work reports its progress: `advance(done, total, note)`."""

    def __call__(self, done: int, total: int, note: str = "", /) -> None: ...


def notice(text: str) -> None:
    """One line on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)


def print_json(content: Any) -> None:
    """JSON on standard output."""
    print(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: int = 1) -> None:
    """A table on standard output; the first `text_columns` are text, the others numbers."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < text_columns else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else FILE_WIDTH).print(table)


def show_agents(title: str, figures: Mapping[str, Mapping[str, float]]) -> None:
    """The table of agents on standard output, best first; see `formats.agent_rows`."""
    show_table(title, AGENT_COLUMNS, agent_rows(figures))


def notice_untuned(name: str, agent: Any, scenario: str, population: str | None) -> None:
    """Name the command that tunes an agent, or its adviser, where it plays with values of another scenario."""
    mark = getattr(agent, "mark", "")
    if not mark:
        return
    rule = getattr(getattr(agent, "settings", None), "adviser", name)
    among = f" --population {population}" if population else ""
    then = ", then train again" if rule != name else ""
    notice(f"{name}: {mark}; `flashsale tune {scenario} {rule}{among}` finds its best parameters{then}")


@contextmanager
def progress_bar(title: str) -> Iterator[Callback]:
    """`with progress_bar("playing") as advance: advance(done, total, note)`: a bar on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True)
    # In a file or a pipe a bar would be nothing but blank lines.
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None, note="")

        def advance(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield advance

"""What a person sees at the terminal: tables on standard output, progress and notices on standard error.

Leaves  how a figure is written to `formats`.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal, Protocol

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid

from flashsale_env.experiments.formats import AGENT_COLUMNS, Table, agent_rows, duration, low_to_high, money

FILE_WIDTH = 140  # columns of a table in a pipe or a file, which have no width of their own
FIRST_LINE, LINE_EVERY = 10.0, 30.0  # seconds until a line of progress in a file, and between two


class Callback(Protocol):
    """How work reports its progress: `advance(done, total, note)`."""

    def __call__(self, done: int, total: int, note: str = "", /) -> None: ...


def notice(text: str) -> None:
    """One line on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)


def print_json(content: Any) -> None:
    """JSON on standard output."""
    print(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


def present(
    result: Mapping[str, Any],
    show: Callable[[Mapping[str, Any]], None],
    out: Path | None,
    *,
    as_json: bool,
    kept: str = "figures",
) -> None:
    """The end of a study: the result as JSON and nothing else, or its tables and where its figures lie.

    Args:
        result: of the study.
        show: prints its tables.
        out: folder of the figures, None if they were not kept.
        as_json: JSON in place of tables.
        kept: what lies in the folder.
    """
    if as_json:
        print_json(result)
        return
    show(result)
    if out is not None:
        notice(f"{kept} in {out}")


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    text_columns: int = 1,
    best: int | None = None,
) -> None:
    """A table on standard output; the first `text_columns` are text, the others numbers.

    Where it is wider than the terminal, every row becomes a block of lines: no word is broken.

    Args:
        title: above it.
        columns, rows: its texts.
        text_columns: how many columns are text and may be wrapped at spaces.
        best: the row to mark.
    """
    collected = _collected.get()
    if collected is not None:
        collected.append(Table(title, tuple(columns), tuple(map(tuple, rows))))
        return
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else _width_of_a_file())
    marked = [[f"* {row[0]}" if i == best else row[0], *row[1:]] for i, row in enumerate(rows)]
    least = _least_widths(columns, marked, text_columns)
    if sum(least) + 3 * len(least) + 1 > console.width:
        _show_blocks(console, title, columns, marked)
    else:
        table = Grid(title=title, title_justify="left", title_style="bold")
        for i, column in enumerate(columns):
            side: Literal["left", "right"] = "left" if i < text_columns else "right"
            table.add_column(column, justify=side, min_width=least[i], overflow="fold")
        for i, row in enumerate(marked):
            table.add_row(*row, style="bold" if i == best else None)
        console.print(table)
    if best is not None:
        console.print("* best")


def _width_of_a_file() -> int:
    """Columns of a table in a pipe or a file, which have none of their own: those that the user asks for, or many."""
    asked = os.environ.get("COLUMNS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else FILE_WIDTH


def _least_widths(columns: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int) -> list[int]:
    """Characters that each column takes if heads and texts are wrapped at spaces, and numbers not at all."""
    widths = []
    for i, column in enumerate(columns):
        whole = [part for row in rows for part in (row[i].split() if i < text_columns else [row[i]])]
        widths.append(max(map(cell_len, [*column.split(), *whole]), default=0))
    return widths


def _show_blocks(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """One block of lines a row: its name, and every other column with its head."""
    console.print(title, style="bold")
    room = min(max(map(cell_len, columns[1:]), default=0), console.width // 2) + 2
    for row in rows:
        console.print(row[0], style="bold" if row[0].startswith("* ") else None)
        block = Grid.grid(padding=(0, 1))
        block.add_column(width=room)
        block.add_column()
        for head, cell in zip(columns[1:], row[1:], strict=True):
            if cell:
                block.add_row(f"  {head}", cell)
        console.print(block)


@contextmanager
def collected_tables() -> Iterator[list[Table]]:
    """Inside the block, `show_table` prints nothing: its tables are in the list."""
    tables: list[Table] = []
    token = _collected.set(tables)
    try:
        yield tables
    finally:
        _collected.reset(token)


_collected: ContextVar[list[Table] | None] = ContextVar("tables that are collected instead of printed", default=None)


def show_agents(title: str, figures: Mapping[str, Mapping[str, float]]) -> None:
    """The table of agents on standard output, best first; see `formats.agent_rows`."""
    show_table(title, AGENT_COLUMNS, agent_rows(figures), best=0 if len(figures) > 1 else None)


def show_difference(names: Sequence[str], found: Mapping[str, Any], scale: float, pairs: int) -> None:
    """The paired difference of two agents, and what pairing was worth.

    Args:
        names: of the two.
        found: of `evaluate.difference`.
        scale: size of the profits beside it.
        pairs: sales that both played.
    """
    show_table(
        "profit on the same customers",
        ("difference", "mean", "95 % interval"),
        [(" - ".join(names), money(found["diff"], scale), low_to_high(found, scale))],
    )
    ratio = found["variance_ratio"]
    if ratio:
        print(
            f"common customers leave {ratio:.2%} of the variance of the difference: {pairs:,} pairs are worth "
            f"{pairs / ratio:,.0f} sales of each agent with independent customers"
        )


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
    """`with progress_bar("playing") as advance: advance(done, total, note)`, on standard error.

    A bar on a terminal. It moves without an end before the first call and after the last unit: neither "0 of ?" nor a
    full bar stands while work goes on. In a file or a pipe, a line now and then.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=None, count="", note="")

        def advance(done: int, total: int, note: str = "") -> None:
            over = done >= total
            count = f"{done:,}/{total:,}" + (", finishing" if over else "")
            bar.update(task, completed=done, total=None if over else total, count=count, note=note)

        yield advance


def _lines(title: str, clock: Callable[[], float] = time.monotonic) -> Callback:
    """Progress as lines on standard error, the first after `FIRST_LINE` seconds, then one each `LINE_EVERY`."""
    began, told = clock(), clock() + FIRST_LINE - LINE_EVERY

    def advance(done: int, total: int, note: str = "") -> None:
        nonlocal told
        now = clock()
        if now - told < LINE_EVERY:
            return
        told = now
        left = (now - began) * (total - done) / done if done else None
        parts = [f"{title}: {done:,}/{total:,}", *([note] if note else [])]
        notice(", ".join([*parts, *([f"about {duration(left)} left"] if left else [])]))

    return advance

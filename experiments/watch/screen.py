"""Progress at the terminal: bars, learning curves as one line, the time that is left.

Leaves  what is shown to `progress`.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from flashsale_env.experiments.formats import duration, money
from flashsale_env.experiments.watch.progress import Learning, Progress, read_progress

_BLOCKS = "▁▂▃▄▅▆▇█"
_CURVE = 24  # characters of a learning curve


def curve_line(values: Sequence[float], width: int = _CURVE) -> str:
    """A curve as one line of blocks; the last `width` values.

    >>> curve_line([0.0, 1.0, 0.5])
    '▁█▄'
    """
    shown = list(values)[-width:]
    low, high = min(shown), max(shown)
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[int((value - low) / (high - low) * steps) if high > low else 0] for value in shown)


def shown(progress: Progress) -> RenderableType:
    """The progress, as one thing to print."""
    state = "finished" if progress.finished else "running" if progress.running else "not running"
    lines: list[RenderableType] = [Text(f"{progress.command} ({state})", style="bold")]
    if progress.units:
        bar = Table.grid(padding=(0, 1))
        bar.add_row(f"units {progress.done}/{progress.units}", ProgressBar(progress.units, progress.done, width=30))
        lines.append(bar)
    for learning in progress.learning:
        lines.append(_learning(learning))
    if not progress.finished:
        left = "unknown" if progress.left is None else f"about {duration(progress.left)}"
        lines.append(Text(f"left: {left}" if progress.running else "it stands still: run its command again to resume"))
    return Group(*lines)


def _learning(learning: Learning) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    of = f"{learning.sales:,}/{learning.of:,} sales, {learning.rate:,.0f} a second"
    grid.add_row(learning.name, of)
    if learning.curve:
        values = [value for _, value in learning.curve]
        best = max(values)
        grid.add_row(curve_line(values), f"profit {money(values[-1], best)}, best {money(best)}")
    return grid


def watch(folder: Path, every: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Show the progress until the run is over or stands still; once, where standard output is no terminal.

    Args:
        folder: of the run.
        every: seconds between two looks.
        sleep: waits so long.
    """
    console = Console(highlight=False)
    progress = read_progress(folder)
    if not console.is_terminal or progress.finished or not progress.running:
        console.print(shown(progress))
        return
    with Live(shown(progress), console=console, auto_refresh=False) as live:
        while progress.running and not progress.finished:
            sleep(every)
            progress = read_progress(folder)
            live.update(shown(progress), refresh=True)

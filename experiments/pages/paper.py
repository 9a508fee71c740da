"""Tables for papers: each one as CSV with numbers, and as LaTeX as it is read.

Leaves  pictures for papers to `drawn`, what a table shows to `tables`.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from flashsale_env.experiments.formats import Table
from flashsale_env.files import write_atomically

_NUMBER = r"[+-]?[\d,]+(?:\.\d+)?"
# A figure as `formats` writes it: a number, its half-width, a percent sign; or the two ends of an interval.
_FIGURE = re.compile(rf"({_NUMBER})(?: ± ({_NUMBER}))?( ?%)?")
_ENDS = re.compile(rf"({_NUMBER}) \.\. ({_NUMBER})")
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": "$-$"}
_LATEX |= {character: f"\\{character}" for character in "&%$#_{}"}


def keep_table(path: Path, table: Table) -> None:
    """Write the table twice: `path` with the endings .csv and .tex."""
    write_atomically(path.with_name(f"{path.name}.csv"), as_csv(table).encode())
    write_atomically(path.with_name(f"{path.name}.tex"), as_latex(table).encode())


def as_csv(table: Table) -> str:
    """The table as CSV. A column of figures holds plain numbers, its half-widths or ends a column of their own.

    >>> print(as_csv(Table("", ("agent", "profit ± 95 %"), (("ppo", "1,200 ± 30"),))), end="")
    agent,profit,profit half-width of 95 %
    ppo,1200,30
    """
    columns: list[str] = []
    content: list[list[str]] = [[] for _ in table.rows]
    for number, name in enumerate(table.columns):
        cells = [row[number] for row in table.rows]
        names, parts = ([name], [[cell] for cell in cells]) if number == 0 else _split(name, cells)
        columns += names
        for line, part in zip(content, parts, strict=True):
            line += part
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([columns, *content])
    return out.getvalue()


def _split(name: str, cells: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """A column as columns of plain numbers; as it is where a cell is neither empty nor a figure."""
    filled = [cell for cell in cells if cell]
    if filled and all(_ENDS.fullmatch(cell) for cell in filled):
        ends = [_ENDS.fullmatch(cell) for cell in cells]
        return [f"{name}, low", f"{name}, high"], [["", ""] if m is None else _plain(m[1], m[2]) for m in ends]
    figures = [_FIGURE.fullmatch(cell) for cell in cells]
    if not filled or any(m is None for m, cell in zip(figures, cells, strict=True) if cell):
        return [name], [[cell] for cell in cells]
    percent = ", percent" if any(m is not None and m[3] for m in figures) else ""
    short, _, level = name.partition(" ± ")
    if not any(m is not None and m[2] for m in figures):
        return [f"{short}{percent}"], [[""] if m is None else _plain(m[1]) for m in figures]
    half = f"{short} half-width" + (f" of {level}" if level else "")
    parts = [["", ""] if m is None else _plain(m[1], m[2] or "0") for m in figures]
    return [f"{short}{percent}", f"{half}{percent}"], parts


def _plain(*texts: str) -> list[str]:
    return [text.replace(",", "").removeprefix("+") for text in texts]


def as_latex(table: Table) -> str:
    """The table for a document that uses the package `booktabs`."""
    rows = [" & ".join(map(_escaped, row)) + r" \\" for row in table.rows]
    head = " & ".join(map(_escaped, table.columns)) + r" \\"
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_escaped(' '.join([table.title, *table.notes]).strip())}}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}", r"\toprule", head, r"\midrule", *rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _escaped(text: str) -> str:
    """
    >>> _escaped("lp_resolve 5 ± 1 %")
    'lp\\\\_resolve 5 $\\\\pm$ 1 \\\\%'
    """
    return "".join(_LATEX.get(character, character) for character in text)

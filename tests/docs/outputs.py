"""Outputs and pictures of the notebooks: `python -m tests.docs.outputs [NAME ...]` makes them anew.

Owns    which block shows what a cell prints; where the picture of a figure lies.

A test compares what is shown with what is printed. Pictures are put on the pages by `docs/hooks.py`; a notebook draws
its own.
"""

import contextlib
import itertools
import os
import sys
import tempfile
from pathlib import Path

from tests.docs import pages
from tests.docs.player import play

PICTURES = pages.ROOT / "docs" / "tutorials" / "pictures"
DRAWN = "plt.show()"


def shown(page: Path) -> list[tuple[pages.Block, pages.Block]]:
    """(cell, block with its output) of the page, in order."""
    blocks = pages.blocks(page)
    found = [(cell, text) for cell, text in itertools.pairwise(blocks) if text.directive == pages.PRINTS]
    assert all(cell.language == "python" for cell, _ in found), f"{page.name}: an output without its cell"
    return found


def figures(page: Path) -> list[pages.Block]:
    """The cells that draw a figure."""
    return [block for block in pages.blocks(page) if block.language == "python" and DRAWN in block.content]


def picture(page: Path, number: int) -> Path:
    """Where the picture of the figure with this number, from 0, lies."""
    return PICTURES / f"{page.stem}-{number + 1}.png"


def fill(page: Path) -> None:
    """Run the cells of a notebook; put what they print on the page, and what they draw beside it."""
    import matplotlib.pyplot as plt

    names: dict[str, object] = {"__name__": "__main__"}
    outputs = {text.place: cell.place for cell, text in shown(page)}
    printed: dict[str, str] = {}
    drawn = 0
    for step in pages.steps(page):
        printed[step["place"]] = play(step | {"content": step["content"].replace(DRAWN, "")}, names)
        if DRAWN in step["content"]:
            plt.savefig(picture(page, drawn), dpi=110, metadata={"Software": None})
            plt.close("all")
            drawn += 1
    lines = pages.read(page).splitlines(keepends=True)
    for block in reversed(pages.blocks(page)):
        if block.place in outputs:
            first = block.line + 1  # the directive, the fence, then the content
            lines[first : first + block.content.count("\n")] = [printed[outputs[block.place]]]
    page.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    PICTURES.mkdir(exist_ok=True)
    for notebook in pages.NOTEBOOKS:
        if not sys.argv[1:] or notebook.stem in sys.argv[1:]:
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
                sys.path.insert(0, folder)
                fill(notebook)
                sys.path.remove(folder)

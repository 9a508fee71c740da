"""What mkdocs cannot do by itself: the installed package for mkdocstrings, and the pictures of the notebooks.

Owns    build/api/flashsale_env, a copy of the modules: those of the environment, with agents, encoders and
        experiments beside them as they are when installed. mkdocstrings reads sources from one tree, and ours lie in
        four folders of the checkout. (Links would not do: griffe follows them back.)
        Pictures below the cells of docs/tutorials that draw: a notebook draws its own, a page shows the file that
        `python -m tests.docs.outputs` made.
"""

import re
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "build" / "api" / "flashsale_env"


def on_startup(command: str, dirty: bool) -> None:
    """Copy the modules before a handler looks for them."""
    shutil.rmtree(PACKAGE, ignore_errors=True)
    homes = {ROOT / "flashsale_env": PACKAGE}
    homes |= {ROOT / name: PACKAGE / name for name in ("agents", "encoders", "experiments")}
    for home, target in homes.items():
        for path in home.rglob("*.py"):
            copy = target / path.relative_to(home)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


_CELL = re.compile(r"^```python\n.*?^```\n", re.M | re.S)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with the picture of each cell that draws below it."""
    path = Path(page.file.src_uri)
    if path.parent.name != "tutorials":
        return markdown
    drawn = 0

    def with_picture(cell: re.Match[str]) -> str:
        nonlocal drawn
        if "plt.show()" not in cell[0]:
            return cell[0]
        drawn += 1
        return f"{cell[0]}\n![what the cell above draws](pictures/{path.stem}-{drawn}.png)\n"

    return _CELL.sub(with_picture, markdown)

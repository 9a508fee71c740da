"""The pages of the documentation, as tests read them.

Owns    which pages there are; the fenced blocks of a page, with the directive before each, and the steps of those that
        are played; commands in blocks and in prose.

A directive is an HTML comment in the line before a block:

    <!-- test: 1024 => 16; 10_000 => 500 -->           sizes that a test runs the block with
    <!-- test: skip -->                                 shown only: it needs a file of the reader's
    <!-- file: mine.toml -->                            write the block to this file, for the blocks after it
    <!-- edit: PATH after|before|replace "TEXT" -->     put the block there, in a copy of the package
    <!-- new file: PATH -->                             make the block a file of that copy
    <!-- run in the edited copy -->                     run the block with that copy
    <!-- prints -->                                     what the code block before it prints

The pages of docs/tutorials are notebooks, which jupytext reads: their code blocks share their names.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from flashsale_env.tables import tomllib

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

NOTEBOOKS = [page for page in PAGES if page.parent.name == "tutorials" and page.name != "index.md"]

EDITED = "run in the edited copy"
PRINTS = "prints"
# Belongs to an edited copy of the package, or to another test.
NOT_A_STEP = ("edit: ", "new file: ", "generated: ")

_FENCE = re.compile(r"(?:^<!-- (?P<directive>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<content>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    directive: str
    content: str

    @property
    def place(self) -> str:
        """Page and line, as an editor jumps to."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def short(self) -> str:
        """The content at the sizes of a test."""
        content = self.content
        if self.directive.startswith("test: "):
            for change in self.directive.removeprefix("test: ").split("; "):
                old, new = change.split(" => ")
                assert old in content, f"{self.place}: the directive replaces {old!r}, which the block does not hold"
                content = content.replace(old, new)
        return content


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[Block]:
    text = read(page)
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            found["language"],
            found["directive"] or "",
            found["content"],
        )
        for found in _FENCE.finditer(text)
    ]


def prose(page: Path) -> str:
    """The page without its blocks."""
    return _FENCE.sub("", read(page))


def commands_of(block: Block) -> list[str]:
    """The command lines of a block, without comments."""
    lines = (line.strip() for line in block.content.splitlines())
    return [shlex.join(shlex.split(line, comments=True)) for line in lines if line and not line.startswith("#")]


def commands_in_blocks() -> list[tuple[str, str]]:
    """(place, command) of every line of every `bash` block."""
    return [
        (block.place, command)
        for page in PAGES
        for block in blocks(page)
        if block.language == "bash" and block.directive != EDITED
        for command in commands_of(block)
    ]


def inline_code(page: Path) -> list[str]:
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(page))


def how_commands_are_run() -> dict[str, dict[str, str]]:
    """`commands.toml`: what is done with a command of the pages that a test does not run as it stands."""
    return tomllib.loads((Path(__file__).parent / "commands.toml").read_text(encoding="utf-8"))


def steps(page: Path) -> list[dict[str, str]]:
    """Files to write, code and commands to run, in the order of the page."""
    known = how_commands_are_run()
    skipped = known["elsewhere"].keys() | known["minutes"].keys()
    found = []
    for block in blocks(page):
        if block.directive in ("test: skip", EDITED, PRINTS) or block.directive.startswith(NOT_A_STEP):
            continue
        if block.directive.startswith("file: "):
            name = block.directive.removeprefix("file: ")
            found.append({"kind": "file", "name": name, "content": block.content, "place": block.place})
        elif block.language == "python":
            kind = "cell" if page in NOTEBOOKS else "python"
            found.append({"kind": kind, "content": block.short, "place": block.place})
        elif block.language == "bash":
            for command in commands_of(block):
                if command.startswith("flashsale") and command not in skipped:
                    content = known["short"].get(command, command)
                    found.append({"kind": "command", "content": content, "place": block.place})
    return found

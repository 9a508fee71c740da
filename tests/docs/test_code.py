"""The code and the commands of the documentation run, page by page, at the sizes of a test."""

import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import jupytext
import pytest

from tests.docs import outputs, pages


@functools.cache
def player():
    """The program that plays pages; it ends with this process, which closes its input."""
    program = [sys.executable, "-m", "tests.docs.player"]
    return subprocess.Popen(program, cwd=pages.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@functools.cache
def played(page):
    """What each step of a page prints."""
    with tempfile.TemporaryDirectory() as folder:
        player().stdin.write(json.dumps({"steps": pages.steps(page), "folder": folder}) + "\n")
        player().stdin.flush()
        answer = json.loads(player().stdout.readline())
    assert "failed" not in answer, answer["failed"]
    return answer["printed"]


@pytest.mark.parametrize(
    "page", [page for page in pages.PAGES if pages.steps(page)], ids=lambda page: str(page.relative_to(pages.ROOT))
)
def test_what_a_page_shows_can_be_run(page):
    assert len(played(page)) == len(pages.steps(page))


@pytest.mark.parametrize("page", pages.NOTEBOOKS, ids=lambda page: page.stem)
def test_a_notebook_prints_what_it_shows(page):
    shown = outputs.shown(page)
    assert shown
    printed = dict(zip((step["place"] for step in pages.steps(page)), played(page), strict=True))
    for code, text in shown:
        assert printed[code.place] == text.content, f"{text.place}: python -m tests.docs.outputs makes it anew"


@pytest.mark.parametrize("page", pages.NOTEBOOKS, ids=lambda page: page.stem)
def test_jupytext_makes_a_notebook_of_it(page):
    """With each code block as a cell, and nothing else as one."""
    notebook = jupytext.read(page)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert cells == [block.content.strip() for block in pages.blocks(page) if block.language == "python"]
    assert notebook.metadata["kernelspec"]["language"] == "python"


@pytest.mark.parametrize("page", pages.NOTEBOOKS, ids=lambda page: page.stem)
def test_each_figure_of_a_notebook_has_its_picture(page):
    wanted = {outputs.picture(page, number) for number in range(len(outputs.figures(page)))}
    assert wanted == set(outputs.PICTURES.glob(f"{page.stem}-*.png")), "python -m tests.docs.outputs makes them"


def test_the_ten_line_example_trains_saves_loads_and_evaluates():
    readme = pages.ROOT / "README.md"
    block = next(block for block in pages.blocks(readme) if block.language == "python")
    assert "agent.learn(sales=20 * 1024)" in block.content
    assert len(block.content.strip().splitlines()) <= 11
    profits = [float(line.rsplit(" ", 1)[1]) for line in played(readme)[0].strip().splitlines()]
    assert len(profits) == 2
    assert all(8.0 < profit < 10.0 for profit in profits)


def test_every_block_is_run_or_says_why_not():
    """A language that nothing runs is output or a synopsis; code is Python, a command or a file."""
    shown_only = {"text", "toml", "csv", "yaml", "json"}
    for page in pages.PAGES:
        for block in pages.blocks(page):
            assert block.language in {"python", "bash"} | shown_only, block.place


@dataclass(frozen=True)
class Change:
    """One change of the package: text to put before, after or in place of an anchor; without one, a new file."""

    path: str
    where: str
    anchor: str
    block: pages.Block

    @classmethod
    def of(cls, block):
        kind, _, rest = block.directive.partition(": ")
        if kind == "new file":
            return cls(rest, "", "", block)
        if kind != "edit":
            return None
        path, where, anchor = re.fullmatch(r'(\S+) (after|before|replace) "(.*)"', rest).groups()
        return cls(path, where, anchor.replace('\\"', '"').replace("\\n", "\n"), block)

    def make(self, site):
        """In the copy of the package at `site`."""
        top = self.path.partition("/")[0]
        file = site / self.path if top == "flashsale_env" else site / "flashsale_env" / self.path
        if not self.where:
            assert not file.exists(), f"{self.block.place}: {self.path} is there already"
            file.write_text(self.block.content, encoding="utf-8")
            return
        text = file.read_text(encoding="utf-8")
        found = text.count(self.anchor)
        assert found == 1, f"{self.block.place}: {self.path} holds {found} times {self.anchor!r}"
        begin = text.index(self.anchor)
        end = begin
        if self.where == "after":
            begin = end = text.index("\n", begin + len(self.anchor)) + 1
        elif self.where == "replace":
            end = text.index("\n", begin + len(self.anchor)) + 1
        file.write_text(text[:begin] + self.block.content + text[end:], encoding="utf-8")


def changes(page):
    return [change for block in pages.blocks(page) if (change := Change.of(block)) is not None]


def programs(block):
    """The command lines that a block is run with in the edited copy."""
    if block.language == "python":
        return [[sys.executable, "-c", block.content]]
    words = [shlex.split(command) for command in pages.commands_of(block)]
    return [[sys.executable, "-m", "flashsale_env.experiments", *command[1:]] for command in words]


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("page", [page for page in pages.PAGES if changes(page)], ids=lambda page: page.stem)
def test_what_a_page_adds_to_the_package_works(page, compiled, tmp_path):
    """The changes of the page, made in a copy of the package, and its checks run with that copy."""
    package = tmp_path / "flashsale_env"
    unused = shutil.ignore_patterns("__pycache__")
    shutil.copytree(pages.ROOT / "flashsale_env", package, ignore=unused)
    for name in ("agents", "encoders", "experiments"):
        shutil.copytree(pages.ROOT / name, package / name, ignore=unused)
    for change in changes(page):
        change.make(tmp_path)
    checks = [block for block in pages.blocks(page) if block.directive == pages.EDITED]
    assert checks
    in_the_core = any(change.path.startswith("flashsale_env/") for change in changes(page))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    if in_the_core and not compiled:
        environment["NUMBA_DISABLE_JIT"] = "1"
    for block in checks:
        for program in programs(block):
            done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{block.place}\n{done.stderr}"

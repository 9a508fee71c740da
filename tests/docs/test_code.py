"""The code and the commands of the documentation run, page by page, at the sizes of a test."""

import functools
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.docs import pages

RUN_AS_THEY_STAND = "flashsale"
EDITED = "run in the edited copy"


def steps(page):
    """Files to write, code and commands to run, in the order of the page."""
    known = pages.how_commands_are_run()
    skipped = known["elsewhere"].keys() | known["minutes"].keys()
    found = []
    for block in pages.blocks(page):
        if block.directive == "test: skip" or block.directive == EDITED or block.directive.startswith("edit: "):
            continue
        if block.directive.startswith("file: "):
            name = block.directive.removeprefix("file: ")
            found.append({"kind": "file", "name": name, "content": block.content, "place": block.place})
        elif block.language == "python":
            found.append({"kind": "python", "content": block.short, "place": block.place})
        elif block.language == "bash":
            for command in pages.commands_of(block):
                if command.startswith(RUN_AS_THEY_STAND) and command not in skipped:
                    content = known["short"].get(command, command)
                    found.append({"kind": "command", "content": content, "place": block.place})
    return found


@functools.cache
def played(page):
    """What each step of a page prints."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).parent / "player.py")],
            input=json.dumps(steps(page)),
            cwd=folder,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "page", [page for page in pages.PAGES if steps(page)], ids=lambda page: str(page.relative_to(pages.ROOT))
)
def test_what_a_page_shows_can_be_run(page):
    assert len(played(page)) == len(steps(page))


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
    shown_only = {"text", "toml", "csv", "yaml"}
    for page in pages.PAGES:
        for block in pages.blocks(page):
            assert block.language in {"python", "bash"} | shown_only, block.place


def edits(page):
    """(path, "after" or "before", text, lines) of every edit of a page, and the code that is run afterwards."""
    found, checks = [], []
    for block in pages.blocks(page):
        if block.directive.startswith("edit: "):
            path, where, text = re.fullmatch(r'edit: (\S+) (after|before) "(.*)"', block.directive).groups()
            found.append((path, where, text.replace('\\"', '"').replace("\\n", "\n"), block))
        elif block.directive == EDITED:
            checks.append(block)
    return found, checks


EDITING = [page for page in pages.PAGES if edits(page)[0]]


@pytest.mark.parametrize("page", EDITING, ids=lambda page: page.stem)
def test_what_a_page_adds_to_the_package_works(page, tmp_path):
    """The edits of the page, made in a copy of the package, and its checks run with that copy."""
    package, (changes, checks) = tmp_path / "flashsale_env", edits(page)
    assert checks
    unused = shutil.ignore_patterns("__pycache__")
    shutil.copytree(pages.ROOT / "flashsale_env", package, ignore=unused)
    for name in ("agents", "encoders", "experiments"):
        shutil.copytree(pages.ROOT / name, package / name, ignore=unused)
    for path, where, anchor, block in changes:
        file = tmp_path / path
        text = file.read_text(encoding="utf-8")
        assert text.count(anchor) == 1, f"{block.place}: {path} holds {text.count(anchor)} times {anchor!r}"
        at = text.index(anchor)
        if where == "after":
            at = text.index("\n", at) + 1
        file.write_text(text[:at] + block.content + text[at:], encoding="utf-8")
    for block in checks:
        done = subprocess.run(
            [sys.executable, "-c", block.content],
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{block.place}\n{done.stderr}"

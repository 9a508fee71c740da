"""Every command of the documentation exists with its options, and is run somewhere or listed as needing minutes."""

import re
import shlex

import pytest
import typer

from flashsale_env.experiments.dispatch import app
from flashsale_env.tables import tomllib
from tests.docs import pages

FLASHSALE = typer.main.get_command(app)
PLACEHOLDER = "NAME"


def resolved(words):
    """The command that these words reach, and the words that are left."""
    command = FLASHSALE
    while hasattr(command, "list_commands") and words and words[0] != PLACEHOLDER:
        assert words[0] in command.list_commands(None), f"flashsale has no command {' '.join(words)!r}"
        command, words = command.get_command(None, words[0]), words[1:]
    return command, words


def words_of(command):
    """The words of a command or of its synopsis, brackets and dots taken away."""
    return [word.strip("[]").removesuffix("...").strip("[]") for word in shlex.split(command)]


def named_commands():
    """(place, command) wherever a page names `flashsale ...`: in blocks, in the synopsis, and in prose."""
    found = [(place, command) for place, command in pages.commands_in_blocks() if command.startswith("flashsale ")]
    for page in pages.PAGES:
        for block in pages.blocks(page):
            if block.language == "text":
                lines = [line for line in block.content.splitlines() if line.startswith("flashsale ")]
                found += [(block.place, line) for line in lines]
        found += [(str(page), code) for code in pages.inline_code(page) if re.match(r"flashsale [a-z]", code)]
    return found


def test_every_command_and_option_exists():
    commands = named_commands()
    assert len(commands) > 60
    for place, line in commands:
        command, words = resolved(words_of(line)[1:])
        if PLACEHOLDER in words:
            continue
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        for word in words:
            assert not word.startswith("--") or word in options, f"{place}: {line}: no option {word}"


def test_the_synopsis_has_every_command():
    page = pages.ROOT / "docs" / "command-line.md"
    synopsis = "\n".join(block.content for block in pages.blocks(page) if block.language == "text")
    assert set(re.findall(r"^flashsale (\S+)", synopsis, re.MULTILINE)) == set(FLASHSALE.list_commands(None))


def test_every_command_of_a_block_is_run_or_accounted_for():
    makefile = (pages.ROOT / "Makefile").read_text(encoding="utf-8")
    extras = tomllib.loads((pages.ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    known = pages.how_commands_are_run()
    for place, command in pages.commands_in_blocks():
        first, *words = shlex.split(command)
        if first == "make":
            assert re.search(rf"^{words[0]}:", makefile, re.MULTILINE), f"{place}: no target {words[0]}"
        elif first == "pip":
            assert set(re.findall(r"\[(.*?)\]", command)) <= extras.keys(), f"{place}: {command}"
        elif first != "flashsale":
            listed = known["elsewhere"].keys() | known["minutes"].keys()
            assert command in listed, f"{place}: nothing runs {command!r}: list it in tests/docs/commands.toml"


def test_the_list_of_commands_holds_no_other():
    """An entry whose command is gone would hide a new command that nothing runs."""
    shown = {command for _, command in pages.commands_in_blocks()}
    for kind, entries in pages.how_commands_are_run().items():
        for command in entries:
            assert command in shown, f"[{kind}] {command!r} is on no page"


def test_commands_that_are_run_elsewhere_name_the_test():
    for path in pages.how_commands_are_run()["elsewhere"].values():
        assert (pages.ROOT / path).is_file(), path


@pytest.mark.parametrize("target", ["demo", "test", "docs"])
def test_make_has_the_documented_targets(target):
    makefile = (pages.ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert re.search(rf'^\t@echo "make {target} ', makefile, re.MULTILINE)

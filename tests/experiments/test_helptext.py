"""The help of every command at 80 columns: whole sentences, no types of Python, and examples that exist."""

import re
import shlex

import pytest
import typer

from flashsale_env.experiments.commands import COMMANDS
from flashsale_env.experiments.dispatch import app
from flashsale_env.experiments.studies import STUDIES
from flashsale_env.versions import versions
from tests.experiments.conftest import ask

TOP = typer.main.get_command(app)
PLACES = [[name] for name in COMMANDS] + [["study", name] for name in STUDIES]


@pytest.fixture(autouse=True)
def eighty(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def examples(text):
    """The examples of a help, each on one line."""
    _, _, found = text.partition("\nExamples:\n")
    return [line.strip() for line in found.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("words", PLACES, ids=" ".join)
def test_every_help_ends_with_examples_that_the_command_line_takes(words):
    answer = ask(*words, "--help")
    assert answer.code == 0
    assert all(len(line) <= 80 for line in answer.out.splitlines())
    found = examples(answer.out)
    assert found
    for example in found:
        program, *rest = shlex.split(example)
        assert (program, rest[: len(words)]) == ("flashsale", words)
        command = TOP
        while hasattr(command, "list_commands"):
            command, rest = command.get_command(None, rest[0]), rest[1:]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in rest if word.startswith("--")} <= known | {"--help"}


@pytest.mark.parametrize("words", PLACES, ids=" ".join)
def test_no_help_shows_a_type_of_python_or_a_bound_against_slips(words):
    text = ask(*words, "--help").out.partition("\nExamples:\n")[0]
    assert not re.search(r"<\w+(\[\w+\])?>|<=|>=|INTEGER|TEXT|\{|\.\.\.$", text.replace("]...", ""))


def test_no_summary_of_a_command_is_cut():
    listed = ask("--help").out.partition("Commands:")[2]
    assert "..." not in listed
    for name in COMMANDS:
        assert re.search(rf"^  {name} .*\S", listed, re.MULTILINE)


def test_the_version_is_shown():
    answer = ask("--version")
    assert (answer.code, answer.out) == (0, f"flashsale-env {versions()['flashsale-env']}\n")


def test_the_shell_completes_commands_and_scenarios(monkeypatch, capfd):
    monkeypatch.setenv("_FLASHSALE_COMPLETE", "complete_bash")
    for line, wanted in (("flashsale rep", ["report"]), ("flashsale train gvr-b", ["gvr-burst"])):
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
        with pytest.raises(SystemExit):
            app([], prog_name="flashsale")
        assert capfd.readouterr().out.split() == wanted

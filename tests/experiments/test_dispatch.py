"""The command line is built from the list of commands."""

from pathlib import Path

import typer

from flashsale_env.experiments.commands import COMMANDS
from flashsale_env.experiments.dispatch import app

FOLDER = Path(__file__).parents[2] / "experiments" / "commands"


def test_every_file_of_the_folder_is_a_command_of_the_list():
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert files == {name.replace("-", "_") for name in COMMANDS}


def test_the_help_shows_every_command_in_the_order_of_the_list(flashsale):
    assert list(typer.main.get_command(app).commands) == list(COMMANDS)
    shown = [
        line.split()[0] for line in flashsale("--help").out.split("Commands:")[1].splitlines() if line[2:3].strip()
    ]
    assert shown == list(COMMANDS)


def test_every_line_of_the_help_is_whole(flashsale):
    """The first sentence of a docstring fits the width of a terminal, or the help would cut it."""
    assert "..." not in flashsale("--help").out.split("Commands:")[1]

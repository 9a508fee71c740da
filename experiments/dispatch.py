"""The command line, built from the list of commands, and running one of them.

Owns    the help above all commands, the version, and how a mistake in the options is reported.
Leaves  the list and each command to `commands`, the help of one to `helptext`; what a command raises to `cli`.
"""

import importlib
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, cast

import typer

from flashsale_env.experiments.commands import COMMANDS
from flashsale_env.experiments.display import notice
from flashsale_env.experiments.exits import USER_ERROR
from flashsale_env.experiments.helptext import Command

# click's ClickException, which typer does not export.
_OptionError = cast(type[Exception], typer.BadParameter.__mro__[2])


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"flashsale-env {metadata.version('flashsale-env')}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options before any command."""


def build() -> typer.Typer:
    """The command line, with every command of `COMMANDS`."""
    built = typer.Typer(
        name="flashsale",
        help="Flash sales whose customers come from sentences: build the customers, train agents to sell to them, "
        "compare the agents.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    built.callback()(_top)
    for name in COMMANDS:
        module = importlib.import_module(f"flashsale_env.experiments.commands.{name.replace('-', '_')}")
        if hasattr(module, "group"):
            built.add_typer(module.group, name=name)
        else:
            built.command(name, cls=Command, epilog="\n".join(getattr(module, "EXAMPLES", ())))(module.command)
    return built


app = build()


def dispatch(words: Sequence[str], command_line: str) -> int:
    """Run one command and return its exit code. Mistakes in the options are reported here.

    Args:
        words: the command and its options.
        command_line: as the user typed it; a command finds it in `context.obj`.
    """
    try:
        return int(app(list(words), prog_name="flashsale", standalone_mode=False, obj=command_line) or 0)
    except _OptionError as error:
        message, context = getattr(error, "format_message", error.__str__)(), getattr(error, "ctx", None)
        if context is None or not words or context.get_help() == message:
            typer.echo(message, err=True)
        else:
            notice(f"flashsale: {' '.join(message.split())} See `{context.command_path} --help`.")
        return USER_ERROR

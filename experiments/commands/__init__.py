"""The commands of `flashsale`, one a file: options in, tables or JSON out.

Owns    the list of commands, and running one of them.
Leaves  the work to the rest of `experiments`. A command imports it when it runs, so that `flashsale list` loads no
        torch. Options that commands share are in `options`, studies in `studies`.

A new command is one file here, with a function `command` whose docstring is its help, and one line in `COMMANDS`. The
file of a group of commands has a `group` instead. A command checks its input before it starts anything long, and
claims the folder that it writes through `runs`.
"""

import importlib
from collections.abc import Sequence

import typer

from flashsale_env.experiments.display import notice
from flashsale_env.experiments.exits import USER_ERROR

# In the order of the help. A command `a-b` is the file a_b.py.
COMMANDS = (
    "list",
    "demo",
    "encode",
    "explain",
    "calibrate",
    "train",
    "tune",
    "evaluate",
    "benchmark",
    "report",
    "study",
    "verify",
    "bench",
)


def build() -> typer.Typer:
    """The command line, with every command of `COMMANDS`."""
    app = typer.Typer(
        name="flashsale",
        help="Flash sales whose customers come from sentences: build the customers, train agents to sell to them, "
        "compare the agents.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name in COMMANDS:
        module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
        if hasattr(module, "group"):
            app.add_typer(module.group, name=name)
        else:
            app.command(name)(module.command)
    return app


app = build()


def dispatch(words: Sequence[str], command_line: str) -> int:
    """Run one command and return its exit code. Mistakes in the options are reported here.

    Args:
        words: the command and its options.
        command_line: as the user typed it; a command finds it in `context.obj`.
    """
    try:
        return int(app(list(words), prog_name="flashsale", standalone_mode=False, obj=command_line) or 0)
    except typer.BadParameter.__mro__[2] as error:  # ClickException, which typer does not export
        message, context = error.format_message(), getattr(error, "ctx", None)
        if context is None or not words or context.get_help() == message:
            typer.echo(message, err=True)
        else:
            notice(f"flashsale: {' '.join(message.split())} See `{context.command_path} --help`.")
        return USER_ERROR

"""`flashsale study`: the studies, each loaded when it is asked for.

Leaves  the list of studies and each study to `studies`.
"""

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from flashsale_env.errors import unknown_name
from flashsale_env.experiments.helptext import Command, show_examples
from flashsale_env.experiments.studies import STUDIES

EXAMPLES = (
    "flashsale study levers --help",
    "flashsale study levers --scenario cart --out runs/levers",
)


class Studies(TyperGroup):
    """The group of the studies. Its help reads the table of studies; a study's module loads when the study runs."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(STUDIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a study.

        Raises:
            ValueError: no study has this name; the message offers the nearest.
        """
        if cmd_name.startswith("-"):
            return None
        if cmd_name not in STUDIES:
            raise ValueError(unknown_name("study", cmd_name, STUDIES))
        module = importlib.import_module(f"flashsale_env.experiments.studies.{cmd_name.replace('-', '_')}")
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        examples = "\n".join(getattr(module, "EXAMPLES", ()))
        single.command(cmd_name, cls=Command, epilog=examples)(module.command)
        return typer.main.get_command(single)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The examples, as they are typed."""
        show_examples("\n".join(EXAMPLES), formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Studies"):
            formatter.write_dl(list(STUDIES.items()))


group = typer.Typer(
    cls=Studies,
    help="Run a study. `flashsale study NAME --help` shows its options.",
    short_help="Run a study; `flashsale study --help` lists them.",
    subcommand_metavar="NAME [OPTIONS]...",
    no_args_is_help=True,
    rich_markup_mode=None,
)

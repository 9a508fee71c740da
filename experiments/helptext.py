"""The help of one command: words instead of types, and examples at the end.

A command's file lists its examples as `EXAMPLES`; the continuation of a long one is a line of its own.
"""

import re
import textwrap
from collections.abc import Callable
from typing import Any

from typer.core import TyperArgument, TyperCommand

_RANGE = re.compile(r"(?:(\S+)<=x|x>=(\S+?))(?:<=\S+)?")


class Command(TyperCommand):
    """A command whose help ends with examples, and that shows no types of Python."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        for parameter in self.params:
            shown: Any = parameter  # typer keeps both methods to itself; where one is missing, there is nothing to say
            if hasattr(shown, "_get_number_range_help_str"):
                shown._get_number_range_help_str = _least(shown._get_number_range_help_str)
            if isinstance(parameter, TyperArgument):
                shown.display_type_rich = lambda ctx: ""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`SCENARIO`, not `{SCENARIO}`."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The examples, as they are typed."""
        show_examples(self.epilog or "", formatter)


def _least(written: Callable[[], str | None]) -> Callable[[], str]:
    """The least number of an option. The largest ones are only there to stop slips of the finger."""

    def least() -> str:
        found = _RANGE.fullmatch(written() or "")
        return f"at least {found[1] or found[2]}" if found else written() or ""

    return least


def show_examples(examples: str, formatter: Any) -> None:
    """The section of examples at the end of a help."""
    if examples:
        formatter.write(f"\nExamples:\n{textwrap.indent(examples, '  ')}\n")

"""How a command ends: the exit codes, and Ctrl-C with one line about what is left.

0 done; 1 done, and a check failed; 2 a mistake of the user, with the remedy in one line; 130 stopped by Ctrl-C.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

DONE, CHECK_FAILED, USER_ERROR, INTERRUPTED = 0, 1, 2, 130

Options = ParamSpec("Options")
Result = TypeVar("Result")


class Interrupted(Exception):
    """Ctrl-C. The message is the line that the user reads: what is left, and how to continue."""


def on_interrupt(remains: str) -> Callable[[Callable[Options, Result]], Callable[Options, Result]]:
    """Turn Ctrl-C inside a command into `Interrupted`.

    Args:
        remains: what the command leaves behind, a sentence; {out} and other options of the command are filled in.
    """

    def decorate(command: Callable[Options, Result]) -> Callable[Options, Result]:
        @functools.wraps(command)
        def guarded(*args: Options.args, **options: Options.kwargs) -> Result:
            try:
                return command(*args, **options)
            except KeyboardInterrupt:
                raise Interrupted(f"stopped by Ctrl-C. {remains.format(**options)}") from None

        return guarded

    return decorate

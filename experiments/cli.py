"""The console script `flashsale`: a user's mistake, a missing extra and Ctrl-C each cost one line and an exit code.

Owns    what goes to standard error when a command fails, and the exit code that follows (see `exits`). An error of ours
        keeps its traceback.
Leaves  the commands to `dispatch`, which is imported late: it needs the extras, this module needs none.
"""

import shlex
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import TextIO

from flashsale_env.experiments.exits import INTERRUPTED, USER_ERROR, Interrupted

# Package that may be missing -> the extra that installs it.
EXTRAS = {
    "typer": "experiments",
    "rich": "experiments",
    "pandas": "experiments",
    "matplotlib": "experiments",
    "optuna": "experiments",
    "nicegui": "live",
    "torch": "agents",
    "stable_baselines3": "agents",
    "sb3_contrib": "agents",
    "transformers": "encoders",
    "tokenizers": "encoders",
    "peft": "encoders",
    "sklearn": "agents",
    "fastapi": "serve",
    "uvicorn": "serve",
    "prometheus_client": "serve",
    "implicit": "ranking",
    "fairlearn": "fairness",
}
OUR_PACKAGES = ("experiments", "agents", "encoders", "flashsale_env")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            from flashsale_env.experiments.dispatch import dispatch

            return dispatch(words, f"flashsale {shlex.join(words)}")
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in EXTRAS:
                raise
            return _complain(
                f"this needs the package {package!r}, which is not installed: "
                f"pip install 'flashsale-env[{EXTRAS[package]}]'",
            )
        except Interrupted as stop:
            return _complain(str(stop), INTERRUPTED)
        except KeyboardInterrupt:
            return _complain("stopped by Ctrl-C.", INTERRUPTED)
        except MemoryError as error:
            return _complain(f"this machine has too little memory: {error or 'ask for less'}.")
        except (ValueError, OSError) as error:
            if not is_users(error):
                raise
            return _complain(_words_of(error))


def is_users(error: ValueError | OSError) -> bool:
    """Whether an error is a user's mistake, rather than a fault of ours.

    Files that are missing, full or forbidden are the user's to mend. A ValueError is the user's where our own code
    raised it, as a checked complaint; a ValueError from another library keeps its traceback.
    """
    if isinstance(error, OSError):
        return True
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    return str(innermost.f_globals.get("__name__", "")).partition(".")[0] in OUR_PACKAGES


def _words_of(error: ValueError | OSError) -> str:
    """The system's message about a file with the path in front, instead of `[Errno 28] ...: 'path'`."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}."
    return str(error)


def _complain(message: str, code: int = USER_ERROR) -> int:
    print(f"flashsale: {' '.join(message.split())}", file=sys.stderr)
    return code


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"flashsale: warning: {' '.join(str(message).split())}", file=sys.stderr)

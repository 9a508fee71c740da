"""Plays the steps of one page in the working folder: a process of its own, so that no page changes another.

Reads a list of steps from standard input, as JSON, and prints what each of them printed, as JSON.
"""

import contextlib
import io
import json
import shlex
import sys
import traceback
from pathlib import Path


def play(step: dict[str, str], cells: dict[str, object]) -> str:
    """What one step prints.

    Args:
        step: its kind, content and place.
        cells: the names that the cells of a notebook share.

    Raises:
        RuntimeError: a command did not exit with 0.
    """
    printed = io.StringIO()
    if step["kind"] == "file":
        Path(step["name"]).write_text(step["content"], encoding="utf-8")
    elif step["kind"] in ("python", "cell"):
        names = cells if step["kind"] == "cell" else {"__name__": "__main__"}
        with contextlib.redirect_stdout(printed):
            exec(compile(step["content"], step["place"], "exec"), names)
    else:
        from flashsale_env.experiments.cli import main

        complaints = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
            code = main(shlex.split(step["content"])[1:])
        if code != 0:
            raise RuntimeError(f"{step['content']}: exit code {code}\n{complaints.getvalue()}")
    return printed.getvalue()


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    outputs, shared = [], {"__name__": "__main__"}
    for current in json.load(sys.stdin):
        try:
            outputs.append(play(current, shared))
        except Exception:
            traceback.print_exc()
            sys.exit(f"the step at {current['place']} fails")
    print(json.dumps(outputs))

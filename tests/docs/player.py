"""Plays the pages: one after the other from standard input, each in a process of its own, so that none changes another.

Reads a line of JSON for each page, {"steps": [...], "folder": its working folder}, and answers with a line:
{"printed": [what each step printed]} or {"failed": traceback}. The processes are forked from this one, which has
imported what pages need: that takes longer than most pages.
"""

import contextlib
import importlib
import io
import json
import os
import shlex
import sys
import traceback
from pathlib import Path
from typing import Any

LARGE = ("flashsale_env.agents", "flashsale_env.encoders.text.intent", "flashsale_env.experiments.cli", "optuna")


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


def play_page(steps: list[dict[str, str]], folder: str) -> dict[str, Any]:
    """The answer to a page."""
    os.chdir(folder)
    sys.path.insert(0, folder)
    printed, shared = [], {"__name__": "__main__"}
    for step in steps:
        try:
            printed.append(play(step, shared))
        except Exception:
            return {"failed": f"the step at {step['place']} fails\n{traceback.format_exc()}"}
    return {"printed": printed}


def in_a_child(page: dict[str, Any]) -> str:
    """The answer to a page, as a line, from a forked process."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.dup2(2, 1)  # what programs of the page print must not look like an answer
        answer = json.dumps(play_page(page["steps"], page["folder"]))
        with os.fdopen(writing, "w") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.wait()
    return answer or json.dumps({"failed": "the process of the page died"})


if __name__ == "__main__":
    for module in LARGE:
        importlib.import_module(module)
    for line in sys.stdin:
        print(in_a_child(json.loads(line)), flush=True)

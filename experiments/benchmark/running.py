"""Agents on common sales, trained, evaluated and compared: `flashsale benchmark`.

Owns    the order of the work, resuming after an interruption, and `result.json`.
Leaves  what is compared to `settings`, units to `units` and `work`, tables to `results`, pages to `pages`.

A benchmark is a list of units: one run of one agent on one problem, the bound of a problem, or the tuning of a rule,
which goes first. A killed benchmark resumes with the units that are not done, and a training with its last checkpoint.
A finished benchmark that is run again with more training seeds does only those.

The folder holds `config.json`, `result.json`, `results.csv` (one line an agent of a problem) and `runs.csv` (one line a
run), and for each PROBLEM

    sale.svg, sale.png, sale.json           the first test sale, played by the best agent
    tuned/RULE/figures.json                 where rules are tuned first
    bound/                                  with the files of a unit
    agents/AGENT/run-SEED/                  with the files of a unit; for learners also training/, as `flashsale train`

The files of a unit are `figures.json` and `sales.safetensors` (value (S,)).
"""

from collections.abc import Callable
from typing import Any

from flashsale_env.experiments.benchmark.engines import SERIAL, do_units
from flashsale_env.experiments.benchmark.results import RESULT, compare, draw, score, write_tables
from flashsale_env.experiments.benchmark.settings import Benchmark
from flashsale_env.experiments.benchmark.units import FIGURES, units_of
from flashsale_env.experiments.runs import Run, announce_part, write_json
from flashsale_env.versions import versions

Progress = Callable[[int, int, str], None]


def run_benchmark(
    run: Run,
    benchmark: Benchmark,
    *,
    device: str = "auto",
    engine: str = SERIAL,
    workers: int = 1,
    progress: Progress = lambda done, total, note: None,
) -> dict[str, Any]:
    """Do the units that are missing and write the results.

    Args:
        run: whose folder was claimed.
        benchmark: what is compared.
        device: of learners.
        engine: a key of `ENGINES`.
        workers: processes side by side.
        progress: called with units done, units in all and what is running.

    Returns:
        The content of `result.json`.
    """
    todo = [unit for unit in units_of(benchmark) if not (unit.folder(run.folder) / FIGURES).exists()]
    total = sum(1 for _ in units_of(benchmark))
    done = total - len(todo)
    progress(done, total, "")
    for unit in todo:
        announce_part(unit.folder(run.folder))

    def note(text: str) -> None:
        progress(done, total, text)

    # Tuning goes first: other units read its results.
    for part in ([unit for unit in todo if unit.tunes], [unit for unit in todo if not unit.tunes]):
        for title in do_units(part, run, engine=engine, device=device, workers=workers, note=note):
            done += 1
            progress(done, total, title)
    result: dict[str, Any] = {
        "description": benchmark.description,
        "problems": [compare(run.folder, benchmark, problem) for problem in benchmark.problems],
    }
    result["scores"] = score(result["problems"])
    result |= {"settings": benchmark.as_json(), "versions": versions(), "command": run.command}
    write_tables(run.folder, result["problems"])
    for problem, table in zip(benchmark.problems, result["problems"], strict=True):
        draw(run.folder, benchmark, problem, table["rows"][0]["label"], device)
    write_json(run.folder / RESULT, result)
    run.finish()
    return result

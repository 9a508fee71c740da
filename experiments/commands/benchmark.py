"""`flashsale benchmark`: agents trained and compared on common sales."""

from pathlib import Path
from typing import Annotated

import typer

from flashsale_env.experiments.display import notice, print_json, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import Device, Json, Out, Overwrite, check_run
from flashsale_env.experiments.runs import Run

Config = Annotated[str, typer.Argument(metavar="CONFIG", help="Name of a shipped benchmark, or a TOML file.")]
Engine = Annotated[str, typer.Option("--engine", metavar="NAME", help="serial or ray.")]
Workers = Annotated[
    int, typer.Option("--workers", metavar="N", min=1, max=1024, help="Parallel processes of the serial engine.")
]

EXAMPLES = (
    "flashsale benchmark quick --out runs/quick",
    "flashsale benchmark mine.toml --out runs/mine --workers 4",
)


@on_interrupt("{out} keeps what is finished: run the same command again to go on.")
def command(
    context: typer.Context,
    config: Config,
    out: Out,
    engine: Engine = "serial",
    workers: Workers = 1,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train and compare agents on common sales.

    Intervals are over training runs and sales. An interrupted benchmark resumes when the command is run again.
    """
    from flashsale_env.experiments.benchmark.engines import check_engine
    from flashsale_env.experiments.benchmark.fingerprint import fingerprint
    from flashsale_env.experiments.benchmark.running import run_benchmark
    from flashsale_env.experiments.benchmark.settings import load_benchmark
    from flashsale_env.experiments.pages.tables import benchmark_table
    from flashsale_env.experiments.train import begin_or_continue

    check_engine(engine, workers, device)
    settings = load_benchmark(config)
    named = [
        name
        for problem in settings.problems
        for name in (problem.scenario, problem.population, *(row.agent for row in problem.agents))
    ]
    asked = settings.as_json()
    seeds = asked.pop("training_seeds")
    hashed = {"config": config, "sha256": fingerprint(settings)}
    run = Run(
        out,
        context.obj,
        options={**hashed, "training_seeds": seeds, "settings": asked, "device": device},
        seeds={"training runs": seeds, "validation split": 0, "test split": 0},
        inputs=[path for path in (config, *named) if path and Path(path).exists()],
    )
    for seed in seeds:
        check_run(seed, f"{config}: training_seeds")
    with run.claimed(overwrite=overwrite, resume=True):
        if begin_or_continue(run, overwrite=overwrite):
            notice(f"{out} holds a part of this benchmark: resuming it")
        with progress_bar("benchmark") as advance:
            result = run_benchmark(run, settings, device=device, engine=engine, workers=workers, progress=advance)
    if as_json:
        print_json({"out": str(out), **result})
        return
    for problem in result["problems"]:
        table = benchmark_table(problem)
        show_table(table.title, table.columns, table.rows, best=0 if len(table.rows) > 1 else None)
        print("\n".join(table.notes))
    notice(f"results in {out}; next: flashsale report {out}")

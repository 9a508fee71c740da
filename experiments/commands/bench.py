"""`flashsale bench`: throughput."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env.experiments.display import Callback, notice, print_json, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import MOST_OF_ANYTHING, Json, checked
from flashsale_env.experiments.runs import check_folder, locked

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="BENCHMARK", help="Which ones [default: those of the simulator]; encoder, device and serve run alone."
    ),
]
Repeats = Annotated[
    int,
    typer.Option(
        "--repeats", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Measurements; the figure is their median."
    ),
]
Figures = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder for the page README.md and the figures results.json.",
        callback=checked(check_folder),
    ),
]
Replace = Annotated[bool, typer.Option("--overwrite", help="Replace the figures in --out.")]

EXAMPLES = (
    "flashsale bench",
    "flashsale bench encoder --json",
)


@on_interrupt("Nothing was written.")
def command(
    context: typer.Context,
    names: Names = None,
    repeats: Repeats = 5,
    out: Figures = None,
    overwrite: Replace = False,
    as_json: Json = False,
) -> None:
    """Measure throughput, here and in other packages.

    Other packages are measured where they are installed. About a minute on an idle machine.
    """
    from flashsale_env.experiments.bench.page import check_no_figures, shown, write
    from flashsale_env.experiments.bench.running import check_names

    check_names(names or ())
    if out is not None:
        check_no_figures(out, overwrite=overwrite)
    place = contextlib.nullcontext() if out is None else locked(out, context.obj)
    with place, progress_bar("measuring") as advance:
        result = measure(names or (), repeats, advance)
        if out is not None:
            write(result, out)
    if out is not None:
        notice(f"figures in {out}")
    if as_json:
        print_json(result)
        return
    machine = result["machine"]
    show_table(
        f"throughput on {machine['cpu']}, {machine['cores']} cores, load {machine['load_before']}",
        ("benchmark", "what", "median", "range", "target", "met"),
        [shown(row) for row in result["rows"]],
        text_columns=2,
    )


def measure(names: Sequence[str], repeats: int, advance: Callback) -> dict[str, Any]:
    """The figures of these benchmarks; of the simulator's where none is named."""
    from flashsale_env.experiments.bench.running import DEVICE, ENCODER, SERVICE, run_bench

    if list(names) == [ENCODER]:
        from flashsale_env.experiments.bench.encoder import run_encoder_bench

        return run_encoder_bench(repeats=repeats, progress=advance)
    if list(names) == [DEVICE]:
        from flashsale_env.experiments.bench.device import run_device_bench

        return run_device_bench(repeats, advance)
    if list(names) == [SERVICE]:
        from flashsale_env.experiments.bench.service import run_service_bench

        return run_service_bench(repeats, advance)
    return run_bench(names or None, repeats, advance)

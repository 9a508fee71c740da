"""The study `recovery`: coverage of the intervals of estimated elasticities, where the true ones are known.

Leaves  estimation and its worlds to `encoders.studies.recovery`.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from flashsale_env.encoders.studies.recovery import SEEDS, VISITS, WORLDS, recovery_study
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import print_json, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import MOST_OF_ANYTHING, MOST_VISITS, Json, Overwrite
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.pictures import elasticities

Logs = Annotated[
    int, typer.Option("--logs", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Independent choice logs, each fitted.")
]
Visits = Annotated[int, typer.Option("--visits", metavar="N", min=1, max=MOST_VISITS, help="Visits in a log.")]

EXAMPLES = ("flashsale study recovery --logs 20",)


@on_interrupt("Nothing was written: run the command again.")
def command(
    context: typer.Context,
    logs: Logs = SEEDS,
    visits: Visits = VISITS,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Estimate elasticities from many logs, and count how often their 95 % intervals cover the true ones.

    In the world `alike`, customers of an intent share its tastes and the estimated model is the true one. In `varied`
    they differ, and it is an approximation.
    """
    run = run_in(out, context.obj, options={"logs": logs, "visits": visits}, seeds={"logs": list(range(logs))})
    with run.claimed(overwrite=overwrite):
        result = {}
        with progress_bar("estimating") as advance:
            for done, world in enumerate(WORLDS):
                advance(done, len(WORLDS), f"world {world}")
                result[world] = recovery_study(world=world, seeds=logs, visits=visits)
        run.keep(result)
    if as_json:
        print_json(result)
        return
    show(result)


def show(result: Mapping[str, Any]) -> None:
    """Every intent's elasticity by world, and the coverage over all of them."""
    for world, found in result.items():
        show_table(
            f"own-price elasticity, world {world}, {found['seeds']} logs of {found['visits']:,} visits",
            ("intent", "true", "mean estimate", "root mean square error", "standard error", "coverage"),
            [
                (
                    row["intent"],
                    f"{row['true']:.3f}",
                    f"{row['mean']:.3f}",
                    f"{row['rmse']:.3f}",
                    f"{row['standard_error']:.3f}",
                    f"{row['coverage']:.0%}",
                )
                for row in found["rows"]
            ],
        )
        covered = found["coverage"]
        print(f"coverage over all intents: {covered['mean']:.1%} ({covered['low']:.1%} .. {covered['high']:.1%})")


def charts(result: Mapping[str, Any]) -> dict[str, Chart]:
    """By world, the mean estimate of each intent against its truth, with the error of one log."""
    found = {}
    for world, study in result.items():
        rows = {
            row["intent"]: {
                "true": row["true"],
                "recovered": row["mean"],
                "low": row["mean"] - 1.96 * row["standard_error"],
                "high": row["mean"] + 1.96 * row["standard_error"],
            }
            for row in study["rows"]
        }
        found[world] = elasticities(rows, f"95 % intervals of one log, world {world}")
    return found

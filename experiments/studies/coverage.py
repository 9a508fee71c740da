"""The study `coverage`: coverage of the intervals of elasticities from weekly sales, over shops of known elasticity.

Leaves  estimation and the shops to `encoders.studies`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from flashsale_env.encoders.studies.coverage import KINDS, SHOPS, coverage_study
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import print_json, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import MOST_OF_ANYTHING, Json, Overwrite
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.pictures import differences

Shops = Annotated[
    int, typer.Option("--shops", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Synthetic shops of each kind.")
]


EXAMPLES = ("flashsale study coverage --out runs/coverage",)


@on_interrupt("Nothing was written: run the command again.")
def command(
    context: typer.Context,
    shops: Shops = SHOPS,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Estimate the elasticity of many synthetic shops, and count how often the 95 % interval covers the true one.

    Shops differ in how much they sell, whether they record weeks without a sale and what was sold out, how many
    products and stores they have, and whether their prices follow demand.
    """
    run = run_in(out, context.obj, options={"shops": shops}, seeds={"shops": list(range(shops))})
    with run.claimed(overwrite=overwrite):
        with progress_bar("estimating") as advance:
            rows = coverage_study(KINDS, shops, advance)
        result = {"rows": rows}
        run.keep(result)
    if as_json:
        print_json(result)
        return
    show(result)


COLUMNS = ("shops", "mean estimate", "half-width", "covered", "warned of", "least squares of logs")


def cells(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The figures of each kind of shop as text, in the order of `COLUMNS`."""
    return [
        (
            row["kind"],
            f"{row['mean']:.2f}",
            f"{row['half_width']:.2f}",
            f"{row['covered']} of {row['shops']}",
            f"{row['warned']} of {row['shops']}",
            f"{row['least_squares']:.2f}",
        )
        for row in rows
    ]


def show(result: Mapping[str, Any]) -> None:
    """One row a kind of shop."""
    rows = result["rows"]
    title = f"own-price elasticity, {rows[0]['shops']} shops of each kind, true {rows[0]['true']:g}"
    show_table(title, COLUMNS, cells(rows))


def charts(result: Mapping[str, Any]) -> dict[str, Chart]:
    """How far the estimates of each kind of shop lie from the truth."""
    found = {
        row["kind"]: {
            "mean": row["mean"] - row["true"],
            "ci_low": row["mean"] - row["half_width"] - row["true"],
            "ci_high": row["mean"] + row["half_width"] - row["true"],
        }
        for row in result["rows"]
    }
    return {
        "coverage": differences(found, "mean estimate less the true elasticity, with the mean half-width of a shop")
    }

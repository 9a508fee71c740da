"""`flashsale calibrate`: a scenario from a shop's own sales records."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flashsale_env.experiments.display import notice, print_json, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import MOST_OF_ANYTHING, Json, Out, Overwrite
from flashsale_env.experiments.reading import said, show_rows, with_reading_options
from flashsale_env.experiments.runs import Run

if TYPE_CHECKING:
    from flashsale_env.encoders.tables.fileformat import FileFormat

Records = Annotated[
    list[str],
    typer.Argument(
        metavar="TRANSACTIONS...", help="CSV, TSV, XLSX, JSONL or Parquet, also in .gz or .zip; or complete-journey."
    ),
]
Reader = Annotated[
    str | None, typer.Option("--reader", metavar="NAME", help="Export of a known shop, e.g. shopify or woocommerce.")
]
Kind = Annotated[str, typer.Option("--kind", metavar="NAME", help="What a row is: transactions or choices.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="OURS=THEIRS", help="Column under another name, e.g. price=paid; repeatable."),
]
Categories = Annotated[
    list[str] | None,
    typer.Option("--category", metavar="NAME", help="Category of the products [default: the largest]; repeatable."),
]
Products = Annotated[
    int,
    typer.Option("--products", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Number of products in the scenario."),
]
Levels = Annotated[
    int, typer.Option("--levels", metavar="N", min=2, max=MOST_OF_ANYTHING, help="Price levels of a product, at most.")
]
ByStore = Annotated[bool, typer.Option("--by-store", help="Estimate from weeks of single stores.")]
CostShare = Annotated[
    float, typer.Option("--cost-share", metavar="X", help="Assumed: unit cost over the mean price paid.")
]
Weeks = Annotated[
    float, typer.Option("--weeks", metavar="X", help="Assumed: ordinary weeks whose visitors come to the sale.")
]
SaleHours = Annotated[float, typer.Option("--sale-hours", metavar="X", help="Assumed: length of the sale, hours.")]
Ticks = Annotated[
    int, typer.Option("--ticks", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Decision periods in the sale.")
]


@on_interrupt("{out} is untouched or incomplete: run the command again.")
@with_reading_options
def command(
    context: typer.Context,
    records: Records,
    out: Out,
    kind: Kind = "transactions",
    columns: Columns = None,
    categories: Categories = None,
    products: Products = 8,
    levels: Levels = 8,
    by_store: ByStore = False,
    cost_share: CostShare = 0.70,
    weeks: Weeks = 1.0,
    sale_hours: SaleHours = 24.0,
    ticks: Ticks = 48,
    reader: Reader = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    *,
    form: "FileFormat",
) -> None:
    """Make a scenario from a shop's own sales records.

    Elasticities, prices, stock and traffic are estimated from the data; the rest is assumed, see the options.
    """
    from flashsale_env.experiments.calibrate.assumptions import Assumptions
    from flashsale_env.experiments.calibrate.running import calibrate

    asked: dict[str, Any] = {
        "kind": kind,
        "columns": dict(_pair(word) for word in columns or ()),
        "categories": list(categories or ()),
        "products": products,
        "by_store": by_store,
        "reader": reader,
    }
    assumptions = Assumptions(cost_share=cost_share, weeks=weeks, sale_hours=sale_hours, ticks=ticks)
    run = Run(
        out,
        context.obj,
        options={"records": records, **asked, **said(form), "levels": levels, **dataclasses.asdict(assumptions)},
        inputs=[Path(path) for path in records if Path(path).exists()],
    )
    with run.claimed(overwrite=overwrite):
        found = calibrate(
            records, price_levels=levels, assumptions=assumptions, command=context.obj, form=form, **asked
        )
        run.begin()
        path = found.save(out)
        run.finish()
    if as_json:
        print_json({"out": str(out), **found.card})
        return
    show(", ".join(records), found.card)
    notice(f"scenario in {path}; next: flashsale evaluate random --scenario {path}")


def show(records: str, card: Mapping[str, Any]) -> None:
    """The rows that were used, and the elasticities of the chosen categories."""
    elasticity = card["elasticity"]
    show_rows(records, card["validation"])
    chosen = {product["category"] for product in card["products"]}
    categories = {name: row for name, row in elasticity["categories"].items() if name in chosen}
    show_table(
        "own-price elasticity, 95 % interval",
        ("category", "elasticity", "interval", "products"),
        [
            (name, f"{row['estimate']:.2f}", f"{row['low']:.2f} .. {row['high']:.2f}", f"{row['products']:,}")
            for name, row in {"(overall)": elasticity["overall"], **categories}.items()
        ],
    )
    if card["notice"]:
        notice(card["notice"])


def _pair(word: str) -> tuple[str, str]:
    ours, equals, theirs = word.partition("=")
    if not equals or not ours or not theirs:
        raise ValueError(f"--column wants OURS=THEIRS, e.g. --column price=paid, got {word!r}.")
    return ours, theirs

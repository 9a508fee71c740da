"""`flashsale calibrate`: a scenario from a shop's own sales records."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flashsale_env.experiments.calibrate.screen import show
from flashsale_env.experiments.display import notice, print_json
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import MOST_OF_ANYTHING, Json, Out, Overwrite
from flashsale_env.experiments.reading import said, with_reading_options
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
    int | None,
    typer.Option("--products", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Products [default: 8, or fewer]."),
]
Levels = Annotated[
    int, typer.Option("--levels", metavar="N", min=2, max=MOST_OF_ANYTHING, help="Price levels of a product, at most.")
]
Stores = Annotated[
    str, typer.Option("--stores", metavar="NAME", help="Cells of each store, or one for all: auto, apart or summed.")
]
Absent = Annotated[
    str,
    typer.Option("--absent", metavar="NAME", help="A week without a row: auto, zeros (sold nothing) or missing."),
]
Instruments = Annotated[
    list[str] | None,
    typer.Option("--instrument", metavar="COLUMN", help="Moves prices and leaves demand alone, e.g. cost; repeatable."),
]
Controls = Annotated[
    list[str] | None,
    typer.Option("--control", metavar="COLUMN", help="Moves demand, e.g. display or holiday; repeatable."),
]
Visits = Annotated[
    float | None, typer.Option("--visits", metavar="X", help="Visits a week, buyers and others [default: see docs].")
]
Conversion = Annotated[
    float | None,
    typer.Option("--conversion", metavar="X", help="Share of a category's visitors who buy, where visits are unknown."),
]
CostShare = Annotated[float, typer.Option("--cost-share", metavar="X", help="Assumed: unit cost over the mean price.")]
Weeks = Annotated[
    float, typer.Option("--weeks", metavar="X", help="Assumed: ordinary weeks whose visitors come to the sale.")
]
SaleHours = Annotated[float, typer.Option("--sale-hours", metavar="X", help="Assumed: length of the sale, hours.")]
Ticks = Annotated[
    int, typer.Option("--ticks", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Decision periods in the sale.")
]


EXAMPLES = (
    "flashsale calibrate SALES.csv --out runs/shop --category SODA",
    "flashsale calibrate orders_export.csv --reader shopify --out runs/shopify",
)


@on_interrupt("{out} is untouched or incomplete: run the command again.")
@with_reading_options
def command(
    context: typer.Context,
    records: Records,
    out: Out,
    kind: Kind = "transactions",
    columns: Columns = None,
    categories: Categories = None,
    products: Products = None,
    levels: Levels = 8,
    stores: Stores = "auto",
    absent: Absent = "auto",
    instruments: Instruments = None,
    controls: Controls = None,
    visits: Visits = None,
    conversion: Conversion = None,
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

    Elasticities, prices, stock and traffic are estimated from the data; the rest is assumed, see the options. At the
    end the scenario is played at the prices of its history.
    """
    from flashsale_env.experiments.calibrate.assumptions import Assumptions
    from flashsale_env.experiments.calibrate.running import Options, calibrate

    asked = Options(
        kind=kind,
        columns=dict(_pair(word) for word in columns or ()),
        reader=reader,
        form=form,
        categories=categories or (),
        products=products,
        price_levels=levels,
        stores=stores,
        absent=absent,
        instruments=instruments or (),
        controls=controls or (),
        assumptions=Assumptions(cost_share, 0.0, weeks, sale_hours, ticks, visits, conversion),
        command=context.obj,
    )
    options = {"records": records, **dataclasses.asdict(asked), "form": said(form)}
    run = Run(out, context.obj, options=options, inputs=[Path(path) for path in records if Path(path).exists()])
    with run.claimed(overwrite=overwrite):
        found = calibrate(records, asked)
        run.begin()
        path = found.save(out)
        run.finish()
    if as_json:
        print_json({"out": str(out), **found.card})
        return
    show(", ".join(records), found.card)
    notice(f"scenario in {path}; next: flashsale evaluate random --scenario {path}")


def _pair(word: str) -> tuple[str, str]:
    ours, equals, theirs = word.partition("=")
    if not equals or not ours or not theirs:
        raise ValueError(f"--column wants OURS=THEIRS, e.g. --column price=paid, got {word!r}.")
    return ours, theirs

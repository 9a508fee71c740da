"""`flashsale verify`: the simulator against theory."""

from typing import Annotated

import typer

from flashsale_env.experiments.display import print_json, progress_bar, show_table
from flashsale_env.experiments.exits import CHECK_FAILED, DONE, on_interrupt
from flashsale_env.experiments.options import MOST_SALES, Json

Anchors = Annotated[
    list[str] | None, typer.Argument(metavar="CASE", help="Validation cases [default: all]; see --list.")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Parameter of the one case that is named, e.g. --set n=20."),
]
Sales = Annotated[
    int, typer.Option("--sales", metavar="N", min=1000, max=MOST_SALES, help="Sales simulated for a measurement.")
]
List = Annotated[bool, typer.Option("--list", help="Show the validation cases and their parameters.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")]

EXAMPLES = (
    "flashsale verify",
    "flashsale verify mnl-stock --set 'stock=[2, 4]' --sales 2000",
)


@on_interrupt("Nothing was written.")
def command(
    anchors: Anchors = None,
    parameters: Parameters = None,
    sales: Sales = 100_000,
    list_anchors: List = False,
    markdown: Markdown = False,
    as_json: Json = False,
) -> int:
    """Compare the simulator with exact theory.

    Each validation case has an exact value, a simulated one with its interval, and a verdict. Exit code 1 if any case
    fails.
    """
    from flashsale_env.experiments.settings import parse_assignments
    from flashsale_env.experiments.verify.judging import FAIL
    from flashsale_env.experiments.verify.running import as_markdown, describe_cases, run_verification

    if list_anchors:
        rows = describe_cases()
        if as_json:
            print_json(rows)
        else:
            columns = ("anchor", "theory", "parameters")
            show_table("validation cases", columns, [tuple(row.values())[:3] for row in rows], text_columns=3)
        return DONE
    given = parse_assignments(parameters or (), "n=20")
    with progress_bar("verifying") as advance:
        result = run_verification(anchors or (), given, sales=sales, progress=advance)
    if as_json:
        print_json(result)
    elif markdown:
        print(as_markdown(result))
    else:
        show_table(
            f"simulation against theory, {sales:,} sales a measurement; a false alarm in 1 of 100 runs of all cases",
            ("anchor", "quantity", "expected", "limit", "simulated", "half-width", "verdict"),
            [
                (
                    row["anchor"],
                    row["quantity"],
                    f"{row['expected']:.6f}",
                    "" if row["limit"] is None else f"{row['limit']:.6g}",
                    f"{row['simulated']:.4f}",
                    f"{row['half_width']:.4f}",
                    row["verdict"],
                )
                for row in result["rows"]
            ],
            text_columns=2,
        )
    return CHECK_FAILED if result["verdict"] == FAIL else DONE

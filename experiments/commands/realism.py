"""`flashsale realism`: a scenario against published facts of flash sales."""

from typing import Annotated

import typer

from flashsale_env.experiments.display import notice, print_json, progress_bar, show_table
from flashsale_env.experiments.exits import CHECK_FAILED, DONE, on_interrupt
from flashsale_env.experiments.options import MOST_SALES, Json, ScenarioArgument

Sales = Annotated[int, typer.Option("--sales", metavar="N", min=1, max=MOST_SALES, help="Sales played.")]

EXAMPLES = (
    "flashsale realism double-eleven",
    "flashsale realism mine.toml --json",
)


@on_interrupt("Nothing was written.")
def command(scenario: ScenarioArgument = "standard", sales: Sales = 64, as_json: Json = False) -> int:
    """Compare a scenario with published facts of flash sales.

    The scenario is played by its best tuned rule, or at list prices where none is tuned. What it does not model is
    said so. Exit code 1 if a statistic is outside its accepted range.
    """
    from flashsale_env.experiments.realism.running import FAIL, compare_with_facts

    with progress_bar("measuring") as advance:
        result = compare_with_facts(scenario, sales=sales, progress=advance)
    if as_json:
        print_json(result)
    else:
        show_table(
            f"{result['scenario']} against published facts; {sales:,} sales, played by: {result['policy']}",
            ("statistic", "target", "simulated", "verdict"),
            [(row["statistic"], row["target"], row["shown"], row["verdict"]) for row in result["rows"]],
            text_columns=2,
        )
        notice("sources and accepted ranges: --json")
    return CHECK_FAILED if result["verdict"] == FAIL else DONE

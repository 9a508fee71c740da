"""The study `levers`: what each decision of a sale is worth.

Owns    the comparison: the best schedule with all decisions, against the best without one of them, and against the best
        that does not move in time.
Leaves  schedules and their search to `experiments.open_loop`.
Axes    S test sales, the same customers for all schedules.
Units   profit in the scenario's currency.

All schedules are open loop: fixed before the sale. An agent that reacts can be worth more.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env import Population, Scenario, load_population, load_scenario
from flashsale_env.agents import split_seeds
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import Callback, present, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import low_to_high, money
from flashsale_env.experiments.intervals import paired_difference
from flashsale_env.experiments.open_loop import Effort, Family, Stage, best_schedule
from flashsale_env.experiments.options import (
    MOST_OF_ANYTHING,
    MOST_SALES,
    AnySeed,
    Json,
    Overwrite,
    ScenarioOption,
    TestSales,
)
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.pictures import differences
from flashsale_env.spaces.decisions import decision_rows

# The comparison with schedules that keep every decision over the whole sale.
TIMING = "timing"

Phases = Annotated[int, typer.Option("--phases", metavar="N", min=2, max=MOST_OF_ANYTHING, help="Steps in time.")]
ByRow = Annotated[bool, typer.Option("--by-row", help="Own numbers for each product, not only for each decision.")]
Trials = Annotated[int, typer.Option("--trials", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Schedules tried.")]
Sales = Annotated[int, typer.Option("--sales", metavar="N", min=2, max=MOST_SALES, help="Sales in each trial.")]

EXAMPLES = ("flashsale study levers --scenario cart --out runs/levers",)


@on_interrupt("nothing was written: run the command again.")
def command(
    context: typer.Context,
    scenario: ScenarioOption = "standard",
    phases: Phases = 4,
    by_row: ByRow = False,
    trials: Trials = 400,
    sales: Sales = 256,
    seed: AnySeed = 0,
    episodes: TestSales = 10_000,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure what each decision is worth: the best schedule with it against the best without it.

    Schedules are searched on validation sales and compared on fresh ones. Without a decision means at its first level:
    list price, no order, no promotion.
    """
    sale = load_scenario(scenario)
    population = load_population(sale.population, list(sale.titles))
    effort = Effort(trials, sales, seed)
    families(sale, phases, by_row)  # a scenario that does not fit is refused before anything is written
    options = {"scenario": scenario, "phases": phases, "by_row": by_row, "trials": trials, "sales": sales}
    run = run_in(
        out,
        context.obj,
        options=options | {"episodes": episodes},
        seeds={"search": seed, "test split": 0},
        inputs=[Path(scenario)] if Path(scenario).exists() else [],
    )
    with run.claimed(overwrite=overwrite):
        with progress_bar("searching") as advance:
            found = measure(sale, population, phases, by_row, effort, episodes, advance)
        run.keep(found)
    present(found, show, out, as_json=as_json, kept="schedules and figures")


def families(scenario: Scenario, phases: int, by_row: bool) -> dict[str, Family]:
    """The schedules with all decisions ("all"), without each of them, and without movement in time (`TIMING`).

    Raises:
        ValueError: phases that do not fit, or a scenario with nothing to decide.
    """
    decisions = list(dict.fromkeys(row.decision for row in decision_rows(scenario) if row.column >= 0))
    found = {"all": Family(scenario, phases, by_row=by_row)}
    if len(decisions) > 1:
        found |= {name: Family(scenario, phases, held=(name,), by_row=by_row) for name in decisions}
    return found | {TIMING: Family(scenario, phases, constant=True, by_row=by_row)}


def measure(
    scenario: Scenario,
    population: Population,
    phases: int,
    by_row: bool,
    effort: Effort,
    episodes: int,
    advance: Callback,
) -> dict[str, Any]:
    """Search every family, and compare the best schedules on the test sales.

    Returns:
        "rows", one for each decision and `TIMING`: "lever", "with" and "without" (mean profits), "gain" with "ci_low"
        and "ci_high", "share" of the profit without; "schedules", the free numbers of each family by name.
    """
    stage = Stage(scenario, population, split_seeds("test", 0, episodes))
    todo = families(scenario, phases, by_row)
    profits: dict[str, Any] = {}
    schedules: dict[str, dict[str, float]] = {}
    for done, (name, family) in enumerate(reversed(todo.items())):
        # The schedules with all decisions are searched last, from the best without each of them.
        start = [] if name != "all" else [lifted(other, todo[key], family) for key, other in schedules.items()]

        def report(trial: int, trials: int, done: int = done, name: str = name) -> None:
            advance(done * trials + trial, len(todo) * trials, "all decisions" if name == "all" else f"without {name}")

        best = best_schedule(family, population, effort=effort, start=start, progress=report)
        schedules[name] = dict(zip(family.names, best.tolist(), strict=True))
        profits[name] = stage.profit(family.actions(best))
    rows = []
    for name in list(todo)[1:]:
        gain = paired_difference(profits["all"], profits[name])
        rows.append(
            {
                "lever": name,
                "with": float(profits["all"].mean()),
                "without": float(profits[name].mean()),
                "gain": gain.mean,
                "ci_low": gain.low,
                "ci_high": gain.high,
                "share": gain.mean / abs(float(profits[name].mean())),
            }
        )
    return {"scenario": scenario.name, "episodes": episodes, "rows": rows, "schedules": schedules}


def lifted(numbers: Mapping[str, float], narrow: Family, wide: Family) -> list[float]:
    """A schedule of a narrow family in terms of a wider one: what it held is 0, what was constant is repeated.

    >>> from flashsale_env import load_scenario
    >>> scenario = load_scenario("gvr-periodic")
    >>> lifted({"price": 0.3}, Family(scenario, 2, constant=True), Family(scenario, 2))
    [0.3, 0.3]
    """
    return [numbers.get(name.rpartition(", phase ")[0] if narrow.constant else name, 0.0) for name in wide.names]


def show(result: Mapping[str, Any]) -> None:
    """What each decision is worth, as a table."""
    name, episodes, rows = result["scenario"], result["episodes"], result["rows"]
    scale = max(abs(row["with"]) for row in rows)
    show_table(
        f"{name}: the best schedule with and without each decision, {episodes:,} fresh sales",
        ("decision", "with", "without", "gain", "95 % interval", "share"),
        [
            (
                "movement in time" if row["lever"] == TIMING else row["lever"],
                money(row["with"], scale),
                money(row["without"], scale),
                money(row["gain"], scale, "+"),
                low_to_high(row, scale, "+"),
                f"{row['share']:+.1%}",
            )
            for row in rows
        ],
    )


def charts(result: Mapping[str, Any]) -> dict[str, Chart]:
    """What each decision gains."""
    gains = {
        "movement in time" if row["lever"] == TIMING else row["lever"]: {"mean": row["gain"], **row}
        for row in result["rows"]
    }
    return {"levers": differences(gains, "profit of the best schedule with it, less that without it")}

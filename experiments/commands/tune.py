"""`flashsale tune`: the best parameters of rules, kept beside the scenario."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env.experiments.display import notice, print_json, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import low_to_high, money
from flashsale_env.experiments.options import (
    MOST_OF_ANYTHING,
    MOST_SALES,
    AnySeed,
    Json,
    PopulationOption,
    ScenarioArgument,
    checked,
)
from flashsale_env.experiments.runs import check_file

Rules = Annotated[
    list[str] | None,
    typer.Argument(metavar="AGENT", help="Rules, or module:Class [default: all that have parameters]."),
]
Trials = Annotated[
    int,
    typer.Option(
        "--trials",
        metavar="N",
        min=0,
        max=MOST_OF_ANYTHING,
        help="Parameter sets to try; 0 measures the kept values again.",
    ),
]
Sales = Annotated[
    int,
    typer.Option(
        "--sales", metavar="N", min=1, max=MOST_SALES, help="Validation sales that every parameter set plays."
    ),
]
Refine = Annotated[bool, typer.Option("--refine", help="Search in small steps from the kept values.")]
Values = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="File of the values [default: SCENARIO.tuned.json beside the scenario].",
        callback=checked(check_file),
    ),
]

EXAMPLES = (
    "flashsale tune mine.toml fixed_price sell_through",
    "flashsale tune standard lp_resolve --trials 50",
)


@on_interrupt("Agents that were finished are kept.")
def command(
    context: typer.Context,
    scenario: ScenarioArgument,
    rules: Rules = None,
    population: PopulationOption = None,
    trials: Trials = 200,
    sales: Sales = 1024,
    refine: Refine = False,
    seed: AnySeed = 0,
    out: Values = None,
    as_json: Json = False,
) -> None:
    """Find the best parameters of rules.

    The search plays validation sales. The values are kept beside the scenario, and their gain is measured on
    validation sales that no search used.
    """
    from flashsale_env import load_population, load_scenario
    from flashsale_env.agents.tuned_values import home, read
    from flashsale_env.experiments.tuning import Search, tunable, tunable_space, tune_and_keep

    sale = load_scenario(scenario)
    load_population(population or sale.population, [product.title for product in sale.products])
    for name in rules or ():
        if not tunable_space(name, sale):
            raise ValueError(f"agent {name!r} has no parameters on scenario {scenario!r}: there is nothing to tune.")
    path = home(scenario) if out is None else out
    assert path is not None
    named = rules or [name for name in tunable(sale) if trials or name in read(path)]
    if not named:
        raise ValueError(f"{path} holds no values to measure again: give --trials.")
    search = Search(trials=trials, sales=sales, seed=seed, refine=refine)
    found = {}
    for name in named:
        with progress_bar(f"tuning {name}") as advance:

            def report(done: int, total: int, best: float, advance: Any = advance) -> None:
                advance(done, total, f"best profit {money(best)}")

            found[name] = tune_and_keep(
                name, scenario, population, out=path, command=context.obj, progress=report, search=search
            )
    if as_json:
        print_json({"out": str(path), "scenario": scenario, "agents": found})
        return
    show(f"{scenario}, customers {population or sale.population}", found)
    notice(f"values in {path}; every run of {scenario} in its present form uses them")


def show(title: str, found: Mapping[str, Mapping[str, Any]]) -> None:
    """What tuning gained, by agent."""
    show_table(
        f"{title}: mean profit on validation sales that no search used",
        ("agent", "untuned", "tuned", "gain", "95 % interval"),
        [
            (
                name,
                money(row["untuned_profit"], row["profit"]),
                money(row["profit"]),
                money(row["gain"]["mean"], row["profit"]),
                low_to_high(row["gain"], row["profit"]),
            )
            for name, row in found.items()
        ],
    )

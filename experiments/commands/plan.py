"""`flashsale plan`: what a shop would do with an agent."""

from pathlib import Path
from typing import Annotated

import typer

from flashsale_env.experiments.display import notice, notice_untuned, print_json, progress_bar
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import (
    MOST_SALES,
    AnySeed,
    Device,
    Json,
    Out,
    Overwrite,
    PopulationOption,
    ScenarioArgument,
)
from flashsale_env.experiments.runs import Run

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="Who decides: anything that `evaluate` takes.")]
Stock = Annotated[
    list[str] | None,
    typer.Option("--stock", metavar="TITLE=UNITS", help="Units on hand at the start [default: the scenario's]."),
]
History = Annotated[
    Path | None,
    typer.Option("--history", metavar="FILE", help="Your own prices [default: history.csv beside the scenario]."),
]
Against = Annotated[
    str | None,
    typer.Option("--against", metavar="AGENT", help="Baseline instead of your own prices, e.g. fixed_price."),
]
Sales = Annotated[int, typer.Option("--episodes", metavar="N", min=2, max=MOST_SALES, help="Test sales.")]

EXAMPLES = (
    "flashsale plan runs/shop/scenario.toml sell_through --out runs/plan",
    'flashsale plan gvr-periodic dp --stock "ticket=6" --out runs/plan',
)


@on_interrupt("{out} is untouched or incomplete: run the command again with --overwrite.")
def command(
    context: typer.Context,
    scenario: ScenarioArgument,
    agent: Agent,
    out: Out,
    stock: Stock = None,
    history: History = None,
    against: Against = None,
    population: PopulationOption = None,
    episodes: Sales = 1000,
    seed: AnySeed = 0,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Plan a sale with a trained or tuned agent.

    Prices, orders and coupons of the typical test sale with quantiles over all, what the agent decides by time left and
    stock, and its profit beside a baseline. It is a simulation: its limits are said with it.
    """
    from flashsale_env.experiments.plan.page import write_plan_page
    from flashsale_env.experiments.plan.running import Asked, plan, prepare
    from flashsale_env.experiments.plan.screen import show

    asked = Asked(scenario, agent, population, stock or (), history, against, episodes, device, seed)
    inputs = [Path(path) for path in (scenario, agent, population, history) if path and Path(path).exists()]
    run = Run(out, context.obj, {**vars(asked), "history": history and str(history)}, {"test split": 0}, inputs)
    run.check(overwrite=overwrite)
    prepared = prepare(asked)
    notice_untuned(agent, prepared.player, scenario, population)
    with run.claimed(overwrite=overwrite):
        with progress_bar(f"planning with {agent}") as advance:
            result = plan(prepared, run, advance)
        page = write_plan_page(prepared, result, out)
        run.finish()
    if as_json:
        print_json({"out": str(out), **result})
        return
    show(result)
    notice(f"page in {page}; plan.csv has every tick, states.csv the decision by time left and stock")

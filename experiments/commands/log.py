"""`flashsale log`: sales of an agent that explores, as data."""

from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env.experiments.display import notice, notice_untuned, print_json, progress_bar
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import (
    MOST_SALES,
    Device,
    Json,
    Out,
    Overwrite,
    PopulationOption,
    ScenarioArgument,
    Seed,
)
from flashsale_env.experiments.runs import Run

Seller = Annotated[str, typer.Option("--agent", metavar="AGENT", help="Who sells: anything that `evaluate` takes.")]
Explore = Annotated[
    float,
    typer.Option(
        "--explore", metavar="E", min=0.0, max=1.0, help="Probability with which each decision is drawn at random."
    ),
]
Sales = Annotated[int, typer.Option("--sales", metavar="N", min=1, max=MOST_SALES, help="How many sales.")]
Minari = Annotated[
    str | None, typer.Option("--minari", metavar="NAME-vN", help="Write the sales as a Minari dataset too.")
]

EXAMPLES = ("flashsale log gvr-periodic --agent sell_through --sales 4000 --out runs/log",)


@on_interrupt("{out} holds an incomplete log: run the command again with --overwrite.")
def command(
    context: typer.Context,
    scenario: ScenarioArgument,
    agent: Seller,
    out: Out,
    sales: Sales = 1000,
    explore: Explore = 0.1,
    population: PopulationOption = None,
    minari: Minari = None,
    seed: Seed = 0,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write sales of an agent as Parquet.

    Observations, decisions with their propensities, rewards, visits, messages.
    `flashsale evaluate-offline` estimates from them what another agent would have earned.
    """
    from flashsale_env import load_population, load_scenario
    from flashsale_env.experiments.offline.recording import check_scenario, played, write_log

    sale = load_scenario(scenario)
    check_scenario(sale)
    dataset: Any = None
    if minari is not None:
        from flashsale_env.experiments.offline.datasets import Dataset, check_name

        check_name(minari)
    customers = load_population(population or sale.population, sale.titles)

    from flashsale_env.experiments.evaluate import find_agent

    seller = find_agent(agent, scenario, population=population, device=device, seed=seed)
    notice_untuned(agent, seller, scenario, population)
    if agent == "random":
        explore = 1.0  # every draw of this agent is a random one, and its propensity is that of any other
    options = {"scenario": scenario, "agent": agent, "sales": sales, "explore": explore, "population": population}
    inputs = [path for path in (scenario, population, agent) if path and Path(path).exists()]
    run = Run(out, context.obj, {**options, "minari": minari}, {"train split": seed, "exploration": seed}, inputs)
    with run.claimed(overwrite=overwrite), progress_bar(f"logging {agent}") as advance:
        run.begin()
        if minari is not None:
            dataset = Dataset(out, minari, sale, agent)
        parts = played(seller, sale, customers, sales=sales, explore=explore, seed=seed)
        also = None if dataset is None else dataset.add
        told: dict[str, Any] = {"agent": agent, "explore": explore, "sales": sales, "seed": seed, "home": scenario}
        card = write_log(out, parts, sale, customers, **told, named=population, also=also, progress=advance)
        run.finish()
    if as_json:
        print_json({"out": str(out), **{name: card[name] for name in ("sales", "visits", "explore", "mean_return")}})
        return
    notice(
        f"{sales:,} sales and {card['visits']:,} visits in {out}; next: flashsale evaluate-offline {out} --agent AGENT"
    )

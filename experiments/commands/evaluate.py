"""`flashsale evaluate`: an agent on test sales, alone or against another one."""

from typing import Annotated, Any

import typer

from flashsale_env import Population
from flashsale_env.experiments.display import (
    notice,
    notice_untuned,
    print_json,
    progress_bar,
    show_agents,
    show_difference,
)
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import AnySeed, Device, Json, PopulationOption, ScenarioOption, TestSales

Agent = Annotated[
    str,
    typer.Argument(
        metavar="AGENT",
        help="A name of `flashsale list`, module:Class, the folder of a trained agent, or a zip of Stable-Baselines3. "
        "A zip holds pickled objects: load only files that you trust.",
    ),
]
Against = Annotated[
    str | None, typer.Option("--against", metavar="AGENT", help="Another agent, compared on the same customers.")
]

EXAMPLES = (
    "flashsale evaluate sell_through --scenario standard --episodes 500",
    "flashsale evaluate standard-ppo --scenario standard --against sell_through",
)


@on_interrupt("Nothing was written.")
def command(
    agent: Agent,
    scenario: ScenarioOption,
    population: PopulationOption = None,
    against: Against = None,
    episodes: TestSales = 10_000,
    seed: AnySeed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure an agent's profit, alone or against another.

    Both play the same test sales, so that the difference is paired. Intervals are 95 %.
    """
    from flashsale_env import agents, load_population, load_scenario
    from flashsale_env.experiments.evaluate import difference, figures, find_agent, play_test_sales

    sale = load_scenario(scenario)
    among = population or sale.population
    customers = load_population(among, [product.title for product in sale.products])
    names = [agent] if against is None else [agent, against]
    players = [find_agent(name, scenario, population=population, device=device, seed=seed) for name in names]
    for name, player in zip(names, players, strict=True):
        notice_other_customers(name, customers, among)
        notice_untuned(name, player, scenario, population)
    tables = []
    for name, player in zip(names, players, strict=True):
        with progress_bar(f"playing {name}") as advance:
            tables.append(play_test_sales(player, sale, customers, episodes, advance))
    rows: list[dict[str, Any]] = [
        {**figures(table), "mark": getattr(player, "mark", "")} for table, player in zip(tables, players, strict=True)
    ]
    result: dict[str, Any] = {"scenario": scenario, "population": among, "episodes": episodes}
    result["agent"] = {"name": agent, **rows[0]}
    if against is not None:
        result |= {"against": {"name": against, **rows[1]}, "difference": difference(*tables)}
    if as_json:
        print_json(result)
        return
    shown = [agents.labelled(name, player) for name, player in zip(names, players, strict=True)]
    show_agents(f"{episodes:,} test sales of {scenario}, customers {among}", dict(zip(shown, rows, strict=True)))
    if against is not None:
        show_difference(shown, result["difference"], result["agent"]["mean_profit"], episodes)


def notice_other_customers(name: str, customers: Population, among: str) -> None:
    """Warn that a policy was trained among other customers than it is evaluated among."""
    from flashsale_env.experiments.evaluate import trained_elsewhere

    home = trained_elsewhere(name, customers)
    if home is not None:
        notice(
            f"{name} was trained among the customers of {home} and is evaluated among those of {among}; "
            f"for its own customers give --population {home}"
        )

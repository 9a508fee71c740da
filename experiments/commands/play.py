"""`flashsale play`: a page on which a person runs a sale beside an agent."""

from typing import Annotated

import typer

from flashsale_env.experiments.display import notice, notice_untuned
from flashsale_env.experiments.options import Device, PopulationOption, scenario_names

Scenario = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="Name of a scenario, or a TOML file.", autocompletion=scenario_names)
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against",
        metavar="AGENT",
        help="Who sells beside you, as for `flashsale evaluate` [default: the policy trained for the scenario, or the "
        "first rule that applies].",
    ),
]
Sale = Annotated[int, typer.Option("--sale", metavar="N", min=0, max=1_000_000, help="Number of the test sale.")]
Port = Annotated[int, typer.Option("--port", metavar="N", min=1, max=65_535, help="Port of the page, on loopback.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Only print the address, and open no browser.")]

EXAMPLES = (
    "flashsale play",
    "flashsale play gvr-periodic --against dp --no-browser",
)


def command(
    scenario: Scenario = "standard",
    against: Against = None,
    population: PopulationOption = None,
    sale: Sale = 0,
    port: Port = 8080,
    no_browser: NoBrowser = False,
    device: Device = "auto",
) -> None:
    """Run a sale yourself, beside an agent.

    Both meet the same customers.     A page on this machine, in English and Chinese; nothing leaves it. Ctrl-C ends it.
    """
    from flashsale_env import load_population, load_scenario
    from flashsale_env.agents.protocol import as_policy
    from flashsale_env.experiments.evaluate import find_agent
    from flashsale_env.experiments.live.opening import check_port, default_agent

    played = load_scenario(scenario)
    check_port(port)
    name = against or default_agent(played)
    agent = find_agent(name, scenario, population=population, device=device)
    customers = load_population(population or played.population, list(played.titles))

    from flashsale_env.experiments.live.page import HOST, serve

    notice_untuned(name, agent, scenario, population)
    notice(f"http://{HOST}:{port} (Ctrl-C ends it)")
    serve(played, customers, as_policy(agent, played), name, number=sale, port=port, show=not no_browser)

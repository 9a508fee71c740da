"""`flashsale mcp`: a server of the Model Context Protocol, at which a language model runs sales."""

from typing import Annotated

import typer

from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import MOST_OF_ANYTHING, ScenarioArgument

Ticks = Annotated[
    int | None,
    typer.Option("--ticks", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Most ticks of an action [default: all]."),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port",
        metavar="N",
        min=1,
        max=65_535,
        help="Serve HTTP on this machine [default: standard input and output].",
    ),
]

EXAMPLES = ("flashsale mcp gvr-periodic", "flashsale mcp standard --port 8000")


@on_interrupt("The server is stopped.")
def command(scenario: ScenarioArgument = "standard", ticks: Ticks = None, port: Port = None) -> None:
    """Serve sales by the Model Context Protocol.

    Its tools open sales and play decisions in them. A client starts the command itself and speaks to it over standard
    input and output, or connects to http://127.0.0.1:PORT/mcp.
    """
    from flashsale_env import load_scenario
    from flashsale_env.experiments.adapters.mcp import build_server

    server = build_server(load_scenario(scenario), most_ticks=ticks)
    if port is None:
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=port)

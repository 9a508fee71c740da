"""`flashsale serve`: policies and encoders over HTTP."""

import os
from typing import Annotated

import typer

from flashsale_env.experiments.display import notice
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import MOST_OF_ANYTHING, Device

Folders = Annotated[
    list[str],
    typer.Argument(
        metavar="DIR",
        help="A run of `flashsale train`, an encoder, or a folder with both, as `flashsale demo` leaves it; also the "
        "shipped standard-ppo and default.",
    ),
]
Sale = Annotated[
    str | None,
    typer.Option("--scenario", metavar="NAME|TOML", help="What the policy plays [default: what it was trained on]."),
]
Precision = Annotated[
    str, typer.Option("--precision", metavar="NAME", help="Of the encoder: fp32, bf16, int8, or auto for the fastest.")
]
Host = Annotated[
    str,
    typer.Option(
        "--host",
        metavar="HOST",
        help="Address; beyond this machine a token is needed, in the variable FLASHSALE_TOKEN.",
    ),
]
Port = Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes a free one.")]
Rate = Annotated[float, typer.Option("--rate", metavar="R", min=0.01, max=1e6, help="Requests a second of a client.")]
Rows = Annotated[
    int, typer.Option("--rows", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Most rows of a request or batch.")
]
Queue = Annotated[
    int, typer.Option("--queue", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Most rows waiting for a model.")
]
Body = Annotated[int, typer.Option("--body", metavar="BYTES", min=1024, max=1 << 30, help="Most bytes of a request.")]
Reload = Annotated[
    float,
    typer.Option("--reload", metavar="S", min=0, max=86400, help="Look for new versions every S seconds; 0 never."),
]
Engine = Annotated[str, typer.Option("--engine", metavar="NAME", help="uvicorn here, or ray: Ray Serve on a cluster.")]
Replicas = Annotated[int, typer.Option("--replicas", metavar="N", min=1, max=1000, help="Processes of --engine ray.")]

Mcp = Annotated[
    bool,
    typer.Option("--mcp", help="Speak the Model Context Protocol over standard input and output, instead of HTTP."),
]

EXAMPLES = (
    "flashsale serve standard-ppo default",
    "flashsale serve runs/ppo --port 8080",
    "flashsale serve standard-ppo default --mcp",
)


@on_interrupt("Every accepted request was answered.")
def command(
    folders: Folders,
    scenario: Sale = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    precision: Precision = "fp32",
    device: Device = "auto",
    rate: Rate = 1000.0,
    rows: Rows = 256,
    queue: Queue = 1024,
    body: Body = 1 << 20,
    reload: Reload = 2.0,
    engine: Engine = "uvicorn",
    replicas: Replicas = 1,
    mcp: Mcp = False,
) -> None:
    """Serve policies and encoders over HTTP.

    Observations in, actions out; texts in, intents out.
    A policy that is trained anew in its folder takes over without a dropped request.
    """
    from flashsale_env.experiments.serve.access import is_local, token_for
    from flashsale_env.experiments.serve.application import find
    from flashsale_env.experiments.serve.options import check_no_http, check_options
    from flashsale_env.experiments.serve.served import Settings

    token = token_for(host, os.environ)
    check_options(engine, replicas, precision, rows, queue, scenario)
    if mcp:
        check_no_http({"host": host, "port": port, "rate": rate, "body": body, "engine": engine, "replicas": replicas})
    kinds = " and ".join(model.kind.name for model in find(folders))
    settings = Settings(
        tuple(folders), scenario=scenario, device=device, precision=precision, token=token, local=is_local(host),
        most_bytes=body, most_rows=rows, most_waiting=queue, rate=rate, reload_seconds=reload,
    )  # fmt: skip

    def begun(address: str) -> None:
        notice(f"{kinds} at {address}; the schema is at {address}/openapi.json. Ctrl-C stops.")

    if mcp:
        from flashsale_env.experiments.serve.application import application
        from flashsale_env.experiments.serve.mcp import build_server

        build_server(application(settings)).run("stdio")
    elif engine == "ray":
        from flashsale_env.experiments.serve.cluster import run as run_on_ray

        run_on_ray(settings, host, port, replicas, begun)
    else:
        from flashsale_env.experiments.serve.running import bound, run

        run(settings, bound(host, port), begun)

"""The options of a service, checked before anything is loaded."""

import importlib.util
from collections.abc import Mapping
from typing import Any

from flashsale_env import load_scenario
from flashsale_env.encoders.text.inference import PRECISIONS
from flashsale_env.errors import unknown_name

ENGINES = {"uvicorn": "in this process", "ray": "replicas on a Ray cluster"}
# Options of HTTP and their defaults; --mcp speaks over standard input and output and takes none of them.
OF_HTTP: Mapping[str, Any] = {
    "host": "127.0.0.1",
    "port": 8000,
    "rate": 1000.0,
    "body": 1 << 20,
    "engine": "uvicorn",
    "replicas": 1,
}


def check_options(
    engine: str, replicas: int, precision: str, most_rows: int, most_waiting: int, scenario: str | None
) -> None:
    """Refuse options that contradict each other or that this installation cannot fulfil.

    Raises:
        ValueError: the message names the option.
    """
    if engine not in ENGINES:
        raise ValueError(unknown_name("engine", engine, ENGINES))
    if engine != "ray" and replicas > 1:
        raise ValueError(f"--replicas {replicas} is for --engine ray: uvicorn has one process.")
    if engine == "ray" and importlib.util.find_spec("ray") is None:
        raise ValueError("--engine ray needs Ray Serve: pip install 'flashsale-env[serve,ray]'.")
    if precision not in PRECISIONS:
        raise ValueError(unknown_name("--precision", precision, PRECISIONS))
    if most_waiting < most_rows:
        raise ValueError(f"--queue {most_waiting} is below --rows {most_rows}: no full request would ever fit.")
    if scenario is not None:
        load_scenario(scenario)


def check_no_http(given: Mapping[str, Any]) -> None:
    """Refuse options of HTTP beside --mcp; an option that has its default does no harm.

    Raises:
        ValueError: the message names the option.
    """
    for name, value in given.items():
        if value != OF_HTTP[name]:
            raise ValueError(
                f"--{name} {value} is for HTTP, and --mcp speaks over standard input and output: leave one out."
            )

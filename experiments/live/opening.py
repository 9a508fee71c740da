"""Before the page opens: who plays beside the person, and whether the port is free."""

import socket

from flashsale_env import Scenario, agents
from flashsale_env.agents.base import read_card
from flashsale_env.agents.fingerprints import scenario_fingerprint

# Tried in this order where no policy is shipped for the scenario.
RULES = ("dp", "sell_through", "lp_resolve", "base_stock", "fixed_price", "random")


def default_agent(scenario: Scenario) -> str:
    """The shipped policy that was trained for this very game, else the first rule that applies."""
    wanted = scenario_fingerprint(scenario)
    for name, folder in agents.REFERENCES.items():
        if read_card(folder).get("scenario_sha256") == wanted:
            return name
    return next(name for name in RULES if agents.AGENTS[name].applies(scenario) is None)


def check_port(port: int) -> None:
    """Refuse a port that is in use.

    Raises:
        OSError: another program listens there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise OSError(
                f"--port {port} cannot be used: {(error.strerror or str(error)).lower()}. Give another one."
            ) from None

"""Running the same application on a Ray cluster, with Ray Serve.

Owns    the deployment: replicas of the application behind Ray's own proxy.
Leaves  every answer to `application`, which each replica builds from the same settings.

Each replica has its own queue, batches and metrics; Ray spreads requests over replicas. The folders must be readable on
every machine of the cluster.
"""

import time
from collections.abc import Callable
from typing import Any

from flashsale_env.experiments.serve.application import application
from flashsale_env.experiments.serve.served import Settings

NAME = "flashsale"


def deploy(settings: Settings, host: str, port: int, replicas: int) -> str:
    """Start the replicas, here or on the cluster of RAY_ADDRESS, and return the address.

    Raises:
        ValueError, OSError: as `application`, found before anything is deployed.
    """
    from ray import serve

    serve.start(http_options={"host": host, "port": port})

    @serve.deployment(num_replicas=replicas, name=NAME)
    @serve.ingress(lambda: application(settings))
    class Replica:
        pass

    deployment: Any = Replica
    serve.run(deployment.bind(), name=NAME, route_prefix="/")
    return f"http://{host}:{port}"


def run(settings: Settings, host: str, port: int, replicas: int, begun: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; then the replicas finish what they have and end.

    Args:
        settings: of the service.
        host, port: of Ray's proxy.
        replicas: processes that answer.
        begun: called with the address when requests are answered.
    """
    from ray import serve

    begun(deploy(settings, host, port, replicas))
    try:
        while True:
            time.sleep(3600)
    finally:
        serve.shutdown()

"""Running the service on this machine, with uvicorn.

Owns    the socket, the address that a person reads, and the signals: SIGTERM and Ctrl-C stop the service when every
        accepted request is answered.
Leaves  the application to `application`, several machines to `cluster`.
"""

import errno
import os
import signal
import socket
from collections.abc import Callable

import uvicorn

from flashsale_env.experiments.serve.application import application
from flashsale_env.experiments.serve.served import Settings

# Connections at once; further ones get 503. A body is held in memory until it is read to its end.
MOST_CONNECTIONS = 2048
# Seconds that accepted requests have to be answered when the service stops.
PATIENCE = 30


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens at the address; port 0 takes a free one.

    Raises:
        OSError: the address is taken or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=MOST_CONNECTIONS)
    except OSError as error:
        why = {
            errno.EADDRINUSE: "another program listens there; choose another --port, 0 takes a free one",
            errno.EADDRNOTAVAIL: "this machine has no such address",
            errno.EACCES: "ports below 1024 are the system's; choose another --port",
        }.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
        raise OSError(f"--host {host} --port {port}: {why}.") from None


def run(settings: Settings, listening: socket.socket, begun: Callable[[str], None]) -> None:
    """Serve until a signal comes, then answer what was accepted and return.

    Args:
        settings: of the service.
        listening: as `bound` returns it.
        begun: called with the address when requests are answered.

    Raises:
        ValueError, OSError: as `application`.
        KeyboardInterrupt: Ctrl-C, after everything was answered.
    """
    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    config = uvicorn.Config(
        application(settings),
        log_level="warning",
        access_log=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=PATIENCE,
        server_header=False,
    )
    server = _Announced(config, lambda: begun(address))
    # uvicorn raises the signal again after it has stopped; a stop that was asked for is no failure.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        server.run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)


class _Announced(uvicorn.Server):
    """Says when requests are answered."""

    def __init__(self, config: uvicorn.Config, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._begun()

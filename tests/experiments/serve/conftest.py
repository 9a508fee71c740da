"""Services on real sockets: the application in a thread of this process, and a client that speaks HTTP."""

import asyncio
import contextlib
import http.client
import json
import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest
import uvicorn

from flashsale_env import agents
from flashsale_env.experiments.serve.application import application
from flashsale_env.experiments.serve.running import bound
from flashsale_env.experiments.serve.served import Settings


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self):
        return json.loads(self.text)


@dataclass(frozen=True)
class Client:
    port: int

    def __call__(self, method, path, body=None, **headers) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, content, {"Content-Type": "application/json", **headers})
        reply = connection.getresponse()
        found = Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read().decode())
        connection.close()
        return found


@contextlib.contextmanager
def serving(app):
    """A client of the application, which is stopped at the end as SIGTERM stops it."""
    listening = bound("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the service did not start"
        time.sleep(0.01)
    try:
        yield Client(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def table_policy(tmp_path_factory):
    """Write a policy of `gvr-periodic` as `train` saves it; its table is drawn from the seed, not learned."""

    def write(seed, folder=None, **settings):
        agent = agents.make("q_learning", "gvr-periodic", **settings)
        agent.q[:] = np.random.default_rng(seed).random(agent.q.shape)
        return agent.save(folder or tmp_path_factory.mktemp("table"))

    return write


@pytest.fixture
def serve(table_policy):
    """Start services; each is stopped at the end of the test."""
    with contextlib.ExitStack() as stack:

        def start(*folders, **settings):
            settings = {"reload_seconds": 0.0, "device": "cpu", **settings}
            return stack.enter_context(serving(application(Settings(tuple(map(str, folders)), **settings))))

        yield start

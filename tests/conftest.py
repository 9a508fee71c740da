"""Fixtures and settings shared by all tests."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test asks a hub for weights
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # a second thread of torch makes everything slower where cores are busy

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents import AGENTS
from flashsale_env.core.compiler import JIT_DISABLED

# A run of so many tests needs every shipped scenario.
_NEARLY_ALL = 2_000


def pytest_collection_finish(session):
    """The workers of pytest-xdist share the compilation of the shipped scenarios, instead of each compiling all."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None or JIT_DISABLED or len(session.items) < _NEARLY_ALL:
        return
    workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    scenarios = [fs.load_scenario(name) for name in fs.SCENARIOS]
    scenarios.sort(key=lambda scenario: -sum(getattr(scenario, name) is not None for name in fs.MECHANISMS))
    for scenario in scenarios[int(worker.removeprefix("gw")) :: workers]:  # those that take longest come first
        simulator = fs.Simulator(scenario, sales=1)
        simulator.open(np.zeros(1, np.uint64), np.zeros(1, np.int64))
        simulator.advance(simulator.codec.from_levels(np.zeros((1, len(simulator.codec.names)), np.int64)))
        simulator.measure()


_SHIPPED_AGENTS = dict(AGENTS)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown():
    """An agent that a test registers is gone with it: other tests run over the table of agents."""
    AGENTS.clear()
    AGENTS.update(_SHIPPED_AGENTS)


@pytest.fixture
def standard() -> fs.Scenario:
    return fs.load_scenario("standard")


@pytest.fixture
def play():
    """Play seeds 0..n-1 to the close with actions drawn by `policy(tick, n, codec)`; the closed simulator."""

    def run(scenario, policy, n=8, **options):
        simulator = fs.Simulator(scenario, sales=n, actions="multidiscrete", **options)
        simulator.open(np.arange(n, dtype=np.uint64), np.zeros(n, np.int64))
        for tick in range(simulator.scenario.horizon_ticks):
            simulator.advance(policy(tick, n, simulator.codec))
        return simulator

    return run


@pytest.fixture
def random_levels():
    """A policy that is uniform over the levels of every decision."""
    rng = np.random.default_rng(7)
    return lambda tick, n, codec: rng.integers(0, codec.n_levels, (n, len(codec.n_levels)))


@pytest.fixture
def file(tmp_path):
    """Write a file as a shop would, and return its path."""

    def write(content: str | bytes, name: str = "sales.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write

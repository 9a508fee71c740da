"""Fixtures and settings shared by all tests."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test asks a hub for weights
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # a second thread of torch makes everything slower where cores are busy

import numpy as np
import pytest

import flashsale_env as fs


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

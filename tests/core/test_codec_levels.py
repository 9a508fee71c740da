"""Actions as levels and values, without playing them: the same as the core decodes."""

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env import ActionCodec, Simulator


@pytest.mark.parametrize("encoding", ["box", "discrete"])
def test_the_levels_of_an_action_play_the_same_sale(encoding):
    rng = np.random.default_rng(0)
    one, other = (Simulator("standard", sales=8, actions=name) for name in (encoding, "multidiscrete"))
    for simulator in (one, other):
        simulator.open(np.arange(8, dtype=np.uint64), np.zeros(8, np.int64))
    for _ in range(10):
        space = one.codec.space
        actions = rng.uniform(-1, 1, (8, *space.shape)) if encoding == "box" else rng.integers(space.n, size=8)
        seen = [one.advance(actions), other.advance(one.codec.to_levels(actions))]
        for a, b in zip(*seen, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("scenario", ["standard", "gallego-van-ryzin"])
def test_the_values_of_an_action_are_the_prices_that_customers_see(scenario):
    """Continuous prices too, which lie between levels."""
    simulator = Simulator(scenario, sales=8)
    simulator.open(np.arange(8, dtype=np.uint64), np.zeros(8, np.int64))
    actions = np.random.default_rng(1).uniform(-1, 1, (8, len(simulator.codec.names)))
    simulator.advance(actions)
    values = simulator.codec.to_values(actions)
    assert np.allclose(values[:, simulator.codec.columns("price")], simulator.sales["price"])


def test_levels_lead_back_to_themselves():
    scenario = fs.load_scenario("standard")
    rng = np.random.default_rng(2)
    for encoding in ("box", "multidiscrete"):
        codec = ActionCodec(scenario, encoding)
        levels = rng.integers(codec.n_levels, size=(50, len(codec.n_levels)))
        assert np.array_equal(codec.to_levels(codec.from_levels(levels)), levels)


@pytest.mark.parametrize(
    ("encoding", "action", "message"),
    [
        ("box", [[0.0], [1.5]], r"column 0 \(price\[ticket\]\) must lie in \[-1, 1\]"),
        ("multidiscrete", [[0], [11]], "must be a level in 0..10, got 11"),
        ("discrete", [0, 11], "must lie in 0..10, got 11"),
        ("box", [[0.0, 0.0]], "must have shape"),
    ],
)
def test_an_action_out_of_range_has_no_levels(encoding, action, message):
    codec = ActionCodec(fs.load_scenario("gvr-periodic"), encoding)
    with pytest.raises(ValueError, match=message):
        codec.to_levels(action)

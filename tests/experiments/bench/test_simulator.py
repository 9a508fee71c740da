"""Bare numpy makes the choices of the simulator."""

import numpy as np
import pytest

from flashsale_env import Simulator
from flashsale_env.experiments.bench.simulator import bare_numpy


@pytest.mark.parametrize("own_offers", [False, True])
def test_bare_numpy_buys_as_the_multinomial_logit_does(own_offers):
    """400,000 choices against softmax shares, each within 5 standard errors: a false alarm in 10^5 runs."""
    simulator = Simulator("standard", sales=4)
    simulator.open(np.arange(4, dtype=np.uint64), np.zeros(4, np.int64))
    simulator.sales["price_share"][:] = np.linspace(0.6, 1.2, 32).reshape(4, 8)
    customers, seconds, bought = bare_numpy(simulator, 400_000, own_offers)
    assert seconds > 0
    assert bought.sum() == customers >= 400_000

    voices = simulator.instance.voices
    for sale in range(4):
        offer = simulator.sales[sale if own_offers else 0]
        utility = voices["utility"] + offer["appeal"] - voices["price_sensitivity"][:, None] * offer["price_share"]
        weight = np.exp(np.column_stack([np.zeros(len(voices)), utility]))
        share = (weight / weight.sum(axis=1, keepdims=True)).mean(axis=0)
        n = bought[sale].sum()
        assert (np.abs(bought[sale] / n - share) < 5 * np.sqrt(share * (1 - share) / n) + 1e-4).all()

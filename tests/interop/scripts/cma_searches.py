"""CMA-ES over common sales through `Simulator`: the prices of a sale with two products."""

import cma
import numpy as np

from flashsale_env import Simulator
from flashsale_env.agents import split_seeds

sales = Simulator("mnl-stock", sales=256)
seeds, episodes = split_seeds("validation", 0, 256), np.zeros(256, np.int64)


def loss(action):
    """Minus the mean profit of a constant action, with the same customers in every call."""
    sales.open(seeds, episodes)
    for _ in range(sales.scenario.horizon_ticks):
        sales.advance(np.tile(np.clip(action, -1, 1), (256, 1)))
    return -sales.measure()[:, 0].mean()


best, search = cma.fmin2(loss, [0.0, 0.0], 0.3, {"maxfevals": 60, "verbose": -9, "seed": 1, "bounds": [-1, 1]})
assert -search.result.fbest > -loss([0.0, 0.0])
assert loss(best) == loss(best)  # common sales: no noise between two calls
print("ok", -search.result.fbest)

"""A policy from outside, and the profit of a fixed price to compare with."""

import numpy as np

from flashsale_env import agents
from flashsale_env.agents import play, split_seeds

SCENARIO = "gvr-periodic"

SEEDS = split_seeds("test", 0, 6)


def level(k):
    """Profit of a fixed price level on the sales of these tests."""
    return play(agents.make("fixed_price", SCENARIO, **{"price_level[ticket]": k}), SCENARIO, seeds=SEEDS)["profit"]


class Quiet:
    """A policy with a fixed answer."""

    encoding = "box"

    def __init__(self, answer=None, **attributes):
        self.answer = answer
        vars(self).update(attributes)

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return self.answer if self.answer is not None else (np.full((len(observation), 1), -1.0), state)

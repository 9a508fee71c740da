"""The exact expected profit of an agent."""

import numpy as np
import pytest

from flashsale_env import agents, load_scenario
from flashsale_env.agents.exact import evaluate_exactly


def test_an_agent_is_evaluated_in_every_encoding():
    """A multidiscrete agent that always shows level 7, 1.25: the best fixed price, 9.274319."""

    class Fixed:
        encoding = "multidiscrete"

        def predict(self, observation, state=None, episode_start=None, deterministic=True):
            return np.full((len(observation), 1), 7), state

    assert evaluate_exactly(Fixed(), "gvr-periodic") == pytest.approx(9.274319, abs=1e-6)


def test_only_what_tick_and_stock_determine_is_evaluated_exactly():
    with pytest.raises(ValueError, match="the agent keeps a state"):
        evaluate_exactly(agents.make("random", "gvr-periodic"), "gvr-periodic")
    seen = load_scenario("gvr-periodic").replace(observe=("time_left", "on_hand", "price"))
    with pytest.raises(ValueError, match="shows price, which tick and stock do not determine"):
        evaluate_exactly(agents.make("gvr", seen), seen)
    with pytest.raises(ValueError, match="the scenario has 2 products"):
        evaluate_exactly(agents.make("myopic", "mnl-stock"), "mnl-stock")

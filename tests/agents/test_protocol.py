"""What a policy must offer, and the errors for those that do not."""

import gymnasium as gym
import numpy as np
import pytest

from flashsale_env import agents
from flashsale_env.agents import play
from tests.agents.policies import SCENARIO, SEEDS, Quiet


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (object(), r"object has no predict: a policy needs predict\(observation, state"),
        (Quiet, "Quiet is a class: give an object of it"),
        (Quiet(encoding=None), "has neither `encoding`.* nor `action_space`"),
        (Quiet(encoding="boxes"), "unknown action encoding 'boxes'. Did you mean 'box'"),
        (Quiet(encoding=None, action_space=gym.spaces.MultiBinary(2)), "takes Box, MultiDiscrete or Discrete"),
        (Quiet(action_space=gym.spaces.Box(-1, 1, (2,))), r"made for the actions Box.*has Box"),
        (Quiet(observation_space=gym.spaces.Box(-1, 1, (7,))), r"observations of shape \(7,\)"),
        (Quiet(observation_space=gym.spaces.Dict({})), "was made for the observations Dict"),
        (Quiet(predict=lambda observation: None), "predict cannot be called as predict"),
        (
            Quiet(np.zeros((6, 1))),
            r"must return \(actions, state\), got one ndarray of shape \(6, 1\); without a",
        ),
        (Quiet((1, 2, 3)), "got a tuple of 3"),
    ],
)
def test_a_missing_part_is_an_error_before_anything_is_played(policy, message):
    with pytest.raises(ValueError, match=message):
        play(policy, SCENARIO, seeds=SEEDS)


def test_seeds_are_whole_numbers_and_a_batch_holds_a_sale():
    agent = agents.make("fixed_price", SCENARIO)
    for seeds in ([1.5], [1.0], ["1"], [True], [-1]):
        with pytest.raises(ValueError, match="seeds must be whole numbers of at least 0"):
            play(agent, SCENARIO, seeds=seeds)
    for batch in (0, -1, 2.0):
        with pytest.raises(ValueError, match="batch must be a whole number of sales, at least 1"):
            play(agent, SCENARIO, seeds=SEEDS, batch=batch)
    assert len(play(agent, SCENARIO, seeds=[1, 2**64 - 1])["profit"]) == 2

"""Environment ids: one for each shipped scenario and encoding of the actions.

Owns    the ids, the known optima, and what a spec says of the sale that is played.

An id is the scenario's name, the encoding unless it is "box", and the scenario's own version: a change of behaviour is
a new version of that scenario alone.

No limit of steps is registered: Gymnasium would put the id's limit around whatever scenario `make` is given, and cut a
longer sale short. The environment writes the limit of the sale that it plays into its own spec.
"""

import copy
from functools import cache
from typing import TYPE_CHECKING

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from flashsale_env.errors import unknown_name
from flashsale_env.scenario import SCENARIOS, Scenario, load_scenario
from flashsale_env.spaces.actions import ENCODINGS, ActionCodec

if TYPE_CHECKING:
    from flashsale_env.simulator import Simulator

NAMESPACE = "FlashSale"

_SUFFIX = {"box": "", "multidiscrete": "MultiDiscrete", "discrete": "Discrete"}

# Expected return of the best policy, currency a sale. tests/contract/test_registration.py solves each of them again.
OPTIMA = {
    # Gallego & van Ryzin (1994), any price: the recursion over ticks; 9.460500 in continuous time, by their theorem 1.
    "gallego-van-ryzin": 9.455156485156428,
    # The same limit, for only the integral of the arrival rate matters to it.
    "gvr-burst": 9.44873256912155,
    # Recursions over ticks: over the grid of prices, and over any price.
    "gvr-periodic": 9.412767542240195,
    "gvr-two-phase": 9.648210494794295,
    # 120 customers; for each predicted intent the best price of the grid among the voices so predicted. 400 units never
    # run out.
    "intent": 3115.069244298606,
    # 300 customers, each worth the margin 5.059084 by Lambert W, and the opening stock at what it cost.
    "mnl-price": 9017.725257962278,
    # Recursion over ticks and the stock of both products, Lambert W in each state.
    "mnl-stock": 13.154522388279583,
}


def environment_id(scenario: str, actions: str = "box") -> str:
    """The id of a shipped scenario.

    Raises:
        ValueError: unknown scenario or encoding.

    >>> environment_id("gvr-periodic")
    'FlashSale/GvrPeriodic-v1'
    >>> environment_id("gvr-periodic", "multidiscrete")
    'FlashSale/GvrPeriodicMultiDiscrete-v1'
    """
    if scenario not in SCENARIOS:
        raise ValueError(unknown_name("scenario", scenario, SCENARIOS))
    if actions not in _SUFFIX:
        raise ValueError(unknown_name("action encoding", actions, _SUFFIX))
    name = "".join(part.capitalize() for part in scenario.split("-"))
    return f"{NAMESPACE}/{name}{_SUFFIX[actions]}-v{_shipped(scenario).version}"


def known_optimum(scenario: Scenario, codec: ActionCodec) -> float | None:
    """Expected return of the best policy, where it is known and the actions can express that policy.

    Of a scenario as it is shipped only: other prices, stock or customers have another optimum.
    """
    if scenario.name not in OPTIMA or not codec.makes_every_decision or scenario != _shipped(scenario.name):
        return None
    return OPTIMA[scenario.name]


def spec_of_sale(spec: EnvSpec | None, simulator: "Simulator", limit: int, reward_scale: float) -> EnvSpec | None:
    """A spec with the limit and the optimum of the sale that a simulator plays.

    Without a limit of the user's own it is one step more than the sale has: at the horizon the sale is over by itself,
    and a limit there would call that an interruption. What somebody else's id says stays.
    """
    if spec is None:
        return None
    spec = copy.copy(spec)
    if spec.max_episode_steps is None:
        spec.max_episode_steps = limit
    if spec.namespace == NAMESPACE:
        optimum = known_optimum(simulator.scenario, simulator.codec) if simulator.plays_own_population else None
        spec.reward_threshold = None if optimum is None else optimum * reward_scale
    return spec


def register_environments() -> None:
    """Register every shipped scenario in every encoding; importing the package does it."""
    for name in SCENARIOS:
        for actions in ENCODINGS:
            if environment_id(name, actions) in gym.registry:
                continue
            gym.register(
                environment_id(name, actions),
                entry_point="flashsale_env.envs.sale:FlashSaleEnv",
                vector_entry_point="flashsale_env.envs.vector:FlashSaleVectorEnv",
                reward_threshold=known_optimum(_shipped(name), ActionCodec(_shipped(name), actions)),
                kwargs={"scenario": name} | ({} if actions == "box" else {"actions": actions}),
            )


@cache
def _shipped(name: str) -> Scenario:
    return load_scenario(name)

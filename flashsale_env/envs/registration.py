"""Environment ids: one for each shipped scenario and action encoding, in words, with several objectives, as a campaign.

Owns    the ids, the known optima, and the spec of an environment.

An id consists of the scenario's name, the encoding unless it is "box", and the version of the scenario. A change of
behaviour is a new version of that scenario alone.

No step limit is registered: Gymnasium would apply the limit of the id to any scenario given to `make`, and truncate a
longer sale. Instead the environment writes the limit of its own sale into its spec.
"""

import copy
from typing import TYPE_CHECKING

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from flashsale_env.errors import unknown_name
from flashsale_env.scenario import SCENARIOS, Scenario, load_scenario
from flashsale_env.spaces.actions import ENCODINGS, ActionCodec

if TYPE_CHECKING:
    from flashsale_env.simulator import Simulator

NAMESPACE, TEXT_NAMESPACE, MO_NAMESPACE = "FlashSale", "FlashSaleText", "FlashSaleMO"
CAMPAIGN_NAMESPACE = "FlashSaleCampaign"

_SUFFIX = {"box": "", "multidiscrete": "MultiDiscrete", "discrete": "Discrete"}

# Expected return of the best policy, currency per sale. tests/contract/test_registration.py solves each one again.
OPTIMA = {
    # Gallego & van Ryzin (1994), any price: recursion over ticks; 9.460500 in continuous time, by their theorem 1.
    "gallego-van-ryzin": 9.455156485156428,
    # The continuous-time value is the same, since only the integral of the arrival rate matters; its ticks are uneven.
    "gvr-burst": 9.44873256912155,
    # Recursions over ticks: over the grid of prices, and over any price.
    "gvr-periodic": 9.412767542240195,
    "gvr-two-phase": 9.648210494794295,
    # 120 customers; for each predicted intent the best grid price for the voices with that prediction. 400 units never
    # run out.
    "intent": 3115.069244298606,
    # 300 customers at margin 5.059084 each, by Lambert W, plus the salvage of the opening stock at cost.
    "mnl-price": 9017.725257962278,
    # Recursion over ticks and the stock of both products, with Lambert W in each state.
    "mnl-stock": 13.154522388279583,
    # `theory.duopoly`: recursion over ticks and the last price, plus the salvage of the opening stock at cost.
    "duopoly": 525.0976640131346,
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
    return _id(NAMESPACE, scenario, actions)


def text_environment_id(scenario: str) -> str:
    """The id of a shipped scenario in words, see `envs.text`.

    Raises:
        ValueError: unknown scenario.

    >>> text_environment_id("gvr-periodic")
    'FlashSaleText/GvrPeriodic-v1'
    """
    return _id(TEXT_NAMESPACE, scenario)


def mo_environment_id(scenario: str) -> str:
    """The id of a shipped scenario with vector rewards, see `envs.objectives`.

    Raises:
        ValueError: unknown scenario.

    >>> mo_environment_id("full")
    'FlashSaleMO/Full-v0'
    """
    return _id(MO_NAMESPACE, scenario)


def campaign_environment_id(scenario: str, actions: str = "box") -> str:
    """The id of a shipped scenario as a campaign of several sales, see `envs.campaign`.

    Raises:
        ValueError: unknown scenario or encoding, or a scenario without a [campaign].

    >>> campaign_environment_id("campaign")
    'FlashSaleCampaign/Campaign-v0'
    """
    name = _id(CAMPAIGN_NAMESPACE, scenario, actions)
    if load_scenario(scenario).campaign is None:
        raise ValueError(
            f"scenario {scenario!r} has no [campaign], so it is a single sale: {_id(NAMESPACE, scenario)}."
        )
    return name


def _id(namespace: str, scenario: str, actions: str = "box") -> str:
    if scenario not in SCENARIOS:
        raise ValueError(unknown_name("scenario", scenario, SCENARIOS))
    if actions not in _SUFFIX:
        raise ValueError(unknown_name("action encoding", actions, _SUFFIX))
    return f"{namespace}/{_camel(scenario)}{_SUFFIX[actions]}-v{load_scenario(scenario).version}"


def known_optimum(scenario: Scenario, codec: ActionCodec) -> float | None:
    """Expected return of the best policy, currency per sale; None unless it is known and the actions can express it.

    Known for scenarios exactly as shipped: other prices, stock or customers have another optimum.
    """
    if scenario.name not in OPTIMA or not codec.makes_every_decision or scenario != load_scenario(scenario.name):
        return None
    return OPTIMA[scenario.name]


def spec_of_sale(spec: EnvSpec | None, simulator: "Simulator", limit: int, reward_scale: float) -> EnvSpec | None:
    """A copy of the spec with the step limit and the known optimum of the simulated sale.

    Args:
        spec: of the environment; None stays None. The optimum is written only for ids of this package.
        simulator: the sale.
        limit: `max_episode_steps` unless the spec has its own. It is one step more than the horizon: at the horizon the
            sale terminates, and an equal limit would mark the same step as truncated.
        reward_scale: factor on the optimum.
    """
    if spec is None:
        return None
    spec = copy.copy(spec)
    if spec.max_episode_steps is None:
        spec.max_episode_steps = limit
    if spec.namespace in (NAMESPACE, TEXT_NAMESPACE):
        optimum = known_optimum(simulator.scenario, simulator.codec) if simulator.plays_own_population else None
        spec.reward_threshold = None if optimum is None else optimum * reward_scale
    return spec


def register_environments() -> None:
    """Register every shipped scenario in every encoding; called when the package is imported."""
    for name in SCENARIOS:
        if text_environment_id(name) not in gym.registry:
            gym.register(
                text_environment_id(name),
                entry_point="flashsale_env.envs.text:FlashSaleTextEnv",
                reward_threshold=OPTIMA.get(name),
                kwargs={"scenario": name},
            )
        if mo_environment_id(name) not in gym.registry:
            gym.register(
                mo_environment_id(name),
                entry_point="flashsale_env.envs.objectives:FlashSaleMOEnv",
                vector_entry_point="flashsale_env.envs.objectives_batch:FlashSaleMOVectorEnv",
                disable_env_checker=True,  # it wants a single number as the reward
                kwargs={"scenario": name},
            )
        for actions in ENCODINGS if load_scenario(name).campaign is not None else ():
            if campaign_environment_id(name, actions) not in gym.registry:
                gym.register(
                    campaign_environment_id(name, actions),
                    entry_point="flashsale_env.envs.campaign:FlashSaleCampaignEnv",
                    vector_entry_point="flashsale_env.envs.campaign_batch:FlashSaleCampaignVectorEnv",
                    kwargs={"scenario": name} | ({} if actions == "box" else {"actions": actions}),
                )
        for actions in ENCODINGS:
            if environment_id(name, actions) in gym.registry:
                continue
            scenario = load_scenario(name)
            optimum = known_optimum(scenario, ActionCodec(scenario, actions)) if name in OPTIMA else None
            gym.register(
                environment_id(name, actions),
                entry_point="flashsale_env.envs.sale:FlashSaleEnv",
                vector_entry_point="flashsale_env.envs.vector:FlashSaleVectorEnv",
                reward_threshold=optimum,
                kwargs={"scenario": name} | ({} if actions == "box" else {"actions": actions}),
            )


def _camel(scenario: str) -> str:
    return "".join(part.capitalize() for part in scenario.split("-"))

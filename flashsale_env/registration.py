"""One environment id for each shipped scenario."""

import gymnasium as gym

from flashsale_env.scenario import SCENARIOS

VERSION = 0


def environment_id(scenario: str) -> str:
    """The id of a shipped scenario.

    >>> environment_id("gvr-periodic")
    'FlashSale/GvrPeriodic-v0'
    """
    return f"FlashSale/{''.join(part.capitalize() for part in scenario.split('-'))}-v{VERSION}"


def register_environments() -> None:
    """Register every shipped scenario; importing the package does it."""
    for name in SCENARIOS:
        if environment_id(name) not in gym.registry:
            gym.register(
                environment_id(name),
                entry_point="flashsale_env.env:FlashSaleEnv",
                vector_entry_point="flashsale_env.vector:FlashSaleVectorEnv",
                kwargs={"scenario": name},
            )

"""A native batch of campaigns; a batch needs a newer Gymnasium than a single campaign does."""

from typing import Any

from flashsale_env.campaign import CampaignSimulator
from flashsale_env.envs.vector import FlashSaleVectorEnv
from flashsale_env.scenario import Scenario


class FlashSaleCampaignVectorEnv(FlashSaleVectorEnv):
    """A batch of campaigns; campaign i of `reset(seed=s)` is, bit for bit, the single environment with seed s + i.

    Args:
        num_envs: N.
        scenario: as for `FlashSaleCampaignEnv`.
        options: the other arguments of `FlashSaleVectorEnv`. `max_episode_steps` counts the ticks of all sales.

    Raises:
        ValueError: as `FlashSaleVectorEnv`, or the scenario has no [campaign].
    """

    _simulator_class = CampaignSimulator

    def __init__(self, num_envs: int = 1, scenario: str | Scenario = "campaign", **options: Any) -> None:
        super().__init__(num_envs, scenario, **options)

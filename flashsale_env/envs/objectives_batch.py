"""A native batch of sales with several objectives; a batch needs a newer Gymnasium than a single sale does."""

from typing import Any

from gymnasium.vector.utils import batch_space

from flashsale_env.envs.objectives import (
    Floats,
    Objectives,
    checked_objectives,
    reward_space,
    vector_reward,
    weights,
)
from flashsale_env.envs.vector import FlashSaleVectorEnv
from flashsale_env.scenario import Scenario, load_scenario


class FlashSaleMOVectorEnv(FlashSaleVectorEnv):
    """A batch of N sales with vector rewards, (N, J) float64.

    Args:
        num_envs: N.
        scenario, objectives: as for `FlashSaleMOEnv`.
        options: the other arguments of `FlashSaleVectorEnv`.

    Raises:
        ValueError: see `checked_objectives`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Scenario = "full",
        *,
        objectives: Objectives | None = None,
        **options: Any,
    ) -> None:
        sale = load_scenario(scenario)
        self.objectives = checked_objectives(sale, objectives)
        super().__init__(num_envs, sale, **options)
        self._weights = weights(self.objectives)
        self.single_reward_space = reward_space(self.objectives)
        self.reward_space = batch_space(self.single_reward_space, self.num_envs)

    def step(self, actions: Any) -> tuple[Any, Floats, Any, Any, dict[str, Any]]:
        """As for `FlashSaleVectorEnv`, with rewards (N, J)."""
        observations, _, terminated, truncated, info = super().step(actions)
        return observations, vector_reward(info, self._weights, self.reward_scale), terminated, truncated, info

"""A sale with several sellers as a PettingZoo `ParallelEnv`: the batch with N = 1.

Leaves  everything but the interface to `envs.sellers`.
Needs   the extra `sellers`: PettingZoo.

    env = FlashSaleParallelEnv("duopoly")
    observations, infos = env.reset(seed=0)
    while env.agents:
        actions = {agent: env.action_space(agent).sample() for agent in env.agents}
        observations, rewards, terminations, truncations, infos = env.step(actions)
"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from flashsale_env.envs.infos import KEYS
from flashsale_env.envs.sale import RENDER_FPS, RENDER_MODES, checked_render_mode, frame
from flashsale_env.envs.sellers import SellersBatch
from flashsale_env.population import Population
from flashsale_env.scenario import Scenario

try:
    from pettingzoo import ParallelEnv
except ImportError as error:
    raise ImportError(f"{error}: several sellers need PettingZoo, pip install 'flashsale-env[sellers]'.") from None

Observation = npt.NDArray[np.float32]


class FlashSaleParallelEnv(ParallelEnv[str, Observation, Any]):  # type: ignore[misc]  # PettingZoo has no types
    """One flash sale with several sellers. Every seller is an agent with its own decisions, observations and money.

    An agent's action and observation have the form of `FlashSaleEnv`, from its own side: `batch.codecs[agent]` and
    `batch.layouts[agent]` name every number. Of the other sellers it sees prices and what is sold out. All agents
    leave at the close of the sale, which is a termination.

    Args:
        scenario, population, actions, scripted, reward_scale, clip_actions: as for `SellersBatch`.
        render_mode: None, "ansi" or "rgb_array": the shop's view.
    """

    metadata = {  # noqa: RUF012  (PettingZoo's own form)
        "name": "flashsale_sellers_v0",
        "render_modes": list(RENDER_MODES),
        "render_fps": RENDER_FPS,
        "is_parallelizable": True,
    }

    def __init__(
        self,
        scenario: str | Scenario = "duopoly",
        population: str | Population | None = None,
        actions: str = "box",
        scripted: Sequence[str] = (),
        render_mode: str | None = None,
        reward_scale: float = 1.0,
        clip_actions: bool = False,
    ) -> None:
        self.render_mode = checked_render_mode(render_mode)
        self.batch = SellersBatch(
            1, scenario, population, actions, scripted, threads=1, reward_scale=reward_scale, clip_actions=clip_actions
        )
        self.possible_agents = list(self.batch.agents)
        self.agents: list[str] = []
        self._opened = False

    def observation_space(self, agent: str) -> gym.spaces.Box:
        """The Box of an agent's observations, always the same object."""
        return self.batch.observation_spaces[agent]

    def action_space(self, agent: str) -> gym.spaces.Space[Any]:
        """The space of an agent's actions, always the same object."""
        space: gym.spaces.Space[Any] = self.batch.action_spaces[agent]
        return space

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Open the next sale.

        Args:
            seed: as for `FlashSaleEnv.reset`.
            options: without effect; PettingZoo's own test passes one that no environment knows.

        Returns:
            Agent -> observation (D,) float32; and agent -> info.

        Raises:
            ValueError: the seed is not a whole number in 0..2^64 - 1.
        """
        observations, infos = self.batch.reset(seed=seed)
        self.agents, self._opened = list(self.possible_agents), True
        return self._first(observations), self._info(infos)

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Play one tick.

        Args:
            actions: agent -> (C_a,), or a single index in the discrete encoding.

        Returns:
            Agent -> observation, reward, terminated (the sale closed), truncated (always False), info.

        Raises:
            ValueError: as for `SellersBatch.step`.
            gymnasium.error.ResetNeeded: the sale is closed, or was never opened.
        """
        batched = {agent: np.asarray(action)[None] for agent, action in actions.items()}
        observations, rewards, closed, infos = self.batch.step(batched)
        over = bool(closed[0])
        live, self.agents = self.agents, [] if over else self.agents
        return (
            self._first(observations),
            {agent: float(reward[0]) for agent, reward in rewards.items()},
            dict.fromkeys(live, over),
            dict.fromkeys(live, False),
            self._info(infos),
        )

    def render(self) -> Any:
        """The shop's view as text ("ansi") or as an (H, W, 3) uint8 picture ("rgb_array"); None without a mode.

        Raises:
            gymnasium.error.ResetNeeded: no sale was ever opened.
        """
        if self.render_mode is not None and not self._opened:
            raise gym.error.ResetNeeded("the sale was never opened: call reset() first.")
        return frame(self.batch.scenario, self.batch.simulator.sales[0], self.render_mode)

    @staticmethod
    def _first(observations: dict[str, Observation]) -> dict[str, Observation]:
        return {agent: rows[0] for agent, rows in observations.items()}

    @staticmethod
    def _info(infos: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {agent: {key: info[key][0] for key in KEYS} for agent, info in infos.items()}

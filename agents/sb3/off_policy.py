"""Learners that replay transitions: DQN, SAC, TQC and TD3.

Owns    the algorithms, how their settings become arguments, and exploration of a whole batch at once.
Leaves  the potential of the reward shaping to `sb3.potential`, everything that learners share to `sb3.base`.
Axes    N sales at once, C columns of a box action.
"""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from sb3_contrib import TQC
from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import ActionNoise, VectorizedActionNoise
from torch import nn

from flashsale_env import Population, Scenario
from flashsale_env.agents.sb3.advice import AdvisedSales
from flashsale_env.agents.sb3.base import SB3Agent, reward_scale
from flashsale_env.agents.sb3.networks.merchant import MerchantFeatures
from flashsale_env.agents.sb3.potential import Potential
from flashsale_env.agents.sb3.settings import DQNSettings, OffPolicy, SACSettings, TD3Settings, TQCSettings
from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv

# Sales of the training customers from which a potential is estimated.
_POTENTIAL_SALES = 2048


class OffPolicyAgent(SB3Agent):
    """What the learners that replay transitions share: Stable-Baselines3's networks over the merchant's features."""

    settings: OffPolicy

    def __init__(self, scenario: str | Path | Scenario, **options: Any) -> None:
        super().__init__(scenario, **options)
        self._potential = self._rule("potential", {}) if self.settings.potential else None

    def build(self, venv: AdvisedSales) -> Any:
        model = super().build(venv)
        if self._correction:
            # A last layer of zeros: before the first update the advice is played unchanged.
            last = [part for part in model.actor.mu.modules() if isinstance(part, nn.Linear)][-1]
            with torch.no_grad():
                last.weight.zero_()
                last.bias.zero_()
        return model

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "potential_params": {} if self._potential is None else self._potential.params}

    @property
    def log_interval(self) -> int:
        """One line of figures a round: Stable-Baselines3 counts the sales that closed."""
        return self.settings.num_envs

    def shape_rewards(self, venv: AdvisedSales, population: Population) -> None:
        if self._potential is None:
            return
        played = FlashSaleVecEnv(
            self.scenario,
            population,
            num_envs=_POTENTIAL_SALES,
            actions=self._potential.encoding,
            run=self.seed,
            reward_scale=reward_scale(self.scenario),
            threads=1,
        )
        venv.potential, venv.gamma = Potential(self._potential, played, self.settings.gamma), self.settings.gamma

    def _arguments(self, sales: int) -> dict[str, Any]:
        s = self.settings
        # The buffer is no larger than the training: an array that is never filled still costs its memory.
        transitions = -(-s.sales // s.num_envs) * s.num_envs * self.scenario.horizon_ticks
        return {
            "policy": "MlpPolicy",
            "batch_size": s.batch_size,
            "train_freq": 1,
            "gradient_steps": s.gradient_steps,
            "buffer_size": min(s.buffer_size, transitions) if sales == s.num_envs else sales,
            "learning_starts": min(s.learning_starts, transitions // 5),
            "tau": s.tau,
            "n_steps": s.n_steps or max(1, self.scenario.horizon_ticks // 10),
            "policy_kwargs": {
                "net_arch": list(s.net_arch),
                "features_extractor_class": MerchantFeatures,
                "features_extractor_kwargs": MerchantFeatures.of_scenario(self.scenario),
            },
        }


class _WideDQN(DQN):
    """DQN in which every sale of the batch explores on its own; Stable-Baselines3 draws once for the whole batch."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        actions, state = self.policy.predict(observation, state, episode_start, deterministic=True)
        if not deterministic:
            number: Any = getattr(self.action_space, "n")  # noqa: B009  (a Discrete space; DQN has no other)
            explores = torch.rand(actions.shape).numpy() < self.exploration_rate
            others = torch.randint(int(number), actions.shape).numpy()
            actions = np.where(explores, others, actions)
        return actions, state


class DQNAgent(OffPolicyAgent):
    """Deep Q-network over the small grid of discrete actions.

    Source: Mnih et al. (2015), Human-level control through deep reinforcement learning, Nature 518.
    """

    name = "dqn"
    algorithm: ClassVar[type[BaseAlgorithm]] = _WideDQN
    settings: DQNSettings

    def begin_round(self, done: float) -> None:
        self.model.exploration_rate = self.model.exploration_schedule(1.0 - done)

    def _arguments(self, sales: int) -> dict[str, Any]:
        s = self.settings
        return {
            **super()._arguments(sales),
            "target_update_interval": sales,  # once a tick
            "exploration_final_eps": s.exploration,
            "exploration_fraction": s.exploration_share,
        }


class SACAgent(OffPolicyAgent):
    """Soft actor-critic.

    Source: Haarnoja et al. (2018), Soft Actor-Critic, arXiv:1801.01290.
    """

    name = "sac"
    algorithm: ClassVar[type[BaseAlgorithm]] = SAC
    settings: SACSettings

    def _arguments(self, sales: int) -> dict[str, Any]:
        return {**super()._arguments(sales), "ent_coef": self.settings.ent_coef}


class TQCAgent(SACAgent):
    """Truncated quantile critics.

    Source: Kuznetsov et al. (2020), Controlling Overestimation Bias with Truncated Mixture of Continuous
    Distributional Quantile Critics, arXiv:2005.04269.
    """

    name = "tqc"
    algorithm: ClassVar[type[BaseAlgorithm]] = TQC
    settings: TQCSettings

    def _arguments(self, sales: int) -> dict[str, Any]:
        arguments = super()._arguments(sales)
        arguments["policy_kwargs"]["n_quantiles"] = self.settings.n_quantiles
        return {**arguments, "top_quantiles_to_drop_per_net": self.settings.dropped_quantiles}


class _WideNoise(VectorizedActionNoise):
    """Independent normal noise for the whole batch, in one draw.

    Args:
        sd: standard deviation.
        shape: (N, C).
    """

    def __init__(self, sd: float, shape: tuple[int, ...]) -> None:
        ActionNoise.__init__(self)
        self._sd, self._shape = sd, shape

    def reset(self, indices: Any = None) -> None:
        """White noise has no state to reset."""

    def __call__(self) -> npt.NDArray[Any]:
        return np.asarray(self._sd * torch.randn(self._shape).numpy())


class TD3Agent(OffPolicyAgent):
    """Twin delayed deep deterministic policy gradient.

    Source: Fujimoto et al. (2018), Addressing Function Approximation Error in Actor-Critic Methods, arXiv:1802.09477.
    """

    name = "td3"
    algorithm: ClassVar[type[BaseAlgorithm]] = TD3
    settings: TD3Settings

    def _arguments(self, sales: int) -> dict[str, Any]:
        s = self.settings
        return {
            **super()._arguments(sales),
            "action_noise": _WideNoise(s.noise, (sales, len(self._box.names))),
            "target_policy_noise": s.target_noise,
            "target_noise_clip": 2.5 * s.target_noise,
        }

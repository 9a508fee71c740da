"""Learners that update from a rollout and then drop it: A2C and the variants of PPO.

Owns    the algorithms, and how their settings become arguments.
Leaves  networks, advice and noise to `sb3.policy`, everything that learners share to `sb3.base`.
Axes    N sales at once, T ticks a sale, C columns of a box action.

They start from the advice of a heuristic and learn corrections of it.
"""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from flashsale_env.agents.sb3.base import SB3Agent
from flashsale_env.agents.sb3.policy import (
    NETWORKS,
    AdvisedMaskablePolicy,
    AdvisedPolicy,
    AdvisedRecurrentPolicy,
    grid,
)
from flashsale_env.agents.sb3.settings import OnPolicy, PPOSettings, RecurrentSettings
from flashsale_env.errors import unknown_name

# Levels of a decision for which `log_std` holds as it is.
_USUAL_LEVELS = 4


class OnPolicyAgent(SB3Agent):
    """What the learners that correct advice share."""

    policy_class: ClassVar[type[Any]] = AdvisedPolicy
    settings: OnPolicy

    def decide(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_], mode: bool
    ) -> tuple[npt.NDArray[Any], Any]:
        if episode_start.any():
            self.policy.begin_sales()
        return super().decide(observations, state, episode_start, mode)

    def begin_round(self, done: float) -> None:
        first, last = self.settings.ent_coef, self.settings.final_ent_coef
        self.model.ent_coef = first + (last - first) * done
        if self.settings.final_log_std is not None and self.encoding == "box":
            fall = (self.settings.final_log_std - self.settings.log_std) * done
            self.policy.fix_log_stds(self._log_stds + fall)
        self.policy.begin_sales()

    def _arguments(self, sales: int) -> dict[str, Any]:
        s = self.settings
        if s.policy not in NETWORKS:
            raise ValueError(unknown_name("policy", s.policy, NETWORKS))
        network = NETWORKS[s.policy]
        if self.encoding not in network.encodings:
            raise ValueError(
                f"policy {s.policy!r} is for {' and '.join(network.encodings)} actions, got {self.encoding!r}; choose "
                f"other actions or policy 'merchant'."
            )
        return {
            "policy": self.policy_class,
            "n_steps": self._rollout_ticks,
            "gae_lambda": s.gae_lambda,
            "policy_kwargs": {
                "net_arch": list(s.net_arch),
                "network": s.policy,
                "log_stds": self._log_stds.tolist(),
                "kinds": network.noise_kinds(self._box),
                "places": grid(self.scenario, self.encoding),
                "features_extractor_class": network.reads,
                "features_extractor_kwargs": {
                    **network.reads.of_scenario(self.scenario),
                    "reacts_to": s.reacts_to,
                },
                **self._policy_arguments(),
            },
        }

    def _policy_arguments(self) -> dict[str, Any]:
        return {"persistence": self.settings.persistence}

    def _batch_options(self) -> dict[str, Any]:
        return {"siblings": self.settings.siblings, "pay_at_close": self.settings.pay_at_close}

    @property
    def _log_stds(self) -> npt.NDArray[np.float64]:
        """(C,) log standard deviations at the start of the training."""
        # Advice lies at the far end of a cell. The wider the cells, the more noise it takes to try another level.
        log_stds = self.settings.log_std + np.log(_USUAL_LEVELS / self._box.n_levels)
        for decision in ("price", "coupon", "targeted"):
            log_stds[self._box.columns(decision)] = self.settings.log_std
        log_stds[self._box.columns("order")] = self.settings.log_std_orders
        return np.asarray(log_stds)

    @property
    def _rollout_ticks(self) -> int:
        ticks, horizon = self.settings.rollout_ticks, self.scenario.horizon_ticks
        if ticks and horizon % ticks:
            raise ValueError(
                f"rollout_ticks must divide the horizon of {horizon} ticks, got {ticks}; 0 is a whole sale."
            )
        return ticks or horizon


class A2CAgent(OnPolicyAgent):
    """Advantage actor-critic, one gradient step a rollout.

    Source: Mnih et al. (2016), Asynchronous Methods for Deep Reinforcement Learning, arXiv:1602.01783.
    """

    name = "a2c"
    algorithm: ClassVar[type[BaseAlgorithm]] = A2C

    def _arguments(self, sales: int) -> dict[str, Any]:
        return {**super()._arguments(sales), "normalize_advantage": True, "use_rms_prop": False}


class PPOAgent(OnPolicyAgent):
    """Proximal policy optimisation.

    Source: Schulman et al. (2017), Proximal Policy Optimization Algorithms, arXiv:1707.06347.
    """

    name = "ppo"
    algorithm: ClassVar[type[BaseAlgorithm]] = PPO
    settings: PPOSettings

    def _arguments(self, sales: int) -> dict[str, Any]:
        s = self.settings
        return {
            **super()._arguments(sales),
            "batch_size": even_batch(sales * self._rollout_ticks, s.batch_size),
            "n_epochs": s.n_epochs,
            "clip_range": s.clip_range,
        }


def even_batch(transitions: int, most: int) -> int:
    """Size of the mini-batches of a rollout: the largest up to `most` that leaves no remainder.

    A remainder is a small last mini-batch. Its gradient is noisy, and counts as much as that of a full one. If every
    size without a remainder is below half of `most`, `most` is returned.

    >>> even_batch(48 * 1000, 15_360), even_batch(60 * 1024, 15_360), even_batch(7, 15_360), even_batch(2 * 5003, 1024)
    (12000, 15360, 7, 1024)
    """
    fewest = -(-transitions // most)
    parts = next((parts for parts in range(fewest, 2 * fewest + 1) if transitions % parts == 0), None)
    return min(most, transitions) if parts is None else transitions // parts


class MaskablePPOAgent(PPOAgent):
    """PPO on grids, with the actions masked that would change nothing.

    Source: Huang & Ontañón (2022), A Closer Look at Invalid Action Masking in Policy Gradient Algorithms,
    arXiv:2006.14171.
    """

    name = "maskable_ppo"
    algorithm: ClassVar[type[BaseAlgorithm]] = MaskablePPO
    takes_masks: ClassVar[bool] = True
    policy_class = AdvisedMaskablePolicy

    def _policy_arguments(self) -> dict[str, Any]:
        return {}


class RecurrentPPOAgent(PPOAgent):
    """PPO with an LSTM, whose memory is in `state`: (hidden, cell), each of shape (1, N, `memory`).

    Source: Hausknecht & Stone (2015), Deep Recurrent Q-Learning for Partially Observable MDPs, arXiv:1507.06527, for
    the memory; `PPOAgent` for the rest.
    """

    name = "recurrent_ppo"
    algorithm: ClassVar[type[BaseAlgorithm]] = RecurrentPPO
    policy_class = AdvisedRecurrentPolicy
    settings: RecurrentSettings

    def _policy_arguments(self) -> dict[str, Any]:
        return {**super()._policy_arguments(), "lstm_hidden_size": self.settings.memory}

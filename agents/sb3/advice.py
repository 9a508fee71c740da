"""Sales as the learners see them: observations followed by the advice of a heuristic, and shaped rewards.

Owns    the wrapper around the batch, and how a correction changes the advice.
Leaves  the advice itself to `sb3.base`, the potential to `sb3.potential`.
Axes    N sales at once, D numbers of an observation, C columns of a box action.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv
from flashsale_env.spaces.masks import ActionMasks

Observations = npt.NDArray[np.float32]
Worth = npt.NDArray[np.float64]

# Advice lies within the action's box.
_ADVICE_BOUND = 1.0


class AdvisedSales(VecEnvWrapper):
    """Sales with each observation followed by the advice, with the masks of the actions, and with shaped rewards.

    Args:
        venv: the sales.
        advise: (N, D) -> (N, D + C).
        advice: C.
        masks: of the actions, where the learner needs them.
        correction: half-width of the corrections: an action a in -1..1 plays advice + correction · a. 0 where actions
            are played as they are.

    Attributes:
        potential: (N, D) -> (N,), the potential of the reward shaping, see `sb3.potential`; None for no shaping.
        gamma: discount factor of the shaping.
    """

    venv: FlashSaleVecEnv

    def __init__(
        self,
        venv: FlashSaleVecEnv,
        advise: Callable[[Observations], Observations],
        advice: int,
        masks: ActionMasks | None = None,
        correction: float = 0.0,
    ) -> None:
        box = venv.observation_space
        assert isinstance(box, spaces.Box)
        edge = np.full(advice, _ADVICE_BOUND, np.float32)
        low, high = np.append(box.low, -edge), np.append(box.high, edge)
        super().__init__(venv, observation_space=spaces.Box(low, high, dtype=np.float32))
        self._advise, self._masks, self.correction = advise, masks, correction
        self.potential: Callable[[Observations], Worth] | None = None
        self.gamma = 1.0
        self._shown: Observations | None = None
        self._advised: Observations = np.zeros((venv.num_envs, len(low)), np.float32)
        self._worth: Worth = np.zeros(venv.num_envs)

    def reset(self) -> Observations:
        shown = self._shown = self.venv.reset()
        if self.potential is not None:
            self._worth = self.potential(shown)
        self._advised = self._advise(shown)
        return self._advised

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        self.venv.step_async(corrected(self._advised, actions, self.correction) if self.correction else actions)

    def step_wait(self) -> VecEnvStepReturn:
        shown, rewards, dones, infos = self.venv.step_wait()
        assert isinstance(shown, np.ndarray)
        self._shown = shown
        if self.potential is not None:
            before, self._worth = self._worth, self.potential(shown)
            # `shown` opens the next sale where `dones`: nothing is left of the closed one.
            rewards = (rewards + self.gamma * self._worth * ~dones - before).astype(np.float32)
        if dones[0]:  # all sales of the batch close together
            last = self._advise(np.stack([info["terminal_observation"] for info in infos]))
            for info, observation in zip(infos, last, strict=True):
                info["terminal_observation"] = observation
        self._advised = self._advise(shown)
        return self._advised, rewards, dones, infos

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """(N, A) masks for the latest observations."""
        assert self._masks is not None
        assert self._shown is not None
        return self._masks(self._shown)

    def has_attr(self, attr_name: str) -> bool:
        return attr_name == "action_masks" or super().has_attr(attr_name)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """The masks are the batch's: one row of them for each sale."""
        if method_name == "action_masks":
            return list(self.action_masks()[list(self._get_indices(indices))])
        return super().env_method(method_name, *method_args, indices=indices, **method_kwargs)


def corrected(advised: Observations, corrections: npt.NDArray[np.float32], width: float) -> npt.NDArray[np.float32]:
    """The advice, the last C columns of (N, D + C), plus width · corrections (N, C), clipped to -1..1; (N, C)."""
    advice = advised[:, -corrections.shape[1] :]
    return np.asarray(np.clip(advice + width * corrections, -_ADVICE_BOUND, _ADVICE_BOUND), np.float32)

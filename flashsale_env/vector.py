"""N sales as one Gymnasium vector environment: a native batch, not a loop over environments."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from flashsale_env.core.metrics import METRICS
from flashsale_env.core.rewards import REWARD_TERMS
from flashsale_env.env import observation_space
from flashsale_env.errors import unknown_name
from flashsale_env.population import Population
from flashsale_env.scenario import Scenario
from flashsale_env.simulator import Simulator

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


class FlashSaleVectorEnv(gym.vector.VectorEnv[Any, Any, Any]):
    """A batch of flash sales; sale i of `reset(seed=s)` is, bit for bit, the single environment with seed s + i.

    Args:
        num_envs: N.
        scenario, population, actions: as for `FlashSaleEnv`.
        autoreset_mode: when a closed sale is opened anew: in the next step (default), in the same step, or never
            (then call `reset(options={"reset_mask": mask})`).
        threads: rows are split over at most this many threads; all usable cores by default.

    Rewards are float64. `info["reward_terms"]` and `info["metrics"]` hold one array a name, with Gymnasium's masks.
    """

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Scenario = "standard",
        population: str | Population | None = None,
        actions: str = "box",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        threads: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode is not None:
            raise ValueError(f"the vector environment does not render, got render_mode={render_mode!r}.")
        self.simulator = Simulator(scenario, population, sales=num_envs, actions=actions, threads=threads)
        self.layout = self.simulator.layout
        self.codec = self.simulator.codec
        self.scenario = self.simulator.scenario
        self.num_envs = num_envs
        self.render_mode = None
        modes = [mode.value for mode in AutoresetMode]
        if not isinstance(autoreset_mode, AutoresetMode) and autoreset_mode not in modes:
            raise ValueError(unknown_name("autoreset_mode", autoreset_mode, modes))
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.single_action_space = self.codec.space
        self.single_observation_space = observation_space(self.layout)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._seeds = np.zeros(num_envs, np.uint64)
        self._episodes = np.full(num_envs, -1, np.int64)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Floats, dict[str, Any]]:
        """Open new sales in all rows, or in those of `options["reset_mask"]`."""
        mask = np.ones(self.num_envs, np.bool_)
        if options is not None and "reset_mask" in options:
            mask = np.asarray(options["reset_mask"])
            if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
                raise ValueError(
                    f"reset_mask must be {self.num_envs} booleans, at least one of them true, "
                    f"got {mask.dtype} of shape {mask.shape}."
                )
        super().reset(seed=seed if isinstance(seed, int) else None)
        self._take_seeds(seed, mask)
        observations = self._last_observations(mask)
        observations[mask] = self._open(mask)
        return observations, self._info(np.zeros((self.num_envs, len(REWARD_TERMS))), mask)

    def step(self, actions: Any) -> tuple[Floats, npt.NDArray[np.float64], Bools, Bools, dict[str, Any]]:
        """Play one tick of every sale, and open closed ones anew as `autoreset_mode` says.

        Raises:
            ValueError: an action has a wrong shape or type, is not finite or out of range; nothing was played.
            gymnasium.error.ResetNeeded: a sale was never opened, or is closed and autoreset is disabled.
        """
        was_closed = self.simulator.closed
        if (self._episodes < 0).any() or (self.autoreset_mode is AutoresetMode.DISABLED and was_closed.any()):
            raise gym.error.ResetNeeded(
                "a sale is closed or was never opened: call reset(), or reset(options={'reset_mask': mask})."
            )
        observations, rewards, terms = self.simulator.advance(actions)
        everyone = np.ones(self.num_envs, np.bool_)
        terminated = self.simulator.closed & ~was_closed
        info: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.NEXT_STEP and was_closed.any():
            observations[was_closed] = self._open(was_closed)
        if self.autoreset_mode is AutoresetMode.SAME_STEP and terminated.any():
            final_info = self._info(terms, terminated)
            info = {"final_obs": observations.copy(), "_final_obs": terminated.copy()}
            info |= {"final_info": final_info, "_final_info": terminated.copy()}
            observations[terminated] = self._open(terminated)
        info |= self._info(terms, everyone)
        return observations, rewards, terminated, np.zeros(self.num_envs, np.bool_), info

    def _take_seeds(self, seed: int | Sequence[int | None] | None, mask: Bools) -> None:
        if seed is None:
            unseeded = mask & (self._episodes < 0)
            base = (self.np_random_seed or 0) if unseeded.any() else 0
            given = [(base + i) % 2**64 if fresh else None for i, fresh in enumerate(unseeded)]
        elif isinstance(seed, int | np.integer):
            given = [(int(seed) + i) % 2**64 for i in range(self.num_envs)]
        else:
            if len(seed) != self.num_envs:
                raise ValueError(f"want one seed for each of {self.num_envs} sales, got {len(seed)}.")
            given = [None if s is None else int(s) % 2**64 for s in seed]
        for i in np.flatnonzero(mask):
            own = given[i]
            if own is not None:
                self._seeds[i] = own
                self._episodes[i] = -1

    def _open(self, mask: Bools) -> Floats:
        rows = np.flatnonzero(mask)
        self._episodes[rows] += 1
        return self.simulator.open(self._seeds[rows], self._episodes[rows], rows)

    def _last_observations(self, mask: Bools) -> Floats:
        """Observations of the sales that stay as they are; a row that is opened is overwritten by the caller."""
        if mask.all():
            return np.empty((self.num_envs, self.layout.size), np.float32)
        return self.simulator.observe()

    def _info(self, terms: npt.NDArray[np.float64], mask: Bools) -> dict[str, Any]:
        info: dict[str, Any] = {}
        for key, names, columns in (
            ("reward_terms", REWARD_TERMS, terms),
            ("metrics", METRICS, self.simulator.measure()),
        ):
            nested: dict[str, Any] = {}
            for column, name in enumerate(names):
                nested[name] = columns[:, column].copy()
                nested[f"_{name}"] = mask.copy()
            info[key], info[f"_{key}"] = nested, mask.copy()
        return info

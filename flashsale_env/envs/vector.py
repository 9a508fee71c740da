"""N sales as one Gymnasium vector environment: a native batch, not a loop over environments.

Needs   gymnasium 1.1 for its autoreset modes; a single sale also runs with 0.29.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import EnvSpec

try:
    from gymnasium.vector import AutoresetMode
except ImportError:
    raise ImportError(
        f"a batch of sales needs gymnasium 1.1 or newer, this is {gym.__version__}: pip install 'gymnasium>=1.1'. "
        f"Single sales (gymnasium.make) run with it."
    ) from None
from gymnasium.vector.utils import batch_space

from flashsale_env.envs.infos import info_of_batch
from flashsale_env.envs.registration import spec_of_sale
from flashsale_env.envs.sale import (
    RENDER_FPS,
    RENDER_MODES,
    check_options,
    checked_render_mode,
    checked_scale,
    frame,
    observation_space,
)
from flashsale_env.errors import unknown_name
from flashsale_env.population import Population
from flashsale_env.scenario import REWARD_TERMS, Scenario
from flashsale_env.seeds import checked_seed, checked_seeds, consecutive_seeds, fresh_seeds, seed_array
from flashsale_env.simulator import Simulator, checked_count
from flashsale_env.spaces.masks import ActionMasks

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

# The attributes of a single sale that `call` and `get_attr` offer: its name there -> its name here. The sales share
# these,
_SHARED = {name: name for name in ("scenario", "layout", "codec", "spec", "render_mode", "reward_scale")}
_SHARED |= {"action_space": "single_action_space", "observation_space": "single_observation_space"}
# each sale has its own result of these methods,
_PER_SALE = ("action_masks", "render")
# and these can be set, for all sales at once.
_SETTABLE = ("render_mode", "reward_scale")


class FlashSaleVectorEnv(gym.vector.VectorEnv[Any, Any, Any]):
    """A batch of flash sales; sale i of `reset(seed=s)` is, bit for bit, the single environment with seed s + i.

    Args:
        num_envs: N.
        scenario, population, actions, render_mode, reward_scale, clip_actions: as for `FlashSaleEnv`.
        autoreset_mode: when a new sale replaces a closed one: in the next step (default), in the same step, or never
            (then call `reset(options={"reset_mask": mask})`).
        threads: rows are split over at most this many threads; all usable cores by default.
        max_episode_steps: steps after which a sale is truncated, as by Gymnasium's `TimeLimit`; None for never.

    Rewards are float64. The info holds one array per key, with Gymnasium's masks, see `flashsale_env.envs.infos`.

    Raises:
        ValueError: unknown names, wrong counts, or more sales than the machine has memory for.
    """

    _simulator_class: type[Simulator] = Simulator

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Scenario = "standard",
        population: str | Population | None = None,
        actions: str = "box",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        threads: int | None = None,
        render_mode: str | None = None,
        reward_scale: float = 1.0,
        clip_actions: bool = False,
        max_episode_steps: int | None = None,
    ) -> None:
        self.num_envs = checked_count("num_envs", num_envs, 1)
        self.render_mode = checked_render_mode(render_mode)
        self.reward_scale = checked_scale(reward_scale)
        modes = [mode.value for mode in AutoresetMode]
        if not isinstance(autoreset_mode, AutoresetMode) and autoreset_mode not in modes:
            raise ValueError(unknown_name("autoreset_mode", autoreset_mode, modes))
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.simulator = self._simulator_class(
            scenario, population, sales=self.num_envs, actions=actions, clip_actions=clip_actions, threads=threads
        )
        self.layout = self.simulator.layout
        self.codec = self.simulator.codec
        self.scenario = self.simulator.scenario
        self._limit = self.simulator.episode_ticks + 1
        if max_episode_steps is not None:
            self._limit = checked_count("max_episode_steps", max_episode_steps, 1)
        self._last_tick = min(self._limit, self.simulator.episode_ticks)
        self.metadata = {
            "render_modes": list(RENDER_MODES),
            "render_fps": RENDER_FPS,
            "autoreset_mode": self.autoreset_mode,
        }
        self.single_action_space = self.codec.space
        self.single_observation_space = observation_space(self.layout)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._masks: ActionMasks | None = None
        self._spec: EnvSpec | None = None
        self._seeds = np.zeros(self.num_envs, np.uint64)
        self._episodes = np.full(self.num_envs, -1, np.int64)

    @property
    def spec(self) -> EnvSpec | None:
        """The spec from `gymnasium.make_vec`, with the step limit and the known optimum of these sales."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = spec_of_sale(spec, self.simulator, self._limit, self.reward_scale)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Floats, dict[str, Any]]:
        """Open new sales in all rows, or in those of `options["reset_mask"]`.

        Args:
            seed: s for the seeds s, s + 1, ...; or one for each row. None is the next episode, as for a single sale;
                the first time it is a seed from the system's entropy.
            options: `reset_mask`, (N,) booleans: the rows to open; all by default.

        Returns:
            Observations (N, D) float32, and the info. Rows outside the mask keep their sale and its last observation.

        Raises:
            ValueError: a seed is not a whole number in 0..2^64 - 1, the number of seeds is not N, or an unknown option.
        """
        check_options(options, known=("reset_mask",))
        mask = np.ones(self.num_envs, np.bool_)
        if options is not None and "reset_mask" in options:
            mask = np.asarray(options["reset_mask"])
            if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
                raise ValueError(
                    f"reset_mask must be {self.num_envs} booleans, at least one of them true, "
                    f"got {mask.dtype} of shape {mask.shape}."
                )
        self._take_seeds(seed, mask)
        observations = self._last_observations(mask)
        observations[mask] = self._open(mask)
        return observations, self._info(np.zeros((self.num_envs, len(REWARD_TERMS))), mask)

    def step(self, actions: Any) -> tuple[Floats, npt.NDArray[np.float64], Bools, Bools, dict[str, Any]]:
        """Play one tick of every sale, and replace closed ones according to `autoreset_mode`.

        Args:
            actions: (N, C), or (N,) for the discrete encoding.

        Returns:
            Observations (N, D) float32, rewards (N,) float64, terminated (N,), truncated (N,), info.

        Raises:
            ValueError: an action has a wrong shape or type, is not finite, or is out of range; nothing was played.
            gymnasium.error.ResetNeeded: a sale was never opened, or is closed and autoreset is disabled.
        """
        was_over = self._over()
        if (self._episodes < 0).any() or (self.autoreset_mode is AutoresetMode.DISABLED and was_over.any()):
            raise gym.error.ResetNeeded(
                "a sale is closed or was never opened: call reset(), or reset(options={'reset_mask': mask})."
            )
        observations, rewards, terms = self.simulator.advance(actions)
        everyone = np.ones(self.num_envs, np.bool_)
        ticks = self.simulator.elapsed
        terminated = (ticks >= self.simulator.episode_ticks) & ~was_over
        truncated = (ticks >= self._limit) & ~was_over
        info: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.NEXT_STEP and was_over.any():
            observations[was_over] = self._open(was_over)
            rewards[was_over], terms[was_over] = 0.0, 0.0  # a truncated sale was played on for this tick
        if self.autoreset_mode is AutoresetMode.SAME_STEP and (over := terminated | truncated).any():
            final_info = self._info(terms, over)
            info = {"final_obs": observations.copy(), "_final_obs": over.copy()}
            info |= {"final_info": final_info, "_final_info": over.copy()}
            observations[over] = self._open(over)
        info |= self._info(terms, everyone)
        return observations, rewards * self.reward_scale, terminated, truncated, info

    def action_masks(self) -> Bools:
        """(N, A) the actions that can still make a difference, see `flashsale_env.spaces.masks`.

        Raises:
            ValueError: the actions have the box encoding.
        """
        if self._masks is None:
            self._masks = ActionMasks(self.scenario, self.codec.encoding)
        return self._masks(self.simulator.observe())

    def render(self) -> tuple[Any, ...] | None:
        """N texts ("ansi") or N pictures ("rgb_array"); None without a mode.

        Raises:
            gymnasium.error.ResetNeeded: a sale was never opened.
        """
        if self.render_mode is None:
            return None
        if (self._episodes < 0).any():
            raise gym.error.ResetNeeded("a sale was never opened: call reset() first.")
        return tuple(frame(self.scenario, sale, self.render_mode) for sale in self.simulator.sales)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The value of an attribute, or the result of a method, of a single sale: one for each of the N sales.

        Raises:
            AttributeError: an attribute that the sales of a batch do not offer.
        """
        if name in _PER_SALE:
            results = getattr(self, name)(*args, **kwargs)
            return (None,) * self.num_envs if results is None else tuple(results)
        if name not in _SHARED:
            raise AttributeError(unknown_name("attribute of a sale in a batch", name, (*_SHARED, *_PER_SALE)))
        return (getattr(self, _SHARED[name]),) * self.num_envs

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """As `call` without arguments."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of all sales: one value, or N equal ones.

        Raises:
            AttributeError: an attribute that cannot be set in a batch.
            ValueError: neither one nor N values, or values that differ.
        """
        if name not in _SETTABLE:
            raise AttributeError(unknown_name("attribute that a batch can set", name, _SETTABLE))
        given = list(values) if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(given) != self.num_envs:
            raise ValueError(f"want one value of {name!r} or {self.num_envs} of them, got {len(given)}.")
        if any(value != given[0] for value in given):
            raise ValueError(f"the sales of a batch share {name!r}: want {self.num_envs} equal values, got {given}.")
        setattr(self, name, (checked_scale if name == "reward_scale" else checked_render_mode)(given[0]))

    def _take_seeds(self, seed: Any, mask: Bools) -> None:
        """Store the seeds of these rows, and put their episodes before the first; all seeds are checked before that."""
        unseeded = mask & (self._episodes < 0)
        given = np.zeros(self.num_envs, np.bool_)
        seeds = self._seeds.copy()
        first = None
        if seed is None:
            if unseeded.any():
                first = int(fresh_seeds(1)[0])
                given, seeds = unseeded, consecutive_seeds(first, self.num_envs)
        elif isinstance(seed, np.ndarray) and seed.ndim > 0:
            given, seeds = mask, seed_array(seed, self.num_envs)
        elif not isinstance(seed, Sequence) or isinstance(seed, str):
            first = checked_seed(seed)
            given, seeds = mask, consecutive_seeds(first, self.num_envs)
        else:
            for i, own in enumerate(checked_seeds(seed, self.num_envs)):
                if own is not None:
                    given[i], seeds[i] = mask[i], own
            drawn = unseeded & ~given
            seeds[drawn] = fresh_seeds(int(drawn.sum()))
            given |= drawn
        super().reset(seed=first)
        self._seeds[given] = seeds[given]
        self._episodes[given] = -1

    def _over(self) -> Bools:
        """(N,) whether the sale is closed or at the limit of steps."""
        return np.asarray(self.simulator.elapsed >= self._last_tick)

    def _open(self, mask: Bools) -> Floats:
        rows = np.flatnonzero(mask)
        self._episodes[rows] += 1
        return self.simulator.open(self._seeds[rows], self._episodes[rows], rows)

    def _last_observations(self, mask: Bools) -> Floats:
        """Observations of the sales that are not reopened; the caller overwrites the other rows."""
        if mask.all():
            return np.empty((self.num_envs, self.layout.size), np.float32)
        return self.simulator.observe()

    def _info(self, terms: npt.NDArray[np.float64], mask: Bools) -> dict[str, Any]:
        return info_of_batch(self.simulator.measure(), terms, mask)

"""N sales as a Stable-Baselines3 `VecEnv`, straight over the simulator.

Owns    what Stable-Baselines3 expects of a batch: reset in the same step, `terminal_observation`, episode returns; and
        which sales are played: the next unplayed ones of a (split, run) block of seeds.

All sales start and close together. Between two closings all rows share one empty info dictionary, which nothing may
write to: a fresh one for each row and step would cost a third of the throughput.
"""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from flashsale_env import ActionMasks, Population, Scenario, Simulator
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.envs.infos import PROFIT
from flashsale_env.envs.sale import check_options, checked_scale, observation_space
from flashsale_env.simulator import checked_count


class FlashSaleVecEnv(VecEnv):
    """A batch of flash sales for Stable-Baselines3.

    The k-th different sale has the k-th seed of the block (split, run). So no sale is played twice, no two runs share
    one, and training never meets a sale of validation or test.

    Args:
        scenario, population: as for `Simulator`.
        num_envs: N.
        actions: encoding of the actions.
        split, run: the block of seeds; `seed(run)` moves to the beginning of another run's.
        reward_scale: factor on the learner's rewards. Infos keep currency.
        siblings: rows in which each sale is played side by side, with the same customers. Rewards are differences from
            the siblings' mean, in which the variance between sales cancels. The policy gradient is unbiased up to the
            factor 1 - 1/siblings, because the mean of the others does not depend on a row's own actions.
        pay_at_close: give the whole reward of a sale in its last tick.
        threads: as for `Simulator`.

    Attributes:
        charge: (records of the sales after a tick, whether they closed) -> (N,) currency, what is added to the
            learner's rewards of the tick and to nothing else, see `sb3.parity`; None for nothing.

    The info of a sale that closes has `terminal_observation`, `TimeLimit.truncated` (False: the close is part of the
    sale), `profit`, and `episode` with `r`, the sum of its rewards in currency, and `l`, its length in ticks: the batch
    counts as monitored. `action_masks()`, of grid actions, serves `MaskablePPO`.
    """

    def __init__(
        self,
        scenario: str | PathLike[str] | Scenario = "standard",
        population: str | PathLike[str] | Population | None = None,
        num_envs: int = 1024,
        actions: str = "box",
        split: str = "train",
        run: int = 0,
        reward_scale: float = 1.0,
        threads: int | None = None,
        siblings: int = 1,
        pay_at_close: bool = False,
    ) -> None:
        num_envs = checked_count("num_envs", num_envs, 1)
        if num_envs % checked_count("siblings", siblings, 1):
            raise ValueError(f"siblings must divide num_envs ({num_envs}), got {siblings}.")
        self.simulator = Simulator(scenario, population, sales=num_envs, actions=actions, threads=threads)
        self.scenario = self.simulator.scenario
        self.layout = self.simulator.layout
        self.codec = self.simulator.codec
        self.reward_scale = checked_scale(reward_scale)
        self.siblings, self.pay_at_close = siblings, pay_at_close
        self.split, self.run = split, run
        self.sales_opened = 0  # siblings count once
        self._episodes = np.zeros(num_envs, np.int64)
        self._returns = np.zeros(num_envs)
        self._charged = np.zeros(num_envs)
        self.charge: Callable[[npt.NDArray[np.void], bool], npt.NDArray[np.float64]] | None = None
        self._actions: npt.NDArray[Any] | None = None
        self._masks: ActionMasks | None = None
        self._is_open = False
        self._nothing: list[dict[str, Any]] = [{}] * num_envs
        self.render_mode = None
        split_seeds(split, run, 0)  # checks the names before anything is played
        super().__init__(num_envs, observation_space(self.layout), self.codec.space)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Go to the first sale of run `seed`, from the next `reset` on; None changes nothing.

        Returns:
            The seeds of the next N sales.
        """
        if seed is not None:
            split_seeds(self.split, seed, 0)
            self.run, self.sales_opened = seed, 0
        return [int(s) for s in self._next_seeds()]

    @property
    def different_sales(self) -> int:
        """Sales of a batch, siblings counted once."""
        return self.num_envs // self.siblings

    def reset(self) -> npt.NDArray[np.float32]:
        """Start the next N sales of the block."""
        self._is_open = True
        seeds = self._next_seeds()
        self.sales_opened += self.different_sales
        self._returns[:] = 0.0
        self._charged[:] = 0.0
        self.reset_infos = self._nothing
        self._reset_seeds()
        self._reset_options()
        return self.simulator.open(seeds, self._episodes)

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Play one tick of every sale; at the close, start the next N.

        Raises:
            RuntimeError: there are no actions to play.
            gymnasium.error.ResetNeeded: `reset` was never called.
        """
        if self._actions is None:
            raise RuntimeError("step_wait without step_async: no actions to play.")
        if not self._is_open:
            raise gym.error.ResetNeeded("no sale was opened: call reset() first.")
        observations, rewards, _ = self.simulator.advance(self._actions)
        self._actions = None
        self._returns += rewards
        # All sales of the batch close together, so the first stands for all.
        closed = bool(self.simulator.sales["tick"][0] >= self.scenario.horizon_ticks)
        dones = np.full(self.num_envs, closed)
        infos = self._nothing
        if self.charge is not None:
            charged = self.charge(self.simulator.sales, closed)
            self._charged += charged
            rewards = rewards + charged
        if self.pay_at_close:
            rewards = (self._returns + self._charged) * dones
        if closed:
            profits = self.simulator.measure()[:, PROFIT]
            length = self.scenario.horizon_ticks
            infos = [
                {
                    "terminal_observation": last,
                    "TimeLimit.truncated": False,
                    "profit": profit,
                    "episode": {"r": earned, "l": length},
                }
                for last, profit, earned in zip(observations, profits.tolist(), self._returns.tolist(), strict=True)
            ]
            observations = self.reset()
        if self.siblings > 1:
            groups = rewards.reshape(-1, self.siblings)
            rewards = (groups - groups.mean(axis=1, keepdims=True)).ravel()
        return observations, (rewards * self.reward_scale).astype(np.float32), dones, infos

    def _next_seeds(self) -> npt.NDArray[np.uint64]:
        return split_seeds(self.split, self.run, self.different_sales, self.sales_opened).repeat(self.siblings)

    def set_options(self, options: list[dict[str, Any]] | dict[str, Any] | None = None) -> None:
        """A sale takes no reset options.

        Raises:
            ValueError: any are given.
        """
        for given in options if isinstance(options, list) else [options]:
            check_options(given)
        super().set_options(options)

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """(N, A) masks of the levels of grid actions, see `flashsale_env.spaces.masks`.

        Raises:
            ValueError: the actions have the box encoding.
        """
        if self._masks is None:
            self._masks = ActionMasks(self.scenario, self.codec.encoding)
        return self._masks(self.simulator.observe())

    def close(self) -> None:
        """Nothing to close: a batch has no process and no file."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The batch's attribute, once for each row requested: rows share everything but their state."""
        value = getattr(self, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set the batch's attribute.

        Raises:
            ValueError: only some rows were requested; rows share their attributes.
        """
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError(f"the sales of a batch share {attr_name!r}: set it for all of them (indices=None).")
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call the batch's method once; its result for each row requested, or that row of the masks."""
        result = getattr(self, method_name)(*method_args, **method_kwargs)
        return [result[i] if method_name == "action_masks" else result for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """True for `Monitor`, which the batch replaces; rows have no other wrappers."""
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]

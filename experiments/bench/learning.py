"""Throughput of learning with Stable-Baselines3, and the share of it that is the environment.

Units   transitions per second of wall time.

Torch and Stable-Baselines3 are imported where they are used: the simulator's own benchmarks run without them.
"""

import itertools
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

from flashsale_env.experiments.bench.measuring import FULL, Row, Sizes, alternate, make_row, ratio_row


class Stopwatch:
    """Wall seconds spent in some methods of a class; a call from one of them to another is not counted twice."""

    def __init__(self, cls: type, *names: str) -> None:
        self.seconds = 0.0
        self._running = False
        self._patches = [mock.patch.object(cls, name, self._timed(getattr(cls, name))) for name in names]

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._running:
                return method(*args, **kwargs)
            self._running = True
            begin = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - begin
                self._running = False

        return timed

    def __enter__(self) -> "Stopwatch":
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for patch in self._patches:
            patch.stop()


def no_op(venv: Any) -> Any:
    """A VecEnv with the same spaces, horizon and terminal infos that simulates nothing.

    It replays the observations and rewards of a recorded batch of sales, so the policy computes with the same numbers.
    """
    from stable_baselines3.common.vec_env import VecEnv

    n, horizon = venv.num_envs, venv.scenario.horizon_ticks
    recorded: list[Any] = [(venv.reset(), None, np.zeros(n, bool), [])]
    for action in np.random.default_rng(0).uniform(-1, 1, (horizon, n, *venv.action_space.shape)).astype(np.float32):
        recorded.append(venv.step(action))
    last = recorded[horizon][3]

    class NoOp(VecEnv):
        def __init__(self) -> None:
            super().__init__(n, venv.observation_space, venv.action_space)
            self.tick = 0
            self.nothing: list[dict[str, Any]] = [{}] * n

        def reset(self) -> npt.NDArray[np.float32]:
            self.tick = 0
            first: npt.NDArray[np.float32] = recorded[0][0]
            return first

        def step_async(self, actions: npt.NDArray[Any]) -> None:
            pass

        def step_wait(self) -> Any:
            self.tick = self.tick % horizon + 1
            observations, rewards, dones, _ = recorded[self.tick]
            infos = self.nothing
            if self.tick == horizon:
                infos = [{**info, "episode": {**info["episode"]}} for info in last]
            return observations, rewards, dones, infos

        def close(self) -> None:
            pass

        def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
            return [getattr(self, attr_name)] * n

        def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
            setattr(self, attr_name, value)

        def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
            return [getattr(self, method_name)(*args, **kwargs)] * n

        def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
            return [False] * n

    NoOp.render_mode = None  # read by VecEnv's constructor through get_attr
    return NoOp()


def rollout_loop(sizes: Sizes, repeats: int) -> list[Row]:
    """Transitions per second of Stable-Baselines3's own rollout loop, with sales and with a no-op environment."""
    from stable_baselines3 import PPO

    from flashsale_env import agents
    from flashsale_env.agents.sb3.determinism import one_thread, own_randomness

    ticks = 60  # a rollout; one sale of gallego-van-ryzin, six of gvr-periodic

    def loop(venv: Any, environment: Stopwatch) -> Callable[[], tuple[float, float]]:
        model = PPO("MlpPolicy", venv, n_steps=ticks, batch_size=venv.num_envs * ticks, device="cpu")
        _, callback = model._setup_learn(sys.maxsize)
        env = model.env
        assert env is not None

        def measure() -> tuple[float, float]:
            begin, before = time.perf_counter(), environment.seconds
            model.collect_rollouts(env, callback, model.rollout_buffer, ticks)
            seconds = time.perf_counter() - begin
            return venv.num_envs * ticks / seconds, (environment.seconds - before) / seconds

        return measure

    rows = []
    for scenario in ("gallego-van-ryzin", "gvr-periodic"):
        venv = agents.FlashSaleVecEnv(scenario, num_envs=sizes.sales)
        with one_thread(), own_randomness(0), Stopwatch(agents.FlashSaleVecEnv, "step_wait", "reset") as environment:
            # Each measurement is short, so take more of them.
            sales, nothing = alternate(3 * repeats, loop(venv, environment), loop(no_op(venv), environment))
        unit = "transitions/s"
        notes = f"PPO.collect_rollouts, MlpPolicy, n = {sizes.sales}, {ticks} steps, torch on one thread"
        rows += [
            make_row(f"SB3 rollout, {scenario}", [rate for rate, _ in sales], unit, notes=notes),
            make_row(f"SB3 rollout, no-op for {scenario}", [rate for rate, _ in nothing], unit, notes=_NO_OP_NOTES),
            ratio_row(
                f"SB3 rollout over no-op, {scenario}",
                [rate for rate, _ in sales],
                [rate for rate, _ in nothing],
                at_least=0.85,
                notes=f"wall time, alternating; {statistics.median(share for _, share in sales):.0%} of our loop is "
                "inside step_wait",
            ),
        ]
    return rows


_NO_OP_NOTES = "same spaces, horizon and terminal infos; recorded observations"


def training_share(sizes: Sizes, repeats: int) -> list[Row]:
    """The environment's share of the time of a PPO run on `standard` with the preset's settings, rollout and update."""
    from flashsale_env import agents

    settings: dict[str, Any] = {"validate_every": 10**9, "validation_sales": 2}  # no validation in the measured time
    if sizes is not FULL:
        settings |= {"num_envs": sizes.sales, "siblings": min(8, sizes.sales)}
    agent = agents.make("ppo", "standard", device="cpu", **settings)
    marks: list[tuple[float, float]] = []
    with Stopwatch(agents.FlashSaleVecEnv, "step_wait", "reset") as environment:
        # The first rollout warms up; the later ones are measurements.
        agent.learn(
            sales=(sizes.rollouts + 1) * agent.settings.num_envs,
            progress=lambda *_: marks.append((time.perf_counter(), environment.seconds)),
        )
    laps = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(marks[1:])]
    transitions = agent.settings.num_envs * agent.scenario.horizon_ticks
    notes = f"{len(laps)} rollouts of {agent.settings.num_envs} sales and their updates, the preset's settings"
    return [
        make_row(
            "environment's share of PPO, standard", [e / total for total, e in laps], "ratio", at_most=0.5, notes=notes
        ),
        make_row(
            "PPO, standard",
            [transitions / total for total, _ in laps],
            "transitions/s",
            at_least=30_000,
            notes="rollout and update",
        ),
    ]


def training(sizes: Sizes, repeats: int) -> list[Row]:
    """Transitions per second of PPO, rollout and update, on `gvr-periodic` and on a no-op environment."""
    from stable_baselines3.common.logger import configure

    from flashsale_env import agents
    from flashsale_env.agents.sb3.base import reward_scale
    from flashsale_env.agents.sb3.determinism import one_thread, own_randomness

    agent = agents.make("ppo", "gvr-periodic", device="cpu", num_envs=sizes.sales, batch_size=5 * sizes.sales)
    transitions: int = 20 * sizes.sales * agent.scenario.horizon_ticks  # 20 rollouts, each of whole sales

    def learning(venv: Any) -> Callable[[], float]:
        model = agent.build(agent.advised(venv))
        model.set_logger(configure(None, []))

        def measure() -> float:
            begin = time.perf_counter()
            model.learn(transitions, log_interval=None, reset_num_timesteps=False)
            return transitions / (time.perf_counter() - begin)

        return measure

    venv = agents.FlashSaleVecEnv("gvr-periodic", num_envs=sizes.sales, reward_scale=reward_scale(agent.scenario))
    with one_thread(), own_randomness(0):
        sales, nothing = alternate(repeats, learning(venv), learning(no_op(venv)))
    name, unit = "PPO, gvr-periodic", "transitions/s"
    notes = f"n = {sizes.sales}, 20 rollouts of 10 ticks and their updates, the preset's settings otherwise"
    return [
        make_row(name, sales, unit, at_least=50_000, notes=notes),
        make_row("PPO, no-op for gvr-periodic", nothing, unit, notes=_NO_OP_NOTES),
        ratio_row("PPO over no-op, gvr-periodic", sales, nothing, at_least=0.85, notes="wall time, alternating"),
    ]

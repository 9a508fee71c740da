"""Steps per second of one environment, ours and those of other packages.

A new peer is one line in `PEERS`.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import gymnasium as gym

import flashsale_env
from flashsale_env import environment_id
from flashsale_env.experiments.bench.measuring import Row, Sizes, alternate, make_row
from flashsale_env.experiments.bench.simulator import batch


def steps_per_second(env: Any, episodes: int) -> Callable[[], float]:
    """A function that plays this many episodes with random actions and returns steps per second, resets included."""
    env.reset(seed=0)
    if hasattr(env.action_space, "seed"):
        env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(1000)]

    def rate() -> float:
        steps = 0
        begin = time.perf_counter()
        for _ in range(episodes):
            env.reset()
            for action in actions:
                _, _, terminated, truncated, _ = env.step(action)
                steps += 1
                if terminated or truncated:
                    break
        return steps / (time.perf_counter() - begin)

    return rate


def single_environment(sizes: Sizes, repeats: int) -> list[Row]:
    """Steps per second of one environment from `gym.make`, with its default wrappers."""
    targets = {"standard": 30_000, "gallego-van-ryzin": 100_000}
    envs: dict[str, Any] = {name: gym.make(environment_id(name)) for name in targets}
    rates = alternate(repeats, *(steps_per_second(env, sizes.episodes) for env in envs.values()))
    rows = []
    for (name, env), values in zip(envs.items(), rates, strict=True):
        sale = env.unwrapped.simulator.sales[0]
        a_tick = sale["customers"] / sale["tick"]
        notes = f"random actions, a reset every {sale['tick']} steps; {a_tick:.3g} customers a tick"
        rows.append(make_row(f"one environment, {name}", values, "steps/s", at_least=targets[name], notes=notes))
    return rows


@dataclass(frozen=True)
class Peer:
    """An environment of another package; `make` is called only where the package is installed."""

    distribution: str
    module: str
    name: str
    make: Callable[[Any], Any]


def _registered(identity: str) -> Callable[[Any], Any]:
    return lambda module: gym.make(identity)


PEERS = (
    Peer("decisionrl", "decisionrl.envs.pricing", "DynamicPricing", lambda module: module.DynamicPricing()),
    Peer(
        "decisionrl",
        "decisionrl.envs.joint_pricing_inventory",
        "JointPricingInventory",
        lambda module: module.JointPricingInventory(),
    ),
    Peer("gym-invmgmt", "gym_invmgmt", "MultiEchelon", _registered("GymInvMgmt/MultiEchelon-v0")),
    Peer("or-gymnasium", "or_gymnasium", "Newsvendor", _registered("Newsvendor-v0")),
    Peer("or-gymnasium", "or_gymnasium", "InvManagement", _registered("InvManagement-v1")),
    Peer("stokasta", "stokasta", "DynamicInventory", _registered("stokasta/DynamicInventory-v0")),
)


def peers(sizes: Sizes, repeats: int) -> list[Row]:
    """Steps per second of one environment of other packages and of ours in the same loop, and of ours in a batch."""
    rows, names, rates = [], [], []
    for scenario in ("standard", "gallego-van-ryzin"):
        names.append((f"flashsale-env {scenario}", f"`gym.make`, {flashsale_env.__version__}"))
        rates.append(steps_per_second(gym.make(environment_id(scenario)), sizes.episodes))
    for peer in PEERS:
        try:
            env = peer.make(importlib.import_module(peer.module))
        except ModuleNotFoundError:
            rows.append(Row(f"{peer.distribution} {peer.name}", None, "steps/s", notes="not installed"))
            continue
        names.append((f"{peer.distribution} {peer.name}", metadata.version(peer.distribution)))
        rates.append(steps_per_second(env, sizes.episodes))
    for (name, notes), values in zip(names, alternate(repeats, *rates), strict=True):
        rows.append(make_row(name, values, "steps/s", notes=notes))

    for scenario in ("standard", "gallego-van-ryzin"):
        simulator, play = batch(scenario, sizes.sales)

        def seconds_of_a_sale(play: Callable[[int], float] = play) -> float:
            return play(0)

        (seconds,) = alternate(repeats, seconds_of_a_sale)
        notes, ticks = f"batch of {sizes.sales}, one thread", sizes.sales * simulator.scenario.horizon_ticks
        customers = int(simulator.sales["customers"].sum())
        name = f"flashsale-env {scenario}, batch"
        rows.append(make_row(name, [ticks / s for s in seconds], "sale-ticks/CPU-s", notes=notes))
        rows.append(make_row(name, [customers / s for s in seconds], "customers/CPU-s", notes=notes))
    return rows

"""How fast the simulator is, and what others do on the same machine in the same minutes.

Owns    the throughput benchmarks, their targets, and the page that shows them.
Units   rates are per second of wall time, or per CPU-second of the process (all its threads) where the unit says so.

Every figure is the median of `repeats` measurements after one that is thrown away (it compiles, loads and warms the
caches). Where two things are compared, their measurements alternate, so that both meet the same machine. Start-up and
memory are measured in processes of their own.

A new benchmark is one function and one line in `BENCHMARKS`; a new peer is one line in `PEERS`.
"""

import importlib.util
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

import gymnasium as gym
import numpy as np
import numpy.typing as npt

import flashsale_env
from flashsale_env import Simulator, environment_id
from flashsale_env.core.streams import GUMBEL
from flashsale_env.errors import unknown_name
from flashsale_env.files import write_atomically
from flashsale_env.versions import versions

COMMAND = "flashsale bench --out benchmarks --overwrite"
PAGE, FIGURES = "README.md", "results.json"
ENCODER, DEVICE = "encoder", "device"  # measured on request, by `bench_encoder` and `bench_device`

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Args:
        sales: N of the batches.
        episodes: sales played in one measurement of a single environment.
        rollouts: of a PPO run.
        memory_sales: sales held at once when memory is measured.
        compile_scenario: what is compiled into an empty cache.
    """

    sales: int = 1024
    episodes: int = 100
    rollouts: int = 3
    memory_sales: int = 4096
    compile_scenario: str = "standard"


FULL = Sizes()
# Everything runs, nothing it prints is a figure.
QUICK = Sizes(sales=16, episodes=2, rollouts=1, memory_sales=64, compile_scenario="gallego-van-ryzin")


@dataclass(frozen=True)
class Row:
    """One figure.

    Args:
        name: what was measured.
        value: median of `repeats`; None where nothing could be measured, and `notes` says why.
        unit: of the value.
        repeats: the single measurements.
        target: what the value is held against, if anything.
        direction: "at least" or "at most" the target; "" without one.
        notes: how it was measured.
    """

    name: str
    value: float | None
    unit: str
    repeats: tuple[float, ...] = ()
    target: float | None = None
    direction: str = ""
    notes: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without target or value."""
        if self.target is None or self.value is None:
            return None
        return self.value >= self.target if self.direction == "at least" else self.value <= self.target


def make_row(
    name: str,
    repeats: Iterable[float],
    unit: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    notes: str = "",
) -> Row:
    values = tuple(float(value) for value in repeats)
    direction = "at least" if at_least is not None else "at most" if at_most is not None else ""
    target = at_least if at_least is not None else at_most
    return Row(name, statistics.median(values), unit, values, target, direction, notes)


def ratio_row(
    name: str, over: Iterable[float], under: Iterable[float], *, at_least: float | None = None, notes: str = ""
) -> Row:
    """The quotients of neighbouring measurements, so that both sides of each met the same machine."""
    return make_row(name, (a / b for a, b in zip(over, under, strict=True)), "ratio", at_least=at_least, notes=notes)


def alternate(repeats: int, *measurements: Callable[[], float]) -> list[list[float]]:
    """Take every measurement in turn, `repeats` times after a round that is thrown away; one list a measurement."""
    rounds = [[measure() for measure in measurements] for _ in range(repeats + 1)][1:]
    return [list(values) for values in zip(*rounds, strict=True)]


# ---------------------------------------------------------------------------------------------------------- the batch


def _batch(scenario: str, sales: int) -> tuple[Simulator, Callable[[int], float]]:
    """A simulator, and a function that plays sales k·N .. (k+1)·N in it and returns the CPU-seconds that took.

    Actions are uniform over the box, drawn beforehand, the same in every call; opening the sales is part of the time.
    One thread, as numpy has: two share what a core has, where cores are halves of one, and their CPU-seconds get dear.
    """
    simulator = Simulator(scenario, sales=sales, threads=1)
    shape = (simulator.scenario.horizon_ticks, sales, len(simulator.codec.names))
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, shape).astype(np.float32)
    seeds = np.arange(sales, dtype=np.uint64)

    def play(k: int) -> float:
        begin = time.process_time()
        simulator.open(seeds, np.full(sales, k))
        for action in actions:
            simulator.advance(action)
        return time.process_time() - begin

    return simulator, play


def _numpy_reference(simulator: Simulator, customers: int, own_offers: bool) -> tuple[int, float, npt.NDArray[Any]]:
    """The bare choices of this many customers (rounded up to whole chunks), as fast as plain numpy can be made.

    Each customer has a random voice and takes the product of the largest utility + Gumbel draw, or nothing; what is
    counted is sales of each product. No arrival times, no stock, no order among customers, no money, no observation.
    float32, all buffers made once, chunks that fit the cache, Gumbel draws from a table of quantiles (looking 16 bits
    up is a tenth faster than two logarithms), SFC64, numpy's fastest generator.

    Args:
        simulator: of which the voices are taken.
        own_offers: whether every sale has prices and appeals of its own, as in a batch; or all share one price list,
            which is then worked into the voices' utilities once.

    Returns:
        Customers, CPU-seconds, and (N, M + 1) purchases; column 0 is "buys nothing".
    """
    chunk = 4096  # 8 products: three buffers of 128 kB, the best of 1024 .. 16384
    n = len(simulator)
    utility = np.ascontiguousarray(simulator.instance.voices["utility"])
    sensitivity = np.ascontiguousarray(simulator.instance.voices["price_sensitivity"])
    voices, products = utility.shape
    price = np.ascontiguousarray(simulator.sales["price_share"])
    appeal = np.ascontiguousarray(simulator.sales["appeal"])
    rng = np.random.Generator(np.random.SFC64(0))
    utilities = np.empty((chunk, products + 1), np.float32)
    buffer, own = np.empty((chunk, products), np.float32), np.empty((chunk, products), np.float32)
    weight = np.empty(chunk, np.float32)
    chunks = -(-customers // chunk)
    sale_of = np.sort(np.arange(chunks * chunk) % n)  # customers come sale by sale, as the batch plays them
    bought = np.zeros(n * (products + 1), np.int64)

    begin = time.process_time()
    if not own_offers:
        utility = utility + appeal[0] - sensitivity[:, None] * price[0]
    for first in range(0, chunks * chunk, chunk):
        sale = sale_of[first : first + chunk]
        voice = rng.integers(0, voices, chunk)
        bits = np.frombuffer(rng.bytes(2 * utilities.size), np.uint16).reshape(utilities.shape)
        np.take(GUMBEL, bits, out=utilities, mode="clip")
        np.take(utility, voice, axis=0, out=buffer, mode="clip")
        if own_offers:
            np.take(sensitivity, voice, out=weight, mode="clip")
            np.take(price, sale, axis=0, out=own, mode="clip")
            np.multiply(own, weight[:, None], out=own)
            np.subtract(buffer, own, out=buffer)
            np.take(appeal, sale, axis=0, out=own, mode="clip")
            np.add(buffer, own, out=buffer)
        utilities[:, 1:] += buffer
        choice = utilities.argmax(axis=1)
        choice += (sale - sale[0]) * (products + 1)
        counts = np.bincount(choice)
        at = sale[0] * (products + 1)
        bought[at : at + len(counts)] += counts
    return len(sale_of), time.process_time() - begin, bought.reshape(n, products + 1)


def served_customers(sizes: Sizes, repeats: int) -> list[Row]:
    """Customers served per CPU-second, `standard`, beside bare numpy."""
    simulator, play = _batch("standard", sizes.sales)
    episode = iter(range(repeats + 1))

    def ours() -> float:
        seconds = play(next(episode))
        return float(simulator.sales["customers"].sum()) / seconds

    def numpy_rate(own_offers: bool) -> float:
        customers, seconds, _ = _numpy_reference(simulator, sizes.sales * 1000, own_offers)
        return customers / seconds

    simulated, own, shared = alternate(
        repeats,
        ours,
        lambda: numpy_rate(own_offers=True),
        lambda: numpy_rate(own_offers=False),
    )
    unit = "customers/CPU-s"
    return [
        make_row(
            "served customers, standard",
            simulated,
            unit,
            at_least=10e6,
            notes=f"{sizes.sales} sales at once, one thread, random actions; candidates thinned away are not "
            "counted; opening, arrivals, stock, money and observations are",
        ),
        make_row("bare numpy, same products", own, unit, notes="choices only; every sale its own prices and appeals"),
        make_row("bare numpy, one price list", shared, unit, notes="choices only; all sales at the same prices"),
        ratio_row(
            "served customers over bare numpy",
            simulated,
            own,
            at_least=2.0,
            notes="every sale its own prices and appeals",
        ),
    ]


def sale_ticks(sizes: Sizes, repeats: int) -> list[Row]:
    """Ticks of a sale per CPU-second, `gallego-van-ryzin` at 60 ticks."""
    simulator, play = _batch("gallego-van-ryzin", sizes.sales)
    ticks = sizes.sales * simulator.scenario.horizon_ticks
    (rates,) = alternate(repeats, lambda: ticks / play(0))
    return [
        make_row(
            "sale-ticks, gallego-van-ryzin",
            rates,
            "sale-ticks/CPU-s",
            at_least=2e6,
            notes=f"{sizes.sales} sales at once, one thread, {simulator.scenario.horizon_ticks} ticks, random actions",
        )
    ]


# ------------------------------------------------------------------------------------------------- one environment


def _single(env: Any, episodes: int) -> Callable[[], float]:
    """A function that plays this many episodes of one environment and returns steps per second, resets included."""
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
    envs = {name: gym.make(environment_id(name)) for name in targets}
    rates = alternate(repeats, *(_single(env, sizes.episodes) for env in envs.values()))
    rows = []
    for (name, env), values in zip(envs.items(), rates, strict=True):
        sale = env.unwrapped.simulator.sales[0]
        a_tick = sale["customers"] / sale["tick"]
        notes = f"random actions, a reset every {sale['tick']} steps; {a_tick:.3g} customers a tick"
        rows.append(make_row(f"one environment, {name}", values, "steps/s", at_least=targets[name], notes=notes))
    return rows


# ------------------------------------------------------------------------------------------- Stable-Baselines3


class _Stopwatch:
    """Wall seconds inside some methods of a class; calls from one of them to another count once."""

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

    def __enter__(self) -> "_Stopwatch":
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for patch in self._patches:
            patch.stop()


def _no_op(venv: Any) -> Any:
    """A VecEnv with the spaces, the horizon and the terminal infos of this one, that plays nothing.

    It hands out the observations and rewards of one batch of sales recorded beforehand, so that the policy computes
    with the same numbers.
    """
    from stable_baselines3.common.vec_env import VecEnv

    n, horizon = venv.num_envs, venv.scenario.horizon_ticks
    recorded = [(venv.reset(), None, np.zeros(n, bool), [])]
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
            return recorded[0][0]

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
    """Transitions per second of Stable-Baselines3's own rollout loop, over sales and over a no-op in their place."""
    from stable_baselines3 import PPO

    from flashsale_env import agents
    from flashsale_env.agents.sb3.determinism import one_thread, own_randomness

    ticks = 60  # a rollout; one sale of gallego-van-ryzin, six of gvr-periodic

    def loop(venv: Any, environment: _Stopwatch) -> Callable[[], tuple[float, float]]:
        model = PPO("MlpPolicy", venv, n_steps=ticks, batch_size=venv.num_envs * ticks, device="cpu")
        _, callback = model._setup_learn(sys.maxsize)

        def measure() -> tuple[float, float]:
            begin, before = time.perf_counter(), environment.seconds
            model.collect_rollouts(model.env, callback, model.rollout_buffer, ticks)
            seconds = time.perf_counter() - begin
            return venv.num_envs * ticks / seconds, (environment.seconds - before) / seconds

        return measure

    rows = []
    for scenario in ("gallego-van-ryzin", "gvr-periodic"):
        venv = agents.FlashSaleVecEnv(scenario, num_envs=sizes.sales)
        with one_thread(), own_randomness(0), _Stopwatch(agents.FlashSaleVecEnv, "step_wait", "reset") as environment:
            # Each measurement is short, so there are more of them.
            sales, nothing = alternate(3 * repeats, loop(venv, environment), loop(_no_op(venv), environment))
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
    """The environment's own share of a PPO run with the preset's settings, `standard`: rollout and update."""
    from flashsale_env import agents

    settings: dict[str, Any] = {"validate_every": 10**9, "validation_sales": 2}  # learning alone
    if sizes is not FULL:
        settings |= {"num_envs": sizes.sales, "siblings": min(8, sizes.sales)}
    agent = agents.make("ppo", "standard", device="cpu", **settings)
    marks: list[tuple[float, float]] = []
    with _Stopwatch(agents.FlashSaleVecEnv, "step_wait", "reset") as environment:
        # The first rollout warms up; the second and later ones are measurements.
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
    """Transitions per second of PPO, rollout and update, on `gvr-periodic` and on a no-op in its place."""
    from stable_baselines3.common.logger import configure

    from flashsale_env import agents
    from flashsale_env.agents.sb3.base import reward_scale
    from flashsale_env.agents.sb3.determinism import one_thread, own_randomness

    agent = agents.make("ppo", "gvr-periodic", device="cpu", num_envs=sizes.sales, batch_size=5 * sizes.sales)
    transitions = 20 * sizes.sales * agent.scenario.horizon_ticks  # 20 rollouts, each of whole sales

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
        sales, nothing = alternate(repeats, learning(venv), learning(_no_op(venv)))
    name, unit = "PPO, gvr-periodic", "transitions/s"
    notes = f"n = {sizes.sales}, 20 rollouts of 10 ticks and their updates, the preset's settings otherwise"
    return [
        make_row(name, sales, unit, at_least=50_000, notes=notes),
        make_row("PPO, no-op for gvr-periodic", nothing, unit, notes=_NO_OP_NOTES),
        ratio_row("PPO over no-op, gvr-periodic", sales, nothing, at_least=0.85, notes="wall time, alternating"),
    ]


# ------------------------------------------------------------------------------------------ processes of their own

_IMPORT = """
import time; begin = time.perf_counter()
import flashsale_env
print(time.perf_counter() - begin)
"""

_FIRST_STEP = """
import time; begin = time.perf_counter()
import gymnasium as gym, flashsale_env as fs
env = gym.make(fs.environment_id({scenario!r}))
env.reset(seed=0)
env.step(env.action_space.sample())
print(time.perf_counter() - begin)
"""

_MEMORY = """
import os, numpy as np, flashsale_env as fs

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def play(sales):
    simulator = fs.Simulator("standard", sales=sales)
    simulator.open(np.arange(sales, dtype=np.uint64), np.zeros(sales, np.int64))
    actions = np.zeros((sales, len(simulator.codec.names)), np.float32)
    most = 0
    for _ in range(simulator.scenario.horizon_ticks):
        shown = simulator.advance(actions)
        most = max(most, resident())
    return most

play(1)
base = resident()
print(play({sales}) - base)
"""


def in_fresh_process(code: str, **environment: str) -> tuple[float, str]:
    """The number that this code prints in a process of its own, and what it wrote on standard error."""
    root = Path(flashsale_env.__file__).parent.parent
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"a process of the benchmark failed: {done.stderr.strip().splitlines()[-1:]}")
    return float(done.stdout), done.stderr


def importing(sizes: Sizes, repeats: int) -> list[Row]:
    """Seconds of `import flashsale_env` in a new process."""
    in_fresh_process(_IMPORT)
    seconds = [in_fresh_process(_IMPORT)[0] for _ in range(repeats)]
    return [make_row("import flashsale_env", seconds, "s", at_most=1.0, notes="new process, files in the disk cache")]


def compiling(sizes: Sizes, repeats: int) -> list[Row]:
    """Seconds from nothing to the first step, with an empty cache of machine code and with a filled one."""
    code = _FIRST_STEP.format(scenario=sizes.compile_scenario)
    with tempfile.TemporaryDirectory() as folder:
        first, notice = in_fresh_process(code, NUMBA_CACHE_DIR=folder)
        later = [in_fresh_process(code, NUMBA_CACHE_DIR=folder) for _ in range(repeats)]
    announced = "announced" if "compiling the simulator" in notice else "NOT announced"
    again = sum(bool(text) for _, text in later)
    return [
        make_row(
            f"first process, {sizes.compile_scenario}",
            [first],
            "s",
            at_most=30.0,
            notes=f"import, compile (measured once, {announced} on standard error), make, reset, step",
        ),
        make_row(
            f"later process, {sizes.compile_scenario}",
            [seconds for seconds, _ in later],
            "s",
            at_most=2.0,
            notes=f"import, load from the cache, make, reset, step; {again} of {len(later)} compiled again",
        ),
    ]


def memory(sizes: Sizes, repeats: int) -> list[Row]:
    """Resident memory of many `standard` sales beyond that of a process that has played one."""
    name, unit = f"memory of {sizes.memory_sales:,} sales, standard", "MB"
    if not Path("/proc/self/statm").exists():
        return [Row(name, None, unit, notes="not measured: this system has no /proc")]
    code = _MEMORY.format(sales=sizes.memory_sales)
    peaks = [in_fresh_process(code)[0] / 1e6 for _ in range(repeats)]
    notes = "the most in any tick of a whole sale, actions and results included"
    return [make_row(name, peaks, unit, at_most=200.0, notes=notes)]


# ---------------------------------------------------------------------------------------------------------------- peers


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
    """Steps per second of one environment of other packages, and of ours in the same loop; and ours in a batch."""
    rows, names, rates = [], [], []
    for scenario in ("standard", "gallego-van-ryzin"):
        names.append((f"flashsale-env {scenario}", f"`gym.make`, {flashsale_env.__version__}"))
        rates.append(_single(gym.make(environment_id(scenario)), sizes.episodes))
    for peer in PEERS:
        try:
            env = peer.make(importlib.import_module(peer.module))
        except ModuleNotFoundError:
            rows.append(Row(f"{peer.distribution} {peer.name}", None, "steps/s", notes="not installed"))
            continue
        names.append((f"{peer.distribution} {peer.name}", metadata.version(peer.distribution)))
        rates.append(_single(env, sizes.episodes))
    for (name, notes), values in zip(names, alternate(repeats, *rates), strict=True):
        rows.append(make_row(name, values, "steps/s", notes=notes))

    for scenario in ("standard", "gallego-van-ryzin"):
        simulator, play = _batch(scenario, sizes.sales)
        seconds = alternate(repeats, lambda play=play: play(0))[0]  # type: ignore[misc]
        notes, ticks = f"batch of {sizes.sales}, one thread", sizes.sales * simulator.scenario.horizon_ticks
        customers = int(simulator.sales["customers"].sum())
        name = f"flashsale-env {scenario}, batch"
        rows.append(make_row(name, [ticks / s for s in seconds], "sale-ticks/CPU-s", notes=notes))
        rows.append(make_row(name, [customers / s for s in seconds], "customers/CPU-s", notes=notes))
    return rows


# -------------------------------------------------------------------------------------------------------- the whole run

BENCHMARKS: dict[str, Callable[[Sizes, int], list[Row]]] = {
    "served-customers": served_customers,
    "sale-ticks": sale_ticks,
    "single-environment": single_environment,
    "rollout-loop": rollout_loop,
    "training-share": training_share,
    "training": training,
    "import": importing,
    "compile": compiling,
    "memory": memory,
    "peers": peers,
}


def check_names(names: Sequence[str]) -> None:
    """Refuse what cannot be measured in one run.

    Raises:
        ValueError: an unknown name, or one that is measured on its own beside others.
    """
    for name in names:
        if name not in (*BENCHMARKS, ENCODER, DEVICE):
            raise ValueError(unknown_name("benchmark", name, [*BENCHMARKS, ENCODER, DEVICE]))
    for name in (ENCODER, DEVICE):
        if name in names and list(names) != [name]:
            others = ", ".join(other for other in names if other != name) or name
            raise ValueError(f"benchmark {name!r} is measured on its own: leave out {others}, or run them one by one.")


def run_bench(
    select: Sequence[str] | None = None,
    repeats: int = 5,
    progress: Progress | None = None,
    *,
    quick: bool = False,
) -> dict[str, Any]:
    """Run benchmarks and return what they measured, ready for JSON.

    Args:
        select: names in `BENCHMARKS`; all by default.
        repeats: measurements of which a figure is the median.
        progress: called before each benchmark with those done, those to do, and its name.
        quick: sizes at which everything runs and no figure means anything; targets are then not judged.

    Returns:
        "command", "quick", "repeats", "seconds"; "machine" and "versions"; "rows": one dict a figure, with the fields
        of `Row`, "met" and the name of its "benchmark"; "ratios": name -> value of the rows that are ratios.

    Raises:
        ValueError: an unknown name, or repeats below 1.
    """
    names = list(BENCHMARKS) if select is None else list(select)
    check_names(names)
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}.")
    begin, load = time.perf_counter(), system_load()
    rows: list[dict[str, Any]] = []
    for done, name in enumerate(names):
        if progress is not None:
            progress(done, len(names), name)
        rows += as_rows(name, BENCHMARKS[name](QUICK if quick else FULL, repeats), quick=quick)
    return {
        "command": COMMAND,
        "quick": quick,
        "repeats": repeats,
        "seconds": time.perf_counter() - begin,
        "machine": {**describe_machine(), "load_before": load, "load_after": system_load()},
        "versions": versions("llvmlite", *dict.fromkeys(peer.distribution for peer in PEERS)),
        "rows": rows,
        "ratios": ratios_of(rows),
    }


def as_rows(benchmark: str, rows: Iterable[Row], *, quick: bool) -> list[dict[str, Any]]:
    """Figures of one benchmark, ready for JSON; quick ones are not judged."""
    return [
        {"benchmark": benchmark, **asdict(row), "repeats": list(row.repeats), "met": None if quick else row.met}
        for row in rows
    ]


def ratios_of(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Name -> value of the rows that are ratios."""
    return {row["name"]: row["value"] for row in rows if row["unit"] == "ratio"}


def describe_machine() -> dict[str, Any]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _cpu_model(), "cores": usable, "platform": platform.platform(), "python": platform.python_version()}


def _cpu_model() -> str:
    """The model's name as the kernel gives it, which `platform` does not on Linux."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def system_load() -> float | None:
    """Processes that ran or wanted to, mean of the last minute; near 1 is this benchmark itself."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


# --------------------------------------------------------------------------------------------------------------- a page


def as_markdown(result: dict[str, Any]) -> str:
    """The page of a result of `run_bench`: `benchmarks/README.md`, which is never typed."""
    machine = result["machine"]
    lines = [
        "# Throughput",
        "",
        f"Written by `{result['command']}`; do not edit. The same figures as JSON: `flashsale bench --json`.",
        "",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['platform']}, Python {machine['python']}; "
        f"load {machine['load_before']} before and {machine['load_after']} after the run.",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in result['versions'].items())}.",
        f"- Medians of {result['repeats']} measurements (of more where one is short), warm; "
        f"the whole run took {result['seconds'] / 60:.1f} minutes.",
    ]
    if result["quick"]:
        lines += ["- **Quick sizes: these figures say nothing about speed.**"]
    for name in dict.fromkeys(row["benchmark"] for row in result["rows"]):
        what = (BENCHMARKS[name].__doc__ or "").splitlines()[0] if name in BENCHMARKS else ""
        lines += [
            "",
            f"## {name}",
            "",
            what,
            "",
            "| what | median | range | target | met | how |",
            "|---|---|---|---|---|---|",
        ]
        of_this = [row for row in result["rows"] if row["benchmark"] == name]
        lines += [_line(row) for row in of_this]
        missed = [row["name"] for row in of_this if row["met"] is False]
        lines += ["", *(f"- Why *{row}* is missed: {MISSES[row]}" for row in missed if row in MISSES)] if missed else []
    lines += ["", *_HOW_TO_READ]
    return "\n".join(lines) + "\n"


# What profiles and trials said about targets that were missed; shown while they are.
MISSES = {
    "served customers over bare numpy": (
        "leaving parts out of the kernel one at a time, of 64 ns a customer the choice and the memory it reads are "
        "33, picking the voice and fetching its row 22, the logarithm of the time to the next customer 4, bookkeeping "
        "of purchases 3, coupons 2, messages 1. Without any choice the kernel takes 30 ns; numpy, which has no "
        "arrivals and reads voices in bulk, takes 63 for the choice alone, so twice numpy would be 32 ns for "
        "everything. Tried: an argmax without branches over utilities packed with the product's number (a fifth "
        "faster), selects in place of branches (slower), arrivals drawn in blocks (under a tenth), a "
        "smaller Gumbel table (a twentieth)."
    ),
    "SB3 rollout over no-op, gallego-van-ryzin": (
        "of 57 ms a rollout the compiled tick takes 7, what Python does around it 2, the one close 1; 2 are lost "
        "outside by memory that is no longer in the cache. Of 103 ns a sale-tick, customers are 42, decoding "
        "the action 11, the observation 9, price tags and money 4 each. Tried: two threads (slower: handing over costs "
        "as much as the tick)."
    ),
    "SB3 rollout over no-op, gvr-periodic": (
        "of 70 ms a rollout the compiled tick takes 13 (39 ns a candidate, most of it two logarithms and two "
        "divisions) and the six closes 6, half of them the infos of the sales that closed."
    ),
    "environment's share of PPO, standard": (
        "the update is short (two epochs, one hidden layer of 32), 0.4 s against 0.85 CPU-seconds of 12 million "
        "customers on two threads; where another process takes the second core the share is 0.65. Tried: voices "
        "whose hot fields lie together and no early exit among classes (3 % faster, kept), fewer price tags after a "
        "coupon (nothing). The argmax without branches named above would bring it to about 0.46, but rounds utilities."
    ),
}


_HOW_TO_READ = [
    "## How to read this",
    "",
    "- *per CPU-s* divides by the CPU time of the whole process, all threads together: it does not grow with cores. "
    "All other rates are per second of wall time.",
    "- The range is that of the single measurements; a wide one means that the machine was busy with other things.",
    "- Ratios are medians of the ratios of neighbouring measurements, so both sides met the same machine.",
    "- Bare numpy does less than a sale: it makes choices and counts them. It knows no time, stock or money.",
    "- Peers are other problems, each at its own default size: a step of theirs is not the work of a step of ours. "
    "One `standard` step serves about 200 customers one by one; one of DynamicPricing draws a single Poisson number.",
]


def shown(row: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    """Benchmark, name, median, range, target and whether it is met, as a person reads them."""
    sign = {"at least": "≥", "at most": "≤", "": ""}[row["direction"]]
    target = "" if row["target"] is None else f"{sign} {_number(row['target'])}"
    met = {True: "yes", False: "no", None: ""}[row["met"]]
    value = "-" if row["value"] is None else f"{_number(row['value'])} {row['unit'] if row['unit'] != 'ratio' else ''}"
    values = row["repeats"]
    spread = f"{_number(min(values))} .. {_number(max(values))}" if len(values) > 1 else ""
    return row["benchmark"], row["name"], value.strip(), spread, target, met


def _line(row: dict[str, Any]) -> str:
    _, name, value, spread, target, met = shown(row)
    return f"| {name} | {value} | {spread} | {target} | {'**no**' if met == 'no' else met} | {row['notes']} |"


def _number(value: float) -> str:
    """Three figures that mean something: 12.3 M, 45.6 k, 7.89.

    >>> [_number(x) for x in (12_345_678, 45_600, 789.4, 0.0123, 200, 2)]
    ['12.3 M', '45.6 k', '789', '0.0123', '200', '2']
    """
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def as_json(result: dict[str, Any]) -> str:
    """A result as the text of a JSON file."""
    return json.dumps(result, indent=2) + "\n"


def check_no_figures(folder: Path, *, overwrite: bool) -> None:
    """Complain before anything is measured.

    Raises:
        FileExistsError: the folder holds figures already and `overwrite` is not set, or files of these names that no
            measurement has written.
    """
    there = [folder / name for name in (PAGE, FIGURES) if (folder / name).exists()]
    if there and not overwrite:
        raise FileExistsError(f"{there[0]} is there already: give another --out, or --overwrite.")
    if there and not _holds_figures(folder):
        raise FileExistsError(
            f"{there[0]} was not written by `flashsale bench` and is not replaced: give another --out."
        )


def _holds_figures(folder: Path) -> bool:
    try:
        content = json.loads((folder / FIGURES).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"machine", "versions", "rows", "repeats", "quick"} <= content.keys()


def write(result: dict[str, Any], folder: Path) -> None:
    """The page and the figures behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / FIGURES, as_json(result).encode())
    write_atomically(folder / PAGE, as_markdown(result).encode())

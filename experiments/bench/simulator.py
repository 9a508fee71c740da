"""Throughput of the simulator in a batch, beside bare numpy.

Units   customers or sale-ticks per CPU-second of the process.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import METRICS, Simulator
from flashsale_env.core.streams import GUMBEL
from flashsale_env.experiments.bench.measuring import Row, Sizes, alternate, make_row, ratio_row


def batch(scenario: str, sales: int) -> tuple[Simulator, Callable[[int], float]]:
    """A simulator, and a function that plays episode k of its N sales and returns the CPU-seconds it took.

    Actions are uniform over the box, drawn beforehand and the same in every call. The time includes opening the sales.
    The simulator runs on one thread, as numpy does: two threads on the halves of one physical core compete for it,
    which raises their CPU-seconds.
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


def bare_numpy(simulator: Simulator, customers: int, own_offers: bool) -> tuple[int, float, npt.NDArray[Any]]:
    """The choices of customers alone, in the fastest plain numpy we could write.

    Each customer has a random voice and takes the option with the largest utility + Gumbel draw, buying nothing among
    them. Only sales of each product are counted: no arrival times, stock, order among customers, money or observation.
    For speed: float32, buffers allocated once, chunks that fit the cache, Gumbel draws from a table of quantiles (a
    look-up by 16 bits is a tenth faster than two logarithms), and SFC64, numpy's fastest generator.

    Args:
        simulator: whose voices are used.
        customers: at least this many; rounded up to whole chunks.
        own_offers: whether every sale has its own prices and appeals, as in a batch. Otherwise all sales share one
            price list, which is added to the utilities of the voices once.

    Returns:
        Customers, CPU-seconds, and (N, M + 1) purchases; column 0 is "buys nothing".
    """
    chunk = 4096  # with 8 products three buffers of 128 kB; the fastest of 1024 .. 16384
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
    sale_of = np.sort(np.arange(chunks * chunk) % n)  # customers sale by sale, as the batch plays them
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
    simulator, play = batch("standard", sizes.sales)
    episode = iter(range(repeats + 1))

    def ours() -> float:
        seconds = play(next(episode))
        return float(simulator.sales["customers"].sum()) / seconds

    def numpy_rate(own_offers: bool) -> float:
        customers, seconds, _ = bare_numpy(simulator, sizes.sales * 1000, own_offers)
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
            notes=f"{sizes.sales} sales at once, one thread, random actions; includes opening, arrivals, stock, money "
            "and observations; candidates rejected by thinning are not counted",
        ),
        make_row("bare numpy, same products", own, unit, notes="choices only; own prices and appeals of each sale"),
        make_row("bare numpy, one price list", shared, unit, notes="choices only; all sales at the same prices"),
        ratio_row(
            "served customers over bare numpy",
            simulated,
            own,
            at_least=2.0,
            notes="each sale has its own prices and appeals",
        ),
    ]


def whole_sale(sizes: Sizes, repeats: int) -> list[Row]:
    """CPU time of a customer in `full`, with twelve mechanisms of the full sale, beside one in `standard`.

    A request is what a shop must answer: customers, their later looks, and bots, caught or not.
    """
    batches = {name: batch(name, max(sizes.sales // 8, 1)) for name in ("standard", "full")}
    episodes = {name: iter(range(repeats + 1)) for name in batches}

    def play(name: str) -> tuple[float, dict[str, float]]:
        """CPU-seconds of the next episode, and its metrics summed over the sales."""
        simulator, play_episode = batches[name]
        seconds = play_episode(next(episodes[name]))
        return seconds, dict(zip(METRICS, simulator.measure().sum(axis=0).tolist(), strict=True))

    simple, whole = alternate(repeats, lambda: play("standard"), lambda: play("full"))
    standard = [seconds / counts["customers"] for seconds, counts in simple]
    customer = [seconds / counts["customers"] for seconds, counts in whole]
    request = [seconds / (counts["requests"] + counts["bots_caught"]) for seconds, counts in whole]
    return [
        make_row("a customer of full", (1e9 * cost for cost in customer), "ns", notes="random actions, one thread"),
        ratio_row(
            "a customer of full over one of standard", customer, standard, at_most=2.5, notes="same run, alternating"
        ),
        ratio_row(
            "a request of full over a customer of standard",
            request,
            standard,
            notes="customers, later looks and bots, those that screening stops among them",
        ),
    ]


def sale_ticks(sizes: Sizes, repeats: int) -> list[Row]:
    """Ticks of a sale per CPU-second, `gallego-van-ryzin` at 60 ticks."""
    simulator, play = batch("gallego-van-ryzin", sizes.sales)
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

"""Playing sales with a policy: the one loop behind every evaluation, tuning run and picture.

Axes    S sales, T ticks, M products, I intents.
Units   money in the scenario's currency, counts in units or customers.
"""

from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import METRICS, Population, Scenario, Simulator, load_scenario
from flashsale_env.agents.protocol import as_policy
from flashsale_env.errors import unknown_name

Floats = npt.NDArray[np.float64]


class SaleTable(Mapping[str, Floats]):
    """One row a sale, in the order of the seeds; one column a metric, and `ret`, the sum of the sale's rewards.

    Attributes:
        more: what else was read, name -> (S, ...).
    """

    def __init__(
        self, seeds: npt.NDArray[np.uint64], columns: dict[str, Floats], more: Mapping[str, Floats] | None = None
    ) -> None:
        self.seeds, self.more = seeds, dict(more or {})
        self._columns = columns

    def __getitem__(self, name: str) -> Floats:
        try:
            return self._columns[name]
        except KeyError:
            raise KeyError(unknown_name("column", name, self._columns)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def play(
    agent: Any,
    scenario: str | Path | Scenario,
    population: str | PathLike[str] | Population | None = None,
    *,
    seeds: npt.NDArray[np.uint64],
    batch: int = 1024,
    deterministic: bool = True,
    progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
    read: Callable[[npt.NDArray[np.void]], Mapping[str, Floats]] | None = None,
) -> SaleTable:
    """Play the sale (seed, episode 0) of every seed.

    Args:
        agent: an agent of `agents.make`, a model of Stable-Baselines3, or any policy as in `agents.protocol`.
        scenario, population: as for `Simulator`.
        seeds: (S,) whole numbers, one a sale; `split_seeds` makes them.
        batch: sales played at once, at most.
        deterministic: whether a stochastic policy plays its mode.
        progress: called after each batch with (sales played, sales in all).
        threads: as for `Simulator`.
        read: what `more` of the table holds, from the records of a batch at the close, `Simulator.sales`: name ->
            (N, ...), as `market.fairness.counts` reads it.

    Raises:
        ValueError: no seeds or no batch, or the agent does not fit the scenario; the message names what is missing.
    """
    seeds = _as_seeds(seeds)
    if not isinstance(batch, int | np.integer) or isinstance(batch, bool) or batch < 1:
        raise ValueError(f"batch must be a whole number of sales, at least 1, got {batch!r}.")
    sale = load_scenario(scenario)
    policy = as_policy(agent, sale)
    # All batches have the same width, so that an agent's memory keeps its shape; the last is filled up with sales from
    # the front, which are dropped from the table.
    batches = -(-len(seeds) // batch)
    width = -(-len(seeds) // batches)
    simulator = Simulator(sale, population, sales=width, actions=policy.encoding, threads=threads)
    rows = np.resize(seeds, (batches, width))
    episodes = np.zeros(width, np.int64)
    metrics, returns = [], []
    more: dict[str, list[Floats]] = {}
    state = None
    for done, batch_seeds in enumerate(rows, start=1):
        observations = simulator.open(batch_seeds, episodes)
        start = np.ones(width, np.bool_)
        total = np.zeros(width)
        for _ in range(simulator.scenario.horizon_ticks):
            actions, state = policy.predict(observations, state, start, deterministic)
            observations, rewards, _ = simulator.advance(actions)
            total += rewards
            start = np.zeros(width, np.bool_)
        metrics.append(simulator.measure())
        returns.append(total)
        for name, column in ({} if read is None else read(simulator.sales)).items():
            more.setdefault(name, []).append(column)
        if progress is not None:
            progress(min(done * width, len(seeds)), len(seeds))
    table = np.concatenate(metrics)[: len(seeds)]
    columns = {name: table[:, column].copy() for column, name in enumerate(METRICS)}
    columns["ret"] = np.concatenate(returns)[: len(seeds)]
    return SaleTable(seeds, columns, {name: np.concatenate(parts)[: len(seeds)] for name, parts in more.items()})


def trace(
    agent: Any,
    scenario: str | Path | Scenario,
    population: str | PathLike[str] | Population | None = None,
    seed: int = 0,
    *,
    deterministic: bool = True,
) -> dict[str, npt.NDArray[Any]]:
    """One sale, tick by tick.

    Returns:
        "minute" (T,) at which the tick begins; "price" (T, M) shown in it; "coupon_depth" (T,) share off; "sold" (T, M)
        and "ordered" (T, M) units; "on_hand" (T + 1, M) units at the start of each tick, and at the close; "customers"
        (T,); "reward" (T,); "reward_terms" (T, K); "observation" (T, D) of the agent; and its part "intent_mean"
        (T, I), where the scenario shows it.
    """
    played = load_scenario(scenario)
    policy = as_policy(agent, played)
    simulator = Simulator(played, population, sales=1, actions=policy.encoding, threads=1)
    sale = simulator.sales[0]
    has_coupon = simulator.scenario.coupon is not None
    observation = simulator.open(np.array([seed], np.uint64), np.zeros(1, np.int64))
    rows: dict[str, list[Any]] = {
        name: []
        for name in (
            *("price", "coupon_depth", "sold", "ordered", "customers", "reward", "reward_terms"),
            *("on_hand", "observation"),
        )
    }
    rows["on_hand"].append(sale["on_hand"].copy())
    state = None
    for tick in range(simulator.scenario.horizon_ticks):
        rows["observation"].append(observation[0])
        ordered = sale["ordered"].copy()
        action, state = policy.predict(observation, state, np.array([tick == 0]), deterministic)
        observation, rewards, terms = simulator.advance(action)
        rows["price"].append(sale["price"].copy())
        rows["coupon_depth"].append(float(sale["coupon"]["depth"]) if has_coupon else 0.0)
        rows["sold"].append(sale["tick_sold"].copy())
        rows["ordered"].append(sale["ordered"] - ordered)
        rows["customers"].append(int(sale["tick_customers"]))
        rows["reward"].append(rewards[0])
        rows["reward_terms"].append(terms[0])
        rows["on_hand"].append(sale["on_hand"].copy())
    table = {name: np.array(values) for name, values in rows.items()}
    table["minute"] = np.arange(simulator.scenario.horizon_ticks) * simulator.scenario.tick_minutes
    if "intent_mean" in simulator.layout:
        table["intent_mean"] = table["observation"][:, simulator.layout["intent_mean"]]
    return table


def _as_seeds(seeds: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    # numpy would turn a list of small and large whole numbers into floats.
    array = seeds if isinstance(seeds, np.ndarray) else np.asarray(seeds, object)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"seeds must be a non-empty one-dimensional array, got shape {array.shape}.")
    for seed in array if array.dtype.kind not in "u" else ():
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed < 1 << 64:
            raise ValueError(
                f"seeds must be whole numbers of at least 0 and below 2^64, one a sale, as agents.split_seeds makes "
                f"them; got {seed!r}."
            )
    return array.astype(np.uint64)

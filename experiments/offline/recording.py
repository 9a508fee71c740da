"""Recording: a policy that explores sells, and everything is written down.

Owns    what a log holds of a sale, and writing it part by part.
Leaves  the distribution of the actions to `exploration`, the form of the files to `logs`.
Axes    N sales of a part, T ticks, M products, C decisions.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import REWARD_TERMS, ActionCodec, Layout, Population, Scenario, Simulator
from flashsale_env.agents.base import population_of
from flashsale_env.agents.fingerprints import scenario_fingerprint
from flashsale_env.agents.protocol import as_policy
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.offline import exploration
from flashsale_env.experiments.offline.logs import CARD, FORMAT, SCENARIO
from flashsale_env.experiments.toml_writer import scenario_toml
from flashsale_env.files import sha256, write_atomically
from flashsale_env.versions import versions

# Visits held in memory at once, about 100 bytes each.
_VISITS_AT_ONCE = 2_000_000
_STREAM = 0x10F5  # of the exploration, apart from every other draw


@dataclass(frozen=True, eq=False)
class Part:
    """Some sales, played to the close.

    Args:
        first: number of the first of them in the log.
        seeds: (N,).
        observations: (N, T + 1, D), the last one at the close.
        levels: (N, T, C) as played.
        shares: (N, T, C) propensity of each decision.
        rewards: (N, T) currency.
        terms: (N, T, K) terms of the reward.
        visits: the choice log; `row` counts within the part.
    """

    first: int
    seeds: npt.NDArray[np.uint64]
    observations: npt.NDArray[np.float32]
    levels: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    rewards: npt.NDArray[np.float64]
    terms: npt.NDArray[np.float64]
    visits: npt.NDArray[np.void]


def check_scenario(scenario: Scenario) -> None:
    """Refuse a scenario whose decisions have no propensities.

    Raises:
        ValueError: prices are continuous.
    """
    if scenario.pricing.continuous:
        raise ValueError(
            f"scenario {scenario.name!r} has continuous prices, and a log needs the probability of each price: set "
            f"pricing.continuous = false, e.g. gvr-periodic is gallego-van-ryzin with levels."
        )


def played(
    agent: Any, scenario: Scenario, population: Population, *, sales: int, explore: float, seed: int
) -> Iterator[Part]:
    """Play sales of a block of the train split, part by part.

    Args:
        agent: any policy; its mode is what exploration departs from.
        scenario, population: of the sales.
        sales: how many.
        explore: probability with which each decision is redrawn uniformly.
        seed: number of the block, and seed of the exploration.
    """
    policy = as_policy(agent, scenario)
    own = ActionCodec(scenario, policy.encoding)
    expected = scenario.arrivals.customers_per_minute * scenario.sale_minutes
    room = int(1.5 * expected) + 200
    width = int(min(sales, max(1, _VISITS_AT_ONCE // room)))
    seeds = split_seeds("train", seed, sales)
    for first in range(0, sales, width):
        chosen = seeds[first : first + width]
        while True:
            part, busiest = _play(policy, own, scenario, population, chosen, first, explore, seed, room)
            if part is not None:
                yield part
                break
            room = busiest  # the same sales again, with room for all their visits


def _play(
    policy: Any,
    own: ActionCodec,
    scenario: Scenario,
    population: Population,
    seeds: npt.NDArray[np.uint64],
    first: int,
    explore: float,
    seed: int,
    room: int,
) -> tuple[Part | None, int]:
    """The sales of these seeds, None where one had more visits than `room`; and the visits of the busiest."""
    n = len(seeds)
    simulator = Simulator(scenario, population, sales=n, actions="multidiscrete", log_rows=room)
    n_levels = simulator.codec.n_levels
    rng = np.random.default_rng([_STREAM, seed, first])
    seen = [simulator.open(seeds, np.zeros(n, np.int64))]
    rows: dict[str, list[npt.NDArray[Any]]] = {"levels": [], "shares": [], "rewards": [], "terms": []}
    state = None
    for tick in range(scenario.horizon_ticks):
        actions, state = policy.predict(seen[-1], state, np.full(n, tick == 0), True)
        greedy = own.to_levels(actions)
        levels = exploration.draw(greedy, n_levels, explore, rng)
        observations, rewards, terms = simulator.advance(levels)
        seen.append(observations)
        rows["levels"].append(levels)
        rows["shares"].append(exploration.by_decision(levels, greedy, n_levels, explore))
        rows["rewards"].append(rewards)
        rows["terms"].append(terms)
    busiest = int(simulator.sales["visits"].max())
    if busiest > room:
        return None, busiest
    stacked = {name: np.stack(values, axis=1) for name, values in rows.items()}
    return Part(first, seeds, np.stack(seen, axis=1), **stacked, visits=simulator.choice_log()), busiest


def write_log(
    folder: Path,
    parts: Iterator[Part],
    scenario: Scenario,
    population: Population,
    *,
    agent: str,
    explore: float,
    sales: int,
    seed: int,
    named: str | None,
    home: str,
    also: Callable[[Part], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write the parts, and then the card; returns the card.

    Args:
        folder: of the run, which is claimed.
        parts: as `played` yields them.
        scenario, population: of the sales.
        agent: name of the policy that sells.
        explore: its exploration.
        sales: how many.
        seed: number of the block of the train split.
        named: the population as it was given; None for the scenario's own.
        home: the scenario as it was given.
        also: called with each part.
        progress: called with the sales written and the sales in all.
    """
    files: dict[str, bytes] = {SCENARIO: scenario_toml(scenario).encode()}
    write_atomically(folder / SCENARIO, files[SCENARIO])
    hashes = {SCENARIO: sha256(files[SCENARIO])}
    returns, visits = [], 0
    for number, part in enumerate(parts):
        for kind, table in (("ticks", ticks(part, scenario)), ("visits", visits_of(part, scenario, population))):
            name, content = f"{kind}-{number:04d}.parquet", _parquet(table)
            write_atomically(folder / name, content)
            hashes[name] = sha256(content)
        if also is not None:
            also(part)
        returns.append(part.rewards.sum(axis=1))
        visits += len(part.visits)
        if progress is not None:
            progress(part.first + len(part.seeds), sales)
    codec = ActionCodec(scenario, "multidiscrete")
    card = {
        "format": FORMAT,
        "kind": "log of sales",
        "agent": agent,
        "explore": explore,
        "seed": seed,
        "sales": sales,
        "visits": visits,
        "mean_return": float(np.concatenate(returns).mean()),
        "scenario": home,
        "scenario_sha256": scenario_fingerprint(scenario),
        **population_of(scenario, named, population),
        "observation": [entry.name for entry in Layout(scenario).entries],
        "decisions": {name: list(levels) for name, levels in zip(codec.names, codec.levels, strict=True)},
        "reward_terms": list(REWARD_TERMS),
        "versions": versions(),
        "files": hashes,
    }
    write_atomically(folder / CARD, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())
    return card


def ticks(part: Part, scenario: Scenario) -> Mapping[str, Any]:
    """One row a sale and tick, in the columns of `ticks-*.parquet`."""
    n, t = part.rewards.shape
    return {
        "sale": np.repeat(np.arange(part.first, part.first + n), t),
        "seed": np.repeat(part.seeds, t),
        "tick": np.tile(np.arange(t, dtype=np.int32), n),
        "minute": np.tile(np.arange(t) * scenario.tick_minutes, n),
        "observation": part.observations[:, :-1].reshape(n * t, -1),
        "levels": part.levels.astype(np.int16).reshape(n * t, -1),
        "decision_propensities": part.shares.reshape(n * t, -1),
        "propensity": part.shares.prod(axis=2).ravel(),
        "reward": part.rewards.ravel(),
        "reward_terms": part.terms.reshape(n * t, -1),
    }


def visits_of(part: Part, scenario: Scenario, population: Population) -> Mapping[str, Any]:
    """One row a visit, in the columns of `visits-*.parquet`; prices in currency, as this customer would pay them."""
    import pyarrow as pa

    visits, reference = part.visits, np.array([product.reference_price for product in scenario.products])
    titles = [*scenario.titles, None]  # nothing opened or bought
    of_voice = pa.array(np.ascontiguousarray(visits["voice"]))
    return {
        "sale": part.first + visits["row"],
        "tick": visits["tick"],
        "look": visits["look"],
        "person": visits["person"],
        "message": pa.DictionaryArray.from_arrays(of_voice, pa.array(population.utterances)),
        "language": pa.array(population.languages).dictionary_encode().take(of_voice),
        **{
            name: pa.array([titles[j] for j in visits[name].tolist()], pa.string()).dictionary_encode()
            for name in ("opened", "bought")
        },
        "pays": visits["pays"].astype(np.bool_),
        "units": visits["units"],
        "available": visits["available"].astype(np.bool_),
        "place": visits["place"],
        "price": visits["price_share"] * reference,
        "coupon_price": visits["coupon_price_share"] * reference,
        "clips": visits["clips"].astype(np.bool_),
    }


def _parquet(columns: Mapping[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for name, values in columns.items():
        if isinstance(values, np.ndarray) and values.ndim == 2:
            flat = pa.array(np.ascontiguousarray(values).ravel())
            arrays[name] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        else:
            arrays[name] = pa.array(np.ascontiguousarray(values)) if isinstance(values, np.ndarray) else values
    stream = io.BytesIO()
    pq.write_table(pa.table(arrays), stream, compression="zstd")
    return stream.getvalue()

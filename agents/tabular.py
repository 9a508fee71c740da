"""Q-learning, SARSA and expected SARSA over a grid of time and stock.

Owns    the table, the three update rules, the training loop (checkpoints, validation, resuming), and saving.
Axes    N sales at once, T ticks a sale, S states, A actions: every combination of the products' price levels.
Units   currency; q[s, a] estimates what is earned from state s to the close when a is played first.

N sales are played side by side with the table as it stands, and the table is then updated from the last tick back to
the first, so that what is earned late reaches the first prices in one batch. The customers of a batch are seeded by
its number, and so is exploration: an interrupted training, resumed, ends in the same table bit for bit.

Source: Sutton & Barto (2018), Reinforcement Learning, 2nd ed., chapter 6; replay from the last tick backwards: Lin
(1992), Machine Learning 8, section 3.
"""

import dataclasses
import itertools
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from flashsale_env import Population, Scenario, Simulator, UnitReader, load_scenario
from flashsale_env.agents.base import (
    CARD,
    Agent,
    card_of,
    customers_of,
    read_card,
    read_weights,
    tell_changes,
)
from flashsale_env.agents.exact import why_unseen
from flashsale_env.agents.fingerprints import fingerprints
from flashsale_env.agents.play import play
from flashsale_env.agents.seeding import MOST_SALES, check_run, split_seeds, validation_seeds
from flashsale_env.errors import unknown_name
from flashsale_env.files import sha256, write_atomically
from flashsale_env.tables import check_fields
from flashsale_env.versions import versions

if TYPE_CHECKING:
    from typing import Self

TABLE, TRAINING = "table.safetensors", "training.json"

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Row = dict[str, float]
Progress = Callable[[int, int, Row | None], None]

# Entries of the largest table: beyond it most are never visited in a training of minutes.
_MOST_ENTRIES = 1_000_000
# What a sale of a batch and a validation sale take bounds how many fit any memory.
_MOST = {"num_envs": 1 << 20, "validation_sales": 10_000_000}


@dataclass(frozen=True)
class Settings:
    """How a table is learned.

    Args:
        sales: played in the whole training.
        num_envs: sales played with one table, between two updates.
        exploration, final_exploration: probability of a price drawn evenly from all; falls linearly from the one at
            the opening of the training to the other at its end. That the rules which learn what their own prices earn
            count it in costs less than prices too seldom tried.
        step_exponent: the n-th visit moves an entry by n^-step_exponent of what it is off; 1 takes plain averages,
            which remember what was wrong early (Even-Dar & Mansour 2003, JMLR 5: 0.77 is best in their analysis).
        time_cells, stock_cells: of the grid, at most; with so many ticks or units, or fewer, each has its own.
        validate_every: batches between two validations.
        validation_sales: sales of the validation split played in each.
    """

    sales: int = 400 * 4096
    num_envs: int = 4096
    exploration: float = 1.0
    final_exploration: float = 0.15
    step_exponent: float = 0.77
    time_cells: int = 60
    stock_cells: int = 20
    validate_every: int = 50
    validation_sales: int = 16_384

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("sales", "num_envs", "time_cells", "stock_cells", "validate_every", "validation_sales"):
            if not 1 <= getattr(self, name) <= _MOST.get(name, MOST_SALES):
                most = _MOST.get(name, MOST_SALES)
                raise ValueError(f"{name} must lie in 1..{most:,}, got {getattr(self, name)}.")
        for name in ("exploration", "final_exploration"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0..1, got {getattr(self, name)}.")
        if not 0.5 < self.step_exponent <= 1:
            raise ValueError(
                f"step_exponent must lie above 0.5 (or the noise never averages out) and be at most 1, got "
                f"{self.step_exponent}."
            )


class Grid:
    """Observations as numbers of cells, time running slowest."""

    def __init__(self, agent: Agent, settings: Settings) -> None:
        self._units = UnitReader(agent.scenario)
        self._horizon = agent.scenario.horizon_ticks
        self.shape = _shape(agent.scenario, settings)
        self._all_units = agent.scenario.stock_scale

    def __call__(self, observations: npt.NDArray[np.float32]) -> Integers:
        """(N,) numbers in 0..S - 1."""
        tick = np.minimum(self._units.tick(observations), self._horizon - 1)
        time_cell = tick * self.shape[0] // self._horizon
        # Cell 0 is the empty shelf alone; the others share the units evenly.
        cells = np.array(self.shape[1:]) - 1
        stock_cells = -(-self._units.on_hand(observations) * cells // self._all_units)
        return np.ravel_multi_index((time_cell, *stock_cells.T), self.shape)


def _shape(scenario: Scenario, settings: Settings) -> tuple[int, ...]:
    """Cells of time and of each product's stock."""
    stock = (np.minimum(scenario.stock_scale, settings.stock_cells) + 1).tolist()
    return min(scenario.horizon_ticks, settings.time_cells), *stock


class Tabular(Agent):
    """A learner with one number for each state and action.

    Args:
        scenario: name, path or object.
        device, population: accepted as for every learner; a table lives on the CPU and starts from no rule.
        seed: number of the training run: of its block of training sales and of its exploration.
        settings: any field of `Settings`, in place of the rule's own in `preset` or its default.

    Attributes:
        q: (S, A) the table; 0 where nothing was learned, which plays list prices.

    Raises:
        ValueError: an unknown setting, one out of its range, or a scenario the table does not apply to.
    """

    preset: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self,
        scenario: str | Path | Scenario,
        *,
        device: str = "auto",
        seed: int = 0,
        population: str | Path | Population | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(scenario, seed=seed)
        check_run(seed, "seed")
        self._trained: dict[str, str] = {}
        known = {field.name for field in dataclasses.fields(Settings)}
        for name in settings:
            if name not in known:
                raise ValueError(unknown_name(f"setting of {self.name!r}", name, known))
        self.settings = Settings(**{**self.preset, **settings})
        self.require_applies()
        self._grid = Grid(self, self.settings)
        self._levels = np.array(list(itertools.product(*map(range, self.codec.n_levels))), np.int64)  # (A, C)
        self.q = np.zeros((math.prod(self._grid.shape), len(self._levels)))
        self._check_size()

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        if any(len(product.order_levels) > 1 for product in scenario.products):
            return "the scenario decides on orders, and the table knows prices, time and stock on hand only"
        if scenario.coupon is not None or scenario.targeted is not None:
            return (
                "the scenario has coupons or targeted offers, and the table knows prices, time and stock on hand only"
            )
        reason = why_unseen(scenario, "time_left", "on_hand")
        if reason is not None:
            return reason
        actions = math.prod(len(p.price_levels) + p.may_be_withheld for p in scenario.products)
        entries = math.prod(_shape(scenario, Settings(**cls.preset))) * actions
        return _why_too_large(entries)

    def _check_size(self) -> None:
        reason = _why_too_large(self.q.size)
        if reason is not None:
            raise ValueError(f"{self.name}: {reason}; choose fewer time_cells or stock_cells.")

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        return self.codec.from_levels(self._levels[self.q[self._grid(observations)].argmax(axis=1)]), state

    def future(self, q: Floats, action: Integers, exploration: float) -> Floats:
        """(N,) worth of the states that follow: their rows `q` (N, A), and what was played there."""
        raise NotImplementedError

    def learn(
        self,
        population: str | Path | Population | None = None,
        *,
        sales: int | None = None,
        folder: str | Path | None = None,
        progress: Progress | None = None,
        threads: int | None = None,
    ) -> list[Row]:
        """Learn, and keep the table that earned the most on the validation sales.

        With a folder, the state is written at every validation, and so is the best table whenever there is a better
        one. A folder that holds an unfinished training of the same settings is continued as if nothing had happened;
        Ctrl-C loses what came after the last validation.

        Args:
            population: the scenario's own by default.
            sales: to play in the whole training, in place of the settings'.
            folder: where checkpoints go, and the agent as `load` reads it.
            progress: called after every batch with sales played, sales in all, and the last row of the curve.
            threads: of the simulator.

        Returns:
            The learning curve, one row a validation: "sales", "steps" (transitions), "seconds", "profit" (mean over
            the validation sales) and "ret".

        Raises:
            ValueError: the folder holds a training with other settings, or a broken one.
        """
        if sales is not None:
            self.settings = dataclasses.replace(self.settings, sales=sales)
        training = _Training(self, population, None if folder is None else Path(folder), threads)
        total = -(-self.settings.sales // self.settings.num_envs)
        if training.batches == 0 and not training.curve:
            training.validate()
        while training.batches < total:
            training.play_batch(exploration_at(self.settings, training.batches / total))
            if training.batches % self.settings.validate_every == 0 or training.batches == total:
                training.validate()
            if progress is not None:
                played = training.batches * self.settings.num_envs
                progress(played, total * self.settings.num_envs, training.curve[-1])
        self.q = training.best
        return training.curve

    def save(self, folder: str | Path) -> Path:
        """Write `table.safetensors` and `agent.json`, which holds its hash."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = safetensors.numpy.save({"q": self.q})
        write_atomically(folder / TABLE, weights)
        card = {
            **card_of(self.name, self.scenario),
            **self._trained,
            "seed": self.seed,
            "encoding": self.encoding,
            "weights_sha256": sha256(weights),
            "settings": dataclasses.asdict(self.settings),
            "cells": list(self._grid.shape),
            "actions": self._actions,
            "versions": versions(),
        }
        write_atomically(folder / CARD, json.dumps(card, indent=2, ensure_ascii=False).encode())
        return folder

    @classmethod
    def load(cls, folder: str | Path, scenario: str | Path | Scenario, device: str = "auto") -> "Self":
        """Read an agent that `save` wrote; another game than it learned on, which it fits, is a warning.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is broken or not the one that the card was written with, or the table does not fit.
        """
        card = read_card(folder)
        if card["name"] != cls.name:
            raise ValueError(f"{folder} holds an agent {card['name']!r}, not {cls.name!r}: use agents.load.")
        scenario = load_scenario(scenario)
        misfit = (
            f"the table in {folder} was learned on scenario {card['scenario']!r} and does not fit {scenario.name!r}"
        )
        reason = cls.applies(scenario)
        if reason is not None:
            raise ValueError(f"{misfit}: {reason}.")
        agent = cls(scenario, device=device, seed=card["seed"], **card["settings"])
        for wanted, found in (("cells", list(agent._grid.shape)), ("actions", agent._actions)):
            if card[wanted] != found:
                raise ValueError(f"{misfit}: its {wanted} are {card[wanted]}, the scenario's {found}.")
        read_weights(Path(folder) / TABLE, card)
        agent.q = _read_tensors(Path(folder) / TABLE, {"q": agent.q})["q"]
        tell_changes(folder, card, scenario)
        agent._trained = {name: card[name] for name in ("population", "population_sha256") if name in card}
        return agent

    @property
    def _actions(self) -> dict[str, list[float]]:
        """What the columns of the table are made of: the levels of every decision."""
        return {name: list(levels) for name, levels in zip(self.codec.names, self.codec.levels, strict=True)}


class QLearning(Tabular):
    """Learns what the best prices earn, whatever prices were tried.

    The largest of noisy entries is too large, and the error grows with every cell that it is handed back through (van
    Hasselt 2010, Double Q-learning): its cells are wide and all prices are tried to the end, so that each entry
    averages more.

    Source:
        Watkins & Dayan (1992), Machine Learning 8.
    """

    name = "q_learning"
    preset: ClassVar[Mapping[str, Any]] = {"time_cells": 20, "final_exploration": 0.6}

    def future(self, q: Floats, action: Integers, exploration: float) -> Floats:
        return np.asarray(q.max(axis=1))


class Sarsa(Tabular):
    """Learns what its own prices earn, the tried ones included; optimal as exploration ends.

    Source:
        Rummery & Niranjan (1994), CUED/F-INFENG/TR 166; convergence: Singh et al. (2000), Machine Learning 38.
    """

    name = "sarsa"

    def future(self, q: Floats, action: Integers, exploration: float) -> Floats:
        return np.asarray(q[np.arange(len(q)), action])


class ExpectedSarsa(Tabular):
    """As SARSA, with the expectation over the next price in place of the one drawn.

    Source:
        van Seijen et al. (2009), IEEE ADPRL.
    """

    name = "expected_sarsa"

    def future(self, q: Floats, action: Integers, exploration: float) -> Floats:
        return np.asarray((1.0 - exploration) * q.max(axis=1) + exploration * q.mean(axis=1))


def exploration_at(settings: Settings, share: float) -> float:
    """Probability of an even draw when this share of the training is done."""
    return settings.exploration + (settings.final_exploration - settings.exploration) * share


class _Training:
    """The table on its way, and the simulator it learns from."""

    def __init__(self, agent: Tabular, population: Any, folder: Path | None, threads: int | None) -> None:
        self.agent, self.population, self.folder, self.threads = agent, population, folder, threads
        self.simulator = Simulator(
            agent.scenario, population, sales=agent.settings.num_envs, actions="multidiscrete", threads=threads
        )
        self.played = fingerprints(agent.scenario, self.simulator.population)
        agent._trained = customers_of(agent.scenario, population, self.simulator.population)
        self.batches = 0
        self.curve: list[Row] = []
        self.q = np.zeros_like(agent.q)
        self.visits = np.zeros(agent.q.shape, np.int64)
        self.best = self.q
        self._seconds, self._since = 0.0, time.perf_counter()
        if folder is not None and (folder / TRAINING).exists():
            self._resume(folder)

    def play_batch(self, exploration: float) -> None:
        """Play N new sales and learn from them."""
        agent, simulator = self.agent, self.simulator
        n, ticks = len(simulator), agent.scenario.horizon_ticks
        rng = np.random.default_rng([agent.seed, self.batches])
        seeds = split_seeds("train", agent.seed, n, start=self.batches * n)
        states, played = np.empty((ticks, n), np.int64), np.empty((ticks, n), np.int64)
        rewards = np.empty((ticks, n))
        observations = simulator.open(seeds, np.zeros(n, np.int64))
        for tick in range(ticks):
            states[tick] = agent._grid(observations)
            drawn = rng.integers(agent.q.shape[1], size=n)
            greedy = self.q[states[tick]].argmax(axis=1)
            played[tick] = np.where(rng.random(n) < exploration, drawn, greedy)
            observations, rewards[tick], _ = simulator.advance(agent._levels[played[tick]])
        following = np.zeros(n)
        for tick in reversed(range(ticks)):
            update(self.q, self.visits, states[tick], played[tick], rewards[tick] + following, agent.settings)
            following = agent.future(self.q[states[tick]], played[tick], exploration)
        self.batches += 1

    def validate(self) -> None:
        """Measure the greedy policy, keep the best one, write the checkpoint."""
        agent = self.agent
        agent.q = self.q
        seeds = validation_seeds(agent.settings.validation_sales)
        table = play(agent, agent.scenario, self.population, seeds=seeds, batch=4096, threads=self.threads)
        sales = self.batches * agent.settings.num_envs
        row = {
            "sales": sales,
            "steps": sales * agent.scenario.horizon_ticks,
            "seconds": self._elapsed(),
            "profit": float(table["profit"].mean()),
            "ret": float(table["ret"].mean()),
        }
        if not self.curve or row["profit"] > max(earlier["profit"] for earlier in self.curve):
            self.best = self.q.copy()
            if self.folder is not None:
                agent.save(self.folder)
        self.curve.append(row)
        if self.folder is not None:
            self._write(self.folder)

    def _write(self, folder: Path) -> None:
        """The checkpoint first, then the file that names it: a kill in between leaves the old pair or the new one."""
        name = f"checkpoint-{self.batches:06d}.safetensors"
        write_atomically(folder / name, safetensors.numpy.save(self._tensors()))
        state = {
            **self._identity(),
            "batches": self.batches,
            "seconds": self._elapsed(),
            "checkpoint": name,
            "curve": self.curve,
            "versions": versions(),
        }
        write_atomically(folder / TRAINING, json.dumps(state, indent=2, ensure_ascii=False).encode())
        for old in folder.glob("checkpoint-*.safetensors"):
            if old.name != name:
                old.unlink()

    def _resume(self, folder: Path) -> None:
        path = folder / TRAINING
        try:
            state = json.loads(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path} is not valid JSON: {error}. Remove the folder to begin anew.") from error
        for name, wanted in self._identity().items():
            if state.get(name) != wanted:
                raise ValueError(
                    f"{folder} holds a training with another {name}: {state.get(name)}, want {wanted}. Give another "
                    f"folder, or the same settings to continue it."
                )
        tensors = _read_tensors(folder / state["checkpoint"], self._tensors())
        self.q, self.visits, self.best = tensors["q"], tensors["visits"], tensors["best"]
        self.batches, self.curve, self._seconds = state["batches"], state["curve"], state["seconds"]

    def _tensors(self) -> dict[str, npt.NDArray[Any]]:
        return {"q": self.q, "visits": self.visits, "best": self.best}

    def _identity(self) -> dict[str, Any]:
        return {
            "name": self.agent.name,
            "scenario": self.agent.scenario.name,
            **self.played,
            "seed": self.agent.seed,
            "settings": dataclasses.asdict(self.agent.settings),
            "actions": self.agent._actions,
        }

    def _elapsed(self) -> float:
        return self._seconds + time.perf_counter() - self._since


def update(
    q: Floats, visits: Integers, states: Integers, actions: Integers, targets: Floats, settings: Settings
) -> None:
    """Move q[states, actions] towards the targets (N,), in place.

    Rows that meet in one entry move it together: k of them, after n visits before, by (k / (n + k))^step_exponent
    of the distance to their mean target. That is the plain average at exponent 1, and one row's step at k = 1.
    """
    entries, row, together = np.unique(states * q.shape[1] + actions, return_inverse=True, return_counts=True)
    mean = np.bincount(row, weights=targets) / together
    flat_q, flat_visits = q.reshape(-1), visits.reshape(-1)
    flat_visits[entries] += together
    step = (together / flat_visits[entries]) ** settings.step_exponent
    flat_q[entries] += step * (mean - flat_q[entries])


def _why_too_large(entries: int) -> str | None:
    if entries <= _MOST_ENTRIES:
        return None
    return f"the table of time, stock and price levels has {entries:,} entries; at most {_MOST_ENTRIES:,} are learned"


def _read_tensors(path: Path, like: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Arrays of the same names, shapes and types as `like`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is broken, or holds something else.
    """
    try:
        tensors: dict[str, npt.NDArray[Any]] = safetensors.numpy.load(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing: the agent was not saved to its end.") from None
    except SafetensorError as error:
        raise ValueError(f"{path} is truncated or no safetensors file: {error}.") from error
    found = {name: (array.shape, array.dtype) for name, array in tensors.items()}
    wanted = {name: (array.shape, array.dtype) for name, array in like.items()}
    if found != wanted:
        raise ValueError(f"{path} must hold {wanted}, got {found}.")
    return tensors

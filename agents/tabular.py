"""Q-learning, SARSA and expected SARSA over a grid of time and stock.

Owns    the table, the three update rules, a round of training, and saving.
Leaves  rounds, validation, checkpoints and resuming to `agents.training`.
Axes    N sales at once, T ticks a sale, S states, A actions: every combination of the products' price levels.
Units   currency; q[s, a] estimates the revenue from state s to the close if a is played first.

A round plays N sales side by side with the table as it stands. The table is then updated from the last tick back to the
first, so that late revenue reaches the first prices within one round. Customers and exploration of a round are seeded
by its number.

Source: Sutton & Barto (2018), Reinforcement Learning, 2nd ed., chapter 6; replay from the last tick backwards: Lin
(1992), Machine Learning 8, section 3.
"""

import dataclasses
import itertools
import json
import math
from collections.abc import Mapping
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
    population_of,
    read_card,
    read_weights,
    warn_of_changes,
)
from flashsale_env.agents.exact import why_unseen
from flashsale_env.agents.fingerprints import fingerprints
from flashsale_env.agents.seeding import MOST_SALES, check_run, split_seeds
from flashsale_env.agents.training import Progress, Row, Training
from flashsale_env.errors import unknown_name
from flashsale_env.files import sha256, write_atomically
from flashsale_env.tables import check_fields
from flashsale_env.versions import versions

if TYPE_CHECKING:
    from typing import Self

TABLE = "table.safetensors"

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Entries of the largest table. In a larger one, a training of minutes never visits most of them.
_MOST_ENTRIES = 1_000_000
# Memory per sale bounds how many fit.
_MOST = {"num_envs": 1 << 20, "validation_sales": 10_000_000}


@dataclass(frozen=True)
class Settings:
    """Settings of a training.

    Args:
        sales: sales of the whole training.
        num_envs: sales played between two updates of the table (N).
        exploration, final_exploration: probability of a uniformly drawn price; falls linearly from the first, at the
            start of the training, to the second, at its end. SARSA's values include the cost of exploration. We accept
            that: prices tried too rarely cost more.
        step_exponent: step size of the n-th visit, n^(-step_exponent). 1 gives plain averages, which keep the errors of
            early targets (Even-Dar & Mansour 2003, JMLR 5: 0.77 is best in their analysis).
        time_cells, stock_cells: largest numbers of cells; with that many ticks or units, or fewer, each has its own.
        validate_every: rounds between two validations, and between two checkpoints.
        validation_sales: sales of the validation split played in each validation.
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
    """Observations -> numbers of cells, with time as the slowest index."""

    def __init__(self, scenario: Scenario, settings: Settings) -> None:
        self._units = UnitReader(scenario)
        self._horizon = scenario.horizon_ticks
        self.shape = _shape(scenario, settings)
        self._all_units = scenario.stock_scale

    def __call__(self, observations: npt.NDArray[np.float32]) -> Integers:
        """(N,) numbers in 0..S - 1."""
        tick = np.minimum(self._units.tick(observations), self._horizon - 1)
        time_cell = tick * self.shape[0] // self._horizon
        # ceil(units · cells / all units): cell 0 is the empty shelf alone, the others share the units evenly.
        cells = np.array(self.shape[1:]) - 1
        stock_cells = -(-self._units.on_hand(observations) * cells // self._all_units)
        return np.ravel_multi_index((time_cell, *stock_cells.T), self.shape)


def _shape(scenario: Scenario, settings: Settings) -> tuple[int, ...]:
    """Numbers of cells of time and of each product's stock; one of a rival's, which is not seen."""
    stock = (np.minimum(scenario.stock_scale * scenario.own, settings.stock_cells) + 1).tolist()
    return min(scenario.horizon_ticks, settings.time_cells), *stock


class Tabular(Agent):
    """A learner with one number for each state and action.

    Args:
        scenario: name, path or object.
        device, population: accepted as by every learner; a table lives on the CPU and starts from no rule.
        seed: number of the training run: of its block of training sales and of its exploration.
        settings: any field of `Settings`, in place of the algorithm's `preset` or the default.

    Attributes:
        q: (S, A) the table; 0 where nothing was learned, which plays list prices.
        levels: (A, C) price levels of each action.

    Raises:
        ValueError: an unknown setting, one out of its range, or a scenario to which the table does not apply.
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
        self.cells = Grid(self.scenario, self.settings)
        self.levels = np.array(list(itertools.product(*map(range, self.codec.n_levels))), np.int64)
        self.q: Floats = np.zeros((math.prod(self.cells.shape), len(self.levels)))
        self._check_size()

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        if any(len(product.order_levels) > 1 for product in scenario.products):
            return "the scenario decides on orders, and the table is for prices by time and stock alone"
        if scenario.coupon is not None or scenario.targeted is not None:
            return "the scenario has coupons or targeted offers, and the table is for prices by time and stock alone"
        reason = why_unseen(scenario, "time_left", "on_hand")
        if reason is not None:
            return reason
        actions = math.prod(len(p.price_levels) + p.may_be_withheld for p in scenario.own_products)
        entries = math.prod(_shape(scenario, Settings(**cls.preset))) * actions
        return _why_too_large(entries)

    def _check_size(self) -> None:
        reason = _why_too_large(self.q.size)
        if reason is not None:
            raise ValueError(f"{self.name}: {reason}; choose fewer time_cells or stock_cells.")

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        return self.codec.from_levels(self.levels[self.q[self.cells(observations)].argmax(axis=1)]), state

    def future(self, q: Floats, action: Integers, exploration: float) -> Floats:
        """(N,) value of the next states, given their rows of the table (N, A) and the actions played there (N,)."""
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
        """Train, and keep the table that earned the most on the validation sales.

        With a folder, a checkpoint is written at every validation, and the best table whenever there is a better one. A
        folder that holds an unfinished training with the same settings is continued as if nothing had happened; Ctrl-C
        loses what came after the last validation.

        Args:
            population: the customers; the scenario's own by default.
            sales: sales of the whole training, in place of the settings'.
            folder: where checkpoints go, and the agent as `load` reads it.
            progress: called after every round with sales played, sales in all, and the last row of the curve.
            threads: of the simulator.

        Returns:
            The learning curve, one row a validation: "sales", "steps" (transitions), "seconds", "profit" (mean over
            the validation sales) and "ret".

        Raises:
            ValueError: the folder holds a training with other settings, or a broken one.
        """
        if sales is not None:
            self.settings = dataclasses.replace(self.settings, sales=sales)
        simulator = Simulator(
            self.scenario, population, sales=self.settings.num_envs, actions="multidiscrete", threads=threads
        )
        self._trained = population_of(self.scenario, population, simulator.population)
        training = _TableTraining(
            self,
            simulator,
            identity={
                "name": self.name,
                "scenario": self.scenario.name,
                **fingerprints(self.scenario, simulator.population),
                "seed": self.seed,
                "settings": dataclasses.asdict(self.settings),
                "actions": self._actions,
            },
            folder=None if folder is None else Path(folder),
            progress=progress,
            threads=threads,
        )
        curve = training.run()
        self.q = training.best
        return curve

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
            "cells": list(self.cells.shape),
            "actions": self._actions,
            "versions": versions(),
        }
        write_atomically(folder / CARD, json.dumps(card, indent=2, ensure_ascii=False).encode())
        return folder

    @classmethod
    def load(cls, folder: str | Path, scenario: str | Path | Scenario, device: str = "auto") -> "Self":
        """Read an agent that `save` wrote; a scenario other than the one it learned on, but that fits, is a warning.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is broken or does not belong to the card, or the table does not fit.
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
        for wanted, found in (("cells", list(agent.cells.shape)), ("actions", agent._actions)):
            if card[wanted] != found:
                raise ValueError(f"{misfit}: its {wanted} are {card[wanted]}, the scenario's {found}.")
        read_weights(Path(folder) / TABLE, card)
        agent.q = _read_tensors(Path(folder) / TABLE, {"q": agent.q})["q"]
        warn_of_changes(folder, card, scenario)
        agent._trained = {name: card[name] for name in ("population", "population_sha256") if name in card}
        return agent

    @property
    def _actions(self) -> dict[str, list[float]]:
        """The levels of every decision, of which the columns of the table are the combinations."""
        return {name: list(levels) for name, levels in zip(self.codec.names, self.codec.levels, strict=True)}


class QLearning(Tabular):
    """Off-policy: learns the value of the greedy prices, whatever prices were tried.

    The maximum of noisy entries is biased upwards, and the bias grows with every cell through which it is backed up
    (van Hasselt 2010, Double Q-learning). Wide cells, and exploration up to the end, let each entry average more.

    Source:
        Watkins & Dayan (1992), Machine Learning 8.
    """

    name = "q_learning"
    preset: ClassVar[Mapping[str, Any]] = {"time_cells": 20, "final_exploration": 0.6}

    def future(self, q: Floats, action: Integers, exploration: float) -> Floats:
        return np.asarray(q.max(axis=1))


class Sarsa(Tabular):
    """On-policy: learns the value of its own prices, exploration included; optimal in the limit without exploration.

    Source:
        Rummery & Niranjan (1994), CUED/F-INFENG/TR 166; convergence: Singh et al. (2000), Machine Learning 38.
    """

    name = "sarsa"

    def future(self, q: Floats, action: Integers, exploration: float) -> Floats:
        return np.asarray(q[np.arange(len(q)), action])


class ExpectedSarsa(Tabular):
    """SARSA with the expectation over the next price in place of the one drawn.

    Source:
        van Seijen et al. (2009), IEEE ADPRL.
    """

    name = "expected_sarsa"

    def future(self, q: Floats, action: Integers, exploration: float) -> Floats:
        return np.asarray((1.0 - exploration) * q.max(axis=1) + exploration * q.mean(axis=1))


def exploration_at(settings: Settings, share: float) -> float:
    """Probability of a uniformly drawn price when this share of the training is done."""
    return settings.exploration + (settings.final_exploration - settings.exploration) * share


class _TableTraining(Training):
    """A training of a table, and the simulator it learns from."""

    suffix = "safetensors"
    validation_batch = 4096

    def __init__(
        self,
        agent: Tabular,
        simulator: Simulator,
        *,
        identity: Mapping[str, Any],
        folder: Path | None,
        progress: Progress | None,
        threads: int | None,
    ) -> None:
        super().__init__(
            agent,
            simulator.population,
            identity=identity,
            checkpoint_every=agent.settings.validate_every,
            folder=folder,
            progress=progress,
            threads=threads,
        )
        self._agent, self._simulator = agent, simulator
        agent.q = np.zeros_like(agent.q)
        self._visits = np.zeros(agent.q.shape, np.int64)
        self.best = agent.q

    def play_rounds(self) -> None:
        settings = self._agent.settings
        while self.rounds < self.all_rounds:
            self._play_round(exploration_at(settings, self.rounds / self.all_rounds))
            self.finish_round()

    def _play_round(self, exploration: float) -> None:
        """Play N new sales with the table as it stands, then update it from the last tick back to the first."""
        agent, simulator, q = self._agent, self._simulator, self._agent.q
        n, ticks = len(simulator), agent.scenario.horizon_ticks
        rng = np.random.default_rng([agent.seed, self.rounds])
        seeds = split_seeds("train", agent.seed, n, start=self.rounds * n)
        states, played = np.empty((ticks, n), np.int64), np.empty((ticks, n), np.int64)
        rewards = np.empty((ticks, n))
        observations = simulator.open(seeds, np.zeros(n, np.int64))
        for tick in range(ticks):
            states[tick] = agent.cells(observations)
            drawn = rng.integers(q.shape[1], size=n)
            greedy = q[states[tick]].argmax(axis=1)
            played[tick] = np.where(rng.random(n) < exploration, drawn, greedy)
            observations, rewards[tick], _ = simulator.advance(agent.levels[played[tick]])
        following = np.zeros(n)  # nothing is earned after the close
        for tick in reversed(range(ticks)):
            update(q, self._visits, states[tick], played[tick], rewards[tick] + following, agent.settings)
            following = agent.future(q[states[tick]], played[tick], exploration)

    def keep_policy(self) -> None:
        self.best = self._agent.q.copy()

    def checkpoint(self) -> dict[str, bytes]:
        return {self.suffix: safetensors.numpy.save(self._tensors())}

    def restore(self, checkpoint: Path, state: dict[str, Any]) -> None:
        tensors = _read_tensors(checkpoint, self._tensors())
        self._agent.q, self._visits, self.best = tensors["q"], tensors["visits"], tensors["best"]

    def _tensors(self) -> dict[str, npt.NDArray[Any]]:
        return {"q": self._agent.q, "visits": self._visits, "best": self.best}


def update(
    q: Floats, visits: Integers, states: Integers, actions: Integers, targets: Floats, settings: Settings
) -> None:
    """Move q[states, actions] towards the targets (N,), in place.

    k rows with the same entry move it in one step, towards their mean target: after n earlier visits,

        q <- q + (k / (n + k))^step_exponent · (mean target - q)

    With exponent 1 that is the plain average of all targets; with k = 1 it is the usual single step.
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

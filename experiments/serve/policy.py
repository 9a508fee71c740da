"""A policy as a service: observations in, actions and decisions out.

Owns    the policy's version, the check of observations, and its endpoints.
Leaves  loading to `agents`, batching to `batching`.
Axes    N observations of a request, D numbers of an observation, C columns of an action.

The policy plays its mode: the same observation gets the same action, whoever asks and whatever else is asked. A policy
with an LSTM returns the memory of each sale, which the client sends with that sale's next observation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from flashsale_env import ActionCodec, Layout, Scenario, agents, load_scenario
from flashsale_env.agents.base import CARD, read_card
from flashsale_env.agents.protocol import as_policy
from flashsale_env.errors import unknown_name
from flashsale_env.experiments.evaluate import POLICY, policy_folder
from flashsale_env.experiments.runs import read_config
from flashsale_env.experiments.serve.served import Ask, Kind, Settings
from flashsale_env.files import sha256_of

Memory = tuple[npt.NDArray[np.float32], ...]

# Numbers that a client computed in double precision may lie this far beyond a bound.
_ROUNDING = 1e-5
_MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class Row:
    """One observation (D,) and the memory of its sale; None where the sale has just begun."""

    observation: npt.NDArray[np.float32]
    memory: Memory | None


@dataclass(frozen=True, eq=False)
class Answer:
    """The action of one observation, the value of each decision (C,), and the memory of the sale."""

    action: npt.NDArray[Any]
    values: npt.NDArray[np.float64]
    memory: Memory | None


class ServedPolicy:
    """A policy of one version, and the scenario that it plays.

    Raises:
        ValueError: it keeps a memory of another kind than an LSTM's, which a service cannot hand to its clients.
    """

    def __init__(self, agent: Any, scenario: Scenario, name: str, version: str) -> None:
        self._policy = as_policy(agent, scenario)
        self.scenario, self.name, self.version = scenario, name, version
        self.layout, self.codec = Layout(scenario), ActionCodec(scenario, self._policy.encoding)
        self.low, self.high = self.layout.low, self.layout.high
        self.index = {entry.name: entry.index for entry in self.layout.entries}
        self.memory_shapes = self._probe()

    def _probe(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each part of one sale's memory; () without one. The call also warms the policy up."""
        blank = np.clip(np.zeros((2, self.layout.size), np.float32), self.low, self.high)
        _, state = self._policy.predict(blank, None, np.ones(2, np.bool_), True)
        if state is None:
            return ()
        parts = state if isinstance(state, tuple) else ()
        if not parts or any(getattr(part, "ndim", 0) != 3 or part.shape[1] != 2 for part in parts):
            raise ValueError(
                f"{self.name} keeps a memory of the whole batch from tick to tick, and a service answers each sale on "
                f"its own: serve a policy without a memory, or recurrent_ppo."
            )
        return tuple((part.shape[0], *part.shape[2:]) for part in parts)

    def answer(self, rows: Sequence[Row]) -> list[Answer]:
        """The actions of these observations."""
        observations = np.stack([row.observation for row in rows])
        start = np.array([row.memory is None for row in rows])
        state: Any = None
        if self.memory_shapes:
            blank = tuple(np.zeros(shape, np.float32) for shape in self.memory_shapes)
            memories = [row.memory or blank for row in rows]
            state = tuple(np.stack(parts, axis=1) for parts in zip(*memories, strict=True))
        actions, state = self._policy.predict(observations, state, start, True)
        values = self.codec.to_values(actions)
        kept = [tuple(part[:, i] for part in state) if self.memory_shapes else None for i in range(len(rows))]
        return [Answer(*answer) for answer in zip(actions, values, kept, strict=True)]

    def describe(self) -> dict[str, Any]:
        """Scenario, version, and every number of an observation and of an action."""
        return {
            "policy": self.name,
            "version": self.version,
            "scenario": self.scenario.name,
            "encoding": self.codec.encoding,
            "observation": [
                {"name": e.name, "low": float(low), "high": float(high), "unit": e.unit, "meaning": e.meaning}
                for e, low, high in zip(self.layout.entries, self.low, self.high, strict=True)
            ],
            "decisions": [
                {"name": name, "levels": list(levels)}
                for name, levels in zip(self.codec.names, self.codec.levels, strict=True)
            ],
            "memory": [list(shape) for shape in self.memory_shapes],
        }

    def why_not_after(self, before: "ServedPolicy") -> str | None:
        ours, theirs = self.describe(), before.describe()
        differing = [part for part in ("observation", "decisions", "encoding", "memory") if ours[part] != theirs[part]]
        if not differing:
            return None
        return f"its {' and '.join(differing)} differ from those that clients know; start a service of its own for it"

    def row(self, number: int, given: Sequence[float] | Mapping[str, float], memory: Any) -> Row:
        """Observation number `number` of a request, checked.

        Raises:
            ValueError: a number is missing, unknown, not finite or out of bounds; or the memory has another shape.
        """
        where = f"observations[{number}]"
        array = self._array(where, given)
        bad = ~((array >= self.low - _ROUNDING) & (array <= self.high + _ROUNDING))
        if bad.any():
            entry = self.layout.entries[int(bad.argmax())]
            raise ValueError(
                f"{where}: {entry.name} (number {entry.index}, {entry.unit}) must lie in {entry.low:g}..{entry.high:g}"
                f", got {array[entry.index]:g}."
            )
        if memory is not None and not self.memory_shapes:
            raise ValueError(f"memories[{number}]: this policy has no memory; leave memories out.")
        return Row(np.clip(array, self.low, self.high), None if memory is None else self._memory(number, memory))

    def _array(self, where: str, given: Sequence[float] | Mapping[str, float]) -> npt.NDArray[np.float32]:
        if not isinstance(given, Mapping):
            if len(given) != self.layout.size:
                raise ValueError(
                    f"{where} must hold {self.layout.size} numbers in the order of GET /policy, got {len(given)}."
                )
            return np.asarray(given, np.float32)
        for name in given:
            if name not in self.index:
                raise ValueError(f"{where}: {unknown_name('number', name, self.index)}")
        missing = [name for name in self.index if name not in given]
        if missing:
            more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
            raise ValueError(f"{where} lacks {', '.join(missing[:_MOST_NAMED])}{more}.")
        return np.array([given[name] for name in self.index], np.float32)

    def _memory(self, number: int, memory: Any) -> Memory:
        try:
            parts = tuple(np.asarray(part, np.float32) for part in memory)
        except (TypeError, ValueError):
            parts = ()
        if tuple(part.shape for part in parts) != self.memory_shapes or not all(np.isfinite(p).all() for p in parts):
            shapes = [list(shape) for shape in self.memory_shapes]
            raise ValueError(
                f"memories[{number}] must be null or finite arrays of shapes {shapes}, as a reply holds them."
            )
        return parts


def find(folder: str) -> Path | None:
    """The folder of the policy: of a shipped one, of a saved agent, or inside a run."""
    if folder in agents.REFERENCES:
        return agents.REFERENCES[folder]
    path = Path(folder)
    return policy_folder(path) if (path / CARD).is_file() or (path / POLICY / CARD).is_file() else None


def load(folder: Path, settings: Settings, named: str) -> ServedPolicy:
    """The policy of a folder that `find` found.

    Raises:
        ValueError, FileNotFoundError: it cannot be read, or its scenario is not known here.
    """
    version, card = sha256_of(folder / CARD), read_card(folder)
    config = read_config(Path(named)) or {}
    asked = settings.scenario or config.get("options", {}).get("scenario") or card["scenario"]
    try:
        scenario = load_scenario(asked)
    except (ValueError, FileNotFoundError) as error:
        if settings.scenario is not None:
            raise
        raise ValueError(
            f"{named}: the scenario that the policy was trained on is not here: {error} Give --scenario."
        ) from None
    return ServedPolicy(agents.load(folder, scenario, device=settings.device), scenario, card["name"], version)


class Observations(BaseModel):
    """Observations of one or more sales."""

    model_config = ConfigDict(extra="forbid")

    observations: list[list[float]] | list[dict[str, float]] = Field(
        description="One observation a sale: all numbers in the order of GET /policy, or by name.", min_length=1
    )
    memories: list[Any] | None = Field(
        None, description="For a policy with a memory: that of each sale from its last reply, null at its first tick."
    )


class Actions(BaseModel):
    """The policy's answer, one entry a sale."""

    actions: list[list[float]] | list[int] = Field(description="As the environment takes them.")
    decisions: list[dict[str, float]] = Field(description="The same by name: prices in currency, orders in units.")
    memories: list[Any] | None = Field(None, description="To be sent with the next observations.")
    version: str = Field(description="Of the policy that answered.")


def routes(ask: Ask, current: Callable[[], ServedPolicy], most_rows: int) -> APIRouter:
    """`GET /policy` and `POST /policy/actions`."""
    router = APIRouter(tags=["policy"])

    @router.get("/policy", summary="The numbers of an observation and of an action")
    async def description() -> dict[str, Any]:
        return current().describe()

    @router.post("/policy/actions", summary="Observations in, actions out")
    async def actions(body: Observations) -> Actions:
        count = len(body.observations)
        if count > most_rows:
            raise HTTPException(422, f"a request may hold {most_rows} observations, got {count}: send several.")
        memories = body.memories if body.memories is not None else [None] * count
        if len(memories) != count:
            raise HTTPException(422, f"memories must have one entry an observation, {count}, got {len(memories)}.")
        policy = current()
        given: list[Any] = list(body.observations)
        try:
            rows = [policy.row(i, *row) for i, row in enumerate(zip(given, memories, strict=True))]
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        answers, answered = await ask(rows)
        kept = [[part.tolist() for part in a.memory] for a in answers if a.memory is not None]
        return Actions(
            actions=[a.action.tolist() for a in answers],
            decisions=[dict(zip(policy.codec.names, a.values.tolist(), strict=True)) for a in answers],
            memories=kept or None,
            version=answered.version,
        )

    return router


POLICIES = Kind("policy", find, load, CARD, routes)

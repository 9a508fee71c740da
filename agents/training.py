"""The training loop of every learner: rounds, validation, the best policy, checkpoints and resuming.

Owns    when a learner is validated, which of its policies is kept, the learning curve, and the files of a training.
Leaves  playing a round and updating the policy to the learners (`tabular`, `sb3.training`), which say what a
        checkpoint of theirs holds. Locking the folder of a run is left to the commands, which claim it as a whole.
Axes    N sales at once, T ticks a sale.
Units   `profit` and `ret` in the scenario's currency, means over the validation sales.

A round is one whole sale of each of the N. It begins with new sales, and its noise is seeded by (seed, number of the
round). Checkpoints are written between rounds, so a sale is never stored half played. Therefore an interrupted
training, once resumed, equals an uninterrupted one bit for bit (on the same machine).

A new learner is a subclass of `Training`: how a round is played, what a checkpoint holds, and how it is restored.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from flashsale_env import Population, Scenario
from flashsale_env.agents.play import SaleTable, play
from flashsale_env.agents.protocol import Policy
from flashsale_env.agents.seeding import validation_seeds
from flashsale_env.files import write_atomically
from flashsale_env.versions import versions

TRAINING = "training.json"

Row = dict[str, float]
Progress = Callable[[int, int, Row | None], None]


class TrainingSettings(Protocol):
    """The settings that the loop reads; those of every learner have them."""

    @property
    def sales(self) -> int:
        """Sales played in the whole training."""
        ...

    @property
    def num_envs(self) -> int:
        """N."""
        ...

    @property
    def validate_every(self) -> int:
        """Rounds between two validations."""
        ...

    @property
    def validation_sales(self) -> int:
        """Sales of the validation split played in each."""
        ...


class Learner(Policy, Protocol):
    """The policy that is trained, as it stands: the loop plays and saves it."""

    @property
    def scenario(self) -> Scenario:
        """What is played."""
        ...

    @property
    def settings(self) -> TrainingSettings:
        """Length of the training, and when it is validated."""
        ...

    def save(self, folder: str | Path) -> Path:
        """Write the policy as `agents.load` reads it."""
        ...


class Training:
    """One training of one learner, between two rounds.

    Args:
        learner: whose policy is trained.
        population: the customers.
        identity: what makes two trainings the same one, as JSON; only the same one is resumed.
        checkpoint_every: rounds between two checkpoints.
        folder: where the checkpoints and the best policy are written; None for nowhere.
        progress: called after every round with sales played, sales in all, and the last row of the curve.
        threads: of the simulator.

    Attributes:
        rounds: how many are done.
        curve: one row a validation: "sales", "steps" (transitions), "seconds", "profit" with its "standard_error",
            and "ret".
    """

    # Ending of a checkpoint's first file, which `training.json` names.
    suffix: ClassVar[str]
    # Sales of a validation played at once.
    validation_batch: ClassVar[int] = 1024

    def __init__(
        self,
        learner: Learner,
        population: Population,
        *,
        identity: Mapping[str, Any],
        checkpoint_every: int,
        folder: Path | None,
        progress: Progress | None,
        threads: int | None,
    ) -> None:
        self._learner, self._population, self._identity = learner, population, dict(identity)
        self._checkpoint_every = checkpoint_every
        self._folder, self._progress, self._threads = folder, progress, threads
        self.rounds = 0
        self.curve: list[Row] = []
        settings = learner.settings
        self.all_rounds = -(-settings.sales // settings.num_envs)
        self.round_steps = settings.num_envs * learner.scenario.horizon_ticks
        self._seconds, self._since = 0.0, time.perf_counter()

    # --- what a learner fills in

    def start(self) -> None:
        """Prepare a new training; a resumed one goes on without."""

    def play_rounds(self) -> None:
        """Play and learn from the rounds that are left, with a call of `finish_round` after each."""
        raise NotImplementedError

    def keep_policy(self) -> None:
        """Remember the policy as it stands: it is the best so far."""
        raise NotImplementedError

    def checkpoint(self) -> dict[str, bytes]:
        """Everything the rest of the training depends on: ending of a file name -> its content."""
        raise NotImplementedError

    def counters(self) -> dict[str, Any]:
        """What `training.json` holds beside this, as JSON."""
        return {}

    def restore(self, checkpoint: Path, state: dict[str, Any]) -> None:
        """Put the learner back to where `checkpoint` and `counters` left it.

        Args:
            checkpoint: the file with the ending `suffix`; any others lie beside it.
            state: the content of `training.json`.
        """
        raise NotImplementedError

    def report(self, row: Row) -> None:
        """Show a new row of the curve, beyond what `progress` shows."""

    def read(self, sales: npt.NDArray[np.void]) -> Mapping[str, npt.NDArray[np.float64]]:
        """What is read of the validation sales beyond the metrics, see `play`."""
        return {}

    def judge(self, table: SaleTable) -> Row:
        """Figures of a validation beyond the profit, for the curve."""
        return {}

    def rank(self, row: Row) -> tuple[float, ...]:
        """What the best policy has most of, of one row of the curve."""
        return (row["profit"],)

    # --- the loop

    def run(self) -> list[Row]:
        """Train from the start, or from the last checkpoint in the folder, to the end; the curve.

        Raises:
            ValueError: the folder holds a training with another identity, or a broken one.
        """
        if not self.resume():
            self.start()
            self._between_rounds()
        if self.rounds < self.all_rounds:
            self.play_rounds()
        return self.curve

    def resume(self) -> bool:
        """Continue the training in the folder; whether there was one.

        Raises:
            ValueError: it has another identity, or is broken.
        """
        state = None if self._folder is None else read_training(self._folder, self._identity)
        if state is None:
            return False
        assert self._folder is not None
        self.rounds, self.curve, self._seconds = state["rounds"], state["curve"], state["seconds"]
        self.restore(self._folder / state["checkpoint"], state)
        return True

    def finish_round(self) -> None:
        """Count a round, and do what is due: validate, write a checkpoint, report progress."""
        self.rounds += 1
        self._between_rounds()

    def _between_rounds(self) -> None:
        settings, last = self._learner.settings, self.rounds == self.all_rounds
        if self.rounds % settings.validate_every == 0 or last:
            self._validate()
        if self._folder is not None and (self.rounds % self._checkpoint_every == 0 or last):
            self._write(self._folder)
        if self._progress is not None:
            played = self.rounds * settings.num_envs
            self._progress(played, self.all_rounds * settings.num_envs, self.curve[-1] if self.curve else None)

    def _validate(self) -> None:
        """Play the validation sales, and keep the policy if it ranks above all before it."""
        learner = self._learner
        table = play(
            learner,
            learner.scenario,
            self._population,
            seeds=validation_seeds(learner.settings.validation_sales),
            batch=self.validation_batch,
            threads=self._threads,
            read=self.read,
        )
        row = {
            "sales": self.rounds * learner.settings.num_envs,
            "steps": self.rounds * self.round_steps,
            "seconds": self._elapsed(),
            "profit": float(table["profit"].mean()),
            "standard_error": _standard_error(table["profit"]),
            "ret": float(table["ret"].mean()),
            **self.judge(table),
        }
        self.report(row)
        if not self.curve or self.rank(row) > max(map(self.rank, self.curve)):
            self.keep_policy()
            if self._folder is not None:
                learner.save(self._folder)
        self.curve.append(row)

    def _write(self, folder: Path) -> None:
        """The checkpoint first, then the file that names it: a kill in between leaves the old pair or the new one."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"checkpoint-{self.rounds:06d}"
        for suffix, content in self.checkpoint().items():
            write_atomically(folder / f"{name}.{suffix}", content)
        state = {
            **self._identity,
            "rounds": self.rounds,
            "seconds": self._elapsed(),
            "checkpoint": f"{name}.{self.suffix}",
            **self.counters(),
            "curve": self.curve,
            "versions": versions(),
        }
        write_atomically(folder / TRAINING, json.dumps(state, indent=2, ensure_ascii=False).encode())
        for old in folder.glob("checkpoint-*"):
            if not old.name.startswith(f"{name}."):
                old.unlink()

    def _elapsed(self) -> float:
        """Seconds of training, those before an interruption included."""
        return self._seconds + time.perf_counter() - self._since


def _standard_error(values: npt.NDArray[np.float64]) -> float:
    """Of a mean; 0 where a single sale leaves it unknown."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0


def read_training(folder: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The content of a folder's `training.json`; None where there is none.

    Raises:
        ValueError: it is broken, or of a training with another identity.
    """
    path = folder / TRAINING
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}. Remove the folder to begin anew.") from error
    for name, wanted in identity.items():
        if state.get(name) != wanted:
            raise ValueError(
                f"{folder} holds a training with another {name}: {state.get(name)}, want {wanted}. Give another "
                f"folder, or the same settings to continue it."
            )
    return state

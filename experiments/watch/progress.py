"""How far a training or a benchmark is, read from its folder while another process writes it.

Owns    what the files of a run tell of its progress: sales played, throughput, the learning curve, the time left.
Leaves  the files themselves to `runs`, `agents.training` and `benchmark.units`.

Nothing is written and no lock is taken: watching never disturbs a run, and works across machines that share a disk.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from flashsale_env.agents.training import TRAINING
from flashsale_env.experiments.benchmark.units import FIGURES
from flashsale_env.experiments.benchmark.units import TRAINING as TRAINING_FOLDER
from flashsale_env.experiments.evaluate import POLICY
from flashsale_env.experiments.runs import LOCK, MANIFEST, Manifest, read_config


@dataclass(frozen=True)
class Learning:
    """One training, as of its last checkpoint.

    Args:
        name: of it.
        sales: played so far.
        of: sales in all; 0 where unknown.
        seconds: of training so far.
        curve: (sales played, mean profit of the validation sales) of each validation.
    """

    name: str
    sales: int
    of: int
    seconds: float
    curve: tuple[tuple[float, float], ...]

    @property
    def rate(self) -> float:
        """Sales a second."""
        return self.sales / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds to go at this rate, or None where that is unknown."""
        return (self.of - self.sales) / self.rate if self.of and self.rate else None


@dataclass(frozen=True)
class Progress:
    """What a folder tells.

    Args:
        command: that made it.
        started, finished: times, or None.
        running: whether a process holds the folder.
        done, units: of a benchmark; 0 and 0 for a training.
        learning: trainings that are not over, and the one of a training's folder.
        left: seconds to go, or None where that is unknown.
    """

    command: str
    started: str | None
    finished: str | None
    running: bool
    done: int
    units: int
    learning: tuple[Learning, ...]
    left: float | None

    def as_json(self) -> dict[str, Any]:
        """All fields, and the rates."""
        found = asdict(self)
        for row, learning in zip(found["learning"], self.learning, strict=True):
            row |= {"sales_per_second": learning.rate, "left": learning.left}
        return found


def read_progress(folder: Path, now: datetime | None = None) -> Progress:
    """The progress of the run in a folder.

    Args:
        folder: of a training or a benchmark.
        now: the time, for tests.

    Raises:
        FileNotFoundError: the folder holds neither.
    """
    config = read_config(folder)
    options = {} if config is None else config["options"]
    is_benchmark = "problems" in options.get("settings", {})
    if config is None or not (is_benchmark or {"agent", "scenario"} <= options.keys()):
        raise FileNotFoundError(
            f"{folder} holds neither a benchmark nor a training: want a folder that `flashsale benchmark` or "
            f"`flashsale train` is writing or has written."
        )
    shared: dict[str, Any] = {
        "command": config["command"],
        "started": config.get("started"),
        "finished": config.get("finished"),
    }
    shared["running"] = (folder / LOCK).exists() and not config.get("finished")
    if not is_benchmark:
        learning = _learning(folder, f"{options['agent']} on {options['scenario']}")
        left = None if learning is None or config.get("finished") else learning.left
        return Progress(**shared, done=0, units=0, learning=() if learning is None else (learning,), left=left)
    units = [path.parent for path in map(Path, Manifest(folder).names) if _is_unit(path)]
    done = [unit for unit in units if (folder / unit / FIGURES).exists()]
    waiting = (unit for unit in units if unit not in done)
    found = (_learning(folder / unit / TRAINING_FOLDER, _title(unit)) for unit in waiting)
    learning_now = tuple(row for row in found if row is not None)
    left = None if config.get("finished") else _time_left(folder, config, units, done, now)
    return Progress(**shared, done=len(done), units=len(units), learning=learning_now, left=left)


def _is_unit(path: Path) -> bool:
    """`PROBLEM/bound/manifest.txt` and `PROBLEM/agents/AGENT/run-SEED/manifest.txt`, not what lies inside them."""
    return path.name == MANIFEST and TRAINING_FOLDER not in path.parts


def _title(unit: Path) -> str:
    problem, *rest = unit.parts
    return f"{problem}: {', '.join(part for part in rest if part not in ('agents', 'tuned'))}"


def _learning(folder: Path, name: str) -> Learning | None:
    """The training in a folder; None before its first checkpoint."""
    try:
        state: Mapping[str, Any] = json.loads((folder / POLICY / TRAINING).read_bytes())
    except (OSError, ValueError):
        return None
    settings = state.get("settings", {})
    width, of = int(settings.get("num_envs", 0)), int(settings.get("sales", 0))
    rounds = -(-of // width) if width else 0  # a training plays whole rounds
    curve = tuple((float(row["sales"]), float(row["profit"])) for row in state["curve"])
    return Learning(name, int(state["rounds"]) * width, rounds * width, float(state["seconds"]), curve)


def _time_left(
    folder: Path, config: Mapping[str, Any], units: list[Path], done: list[Path], now: datetime | None
) -> float | None:
    """Seconds at the pace of the units that are done since the start; None before the first one."""
    if not done or config.get("started") is None:
        return None
    began = datetime.fromisoformat(config["started"]).timestamp()
    since = [unit for unit in done if (folder / unit / FIGURES).stat().st_mtime >= began]
    passed = (now or datetime.now(timezone.utc)).timestamp() - began
    return passed / len(since) * (len(units) - len(done)) if since else None

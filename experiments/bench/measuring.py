"""How a figure is measured: sizes, repeats, targets, and the frame of a result.

Owns    the form of a figure, alternating measurements, and what every result holds beside its figures.
Leaves  what is measured to the other files of this folder.

Every figure is the median of `repeats` measurements after one that is thrown away (it compiles, loads and warms the
caches). Where two things are compared, their measurements alternate, so that machine load affects both alike.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from flashsale_env.experiments.bench.machine import describe_machine, system_load

Progress = Callable[[int, int, str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Args:
        sales: N of the batches.
        episodes: sales played in one measurement of a single environment.
        rollouts: of a PPO run.
        memory_sales: sales held at once when memory is measured.
        compile_scenario: the scenario compiled into an empty cache.
    """

    sales: int = 1024
    episodes: int = 100
    rollouts: int = 3
    memory_sales: int = 4096
    compile_scenario: str = "standard"


FULL = Sizes()
# Large enough to run everything once, too small for the figures to mean anything.
QUICK = Sizes(sales=16, episodes=2, rollouts=1, memory_sales=64, compile_scenario="gallego-van-ryzin")


@dataclass(frozen=True)
class Row:
    """One figure.

    Args:
        name: of the quantity.
        value: median of `repeats`; None where it could not be measured, for the reason in `notes`.
        unit: of the value.
        repeats: the single measurements.
        target: to which the value is compared, if any.
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
        """Whether the target is met; None without a target or a value."""
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
    """The figure of these measurements, with at most one target."""
    values = tuple(float(value) for value in repeats)
    direction = "at least" if at_least is not None else "at most" if at_most is not None else ""
    target = at_least if at_least is not None else at_most
    return Row(name, statistics.median(values), unit, values, target, direction, notes)


def ratio_row(
    name: str,
    over: Iterable[float],
    under: Iterable[float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    notes: str = "",
) -> Row:
    """Ratios of neighbouring measurements, so that machine load affects both sides of each alike."""
    ratios = (a / b for a, b in zip(over, under, strict=True))
    return make_row(name, ratios, "ratio", at_least=at_least, at_most=at_most, notes=notes)


def alternate(repeats: int, *measurements: Callable[[], T]) -> list[list[T]]:
    """Take the measurements in turn, `repeats` rounds after one that is thrown away; one list a measurement."""
    rounds = [[measure() for measure in measurements] for _ in range(repeats + 1)][1:]
    return [list(values) for values in zip(*rounds, strict=True)]


class Session:
    """One run of a benchmark: its duration, and the load of the machine before and after it.

    Args:
        command: that writes its page.
        quick: whether its sizes are too small to mean anything; targets are then not judged.
        repeats: measurements of which a figure is the median.

    Raises:
        ValueError: repeats below 1.
    """

    def __init__(self, command: str, *, quick: bool, repeats: int) -> None:
        if repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {repeats}.")
        self.command, self.quick, self.repeats = command, quick, repeats
        self.rows: list[dict[str, Any]] = []
        self._begin, self._load = time.perf_counter(), system_load()

    def add(self, benchmark: str, rows: Iterable[Row]) -> None:
        """Keep the figures of one benchmark, ready for JSON."""
        self.rows += [
            {
                "benchmark": benchmark,
                **asdict(row),
                "repeats": list(row.repeats),
                "met": None if self.quick else row.met,
            }
            for row in rows
        ]

    def result(self, versions: Mapping[str, str], **machine: Any) -> dict[str, Any]:
        """Everything that was measured, ready for JSON.

        Args:
            versions: of the packages that matter.
            machine: facts beside those of `describe_machine`.

        Returns:
            "command", "quick", "repeats", "seconds"; "machine" and "versions"; "rows": one dict a figure, with the
            fields of `Row`, "met" and the name of its "benchmark"; "ratios": name -> value of the rows in that unit.
        """
        return {
            "command": self.command,
            "quick": self.quick,
            "repeats": self.repeats,
            "seconds": time.perf_counter() - self._begin,
            "machine": {**describe_machine(), **machine, "load_before": self._load, "load_after": system_load()},
            "versions": dict(versions),
            "rows": self.rows,
            "ratios": {row["name"]: row["value"] for row in self.rows if row["unit"] == "ratio"},
        }

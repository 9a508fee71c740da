"""Where a GPU starts to pay: PPO end to end, policy and updates on the CPU and on CUDA, small networks and large ones.

Owns    transitions per second of a whole training (sales, policy, updates) by device and width of the network.
Units   wall time. The simulator runs on the CPU's cores in both; observations go to the device once a tick.

Trainings of one width take turns on the devices, so that both meet the same machine. Torch has one thread on the CPU,
as every learner has: for the preset's network a second gains nothing.
"""

import itertools
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import torch

from flashsale_env import agents
from flashsale_env.experiments.bench.running import (
    Row,
    as_rows,
    describe_machine,
    make_row,
    ratio_row,
    ratios_of,
    system_load,
)

COMMAND = "flashsale bench device"

Progress = Callable[[int, int, str], None]

SCENARIO = "standard"
# Hidden layers of actor and critic each: the preset's, a common size, and two as wide as sequence models have.
WIDTHS: tuple[tuple[int, ...], ...] = ((32,), (256, 256), (1024, 1024), (2048, 2048))
ROLLOUTS = 2  # measured of each training, after one that warms up


def run_device_bench(
    repeats: int = 1,
    progress: Progress | None = None,
    *,
    widths: tuple[tuple[int, ...], ...] = WIDTHS,
    quick: bool = False,
) -> dict[str, Any]:
    """Train PPO on every device that is there, and return what came out, ready for JSON.

    Args:
        repeats: trainings of each device and width; every rollout after the first counts.
        progress: called before each training with those done, those to do, and its name.
        widths: hidden layers to compare.
        quick: sizes at which everything runs and no figure means anything.

    Returns:
        As `run_bench`; without a CUDA device its rows say so and the CPU's are measured all the same.

    Raises:
        ValueError: repeats below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}.")
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    begin, load = time.perf_counter(), system_load()
    jobs = list(itertools.product(widths, range(repeats), devices))
    rates: dict[tuple[tuple[int, ...], str], list[float]] = {}
    for done, (width, _, device) in enumerate(jobs):
        if progress is not None:
            progress(done, len(jobs), f"{_name(width)} on {device}")
        rates.setdefault((width, device), []).extend(_rates(width, device, quick=quick))
    rows = as_rows("device", _compare(widths, devices, rates), quick=quick)
    return {
        "command": COMMAND,
        "quick": quick,
        "repeats": repeats,
        "seconds": time.perf_counter() - begin,
        "machine": {
            **describe_machine(),
            "cuda": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
            "load_before": load,
            "load_after": system_load(),
        },
        "versions": {name: metadata.version(name) for name in ("flashsale-env", "torch", "stable-baselines3", "numpy")},
        "rows": rows,
        "ratios": ratios_of(rows),
    }


def _rates(width: tuple[int, ...], device: str, *, quick: bool) -> list[float]:
    """Transitions per second of each rollout with its updates, but the first."""
    settings: dict[str, Any] = {"net_arch": width, "validate_every": 10**9, "validation_sales": 2}  # learning alone
    if quick:
        settings |= {"num_envs": 16, "siblings": 8, "batch_size": 480}
    agent = agents.make("ppo", SCENARIO, device=device, **settings)
    marks: list[float] = []
    agent.learn(sales=(ROLLOUTS + 1) * agent.settings.num_envs, progress=lambda *_: marks.append(time.perf_counter()))
    transitions = agent.settings.num_envs * agent.scenario.horizon_ticks
    return [transitions / (b - a) for a, b in itertools.pairwise(marks[1:])]


def _compare(
    widths: tuple[tuple[int, ...], ...], devices: list[str], rates: dict[tuple[tuple[int, ...], str], list[float]]
) -> list[Row]:
    notes = f"PPO on {SCENARIO}, the preset's settings but for the network; {ROLLOUTS} rollouts and their updates"
    rows = []
    pays = None
    for width in widths:
        rows += [
            make_row(f"{_name(width)}, {device}", rates[width, device], "transitions/s", notes=notes)
            for device in devices
        ]
        if "cuda" in devices:
            name = f"{_name(width)}, cuda over cpu"
            rows.append(ratio_row(name, rates[width, "cuda"], rates[width, "cpu"], notes="end to end"))
            if pays is None and (rows[-1].value or 0.0) > 1.0:
                pays = width
    if "cuda" not in devices:
        return [*rows, Row("cuda over cpu", None, "ratio", notes="not measured: torch finds no CUDA device here")]
    found = f"from {_name(pays)} on" if pays else f"not up to {_name(widths[-1])}"
    return [*rows, Row("the GPU pays", None, "", notes=found)]


def _name(width: tuple[int, ...]) -> str:
    return "x".join(map(str, width))

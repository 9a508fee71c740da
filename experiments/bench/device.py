"""Where a GPU starts to pay off: PPO end to end, with policy and updates on the CPU and on CUDA, by network size.

Owns    transitions per second of a whole training (sales, policy, updates) by device and width of the network.
Units   wall time. The simulator runs on the CPU in both; observations go to the device once a tick.

Trainings of one width alternate between the devices, so that machine load affects both alike. On the CPU torch has one
thread, as for every learner: with the preset's network a second one gains nothing.
"""

import itertools
import time
from typing import Any

import torch

from flashsale_env import agents
from flashsale_env.experiments.bench.measuring import Progress, Row, Session, make_row, ratio_row
from flashsale_env.versions import versions

COMMAND = "flashsale bench device"

SCENARIO = "standard"
# Hidden layers of actor and critic each: the preset's, a common size, and two widths usual in sequence models.
WIDTHS: tuple[tuple[int, ...], ...] = ((32,), (256, 256), (1024, 1024), (2048, 2048))
ROLLOUTS = 2  # measured in each training, after one that warms up


def run_device_bench(
    repeats: int = 1,
    progress: Progress | None = None,
    *,
    widths: tuple[tuple[int, ...], ...] = WIDTHS,
    quick: bool = False,
) -> dict[str, Any]:
    """Train PPO on every available device and return the figures, ready for JSON.

    Args:
        repeats: trainings of each device and width; every rollout after the first counts.
        progress: called before each training with the number done, the number in all, and its name.
        widths: hidden layers to compare.
        quick: sizes too small to mean anything.

    Returns:
        As `measuring.Session.result`. Without a CUDA device only the CPU is measured, and one row says so.

    Raises:
        ValueError: repeats below 1.
    """
    session = Session(COMMAND, quick=quick, repeats=repeats)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    jobs = list(itertools.product(widths, range(repeats), devices))
    rates: dict[tuple[tuple[int, ...], str], list[float]] = {}
    for done, (width, _, device) in enumerate(jobs):
        if progress is not None:
            progress(done, len(jobs), f"{_name(width)} on {device}")
        rates.setdefault((width, device), []).extend(_rates(width, device, quick=quick))
    session.add("device", _compare(widths, devices, rates))
    return session.result(versions(), cuda=torch.cuda.get_device_name(0) if torch.cuda.is_available() else None)


def _rates(width: tuple[int, ...], device: str, *, quick: bool) -> list[float]:
    """Transitions per second of each rollout with its updates, without the first."""
    # No validation in the measured time.
    settings: dict[str, Any] = {"net_arch": width, "validate_every": 10**9, "validation_sales": 2}
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
    notes = f"PPO on {SCENARIO}, the preset's settings except for the network; {ROLLOUTS} rollouts and their updates"
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

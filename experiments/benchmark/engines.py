"""Where the units of a benchmark run: in this process, in several processes, or on a Ray cluster.

Units depend only on the settings and on the parameters tuned first, so their order and the number of workers change no
result.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from typing import Any

from flashsale_env.errors import unknown_name
from flashsale_env.experiments.benchmark.units import Unit
from flashsale_env.experiments.benchmark.work import run_unit
from flashsale_env.experiments.processes import own_processes
from flashsale_env.experiments.runs import Run

SERIAL, RAY = "serial", "ray"
ENGINES = {SERIAL: "in this process, or in --workers processes", RAY: "on the cores of a Ray cluster that shares --out"}


def check_engine(engine: str, workers: int, device: str) -> None:
    """Refuse an engine that cannot run here.

    Raises:
        ValueError: unknown engine; workers or a CUDA device together with Ray; or Ray is not installed.
    """
    if engine not in ENGINES:
        raise ValueError(unknown_name("engine", engine, ENGINES))
    if engine == RAY and (workers > 1 or device.startswith("cuda")):
        raise ValueError(
            "--workers and --device cuda are for --engine serial: Ray runs one process on each core of its cluster, "
            "and learners train on those cores."
        )
    if engine == RAY:
        _ray()


def do_units(
    todo: Sequence[Unit], run: Run, *, engine: str, device: str, workers: int, note: Callable[[str], None]
) -> Iterator[str]:
    """Do these units and yield the title of each as it is done; arguments as for `run_benchmark`."""
    if engine == RAY:
        return on_ray(todo, run)
    if workers > 1:
        return in_processes(todo, run, device, workers)
    return one_by_one(todo, run, device, note)


def one_by_one(todo: Sequence[Unit], run: Run, device: str, note: Callable[[str], None]) -> Iterator[str]:
    """In this process."""
    for unit in todo:
        yield run_unit(unit, run.folder, device, run.command, note=note)


def in_processes(todo: Sequence[Unit], run: Run, device: str, workers: int) -> Iterator[str]:
    """In processes of their own."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    with own_processes(min(workers, max(1, len(todo)))) as pool:
        futures = [pool.submit(run_unit, unit, run.folder, device, run.command, threads) for unit in todo]
        for future in as_completed(futures):
            yield future.result()


def on_ray(todo: Sequence[Unit], run: Run) -> Iterator[str]:
    """One Ray task a unit, each on one core."""
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, include_dashboard=False, logging_level="WARNING")
    try:
        # Workers have working folders of their own, so the shared folder needs its absolute path.
        out = run.folder.resolve()
        remote = ray.remote(run_unit)
        waiting = [remote.remote(unit, out, "cpu", run.command, 1) for unit in todo]
        while waiting:
            ready, waiting = ray.wait(waiting)
            yield from ray.get(ready)
    finally:
        if started:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise ValueError(
            "--engine ray needs the package 'ray', which is not installed: pip install 'flashsale-env[ray]', or take "
            "--workers N for processes on this machine."
        ) from None
    return ray

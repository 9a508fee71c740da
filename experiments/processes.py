"""Work in processes of our own, beside this one: `with own_processes(2) as pool: pool.submit(...)`."""

import multiprocessing
import multiprocessing.context
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any


@contextmanager
def own_processes(number: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of this many processes, which end with this one, and at once where the block fails.

    They are spawned: a forked child lacks the threads that torch and the simulator need.
    """
    context = _OwnProcesses()
    with ProcessPoolExecutor(number, mp_context=context, initializer=_end_with_parent) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in context.started:
                process.terminate()
            raise


class _OwnProcesses(multiprocessing.context.SpawnContext):
    """Keeps the processes that it spawns, so that a failure ends these and no others."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[multiprocessing.context.SpawnProcess] = []

    def Process(self, *args: Any, **options: Any) -> multiprocessing.context.SpawnProcess:  # type: ignore[override]
        process = multiprocessing.context.SpawnProcess(*args, **options)
        self.started.append(process)
        return process


def _end_with_parent() -> None:
    """End this worker when the parent process ends. Workers ignore Ctrl-C: the parent handles it and ends them."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()

"""The same numbers every time: torch on one thread, and global random generators seeded inside a block only.

Owns    where a training and a drawn action get their randomness, without touching the caller's.
"""

import random
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from stable_baselines3.common.utils import set_random_seed


class _OneThread:
    """Counts who is inside `one_thread`, and keeps torch's number of threads from before the first of them.

    Torch has one number per thread, which a new thread inherits from whichever thread set it last. A thread that starts
    while another is inside therefore starts with 1, and must not restore that 1 as its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_thread = threading.local()
        self._inside = 0
        self._outside = 1

    @contextmanager
    def __call__(self) -> Iterator[None]:
        depth = getattr(self._of_thread, "depth", 0)
        with self._lock:
            if depth == 0:
                number = torch.get_num_threads()
                if self._inside == 0:
                    self._outside = number
                self._of_thread.before = self._outside if number == 1 else number
                torch.set_num_threads(1)
            self._inside += 1
            self._of_thread.depth = depth + 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                self._of_thread.depth = depth
                if depth == 0:
                    torch.set_num_threads(self._of_thread.before)


_one_thread = _OneThread()


def one_thread() -> AbstractContextManager[None]:
    """Torch on one thread: networks this small gain nothing from a second one, and lose much where cores are busy.

    May be nested, and used by several threads at once; each gets its number of threads back at the end.
    """
    return _one_thread()


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed the global generators that Stable-Baselines3 draws from inside the block, and restore them after it."""
    python, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        set_random_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy_state)  # noqa: NPY002


def mixed_seed(seed: int, part: int) -> int:
    """A 32-bit seed for one part of one run; neighbouring runs and parts get unrelated ones."""
    return int(np.random.SeedSequence([seed, part]).generate_state(1)[0])

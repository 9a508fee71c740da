"""Seeds of sales: their range, and fresh ones where none is given.

A seed is a whole number in 0..2^64 - 1, the range of `agents.split_seeds`. Larger numbers are refused: reduced to 64
bits, two seeds would name the same sale.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST_SEED = 2**64 - 1

# Of sales and of random scenarios: to learn from, to tune on, to test on. They share none.
SPLITS = ("train", "validation", "test")

Seeds = npt.NDArray[np.uint64]


def checked_seed(seed: Any, whose: str = "") -> int:
    """The seed as a Python integer.

    Args:
        seed: the seed as given.
        whose: end of the subject of the message, e.g. " of sale 3".

    Raises:
        ValueError: not of an integer type, or out of range.

    >>> checked_seed(np.uint64(7))
    7
    """
    if isinstance(seed, np.ndarray) and seed.ndim == 0:
        seed = seed[()]
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"seed{whose} must be a whole number in 0..2^64 - 1, or None, got {seed!r}.")
    return int(seed)


def checked_seeds(seeds: Iterable[Any], sales: int) -> list[int | None]:
    """One seed for each of N sales; None stays None.

    Raises:
        ValueError: not one entry per sale, or one is not a seed.
    """
    given = list(seeds)
    if len(given) != sales:
        raise ValueError(f"want one seed for each of {sales} sales, got {len(given)}.")
    return [None if seed is None else checked_seed(seed, f" of sale {i}") for i, seed in enumerate(given)]


def consecutive_seeds(first: int, sales: int) -> Seeds:
    """(N,) first, first + 1, ...: sale i of a batch is the single environment with seed first + i.

    Raises:
        ValueError: the last seed is out of range.
    """
    if first + sales - 1 > LARGEST_SEED:
        raise ValueError(
            f"seed {first} gives the last of {sales} sales the seed {first + sales - 1}, and 2^64 - 1 is the largest; "
            f"take a smaller one, or give a seed for each sale."
        )
    return np.uint64(first) + np.arange(sales, dtype=np.uint64)


def fresh_seeds(sales: int) -> Seeds:
    """(N,) seeds from the entropy of the operating system; below 2^63, so a batch can count up from any of them."""
    return np.random.SeedSequence().generate_state(sales, np.uint64) >> np.uint64(1)


def seed_array(seeds: npt.ArrayLike, sales: int) -> Seeds:
    """(N,) whole numbers as the uint64 array of the core.

    Raises:
        ValueError: another type or shape, or a negative number.
    """
    array = np.asarray(seeds)
    if array.shape != (sales,) or array.dtype.kind not in "iu" or (array.dtype.kind == "i" and (array < 0).any()):
        raise ValueError(
            f"want one seed for each of {sales} sales, whole numbers in 0..2^64 - 1, "
            f"got an array of {array.dtype}, shape {array.shape}, that begins with {array.ravel()[:3].tolist()}."
        )
    return np.ascontiguousarray(array, np.uint64)

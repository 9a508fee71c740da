"""Seeds of sales: which customers an agent learns from, is tuned on, and is tested on.

Owns    the map (split, run, number of the sale) -> seed. Every (split, run) has a block of seeds of its own, disjoint
        from all others.

Seeds that count up from the number of the run overlap: with s + i, runs 0 and 1 at 1,024 sales share 1,023 of them.
Here the three numbers are packed into 64 bits and mixed by a bijection. Blocks are disjoint by construction, and
neighbouring seeds look unrelated.
"""

import numpy as np
import numpy.typing as npt

from flashsale_env.errors import unknown_name
from flashsale_env.seeds import SPLITS

_INDEX_BITS, _RUN_BITS = 40, 22  # 10^12 sales a run, 4·10^6 runs; the other two bits hold the split
MOST_SALES, RUNS = 1 << _INDEX_BITS, 1 << _RUN_BITS


def check_run(run: int, called: str = "run") -> None:
    """Refuse a number out of the range of training runs.

    Args:
        run: the number.
        called: the caller's name for it, for the message.

    Raises:
        ValueError: it is out of range.
    """
    if not 0 <= run < RUNS:
        raise ValueError(
            f"{called} must lie in 0..{RUNS - 1}, got {run}: a training run has a block of sales of its own."
        )


def split_seeds(split: str, run: int, count: int, start: int = 0) -> npt.NDArray[np.uint64]:
    """Seeds of sales start .. start + count - 1 of a block.

    Validation and test use run 0 by default, so that every agent meets the same sales.

    Args:
        split: "train", "validation" or "test".
        run: number of the training run, 0 .. 2^22 - 1.
        count: how many seeds.
        start: number of the first sale in the block.

    Returns:
        (count,) seeds, different from each other and from those of any other split or run.

    Raises:
        ValueError: unknown split, or a number is out of range.

    Source:
        The bijection is the finaliser of SplitMix64 (Steele, Lea & Flood 2014, doi 10.1145/2714064.2660195).
    """
    if split not in SPLITS:
        raise ValueError(unknown_name("split", split, SPLITS))
    check_run(run)
    if count < 0 or start < 0 or start + count > MOST_SALES:
        raise ValueError(f"a block holds sales 0..{MOST_SALES - 1}, got {count} of them from number {start} on.")
    block = (SPLITS.index(split) << _RUN_BITS | run) << _INDEX_BITS
    return _mix64(np.uint64(block) + np.arange(start, start + count, dtype=np.uint64))


def validation_seeds(sales: int) -> npt.NDArray[np.uint64]:
    """Seeds of the sales on which policies are compared during training: the same for every agent and run.

    Args:
        sales: how many; for a learner, its setting `validation_sales`.
    """
    return split_seeds("validation", 0, sales)


def _mix64(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = z + np.uint64(0x9E3779B97F4A7C15)  # keeps block 0 away from the seeds 0, 1, 2 that people type
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))

"""Seeds of the reference world: which voices and which log belong together, and which have nothing in common.

Owns    the map (what a log is for, seed of the study, number of the log) -> seed of voices, tastes and log.
Leaves  the draws themselves to `corpus` and `reference`; each sets its own tag beside the seed, so purposes differ.

A model that is measured on the log it was fitted on looks better than it is, and so does one that is measured on a log
with the same prices, the same sales and the same Gumbel draws. Two logs therefore never share a seed.
"""

import hashlib

# Every derived seed has this bit, no given one has: the two kinds cannot coincide.
_DERIVED = 1 << 63


def log_seed(use: str, seed: int, log: int = 0) -> int:
    """Seed of a log and of its voices.

    The first log that demand is estimated on has the seed of the study itself, every other one has a hash of its own:
    with 63 bits, two of a million logs share a seed with a probability of 5e-8.

    Args:
        use: what the log is for: a split of the corpus, or the name of a study.
        seed: of the study.
        log: number among the independent logs of one use.

    Raises:
        ValueError: a number is out of range.

    >>> log_seed("demand", 7)
    7
    """
    if not 0 <= seed < _DERIVED or log < 0:
        raise ValueError(f"a seed must lie in 0..2^63 - 1 and a log's number at 0 or above, got {seed} and {log}.")
    if (use, log) == ("demand", 0):
        return seed
    digest = hashlib.sha256(f"{use} {seed} {log}".encode()).digest()
    return int.from_bytes(digest[:8], "big") | _DERIVED

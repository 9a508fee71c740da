"""Seeds of the reference world: independent logs have seeds of their own.

Owns    the map (use of a log, seed of the study, number of the log) -> seed of voices, tastes and log.
Leaves  the draws to `corpus`, `reference` and `experiment`. Each combines the seed with a tag of its own, so that draws
        for different purposes are independent.

A model evaluated on the log that it was fitted to looks better than it is. So does one evaluated on a log with the same
prices, sales or Gumbel draws. No two logs therefore share a seed.
"""

import hashlib

# This bit is set in every derived seed and in no given one, so they never coincide.
_DERIVED = 1 << 63


def log_seed(use: str, seed: int, log: int = 0) -> int:
    """Seed of a log and of its voices.

    The first log for estimation has the seed of the study; every other log has a hash of use, seed and number. With 63
    bits, the probability that any two of a million logs share a seed is 5e-8.

    Args:
        use: a split of the corpus, or the name of a study.
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

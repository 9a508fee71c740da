"""Counter-based random streams.

Owns    every random number of the simulator: a pure function of (seed, episode, tick, customer, purpose).
Why     a sale is then the same in any batch, on any thread and under any policy: customer 17 of tick 3 is the same
        person with the same willingness to pay at any price (common random numbers).
Units   keys and bits are uint64 and wrap around modulo 2^64.

The mixing function is the finaliser of SplitMix64, variant 13 (Steele, Lea & Flood 2014, doi 10.1145/2714064.2660195).
"""

import math
import zlib

import numpy as np

from flashsale_env.core.compiler import scalar

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: SplitMix64's odd increment
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)
_S12, _S32 = np.uint64(12), np.uint64(32)
_LOW16, _LOW32 = np.uint64(0xFFFF), np.uint64(0xFFFFFFFF)

# Purposes of a customer's draws. A new purpose takes a new number, so existing draws keep their values.
GAP, MARKS, CLASS, VOICE, TASTE, NEST = 0, 1, 2, 3, 16, 1 << 12
SENSITIVITY, APPETITE = 1 << 15, (1 << 15) + 1  # of normal draws, which take the numbers 2n and 2n + 1
# Purposes of a sale's draws, above all tick numbers (at most 10^6 < 2^20). `OPENING` is the tick number of the messages
# before the start of the sale.
TRAFFIC, MIX, APPEAL, COMMON_APPEAL, OPENING = 1 << 20, 2 << 20, 3 << 20, 4 << 20, 5 << 20


_PURPOSES: dict[int, str] = {}


def purpose(name: str) -> int:
    """The number of a mechanism's draws; number + i is its i-th one, i below 256.

    It follows from the name, so a new mechanism changes no draw of another one.

    Args:
        name: of the draws, e.g. "carts.payment".

    Raises:
        ValueError: another name has the same number.
    """
    number = (1 << 40) + (zlib.crc32(name.encode()) << 8)  # above all numbers of this file
    if _PURPOSES.setdefault(number, name) != name:
        raise ValueError(f"the draws {name!r} and {_PURPOSES[number]!r} would be the same; rename one of them.")
    return number


def _gumbel_quantiles() -> np.ndarray:
    """(65536,) quantiles of the standard Gumbel distribution at the midpoints of 2^16 equal cells.

    Sixteen bits truncate the distribution at 11.8 and change a choice probability by less than 2e-5, a tenth of the
    standard error with a million customers.
    """
    u = (np.arange(1 << 16) + 0.5) / (1 << 16)
    return (-np.log(-np.log(u))).astype(np.float32)


GUMBEL = _gumbel_quantiles()


@scalar
def mix64(z):
    """Hash of 64 bits to 64 bits, one to one."""
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@scalar
def sale_key(seed, episode):
    """The key of one sale, from its seed and the number of the episode."""
    # The seed is hashed before the episode enters: seed + 1 must not share episodes with seed.
    return mix64(mix64(seed + GOLDEN) ^ (np.uint64(episode) * GOLDEN))


@scalar
def subkey(key, number):
    """The key of a part: of tick t of a sale, of customer k of a tick, of purpose d of a customer."""
    # Output `number` of the SplitMix64 generator with state `key`, by a jump instead of a loop.
    return mix64(key + (np.uint64(number) + np.uint64(1)) * GOLDEN)


@scalar
def uniform(bits):
    """A uniform number strictly between 0 and 1, from the upper 52 of the 64 bits."""
    # Adding half a cell excludes both 0 and 1, so that logarithms are finite.
    return (np.float64(bits >> _S12) + 0.5) * 2.220446049250313e-16  # 2**-52


@scalar
def upper32(bits):
    """A uniform number in [0, 1) from the upper 32 bits."""
    return np.float64(bits >> _S32) * 2.3283064365386963e-10  # 2**-32


@scalar
def lower16(bits):
    """A uniform number in [0, 1) from bits 0 to 15."""
    return np.float64(bits & _LOW16) * 1.52587890625e-05  # 2**-16


@scalar
def middle16(bits):
    """A uniform number in [0, 1) from bits 16 to 31."""
    return np.float64((bits >> np.uint64(16)) & _LOW16) * 1.52587890625e-05


@scalar
def standard_normal(key, number):
    """One standard normal draw by Box & Muller (1958); it is slow, so only mixed tastes need it per customer."""
    radius = math.sqrt(-2.0 * math.log(uniform(subkey(key, 2 * number))))
    return radius * math.cos(2.0 * math.pi * uniform(subkey(key, 2 * number + 1)))

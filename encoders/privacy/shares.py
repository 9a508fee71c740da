"""Shares of intents with differential privacy: what a shop may know of a crowd without knowing a customer.

Owns    the noise, its size, and shares that are shares again afterwards.
Axes    S releases, I intents.

One message more, less or different moves the shares of n messages by at most 2/n in all. With Laplace noise of scale
2/(n·epsilon) on each, no release tells more than a factor exp(epsilon) about any message, whatever else is known. The
mean absolute error of a share is that scale. Several releases of the same messages add their epsilons up.

Source:
    Dwork, McSherry, Nissim & Smith (2006), Calibrating noise to sensitivity in private data analysis, TCC.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["noise_scale", "noisy_shares", "projected"]

Floats = npt.NDArray[np.float64]


def noise_scale(messages: int, epsilon: float) -> float:
    """Scale of the noise on a share, and its mean absolute error.

    Args:
        messages: behind the shares.
        epsilon: how much a release may tell about a message; smaller is more private.

    Raises:
        ValueError: no messages, or an epsilon that is not positive.

    >>> round(noise_scale(150, 1.0), 6)
    0.013333
    """
    if messages < 1 or not epsilon > 0:
        raise ValueError(
            f"want at least 1 message and an epsilon above 0, got {messages} messages, epsilon={epsilon:g}."
        )
    return 2.0 / (messages * epsilon)


def noisy_shares(shares: npt.ArrayLike, messages: int, epsilon: float, rng: np.random.Generator) -> Floats:
    """Shares (S, I) with noise; an infinite epsilon adds none.

    They may be negative and need not sum to 1: see `projected`.

    Raises:
        ValueError: as `noise_scale`.
    """
    exact = np.asarray(shares, np.float64)
    scale = noise_scale(messages, epsilon)
    return exact + rng.laplace(0.0, scale, exact.shape) if scale > 0 else exact.copy()


def projected(noisy: npt.ArrayLike) -> Floats:
    """The nearest shares (S, I): not negative, each row summing to 1. What is done to a release tells nothing more.

    Source:
        Duchi, Shalev-Shwartz, Singer & Chandra (2008), Efficient projections onto the l1-ball, ICML, figure 1.
    """
    values = np.atleast_2d(np.asarray(noisy, np.float64))
    falling = -np.sort(-values, axis=1)
    excess = (np.cumsum(falling, axis=1) - 1.0) / np.arange(1, values.shape[1] + 1)
    count = (falling > excess).sum(axis=1)
    off = excess[np.arange(len(values)), count - 1]
    return np.asarray(np.maximum(values - off[:, None], 0.0))

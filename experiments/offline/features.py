"""Features of states and actions for a linear model of values.

Owns    the map (observation, levels) -> features of one tick.
Axes    S sales, D numbers of an observation that vary, C decisions, P features.

With few decisions and numbers: indicators of every level of every decision, the observation and its squares, and all
products of the two. With many, the products are of the levels' positions alone. Numbers are standardised, tick by
tick.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Levels = npt.NDArray[np.int64]

# Above this many features, products take the position of a level in place of its indicators.
_MOST = 400


@dataclass(frozen=True, eq=False)
class Features:
    """The features of one tick, standardised by the log.

    Args:
        n_levels: (C,).
        varying: numbers of the observation that vary at this tick.
        mean, scale: of these.
    """

    n_levels: Levels
    varying: npt.NDArray[np.int64]
    mean: Floats
    scale: Floats

    @classmethod
    def of(cls, observations: npt.NDArray[np.float32], n_levels: Levels) -> "Features":
        """Features for a tick with these observations, (S, all D)."""
        wide = observations.astype(np.float64)
        varying = np.flatnonzero(np.ptp(wide, axis=0) > 1e-9)
        return cls(n_levels, varying, wide[:, varying].mean(axis=0), wide[:, varying].std(axis=0))

    def __call__(self, observations: npt.NDArray[np.float32], levels: Levels) -> Floats:
        """(S, P) for observations (S, all D) and levels (S, C)."""
        z = (observations[:, self.varying].astype(np.float64) - self.mean) / self.scale
        state = np.concatenate([np.ones((len(z), 1)), z, z**2], axis=1)
        chosen = [levels[:, [c]] == np.arange(1, n) for c, n in enumerate(self.n_levels)]
        indicators = np.concatenate(chosen, axis=1).astype(np.float64)
        products = indicators
        if indicators.shape[1] * state.shape[1] > _MOST:
            position = levels / (self.n_levels - 1)
            products = np.concatenate([position, position**2], axis=1)
            state_of = state[:, : 1 + z.shape[1]]
        else:
            state_of = state
        crossed = (products[:, :, None] * state_of[:, None, 1:]).reshape(len(z), -1)
        return np.concatenate([state, indicators, crossed], axis=1)

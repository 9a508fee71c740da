"""Control charts: CUSUM and EWMA, and how long they run before an alarm.

Owns    both charts over standardised values, and their average run lengths, in control and after a shift.
Leaves  what is charted to `alerts`.
Axes    N sequences, T points in time.
Units   values in standard deviations from the mean in control.

Source:
    CUSUM: Page (1954), Biometrika 41, doi 10.1093/biomet/41.1-2.100. Among all charts with its run length in control it
    has the shortest worst delay: Moustakides (1986), Annals of Statistics 14, doi 10.1214/aos/1176350164. EWMA: Roberts
    (1959), Technometrics 1; its run lengths: Lucas & Saccucci (1990), Technometrics 32. Run lengths by a Markov chain:
    Brook & Evans (1972), Biometrika 59, doi 10.1093/biomet/59.3.539.
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import norm

Floats = npt.NDArray[np.float64]

# States of the Markov chain: run lengths of CUSUM charts are then right to four digits.
_STATES = 301


def cusum(values: Floats, reference: float = 0.5) -> Floats:
    """(N, T, 2) sums of what lies above and below the mean.

        S⁺ = max(0, S⁺ + z - k),  S⁻ = max(0, S⁻ - z - k)

    An alarm is a sum above the decision interval h.

    Args:
        values: (N, T) z.
        reference: k, half the shift that is to be found.
    """
    sums = np.zeros((*values.shape, 2))
    up = down = np.zeros(len(values))
    for t in range(values.shape[1]):
        up = np.maximum(0.0, up + values[:, t] - reference)
        down = np.maximum(0.0, down - values[:, t] - reference)
        sums[:, t, 0], sums[:, t, 1] = up, down
    return sums


def ewma(values: Floats, weight: float = 0.2) -> Floats:
    """(N, T) exponentially weighted means, over their standard deviation in the long run.

    Args:
        values: (N, T) z.
        weight: of the newest value, above 0 and at most 1.

    Raises:
        ValueError: the weight is out of range.
    """
    if not 0 < weight <= 1:
        raise ValueError(f"the weight of the newest value must lie above 0 and be at most 1, got {weight:g}.")
    means, mean = np.empty(values.shape), np.zeros(len(values))
    for t in range(values.shape[1]):
        mean = (1 - weight) * mean + weight * values[:, t]
        means[:, t] = mean
    return np.asarray(means / np.sqrt(weight / (2 - weight)))


def cusum_run_length(interval: float, reference: float = 0.5, shift: float = 0.0, sides: int = 2) -> float:
    """Average number of values until the alarm of a CUSUM chart that starts at 0.

    Args:
        interval: h.
        reference: k.
        shift: mean of the values, in standard deviations.
        sides: 1 for the upper sum alone, 2 for both.

    >>> round(cusum_run_length(4.0, sides=1), 1), round(cusum_run_length(5.0, shift=1.0), 1)
    (335.4, 10.4)
    """
    up = _one_sided(interval, reference, shift)
    if sides == 1:
        return up
    # At most one sum is above 0 near its alarm, so the rates of alarms add up (van Dobben de Bruyn 1968).
    return 1.0 / (1.0 / up + 1.0 / _one_sided(interval, reference, -shift))


def _one_sided(interval: float, reference: float, shift: float) -> float:
    # State 0 is the sum at 0; state i covers a cell of width w around i·w, and the last cell ends at h.
    width = 2.0 * interval / (2 * _STATES - 1)
    centres = width * np.arange(_STATES)
    edges = np.concatenate([[-np.inf], centres + width / 2])
    below = norm.cdf(edges[None, :] - centres[:, None] + reference - shift)
    stays = np.diff(below, axis=1)
    return float(np.linalg.solve(np.eye(_STATES) - stays, np.ones(_STATES))[0])


def ewma_run_length(limit: float, weight: float = 0.2, shift: float = 0.0) -> float:
    """Average number of values until an EWMA that starts at 0 leaves ±limit, in its standard deviations.

    Args:
        limit: L.
        weight: of the newest value.
        shift: mean of the values, in standard deviations.

    >>> round(ewma_run_length(2.962, 0.2))
    500
    """
    end = limit * np.sqrt(weight / (2 - weight))
    width = 2.0 * end / _STATES
    centres = -end + width * (np.arange(_STATES) + 0.5)
    edges = np.append(centres - width / 2, end)
    below = norm.cdf((edges[None, :] - (1 - weight) * centres[:, None]) / weight - shift)
    stays = np.diff(below, axis=1)
    return float(np.linalg.solve(np.eye(_STATES) - stays, np.ones(_STATES))[_STATES // 2])


def interval_for(run_length: float, reference: float = 0.5) -> float:
    """The decision interval h of a two-sided CUSUM chart with this average run length in control.

    Args:
        run_length: at least 3.
        reference: k.

    >>> round(interval_for(465.4), 2)
    5.0
    """
    if run_length < 3:
        raise ValueError(f"a chart needs a run length of at least 3 in control, got {run_length:g}.")
    return float(brentq(lambda h: np.log(cusum_run_length(h, reference) / run_length), 0.05, 30.0))

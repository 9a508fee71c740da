"""Carts: how many are open, and how many units sell, where units are held for customers who may not pay.

Owns    the number of open carts in a busy sale, and the Markov chain of a scarce product whose carts have no deadline.
Units   rates per minute, times in minutes, units of one product.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.linalg import expm

Floats = npt.NDArray[np.float64]


def share_unpaid(hold: float, paid: float) -> float:
    """Probability that a cart is not paid before its hold ends, if customers pay at rate `paid`.

    >>> round(share_unpaid(15.0, 0.023778), 4)
    0.7
    """
    return math.exp(-hold * paid)


def open_carts(rate: float, hold: float, paid: float) -> float:
    """Expected number of open carts, once the sale is older than the hold; the number is Poisson.

        rate · (1 - e^(-paid·hold)) / paid

    Source: Little (1961) with the mean time that a cart is open; M/G/infinity for the law.

    >>> round(open_carts(2.0, 15.0, -math.log(0.7) / 15.0), 6)
    25.233059
    """
    return rate * (1.0 - share_unpaid(hold, paid)) / paid


class CartChain:
    """Units of one product: free, in carts or sold. Carts are opened at a rate while a unit is free, and each one is
    paid or given up after an exponential time. What is given up is free again at the end of a tick.

    Args:
        units: in stock.
        rate: carts a minute while a unit is free.
        paid, given_up: rates of each open cart.
    """

    def __init__(self, units: int, rate: float, paid: float, given_up: float) -> None:
        self.units = units
        # free, given up in this tick, in open carts
        self._states = [
            (f, g, o) for f in range(units + 1) for g in range(units + 1 - f) for o in range(units + 1 - f - g)
        ]
        number = {state: i for i, state in enumerate(self._states)}
        self._generator = np.zeros((len(number), len(number)))
        self._released = np.zeros((len(number), len(number)))  # at the end of a tick
        for (f, g, o), i in number.items():
            self._released[i, number[f + g, 0, o]] = 1.0
            moves = [
                ((f - 1, g, o + 1), rate if f else 0.0),
                ((f, g, o - 1), paid * o),
                ((f, g + 1, o - 1), given_up * o),
            ]
            for to, at_rate in moves:
                if at_rate > 0.0:
                    self._generator[i, number[to]] += at_rate
                    self._generator[i, i] -= at_rate
        self._number = number

    def law(self, minutes: float, ticks: int) -> Floats:
        """(units + 1,) probabilities of the number sold after this time, cut into ticks; open carts are not sold."""
        step = np.asarray(expm(self._generator * (minutes / ticks))) @ self._released
        now = np.zeros(len(self._states))
        now[self._number[self.units, 0, 0]] = 1.0
        for _ in range(ticks):
            now = now @ step
        return self._of_sold(now)

    def limit(self, minutes: float) -> Floats:
        """As `law`, in continuous time: what is given up is free at once."""
        at_once = self._generator @ self._released
        now = np.asarray(expm(at_once * minutes))[self._number[self.units, 0, 0]]
        return self._of_sold(now)

    def _of_sold(self, now: Floats) -> Floats:
        sold = [self.units - sum(state) for state in self._states]
        return np.asarray(np.bincount(sold, now, self.units + 1), np.float64)

"""The customer base: the BG/NBD model of customers who come back until they drop out.

Owns    its expected purchases, also those of a customer with a history, the probability that it is still alive, the
        likelihood, and the fit to a shop's records.
Axes    C customers.
Units   weeks, or any other unit of time; alpha has the same.

A customer buys at a rate that is gamma distributed with shape r and rate alpha. After each repeat purchase the customer
drops out with a probability that is beta distributed with a and b. `market.retention` plays this model.

Source: Fader, Hardie & Lee (2005), Marketing Science 24(2), doi 10.1287/mksc.1040.0098.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import betaln, expit, gammaln, hyp2f1

Floats = npt.NDArray[np.float64]

# Logarithms of what a fit can find: .001 to 1,000, as `Retention` takes; of alpha, over the mean time observed.
_LOGS = (-6.907755, 6.907755)


@dataclass(frozen=True)
class CustomerBase:
    """A customer base.

    Args:
        r, alpha: shape and rate of the gamma distribution of purchase rates.
        a, b: of the beta distribution of dropout probabilities.

    Raises:
        ValueError: a parameter is not above 0.

    >>> published = CustomerBase(0.243, 4.414, 0.793, 2.426)  # CDNOW
    >>> round(float(published.expected_purchases(39.0)), 4)
    1.1967
    """

    r: float
    alpha: float
    a: float
    b: float

    def __post_init__(self) -> None:
        for name in ("r", "alpha", "a", "b"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} of a customer base must be above 0, got {getattr(self, name)}.")

    def expected_purchases(self, time: npt.ArrayLike) -> Floats:
        """Repeat purchases of a new customer that are expected in this time, of any shape; equation 9.

        It is a limit at a = 1, which this form does not reach.

        Raises:
            ValueError: a is 1.
        """
        if self.a == 1.0:
            raise ValueError("expected purchases divide by a - 1, got a = 1; take a value next to it, e.g. 1.000001.")
        t = np.asarray(time, np.float64)
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        share = t / (alpha + t)
        return np.asarray((a + b - 1) / (a - 1) * (1 - (1 - share) ** r * hyp2f1(r, b, a + b - 1, share)))

    def log_likelihood(self, purchases: npt.ArrayLike, last: npt.ArrayLike, observed: npt.ArrayLike) -> Floats:
        """Of each customer, (C,); equation 6.

        Args:
            purchases: (C,) repeat purchases.
            last: (C,) time of the last of them, since the first purchase; 0 without one.
            observed: (C,) time since the first purchase.
        """
        x, last, observed = (np.asarray(values, np.float64) for values in (purchases, last, observed))
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - betaln(a, b)
        alive = betaln(a, b + x) - (r + x) * np.log(alpha + observed)
        repeat = np.maximum(x, 1.0)
        gone = betaln(a + 1, b + repeat - 1) - (r + x) * np.log(alpha + last)
        return np.asarray(common + np.where(x > 0, np.logaddexp(alive, gone), alive))

    def alive(self, purchases: npt.ArrayLike, last: npt.ArrayLike, observed: npt.ArrayLike) -> Floats:
        """(C,) probability that each customer has not dropped out; arguments as for `log_likelihood`.

        Source: the ratio of the terms of equation 6; 1 without a repeat purchase, after which alone customers drop out.
        """
        x, last, observed = (np.asarray(values, np.float64) for values in (purchases, last, observed))
        repeat = np.maximum(x, 1.0)
        odds = np.log(self.a) - np.log(self.b + repeat - 1.0)
        odds = odds + (self.r + x) * (np.log(self.alpha + observed) - np.log(self.alpha + last))
        return np.where(x > 0, expit(-odds), 1.0)

    def returns(self, purchases: npt.ArrayLike, last: npt.ArrayLike, observed: npt.ArrayLike, time: float) -> Floats:
        """(C,) probability that each customer buys again in the time after its history.

        The rate of a living customer is gamma distributed with shape r + x and rate alpha + observed.

        Args:
            purchases, last, observed: as for `log_likelihood`.
            time: after what was observed.
        """
        x, known = np.asarray(purchases, np.float64), np.asarray(observed, np.float64)
        none = ((self.alpha + known) / (self.alpha + known + time)) ** (self.r + x)
        return np.asarray(self.alive(purchases, last, observed) * (1.0 - none))

    def expected_after(
        self, purchases: npt.ArrayLike, last: npt.ArrayLike, observed: npt.ArrayLike, time: float
    ) -> Floats:
        """(C,) purchases of each customer that are expected in the time after its history; equation 10.

        Args:
            purchases, last, observed: as for `log_likelihood`.
            time: after what was observed.

        Raises:
            ValueError: a is 1, where this form is a limit.
        """
        if self.a == 1.0:
            raise ValueError("expected purchases divide by a - 1, got a = 1; take a value next to it, e.g. 1.000001.")
        x, known = np.asarray(purchases, np.float64), np.asarray(observed, np.float64)
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        share = time / (alpha + known + time)
        power = hyp2f1(r + x, b + x, a + b + x - 1.0, share)
        rest = 1.0 - ((alpha + known) / (alpha + known + time)) ** (r + x) * power
        return np.asarray((a + b + x - 1.0) / (a - 1.0) * rest * self.alive(purchases, last, observed))


def fit(purchases: npt.ArrayLike, last: npt.ArrayLike, observed: npt.ArrayLike) -> CustomerBase:
    """The customer base of largest likelihood, each parameter from .001 to 1,000, alpha times the mean time observed.

    Args:
        purchases, last, observed: as for `CustomerBase.log_likelihood`.

    Raises:
        ValueError: arrays of other shapes, negative numbers, a last purchase after the time observed or without a
            repeat purchase, or nobody who bought again.
        RuntimeError: the search does not end at a maximum.
    """
    x, last, observed = (np.asarray(values, np.float64) for values in (purchases, last, observed))
    if x.ndim != 1 or x.shape != last.shape or x.shape != observed.shape:
        raise ValueError(f"want three arrays of one length, got shapes {x.shape}, {last.shape} and {observed.shape}.")
    wrong = (x < 0) | (last < 0) | (last > observed) | ((last > 0) != (x > 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"customer {row} has {x[row]:g} repeat purchases, the last at {last[row]:g} of {observed[row]:g}: want a "
            f"time within the time observed, and 0 only without a repeat purchase."
        )
    if not x.any():
        raise ValueError("nobody bought again, so nothing can be said about purchase rates.")
    unit = float(observed.mean())  # the search has parameters of similar size

    def loss(logs: Floats) -> float:
        base = CustomerBase(*np.exp(logs))
        return -float(base.log_likelihood(x, last / unit, observed / unit).mean())

    # Where customers differ less than by chance, the likelihood rises for ever with r and alpha: the search ends there.
    search = {"maxiter": 4000, "xatol": 1e-7, "fatol": 1e-12}
    found = minimize(loss, np.zeros(4), method="Nelder-Mead", bounds=[_LOGS] * 4, options=search)
    if not found.success:
        raise RuntimeError(f"no maximum of the likelihood was found: {found.message}")
    r, alpha, a, b = np.exp(found.x)
    return CustomerBase(float(r), float(alpha) * unit, float(a), float(b))

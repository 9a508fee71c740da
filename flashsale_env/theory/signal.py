"""The value of a signal of a customer's class when the price may depend on it: the ceiling of the value of text.

Owns    the exact revenue of prices that depend on a predicted class, for any confusion matrix.
Axes    C classes of willingness to pay, K predictions.
Units   prices, means and revenue in currency; revenue per customer.

Willingness to pay of class c is exponential with mean theta_c, so an offer at price p earns p·exp(-p/theta_c) from a
customer of the class. One price is set per *prediction*; stock is unlimited. No text encoder earns more than perfect
prediction of the class. With one posted price for all customers, the signal has no value within a tick.
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

Floats = npt.NDArray[np.float64]


def best_single_price(means: npt.ArrayLike, shares: npt.ArrayLike) -> tuple[float, float]:
    """(revenue per customer, price) of the best price for all: maximises p·sum_c share_c·exp(-p/mean_c).

    The revenue may have several local maxima. All lie between the smallest and the largest mean: p·exp(-p/mean) rises
    below its mean and falls above it, for every class. The best of them is returned.

    Args:
        means: (C,) mean willingness to pay of each class, currency.
        shares: (C,) of the classes; scaled to sum to 1.

    Raises:
        ValueError: means are not positive, or shares are negative or all 0.

    >>> revenue, price = best_single_price((40, 80, 160), (0.5, 0.35, 0.15))
    >>> f"{revenue:.6f} {price:.5f}"
    '23.082777 72.21766'
    """
    theta, weight = _classes(means, shares)

    def revenue(price: float) -> float:
        return float(price * (weight * np.exp(-price / theta)).sum())

    def slope(price: float) -> float:
        return float((weight * np.exp(-price / theta) * (1 - price / theta)).sum())

    low, high = float(theta.min()), float(theta.max())
    # One class: p·exp(-p/theta) is largest at p = theta.
    if low == high:
        return revenue(low), low
    # Each change of the slope from + to - on the grid brackets one local maximum, refined by Brent's method.
    grid = np.geomspace(low, high, 512)
    rising = np.array([slope(price) > 0 for price in grid])
    peaks = [brentq(slope, grid[i], grid[i + 1]) for i in np.flatnonzero(rising[:-1] & ~rising[1:])]
    return max((revenue(price), float(price)) for price in peaks)


def price_by_prediction(
    means: npt.ArrayLike, shares: npt.ArrayLike, confusion: npt.ArrayLike
) -> tuple[float, npt.NDArray[np.float64]]:
    """(revenue per customer, (K,) best price for each prediction).

    A customer of class c is predicted as k with probability confusion[c, k]. Given prediction k, class c has weight
    share_c·confusion[c, k] (Bayes' rule), and the price is the best single price of that mixture.

    Args:
        means: (C,) mean willingness to pay of each class, currency.
        shares: (C,) of the classes; scaled to sum to 1.
        confusion: (C, K) probabilities, or counts, which are scaled by row. K may differ from C. A prediction that
            never occurs gets the best single price for all classes.

    Raises:
        ValueError: shapes disagree, a number is negative, or a row is empty.
    """
    theta, weight = _classes(means, shares)
    matrix = _confusion(confusion, len(theta))
    total, prices = 0.0, np.full(matrix.shape[1], best_single_price(theta, weight)[1])
    for k in range(matrix.shape[1]):
        joint = weight * matrix[:, k]
        if joint.sum() > 0:
            # `best_single_price` scales the weights to sum to 1, so its revenue is conditional on prediction k.
            revenue, prices[k] = best_single_price(theta[joint > 0], joint[joint > 0])
            total += revenue * float(joint.sum())
    return total, prices


def revenue_of_prices(
    means: npt.ArrayLike, shares: npt.ArrayLike, confusion: npt.ArrayLike, prices: npt.ArrayLike
) -> float:
    """Revenue per customer when the price is prices[k] for all customers predicted as k, currency.

    Args:
        means, shares, confusion: as for `price_by_prediction`.
        prices: (K,) currency.

    Raises:
        ValueError: shapes disagree, a number is negative, or a row is empty.
    """
    theta, weight = _classes(means, shares)
    matrix, price = _confusion(confusion, len(theta)), np.asarray(prices, float)
    if price.shape != (matrix.shape[1],):
        raise ValueError(f"want one price for each of {matrix.shape[1]} predictions, got shape {price.shape}.")
    return float((weight[:, None] * matrix * price * np.exp(-price / theta[:, None])).sum())


def symmetric_confusion(classes: int, accuracy: float) -> Floats:
    """(C, C) confusion: correct with probability `accuracy`, otherwise each other class with equal probability.

    Raises:
        ValueError: fewer than 2 classes, or an accuracy outside 0..1.
    """
    if classes < 2 or not 0 <= accuracy <= 1:
        raise ValueError(f"want 2 classes or more and an accuracy of 0..1, got {classes} and {accuracy}.")
    return np.asarray(np.where(np.eye(classes, dtype=bool), accuracy, (1 - accuracy) / (classes - 1)))


def _classes(means: npt.ArrayLike, shares: npt.ArrayLike) -> tuple[Floats, Floats]:
    theta, weight = np.asarray(means, float), np.asarray(shares, float)
    if theta.ndim != 1 or len(theta) == 0 or weight.shape != theta.shape:
        raise ValueError(f"want as many shares as means, at least one, got {weight.shape} and {theta.shape}.")
    if not (np.isfinite(theta).all() and (theta > 0).all()):
        raise ValueError(f"mean willingness to pay must be positive, got {theta.tolist()}.")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.sum() > 0):
        raise ValueError(f"shares must be 0 or more and not all 0, got {weight.tolist()}.")
    return theta, weight / weight.sum()


def _confusion(confusion: npt.ArrayLike, classes: int) -> Floats:
    matrix = np.asarray(confusion, float)
    if matrix.ndim != 2 or len(matrix) != classes or matrix.shape[1] == 0:
        raise ValueError(f"confusion must be ({classes}, K): a row for each of {classes} classes, got {matrix.shape}.")
    if not (np.isfinite(matrix).all() and (matrix >= 0).all()):
        raise ValueError("confusion must hold probabilities or counts, 0 or more.")
    rows = matrix.sum(axis=1)
    if (rows == 0).any():
        raise ValueError(f"confusion: row {int((rows == 0).argmax())} is empty: a class without predictions.")
    return np.asarray(matrix / rows[:, None])

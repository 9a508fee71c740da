"""Price fairness: a limit on the gap between the prices of groups of customers.

Owns    the prices that earn most under the limit: of two groups that the seller tells apart, with what they leave to
        customers, and of any groups that the seller tells apart by a prediction.
Axes    two groups, the one with lower valuations first; or G groups and K predictions.
Units   prices, valuations, revenue and welfare in currency; revenue and welfare per customer.

Valuations of the two groups are uniform from 0 to the top, and units cost nothing. A limit shifts surplus from one
group to the other. Welfare rises while both groups are served, and falls once the seller gives up the one with low
valuations. Valuations of the G groups are exponential, as in `theory.signal`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from flashsale_env.theory.signal import best_single_price, price_by_prediction, revenue_of_prices

Floats = npt.NDArray[np.float64]

# Starts of the search; prices of the best single one, moved by normal noise of this share, and those without a limit.
_STARTS, _NOISE = 4, 0.3


@dataclass(frozen=True)
class Outcome:
    """Prices of the two groups; revenue and welfare (revenue and consumer surplus) per customer, currency."""

    prices: tuple[float, float]
    revenue: float
    welfare: float


def fair_prices(tops: tuple[float, float], shares: tuple[float, float], alpha: float) -> Outcome:
    """The best prices if their gap is at most 1 - alpha times that of the best prices without a limit.

    With w the shares, t the tops and g the limit, the limit binds and both groups are served at

        p = (w_0 + w_1·(1 - 2g/t_1)) / (2·(w_0/t_0 + w_1/t_1)),  and p + g for the second group,

    or the second group alone is served at t_1/2, whichever earns more.

    Args:
        tops: highest valuation of each group, rising, currency.
        shares: of the groups; they sum to 1.
        alpha: 0 for no limit, 1 for one price.

    Raises:
        ValueError: an argument is out of range.

    Source:
        Cohen, Elmachtoub & Lei (2022), Management Science 68(12), price fairness.

    >>> fair_prices((1.0, 4.0), (0.5, 0.5), 0.5).prices
    (0.65, 1.4)
    """
    low, high = tops
    if not 0 < low <= high or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9 or not 0 <= alpha <= 1:
        raise ValueError(
            f"want tops that rise from above 0, positive shares that sum to 1 and alpha in 0..1, got {tops}, {shares} "
            f"and {alpha}; e.g. (1.0, 4.0), (0.5, 0.5) and 0.25."
        )
    gap = (1 - alpha) * (high - low) / 2
    both = (shares[0] + shares[1] * (1 - 2 * gap / high)) / (2 * (shares[0] / low + shares[1] / high))
    candidates = [(both, both + gap), (max(low, high / 2 - gap), high / 2)]
    return max((_outcome(tops, shares, prices) for prices in candidates), key=lambda outcome: outcome.revenue)


def _outcome(tops: tuple[float, float], shares: tuple[float, float], prices: tuple[float, float]) -> Outcome:
    revenue = welfare = 0.0
    for top, share, price in zip(tops, shares, prices, strict=True):
        served = max(0.0, 1 - price / top)
        revenue += share * price * served
        # Those served have valuations from the price to the top, on average halfway.
        welfare += share * served * (top + price) / 2
    return Outcome(prices, revenue, welfare)


def mean_prices(means: npt.ArrayLike, confusion: npt.ArrayLike, prices: npt.ArrayLike) -> Floats:
    """(G,) mean price that the buyers of each group pay.

    Args:
        means: (G,) mean willingness to pay of each group, currency.
        confusion: (G, K) probability of each prediction.
        prices: (K,) for each prediction, currency.

    >>> mean_prices((40.0, 160.0), ((1.0, 0.0), (0.0, 1.0)), (50.0, 120.0)).tolist()
    [50.0, 120.0]
    """
    theta, price = np.asarray(means, float)[:, None], np.asarray(prices, float)
    buy = np.asarray(confusion, float) * np.exp(-price / theta)
    return np.asarray((buy * price).sum(axis=1) / buy.sum(axis=1))


def limited_prices(
    means: npt.ArrayLike, shares: npt.ArrayLike, confusion: npt.ArrayLike, most: float
) -> tuple[float, Floats]:
    """(revenue per customer, (K,) prices) that earn most if mean prices of groups differ by at most `most`.

    A customer of group g has an exponential willingness to pay with mean theta_g, is predicted as k with probability
    confusion[g, k], and pays the price of the prediction. Sequential quadratic programming from several starts: the
    problem is not convex, so the best of the local optima is returned.

    Args:
        means: (G,) currency, positive.
        shares: (G,) of the groups; scaled to sum to 1.
        confusion: (G, K) probabilities, or counts, which are scaled by row.
        most: largest difference between the mean prices of two groups, currency; 0 for one price.

    Raises:
        ValueError: the limit is negative, or values that `price_by_prediction` refuses.

    >>> revenue, prices = limited_prices((40, 80, 160), (0.5, 0.35, 0.15), np.eye(3), 30.0)
    >>> f"{revenue:.4f}", np.ptp(prices).round(6).item()
    ('24.7554', 30.0)
    """
    if not most >= 0:
        raise ValueError(f"want a limit of at least 0, got {most}.")
    free, unlimited = price_by_prediction(means, shares, confusion)
    rows = np.asarray(confusion, float)
    rows = rows / rows.sum(axis=1, keepdims=True)
    if np.ptp(mean_prices(means, rows, unlimited)) <= most:
        return free, unlimited
    alike, price = best_single_price(means, shares)
    best = alike, np.full(rows.shape[1], price)

    # The last number is the lowest mean price that is allowed; all are in units of the single price.
    def room(x: Floats) -> Floats:
        found = mean_prices(means, rows, x[:-1] * price) / price
        return np.concatenate([found - x[-1], x[-1] + most / price - found])

    rng = np.random.default_rng(0)
    starts = [np.ones(rows.shape[1]), unlimited / price]
    starts += [np.exp(_NOISE * rng.standard_normal(rows.shape[1])) for _ in range(_STARTS - len(starts))]
    for start in starts:
        found = minimize(
            lambda x: -revenue_of_prices(means, shares, rows, x[:-1] * price) / alike,
            np.append(start, mean_prices(means, rows, start * price).min() / price),
            method="SLSQP",
            bounds=[(1e-3, None)] * len(start) + [(None, None)],
            constraints={"type": "ineq", "fun": room},
            options={"maxiter": 500, "ftol": 1e-12},
        )
        if found.success and room(found.x).min() > -1e-9 and -found.fun * alike > best[0]:
            best = -found.fun * alike, found.x[:-1] * price
    return float(best[0]), np.asarray(best[1])

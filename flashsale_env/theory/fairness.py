"""Price fairness: two groups of customers, and a limit on the gap between their prices.

Owns    the prices that earn most under the limit, and what they earn and leave to customers.
Axes    two groups, the one with lower valuations first.
Units   prices, valuations, revenue and welfare in currency; revenue and welfare per customer.

Valuations of a group are uniform from 0 to its top, and units cost nothing. A limit shifts surplus from one group to
the other. Welfare rises while both groups are served, and falls once the seller gives up the one with low valuations.
"""

from dataclasses import dataclass


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

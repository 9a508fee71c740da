"""Advertising: the best spending on push messages, and the best bid in second-price auctions under a budget.

Owns    both optima and what they are worth, for a shop whose stock never runs out.
Units   money in currency. In auctions a bid, a price and a budget are in units of the highest bid of rivals.

Arguments may be numbers or arrays that broadcast.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


def best_adstock(
    customers: npt.ArrayLike, lift: npt.ArrayLike, profit: npt.ArrayLike, saturation: float, kept: npt.ArrayLike = 0.0
) -> Floats:
    """The adstock that is worth holding in a tick, currency; without one that is kept, the best spending.

    A tick with adstock a earns l·(1 + lift·(1 - e^(-a/s)))·pi. A unit of adstock more in this tick saves the spending
    of `kept` units in the next one, so its marginal profit must be 1 - kept:

        a* = s·ln(lift·l·pi / (s·(1 - kept))), at least 0

    In the last tick nothing is kept. The shop spends a* less what is left of the last tick's adstock.

    Args:
        customers: expected in the tick without a push (l).
        lift: relative increase of customers under endless spending.
        profit: of a further customer (pi), currency.
        saturation: adstock at which 1 - 1/e of the lift is reached (s), currency.
        kept: share of the adstock left in the next tick.

    >>> float(best_adstock(20.0, 0.5, 2.0, 5.0).round(6))
    6.931472
    """
    gain = np.asarray(lift) * np.asarray(customers) * np.asarray(profit) / (saturation * (1.0 - np.asarray(kept)))
    return np.asarray(saturation * np.log(np.maximum(gain, 1.0)))


def paced_bid(budget: npt.ArrayLike) -> Floats:
    """The bid for a click by which a budget lasts exactly; the best one if it is no higher than a click is worth.

    Click rates and the highest bids of rivals are uniform on [0, 1]. At m times the click rate an auction costs m²/6 on
    average for m <= 1, and 1/2 - 1/(3m) above. So with a budget of rho an auction

        m = sqrt(6·rho) up to rho = 1/6,  1 / (3/2 - 3·rho) up to rho = 1/2, and any bid beyond

    Args:
        budget: left, for each auction still expected (rho).

    Source:
        Bids in proportion to the value, paced to the budget: Balseiro & Gur (2019), Management Science 65(9). The
        closed form for uniform rates and rivals is computed.

    >>> float(paced_bid(1 / 24))
    0.5
    """
    rho = np.maximum(np.asarray(budget, np.float64), 0.0)
    most = np.maximum(1.5 - 3.0 * rho, 0.0)
    with np.errstate(divide="ignore"):
        return np.where(rho <= 1 / 6, np.sqrt(6.0 * rho), 1.0 / most)


def cost_of_auction(bid: float) -> float:
    """Expected price paid in an auction at this bid for a click, at most 1: m²/6."""
    return bid**2 / 6


def visits_of_auction(bid: float) -> float:
    """Expected clicks won in an auction at this bid for a click, at most 1: m/3."""
    return bid / 3


def visits_within(bid: float, budget: float, auctions: float, cells: int = 200) -> float:
    """Expected clicks won in a Poisson number of auctions until the budget ends, at this bid for a click, at most 1.

    The shop bids the click rate v times `bid`, or what is left of the budget b if that is less. It then pays a price of
    density 1 - r / bid below min(bid, b), and wins E v·min(bid·v, b) clicks. The law of the budget left is followed
    from auction to auction on a grid.

    Args:
        bid: for a click (m).
        budget: of all auctions together.
        auctions: expected.
        cells: of the grid, in a range of prices of length 1.

    >>> round(visits_within(0.5, 120 / 24, 120) / 120, 4)
    0.1534
    """
    prices = (np.arange(int(np.ceil(bid * cells))) + 0.5) / cells
    paid = np.maximum(1.0 - prices / bid, 0.0) / cells
    # Budgets lie at whole cells; of a price within a cell, half of the mass goes to either end.
    kernel = np.zeros(len(paid) + 1)
    kernel[:-1] += paid / 2
    kernel[1:] += paid / 2
    left = np.arange(round(budget * cells) + 1) / cells
    share = np.minimum(left, bid) / bid
    clicks = bid * share**3 / 3 + np.minimum(left, bid) * (1 - share**2) / 2
    # The cell above the budget is not affordable, and half of it is in the kernel.
    above = np.zeros(len(left))
    above[: len(paid)] = paid[: len(left)] / 2
    affordable = np.cumsum(kernel)[np.minimum(np.arange(len(left)), len(kernel) - 1)] - above
    law = np.zeros(len(left))
    law[-1] = 1.0
    total = 0.0
    for k in range(int(stats.poisson.isf(1e-12, auctions)) + 1):
        total += float(stats.poisson.sf(k, auctions)) * float(law @ clicks)
        # Correlation: mass moves from a budget to those below it.
        moved = np.convolve(law[::-1], kernel)[: len(law)][::-1]
        moved[0] -= law @ above
        law = law * (1.0 - affordable) + moved
    return total

"""The best expected margin of one customer with prices of their own: the inner problem of the dual bound.

Axes    V voices, M products.
Units   prices, `caps` (list prices) and `worth` (the dual price of a unit of stock) in currency; `slope` in logits per
        currency; `utility` and `appeal` in logits.
"""

import math

from flashsale_env.core.compiler import entry_point, scalar
from flashsale_env.market.choice import EXPONENTIAL, MNL

# Newton's method converges quadratically on a convex decreasing function; far fewer steps are ever needed.
_MOST_STEPS = 60


@scalar
def best_price(slope, cap, worth, margin):
    """The price that maximises e^(-slope·p)·(p - worth - margin), at most `cap`."""
    # First-order condition; the objective rises up to that price, so the cap is optimal below it.
    return min(cap, worth + margin + 1.0 / slope)


@scalar
def mnl_margin(utility, appeal, slopes, caps, worth, start):
    """max over p of sum_j (p_j - w_j)·q_j(p) under MNL: the root R of sum_j max_p e^(a_j - b_j·p)·(p - w_j - R)^+ = R.

    `start` is the first guess of R. A product whose cap is below w_j + R is not offered: its term is 0.
    """
    margin = start
    for i in range(_MOST_STEPS):
        gain = 0.0
        odds = 0.0
        for j in range(len(worth)):
            price = best_price(slopes[j], caps[j], worth[j], margin)
            above = price - worth[j] - margin
            if above > 0.0:
                weight = math.exp(utility[j] + appeal[j] - slopes[j] * price)
                odds += weight
                gain += weight * above
        # By the envelope theorem the derivative of gain - R is -(odds + 1).
        step = (gain - margin) / (1.0 + odds)
        # The function is convex: after one step the iterates rise to the root from below, up to rounding.
        if i > 0 and step < 0.0:
            break
        margin += step
        if abs(step) <= 1e-9 * (1.0 + margin):
            break
    return margin


@entry_point
def expected_margin(model, utility, appeal, slopes, caps, worth, shares, margins, demand, weights):
    """Sum over voices of share·best margin, currency per customer.

    Args:
        model: number of the choice model.
        utility, slopes: (V, M) of each voice.
        appeal, caps, worth: (M,).
        shares: (V,) of each voice in the sale.
        margins: (V,) in: first guesses of Newton's method; out: the margins found.
        demand: (M,) out: expected purchases of each product per customer, minus the derivative of the sum by `worth`.
        weights: (M,) scratch.
    """
    total = 0.0
    demand[:] = 0.0
    for v in range(len(shares)):
        if model == MNL:
            margin = mnl_margin(utility[v], appeal, slopes[v], caps, worth, margins[v])
            margins[v] = margin
            odds = 0.0
            for j in range(len(worth)):
                price = best_price(slopes[v, j], caps[j], worth[j], margin)
                weights[j] = 0.0
                if price - worth[j] - margin > 0.0:
                    weights[j] = math.exp(utility[v, j] + appeal[j] - slopes[v, j] * price)
                odds += weights[j]
            for j in range(len(worth)):
                demand[j] += shares[v] * weights[j] / (1.0 + odds)  # q_j = e^(u_j) / (1 + sum_k e^(u_k))
            total += shares[v] * margin
        else:
            # An upper bound: each product is bought at least as often if it is the only alternative to nothing.
            for j in range(len(worth)):
                if model == EXPONENTIAL:
                    # P(willingness to pay > p) = e^(-b·p), so p - w is maximised against it without a margin.
                    price = best_price(slopes[v, j], caps[j], worth[j], 0.0)
                    odds = math.exp(-slopes[v, j] * price)
                    bought = odds
                else:  # nested logit: a single product against the outside option is a binary logit
                    margin = mnl_margin(utility[v, j : j + 1], appeal[j : j + 1], slopes[v, j : j + 1],
                                        caps[j : j + 1], worth[j : j + 1], 0.0)  # fmt: skip
                    price = best_price(slopes[v, j], caps[j], worth[j], margin)
                    odds = math.exp(utility[v, j] + appeal[j] - slopes[v, j] * price)
                    bought = odds / (1.0 + odds)
                if price > worth[j]:
                    total += shares[v] * bought * (price - worth[j])
                    demand[j] += shares[v] * bought
    return total

"""The best margin of one customer whose prices are set for him alone: the inner problem of the dual bound.

Units   `worth` is what a unit on hand is worth to the shop, currency; `slope` is logits per currency.
"""

import math

from flashsale_env.core.compiler import entry_point, scalar
from flashsale_env.market.choice import EXPONENTIAL, MNL

# Newton's method on a convex falling function doubles its digits; far fewer steps are ever needed.
_MOST_STEPS = 60


@scalar
def best_price(slope, cap, worth, margin):
    """The price that maximises e^(-slope·p)·(p - worth - margin), at most `cap`."""
    return min(cap, worth + margin + 1.0 / slope)


@scalar
def mnl_margin(utility, appeal, slopes, caps, worth, start):
    """max over prices of sum_j (p_j - worth_j)·q_j(p) under MNL: the root R of sum_j max_p e^(a-b·p)·(p-w-R)^+ = R."""
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
        step = (gain - margin) / (1.0 + odds)
        # After one step the search rises to the root from below; only rounding can turn it back.
        if i > 0 and step < 0.0:
            break
        margin += step
        if abs(step) <= 1e-9 * (1.0 + margin):
            break
    return margin


@entry_point
def expected_margin(model, utility, appeal, slopes, caps, worth, shares, margins, demand, weights):
    """Sum over voices of share·best margin; `demand` becomes the expected purchases of each product.

    `margins` holds one number a voice: where the search starts, and what it found. `weights` is (M,) of scratch.
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
                demand[j] += shares[v] * weights[j] / (1.0 + odds)
            total += shares[v] * margin
        else:
            # Each product on its own: together they earn at least what a choice among them does.
            for j in range(len(worth)):
                if model == EXPONENTIAL:
                    price = best_price(slopes[v, j], caps[j], worth[j], 0.0)
                    odds = math.exp(-slopes[v, j] * price)
                    bought = odds
                else:  # nested logit: against nothing, every product is a logit of its own
                    margin = mnl_margin(utility[v, j : j + 1], appeal[j : j + 1], slopes[v, j : j + 1],
                                        caps[j : j + 1], worth[j : j + 1], 0.0)  # fmt: skip
                    price = best_price(slopes[v, j], caps[j], worth[j], margin)
                    odds = math.exp(utility[v, j] + appeal[j] - slopes[v, j] * price)
                    bought = odds / (1.0 + odds)
                if price > worth[j]:
                    total += shares[v] * bought * (price - worth[j])
                    demand[j] += shares[v] * bought
    return total

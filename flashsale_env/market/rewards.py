"""The money of one tick, term by term.

Owns    the named reward terms. Their sum is the reward; those marked as money sum to the profit.
Units   currency per tick; income positive, costs negative.

A new term is one line in `REWARD_TERMS` and its statement in `settle`.
"""

from flashsale_env.core.compiler import scalar

REVENUE, PROCUREMENT, ORDERING, HOLDING, SALVAGE, LOST_SALES = range(6)

# name -> (column, is money, meaning)
REWARD_TERMS = {
    "revenue": (REVENUE, True, "what customers paid, net of coupons and offers"),
    "procurement": (PROCUREMENT, True, "unit cost of ordered units, paid when ordered"),
    "ordering": (ORDERING, True, "fixed cost of an order and freight of its units, paid when ordered"),
    "holding": (HOLDING, True, "holding cost of the units on hand at the end of the tick"),
    "salvage": (SALVAGE, True, "at the close: salvage value of leftovers, on hand or inbound"),
    "lost_sales": (
        LOST_SALES,
        False,
        "goodwill penalty for lost sales (see the metric); in the reward, never in the profit",
    ),
}


@scalar
def settle(rules, sale, closes, terms):
    """Write the terms of the tick that just ended and return their sum, the reward."""
    holding = 0.0
    salvage = 0.0
    lost_sales = 0.0
    for j in range(rules.n_products):
        holding += rules.holding_cost[j] * sale.on_hand[j]
        lost_sales += rules.lost_sale_penalty[j] * sale.tick_lost[j]
        if closes:
            left = sale.on_hand[j]
            for slot in range(rules.n_slots):
                left += sale.inbound[slot, j]
            salvage += rules.salvage_value[j] * left
    terms[REVENUE] = sale.tick_revenue
    terms[PROCUREMENT] = -sale.tick_procurement
    terms[ORDERING] = -sale.tick_ordering
    terms[HOLDING] = -holding
    terms[SALVAGE] = salvage
    terms[LOST_SALES] = -lost_sales
    reward = 0.0
    for term in range(len(terms)):
        reward += terms[term]
        sale.money[term] += terms[term]
    return reward

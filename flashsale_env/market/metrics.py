"""What a sale came to so far: the numbers a merchant reports.

Units   money in the scenario's currency, counts in units or customers, shares in [0, 1].

A new metric is one line in `METRICS` and its statement in `measure`.
"""

from flashsale_env.core.compiler import scalar
from flashsale_env.market.rewards import HOLDING, ORDERING, PROCUREMENT, REVENUE, SALVAGE

(
    PROFIT,
    GROSS_REVENUE,
    CUSTOMERS,
    DEMAND,
    UNITS_SOLD,
    LOST_SALES,
    UNITS_ORDERED,
    SELL_THROUGH,
    FILL_RATE,
    CONVERSION,
    COUPON_SPEND,
    TARGETED_SPEND,
) = range(12)

# name -> (column, meaning)
METRICS = {
    "profit": (PROFIT, "money terms of the reward less the opening stock's cost; currency, no penalties"),
    "revenue": (GROSS_REVENUE, "what customers paid; currency"),
    "customers": (CUSTOMERS, "customers who came"),
    "demand": (
        DEMAND,
        "customers who wanted a product on hand or out; what is out at the price asked for its last unit",
    ),
    "units_sold": (UNITS_SOLD, "units sold"),
    "lost_sales": (
        LOST_SALES,
        "customers whose first choice was out, at the price asked for its last unit, who bought nothing",
    ),
    "units_ordered": (UNITS_ORDERED, "units ordered from the reserve"),
    "sell_through": (SELL_THROUGH, "units sold over all units the shop owned, ordered ones included"),
    "fill_rate": (FILL_RATE, "units sold over units wanted"),
    "conversion": (CONVERSION, "units sold per customer"),
    "coupon_spend": (COUPON_SPEND, "discounts given by coupons; currency"),
    "targeted_spend": (TARGETED_SPEND, "discounts given by targeted offers; currency"),
}


@scalar
def _share(part, whole):
    return part / whole if whole > 0 else 0.0


@scalar
def measure(rules, sale, out):
    """Write every metric of one sale."""
    demand = 0
    sold = 0
    lost = 0
    ordered = 0
    opening = 0
    opening_cost = 0.0
    for j in range(rules.n_products):
        demand += sale.demand[j]
        sold += sale.sold[j]
        lost += sale.lost[j]
        ordered += sale.ordered[j]
        opening += rules.initial_stock[j]
        opening_cost += rules.initial_stock[j] * rules.unit_cost[j]
    money = sale.money
    out[PROFIT] = money[REVENUE] + money[PROCUREMENT] + money[ORDERING] + money[HOLDING] + money[SALVAGE] - opening_cost
    out[GROSS_REVENUE] = money[REVENUE]
    out[CUSTOMERS] = sale.customers
    out[DEMAND] = demand
    out[UNITS_SOLD] = sold
    out[LOST_SALES] = lost
    out[UNITS_ORDERED] = ordered
    out[SELL_THROUGH] = _share(sold, opening + ordered)
    out[FILL_RATE] = _share(sold, demand)
    out[CONVERSION] = _share(sold, sale.customers)
    out[COUPON_SPEND] = sale.coupon_spend
    out[TARGETED_SPEND] = sale.targeted_spend

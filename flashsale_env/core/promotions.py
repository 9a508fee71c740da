"""Promotions: offers with a condition, beside the price that holds for everyone.

Owns    what a promotion does to the price a customer pays, to traffic, and to its own budget.
Units   depth is a share of the price; the budget is currency.

A targeted offer lowers everything for the customers of one predicted intent, after the coupon, if they clip that too.
A coupon gives `depth` off to the customers who clip it, and is honoured on a product while what is left of its budget
covers the discount. A new promotion is its functions here and one line in `PROMOTIONS`.
"""

import numpy as np

from flashsale_env.core.compiler import scalar

# name -> meaning; the settings of each are a part of the scenario of the same name
PROMOTIONS = {
    "coupon": "a share off the price for customers who clip it, while its budget lasts",
    "targeted": "a share off what customers pay whose message reads as one intent, a depth for each intent",
}

# The price share of a product that is not offered: so dear that nobody buys, yet a finite number.
NOT_OFFERED_SHARE = np.float32(1e20)


@scalar
def price_tags(rules, sale):
    """Write what every product costs without and with the promotion, and the share of customers that comes."""
    for j in range(rules.n_products):
        if sale.price[j] > 0.0:
            sale.price_share[j] = np.float32(sale.price[j] / rules.reference_price[j])
            sale.coupon_price_share[j] = np.float32(net_price(rules, sale, j, True) / rules.reference_price[j])
        else:
            sale.price_share[j] = NOT_OFFERED_SHARE
            sale.coupon_price_share[j] = NOT_OFFERED_SHARE
    sale.coming_share = traffic_share(rules, sale)


@scalar
def net_price(rules, sale, j, clips):
    """What the customer pays for product j, currency."""
    if not clips:
        return sale.price[j]
    discount = sale.price[j] * sale.coupon_depth
    if discount > sale.coupon_budget:
        return sale.price[j]
    return sale.price[j] - discount


@scalar
def payable_share(rules, sale, voice):
    """Share of the price that this customer pays, by what the encoder reads in the message."""
    return 1.0 - sale.targeted_depth[voice.predicted] if rules.targeted else 1.0


@scalar
def redeem(rules, sale, j, paid):
    """Take the discount of one purchase out of the budget."""
    discount = sale.price[j] - paid
    if discount > 0.0:
        sale.coupon_budget -= discount
        sale.coupon_spend += discount
        sale.redeemed += 1
        price_tags(rules, sale)


@scalar
def is_honoured(rules, sale):
    """Whether what is left of the budget covers the discount on some product that is offered."""
    for j in range(rules.n_products):
        if sale.price[j] > 0.0 and sale.price[j] * sale.coupon_depth <= sale.coupon_budget:
            return True
    return False


@scalar
def traffic_share(rules, sale):
    """Share of the dominating stream of customers that comes, given the promotion shown now.

    A coupon that its budget cannot honour on any product draws nobody: else a budget kept just short of one redemption
    would lift traffic for nothing.
    """
    if rules.coupon_max_depth <= 0.0 or not is_honoured(rules, sale):
        return 1.0 / (1.0 + rules.coupon_traffic_lift)
    lift = rules.coupon_traffic_lift * sale.coupon_depth / rules.coupon_max_depth
    return (1.0 + lift) / (1.0 + rules.coupon_traffic_lift)

"""Promotions: offers with a condition, beside the price that holds for everyone.

Owns    the price tags that customers read, and what a promotion does to the price they pay, to traffic, and to its own
        budget.
Units   depth is a share of the price; the budget is currency.

Nothing on an empty shelf is promoted. A product that is out counts in demand at the price that was asked when its last
unit went (list price if it never had one), before coupons and offers, until stock arrives: so a policy cannot earn by
what it shows of an empty shelf.

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

# Stands on the price tag of a product that is on hand and not offered. It is no price: `is_offered` asks for it.
NOT_OFFERED = np.float32(-1.0)


@scalar
def price_tags(rules, sale):
    """Write what every product costs without and with the coupon, and the share of customers that comes."""
    for j in range(rules.n_products):
        if sale.on_hand[j] == 0:
            sale.coupon_price_share[j] = sale.price_share[j]
        elif sale.price[j] > 0.0:
            sale.price_share[j] = np.float32(sale.price[j] / rules.reference_price[j])
            sale.coupon_price_share[j] = np.float32(net_price(rules, sale, j, True) / rules.reference_price[j])
        else:
            sale.price_share[j] = NOT_OFFERED
            sale.coupon_price_share[j] = NOT_OFFERED
    sale.coming_share = traffic_share(rules, sale)


@scalar
def is_offered(price_share):
    """Whether a price tag bears a price; a product that is not offered is neither wanted nor bought by anybody."""
    return price_share >= 0.0


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
def redeem(sale, j, paid):
    """Take the discount of one purchase out of the budget; whether there was one."""
    discount = sale.price[j] - paid
    if discount <= 0.0:
        return False
    sale.coupon_budget -= discount
    sale.coupon_spend += discount
    sale.redeemed += 1
    return True


@scalar
def is_honoured(rules, sale):
    """Whether what is left of the budget covers the discount on some product that is on hand and offered."""
    for j in range(rules.n_products):
        on_sale = sale.on_hand[j] > 0 and sale.price[j] > 0.0
        if on_sale and sale.price[j] * sale.coupon_depth <= sale.coupon_budget:
            return True
    return False


@scalar
def traffic_share(rules, sale):
    """Share of the dominating stream of customers that comes, given the promotion shown now.

    A coupon that cannot be honoured on any product draws nobody: else a budget kept just short of one redemption, or
    empty shelves, would lift traffic for nothing.
    """
    if rules.coupon_max_depth <= 0.0 or not is_honoured(rules, sale):
        return 1.0 / (1.0 + rules.coupon_traffic_lift)
    lift = rules.coupon_traffic_lift * sale.coupon_depth / rules.coupon_max_depth
    return (1.0 + lift) / (1.0 + rules.coupon_traffic_lift)

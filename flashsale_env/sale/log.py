"""Choice logs: the offer to one customer, and the choice.

Demand models are estimated on logs recorded by the simulator itself. There is no second choice simulator that could
deviate from it.
"""

import numpy as np

from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import option
from flashsale_env.market import basket, coupon, persons, pricing, slate, targeted


@scalar
def record_offer(rules, sale, voice, row, look, key, record):
    """Availability and prices of all products at the moment of the visit.

    `place` is that on the list, from 1; 0 for a product that is not on it, and in a sale without a list. An unavailable
    product keeps its tag: the price of its last unit if it is out of stock, else `NOT_OFFERED`.
    """
    payable = np.float32(targeted.payable_share(option(sale, "targeted"), voice))
    record.person = persons.identity(option(sale, "persons"), key)
    record.voice = row
    record.tick = sale.tick
    record.look = look
    of_coupon = option(sale, "coupon")
    for j in range(rules.n_products):
        available = pricing.is_for_sale(sale, j)
        share = payable if available else np.float32(1.0)
        record.available[j] = available
        record.place[j] = slate.place_of(option(sale, "slate"), voice, j)
        record.price_share[j] = sale.price_share[j] * share
        record.coupon_price_share[j] = coupon.tag(of_coupon, sale, True, j) * share


@scalar
def record_outcome(rules, of_basket, opened, bought, pays, clips, wrote, record):
    """The page opened and the first product bought (M for none), the units of each, whether they are paid, now or
    later, whether the coupon price applied, and whether the customer left a message.
    """
    record.opened = opened
    record.pays = pays
    record.bought = bought
    record.clips = clips
    record.wrote = wrote
    for j in range(rules.n_products):
        record.units[j] = basket.units_of(of_basket, rules.n_products, bought, j)

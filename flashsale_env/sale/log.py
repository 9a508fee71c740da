"""Choice logs: what one customer was offered and what the customer chose.

Demand models are estimated on logs that the simulator itself records, so there is no second simulator of choice that
could drift away from this one.
"""

import numpy as np

from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import option
from flashsale_env.market import coupon, pricing, targeted


@scalar
def record_offer(rules, sale, voice, row, record):
    """What can be bought and at which price, at the moment the customer looks.

    What cannot be bought keeps its tag: the last price asked of what is out, `NOT_OFFERED` otherwise.
    """
    payable = np.float32(targeted.payable_share(option(sale, "targeted"), voice))
    record.voice = row
    record.tick = sale.tick
    for j in range(rules.n_products):
        available = sale.on_hand[j] > 0 and pricing.is_offered(sale.price_share[j])
        share = payable if available else np.float32(1.0)
        record.available[j] = available
        record.price_share[j] = sale.price_share[j] * share
        record.coupon_price_share[j] = coupon.tag(option(sale, "coupon"), sale, True, j) * share


@scalar
def record_outcome(bought, clips, record):
    """The product bought (M for none) and whether the coupon price was the one that counted."""
    record.bought = bought
    record.clips = clips

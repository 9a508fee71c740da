"""The opening of a sale: its stock, its unobserved shocks and the messages that arrived before it.

Every sale differs in its mix of intents, in the appeal of its products and in its traffic; none of these is observed.
The messages are: they are read by the encoder and are part of the first observation.
"""

import math

import numpy as np

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.market import arrivals, promotions
from flashsale_env.sale import visit


@scalar
def shock(sd, key, number):
    """A normal with mean 0; where a scenario has no such shock the draw is saved."""
    return sd * streams.standard_normal(key, number) if sd > 0.0 else 0.0


@scalar
def draw_shocks(rules, sale):
    """Traffic log-normal with mean 1; appeal normal; mix logistic-normal around the population's (Aitchison 1980)."""
    traffic = shock(rules.traffic_sd, sale.key, streams.TRAFFIC)
    sale.traffic = math.exp(traffic - 0.5 * rules.traffic_sd * rules.traffic_sd)
    common = shock(rules.common_appeal_sd, sale.key, streams.COMMON_APPEAL)
    for j in range(rules.n_products):
        sale.appeal[j] = np.float32(common + shock(rules.appeal_sd, sale.key, streams.APPEAL + j))
    total = 0.0
    for c in range(rules.n_classes):
        total += rules.class_share[c] * math.exp(shock(rules.mix_sd, sale.key, streams.MIX + c))
        sale.mix[c] = total
    for c in range(rules.n_classes):
        sale.mix[c] /= total


@scalar
def read_messages(rules, voices, sale):
    """Messages before the opening: a Poisson number, by customers from the mix of this sale."""
    rate = rules.messages_before_opening * sale.traffic
    if rate <= 0.0:
        return
    tick_key = streams.subkey(sale.key, streams.OPENING)
    time = 0.0
    k = 0
    while True:
        key = streams.subkey(tick_key, k)
        time = arrivals.next_arrival(arrivals.POISSON, k, time, key, rate)
        if time >= 1.0:
            return
        row = arrivals.pick_voice(rules, voices, sale, key)
        visit.leave_message(rules, voices[row], sale)
        k += 1


@scalar
def open_sale(rules, voices, grids, seed, episode, sale):
    """Set every field of the sale to its state at the opening. The record must be zero beforehand."""
    sale.key = streams.sale_key(seed, episode)
    sale.seed = seed
    sale.episode = episode
    for j in range(rules.n_products):
        sale.on_hand[j] = rules.initial_stock[j]
        sale.reserve[j] = rules.initial_reserve[j]
        sale.price[j] = grids[j, 0]
        sale.price_share[j] = np.float32(sale.price[j] / rules.reference_price[j])
    sale.coupon_budget = rules.coupon_budget
    promotions.price_tags(rules, sale)
    draw_shocks(rules, sale)
    read_messages(rules, voices, sale)

"""One customer's visit, from reading the offer to leaving.

Owns    the bookkeeping of a visit: demand, sale, lost sale, coupon, message.
A lost sale is a customer whose first choice over the full assortment was out and who bought nothing. The full
assortment is what is offered and what is out, each at the price on its tag (see `promotions`).
"""

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.market import choice, promotions


@scalar
def visit(rules, voices, row, sale, key, marks, drift):
    """Serve the customer with this key, who speaks with the voice in this row; (product bought, clipped the coupon)."""
    voice = voices[row]
    payable = promotions.payable_share(rules, sale, voice)
    clips = sale.coupon_depth > 0.0 and streams.middle16(marks) < voice.coupon_affinity
    wanted, bought = choice.choose(rules, voice, sale, key, clips, drift, payable)
    sale.customers += 1
    sale.tick_customers += 1
    if wanted < rules.n_products:
        sale.demand[wanted] += 1
        if bought < rules.n_products:
            paid = promotions.net_price(rules, sale, bought, clips)
            sale.on_hand[bought] -= 1
            sale.sold[bought] += 1
            sale.tick_sold[bought] += 1
            sale.tick_revenue += paid * payable
            sale.targeted_spend += paid * (1.0 - payable)
            redeemed = clips and promotions.redeem(sale, bought, paid)
            if redeemed or sale.on_hand[bought] == 0:
                promotions.price_tags(rules, sale)
        else:
            sale.lost[wanted] += 1
            sale.tick_lost[wanted] += 1
    if streams.lower16(marks) < rules.message_share:
        leave_message(rules, voice, sale)
    return bought, clips


@scalar
def leave_message(rules, voice, sale):
    """The shop reads the message through the encoder: only its probabilities are seen, never the class."""
    sale.recent_messages += 1.0
    for i in range(rules.n_intents):
        sale.recent_intents[i] += voice.intent[i]

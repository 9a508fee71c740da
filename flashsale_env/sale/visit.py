"""One customer's visit, from reading the offer to leaving.

Owns    the order of events in a visit: clip, choose, pay, or find the first choice gone; leave a message.
A lost sale is a customer whose first choice over the full assortment was out and who bought nothing. The full
assortment is what is offered and what is out, each at the price on its tag (see `pricing`).
"""

from flashsale_env.core.compiler import hot
from flashsale_env.core.records import option
from flashsale_env.market import choice, coupon, messages, stock, targeted
from flashsale_env.sale import composition


@hot
def visit(rules, voice, sale, key, marks, drift):
    """Serve the customer with this key, who has this voice; (product bought or M, clipped the coupon)."""
    payable = targeted.payable_share(option(sale, "targeted"), voice)
    clips = coupon.clips(option(sale, "coupon"), voice, marks)
    wanted, bought = choice.choose(rules, voice, sale, key, clips, drift, payable)
    sale.customers += 1
    sale.tick_customers += 1
    if wanted < rules.n_products:
        sale.demand[wanted] += 1
        if bought < rules.n_products:
            price = sale.price[bought]
            paid = coupon.net_price(option(sale, "coupon"), price, clips)
            sale.tick_revenue += paid * payable
            targeted.book(option(sale, "targeted"), paid * (1.0 - payable))
            redeemed = coupon.redeem(option(sale, "coupon"), price - paid)
            if stock.take(sale, bought) or redeemed:
                composition.write_tags(rules, sale)
        else:
            stock.lose(sale, wanted)
    of_messages = option(rules, "messages")
    messages.may_leave(of_messages, option(sale, "messages"), voice, marks, rules.n_intents)
    return bought, clips

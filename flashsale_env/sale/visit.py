"""One customer's visit, from reading the offer to leaving.

Owns    the order of events in a visit: clip the coupon, choose, pay, or lose the sale; leave a message.

A lost sale is a customer whose first choice over the full assortment was out of stock and who bought nothing. The full
assortment consists of the products offered and those out of stock, each at the price on its tag (see `pricing`).
"""

from flashsale_env.core.compiler import inlined
from flashsale_env.core.records import option
from flashsale_env.market import choice, coupon, messages, stock, targeted
from flashsale_env.sale import composition


@inlined
def visit(rules, voice, sale, key, marks, drift):
    """Serve the customer with this key and voice; returns (product bought or M, whether the coupon was clipped)."""
    of_targeted = option(sale, "targeted")
    of_coupon = option(sale, "coupon")
    payable = targeted.payable_share(of_targeted, voice)
    clips = coupon.clips(of_coupon, voice, marks)
    wanted, bought = choice.choose(rules, voice, sale, key, clips, drift, payable)
    sale.customers += 1
    sale.tick_customers += 1
    if wanted < rules.n_products:
        sale.demand[wanted] += 1
        if bought < rules.n_products:
            price = sale.price[bought]
            paid = coupon.net_price(of_coupon, price, clips)
            sale.tick_revenue += paid * payable
            targeted.book(of_targeted, paid * (1.0 - payable))
            redeemed = coupon.redeem(of_coupon, price - paid)
            if stock.take(sale, bought) or redeemed:
                composition.write_tags(rules, sale)
        else:
            stock.lose(sale, wanted)
    of_messages = option(rules, "messages")
    messages.may_leave(of_messages, option(sale, "messages"), voice, marks, rules.n_intents)
    return bought, clips

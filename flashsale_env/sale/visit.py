"""One customer's visit, from reading the offer to leaving.

Owns    the order of events in a visit: wait for an answer or give up; read the page, clip the coupon, choose, buy, or
        lose the sale; leave a message.

A lost sale is a customer whose first choice over the full assortment was out of stock and who bought nothing. The full
assortment consists of the products offered and those out of stock, each at the price on its tag (see `pricing`).
"""

from flashsale_env.core.compiler import inlined, scalar
from flashsale_env.core.records import option
from flashsale_env.market import choice, coupon, disclosure, messages, service, stock, targeted
from flashsale_env.sale import composition, customers


@scalar
def buy(rules, voice, sale, key, time, j, units, clips, payable):
    """Buy units of product j at the price on its tag; the caller has checked that they are on hand."""
    of_coupon = option(sale, "coupon")
    price = sale.asking_price[j] * units
    with_coupon = coupon.net_price(of_coupon, price, clips)
    paid = with_coupon * payable
    targeted.book(option(sale, "targeted"), with_coupon * (1.0 - payable))
    redeemed = coupon.redeem(of_coupon, price - with_coupon)
    ends = stock.take(sale, j, units)
    stock.sell(sale, j, units, paid)
    if ends or redeemed:
        composition.write_tags(rules, sale)


@inlined
def visit(rules, voice, sale, key, marks, time, origin, drift):
    """Serve the customer with this key and voice; returns (product bought or M, whether the coupon was clipped)."""
    if origin != customers.RETURN:
        sale.customers += 1
        sale.tick_customers += 1
    of_service = option(rules, "service")
    wait = service.wait_for_answer(of_service, option(sale, "service"), voice, key, sale.tick + time)
    if wait < 0.0:  # gave up, and has not seen the shop
        return rules.n_products, False
    mood = service.mood(of_service, voice, wait)  # logits that this visit adds to the utility of every product
    disclosure.show(option(rules, "disclosure"), option(sale, "disclosure"), rules, sale, voice)
    payable = targeted.payable_share(option(sale, "targeted"), voice)
    clips = coupon.clips(option(sale, "coupon"), voice, marks)
    wanted, bought = choice.choose(rules, voice, sale, key, clips, drift, payable, mood)
    sale.visits += 1
    if wanted < rules.n_products:
        sale.demand[wanted] += 1
        if bought < rules.n_products:
            buy(rules, voice, sale, key, time, bought, 1, clips, payable)
        else:
            stock.lose(sale, wanted)
    if origin != customers.RETURN:
        messages.may_leave(option(rules, "messages"), option(sale, "messages"), voice, marks, rules.n_intents)
    return bought, clips

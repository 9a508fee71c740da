"""One customer's visit, from reading the offer to leaving.

Owns    the order of events in a visit: clip the coupon, choose, buy, or lose the sale; leave a message.

A lost sale is a customer whose first choice over the full assortment was out of stock and who bought nothing. The full
assortment consists of the products offered and those out of stock, each at the price on its tag (see `pricing`).
"""

from flashsale_env.core.compiler import inlined, scalar
from flashsale_env.core.records import option
from flashsale_env.market import (
    basket,
    bots,
    bundles,
    choice,
    coupon,
    deal,
    delivery,
    fairness,
    messages,
    seckill,
    stock,
    targeted,
)
from flashsale_env.sale import composition, customers, till


@scalar
def hand_over(rules, sale, j, units, paid):
    """Take units of product j off the shelf and book them for this sum; returns whether that changes the offer."""
    quota_ends = seckill.claim(option(sale, "seckill"), sale, j, units)
    ends = stock.take(sale, j, units)
    stock.sell(sale, j, units, paid)
    return ends or quota_ends


@scalar
def buy(rules, voice, sale, key, time, j, units, clips, payable):
    """Buy units of product j at the price on its tag; the caller has checked that they are on hand."""
    of_coupon = option(sale, "coupon")
    price = seckill.price_of(option(sale, "seckill"), sale, j, units)
    with_coupon = coupon.net_price(of_coupon, price, clips, coupon.budget_left(of_coupon))
    paid = with_coupon * payable
    targeted.book(option(sale, "targeted"), with_coupon * (1.0 - payable))
    redeemed = coupon.redeem(of_coupon, price - with_coupon)
    fairness.book(option(sale, "fairness"), voice, sale, j, units, price, 0.0, paid)
    if hand_over(rules, sale, j, units, paid) or redeemed:
        composition.write_tags(rules, sale)


@scalar
def buy_basket(rules, voice, sale, of_basket, key, time, payable):
    """Buy what is in the basket, for the sums that the till wrote."""
    changes = False
    off_by_coupon = 0.0
    for j in range(rules.n_products):
        units = of_basket.units[j]
        if units > 0:
            asked = of_basket.before_coupon[j]
            paid = of_basket.paid[j]
            off_by_coupon += asked - of_basket.after_coupon[j]
            targeted.book(option(sale, "targeted"), of_basket.after_coupon[j] * (1.0 - payable))
            less = till.money_lost(rules, of_basket, payable, j)
            fairness.book(option(sale, "fairness"), voice, sale, j, units, asked, less, paid)
            changes |= hand_over(rules, sale, j, units, paid)
    bundles.book(option(sale, "bundles"), of_basket.bundled)
    deal.book(option(sale, "deal"), of_basket.rebate)
    delivery.book(option(sale, "delivery"), of_basket.fee)
    fairness.charge(option(sale, "fairness"), voice, of_basket.fee)
    redeemed = coupon.redeem(option(sale, "coupon"), off_by_coupon)
    if changes or redeemed:
        composition.write_tags(rules, sale)


@scalar
def serve(of_rules, of_basket, rules, voice, sale, key, time, wanted, bought, clips, payable, drift, mood):
    """Sell to a customer with these choices, or lose the sale; returns the first product bought, M for none.

    The first two records are None in a sale without baskets.
    """
    if of_rules is None or of_basket is None:
        if wanted < rules.n_products:
            sale.demand[wanted] += 1
            if bought < rules.n_products:
                fairness.value(option(sale, "fairness"), rules, voice, sale, key, drift, mood)
                buy(rules, voice, sale, key, time, bought, 1, clips, payable)
            else:
                stock.lose(sale, wanted)
        return bought
    first = till.fill(rules, of_rules, sale, of_basket, voice, clips, payable)
    if first < rules.n_products:
        basket.count(rules, sale, of_basket, wanted)
        fairness.value(option(sale, "fairness"), rules, voice, sale, key, drift, mood)
        buy_basket(rules, voice, sale, of_basket, key, time, payable)
    elif wanted < rules.n_products and sale.on_hand[wanted] == 0:
        sale.demand[wanted] += 1
        stock.lose(sale, wanted)
    return first


@inlined
def visit(rules, voice, sale, key, marks, time, origin, drift):
    """Serve the customer with this key and voice; returns (product bought or M, whether the coupon was clipped)."""
    mood = 0.0  # logits that this visit adds to the utility of every product
    payable = targeted.payable_share(option(sale, "targeted"), voice)
    clips = coupon.clips(option(sale, "coupon"), voice, marks)
    wanted, bought = choice.choose(rules, voice, sale, key, clips, drift, payable, mood)
    sale.visits += 1
    if origin != customers.RETURN:
        sale.customers += 1
        sale.tick_customers += 1
        fairness.meet(option(sale, "fairness"), voice)
    of_rules, of_basket = option(rules, "basket"), option(sale, "basket")
    bought = serve(of_rules, of_basket, rules, voice, sale, key, time, wanted, bought, clips, payable, drift, mood)
    if origin != customers.RETURN:
        messages.may_leave(option(rules, "messages"), option(sale, "messages"), voice, marks, rules.n_intents)
    return bought, clips


@scalar
def visit_of_bot(of_rules, of_bots, rules, sale, key):
    """Serve one bot: no coupon, no offer, no message; both records are None in a sale without bots."""
    if of_rules is None or of_bots is None:
        return
    j, units = bots.ask(of_rules, of_bots, sale, rules.n_products, key)
    if units == 0:
        return
    price = seckill.price_of(option(sale, "seckill"), sale, j, units)
    changes = hand_over(rules, sale, j, units, price)
    sale.demand[j] += units
    if changes:
        composition.write_tags(rules, sale)

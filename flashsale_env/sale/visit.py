"""One customer's visit, from reading the offer to leaving.

Owns    the order of events in a visit: clip the coupon, choose, fill a basket, wait for another look, buy
        and tell friends, or lose the sale; leave a message at the first visit.

A lost sale is a customer whose first choice over the full assortment was out of stock and who bought nothing. Who waits
for another look counts in demand and lost sales only when it is over: at the purchase, on leaving, or at the close. The
full assortment consists of the products offered and those out of stock, each at the price on its tag (see `pricing`).
"""

from flashsale_env.core.compiler import inlined, scalar
from flashsale_env.core.records import option
from flashsale_env.market import (
    basket,
    bots,
    bundles,
    choice,
    contagion,
    coupon,
    deal,
    delivery,
    fairness,
    messages,
    seckill,
    stock,
    targeted,
    waiting,
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
def buy_unit(rules, voice, sale, key, time, j, clips, payable):
    """Buy one unit of product j at the price on its tag; the caller has checked that it is on hand."""
    of_coupon = option(sale, "coupon")
    price = seckill.price_of(option(sale, "seckill"), sale, j, 1)
    with_coupon = coupon.net_price(of_coupon, price, clips, coupon.budget_left(of_coupon))
    paid = with_coupon * payable
    targeted.book(option(sale, "targeted"), with_coupon * (1.0 - payable))
    redeemed = coupon.redeem(of_coupon, price - with_coupon)
    fairness.book(option(sale, "fairness"), voice, sale, j, 1, price, 0.0, paid)
    if hand_over(rules, sale, j, 1, paid) or redeemed:
        composition.write_tags(rules, sale)


@scalar
def buy(rules, voice, sale, of_basket, key, time, bought, clips, payable):
    """Buy what is in the basket for the sums that the till wrote; in a sale without baskets, one unit of `bought`."""
    if of_basket is None:
        buy_unit(rules, voice, sale, key, time, bought, clips, payable)
        return
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
    basket.count(sale, of_basket)
    bundles.book(option(sale, "bundles"), of_basket.bundled)
    deal.book(option(sale, "deal"), of_basket.rebate)
    delivery.book(option(sale, "delivery"), of_basket.fee)
    fairness.charge(option(sale, "fairness"), voice, of_basket.fee)
    redeemed = coupon.redeem(option(sale, "coupon"), off_by_coupon)
    if changes or redeemed:
        composition.write_tags(rules, sale)


@inlined
def visit(rules, voice, sale, key, marks, time, origin, drift):
    """Serve the customer with this key and voice; returns (product bought or M, whether the coupon was clipped)."""
    mood = 0.0  # logits that this visit adds to the utility of every product
    payable = targeted.payable_share(option(sale, "targeted"), voice)
    clips = coupon.clips(option(sale, "coupon"), voice, marks)
    wanted, bought = choice.choose(rules, voice, sale, key, clips, drift, payable, mood)
    returns = origin == customers.RETURN
    sale.visits += 1
    if not returns:
        sale.customers += 1
        sale.tick_customers += 1
        fairness.meet(option(sale, "fairness"), voice)
    of_basket = option(sale, "basket")
    wanted, bought = till.fill(rules, option(rules, "basket"), sale, of_basket, voice, clips, payable, wanted, bought)
    of_waiting = option(sale, "waiting")
    offer = (clips, drift, payable, mood)
    if waiting.waits(rules, option(rules, "waiting"), of_waiting, voice, sale, key, returns, offer, wanted, bought):
        bought = rules.n_products
    elif wanted < rules.n_products:
        sale.demand[wanted] += 1
        if bought < rules.n_products:
            fairness.value(option(sale, "fairness"), rules, voice, sale, key, drift, mood)
            buy(rules, voice, sale, of_basket, key, time, bought, clips, payable)
            waiting.count_buyer(of_waiting, returns)
            contagion.tell(rules, option(rules, "contagion"), option(sale, "contagion"), voice, sale, key, time)
        else:
            stock.lose(sale, wanted)
    if not returns:
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

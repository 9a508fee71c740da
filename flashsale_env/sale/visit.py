"""One customer's visit, from reading the offer to leaving.

Owns    the order of events in a visit: wait for an answer or give up; read the page, clip the coupon, choose, wait for
        another look, buy and tell friends, or lose the sale; leave a message at the first visit.

A lost sale is a customer whose first choice over the full assortment was out of stock and who bought nothing. Who waits
for another look counts in demand and lost sales only when it is over: at the purchase, on leaving, or at the close. The
full assortment consists of the products offered and those out of stock, each at the price on its tag (see `pricing`).
"""

from flashsale_env.core.compiler import inlined, scalar
from flashsale_env.core.records import option
from flashsale_env.market import (
    bots,
    carts,
    choice,
    contagion,
    coupon,
    disclosure,
    fairness,
    messages,
    returns,
    seckill,
    service,
    stock,
    targeted,
    waiting,
)
from flashsale_env.sale import composition, customers


@scalar
def buy(rules, voice, sale, key, time, j, units, clips, payable):
    """Buy units of product j at the price on its tag; the caller has checked that they are on hand.

    Where there are carts, the customer may pay later or never. Discounts and returns count only for what is paid.
    Returns whether the customer pays, now or later.
    """
    ahead, pays = carts.ending(option(rules, "carts"), voice, key, time)
    of_seckill = option(sale, "seckill")
    of_coupon = option(sale, "coupon")
    price = seckill.price_of(of_seckill, sale, j, units)
    with_coupon = coupon.net_price(of_coupon, price, clips)
    paid = with_coupon * payable
    redeemed = coupon.redeem(of_coupon, price - with_coupon, pays)
    special_units = min(units, seckill.left(of_seckill, sale, j))
    quota_ends = seckill.claim(of_seckill, sale, j, units)
    ends = stock.take(sale, j, units)
    if pays:
        targeted.book(option(sale, "targeted"), with_coupon * (1.0 - payable))
        fairness.book(option(sale, "fairness"), voice, j, units, special_units, price, paid)
        returns.expect(option(rules, "returns"), option(sale, "returns"), voice, key, j, units, paid)
    carts.check_out(option(sale, "carts"), sale, ahead, pays, j, units, paid, price - with_coupon)
    if ends or redeemed or quota_ends:
        composition.write_tags(rules, sale)
    return pays


@inlined
def visit(rules, voice, sale, key, marks, time, origin, drift):
    """Serve the customer with this key and voice; returns (product bought or M, whether the coupon was clipped)."""
    comes_back = origin == customers.RETURN
    if not comes_back:
        sale.customers += 1
        sale.tick_customers += 1
        fairness.meet(option(sale, "fairness"), voice)
    of_service = option(rules, "service")
    wait = service.wait_for_answer(of_service, option(sale, "service"), voice, key, sale.tick + time)
    if wait < 0.0:  # gave up, and has not seen the shop, at least not this time
        waiting.give_up(option(sale, "waiting"), sale, comes_back)
        return rules.n_products, False
    mood = service.mood(of_service, voice, wait)  # logits that this visit adds to the utility of every product
    disclosure.show(option(rules, "disclosure"), option(sale, "disclosure"), rules, sale, voice)
    payable = targeted.payable_share(option(sale, "targeted"), voice)
    clips = coupon.clips(option(sale, "coupon"), voice, marks)
    wanted, bought = choice.choose(rules, voice, sale, key, clips, drift, payable, mood)
    sale.visits += 1
    of_waiting = option(sale, "waiting")
    offer = (clips, drift, payable, mood)
    if waiting.waits(rules, option(rules, "waiting"), of_waiting, voice, sale, key, comes_back, offer, wanted, bought):
        bought = rules.n_products
    elif wanted < rules.n_products:
        sale.demand[wanted] += 1
        if bought < rules.n_products:
            fairness.value(option(sale, "fairness"), rules, voice, sale, key, drift, mood)
            pays = buy(rules, voice, sale, key, time, bought, 1, clips, payable)
            waiting.count_buyer(of_waiting, comes_back and pays)
            if pays:
                contagion.tell(rules, option(rules, "contagion"), option(sale, "contagion"), voice, sale, key, time)
        else:
            stock.lose(sale, wanted)
    if not comes_back:
        messages.may_leave(option(rules, "messages"), option(sale, "messages"), voice, marks, rules.n_intents)
    return bought, clips


@scalar
def visit_of_bot(of_rules, of_bots, rules, sale, key, time):
    """Serve one bot: no coupon, no offer, no message; both records are None in a sale without bots."""
    if of_rules is None or of_bots is None:
        return
    j, units = bots.ask(of_rules, of_bots, rules, sale, key, time)
    if units == 0:
        return
    of_seckill = option(sale, "seckill")
    price = seckill.price_of(of_seckill, sale, j, units)
    quota_ends = seckill.claim(of_seckill, sale, j, units)
    ends = stock.take(sale, j, units)
    stock.sell(sale, j, units, price)
    sale.demand[j] += units
    if ends or quota_ends:
        composition.write_tags(rules, sale)

"""One customer's visit, from reading the offer to leaving.

Owns    the order of events in a visit: clip the coupon, choose, buy, or lose the sale; leave a message.

A lost sale is a customer whose first choice over the full assortment was out of stock and who bought nothing. The full
assortment consists of the products offered and those out of stock, each at the price on its tag (see `pricing`).
"""

from flashsale_env.core.compiler import inlined, scalar
from flashsale_env.core.records import option
from flashsale_env.market import basket, bundles, choice, coupon, deal, delivery, fairness, messages, stock, targeted
from flashsale_env.sale import composition, customers, till


@scalar
def hand_over(rules, voice, sale, key, time, j, units, paid):
    """Take units of product j off the shelf and book them for this sum; returns whether the last one is gone."""
    ends = stock.take(sale, j, units)
    stock.sell(sale, j, units, paid)
    return ends


@scalar
def buy(rules, voice, sale, key, time, j, units, clips, payable):
    """Buy units of product j at the price on its tag; the caller has checked that they are on hand."""
    of_coupon = option(sale, "coupon")
    price = sale.asking_price[j] * units
    with_coupon = coupon.net_price(of_coupon, price, clips, coupon.budget_left(of_coupon))
    targeted.book(option(sale, "targeted"), with_coupon * (1.0 - payable))
    redeemed = coupon.redeem(of_coupon, price - with_coupon)
    fairness.book(option(sale, "fairness"), voice, sale, j, units, 0.0, with_coupon * payable)
    ends = hand_over(rules, voice, sale, key, time, j, units, with_coupon * payable)
    if ends or redeemed:
        composition.write_tags(rules, sale)


@scalar
def buy_basket(rules, voice, sale, of_basket, key, time, payable):
    """Buy what is in the basket, for the sums that the till wrote."""
    ends = False
    off_by_coupon = 0.0
    for j in range(rules.n_products):
        if of_basket.units[j] > 0:
            off_by_coupon += of_basket.before_coupon[j] - of_basket.after_coupon[j]
            targeted.book(option(sale, "targeted"), of_basket.after_coupon[j] * (1.0 - payable))
            less = till.money_lost(rules, of_basket, payable, j)
            fairness.book(option(sale, "fairness"), voice, sale, j, of_basket.units[j], less, of_basket.paid[j])
            ends |= hand_over(rules, voice, sale, key, time, j, of_basket.units[j], of_basket.paid[j])
    bundles.book(option(sale, "bundles"), of_basket.bundled)
    deal.book(option(sale, "deal"), of_basket.rebate)
    delivery.book(option(sale, "delivery"), of_basket.fee)
    fairness.charge(option(sale, "fairness"), voice, of_basket.fee)
    redeemed = coupon.redeem(option(sale, "coupon"), off_by_coupon)
    if ends or redeemed:
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

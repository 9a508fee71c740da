"""One customer's visit, from reading the offer to leaving.

Owns    the order of events in a visit: wait for an answer or give up; read list and page, clip the coupon, click,
        choose, fill a basket, wait for another look, buy and tell friends, or lose the sale; leave a message at the
        first visit.

A lost sale is a customer whose first choice over the full assortment was out of stock and who bought nothing. Who waits
for another look counts in demand and lost sales only when it is over: at the purchase, on leaving, or at the close. The
full assortment consists of the products offered and those out of stock, each at the price on its tag (see `pricing`).
Customers who never see the shop, because they give up in the queue or screening turns them away, count in the same way.
"""

from flashsale_env.core.compiler import inlined, scalar
from flashsale_env.core.records import option
from flashsale_env.market import (
    basket,
    bots,
    bundles,
    carts,
    choice,
    clicks,
    contagion,
    coupon,
    deal,
    delivery,
    disclosure,
    fairness,
    messages,
    persons,
    retention,
    returns,
    seckill,
    service,
    slate,
    stock,
    targeted,
    waiting,
)
from flashsale_env.sale import composition, customers, till


@scalar
def buy_line(rules, voice, sale, key, ending, j, units, asked, with_coupon, payable, less, paid):
    """Sell units of product j, or put them in a cart; returns whether that ends a quota or the stock.

    Args:
        ending: of the customer's cart, see `carts.ending`. Offers and returns count only for what is paid.
        asked, with_coupon, paid: sum of the prices, after the coupon and after all reductions, currency.
        payable: share of the price after a targeted offer.
        less: by how much further units are worth less than first ones, currency.
    """
    ahead, pays = ending
    of_seckill = option(sale, "seckill")
    special_units = min(units, seckill.left(of_seckill, sale, j))
    quota_ends = seckill.claim(of_seckill, sale, j, units)
    ends = stock.take(sale, j, units)
    if pays:
        offered = targeted.payable_share(option(sale, "targeted"), voice)
        targeted.book(option(sale, "targeted"), with_coupon * (1.0 - offered))
        given = with_coupon * (offered - payable)
        retention.book(option(rules, "retention"), option(sale, "retention"), voice, key, given)
        fairness.book(option(sale, "fairness"), voice, j, units, special_units, asked, less, paid)
        returns.expect(option(rules, "returns"), option(sale, "returns"), voice, key, j, units, paid)
    carts.check_out(option(sale, "carts"), sale, ahead, pays, j, units, paid, asked - with_coupon)
    return ends or quota_ends


@scalar
def buy_unit(rules, voice, sale, key, time, j, clips, payable):
    """As `buy`: one unit of product j at the price on its tag; the caller has checked that it is on hand."""
    ending = carts.ending(option(rules, "carts"), voice, key, time)
    of_coupon = option(sale, "coupon")
    price = seckill.price_of(option(sale, "seckill"), sale, j, 1)
    with_coupon = coupon.net_price(of_coupon, price, clips, coupon.budget_left(of_coupon))
    redeemed = coupon.redeem(of_coupon, price - with_coupon, ending[1])
    paid = with_coupon * payable
    changes = buy_line(rules, voice, sale, key, ending, j, 1, price, with_coupon, payable, 0.0, paid)
    if changes or redeemed:
        composition.write_tags(rules, sale)
    return ending[1]


@scalar
def buy(rules, voice, sale, of_basket, key, time, bought, clips, payable):
    """Buy what is in the basket for the sums that the till wrote; in a sale without baskets, one unit of `bought`.

    Where there are carts, the customer may pay later or never. Reductions, fee and parcel count only for what is paid.
    Returns whether the customer pays, now or later.
    """
    if of_basket is None:
        return buy_unit(rules, voice, sale, key, time, bought, clips, payable)
    ending = carts.ending(option(rules, "carts"), voice, key, time)
    changes = False
    off_by_coupon = 0.0
    for j in range(rules.n_products):
        units = of_basket.units[j]
        if units > 0:
            asked, with_coupon = of_basket.before_coupon[j], of_basket.after_coupon[j]
            less = till.money_lost(rules, of_basket, payable, j)
            off_by_coupon += asked - with_coupon
            changes |= buy_line(
                rules, voice, sale, key, ending, j, units, asked, with_coupon, payable, less, of_basket.paid[j]
            )
    redeemed = coupon.redeem(option(sale, "coupon"), off_by_coupon, ending[1])
    basket.count(sale, of_basket)
    if ending[1]:
        bundles.book(option(sale, "bundles"), of_basket.bundled)
        deal.book(option(sale, "deal"), of_basket.rebate)
        delivery.book(option(sale, "delivery"), of_basket.fee)
        fairness.charge(option(sale, "fairness"), voice, of_basket.fee)
    if changes or redeemed:
        composition.write_tags(rules, sale)
    return ending[1]


@scalar
def payable_share(rules, voice, sale, key):
    """Share of the price that this customer pays after offers by predicted intent."""
    targeted_share = targeted.payable_share(option(sale, "targeted"), voice)
    return targeted_share * retention.payable_share(option(rules, "retention"), option(sale, "retention"), voice, key)


@scalar
def leave_unserved(reason, rules, voice, sale, key, marks, drift):
    """A customer who leaves before seeing the shop is a lost sale if the first choice is out of stock.

    Otherwise a shop that is sold out would avoid its lost sales by long queues or by screening everybody. `reason` is
    the record of what keeps customers out, None in a sale without it.
    """
    if reason is None:
        return
    slate.read(option(sale, "slate"), rules, voice, key)
    disclosure.show(option(rules, "disclosure"), option(sale, "disclosure"), rules, sale, voice)
    payable = payable_share(rules, voice, sale, key)
    clips = coupon.clips(option(sale, "coupon"), voice, marks)
    wanted, bought = choice.choose(rules, voice, sale, key, clips, drift, payable, 0.0)
    if wanted < rules.n_products and bought == rules.n_products:
        sale.demand[wanted] += 1
        stock.lose(sale, wanted)


@inlined
def visit(rules, voice, sale, key, marks, time, origin, drift):
    """Serve the customer with this key and voice.

    Returns (product whose page was opened or M, product bought or M, whether it is paid, now or later, whether the
    coupon was clipped).
    """
    comes_back = origin == customers.RETURN
    if not comes_back:
        sale.customers += 1
        sale.tick_customers += 1
        fairness.meet(option(sale, "fairness"), voice)
        retention.meet(option(rules, "retention"), option(sale, "retention"), key)
    of_service = option(rules, "service")
    wait = service.wait_for_answer(of_service, option(sale, "service"), voice, key, sale.tick + time)
    if wait < 0.0:  # gave up, and has not seen the shop, at least not this time
        if not comes_back:
            fairness.give_up(option(sale, "fairness"), voice)
        if not waiting.give_up(option(sale, "waiting"), sale, comes_back):
            leave_unserved(of_service, rules, voice, sale, key, marks, drift)
        return rules.n_products, rules.n_products, False, False
    mood = service.mood(of_service, voice, wait)  # logits that this visit adds to the utility of every product
    slate.read(option(sale, "slate"), rules, voice, key)
    disclosure.show(option(rules, "disclosure"), option(sale, "disclosure"), rules, sale, voice)
    payable = payable_share(rules, voice, sale, key)
    clips = coupon.clips(option(sale, "coupon"), voice, marks)
    offer = (clips, drift, payable, mood)
    opened = clicks.open_page(option(rules, "clicks"), option(sale, "clicks"), rules, voice, sale, key, offer)
    wanted, bought = choice.choose(rules, voice, sale, key, clips, drift, payable, mood)
    sale.visits += 1
    of_basket = option(sale, "basket")
    wanted, bought = till.fill(rules, option(rules, "basket"), sale, of_basket, voice, clips, payable, wanted, bought)
    if not comes_back:
        fairness.receive(option(sale, "fairness"), voice, clips, payable)
        if wanted < rules.n_products and bought == rules.n_products:
            fairness.find_nothing(option(sale, "fairness"), voice)
    of_waiting = option(sale, "waiting")
    pays = False
    if waiting.waits(rules, option(rules, "waiting"), of_waiting, voice, sale, key, comes_back, offer, wanted, bought):
        bought = rules.n_products
    elif wanted < rules.n_products:
        sale.demand[wanted] += 1
        if bought < rules.n_products:
            stock.switch(option(rules, "rivals"), sale, wanted, bought)
            fairness.value(option(sale, "fairness"), rules, voice, sale, key, drift, mood)
            pays = buy(rules, voice, sale, of_basket, key, time, bought, clips, payable)
            waiting.count_buyer(of_waiting, comes_back and pays)
            if pays:
                persons.note_payment(option(sale, "persons"))
                retention.count_buyer(option(rules, "retention"), option(sale, "retention"), voice, key)
                contagion.tell(rules, option(rules, "contagion"), option(sale, "contagion"), voice, sale, key, time)
        else:
            stock.lose(sale, wanted)
    if not comes_back:
        messages.may_leave(option(rules, "messages"), option(sale, "messages"), voice, marks, rules.n_intents)
    return opened, bought, pays, clips


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

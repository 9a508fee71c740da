"""The till: what a basket costs, and which basket a customer takes.

Owns    the order in which prices, coupon, offers, bundles, deal and delivery meet, and the search for the best basket.
Leaves  each reduction to its mechanism in `market`, the booking of the sale to `visit`.
Units   currency as floating-point numbers: nothing is rounded to cents, and sums agree to 1e-9 of their size.

A basket costs, in this order:

    1 price            of each unit, or a special price in its place
    2 coupon           a share off each unit, in the order in which units enter the basket, while the budget covers it
    3 targeted offer   a share off what is left
    4 bundles          a share off the units of complete sets; it stays with these units
    5 deal             an amount off the sum of 1 to 4, shared over all units in proportion to what they cost
    6 delivery         a fee on top, if the sum of 1 to 5 is below the threshold

Every step but the last leaves each unit with a share of its price, so the sum is never negative and every unit has a
sum that can be refunded. Whether a threshold is reached never depends on a reduction further down the list.

Choice. Units enter one by one, the one worth most first (see `market.basket`), and the customer takes the first k of
them, for the k whose worth after all reductions and the fee is best. Without bundles, deal and fee that is the best of
all baskets. With them it is the best one if all products have the same price and the same sensitivity to it, because
reductions then depend on the number of units alone. Otherwise it is a rule of thumb: besides these baskets, the
customer compares every single unit, and those that start with a complete set.
"""

from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import option
from flashsale_env.market import bundles, choice, coupon, deal, delivery, pricing, seckill, slate

NOT_TO_BE_HAD = -1e300  # worth of a unit that is not on hand, not offered, not seen or above the limit of a customer


@scalar
def unit_price(sale, j, taken):
    """The price asked for one more unit of product j after `taken` of them in the same basket, currency."""
    # A special price holds for what is left of its quota; all other prices are the normal ones.
    special = seckill.left(option(sale, "seckill"), sale, j)
    return sale.asking_price[j] if taken < special else sale.price[j]


@scalar
def satiation_of_next(rules, basket, j):
    """By how much one more unit of product j is worth less than a first one, in units of satiation."""
    units = basket.units[j]
    return basket.satiation * units + basket.substitution * (basket.in_nest[rules.nest[j]] - units)


@scalar
def may_take(sale, j):
    """Whether product j is on hand and offered, and the customer of this visit examines it."""
    return pricing.is_for_sale(sale, j) and slate.sees(option(sale, "slate"), j)


@scalar
def empty(rules, sale, basket):
    """Start with an empty basket and the whole budget of the coupon."""
    for j in range(rules.n_products):
        basket.units[j] = 0
        basket.in_nest[j] = 0
        basket.before_coupon[j] = 0.0
        basket.after_coupon[j] = 0.0
        basket.lost[j] = 0.0
        basket.next[j] = basket.surplus[j] if may_take(sale, j) else NOT_TO_BE_HAD
    basket.total = 0.0
    basket.weighed = 0.0
    basket.n_trial = 0
    basket.coupon_left = coupon.budget_left(option(sale, "coupon"))


@scalar
def put_in(rules, sale, basket, clips, j):
    """Put one unit of product j into the basket."""
    price = unit_price(sale, j, basket.units[j])
    with_coupon = coupon.net_price(option(sale, "coupon"), price, clips, basket.coupon_left)
    basket.coupon_left -= price - with_coupon
    basket.before_coupon[j] += price
    basket.after_coupon[j] += with_coupon
    basket.total += with_coupon
    basket.weighed += worth_of_money(rules, basket, j) * with_coupon
    basket.lost[j] += satiation_of_next(rules, basket, j)
    basket.units[j] += 1
    basket.in_nest[rules.nest[j]] += 1


@scalar
def ring_up(rules, sale, basket, payable):
    """Write what is paid for each product, the rebate and the fee: steps 3 to 6 of the list above.

    Args:
        payable: share of the price after a targeted offer.
    """
    for j in range(rules.n_products):
        basket.after_bundles[j] = basket.after_coupon[j] * payable
    basket.bundled = bundles.take_off(
        option(rules, "bundles"), option(sale, "bundles"), rules.n_products, basket.units, basket.after_bundles
    )
    total = 0.0
    for j in range(rules.n_products):
        total += basket.after_bundles[j]
    basket.rebate = min(deal.rebate(option(rules, "deal"), option(sale, "deal"), total), total)
    share = 1.0 - basket.rebate / total if basket.rebate > 0.0 else 1.0
    for j in range(rules.n_products):
        basket.paid[j] = basket.after_bundles[j] * share
    basket.fee = delivery.fee(option(rules, "delivery"), option(sale, "delivery"), total - basket.rebate)


@scalar
def worth_of_money(rules, basket, j):
    """Worth of one unit of currency spent on product j, in the units of the choice model."""
    # A logit has a price sensitivity per reference price; exponential willingness to pay is compared in currency.
    if rules.choice_model == choice.EXPONENTIAL:
        return 1.0
    return basket.paying / rules.reference_price[j]


@scalar
def worth_of_satiation(rules, basket, j):
    """Worth of one unit of satiation: a logit, or the mean willingness to pay for product j."""
    return basket.paying * rules.reference_price[j] if rules.choice_model == choice.EXPONENTIAL else 1.0


@scalar
def money_lost(rules, basket, payable, j):
    """By how much the units of product j in the basket are worth less than as many first units, currency."""
    worth = basket.lost[j] * worth_of_satiation(rules, basket, j)
    return worth / worth_of_money(rules, basket, j) * payable


@scalar
def worth_of_next(rules, sale, basket, clips, j):
    """Worth of one more unit of product j less its price after the coupon."""
    of_coupon = option(sale, "coupon")
    units = basket.units[j]
    first = coupon.net_price(of_coupon, unit_price(sale, j, 0), clips, coupon.budget_left(of_coupon))
    price = coupon.net_price(of_coupon, unit_price(sale, j, units), clips, basket.coupon_left)
    # The worth of the first unit was noted with the price on its tag.
    net = basket.surplus[j] - (price - first) * worth_of_money(rules, basket, j)
    return net - satiation_of_next(rules, basket, j) * worth_of_satiation(rules, basket, j)


@scalar
def worth_of_sum(rules, sale, total, weighed, payable):
    """Worth of what a deal takes off a basket that completes no set, less the fee.

    Args:
        total: sum of its prices after the coupon, currency.
        weighed: the worth of that money.
    """
    offered = total * payable
    rebate = min(deal.rebate(option(rules, "deal"), option(sale, "deal"), offered), offered)
    fee = delivery.fee(option(rules, "delivery"), option(sale, "delivery"), offered - rebate)
    # A rebate is shared out, and the fee weighs on the products, in proportion to their prices.
    return weighed * (rebate - fee) / offered if offered > 0.0 else 0.0


@scalar
def worth_of_reductions(rules, sale, basket, payable):
    """Worth of what bundles and deal take off the basket, less the fee."""
    ring_up(rules, sale, basket, payable)
    saved = 0.0
    spent = 0.0
    total = 0.0
    for j in range(rules.n_products):
        if basket.units[j] > 0:
            worth = worth_of_money(rules, basket, j)
            # `paying` includes the targeted offer, so money counts as it would before the offer.
            saved += worth * (basket.after_coupon[j] - basket.paid[j] / payable)
            spent += worth * basket.after_coupon[j]
            total += basket.after_coupon[j]
    # The fee weighs on the products in proportion to their prices.
    return saved - spent / total * basket.fee / payable if basket.fee > 0.0 else saved


@scalar
def can_take(rules, of_rules, sale, basket, j):
    """Whether one more unit of product j is on hand, offered, seen and within the limit of a customer."""
    units = basket.units[j]
    return may_take(sale, j) and units < sale.on_hand[j] and units < of_rules.purchase_limit


@scalar
def keep(basket):
    """Remember this basket as the best one so far."""
    for k in range(basket.n_trial):
        basket.order[k] = basket.trial[k]
    basket.n_units = basket.n_trial


@scalar
def try_with(rules, of_rules, sale, basket, clips, j):
    """Put one unit of product j into the basket on trial; returns what the unit adds to the worth, less its price."""
    net = basket.next[j] - basket.nothing
    put_in(rules, sale, basket, clips, j)
    if not can_take(rules, of_rules, sale, basket, j):
        basket.next[j] = NOT_TO_BE_HAD
    if clips or basket.substitution > 0.0:  # less is left of the coupon's budget, or other products are worth less
        for i in range(rules.n_products):
            if basket.next[i] > NOT_TO_BE_HAD:
                basket.next[i] = worth_of_next(rules, sale, basket, clips, i)
    elif basket.next[j] > NOT_TO_BE_HAD:
        basket.next[j] = worth_of_next(rules, sale, basket, clips, j)
    basket.trial[basket.n_trial] = j
    basket.n_trial += 1
    return net


@scalar
def next_product(rules, basket):
    """The product of which one more unit is worth most, and that worth less the price; M if none can be taken."""
    best = rules.n_products
    highest = NOT_TO_BE_HAD
    for j in range(rules.n_products):
        if basket.next[j] > highest:
            best = j
            highest = basket.next[j]
    return best, highest


@scalar
def fill_up(rules, of_rules, sale, basket, clips, payable, reduced, with_sets, worth, best):
    """Add units to the basket on trial and keep the best basket on the way.

    Args:
        reduced: whether bundles, a deal or a fee apply to some baskets.
        with_sets: whether some sets are reduced.
        worth: of the basket on trial, before these.
        best: worth of the best basket so far, after these.

    Returns:
        The worth of the best basket.
    """
    while basket.n_trial < of_rules.most_units:
        j, net = next_product(rules, basket)
        # Further units are worth no more than this one, so without reductions none of them is taken.
        if j == rules.n_products or (not reduced and net <= basket.nothing):
            break
        worth += try_with(rules, of_rules, sale, basket, clips, j)
        all_in_all = worth
        if with_sets:
            all_in_all += worth_of_reductions(rules, sale, basket, payable)
        elif reduced:
            all_in_all += worth_of_sum(rules, sale, basket.total, basket.weighed, payable)
        if all_in_all > best:
            best = all_in_all
            keep(basket)
    return best


@scalar
def worth_of_single(rules, sale, basket, clips, payable, j):
    """Worth of a basket of one unit of product j, with its share of a deal and its fee; no set is complete."""
    with_coupon = coupon.net_price(option(sale, "coupon"), sale.asking_price[j], clips, basket.coupon_left)
    weighed = worth_of_money(rules, basket, j) * with_coupon
    return basket.surplus[j] - basket.nothing + worth_of_sum(rules, sale, with_coupon, weighed, payable)


@scalar
def at_best(rules, sale, basket, j):
    """Upper bound on the worth of a unit of product j less what is paid for it, in any basket."""
    less = basket.most_off * sale.asking_price[j]
    return basket.surplus[j] - basket.nothing + less * worth_of_money(rules, basket, j)


@scalar
def may_find(rules, sale, basket, with_sets):
    """Whether reductions could win a customer who would buy no single product without them; false for most of them.

    The worth of a basket is at most the sum of its units' worth at best. So some unit must be worth its price with the
    largest reduction; and without sets these units must reach the first step of the deal, or be worth one unit more.
    """
    gain = 0.0
    total = 0.0
    one_more = NOT_TO_BE_HAD
    for j in range(rules.n_products):
        if may_take(sale, j):
            worth = at_best(rules, sale, basket, j)
            if worth > 0.0:
                gain += worth
                total += sale.price[j]
                worth -= basket.satiation * worth_of_satiation(rules, basket, j)
            one_more = max(one_more, worth)
    return gain > 0.0 and (with_sets or total >= deal.first_step(option(rules, "deal")) or gain + one_more > 0.0)


@scalar
def try_singles(rules, of_rules, sale, basket, clips, payable, best):
    """Compare the baskets of one unit, with an empty one on trial; returns the worth of the best basket so far."""
    for j in range(rules.n_products):
        if can_take(rules, of_rules, sale, basket, j) and at_best(rules, sale, basket, j) > 0.0:
            worth = worth_of_single(rules, sale, basket, clips, payable, j)
            if worth > best:
                best = worth
                basket.order[0] = j
                basket.n_units = 1
    return best


@scalar
def try_set(set_rules, rules, of_rules, sale, basket, clips, payable, s, best):
    """Compare the baskets that start with set s of the bundles; returns the worth of the best basket so far."""
    if set_rules is None:
        return best
    empty(rules, sale, basket)
    worth = 0.0
    for j in range(rules.n_products):
        if set_rules.set_of[j] == s:
            if not can_take(rules, of_rules, sale, basket, j):
                return best
            worth += try_with(rules, of_rules, sale, basket, clips, j)
    all_in_all = worth + worth_of_reductions(rules, sale, basket, payable)
    if all_in_all > best:
        best = all_in_all
        keep(basket)
    return fill_up(rules, of_rules, sale, basket, clips, payable, True, True, worth, best)


@scalar
def fill(rules, of_rules, sale, basket, voice, clips, payable, wanted, bought):
    """(wanted, bought) of a customer who may take a basket: the first choice, and the first product of the basket.

    Both arguments and results are those of `choice.choose`: M is no purchase, and who buys something wants something.
    Whoever finds the basket too dear for the sum to pay, the fee included, wants nothing. Units and money of the basket
    are in its record afterwards. Both records are None in a sale without baskets.
    """
    if of_rules is None or basket is None:
        return wanted, bought
    set_rules = option(rules, "bundles")
    off_sets = bundles.most_off(set_rules, option(sale, "bundles"))
    with_sets = off_sets > 0.0
    off_sum = deal.most_off(option(rules, "deal"), option(sale, "deal"))
    with_fee = delivery.is_on(option(rules, "delivery"), option(sale, "delivery"))
    basket.most_off = 1.0 - (1.0 - off_sets) * (1.0 - off_sum)
    reduced = with_fee or basket.most_off > 0.0
    if not reduced and bought == rules.n_products:
        return wanted, bought  # no further unit is worth more than a first one
    basket.satiation = of_rules.satiation[voice.latent]
    basket.substitution = of_rules.substitution[voice.latent]
    basket.n_units = 0
    if bought < rules.n_products or (basket.most_off > 0.0 and may_find(rules, sale, basket, with_sets)):
        empty(rules, sale, basket)
        best = 0.0  # an empty basket
        if reduced:
            best = try_singles(rules, of_rules, sale, basket, clips, payable, best)
        if with_sets:
            for s in range(bundles.n_sets(set_rules)):
                best = try_set(set_rules, rules, of_rules, sale, basket, clips, payable, s, best)
            empty(rules, sale, basket)
        fill_up(rules, of_rules, sale, basket, clips, payable, reduced, with_sets, 0.0, best)
    if basket.n_units == 0:
        is_out = wanted < rules.n_products and sale.on_hand[wanted] == 0
        return wanted if is_out else rules.n_products, rules.n_products
    if reduced or basket.n_units < basket.n_trial:  # the basket on trial is not the best one
        empty(rules, sale, basket)
        for k in range(basket.n_units):
            put_in(rules, sale, basket, clips, basket.order[k])
    ring_up(rules, sale, basket, payable)
    first = basket.order[0]
    return wanted if wanted < rules.n_products else first, first

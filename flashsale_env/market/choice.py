"""Customer choice: which product, if any, a customer buys when shown an offer.

Owns    the map (voice, offer) -> choice of one customer.
Leaves  who arrives to `arrivals`, and what a purchase does to `visit`.
Axes    M products; number M means "buys nothing".
Units   utility in logits, the outside option at 0; prices as a share of the product's reference price.

Every model returns two choices: over the full assortment (what the customer came for) and over what is on hand at
that moment. The full assortment is what is offered and what is out; a product that is on hand and not offered is in
neither, whatever its customers are like. A new model is one scalar function, one branch of `choose`, one of
`reservation_prices` and one line in `CHOICE_MODELS`.
"""

import math

import numpy as np

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.market import promotions

MNL, EXPONENTIAL, NESTED, MIXED = 0, 1, 2, 3

CHOICE_MODELS = {
    "mnl": MNL,
    "nested": NESTED,
    "mixed": MIXED,
    "exponential": EXPONENTIAL,
}

_S16 = np.uint64(16)
_LOW16 = np.uint64(0xFFFF)


@scalar
def taste_bits(key, bits, alternative):
    """Bits whose lowest 16 are the draw of this alternative (0: buys nothing, j + 1: product j), taken in turn."""
    if alternative & 3 == 0:
        return streams.subkey(key, streams.TASTE + (alternative >> 2))
    return bits >> _S16


@scalar
def multinomial_logit(rules, voice, sale, key, clips, paying, asked, appetite):
    """Utility is relevance + quality + appeal - sensitivity·price, plus one Gumbel draw a product (McFadden 1974).

    The draw belongs to the customer and the product, so raising one price never changes what the customer thinks of
    another product. `paying` is the price sensitivity that counts this customer's offer, at most `asked`, the one for
    what is out. `appetite` is what this customer adds to every product.
    """
    n_products = rules.n_products
    bits = taste_bits(key, np.uint64(0), 0)
    best_wanted = streams.GUMBEL[bits & _LOW16] - appetite  # the outside option
    best_on_hand = best_wanted
    wanted = n_products
    bought = n_products
    for j in range(n_products):
        bits = taste_bits(key, bits, j + 1)
        price = sale.coupon_price_share[j] if clips else sale.price_share[j]
        draw = streams.GUMBEL[bits & _LOW16]
        utility = voice.utility[j] + sale.appeal[j] - paying * price + draw
        if utility > best_on_hand and promotions.is_offered(price):
            if sale.on_hand[j] > 0:
                best_on_hand = utility
                bought = j
            else:
                utility = voice.utility[j] + sale.appeal[j] - asked * price + draw
            if utility > best_wanted:
                best_wanted = utility
                wanted = j
    return wanted, bought


@scalar
def own_taste(rules, key):
    """What sets this customer apart from others of the same voice: (factor on price sensitivity, appetite in logits).

    Mixed logit (McFadden & Train 2000): the factor is log-normal with mean 1, the appetite normal with mean 0.
    """
    if rules.choice_model != MIXED:
        return 1.0, 0.0
    factor = 1.0
    appetite = 0.0
    if rules.sensitivity_sd > 0.0:
        z = streams.standard_normal(key, streams.SENSITIVITY)
        factor = math.exp(rules.sensitivity_sd * z - 0.5 * rules.sensitivity_sd * rules.sensitivity_sd)
    if rules.appetite_sd > 0.0:
        appetite = rules.appetite_sd * streams.standard_normal(key, streams.APPETITE)
    return factor, appetite


@scalar
def nest_draw(rules, key, nest):
    """Logarithm of a positive stable draw with index `dissimilarity`, one a customer and nest (Kanter 1975).

    dissimilarity·(Gumbel + it) is again a Gumbel draw, and those of one nest are dependent just so that choices are
    nested logit (Hougaard 1986). At dissimilarity 1 it is 0.
    """
    a = rules.dissimilarity
    if a == 1.0:
        return np.float32(0.0)
    angle = math.pi * streams.uniform(streams.subkey(key, streams.NEST + 2 * nest))
    exponential = -math.log(streams.uniform(streams.subkey(key, streams.NEST + 2 * nest + 1)))
    spread = math.log(math.sin((1.0 - a) * angle)) - math.log(exponential)
    return np.float32(math.log(math.sin(a * angle)) - math.log(math.sin(angle)) / a + (1.0 - a) / a * spread)


@scalar
def nested_logit(rules, voice, sale, key, clips, paying, asked):
    """Multinomial logit whose draws are alike inside a nest: a product out of reach is replaced by its like first."""
    n_products = rules.n_products
    bits = taste_bits(key, np.uint64(0), 0)
    best_wanted = streams.GUMBEL[bits & _LOW16]  # the outside option
    best_on_hand = best_wanted
    wanted = n_products
    bought = n_products
    dissimilarity = np.float32(rules.dissimilarity)
    common = np.float32(0.0)
    for j in range(n_products):
        # Products of one nest mostly stand side by side in the catalogue, which saves a draw.
        if j == 0 or rules.nest[j] != rules.nest[j - 1]:
            common = nest_draw(rules, key, rules.nest[j])
        bits = taste_bits(key, bits, j + 1)
        price = sale.coupon_price_share[j] if clips else sale.price_share[j]
        draw = dissimilarity * (streams.GUMBEL[bits & _LOW16] + common)
        utility = voice.utility[j] + sale.appeal[j] - paying * price + draw
        if utility > best_on_hand and promotions.is_offered(price):
            if sale.on_hand[j] > 0:
                best_on_hand = utility
                bought = j
            else:
                utility = voice.utility[j] + sale.appeal[j] - asked * price + draw
            if utility > best_wanted:
                best_wanted = utility
                wanted = j
    return wanted, bought


@scalar
def exponential_willingness_to_pay(rules, voice, sale, key, clips, paying, asked):
    """Willingness to pay for each product is exponential with mean `paying` reference prices, `asked` for what is out.

    The customer takes the product with the largest surplus, if any is positive. With one product the demand at price
    p is exp(-p/theta), the model of Gallego & van Ryzin (1994).
    """
    wanted = rules.n_products
    bought = rules.n_products
    best_wanted = 0.0
    best_on_hand = 0.0
    for j in range(rules.n_products):
        price = sale.coupon_price_share[j] if clips else sale.price_share[j]
        if not promotions.is_offered(price):
            continue
        mean = paying if sale.on_hand[j] > 0 else asked
        surplus = -mean * math.log(streams.uniform(streams.subkey(key, streams.TASTE + j))) - price
        surplus *= rules.reference_price[j]
        if surplus > best_wanted:
            best_wanted = surplus
            wanted = j
        if surplus > best_on_hand and sale.on_hand[j] > 0:
            best_on_hand = surplus
            bought = j
    return wanted, bought


@scalar
def choose(rules, voice, sale, key, clips, drift, payable):
    """(choice over the full assortment, choice over what is on hand), by the scenario's model.

    `payable` is the share of the price that this customer pays for what is on hand. All prices lower by a factor are
    the same to a customer as a willingness to pay higher by it.
    """
    paying = drift / payable
    if rules.choice_model == EXPONENTIAL:
        sensitivity = np.float64(voice.price_sensitivity)
        return exponential_willingness_to_pay(rules, voice, sale, key, clips, paying / sensitivity, drift / sensitivity)
    factor, appetite = own_taste(rules, key)
    sensitivity = factor * np.float64(voice.price_sensitivity)
    lowered = np.float32(sensitivity / paying)
    asked = np.float32(sensitivity / drift) if rules.targeted else lowered
    if rules.choice_model == NESTED:
        return nested_logit(rules, voice, sale, key, clips, lowered, asked)
    return multinomial_logit(rules, voice, sale, key, clips, lowered, asked, np.float32(appetite))


@scalar
def reservation_prices(rules, voice, sale, key, drift, out):
    """The most this customer would pay for each product rather than buy nothing, currency; 0 or less for never."""
    factor, appetite = own_taste(rules, key)
    sensitivity = factor * np.float64(voice.price_sensitivity) / drift
    bits = taste_bits(key, np.uint64(0), 0)
    outside = streams.GUMBEL[bits & _LOW16]
    for j in range(rules.n_products):
        if rules.choice_model == EXPONENTIAL:
            gain = -math.log(streams.uniform(streams.subkey(key, streams.TASTE + j)))
        else:
            bits = taste_bits(key, bits, j + 1)
            draw = np.float64(streams.GUMBEL[bits & _LOW16])
            if rules.choice_model == NESTED:
                draw = rules.dissimilarity * (draw + nest_draw(rules, key, rules.nest[j]))
            gain = voice.utility[j] + sale.appeal[j] + appetite + draw - outside
        out[j] = gain / sensitivity * rules.reference_price[j]

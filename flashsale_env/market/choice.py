"""Customer choice: which product, if any, a customer buys from an offer.

Owns    the map (voice, offer) -> choice of one customer.
Leaves  who arrives to `arrivals`, and what a purchase does to `sale.visit`.
Axes    M products; number M means "buys nothing".
Units   utility in logits, the outside option at 0; prices as a share of the product's reference price.

Every model returns two choices: the first choice over the full assortment, and the choice over the products on hand at
that moment. The full assortment consists of the products offered and those out of stock. A product on hand that is not
offered is in neither. A new model is one line in `CHOICE_MODELS`, its draws, and one branch each in `choose` and
`reservation_prices`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import option, put
from flashsale_env.errors import unknown_name
from flashsale_env.market import basket, coupon, disclosure, slate
from flashsale_env.market.mechanism import Between, Feature, Mechanism, OneOf, ScenarioLike
from flashsale_env.market.parts import MOST_SD, Part, require_range
from flashsale_env.market.pricing import is_offered

MNL, EXPONENTIAL, NESTED, MIXED = 0, 1, 2, 3

CHOICE_MODELS = {
    "mnl": MNL,
    "nested": NESTED,
    "mixed": MIXED,
    "exponential": EXPONENTIAL,
}

_S16 = np.uint64(16)
_LOW16 = np.uint64(0xFFFF)


@dataclass(frozen=True)
class Choice(Part):
    """How customers choose.

    Args:
        model: a key of `CHOICE_MODELS`.
        drift: factors on willingness to pay, .001 to 1000, one per equal phase of the sale; (1.0,) for none.
        dissimilarity: under "nested", dissimilarity parameter of every nest, .01 to 1. 1 is "mnl"; near 0 only the best
            product of a nest matters.
        sensitivity_sd: under "mixed", standard deviation of log price sensitivity among customers of one voice; the
            factor has mean 1.
        appetite_sd: under "mixed", standard deviation of a customer's utility common to all products, logits.

    Raises:
        ValueError: unknown model, a value out of range, or a setting of another model; the message names it.
    """

    model: str = "mnl"
    drift: tuple[float, ...] = (1.0,)
    dissimilarity: float = 1.0
    sensitivity_sd: float = 0.0
    appetite_sd: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model not in CHOICE_MODELS:
            raise ValueError(unknown_name("choice.model", self.model, CHOICE_MODELS))
        if not 0.01 <= self.dissimilarity <= 1:
            raise ValueError(f"choice.dissimilarity must lie between .01 and 1, got {self.dissimilarity}.")
        require_range(self, "sensitivity_sd", "appetite_sd", most=MOST_SD)
        for name, default, model in (
            ("dissimilarity", 1.0, "nested"),
            ("sensitivity_sd", 0.0, "mixed"),
            ("appetite_sd", 0.0, "mixed"),
        ):
            if getattr(self, name) != default and self.model != model:
                raise ValueError(
                    f"choice.{name} belongs to choice.model {model!r} and would do nothing under {self.model!r}."
                )
        if not self.drift or not all(1e-3 <= factor <= 1e3 for factor in self.drift):
            raise ValueError(
                f"choice.drift must be factors between .001 and 1000, one a phase, got {list(self.drift)}."
            )

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Phases without a tick; settings of other models are refused when the part is built."""
        if len(self.drift) > scenario.horizon_ticks:
            yield (
                f"choice.drift has {len(self.drift)} phases and the sale {scenario.horizon_ticks} ticks, so some phase "
                f"would never come. Take more ticks or fewer phases."
            )

    @property
    def has_utilities(self) -> bool:
        """Whether the model has utilities, in logits: it reads relevance, quality and appeal."""
        return CHOICE_MODELS[self.model] != EXPONENTIAL


@scalar
def taste_bits(key, bits, alternative):
    """Bits whose lowest 16 are the draw of this alternative (0: outside option, j + 1: product j), called in order."""
    # One 64-bit word holds the draws of four alternatives.
    if alternative & 3 == 0:
        return streams.subkey(key, streams.TASTE + (alternative >> 2))
    return bits >> _S16


@scalar
def own_taste(rules, key):
    """Tastes of one customer beyond the voice: (factor on price sensitivity, appetite in logits).

    Mixed logit (McFadden & Train 2000): the factor is log-normal with mean 1, the appetite normal with mean 0.
    """
    if rules.choice_model != MIXED:
        return 1.0, 0.0
    factor = 1.0
    appetite = 0.0
    if rules.sensitivity_sd > 0.0:
        z = streams.standard_normal(key, streams.SENSITIVITY)
        # E[exp(s·z)] = exp(s²/2)
        factor = math.exp(rules.sensitivity_sd * z - 0.5 * rules.sensitivity_sd * rules.sensitivity_sd)
    if rules.appetite_sd > 0.0:
        appetite = rules.appetite_sd * streams.standard_normal(key, streams.APPETITE)
    return factor, appetite


@scalar
def nest_draw(rules, key, nest):
    """Logarithm of a positive stable draw S with index a = `dissimilarity`, one per customer and nest (Kanter 1975).

        S = sin(a·t) / sin(t)^(1/a) · (sin((1 - a)·t) / E)^((1 - a)/a),  t uniform on (0, pi), E standard exponential

    a·(Gumbel + ln S) is again a standard Gumbel draw. The common S makes the draws of a nest dependent, exactly as in
    nested logit (Hougaard 1986). At a = 1, S is 1.
    """
    a = rules.dissimilarity
    if a == 1.0:
        return np.float32(0.0)
    angle = math.pi * streams.uniform(streams.subkey(key, streams.NEST + 2 * nest))
    exponential = -math.log(streams.uniform(streams.subkey(key, streams.NEST + 2 * nest + 1)))
    # Logarithms throughout: at small a the powers can overflow.
    log_ratio = math.log(math.sin((1.0 - a) * angle)) - math.log(exponential)
    return np.float32(math.log(math.sin(a * angle)) - math.log(math.sin(angle)) / a + (1.0 - a) / a * log_ratio)


@scalar
def common_draw(rules, key, j, last):
    """The common draw of j's nest; `last` is that of product j - 1."""
    # Neighbours in the catalogue mostly share a nest, which saves a draw. A repeated draw has the same key and value.
    if rules.choice_model == NESTED and (j == 0 or rules.nest[j] != rules.nest[j - 1]):
        return nest_draw(rules, key, rules.nest[j])
    return last


@scalar
def own_draw(rules, bits, common):
    """This customer's draw for one product: Gumbel, or dissimilarity·(Gumbel + common) under nested logit."""
    draw = streams.GUMBEL[bits & _LOW16]
    if rules.choice_model == NESTED:
        return np.float32(rules.dissimilarity) * (draw + common)
    return draw


@scalar
def logit(rules, voice, sale, key, clips, paying, asked, appetite):
    """Utility is relevance + quality + appeal - sensitivity·price, plus one draw per product (McFadden 1974).

    The draw belongs to the customer and the product, so raising one price never changes the utility of another product.
    `paying` is the price sensitivity for products on hand, including this customer's targeted offer. It is at most
    `asked`, the price sensitivity for products out of stock. `appetite` is added to the utility of every product.
    """
    n_products = rules.n_products
    bits = taste_bits(key, np.uint64(0), 0)
    # The outside option. Subtracting the appetite here is the same as adding it to every product.
    best_wanted = streams.GUMBEL[bits & _LOW16] - appetite
    best_on_hand = best_wanted
    wanted = n_products
    bought = n_products
    common = np.float32(0.0)
    of_coupon, of_basket = option(sale, "coupon"), option(sale, "basket")
    basket.note_terms(of_basket, best_wanted, paying)
    page, listed = option(sale, "disclosure"), option(sale, "slate")
    for j in range(n_products):
        common = common_draw(rules, key, j, common)
        bits = taste_bits(key, bits, j + 1)
        price = coupon.tag(of_coupon, sale, clips, j)
        draw = own_draw(rules, bits, common) + disclosure.effect(page, j)
        utility = voice.utility[j] + sale.appeal[j] - paying * price + draw
        basket.note(of_basket, j, utility)
        if utility > best_on_hand and is_offered(price) and slate.sees(listed, j):
            if sale.on_hand[j] > 0:
                best_on_hand = utility
                bought = j
            else:
                # Out of stock: at the price of the last unit, without the offer, so only the first choice can change.
                utility = voice.utility[j] + sale.appeal[j] - asked * price + draw
            if utility > best_wanted:
                best_wanted = utility
                wanted = j
    return wanted, bought


@scalar
def exponential_draw(key, j):
    """A standard exponential draw of this customer for product j."""
    return -math.log(streams.uniform(streams.subkey(key, streams.TASTE + j)))


@scalar
def exponential_willingness_to_pay(rules, sale, key, clips, paying, asked):
    """Willingness to pay is exponential, independent across products; the largest positive surplus is chosen.

    Its mean, in reference prices, is `paying` for products on hand and `asked` for those out of stock. With one product
    the demand at price p is exp(-p/theta), the model of Gallego & van Ryzin (1994).
    """
    wanted = rules.n_products
    bought = rules.n_products
    best_wanted = 0.0
    best_on_hand = 0.0
    of_coupon, of_basket = option(sale, "coupon"), option(sale, "basket")
    basket.note_terms(of_basket, 0.0, paying)
    page, listed = option(sale, "disclosure"), option(sale, "slate")
    for j in range(rules.n_products):
        price = coupon.tag(of_coupon, sale, clips, j)
        if not is_offered(price) or not slate.sees(listed, j):
            continue
        mean = (paying if sale.on_hand[j] > 0 else asked) * disclosure.factor(page, j)
        # A product is chosen by its surplus in currency, hence the reference price.
        surplus = (mean * exponential_draw(key, j) - price) * rules.reference_price[j]
        basket.note(of_basket, j, surplus)
        if surplus > best_wanted:
            best_wanted = surplus
            wanted = j
        if surplus > best_on_hand and sale.on_hand[j] > 0:
            best_on_hand = surplus
            bought = j
    return wanted, bought


@scalar
def choose(rules, voice, sale, key, clips, drift, payable, mood):
    """(choice over the full assortment, choice over the products on hand), by the scenario's model; M is no purchase.

    `payable` is the share of the price that this customer pays for products on hand. Multiplying all prices by it is
    the same as dividing willingness to pay by it. `mood` adds to the utility of every product, logits; under
    "exponential", to the logarithm of willingness to pay.
    """
    drift = in_mood(rules, drift, mood)
    paying = drift / payable
    if rules.choice_model == EXPONENTIAL:
        sensitivity = np.float64(voice.price_sensitivity)
        return exponential_willingness_to_pay(rules, sale, key, clips, paying / sensitivity, drift / sensitivity)
    factor, appetite = own_taste(rules, key)
    appetite += mood
    sensitivity = factor * np.float64(voice.price_sensitivity)
    # An offer scales every price by `payable`; scaling the price sensitivity has the same effect.
    lowered = np.float32(sensitivity / paying)
    asked = np.float32(sensitivity / drift) if payable != 1.0 else lowered
    return logit(rules, voice, sale, key, clips, lowered, asked, np.float32(appetite))


@scalar
def in_mood(rules, drift, mood):
    """The factor on willingness to pay in this mood; under a logit a mood is part of the utility."""
    return drift * math.exp(mood) if rules.choice_model == EXPONENTIAL and mood != 0.0 else drift


@scalar
def reservation_prices(rules, voice, sale, key, drift, mood, out):
    """The most that this customer would pay for each product rather than buy nothing, currency; can be negative."""
    # The draws are those of `choose`. The price solves utility - sensitivity·price/reference = outside option.
    factor, appetite = own_taste(rules, key)
    appetite += mood
    drift = in_mood(rules, drift, mood)
    sensitivity = factor * np.float64(voice.price_sensitivity) / drift
    bits = taste_bits(key, np.uint64(0), 0)
    outside = streams.GUMBEL[bits & _LOW16]
    common = np.float32(0.0)
    page = option(sale, "disclosure")
    for j in range(rules.n_products):
        if rules.choice_model == EXPONENTIAL:
            # willingness to pay itself, times the sensitivity
            gain = exponential_draw(key, j) * disclosure.factor(page, j)
        else:
            common = common_draw(rules, key, j, common)
            bits = taste_bits(key, bits, j + 1)
            draw = own_draw(rules, bits, common) + disclosure.effect(page, j)
            gain = voice.utility[j] + sale.appeal[j] + appetite + draw - outside
        out[j] = gain / sensitivity * rules.reference_price[j]


@scalar
def observe(rules, sale, schedule, out):
    """Mean willingness to pay in the coming tick; at the close, that of the last tick."""
    coming = min(sale.tick, rules.horizon - 1)
    put(out, rules.at.willingness_to_pay, schedule[coming, 1] / rules.peak_drift, 0.0, 1.0)


def _lay_out(scenario: ScenarioLike) -> dict[str, object]:
    nests = list(dict.fromkeys(product.nest for product in scenario.products))
    return {
        "choice_model": CHOICE_MODELS[scenario.choice.model],
        "dissimilarity": scenario.choice.dissimilarity,
        "sensitivity_sd": scenario.choice.sensitivity_sd,
        "appetite_sd": scenario.choice.appetite_sd,
        "peak_drift": max(scenario.choice.drift),
        "nest": [nests.index(product.nest) for product in scenario.products],
    }


MECHANISM = Mechanism(
    settings=Choice,
    rules=lambda sizes: (
        ("choice_model", "i8"),
        ("dissimilarity", "f8"),
        ("nest", "i8", (sizes.products,)),
        ("sensitivity_sd", "f8"),
        ("appetite_sd", "f8"),
        ("peak_drift", "f8"),
    ),
    lay_out=_lay_out,
    features={
        "willingness_to_pay": Feature(
            "sale",
            0.0,
            1.0,
            "share of its peak",
            "mean willingness to pay in the coming tick",
            "time",
            applies=lambda scenario: len(set(scenario.choice.drift)) > 1,
        )
    },
    bounded=dict.fromkeys(
        ("model", "drift", "dissimilarity", "sensitivity_sd", "appetite_sd"),
        "the bounds are given the willingness to pay of every customer",
    ),
    ranges={
        "model": OneOf(tuple(CHOICE_MODELS)),
        "drift": OneOf(((1.0,), (1.2, 0.8), (0.8, 1.0, 1.2))),
        "dissimilarity": Between(0.3, 0.9),
        "sensitivity_sd": Between(0.1, 0.6),
        "appetite_sd": Between(0.1, 1.0),
    },
    observe=observe,
)

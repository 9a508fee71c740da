"""The reference world: customers whose tastes we declare, so that what text is worth can be measured.

Owns    the documented tastes of the nine intents, voices with individual variation, and the logged experiment.
Leaves  choice itself to the simulator, which records the logs, and estimation to `demand`.
Units   utility in logits with the outside option at 0; price sensitivity in logits per list price.

At small purchase probabilities a price sensitivity is the absolute own-price elasticity at list price. Those below
average 2.7 over the shares; Bijmolt, van Heerde & Pieters (2005) find a mean elasticity of -2.62 over 1,851 estimates,
and -1 to -4 is accepted. Which intent lies where in that range, and all other numbers, are declared, not measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, Population, Product, Scenario, Shocks, Simulator
from flashsale_env.encoders.corpus.generator import Message


@dataclass(frozen=True)
class Taste:
    """How the customers of one intent behave.

    Args:
        price_sensitivity: geometric mean over the customers of the intent.
        appetite: utility of an average product of quality 0 at list price, logits.
        coupon_affinity: mean probability to clip a coupon.
        share: of the intent among all customers.
        likes: logits on top of the appetite for the products named by these nouns.
    """

    price_sensitivity: float
    appetite: float
    coupon_affinity: float
    share: float
    likes: Mapping[str, float]


TASTES: dict[str, Taste] = {
    "bargain_hunting": Taste(4.0, -5.9, 0.80, 0.22, {"air fryer": 0.4, "running shoes": 0.3}),
    "urgent_purchase": Taste(1.2, -4.0, 0.10, 0.10, {"down jacket": 0.5, "wireless earbuds": 0.3}),
    "browsing": Taste(2.8, -5.6, 0.35, 0.22, {"skin care set": 0.3}),
    "comparison": Taste(3.4, -5.3, 0.50, 0.12, {"robot vacuum": 0.8, "wireless earbuds": 0.6}),
    "gift": Taste(1.8, -5.0, 0.20, 0.10, {"skin care set": 1.2, "building blocks": 1.3}),
    "complaint_return": Taste(1.5, -7.0, 0.15, 0.05, {}),
    "shipping_question": Taste(2.0, -4.9, 0.20, 0.07, {"robot vacuum": 0.3}),
    "brand_loyal": Taste(1.3, -4.6, 0.15, 0.08, {"wireless earbuds": 0.8, "running shoes": 0.9}),
    "bulk": Taste(3.6, -5.2, 0.60, 0.04, {"coffee beans": 1.6}),
}

# Where price may follow the intent, willingness to pay has three classes whose ceiling is known: one price for all
# earns 23.082777 a customer, knowing the class 26.487320 (`flashsale_env.theory.signal`).
WILLINGNESS_MEANS = (40.0, 80.0, 160.0)
WILLINGNESS_SHARES = (0.5, 0.35, 0.15)

# A customer who names a product wants it rather than another one.
NAMED_PRODUCT = 1.5
# Individual variation around the intent's tastes: what no text tells.
SENSITIVITY_LOG_SD = 0.15
RELEVANCE_SD = 0.30
# Beta concentration of the coupon affinity around its mean.
AFFINITY_CONCENTRATION = 20.0


def reference_population(
    products: Sequence[Product],
    messages: Sequence[Message],
    intent_probabilities: npt.NDArray[np.float32],
    seed: int,
) -> Population:
    """Voices with the tastes of their true intent.

    Args:
        products: the M products.
        messages: V messages with known intent.
        intent_probabilities: (V, 9) what the encoder reads in them: all that an agent will see.
        seed: of the individual variation.
    """
    rng = np.random.default_rng([0x5EED, seed])
    latent = np.array([INTENTS.index(message.intent) for message in messages], np.int64)
    table = [TASTES[message.intent] for message in messages]
    size = (len(messages), len(products))
    sensitivity = np.array([t.price_sensitivity for t in table])
    sensitivity = sensitivity * np.exp(SENSITIVITY_LOG_SD * rng.standard_normal(len(messages)))
    at_list_price = np.array([[t.appetite + t.likes.get(p.noun, 0.0) for p in products] for t in table])
    at_list_price += NAMED_PRODUCT * named_products(messages, products)
    at_list_price += RELEVANCE_SD * rng.standard_normal(size)
    affinity = np.array([t.coupon_affinity for t in table])
    per_intent = np.bincount(latent, minlength=len(INTENTS))
    return Population(
        products=tuple(product.title for product in products),
        utterances=tuple(message.text for message in messages),
        languages=tuple(message.language for message in messages),
        intent_probabilities=intent_probabilities,
        latent_class=latent,
        # Relevance is utility at price 0 but for the products' quality, which the simulator adds; a price of one list
        # price costs the sensitivity.
        relevance=(at_list_price + sensitivity[:, None]).astype(np.float32),
        price_sensitivity=sensitivity.astype(np.float32),
        coupon_affinity=rng.beta(AFFINITY_CONCENTRATION * affinity, AFFINITY_CONCENTRATION * (1 - affinity)).astype(
            np.float32
        ),
        weight=np.array([t.share for t in table], np.float32) / per_intent[latent].astype(np.float32),
    )


def willingness_class(sensitivity: float) -> int:
    """Which of the three classes of willingness to pay a price sensitivity is nearest to, in ratio.

    A price sensitivity is the inverse of a mean willingness to pay in list prices; 4, the most sensitive intent, is
    matched with the lowest mean: 40 to 4, 80 to 2, 160 to 1.
    """
    return int(np.argmin(np.abs(np.log(WILLINGNESS_MEANS[0] * 4.0 / sensitivity) - np.log(WILLINGNESS_MEANS))))


def named_products(messages: Sequence[Message], products: Sequence[Product]) -> npt.NDArray[np.float64]:
    """(V, M) 1 where the message names the product."""
    return np.array([[float(m.good is not None and m.good == p.noun) for p in products] for m in messages])


def randomised_price_experiment(
    scenario: Scenario, population: Population, visits: int, seed: int
) -> npt.NDArray[np.void]:
    """A choice log of at least `visits` visits in which every price and coupon is drawn at random each tick.

    The sales of the experiment have no shocks of appeal or traffic; their intent mix differs as in the scenario, and
    products sell out and are ordered as they do in any sale, so availability varies.

    Returns:
        (n,) records of `Simulator.choice_log`.
    """
    shocks = Shocks(mix_sd=scenario.shocks.mix_sd)
    quiet = scenario.replace(shocks=shocks, memory_minutes=Scenario.memory_minutes)  # nobody looks at the shop
    expected = quiet.arrivals.customers_per_minute * quiet.sale_minutes
    # Half as much again per sale as expected covers the lift of traffic by coupons; a Poisson count never needs more.
    sales = int(np.ceil(visits / expected)) + 1
    simulator = Simulator(quiet, population, sales=sales, actions="multidiscrete", log_rows=int(1.5 * expected) + 100)
    rng = np.random.default_rng([0x10606, seed])
    simulator.open(rng.integers(0, 2**63, sales).astype(np.uint64), np.zeros(sales, np.int64))
    for _ in range(quiet.horizon_ticks):
        simulator.advance(rng.integers(0, simulator.codec.n_levels, (sales, len(simulator.codec.n_levels))))
    return simulator.choice_log()

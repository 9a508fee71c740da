"""The reference world: customers with declared tastes, against which estimates and the value of text are measured.

Owns    the declared tastes of the nine intents, and voices with individual variation around them.
Leaves  the logged experiment to `experiment`, and estimation to `estimation`.
Units   utility in logits, with the outside option at 0; price sensitivity in logits per list price.

At small purchase probabilities, the price sensitivity is the absolute own-price elasticity at list price. Its mean over
the shares below is 2.7; Bijmolt, van Heerde & Pieters (2005) find a mean elasticity of -2.62 over 1,851 estimates. All
intents lie between 1 and 4. Their order in that range, and all other numbers, are declared, not measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, Population, Product
from flashsale_env.encoders.corpus.generator import Message


@dataclass(frozen=True)
class Taste:
    """Behaviour of the customers of one intent.

    Args:
        price_sensitivity: geometric mean over the customers of the intent.
        appetite: utility of an average product of quality 0 at list price, logits.
        coupon_affinity: mean probability of clipping a coupon.
        share: of the intent among all customers.
        likes: noun of a product -> logits in addition to the appetite.
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

# For pricing by intent, willingness to pay has three classes. One price for all earns 23.082777 per customer; with the
# class known, the optimum is 26.487320 (`flashsale_env.theory.signal`).
WILLINGNESS_MEANS = (40.0, 80.0, 160.0)
WILLINGNESS_SHARES = (0.5, 0.35, 0.15)

# Additional utility of a product that the customer's message names, logits.
NAMED_PRODUCT = 1.5
# Individual variation around the intent's tastes, which no text reveals.
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
        intent_probabilities: (V, 9) from the encoder; agents observe these, not the tastes.
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
        # Relevance is utility at price 0, so it is higher than at list price by the sensitivity. It is net of the
        # products' quality, which the simulator adds.
        relevance=(at_list_price + sensitivity[:, None]).astype(np.float32),
        price_sensitivity=sensitivity.astype(np.float32),
        coupon_affinity=rng.beta(AFFINITY_CONCENTRATION * affinity, AFFINITY_CONCENTRATION * (1 - affinity)).astype(
            np.float32
        ),
        weight=np.divide(np.array([t.share for t in table], np.float32), per_intent[latent].astype(np.float32)),
    )


def willingness_class(sensitivity: float) -> int:
    """Number of the class of willingness to pay that is nearest to a price sensitivity, in ratio.

    A price sensitivity is the inverse of a mean willingness to pay, in list prices. The most sensitive intent, with 4,
    is matched with the lowest mean: 40 to 4, 80 to 2, 160 to 1.
    """
    return int(np.argmin(np.abs(np.log(WILLINGNESS_MEANS[0] * 4.0 / sensitivity) - np.log(WILLINGNESS_MEANS))))


def named_products(messages: Sequence[Message], products: Sequence[Product]) -> npt.NDArray[np.float64]:
    """(V, M) 1 if the message names the product, else 0."""
    return np.array([[float(m.good is not None and m.good == p.noun) for p in products] for m in messages])

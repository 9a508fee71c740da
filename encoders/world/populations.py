"""Populations from messages: the chain texts -> encoder -> demand model -> table of voices.

Owns    populations whose tastes the demand model inferred, and their cards.
Leaves  the encoder to `text`, the demand model to `demand`, and populations with declared tastes to `reference`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, Population, Product
from flashsale_env.encoders.demand.tastes import DemandModel, Tastes
from flashsale_env.encoders.privacy.masking import mask_all
from flashsale_env.encoders.text.intent import Encoding, IntentEncoder
from flashsale_env.encoders.world.readings import encoder_reading, product_vectors
from flashsale_env.versions import versions


def learned_population(
    utterances: Sequence[str],
    encoding: Encoding,
    tastes: Tastes,
    products: Sequence[Product],
    *,
    weight: npt.NDArray[np.float32] | None = None,
    languages: Sequence[str] | None = None,
    card: dict[str, Any] | None = None,
) -> Population:
    """Voices with the tastes that the demand model infers from their text; the class is the most probable intent.

    Relevance is net of `Product.quality`, as in every population: the simulator adds the quality of the sale.
    """
    return Population(
        products=tuple(product.title for product in products),
        utterances=tuple(utterances),
        languages=tuple(languages or ("en",) * len(utterances)),
        intent_probabilities=encoding.probabilities,
        latent_class=encoding.probabilities.argmax(axis=1).astype(np.int64),
        relevance=tastes.relevance,
        price_sensitivity=tastes.price_sensitivity,
        coupon_affinity=tastes.coupon_affinity,
        weight=np.ones(len(utterances), np.float32) if weight is None else weight,
        card=card or {},
    )


def population_from_texts(
    texts: Sequence[str],
    encoder: IntentEncoder,
    demand: DemandModel,
    products: Sequence[Product],
    *,
    in_scope_only: bool = False,
    command: str = "",
    progress: bool = False,
) -> Population:
    """A population from a shop's own messages: intents from the encoder, tastes from the demand model.

    Intents and tastes are read from the messages as they are; what is kept of them has its personal details masked. The
    card counts these by kind, and the messages that are out of scope, if the encoder has an out-of-scope score.

    Args:
        texts: the messages.
        encoder: of intents.
        demand: fitted to this encoder's embeddings and these products.
        products: that are sold.
        in_scope_only: leave out messages with none of the nine intents. Otherwise they count with their most probable
            intent.
        command: recorded on the card.
        progress: show a bar on standard error.

    Raises:
        ValueError: the demand model was fitted to other products, no message is left, or the encoder has no
            out-of-scope score.
    """
    demand.check_products(tuple(product.title for product in products))
    encoding = encoder.encode(texts, progress=progress)
    outside = None if encoding.in_scope is None else int((~encoding.in_scope).sum())
    if in_scope_only:
        if encoding.in_scope is None:
            raise ValueError("this encoder has no out-of-scope score: fine-tune it again.")
        rows = np.flatnonzero(encoding.in_scope)
        if not len(rows):
            raise ValueError(f"none of the {len(texts)} messages has one of the nine intents: the population is empty.")
        texts = [texts[row] for row in rows.tolist()]
        encoding = Encoding(encoding.probabilities[rows], encoding.embeddings[rows])
    vectors = product_vectors(encoder, products)
    tastes = demand.tastes(encoder_reading(encoding, vectors), vectors)
    masked = mask_all(texts)
    card = {
        "kind": "learned",
        "command": command,
        "encoder": encoder.card,
        "out_of_scope": outside,
        "masked": dict(Counter(kind for message in masked for kind in message.kinds).most_common()),
        "intent_mix": intent_mix(encoding.probabilities),
        "versions": versions(),
    }
    return learned_population([message.text for message in masked], encoding, tastes, products, card=card)


def intent_mix(
    probabilities: npt.NDArray[np.float32], weight: npt.NDArray[np.float32] | None = None
) -> dict[str, float]:
    """Intent -> weighted mean of its probability over voices (V, 9), for a card."""
    mean = np.average(probabilities, axis=0, weights=weight)
    return {intent: round(float(share), 4) for intent, share in zip(INTENTS, mean, strict=True)}


def true_intent_mix(population: Population) -> dict[str, float]:
    """Intent -> weighted share of the voices whose true intent it is, for a card."""
    return intent_mix(np.eye(len(INTENTS), dtype=np.float32)[population.latent_class], population.weight)

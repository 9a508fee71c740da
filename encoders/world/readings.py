"""Readings: the demand model's features of a voice, from its text or from the truth.

Owns    the map (encoding or true labels) -> `Reading`, and the embeddings of the products.
Axes    V voices, M products, w the embedding's width.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, Product
from flashsale_env.encoders.corpus.generator import Message
from flashsale_env.encoders.corpus.phrases import LANGUAGES, noun_in
from flashsale_env.encoders.demand.tastes import Reading
from flashsale_env.encoders.text.intent import Encoding, IntentEncoder
from flashsale_env.encoders.world.reference import named_products


def product_vectors(encoder: IntentEncoder, products: Sequence[Product]) -> npt.NDArray[np.float32]:
    """(M, w) embeddings of the products' nouns, averaged over the languages that encoder and corpus share."""
    nouns = [product.noun or product.title for product in products]
    shared = [code for code in LANGUAGES if code in encoder.card["languages"]]
    in_each = [encoder.encode([noun_in(code, noun) for noun in nouns]).embeddings for code in shared or ("en",)]
    return np.asarray(np.mean(in_each, axis=0), np.float32)


def encoder_reading(encoding: Encoding, vectors: npt.NDArray[np.float32]) -> Reading:
    """Intent probabilities, and the cosine similarity of each message with each product's vector (M, w)."""
    return Reading(encoding.probabilities, encoding.embeddings @ vectors.T)


def true_reading(messages: Sequence[Message], products: Sequence[Product]) -> Reading:
    """Indicators of the true intent and of the product named: all information that a text can carry."""
    intent = np.eye(len(INTENTS), dtype=np.float32)[[INTENTS.index(message.intent) for message in messages]]
    return Reading(intent, named_products(messages, products).astype(np.float32))


def empty_reading(voices: int, products: int) -> Reading:
    """No information."""
    return Reading(np.zeros((voices, 0), np.float32), np.zeros((voices, products), np.float32))

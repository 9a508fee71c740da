"""Why the encoder assigns an intent to a message: the words that raise or lower it, and the tastes that follow.

Owns    which encoder, demand model and population are compared, and the file with the coloured message.
Leaves  the contributions of words and the comparison of tastes to `encoders.text.explain`.
"""

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flashsale_env import INTENTS, Population, Scenario
from flashsale_env.encoders.demand.tastes import DemandModel, Tastes
from flashsale_env.encoders.text.explain import Explanation, Taste, explain, explain_tastes, to_html
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.building import DEMAND_FOLDER
from flashsale_env.encoders.world.readings import encoder_reading, product_vectors
from flashsale_env.errors import unknown_name
from flashsale_env.files import write_atomically


@dataclass(frozen=True)
class Reading:
    """One message: its words with their contributions, whether it is in scope, its tastes beside those of others."""

    explanation: Explanation
    in_scope: bool | None  # None where the encoder has no threshold
    tastes: list[Taste]

    def as_json(self) -> dict[str, Any]:
        """The fields of the explanation, "in_scope" and "tastes"."""
        found = asdict(self)
        return {**found.pop("explanation"), **found}


def explain_message(
    text: str, intent: str | None, encoder: Path | None, scenario: Scenario, customers: Population
) -> Reading:
    """Encode one message and explain its intent.

    Args:
        text: the message.
        intent: the one to explain; None takes the most probable.
        encoder: folder with an encoder and its demand model; None for the shipped pair.
        scenario: whose products the tastes are about.
        customers: whose tastes those of the message are compared with.

    Raises:
        ValueError, FileNotFoundError: an empty text, an unknown intent, a folder that does not hold both, a demand
            model fitted on other products.
    """
    if not text.strip():
        raise ValueError("MESSAGE is empty: want what a customer wrote, in quotes.")
    if intent is not None and intent not in INTENTS:
        raise ValueError(unknown_name("intent", intent, INTENTS))
    demand = DemandModel.load(DEMAND_FOLDER if encoder is None else encoder)
    titles = tuple(product.title for product in scenario.products)
    demand.check_products(titles)
    reader = IntentEncoder.default() if encoder is None else IntentEncoder.load(encoder)
    encoding = reader.encode([text])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # `encode` has already warned about this text
        explanation = explain(reader, text, intent)
    vectors = product_vectors(reader, scenario.products)
    own = demand.tastes(encoder_reading(encoding, vectors), vectors)
    # The message is row 0, with weight 0 in the average over customers.
    together = Tastes(
        np.concatenate([own.relevance, customers.relevance]),
        np.concatenate([own.price_sensitivity, customers.price_sensitivity]),
        np.concatenate([own.coupon_affinity, customers.coupon_affinity]),
    )
    weight = np.concatenate([[0.0], customers.weight])
    tastes = explain_tastes(together, 0, titles, weight=weight)
    return Reading(explanation, None if encoding.in_scope is None else bool(encoding.in_scope[0]), tastes)


def strongest(tastes: Sequence[Taste], products: int = 3) -> list[Taste]:
    """The tastes that hold for all products, and the relevance of the few products where it is most unusual."""
    general = [taste for taste in tastes if not taste.taste.startswith("relevance of ")]
    named = [taste for taste in tastes if taste not in general]
    return general + sorted(named, key=lambda taste: -abs(taste.difference))[:products]


def write_html(path: Path, explanation: Explanation) -> None:
    """The coloured message as a file for the browser."""
    write_atomically(path, f'<meta charset="utf-8">{to_html(explanation)}\n'.encode())

"""Why a message was read as it was: the words that moved its intent, and the tastes that followed.

Owns    which encoder, demand model and population are asked, and the page of one line.
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
    """What one message says: its words, whether any intent fits, and its tastes beside those of other customers."""

    explanation: Explanation
    in_scope: bool | None  # None where the encoder has no threshold
    tastes: list[Taste]

    def as_json(self) -> dict[str, Any]:
        found = asdict(self)
        return {**found.pop("explanation"), **found}


def explain_message(
    text: str, intent: str | None, encoder: Path | None, scenario: Scenario, customers: Population
) -> Reading:
    """Read one message and say why it is read so.

    Args:
        text: the message.
        intent: what is explained; None takes the most probable one.
        encoder: folder with an encoder and its demand model; None for the shipped pair.
        scenario: whose products the tastes are about.
        customers: with whose tastes those of the message are compared.

    Raises:
        ValueError, FileNotFoundError: an empty text, an unknown intent, a folder that does not hold both, a demand
            model of other products.
    """
    if not text.strip():
        raise ValueError("MESSAGE is empty: want what a customer wrote, in quotes.")
    if intent is not None and intent not in INTENTS:
        raise ValueError(unknown_name("intent", intent, INTENTS))
    demand = DemandModel.load(DEMAND_FOLDER if encoder is None else encoder)
    titles = tuple(product.title for product in scenario.products)
    if demand.products != titles:
        raise ValueError(
            f"the demand model knows the products {list(demand.products)}, the scenario sells {list(titles)}."
        )
    reader = IntentEncoder.default() if encoder is None else IntentEncoder.load(encoder)
    encoding = reader.encode([text])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the line above has warned of what is odd about the text
        explanation = explain(reader, text, intent)
    vectors = product_vectors(reader, scenario.products)
    own = demand.tastes(encoder_reading(encoding, vectors), vectors)
    # The message stands first and weighs nothing in the average of the others.
    together = Tastes(
        np.concatenate([own.relevance, customers.relevance]),
        np.concatenate([own.price_sensitivity, customers.price_sensitivity]),
        np.concatenate([own.coupon_affinity, customers.coupon_affinity]),
    )
    weight = np.concatenate([[0.0], customers.weight])
    tastes = explain_tastes(together, 0, titles, weight=weight)
    return Reading(explanation, None if encoding.in_scope is None else bool(encoding.in_scope[0]), tastes)


def strongest(tastes: Sequence[Taste], products: int = 3) -> list[Taste]:
    """The tastes that hold for all products, and those for the products it stands out for most."""
    general = [taste for taste in tastes if not taste.taste.startswith("relevance of ")]
    named = [taste for taste in tastes if taste not in general]
    return general + sorted(named, key=lambda taste: -abs(taste.difference))[:products]


def write_html(path: Path, explanation: Explanation) -> None:
    """The coloured message as a file that any browser shows."""
    write_atomically(path, f'<meta charset="utf-8">{to_html(explanation)}\n'.encode())

"""From a shop's own messages to a population of customers.

Owns    which encoder and demand model read the messages, and the summary of what they found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flashsale_env import INTENTS, Population, Scenario
from flashsale_env.encoders.demand.tastes import DemandModel
from flashsale_env.encoders.text.embedding_cache import EmbeddingCache
from flashsale_env.encoders.text.intent import Encoding, IntentEncoder
from flashsale_env.encoders.text.labelled import check_rows, fine_tune_on
from flashsale_env.encoders.world.building import DEMAND_FOLDER
from flashsale_env.encoders.world.populations import population_from_texts

EXAMPLES = 5


@dataclass(frozen=True)
class Example:
    """A message, its most probable intent and that intent's probability."""

    text: str
    intent: str
    probability: float


class CachedEncoder(IntentEncoder):
    """An encoder that looks every text up in its cache, if it has one, before reading it."""

    cache: EmbeddingCache | None = None

    def encode(self, texts: Sequence[str], *, cache: EmbeddingCache | None = None, **options: Any) -> Encoding:
        return super().encode(texts, cache=cache or self.cache, **options)


def open_encoder(folder: Path | None, cache: EmbeddingCache | None) -> CachedEncoder:
    """The encoder of a folder, or the shipped one."""
    encoder = CachedEncoder.default() if folder is None else CachedEncoder.load(folder)
    encoder.cache = cache
    return encoder


def read_customers(
    texts: Sequence[str],
    scenario: Scenario,
    encoder: Path | None,
    *,
    cache: EmbeddingCache | None = None,
    in_scope_only: bool = False,
    command: str,
    progress: bool,
) -> Population:
    """A population from messages.

    Args:
        encoder: folder with an encoder and the demand model fitted on its embeddings, as `flashsale demo` leaves
            in DIR/encoder; None for the shipped pair.
        cache: where embeddings are looked up and kept.
        in_scope_only: leave out messages with none of the nine intents.

    Raises:
        ValueError, FileNotFoundError: the folder does not hold both, or the demand model knows other products.
    """
    reader = open_encoder(encoder, cache)
    demand = DemandModel.load(DEMAND_FOLDER if encoder is None else encoder)
    return population_from_texts(
        texts, reader, demand, scenario, in_scope_only=in_scope_only, command=command, progress=progress
    )


def tune(
    texts: Sequence[str],
    labels: Sequence[str],
    encoder: Path | None,
    *,
    cache: EmbeddingCache | None = None,
    command: str,
    progress: bool,
) -> tuple[IntentEncoder, DemandModel]:
    """An encoder whose head learned the labelled rows, and the demand model that reads beside it.

    Args:
        texts: all messages.
        labels: their intents, "" for the rows that have none and teach nothing.
        encoder, cache: where both start from, as for `read_customers`.

    Raises:
        ValueError, FileNotFoundError: too few labelled rows, before anything is loaded; the folder does not hold both.
    """
    rows = [row for row, label in enumerate(labels) if label]
    learned = [texts[row] for row in rows], [labels[row] for row in rows]
    check_rows(*learned)
    start = open_encoder(encoder, cache)
    tuned = fine_tune_on(*learned, start=start, command=command, progress=progress)
    return tuned, DemandModel.load(DEMAND_FOLDER if encoder is None else encoder)


def save_encoder(encoder: IntentEncoder, demand: DemandModel, folder: Path) -> None:
    """Both in one folder, as `--encoder` takes it."""
    encoder.save(folder)
    demand.save(folder)


def summary(population: Population) -> dict[str, Any]:
    """What was read: the intent mix in two ways, mean tastes, and a few messages evenly spaced over the file.

    Returns:
        "messages"; "intents": intent -> {"messages" it is the best guess for, "mean_probability",
        "mean_price_sensitivity" of these voices or None}; "examples".
    """
    guess = population.latent_class
    intents = {}
    for i, intent in enumerate(INTENTS):
        here = guess == i
        sensitivity = float(population.price_sensitivity[here].mean()) if here.any() else None
        intents[intent] = {
            "messages": int(here.sum()),
            "mean_probability": float(population.intent_probabilities[:, i].mean()),
            "mean_price_sensitivity": sensitivity,
        }
    rows = np.unique(np.linspace(0, len(population) - 1, EXAMPLES).round().astype(int))
    examples = [
        Example(
            population.utterances[row],
            INTENTS[guess[row]],
            float(population.intent_probabilities[row, guess[row]]),
        )
        for row in rows
    ]
    return {"messages": len(population), "intents": intents, "examples": examples}

"""From a shop's own messages to a population of customers.

Owns    which encoder and demand model infer intents and tastes, fine-tuning on labelled rows, and the summary of what
        was found.
Leaves  reading the file to `messages`; encoding, fine-tuning and tastes to `encoders`.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flashsale_env import INTENTS, Population, Product, load_scenario
from flashsale_env.encoders.corpus.generator import generate, language_for
from flashsale_env.encoders.demand.tastes import DemandModel
from flashsale_env.encoders.text.backbone import load_backbone
from flashsale_env.encoders.text.embedding_cache import EmbeddingCache
from flashsale_env.encoders.text.intent import DEFAULT_TRAIN, DEFAULT_VALIDATION, Encoding, IntentEncoder
from flashsale_env.encoders.text.labelled import FOLDS, check_rows, fine_tune_on
from flashsale_env.encoders.world.assortment import demand_for, named
from flashsale_env.encoders.world.building import DEMAND_FOLDER
from flashsale_env.encoders.world.populations import population_from_texts
from flashsale_env.experiments.display import notice
from flashsale_env.experiments.pages.drawn import keep
from flashsale_env.experiments.pages.pictures import confusion
from flashsale_env.experiments.runs import Run

EXAMPLES = 5
_FROZEN = {"train": DEFAULT_TRAIN, "validation": DEFAULT_VALIDATION}
ENCODER, CONFUSION = "encoder", "confusion"  # in the folder of the run, where the encoder was fine-tuned


@dataclass(frozen=True, eq=False)
class Encoded:
    """The population that a file of messages became.

    Args:
        population: one voice a message.
        messages: number of them in the file, also those left out.
        labelled: number of messages that the encoder was fine-tuned on.
        cross_validation: of the fine-tuned encoder; None where no rows were labelled.
        cache: of the embeddings, with its counts; None without one.
    """

    population: Population
    messages: int
    labelled: int
    cross_validation: Mapping[str, Any] | None
    cache: EmbeddingCache | None

    @property
    def outside(self) -> int:
        """Messages with none of the nine intents; 0 where the encoder has no threshold."""
        return self.population.card["out_of_scope"] or 0

    @property
    def masked(self) -> dict[str, int]:
        """Personal details that were masked, by kind."""
        return dict(self.population.card["masked"])

    def as_json(self) -> dict[str, Any]:
        """As `summary`, "masked", and "cross_validation" where there is one."""
        scored = {} if self.cross_validation is None else {"cross_validation": self.cross_validation}
        return {**summary(self.population), "masked": self.masked, **scored}


class CachedEncoder(IntentEncoder):
    """An encoder that looks for the embedding of a text in its cache, if it has one, before it computes it."""

    cache: EmbeddingCache | None = None

    def encode(self, texts: Sequence[str], *, cache: EmbeddingCache | None = None, **options: Any) -> Encoding:
        return super().encode(texts, cache=cache or self.cache, **options)


def encode_messages(
    run: Run,
    texts: Sequence[str],
    labels: Sequence[str] | None,
    products: Sequence[Product],
    folder: Path | None,
    *,
    backbone: str | None = None,
    cache: Path | None = None,
    in_scope_only: bool = False,
    folds: int = FOLDS,
) -> Encoded:
    """Build a population from messages and save it in the folder of the run, which is claimed.

    Args:
        run: begun when the population is there, so that an earlier one survives until then.
        texts: the messages.
        labels: intents of the messages, "" where a row has none; the encoder is fine-tuned on them first and saved
            with the population. None where nothing is labelled.
        products: that the customers shop for.
        folder: with an encoder and the demand model fitted on its embeddings, as `flashsale demo` leaves in
            DIR/encoder; None for the shipped pair.
        backbone: of an encoder whose heads are fitted to generated messages first; None for that of the folder.
        cache: folder where embeddings are looked up and kept.
        in_scope_only: leave out messages with none of the nine intents.
        folds: of the cross-validation of the fine-tuned encoder.

    Raises:
        ValueError, FileNotFoundError: too few labelled rows, before anything is loaded; the folder does not hold
            both.
    """
    rows = [row for row, label in enumerate(labels or ()) if label]
    known = [] if labels is None else [labels[row] for row in rows]
    if labels is not None:
        check_rows([texts[row] for row in rows], known, folds)
    progress = sys.stderr.isatty()
    embeddings = None if cache is None else EmbeddingCache(cache)
    encoder: IntentEncoder = open_encoder(folder, embeddings, backbone, run.command)
    # Without its demand model an encoder cannot be used; whether it fits the products is asked below.
    fitted = None if backbone is not None else DemandModel.load(DEMAND_FOLDER if folder is None else folder)
    if labels is not None:
        given = [texts[row] for row in rows]
        encoder = fine_tune_on(given, known, start=encoder, folds=folds, command=run.command, progress=progress)
    demand, shelf = demand_of(encoder, fitted, products, command=run.command, progress=progress)
    population = population_from_texts(
        texts, encoder, demand, shelf, in_scope_only=in_scope_only, command=run.command, progress=progress
    )
    run.begin()
    scored = None
    if labels is not None:
        scored = encoder.card["figures"]["cross_validation"]
        keep(run.folder / CONFUSION, confusion(scored["confusion"]))
    if labels is not None or demand is not fitted:
        encoder.save(run.folder / ENCODER)
        demand.save(run.folder / ENCODER)
    population.save(run.folder)
    run.finish()
    return Encoded(population, len(texts), len(rows), scored, embeddings)


def open_encoder(
    folder: Path | None, cache: EmbeddingCache | None, backbone: str | None = None, command: str = ""
) -> CachedEncoder:
    """The encoder of a folder, the shipped one, or one whose heads are fitted to generated messages now."""
    if backbone is not None:
        encoder: IntentEncoder = frozen_encoder(CachedEncoder, backbone, command)
    else:
        encoder = CachedEncoder.default() if folder is None else CachedEncoder.load(folder)
    assert isinstance(encoder, CachedEncoder)
    encoder.cache = cache
    return encoder


def frozen_encoder(kind: type[IntentEncoder], backbone: str, command: str) -> IntentEncoder:
    """An encoder with heads on a backbone as it was pretrained, in all languages that it shares with the corpus."""
    language = language_for(load_backbone(backbone).languages)
    train, validation = (generate(split, n, 0, language=language) for split, n in _FROZEN.items())
    return kind.fine_tune(
        train, validation, backbone=backbone, method="frozen", progress=False, command=command,
        corpus={"language": language, "seed": 0, **_FROZEN},
    )  # fmt: skip


def demand_of(
    encoder: IntentEncoder, fitted: DemandModel | None, products: Sequence[Product], *, command: str, progress: bool
) -> tuple[DemandModel, tuple[Product, ...]]:
    """The demand model for these products, and the products that it knows.

    A fitted model that knows them all is used, for all that it knows: a sale takes what it sells from the population,
    in any order. For others a model is fitted in the reference world.
    """
    if fitted is not None:
        known = {product.title: product for product in (*load_scenario("standard").products, *products)}
        if {product.title for product in products} <= set(fitted.products) <= set(known):
            return fitted, tuple(known[title] for title in fitted.products)
    notice(f"fitting demand for {len(products)} products in the reference world (about a minute)")
    named_products = tuple(named(product) for product in products)
    return demand_for(encoder, named_products, command=command, progress=progress), named_products


def summary(population: Population) -> dict[str, Any]:
    """The mix of intents in two ways, mean tastes, and a few messages evenly spaced over the file.

    Returns:
        "messages"; "intents": intent -> {"messages" whose most probable intent it is, "mean_probability",
        "mean_price_sensitivity" of these voices or None}; "examples": {"text", "intent", "probability"} each.
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
        {
            "text": population.utterances[row],
            "intent": INTENTS[guess[row]],
            "probability": float(population.intent_probabilities[row, guess[row]]),
        }
        for row in rows
    ]
    return {"messages": len(population), "intents": intents, "examples": examples}

"""Building populations: messages in, a table of voices out.

Owns    the chain texts -> encoder -> demand model -> population, and the shipped populations.

    python -m encoders.building     rebuilds `flashsale_env/data/{intent,reference,learned}` and the demand model

Everything that can be measured against the truth is measured in the reference world, on voices whose phrasing neither
the encoder nor the demand model has seen.
"""

import argparse
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from encoders.corpus import Message, generate
from encoders.demand import ChoiceData, DemandModel, Reading, Tastes, elasticity_at_list_price, likelihood_gap
from encoders.intent import Encoding, IntentEncoder
from encoders.reference import (
    TASTES,
    WILLINGNESS_MEANS,
    WILLINGNESS_SHARES,
    named_products,
    randomised_price_experiment,
    reference_population,
    willingness_class,
)
from flashsale_env import INTENTS, Population, Product, Scenario, load_scenario

DEMAND_FOLDER = Path(__file__).parent / "data" / "default"
POPULATION_FOLDER = Path(__file__).parent.parent / "flashsale_env" / "data"
COMMAND = "python -m encoders.building"

# Thousands of voices and half a million visits make the interval of the likelihood gap about a tenth of the gap.
VOICES = 4500
HELDOUT_VOICES = 2700
VISITS = 600_000


@dataclass(frozen=True, eq=False)
class ReferenceStudy:
    """What came out of estimating demand in the reference world."""

    demand: DemandModel
    reference: Population
    learned: Population
    figures: dict[str, Any]


def product_vectors(encoder: IntentEncoder, products: Sequence[Product]) -> npt.NDArray[np.float32]:
    """(M, w) embeddings of the products' own texts."""
    return encoder.encode([product.noun or product.title for product in products]).embeddings


def read(encoding: Encoding, vectors: npt.NDArray[np.float32]) -> Reading:
    """What the demand model is told of each message: the encoder's probabilities and its likeness to each product."""
    return Reading(encoding.probabilities, encoding.embeddings @ vectors.T)


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
    """Voices with the tastes that the demand model reads in their text; the class is the encoder's best guess."""
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
    scenario: Scenario,
    *,
    command: str = "",
    progress: bool = False,
) -> Population:
    """A population from a shop's own messages: intents by the encoder, tastes by the demand model.

    Raises:
        ValueError: the scenario's products are not those the demand model was fitted on.
    """
    titles = tuple(product.title for product in scenario.products)
    if demand.products != titles:
        raise ValueError(
            f"the demand model knows the products {list(demand.products)}, the scenario sells {list(titles)}."
        )
    encoding = encoder.encode(texts, progress=progress)
    vectors = product_vectors(encoder, scenario.products)
    tastes = demand.tastes(read(encoding, vectors), vectors)
    card = {
        "kind": "learned",
        "command": command,
        "encoder": encoder.card,
        "intent_mix": _mix(encoding.probabilities),
        "versions": versions(),
    }
    return learned_population(texts, encoding, tastes, scenario.products, card=card)


def study_reference_world(
    encoder: IntentEncoder,
    scenario: Scenario,
    *,
    voices: int = VOICES,
    heldout_voices: int = HELDOUT_VOICES,
    visits: int = VISITS,
    seed: int = 0,
    command: str = COMMAND,
    progress: bool = False,
) -> ReferenceStudy:
    """Estimate demand on a logged experiment of the reference world and measure it on voices it never saw.

    Three models of one family are fitted on the same log: without text, with the true intent and the product named (all
    that a text can say), and with the encoder's embedding. Held-out figures are over at least `visits` visits by voices
    of other templates.
    """
    products = scenario.products
    nouns = tuple(product.noun for product in products)
    titles = [product.title for product in products]
    vectors = product_vectors(encoder, products)

    def world(split: str, count: int) -> tuple[list[Message], Encoding, Population, ChoiceData]:
        messages = generate(split, count, seed, goods=nouns)
        encoding = encoder.encode([message.text for message in messages], progress=progress)
        population = reference_population(products, messages, encoding.probabilities, seed)
        log = randomised_price_experiment(scenario, population, visits, seed)
        return messages, encoding, population, ChoiceData.from_log(log)

    messages, encoding, population, data = world("demand", voices)
    heldout_messages, heldout_encoding, heldout_population, heldout_data = world("evaluation", heldout_voices)

    known = {
        "encoder": (read(encoding, vectors), read(heldout_encoding, vectors)),
        "true_intent": (_told(messages, products), _told(heldout_messages, products)),
        "no_text": (_nothing(voices, len(products)), _nothing(heldout_voices, len(products))),
    }
    models, nll = {}, {}
    for name, (training, heldout) in known.items():
        models[name] = DemandModel.fit(training, vectors, titles, data, seed=seed, progress=progress)
        nll[name] = models[name].visit_nll(heldout, vectors, heldout_data)

    demand = models["encoder"]
    heldout_tastes = demand.tastes(read(heldout_encoding, vectors), vectors)
    truth = Tastes(
        heldout_population.relevance, heldout_population.price_sensitivity, heldout_population.coupon_affinity
    )
    recovered = elasticity_at_list_price(heldout_tastes, heldout_population.latent_class, len(INTENTS))
    true = elasticity_at_list_price(truth, heldout_population.latent_class, len(INTENTS))
    text_gap = likelihood_gap(nll["no_text"], nll["encoder"], heldout_data.voice)
    full_gap = likelihood_gap(nll["no_text"], nll["true_intent"], heldout_data.voice)
    figures = {
        "visits": len(data),
        "heldout_visits": len(heldout_data),
        "heldout_nll": float(nll["encoder"].mean()),
        "no_text_nll": float(nll["no_text"].mean()),
        "true_intent_nll": float(nll["true_intent"].mean()),
        "gap_no_text_minus_encoder": asdict(text_gap),
        "gap_no_text_minus_true_intent": asdict(full_gap),
        "share_of_gap_closed": text_gap.mean / full_gap.mean,
        "elasticity": {
            intent: {"true": float(true[i]), "recovered": float(recovered[i])} for i, intent in enumerate(INTENTS)
        },
    }
    demand.card |= {"command": command, "figures": figures, "versions": versions()}
    shared = {
        "command": command,
        "seed": seed,
        "encoder": {
            "sha256_of_backbone": encoder.card["backbone"]["sha256"],
            "card": encoder.card["figures"],
        },
        "figures": figures,
        "versions": versions(),
    }
    reference = Population(
        **{**vars(population), "card": {"kind": "reference", **shared, "intent_mix": _true_mix(population)}}
    )
    learned = learned_population(
        reference.utterances,
        encoding,
        demand.tastes(read(encoding, vectors), vectors),
        products,
        weight=reference.weight,
        languages=reference.languages,
        card={"kind": "learned", **shared, "intent_mix": _mix(encoding.probabilities, reference.weight)},
    )
    return ReferenceStudy(demand, reference, learned, figures)


INTENT_VOICES = 1800


def intent_population(
    encoder: IntentEncoder, scenario: Scenario, *, seed: int = 0, command: str = COMMAND
) -> Population:
    """Customers of the scenario `intent`: willingness to pay by the true intent, messages of unseen templates.

    Args:
        encoder: reads the messages; what it reads is all that prices can depend on.
        scenario: sells one product, to exponential willingness to pay.
        seed: of the messages.
    """
    (product,) = scenario.products
    messages = generate("evaluation", INTENT_VOICES, seed)
    encoding = encoder.encode([message.text for message in messages])
    member = np.array([willingness_class(TASTES[message.intent].price_sensitivity) for message in messages])
    mean, share = (np.array(of_class)[member] for of_class in (WILLINGNESS_MEANS, WILLINGNESS_SHARES))
    return Population(
        products=(product.title,),
        utterances=tuple(message.text for message in messages),
        languages=tuple(message.language for message in messages),
        intent_probabilities=encoding.probabilities,
        latent_class=np.array([INTENTS.index(message.intent) for message in messages], np.int64),
        relevance=np.zeros((len(messages), 1), np.float32),
        price_sensitivity=(product.reference_price / mean).astype(np.float32),
        coupon_affinity=np.ones(len(messages), np.float32),
        weight=(share / np.bincount(member)[member]).astype(np.float32),
        card={
            "kind": "reference",
            "command": command,
            "seed": seed,
            "classes": [
                {
                    "mean_willingness_to_pay": WILLINGNESS_MEANS[k],
                    "share": WILLINGNESS_SHARES[k],
                    "intents": [i for i in INTENTS if willingness_class(TASTES[i].price_sensitivity) == k],
                }
                for k in range(len(WILLINGNESS_MEANS))
            ],
            "encoder": {"sha256_of_backbone": encoder.card["backbone"]["sha256"], "card": encoder.card["figures"]},
            "versions": versions(),
        },
    )


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    names = ("numpy", "numba", "torch", "transformers", "peft", "scikit-learn", "flashsale-env")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}


def _told(messages: Sequence[Message], products: Sequence[Product]) -> Reading:
    """The truth that a text can carry: the intent, and the product named."""
    intent = np.eye(len(INTENTS), dtype=np.float32)[[INTENTS.index(message.intent) for message in messages]]
    return Reading(intent, named_products(messages, products).astype(np.float32))


def _nothing(voices: int, products: int) -> Reading:
    return Reading(np.zeros((voices, 0), np.float32), np.zeros((voices, products), np.float32))


def _mix(probabilities: npt.NDArray[np.float32], weight: npt.NDArray[np.float32] | None = None) -> dict[str, float]:
    mean = np.average(probabilities, axis=0, weights=weight)
    return {intent: round(float(share), 4) for intent, share in zip(INTENTS, mean, strict=True)}


def _true_mix(population: Population) -> dict[str, float]:
    return _mix(np.eye(len(INTENTS), dtype=np.float32)[population.latent_class], population.weight)


def main(arguments: Sequence[str] | None = None) -> None:
    """Rebuild the shipped populations and the shipped demand model."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=main.__doc__)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    encoder = IntentEncoder.default()
    intent_population(encoder, load_scenario("intent"), seed=options.seed).save(POPULATION_FOLDER / "intent")
    study = study_reference_world(encoder, load_scenario("standard"), seed=options.seed, progress=True)
    study.demand.save(DEMAND_FOLDER)
    study.reference.save(POPULATION_FOLDER / "reference")
    study.learned.save(POPULATION_FOLDER / "learned")
    for name, value in study.figures.items():
        print(f"{name}: {value}", file=sys.stdout)


if __name__ == "__main__":
    main()

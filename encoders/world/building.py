"""Building populations: messages in, a table of voices out.

Owns    the chain texts -> encoder -> demand model -> population, and the shipped populations.

    python -m flashsale_env.encoders.world.building                 the shipped populations of the default encoder
    python -m flashsale_env.encoders.world.building --encoder DIR   those in the languages of a multilingual encoder

The demand model is saved beside its encoder: `flashsale encode --encoder DIR` takes both.

Everything that can be measured against the truth is measured in the reference world, on voices whose phrasing neither
the encoder nor the demand model has seen.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, Population, Product, Scenario, load_scenario
from flashsale_env.encoders.corpus.generator import LANGUAGES, Message, generate, language_for, noun_in
from flashsale_env.encoders.demand.tastes import ChoiceData, DemandModel, Reading, Tastes, elasticity_at_list_price
from flashsale_env.encoders.intervals import likelihood_gap, share_closed
from flashsale_env.encoders.text.intent import Encoding, IntentEncoder
from flashsale_env.encoders.threads import one_thread
from flashsale_env.encoders.world.reference import (
    TASTES,
    WILLINGNESS_MEANS,
    WILLINGNESS_SHARES,
    named_products,
    randomised_price_experiment,
    reference_population,
    willingness_class,
)
from flashsale_env.encoders.world.seeding import log_seed
from flashsale_env.versions import versions

DEMAND_FOLDER = Path(__file__).parent.parent / "data" / "default"
POPULATION_FOLDER = Path(__file__).parent.parent.parent / "flashsale_env" / "data"
COMMAND = "python -m flashsale_env.encoders.world.building"

VOICES = 4500
HELDOUT_VOICES = 2700
VISITS = 600_000
# Independent logs that a model is measured on. Sales differ more than voices do, and a log of 600,000 visits is but 51
# sales: with five logs the interval of the likelihood gap is about a tenth of the gap.
HELDOUT_LOGS = 5


@dataclass(frozen=True, eq=False)
class ReferenceStudy:
    """What came out of estimating demand in the reference world."""

    demand: DemandModel
    reference: Population
    learned: Population
    figures: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Heard:
    """Customers of the reference world who wrote, what the encoder read, and what they did in the price experiment."""

    messages: list[Message]
    encoding: Encoding
    population: Population
    log: ChoiceData


def hear(
    encoder: IntentEncoder,
    scenario: Scenario,
    split: str,
    voices: int,
    *,
    visits: int = VISITS,
    seed: int = 0,
    log: int = 0,
    progress: bool = False,
) -> Heard:
    """Voices of one split of the corpus, in all languages that the encoder and the corpus share, and a choice log of at
    least `visits` visits by them.

    Logs of different split, seed or number have no draw in common: other messages, tastes, prices and customers.
    """
    products, seed = scenario.products, log_seed(split, seed, log)
    nouns = tuple(product.noun for product in products)
    messages = generate(split, voices, seed, goods=nouns, language=language_for(encoder.card["languages"]))
    encoding = encoder.encode([message.text for message in messages], progress=progress)
    population = reference_population(products, messages, encoding.probabilities, seed)
    visited = randomised_price_experiment(scenario, population, visits, seed)
    return Heard(messages, encoding, population, ChoiceData.from_log(visited, products))


@dataclass(frozen=True, eq=False)
class Measured:
    """What models predict of the visits of several independent logs, joined; clusters of different logs differ.

    Args:
        nll: model -> (n,) negative log-likelihood of each visit.
        voice, sale, log: (n,) cluster of each visit.
    """

    nll: dict[str, npt.NDArray[np.float64]]
    voice: npt.NDArray[np.int64]
    sale: npt.NDArray[np.int64]
    log: npt.NDArray[np.int64]

    @classmethod
    def join(cls, logs: Sequence[tuple[Mapping[str, npt.NDArray[np.float64]], ChoiceData]]) -> "Measured":
        """Of each log the models' likelihoods and its visits."""
        return cls(
            {name: np.concatenate([nll[name] for nll, _ in logs]) for name in logs[0][0]},
            numbered_apart([data.voice for _, data in logs]),
            numbered_apart([data.sale for _, data in logs]),
            np.repeat(np.arange(len(logs)), [len(data) for _, data in logs]),
        )

    def by_log(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(number of logs,) the mean of each."""
        return np.bincount(self.log, values) / np.bincount(self.log)


def numbered_apart(parts: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Numbers of several parts, one after the other, shifted so that no two parts share one.

    >>> numbered_apart([np.array([0, 1]), np.array([0, 2])]).tolist()
    [0, 1, 2, 4]
    """
    offsets = np.cumsum([0, *(int(part.max()) + 1 for part in parts[:-1])])
    return np.concatenate([part + offset for part, offset in zip(parts, offsets, strict=True)])


def product_vectors(encoder: IntentEncoder, products: Sequence[Product]) -> npt.NDArray[np.float32]:
    """(M, w) embeddings of the products' own texts, averaged over the languages of the corpus that it knows."""
    nouns = [product.noun or product.title for product in products]
    spoken = [code for code in LANGUAGES if code in encoder.card["languages"]]
    in_each = [encoder.encode([noun_in(code, noun) for noun in nouns]).embeddings for code in spoken or ("en",)]
    return np.asarray(np.mean(in_each, axis=0), np.float32)


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
    """Voices with the tastes that the demand model reads in their text; the class is the encoder's best guess.

    Relevance is net of `Product.quality`, as in every population: the simulator adds that of the sale.
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
    scenario: Scenario,
    *,
    in_scope_only: bool = False,
    command: str = "",
    progress: bool = False,
) -> Population:
    """A population from a shop's own messages: intents by the encoder, tastes by the demand model.

    The card says how many messages the encoder took for none of the nine intents, where it can tell.

    Args:
        in_scope_only: leave those messages out. Otherwise they count with the intent they are most like.

    Raises:
        ValueError: the scenario's products are not those the demand model was fitted on; no message is left, or the
            encoder cannot tell.
    """
    titles = tuple(product.title for product in scenario.products)
    if demand.products != titles:
        raise ValueError(
            f"the demand model knows the products {list(demand.products)}, the scenario sells {list(titles)}."
        )
    encoding = encoder.encode(texts, progress=progress)
    outside = None if encoding.in_scope is None else int((~encoding.in_scope).sum())
    if in_scope_only:
        if encoding.in_scope is None:
            raise ValueError("this encoder has no threshold of what is out of scope: fine-tune it again.")
        rows = np.flatnonzero(encoding.in_scope)
        if not len(rows):
            raise ValueError(f"none of the {len(texts)} messages has one of the nine intents: nobody is left.")
        texts = [texts[row] for row in rows]
        encoding = Encoding(encoding.probabilities[rows], encoding.embeddings[rows])
    vectors = product_vectors(encoder, scenario.products)
    tastes = demand.tastes(read(encoding, vectors), vectors)
    card = {
        "kind": "learned",
        "command": command,
        "encoder": encoder.card,
        "out_of_scope": outside,
        "intent_mix": _mix(encoding.probabilities),
        "versions": versions(),
    }
    return learned_population(texts, encoding, tastes, scenario.products, card=card)


def study_reference_world(
    encoder: IntentEncoder,
    scenario: Scenario,
    *,
    voices: int = VOICES,
    heldout_voices: int = HELDOUT_LOGS * HELDOUT_VOICES,
    visits: int = VISITS,
    heldout_visits: int = HELDOUT_LOGS * VISITS,
    heldout_logs: int = HELDOUT_LOGS,
    seed: int = 0,
    command: str = COMMAND,
    progress: bool = False,
) -> ReferenceStudy:
    """Estimate demand on a logged experiment of the reference world and measure it on voices it never saw.

    Three models of one family are fitted on the same log: without text, with the true intent and the product named (all
    that a text can say), and with the encoder's embedding. Held-out figures are over several independent logs, each
    with voices, sales and prices of its own, and over other templates. Their intervals are over voices and sales, given
    the three models as they were fitted.

    Args:
        voices, visits: of the log that demand is estimated on.
        heldout_voices, heldout_visits: of all held-out logs together, at least.
        heldout_logs: number of them.
        seed: of the study.
    """
    products = scenario.products
    titles = [product.title for product in products]
    vectors = product_vectors(encoder, products)
    readings = {
        "encoder": lambda heard: read(heard.encoding, vectors),
        "true_intent": lambda heard: told(heard.messages, products),
        "no_text": lambda heard: nothing(len(heard.messages), len(products)),
    }
    fit = hear(encoder, scenario, "demand", voices, visits=visits, seed=seed, progress=progress)
    models = {
        name: DemandModel.fit(reading(fit), vectors, titles, fit.log, seed=seed, progress=progress)
        for name, reading in readings.items()
    }
    demand = models["encoder"]
    logs, truths, estimates, intents = [], [], [], []
    for log in range(heldout_logs):
        heldout = hear(
            encoder,
            scenario,
            "evaluation",
            -(-heldout_voices // heldout_logs),
            visits=-(-heldout_visits // heldout_logs),
            seed=seed,
            log=log,
            progress=progress,
        )
        nll = {
            name: models[name].visit_nll(reading(heldout), vectors, heldout.log) for name, reading in readings.items()
        }
        logs.append((nll, heldout.log))
        truths.append(heldout.population)
        estimates.append(demand.tastes(read(heldout.encoding, vectors), vectors))
        intents.append(heldout.population.latent_class)
    measured = Measured.join(logs)
    nll, clusters = measured.nll, (measured.voice, measured.sale)
    text_gap, full_gap = (likelihood_gap(nll["no_text"], nll[k], *clusters) for k in ("encoder", "true_intent"))
    closed = share_closed(nll["no_text"], nll["encoder"], nll["true_intent"], *clusters)
    quality = [product.quality for product in products]
    recovered, true = (
        elasticity_at_list_price(_joined(parts), quality, np.concatenate(intents), len(INTENTS))
        for parts in (estimates, truths)
    )
    figures = {
        "visits": len(fit.log),
        "heldout_logs": heldout_logs,
        "heldout_voices": sum(map(len, truths)),
        "heldout_sales": len(np.unique(measured.sale)),
        "heldout_visits": len(measured.log),
        "heldout_nll": float(nll["encoder"].mean()),
        "no_text_nll": float(nll["no_text"].mean()),
        "true_intent_nll": float(nll["true_intent"].mean()),
        "gap_no_text_minus_encoder": asdict(text_gap),
        "gap_of_each_log": measured.by_log(nll["no_text"] - nll["encoder"]).tolist(),
        "gap_no_text_minus_true_intent": asdict(full_gap),
        "share_of_gap_closed": asdict(closed),
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
    card = {"kind": "reference", **shared, "intent_mix": _true_mix(fit.population)}
    reference = Population(**{**vars(fit.population), "card": card})
    learned = learned_population(
        reference.utterances,
        fit.encoding,
        demand.tastes(read(fit.encoding, vectors), vectors),
        products,
        weight=reference.weight,
        languages=reference.languages,
        card={"kind": "learned", **shared, "intent_mix": _mix(fit.encoding.probabilities, reference.weight)},
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


def told(messages: Sequence[Message], products: Sequence[Product]) -> Reading:
    """The truth that a text can carry: the intent, and the product named."""
    intent = np.eye(len(INTENTS), dtype=np.float32)[[INTENTS.index(message.intent) for message in messages]]
    return Reading(intent, named_products(messages, products).astype(np.float32))


def nothing(voices: int, products: int) -> Reading:
    """A reading of texts that were never read."""
    return Reading(np.zeros((voices, 0), np.float32), np.zeros((voices, products), np.float32))


def _joined(parts: Sequence[Tastes | Population]) -> Tastes:
    names = ("relevance", "price_sensitivity", "coupon_affinity")
    return Tastes(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _mix(probabilities: npt.NDArray[np.float32], weight: npt.NDArray[np.float32] | None = None) -> dict[str, float]:
    mean = np.average(probabilities, axis=0, weights=weight)
    return {intent: round(float(share), 4) for intent, share in zip(INTENTS, mean, strict=True)}


def _true_mix(population: Population) -> dict[str, float]:
    return _mix(np.eye(len(INTENTS), dtype=np.float32)[population.latent_class], population.weight)


def build_populations(
    encoder_folder: Path | None = None,
    out: Path = POPULATION_FOLDER,
    *,
    seed: int = 0,
    command: str = COMMAND,
    progress: bool = False,
) -> dict[str, Any]:
    """Estimate demand in the reference world; save the demand model beside its encoder, and the populations.

    An English encoder gives the populations `reference`, `learned` and `intent`; one that reads other languages gives
    `reference-en-zh` and `learned-en-zh`, with its languages in the name.

    Args:
        encoder_folder: of a saved encoder; None takes the shipped one.
        out: folder of the populations.
        seed: of the study.
        command: kept in the cards.
        progress: show bars on standard error.

    Returns:
        The figures of `study_reference_world`.

    Raises:
        ValueError: the folder does not hold an encoder.
    """
    with one_thread():
        encoder = IntentEncoder.default() if encoder_folder is None else IntentEncoder.load(encoder_folder)
        languages = [code for code in LANGUAGES if code in encoder.card["languages"]]
        suffix = "" if languages == ["en"] else "-" + "-".join(languages)
        study = study_reference_world(encoder, load_scenario("standard"), seed=seed, command=command, progress=progress)
        study.demand.save(encoder_folder or DEMAND_FOLDER)
        study.reference.save(out / f"reference{suffix}")
        study.learned.save(out / f"learned{suffix}")
        if not suffix:
            pricing = intent_population(encoder, load_scenario("intent"), seed=seed, command=command)
            pricing.save(out / "intent")
    return study.figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Rebuild the shipped populations and the shipped demand model."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=main.__doc__)
    parser.add_argument("--encoder", type=Path, metavar="DIR", help="as `flashsale_env.encoders.text.intent` saves it")
    parser.add_argument("--out", type=Path, metavar="DIR", default=POPULATION_FOLDER, help="of the populations")
    parser.add_argument("--seed", type=int, default=0)
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.parse_args(given)
    command = shlex.join([*COMMAND.split(), *given])
    figures = build_populations(
        options.encoder, options.out, seed=options.seed, command=command, progress=sys.stderr.isatty()
    )
    for name, value in figures.items():
        print(f"{name}: {value}", file=sys.stdout)


if __name__ == "__main__":
    main()

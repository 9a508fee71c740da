"""What a customer's text is worth: to predict choices in the reference world, and to set prices.

Owns    the comparison of readings (no text, TF-IDF, encoder, true intent, shuffled texts) by held-out log-likelihood,
        and by what prices earn that depend on them.
Leaves  the exact revenue of such prices to `flashsale_env.theory.signal`, the world to `reference`, the demand model to
        `demand`, the encoder to `intent`.
Axes    V voices, n visits, C classes of willingness to pay, K predictions.

Prediction: one family of demand models is fitted on one choice log, each time with another reading of the same voices,
and measured on visits by voices whose templates neither the encoder, nor TF-IDF, nor any demand model has seen. All of
it is repeated with fresh voices, sales and prices on both sides, and fresh models. What stays are the encoder and the
templates; so there is an interval over repetitions, and another one over templates.

Prices: willingness to pay of class c is exponential with mean theta_c, so an offer at price p earns p·exp(-p/theta_c)
from a customer of the class. One price is set per *prediction*; stock is not limited. No text can be worth more there
than knowing the class, whoever reads it.

    python -m flashsale_env.encoders.studies.text_value [--out FILE.json] [--seed 0]
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from flashsale_env import INTENTS, Product, Scenario, load_scenario
from flashsale_env.encoders.corpus.generator import Message, generate, language_for
from flashsale_env.encoders.demand.tastes import DemandModel, Reading
from flashsale_env.encoders.intervals import likelihood_gap, share_closed
from flashsale_env.encoders.text.intent import DEFAULT_TRAIN, IntentEncoder, tfidf_model
from flashsale_env.encoders.world.building import (
    HELDOUT_VOICES,
    VISITS,
    VOICES,
    Heard,
    Measured,
    hear,
    nothing,
    product_vectors,
    read,
    told,
)
from flashsale_env.encoders.world.reference import TASTES, willingness_class
from flashsale_env.encoders.world.reference import WILLINGNESS_MEANS as MEANS
from flashsale_env.encoders.world.reference import WILLINGNESS_SHARES as SHARES
from flashsale_env.encoders.world.seeding import log_seed
from flashsale_env.files import write_atomically
from flashsale_env.theory.signal import best_single_price, price_by_prediction, revenue_of_prices

Floats = npt.NDArray[np.float64]

PRICED = ("tfidf", "encoder", "shuffled")  # readings that prices are set by
REPETITIONS = 5
RESAMPLES = 1000


# -- prices ------------------------------------------------------------------------------------------------------------


def pricing_value(
    tuning: npt.NDArray[np.int64],
    heldout: npt.NDArray[np.int64],
    templates: npt.NDArray[np.int64],
    seed: int = 0,
) -> dict[str, Any]:
    """Revenue of pricing by predicted intent, through a measured confusion matrix.

    The nine intents fall into the three classes by `willingness_class`; within a class an intent counts by its share.
    Prices, one for each predicted intent, are set on the tuning messages and earn on the held-out ones.

    Args:
        tuning: (2, n) true and predicted intents of messages that prices are set on.
        heldout: (2, V) the same of messages they earn on.
        templates: (V,) of each held-out message; whole templates are resampled for the interval.
        seed: of the resampling.
    """
    prices = price_by_prediction(MEANS, SHARES, _class_confusion(*tuning))[1]

    def earned(rows: npt.NDArray[np.int64]) -> float:
        return revenue_of_prices(MEANS, SHARES, _class_confusion(heldout[0][rows], heldout[1][rows]), prices)

    rng = np.random.default_rng([0x7E87, seed])
    members = [np.flatnonzero(templates == t) for t in np.unique(templates)]
    # Within each intent, so that none is missing from a sample; one template less than there are, or the variance of a
    # sum over so few would come out too small by that factor (McCarthy & Snowden 1985, The bootstrap and finite
    # population sampling).
    intent_of = np.array([heldout[0][rows[0]] for rows in members])
    own = [np.flatnonzero(intent_of == i) for i in np.unique(intent_of)]
    samples = []
    for _ in range(RESAMPLES):
        drawn = [rng.choice(of_intent, max(1, len(of_intent) - 1)) for of_intent in own]
        samples.append(earned(np.concatenate([members[t] for t in np.concatenate(drawn)])))
    low, high = np.quantile(samples, [0.025, 0.975])
    revenue = earned(np.arange(len(templates)))
    single, perfect = (
        best_single_price(MEANS, SHARES)[0],
        price_by_prediction(MEANS, SHARES, np.eye(len(MEANS)))[0],
    )
    return {
        "revenue": {"mean": revenue, "low": float(low), "high": float(high)},
        "share_of_ceiling": (revenue - single) / (perfect - single),
        "class_accuracy": float(np.mean(_CLASS[heldout[0]] == _CLASS[heldout[1]])),
        "intent_accuracy": float(np.mean(heldout[0] == heldout[1])),
        "prices": dict(zip(INTENTS, prices.tolist(), strict=True)),
    }


_CLASS = np.array([willingness_class(TASTES[intent].price_sensitivity) for intent in INTENTS])


def _class_confusion(true: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]) -> Floats:
    """(3, 9) probability of each predicted intent given the class."""
    share = np.array([TASTES[intent].share for intent in INTENTS])
    counts = np.zeros((len(INTENTS), len(INTENTS)))
    np.add.at(counts, (true, predicted), 1.0)
    by_intent = share[:, None] * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.stack([by_intent[c == _CLASS].sum(axis=0) for c in range(len(MEANS))])


# -- prediction --------------------------------------------------------------------------------------------------------


def _tfidf_reading(model: Pipeline, messages: Sequence[Message], products: Sequence[Product]) -> Reading:
    """Intent probabilities by logistic regression on TF-IDF features, and the features' likeness to each product."""
    texts = [message.text for message in messages]
    columns = [list(model.classes_).index(intent) for intent in INTENTS]
    features, goods = model[0].transform(texts), model[0].transform([product.noun for product in products])
    length = np.sqrt(features.multiply(features).sum(axis=1)) @ np.sqrt(goods.multiply(goods).sum(axis=1)).T
    similarity = np.asarray((features @ goods.T).todense() / np.maximum(length, 1e-12))
    return Reading(model.predict_proba(texts)[:, columns].astype(np.float32), similarity.astype(np.float32))


def all_readings(
    heard: Heard, tfidf: Pipeline, vectors: npt.NDArray[np.float32], products: Sequence[Product], seed: int
) -> dict[str, Reading]:
    """The readings of `text_value` for the voices of one log."""
    seen, truth = read(heard.encoding, vectors), told(heard.messages, products)
    order = np.random.default_rng([0x5F1E, seed]).permutation(len(heard.messages))
    return {
        "no_text": nothing(len(heard.messages), len(products)),
        "tfidf": _tfidf_reading(tfidf, heard.messages, products),
        "encoder": seen,
        "intent_only": Reading(truth.about, np.zeros_like(truth.similarity)),
        "true_intent": truth,
        "shuffled": Reading(seen.about[order], seen.similarity[order]),
    }


def _guesses(heard: Heard, readings: Mapping[str, Reading]) -> dict[str, npt.NDArray[np.int64]]:
    """(2, V) true intents, and those that a reading takes for the most probable."""
    true = heard.population.latent_class
    return {name: np.stack([true, readings[name].about.argmax(axis=1)]) for name in PRICED}


def _compared(measured: Measured, template: npt.NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """The table `readings` of `text_value`; template (n,) is that of each visit's voice."""
    nll, none = measured.nll, measured.nll["no_text"]
    clusterings = {
        "repetition": (measured.log,),
        "voice_and_sale": (measured.voice, measured.sale),
        "template_and_sale": (template, measured.sale),
    }
    table: dict[str, dict[str, Any]] = {"no_text": {"nll": float(none.mean())}}
    for name, each in nll.items():
        if name != "no_text":
            shares = {
                f"share_closed_by_{unit}": asdict(share_closed(none, each, nll["true_intent"], *clusters))
                for unit, clusters in clusterings.items()
            }
            table[name] = {
                "nll": float(each.mean()),
                "gap_to_no_text": asdict(likelihood_gap(none, each, measured.log)),
                "gap_of_each_repetition": measured.by_log(none - each).tolist(),
                **shares,
            }
    return table


def text_value(
    encoder: IntentEncoder,
    scenario: Scenario,
    *,
    voices: int = VOICES,
    heldout_voices: int = HELDOUT_VOICES,
    visits: int = VISITS,
    repetitions: int = REPETITIONS,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """What each reading of the text is worth, on held-out voices of unseen templates.

    Readings: `no_text`; `tfidf` and `encoder` (nine probabilities, and likeness to each product); `intent_only` (the
    true intent without the product named); `true_intent` (the intent and the product named: all that a text can say,
    the ceiling); `shuffled` (the encoder's readings dealt out to other voices, in training and held out).

    Args:
        voices, heldout_voices, visits: of each repetition; visits on either side.
        repetitions: independent ones, at least 2.
        seed: of the study.

    Returns:
        `readings`: name -> nll (nats a visit); gap to no text, with the interval over repetitions and those of each;
        share of the ceiling's gap closed, with three intervals: over repetitions (everything anew but the templates),
        over voices and sales, over templates and sales (the last two given the models as they were fitted);
        `pricing`: revenue per customer of one price, of knowing the class, and by reading (`pricing_value`);
        numbers of visits, voices, sales and templates.

    Raises:
        ValueError: fewer than 2 repetitions.
    """
    if repetitions < 2:
        raise ValueError(f"an interval over repetitions needs at least 2 of them, got {repetitions}.")
    products = scenario.products
    titles = [product.title for product in products]
    vectors = product_vectors(encoder, products)
    corpus = generate("train", DEFAULT_TRAIN, seed, language=language_for(encoder.card["languages"]))
    tfidf = tfidf_model(corpus)
    splits = {"demand": voices, "evaluation": heldout_voices}
    logs, messages, fitted_visits = [], [], 0
    guesses: dict[str, list[dict[str, npt.NDArray[np.int64]]]] = {split: [] for split in splits}
    for log in range(repetitions):
        heard = {
            split: hear(encoder, scenario, split, count, visits=visits, seed=seed, log=log, progress=progress)
            for split, count in splits.items()
        }
        readings = {
            split: all_readings(them, tfidf, vectors, products, log_seed(split, seed, log))
            for split, them in heard.items()
        }
        fit, heldout = heard.values()
        nll = {}
        for name, reading in readings["demand"].items():
            model = DemandModel.fit(
                reading, vectors, titles, fit.log, seed=log_seed("demand", seed, log), progress=progress
            )
            nll[name] = model.visit_nll(readings["evaluation"][name], vectors, heldout.log)
        logs.append((nll, heldout.log))
        messages.append(heldout.messages)
        fitted_visits += len(fit.log)
        for split, them in heard.items():
            guesses[split].append(_guesses(them, readings[split]))
    # A joined message counts with its first sentence: one visit, one cluster.
    known = sorted({message.templates[0] for them in messages for message in them})
    template = [np.array([known.index(message.templates[0]) for message in them]) for them in messages]
    of_visit = np.concatenate([of[data.voice] for of, (_, data) in zip(template, logs, strict=True)])
    measured = Measured.join(logs)
    pooled = {
        split: {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
        for split, parts in guesses.items()
    }
    pricing = {
        name: pricing_value(pooled["demand"][name], pooled["evaluation"][name], np.concatenate(template), seed)
        for name in PRICED
    }
    return {
        "repetitions": repetitions,
        "visits": fitted_visits,
        "heldout_visits": len(measured.log),
        "heldout_voices": repetitions * heldout_voices,
        "heldout_sales": len(np.unique(measured.sale)),
        "heldout_templates": len({name for them in messages for message in them for name in message.templates}),
        "seed": seed,
        "readings": _compared(measured, of_visit),
        "pricing": {
            "one_price": best_single_price(MEANS, SHARES)[0],
            "perfect_intent": price_by_prediction(MEANS, SHARES, np.eye(len(MEANS)))[0],
            "readings": pricing,
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what text is worth in the reference world, as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m flashsale_env.encoders.studies.text_value", description=main.__doc__
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the table there")
    parser.add_argument("--seed", type=int, default=0, help="of messages, tastes and logs (default 0)")
    parser.add_argument(
        "--repetitions", type=int, default=REPETITIONS, help=f"of the whole comparison (default {REPETITIONS})"
    )
    options = parser.parse_args(arguments)
    try:
        found = text_value(
            IntentEncoder.default(),
            load_scenario("standard"),
            repetitions=options.repetitions,
            seed=options.seed,
            progress=True,
        )
    except ValueError as error:
        parser.error(str(error))
    text = json.dumps(found, indent=2)
    if options.out:
        write_atomically(options.out, text.encode())
    print(text, file=sys.stdout)


if __name__ == "__main__":
    main()

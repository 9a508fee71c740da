"""The value of text: for predicting choices in the reference world, and for setting prices.

Owns    the comparison of readings (no text, TF-IDF, encoder, true intent, shuffled texts) by held-out log-likelihood,
        and by the revenue of prices that depend on them.
Leaves  the exact revenue of such prices to `flashsale_env.theory.signal`, the world to `world`, the demand model to
        `demand`, the encoder to `text`.
Axes    V voices, n visits, C classes of willingness to pay, K predictions.

Prediction: the same family of demand models is fitted to one choice log with each reading of its voices, and evaluated
on visits by other voices, whose templates neither the encoder, nor TF-IDF, nor any demand model has seen. This is
repeated with new voices, sales and prices on both sides, and new fits. Only the encoder and the templates stay the
same; hence an interval over repetitions, and another one over templates.

Prices: willingness to pay in class c is exponential with mean theta_c, so an offer at price p earns p·exp(-p/theta_c)
per customer of the class. One price is set per predicted intent; stock is unlimited. Knowing the class is an upper
bound on the value of any text.

    flashsale study text-value [--out DIR] [--seed 0]
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from flashsale_env import INTENTS, Product, Scenario
from flashsale_env.encoders.corpus.generator import Message, generate, language_for
from flashsale_env.encoders.demand.heldout import HeldOut, likelihood_gap, share_closed
from flashsale_env.encoders.demand.tastes import DemandModel, Reading
from flashsale_env.encoders.text.intent import DEFAULT_TRAIN, IntentEncoder
from flashsale_env.encoders.text.tfidf import tfidf_model
from flashsale_env.encoders.world.experiment import HELDOUT_VOICES, VISITS, VOICES, Experiment, run_experiment
from flashsale_env.encoders.world.readings import empty_reading, encoder_reading, product_vectors, true_reading
from flashsale_env.encoders.world.reference import TASTES, willingness_class
from flashsale_env.encoders.world.reference import WILLINGNESS_MEANS as MEANS
from flashsale_env.encoders.world.reference import WILLINGNESS_SHARES as SHARES
from flashsale_env.encoders.world.seeding import log_seed
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
    """Revenue of pricing by predicted intent, from a measured confusion matrix.

    `willingness_class` assigns the nine intents to three classes; within a class, each intent is weighted by its share.
    Prices, one per predicted intent, are optimised on the tuning messages and evaluated on the held-out ones.

    Args:
        tuning: (2, n) true and predicted intents of the messages on which prices are optimised.
        heldout: (2, V) the same for the messages on which they are evaluated.
        templates: (V,) of each held-out message; the interval is from a bootstrap over templates.
        seed: of the bootstrap.

    Returns:
        Revenue per customer with its interval, share of the gain from one price to a known class, accuracy of class
        and intent, and the prices.
    """
    prices = price_by_prediction(MEANS, SHARES, _class_confusion(*tuning))[1]

    def earned(rows: npt.NDArray[np.int64]) -> float:
        return revenue_of_prices(MEANS, SHARES, _class_confusion(heldout[0][rows], heldout[1][rows]), prices)

    rng = np.random.default_rng([0x7E87, seed])
    members = [np.flatnonzero(templates == t) for t in np.unique(templates)]
    # Resample within each intent, so that none is missing. Draw one template less than there are: with n templates, the
    # plain bootstrap variance is too small by the factor (n - 1) / n (McCarthy & Snowden 1985, The bootstrap and finite
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
    """Intent probabilities by logistic regression on TF-IDF, and cosine similarities with the products' nouns."""
    texts = [message.text for message in messages]
    columns = [list(model.classes_).index(intent) for intent in INTENTS]
    features, goods = model[0].transform(texts), model[0].transform([product.noun for product in products])
    length = np.sqrt(features.multiply(features).sum(axis=1)) @ np.sqrt(goods.multiply(goods).sum(axis=1)).T
    similarity = np.asarray((features @ goods.T).todense() / np.maximum(length, 1e-12))
    return Reading(model.predict_proba(texts)[:, columns].astype(np.float32), similarity.astype(np.float32))


def all_readings(
    experiment: Experiment, tfidf: Pipeline, vectors: npt.NDArray[np.float32], products: Sequence[Product], seed: int
) -> dict[str, Reading]:
    """The readings of `text_value` for the voices of one log."""
    voices = len(experiment.messages)
    encoder, truth = encoder_reading(experiment.encoding, vectors), true_reading(experiment.messages, products)
    order = np.random.default_rng([0x5F1E, seed]).permutation(voices)
    return {
        "no_text": empty_reading(voices, len(products)),
        "tfidf": _tfidf_reading(tfidf, experiment.messages, products),
        "encoder": encoder,
        "intent_only": Reading(truth.intents, np.zeros_like(truth.similarity)),
        "true_intent": truth,
        "shuffled": Reading(encoder.intents[order], encoder.similarity[order]),
    }


def _predictions(experiment: Experiment, readings: Mapping[str, Reading]) -> dict[str, npt.NDArray[np.int64]]:
    """Reading -> (2, V) true intents, and the reading's most probable ones."""
    true = experiment.population.latent_class
    return {name: np.stack([true, readings[name].intents.argmax(axis=1)]) for name in PRICED}


def _compared(pooled: HeldOut, template: npt.NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """The table `readings` of `text_value`; template (n,) is that of each visit's voice."""
    nll, none = pooled.nll, pooled.nll["no_text"]
    clusterings = {
        "repetition": (pooled.log,),
        "voice_and_sale": (pooled.voice, pooled.sale),
        "template_and_sale": (template, pooled.sale),
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
                "gap_to_no_text": asdict(likelihood_gap(none, each, pooled.log)),
                "gap_of_each_repetition": pooled.by_log(none - each).tolist(),
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
    """The value of each reading of the text, on held-out voices of unseen templates.

    Readings: `no_text`; `tfidf` and `encoder` (nine probabilities, and similarity to each product); `intent_only` (the
    true intent without the product named); `true_intent` (the intent and the product named: all information that a text
    can carry, the ceiling); `shuffled` (the encoder's readings permuted among the voices, in training and held out).

    Args:
        encoder: of the messages.
        scenario: of the sales.
        voices, heldout_voices, visits: of each repetition; `visits` for the fit, and as many held out.
        repetitions: independent ones, at least 2.
        seed: of the study.
        progress: show bars on standard error.

    Returns:
        `readings`: name -> nll (nats a visit); gap to no text, with the interval over repetitions and the gap of each;
        share of the ceiling's gap that is closed, with three intervals: over repetitions (everything but the templates
        is redrawn), over voices and sales, and over templates and sales (the last two given the fitted models);
        `pricing`: revenue per customer of one price, of a known class, and by reading (`pricing_value`);
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
    predictions: dict[str, list[dict[str, npt.NDArray[np.int64]]]] = {split: [] for split in splits}
    for log in range(repetitions):
        experiments = {
            split: run_experiment(encoder, scenario, split, count, visits=visits, seed=seed, log=log, progress=progress)
            for split, count in splits.items()
        }
        readings = {
            split: all_readings(experiment, tfidf, vectors, products, log_seed(split, seed, log))
            for split, experiment in experiments.items()
        }
        fit, heldout = experiments.values()
        nll = {}
        for name, reading in readings["demand"].items():
            model = DemandModel.fit(
                reading, vectors, titles, fit.choices, seed=log_seed("demand", seed, log), progress=progress
            )
            nll[name] = model.visit_nll(readings["evaluation"][name], vectors, heldout.choices)
        logs.append((nll, heldout.choices))
        messages.append(heldout.messages)
        fitted_visits += len(fit.choices)
        for split, experiment in experiments.items():
            predictions[split].append(_predictions(experiment, readings[split]))
    # A message of two sentences is assigned to the template of its first: each visit is in one cluster.
    known = sorted({message.templates[0] for of_log in messages for message in of_log})
    template = [np.array([known.index(message.templates[0]) for message in of_log]) for of_log in messages]
    of_visit = np.concatenate([of[data.voice] for of, (_, data) in zip(template, logs, strict=True)])
    pooled = HeldOut.pool(logs)
    together = {
        split: {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
        for split, parts in predictions.items()
    }
    pricing = {
        name: pricing_value(together["demand"][name], together["evaluation"][name], np.concatenate(template), seed)
        for name in PRICED
    }
    return {
        "repetitions": repetitions,
        "visits": fitted_visits,
        "heldout_visits": len(pooled.log),
        "heldout_voices": repetitions * heldout_voices,
        "heldout_sales": len(np.unique(pooled.sale)),
        "heldout_templates": len({name for of_log in messages for message in of_log for name in message.templates}),
        "seed": seed,
        "readings": _compared(pooled, of_visit),
        "pricing": {
            "one_price": best_single_price(MEANS, SHARES)[0],
            "perfect_intent": price_by_prediction(MEANS, SHARES, np.eye(len(MEANS)))[0],
            "readings": pricing,
        },
    }

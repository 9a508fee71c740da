"""What a customer's text is worth: to predict choices in the reference world, and to set prices.

Owns    the comparison of readings (no text, TF-IDF, encoder, true intent, shuffled texts) by held-out log-likelihood,
        and by what prices earn that depend on them.
Leaves  the exact revenue of such prices to `flashsale_env.signal`, the world to `reference`, the demand model to
        `demand`, the encoder to `intent`.
Axes    V voices, n visits, C classes of willingness to pay, K predictions.

Prediction: one family of demand models is fitted on one choice log, each time with another reading of the same voices,
and measured on visits by voices whose templates neither the encoder, nor TF-IDF, nor any demand model has seen.

Prices: willingness to pay of class c is exponential with mean theta_c, so an offer at price p earns p·exp(-p/theta_c)
from a customer of the class. One price is set per *prediction*; stock is not limited. No text can be worth more there
than knowing the class, whoever reads it.

    python -m flashsale_env.encoders.text_value [--out FILE.json] [--seed 0]
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from flashsale_env import INTENTS, Product, Scenario, load_scenario
from flashsale_env.encoders.building import HELDOUT_VOICES, VISITS, VOICES, hear, nothing, product_vectors, read, told
from flashsale_env.encoders.corpus import Message, generate, language_for
from flashsale_env.encoders.demand import DemandModel, Reading, likelihood_gap, share_closed
from flashsale_env.encoders.intent import DEFAULT_TRAIN, IntentEncoder, tfidf_model
from flashsale_env.encoders.reference import TASTES, willingness_class
from flashsale_env.encoders.reference import WILLINGNESS_MEANS as MEANS
from flashsale_env.encoders.reference import WILLINGNESS_SHARES as SHARES
from flashsale_env.files import write_atomically
from flashsale_env.signal import best_single_price, price_by_prediction, revenue_of_prices

Floats = npt.NDArray[np.float64]

RESAMPLES = 200


# -- prices ------------------------------------------------------------------------------------------------------------


def pricing_value(
    tuning: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    heldout: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    templates: npt.NDArray[np.int64],
    seed: int = 0,
) -> dict[str, Any]:
    """Revenue of pricing by predicted intent, through a measured confusion matrix.

    The nine intents fall into the three classes by `willingness_class`; within a class an intent counts by its share.
    Prices, one for each predicted intent, are set on the tuning messages and earn on the held-out ones.

    Args:
        tuning: (true, predicted) intents of messages that prices are set on.
        heldout: the same of messages they earn on.
        templates: of each held-out message; whole templates are resampled for the interval.
        seed: of the resampling.
    """
    prices = price_by_prediction(MEANS, SHARES, _class_confusion(*tuning))[1]

    def earned(rows: npt.NDArray[np.int64]) -> float:
        return revenue_of_prices(MEANS, SHARES, _class_confusion(heldout[0][rows], heldout[1][rows]), prices)

    rng = np.random.default_rng([0x7E87, seed])
    members = [np.flatnonzero(templates == t) for t in np.unique(templates)]
    # Within each intent, so that none is missing from a sample.
    intent_of = np.array([heldout[0][rows[0]] for rows in members])
    samples = []
    for _ in range(RESAMPLES):
        drawn = [rng.choice(np.flatnonzero(intent_of == i), (intent_of == i).sum()) for i in np.unique(intent_of)]
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


def text_value(
    encoder: IntentEncoder,
    scenario: Scenario,
    *,
    voices: int = VOICES,
    heldout_voices: int = HELDOUT_VOICES,
    visits: int = VISITS,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """What each reading of the text is worth, on held-out voices of unseen templates.

    Readings: `no_text`; `tfidf` and `encoder` (nine probabilities, and likeness to each product); `intent_only` (the
    true intent without the product named); `true_intent` (the intent and the product named: all that a text can say,
    the ceiling); `shuffled` (the encoder's readings dealt out to other voices, in training and held out).

    Returns:
        `readings`: name -> nll (nats a visit), gap to no text with its interval, share of the ceiling's gap closed with
        intervals clustered by voice and by template; `pricing`: revenue per customer of one price, of knowing the
        class, and by reading (`pricing_value`); numbers of visits and voices. The intervals are about the held-out
        voices, given the models as they were fitted.
    """
    products = scenario.products
    titles = [product.title for product in products]
    vectors = product_vectors(encoder, products)
    corpus = generate("train", DEFAULT_TRAIN, seed, language=language_for(encoder.card["languages"]))
    tfidf = tfidf_model(corpus)
    heard = {
        part: hear(encoder, scenario, split, count, visits=visits, seed=seed, progress=progress)
        for part, split, count in (("fit", "demand", voices), ("heldout", "evaluation", heldout_voices))
    }
    readings = {}
    rng = np.random.default_rng([0x5F1E, seed])
    for part, them in heard.items():
        seen, truth = read(them.encoding, vectors), told(them.messages, products)
        order = rng.permutation(len(them.messages))
        readings[part] = {
            "no_text": nothing(len(them.messages), len(products)),
            "tfidf": _tfidf_reading(tfidf, them.messages, products),
            "encoder": seen,
            "intent_only": Reading(truth.about, np.zeros_like(truth.similarity)),
            "true_intent": truth,
            "shuffled": Reading(seen.about[order], seen.similarity[order]),
        }
    nll = {}
    for name, reading in readings["fit"].items():
        model = DemandModel.fit(reading, vectors, titles, heard["fit"].log, seed=seed, progress=progress)
        nll[name] = model.visit_nll(readings["heldout"][name], vectors, heard["heldout"].log)
    voice = heard["heldout"].log.voice
    template = np.unique([m.template for m in heard["heldout"].messages], return_inverse=True)[1]
    table = {}
    for name, each in nll.items():
        table[name] = {"nll": float(each.mean())}
        if name != "no_text":
            closed = {
                f"share_closed_by_{unit}": asdict(share_closed(nll["no_text"], each, nll["true_intent"], cluster))
                for unit, cluster in (("voice", voice), ("template", template[voice]))
            }
            table[name] |= {"gap_to_no_text": asdict(likelihood_gap(nll["no_text"], each, voice))} | closed
    true = {part: them.population.latent_class for part, them in heard.items()}
    pricing = {
        name: pricing_value(
            *((true[part], readings[part][name].about.argmax(axis=1)) for part in ("fit", "heldout")), template, seed
        )
        for name in ("tfidf", "encoder", "shuffled")
    }
    return {
        "visits": len(heard["fit"].log),
        "heldout_visits": len(heard["heldout"].log),
        "heldout_voices": heldout_voices,
        "heldout_templates": int(template.max()) + 1,
        "seed": seed,
        "readings": table,
        "pricing": {
            "one_price": best_single_price(MEANS, SHARES)[0],
            "perfect_intent": price_by_prediction(MEANS, SHARES, np.eye(len(MEANS)))[0],
            "readings": pricing,
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what text is worth in the reference world, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m flashsale_env.encoders.text_value", description=main.__doc__)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the table there")
    parser.add_argument("--seed", type=int, default=0, help="of messages, tastes and logs (default 0)")
    options = parser.parse_args(arguments)
    found = text_value(IntentEncoder.default(), load_scenario("standard"), seed=options.seed, progress=True)
    text = json.dumps(found, indent=2)
    if options.out:
        write_atomically(options.out, text.encode())
    print(text, file=sys.stdout)


if __name__ == "__main__":
    main()

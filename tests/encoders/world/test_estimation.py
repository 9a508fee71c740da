"""The demand model estimated in the reference world, against the truth."""

import numpy as np

from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.demand.heldout import likelihood_gap
from flashsale_env.encoders.demand.tastes import ChoiceData, DemandModel, Reading
from flashsale_env.encoders.world.experiment import randomised_price_experiment
from flashsale_env.encoders.world.readings import empty_reading, encoder_reading, product_vectors
from flashsale_env.encoders.world.reference import reference_population


def test_text_predicts_choices_of_new_customers(study):
    """For held-out voices and templates, the interval of the gap to no text excludes 0."""
    figures = study.figures
    assert figures["heldout_visits"] >= 60_000
    assert figures["gap_no_text_minus_encoder"]["low"] > 0
    assert figures["gap_no_text_minus_true_intent"]["mean"] >= figures["gap_no_text_minus_encoder"]["mean"]


def test_shuffled_texts_have_no_value(encoder, scenario):
    """A model fitted to shuffled readings predicts no better than one without text."""
    products, titles = scenario.products, [p.title for p in scenario.products]
    messages = generate("demand", 900, 1, goods=tuple(p.noun for p in products))
    encoding = encoder.encode([m.text for m in messages])
    bank = reference_population(products, messages, encoding.probabilities, 1)
    vectors = product_vectors(encoder, products)
    data = ChoiceData.from_log(randomised_price_experiment(scenario, bank, 60_000, 1), products)
    heldout = ChoiceData.from_log(randomised_price_experiment(scenario, bank, 60_000, 2), products)
    reading = encoder_reading(encoding, vectors)
    order = np.random.default_rng(0).permutation(len(messages))
    shuffled = Reading(reading.intents[order], reading.similarity[order])
    nll = {
        name: DemandModel.fit(r, vectors, titles, data, steps=120).visit_nll(r, vectors, heldout)
        for name, r in (("nothing", empty_reading(900, 8)), ("shuffled", shuffled), ("encoder", reading))
    }
    value = likelihood_gap(nll["nothing"], nll["encoder"], heldout.voice, heldout.sale).mean
    assert likelihood_gap(nll["nothing"], nll["shuffled"], heldout.voice, heldout.sale).mean < 0.15 * value
    assert value > 0.01


def test_recovered_elasticities_rank_the_intents(study):
    """Even a small log separates bargain hunters from urgent buyers."""
    recovered = {intent: row["recovered"] for intent, row in study.figures["elasticity"].items()}
    assert recovered["bargain_hunting"] < recovered["urgent_purchase"] - 1.0
    assert recovered["bulk"] < recovered["brand_loyal"]

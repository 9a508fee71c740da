"""Populations from messages, a shop's own among them."""

from dataclasses import replace

import numpy as np
import pytest

from flashsale_env import INTENTS, Simulator, load_scenario
from flashsale_env.encoders.demand.tastes import DemandModel
from flashsale_env.encoders.world.building import DEMAND_FOLDER
from flashsale_env.encoders.world.experiment import run_experiment
from flashsale_env.encoders.world.populations import learned_population, population_from_texts
from flashsale_env.encoders.world.readings import encoder_reading, product_vectors
from tests.encoders.world.stand_ins import KnownLabels


@pytest.mark.parametrize("quality", [-1.0, 0.0, 1.0])
def test_quality_counts_once_in_the_learned_world(scenario, quality):
    """In the same sales at list prices, learned customers convert like the customers of the log that they were learned
    from, within 10 %, the precision of a log of this size. Were quality part of the estimated relevance and then added
    again, conversion would be 1.9 times as high at quality 1, and .4 times at -1."""
    products = tuple(replace(product, quality=quality, initial_stock=10**6) for product in scenario.products)
    arrivals = replace(scenario.arrivals, customers_per_minute=50.0)
    sale = scenario.replace(products=products, arrivals=arrivals)
    encoder = KnownLabels(tuple(product.noun for product in products), 180)
    experiment = run_experiment(encoder, sale, "demand", 180, visits=12_000)
    vectors, titles = product_vectors(encoder, products), [product.title for product in products]
    reading = encoder_reading(experiment.encoding, vectors)
    demand = DemandModel.fit(reading, vectors, titles, experiment.choices, steps=120)
    tastes, true = demand.tastes(reading, vectors), experiment.population
    learned = learned_population(true.utterances, experiment.encoding, tastes, products, weight=true.weight)
    reference, found = (conversion(sale, customers) for customers in (true, learned))
    assert found == pytest.approx(reference, rel=0.1)


def conversion(scenario, population):
    simulator = Simulator(scenario, population, sales=20, actions="multidiscrete")
    simulator.open(np.arange(20, dtype=np.uint64), np.zeros(20, np.int64))
    for _ in range(scenario.horizon_ticks):
        simulator.advance(np.zeros((20, len(simulator.codec.n_levels)), np.int64))
    return simulator.sales["sold"].sum() / simulator.sales["customers"].sum()


def test_a_sale_can_be_played_with_a_shops_own_messages(encoder, scenario, tmp_path):
    texts = ["any discount on the air fryer?", "need it today", "where is my order", "i want 200 pieces"]
    population = population_from_texts(
        texts, encoder, DemandModel.load(DEMAND_FOLDER), scenario.products, command="test"
    )
    assert INTENTS[population.latent_class[0]] == "bargain_hunting"
    simulator = Simulator(scenario, population.save(tmp_path / "population"), sales=2)
    simulator.open(np.arange(2, dtype=np.uint64), np.zeros(2, np.int64))
    simulator.advance(np.zeros((2, 17)))
    assert simulator.sales["customers"].min() > 0


def test_what_is_kept_of_a_message_has_its_personal_details_masked(encoder, scenario):
    texts = ["where is my order 12345678", "call me on 13912345678, i want 200 pieces"]
    population = population_from_texts(texts, encoder, DemandModel.load(DEMAND_FOLDER), scenario.products)
    assert population.utterances == ("where is my order [order number]", "call me on [phone], i want 200 pieces")
    assert population.card["masked"] == {"order number": 1, "phone": 1}
    assert np.array_equal(population.intent_probabilities, encoder.encode(texts).probabilities), "read as written"


def test_a_demand_model_of_other_products_is_refused(encoder):
    other = load_scenario("gvr-periodic")
    with pytest.raises(ValueError, match="the demand model was fitted to the products"):
        population_from_texts(["hello"], encoder, DemandModel.load(DEMAND_FOLDER), other.products)

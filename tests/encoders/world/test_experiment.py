"""The randomised price experiment."""

import numpy as np

from flashsale_env import Population
from flashsale_env.encoders.world.building import POPULATION_FOLDER
from flashsale_env.encoders.world.experiment import randomised_price_experiment, run_experiment
from tests.encoders.world.stand_ins import Bilingual


def test_the_experiment_randomises_every_price(scenario):
    population = Population.load(POPULATION_FOLDER / "reference")
    log = randomised_price_experiment(scenario, population, 200_000, seed=3)
    assert len(log) >= 200_000
    levels = [len(np.unique(log["price_share"][:, j])) for j in range(8)]
    assert levels == [len(product.price_levels) for product in scenario.products]
    correlation = np.corrcoef(log["price_share"].T) - np.eye(8)
    assert np.abs(correlation).max() < 0.2


def test_a_bilingual_encoder_gets_customers_of_both_languages(scenario):
    experiment = run_experiment(Bilingual(), scenario, "demand", 90, visits=1_000)
    assert sorted(set(experiment.population.languages)) == ["en", "zh"]
    assert experiment.population.languages.count("zh") == 45
    goods = {message.good for message in experiment.messages if message.language == "zh" and message.good}
    assert goods
    assert goods <= {product.noun for product in scenario.products}

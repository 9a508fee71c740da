"""The shipped populations and the shipped demand model."""

import json

import numpy as np
import pytest

from flashsale_env import Population
from flashsale_env.encoders.demand.tastes import DemandModel
from flashsale_env.encoders.world.building import DEMAND_FOLDER, POPULATION_FOLDER
from flashsale_env.encoders.world.populations import population_from_texts


@pytest.mark.parametrize("name", ["learned", "reference"])
def test_the_shipped_populations_record_how_they_were_made_and_their_figures(name):
    population = Population.load(POPULATION_FOLDER / name)
    assert population.card["kind"] == name
    assert population.card["command"] == json.loads((DEMAND_FOLDER / "demand.json").read_text())["command"]
    figures = population.card["figures"]
    assert figures["heldout_visits"] >= 5 * 500_000
    gap, logs = figures["gap_no_text_minus_encoder"], figures["gap_of_each_log"]
    assert len(set(logs)) == figures["heldout_logs"] == 5
    # The interval should be as wide as the variation between logs implies; clustered by voice alone it was half as
    # wide. The range of 5 normal values is .4 to 5 standard deviations except once in a thousand.
    assert min(logs) < gap["mean"] < max(logs)
    assert gap["low"] > 0
    assert 0.4 < (max(logs) - min(logs)) / ((gap["high"] - gap["low"]) / 2 / 1.97 * np.sqrt(5)) < 5
    assert figures["true_intent_nll"] < figures["heldout_nll"] < figures["no_text_nll"]
    assert len(population) >= 2000
    assert sum(path.stat().st_size for path in (POPULATION_FOLDER / name).iterdir()) < 4e6


def test_the_two_shipped_populations_share_their_voices():
    a, b = (Population.load(POPULATION_FOLDER / name) for name in ("learned", "reference"))
    assert a.utterances == b.utterances
    assert np.array_equal(a.intent_probabilities, b.intent_probabilities)
    assert not np.array_equal(a.relevance, b.relevance)
    assert np.array_equal(a.latent_class, a.intent_probabilities.argmax(axis=1))


def test_the_bilingual_populations_are_half_chinese_and_evaluated():
    learned, reference = (Population.load(POPULATION_FOLDER / f"{name}-en-zh") for name in ("learned", "reference"))
    assert learned.utterances == reference.utterances
    assert learned.languages.count("zh") == learned.languages.count("en") == len(learned) / 2
    chinese = learned.utterances[learned.languages.index("zh")]
    assert any("\u4e00" <= sign <= "\u9fff" for sign in chinese)
    assert learned.card["command"].endswith("--encoder runs/multilingual")
    assert learned.card["figures"]["share_of_gap_closed"]["low"] > 0.6


def test_the_shipped_encoder_and_demand_model_reproduce_the_learned_population(encoder, scenario):
    learned = Population.load(POPULATION_FOLDER / "learned")
    demand = DemandModel.load(DEMAND_FOLDER)
    rows = np.arange(0, len(learned), 60)
    again = population_from_texts([learned.utterances[i] for i in rows], encoder, demand, scenario.products)
    assert again.intent_probabilities == pytest.approx(learned.intent_probabilities[rows], abs=2e-3)
    assert again.price_sensitivity == pytest.approx(learned.price_sensitivity[rows], rel=2e-2)
    card = json.loads((DEMAND_FOLDER / "demand.json").read_text())
    assert card["figures"] == learned.card["figures"]

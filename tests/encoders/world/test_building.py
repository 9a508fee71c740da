"""The shipped populations and the shipped demand model."""

import numpy as np
import pytest

from flashsale_env import Population
from flashsale_env.encoders.corpus.generator import VERSION
from flashsale_env.encoders.demand.tastes import DemandModel
from flashsale_env.encoders.world.building import DEMAND_FOLDER, POPULATION_FOLDER
from flashsale_env.encoders.world.populations import population_from_texts


@pytest.mark.parametrize("name", ["learned", "reference"])
def test_the_shipped_populations_record_how_they_were_made_and_their_figures(name):
    population = Population.load(POPULATION_FOLDER / name)
    assert population.card["kind"] == name
    assert population.card["command"] == "flashsale study populations"
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


@pytest.mark.parametrize("name", ["learned", "reference", "intent", "learned-en-zh", "reference-en-zh"])
def test_the_shipped_populations_name_the_corpus_that_their_encoder_learned_from(name):
    """Their bits stay as they are, so that scenarios do; the shipped encoder has learned from a later corpus since."""
    corpus = Population.load(POPULATION_FOLDER / name).card["encoder"]["corpus"]
    assert corpus["version"] == 1 < VERSION
    assert corpus["language"] == ("mixed" if name.endswith("en-zh") else "en")


def test_the_shipped_demand_model_gives_the_shipped_encoder_the_tastes_of_the_learned_population(encoder, scenario):
    """Population and demand model come from the encoder of corpus 1; the shipped one reads most voices as it did."""
    learned = Population.load(POPULATION_FOLDER / "learned")
    demand = DemandModel.load(DEMAND_FOLDER)
    assert encoder.card["corpus"]["version"] == VERSION
    rows = np.arange(0, len(learned), 30)
    again = population_from_texts([learned.utterances[i] for i in rows], encoder, demand, scenario.products)
    assert (again.latent_class == learned.latent_class[rows]).mean() > 0.8
    assert np.corrcoef(again.price_sensitivity, learned.price_sensitivity[rows])[0, 1] > 0.8

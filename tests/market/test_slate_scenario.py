"""The shipped scenario `slate`: its lists are what its header says, and which one is shown matters."""

import numpy as np

import flashsale_env as fs
from flashsale_env.agents import split_seeds
from flashsale_env.encoders.ranking import RANKERS, ranking
from flashsale_env.encoders.ranking.evidence import Evidence
from flashsale_env.encoders.ranking.margin import demand
from flashsale_env.experiments.intervals import paired_difference
from flashsale_env.experiments.studies.ranking import profits

SCENARIO = fs.load_scenario("slate")
CUSTOMERS = fs.load_population(SCENARIO.population, list(SCENARIO.titles))
EVIDENCE = Evidence(SCENARIO, CUSTOMERS, np.zeros((len(CUSTOMERS), 8)), np.zeros(0))
LISTS = {one.title: one for one in SCENARIO.slate.rankings}


def test_the_list_by_message_has_the_margins_that_the_demand_model_expects():
    written = np.transpose(LISTS["by message"].scores)
    np.testing.assert_allclose(written, RANKERS["margin"](EVIDENCE), atol=0.00501)
    assert ranking("by message", written) == LISTS["by message"]


def test_the_popular_list_has_the_units_of_a_thousand_who_examine():
    weight = np.bincount(EVIDENCE.predicted, CUSTOMERS.weight, len(fs.INTENTS))
    units = 1000 * np.average(demand(EVIDENCE), axis=0, weights=weight)
    np.testing.assert_allclose(np.transpose(LISTS["popular"].scores)[0], units, atol=0.0501)


def test_reading_the_message_earns_more_than_any_other_list():
    """By a quarter of the catalogue's profit at least, and what is popular earns least."""
    profit, _ = profits(SCENARIO, CUSTOMERS, SCENARIO.slate.rankings, split_seeds("validation", 0, 300))
    earned = dict(zip(LISTS, profit, strict=True))
    for name in ("catalogue", "popular", "left over"):
        assert paired_difference(earned["by message"], earned[name]).low > 0, name
    assert earned["by message"].mean() > 1.25 * earned["catalogue"].mean()
    assert min(earned, key=lambda name: earned[name].mean()) == "popular"

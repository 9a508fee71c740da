"""Rankers, against hand-made logs and closed forms."""

import numpy as np
import pytest
from scipy.special import expit

import flashsale_env as fs
from flashsale_env.encoders.ranking import RANKERS, counts, factors, margin, ranking, similarity, stock
from tests.encoders.ranking.conftest import BULK, GIFT, TITLES

LAMP, RUG, VASE = range(3)


@pytest.mark.parametrize("name", RANKERS)
def test_every_ranker_writes_a_list_that_a_scenario_takes(shop, name):
    """The same one each time."""
    evidence = shop()
    scores = RANKERS[name](evidence)
    np.testing.assert_array_equal(scores, RANKERS[name](evidence))
    listed = ranking(name, scores)
    slate = fs.Slate((1.0, 0.5), (listed,))
    assert fs.load_scenario(evidence.scenario).replace(slate=slate).slate.rankings == (listed,)
    written = np.transpose(listed.scores)
    np.testing.assert_array_equal(written, np.broadcast_to(scores, written.shape))


def test_popularity_counts_units(shop):
    assert counts.popularity(shop()).tolist() == [10.0, 200.0, 300.0]  # of 200 visits: 2, 40 and 60 units
    assert counts.popularity(shop(bought=[(0, 3)])).tolist() == [0.0, 0.0, 0.0]


def test_popularity_by_intent_is_shrunk_to_that_of_all(shop):
    """A gift buyer's counts are 0, 0, 60; 20 more units are spread as all units (3, 41, 61 of 105)."""
    found = counts.popularity_by_intent(shop())
    assert found[GIFT] == pytest.approx(np.array([20 * 3 / 105, 20 * 41 / 105, 60 + 20 * 61 / 105]) / 80)
    unseen = found[fs.INTENTS.index("browsing")]
    assert unseen == pytest.approx(np.array([3, 41, 61]) / 105)
    assert found.sum(axis=1) == pytest.approx(1.0)


def test_similarity_is_the_weighted_mean_over_the_messages_of_an_intent(shop):
    found = similarity.cosine(shop())
    assert found[GIFT].tolist() == [0.75 * 3, 0.75 * 4 + 0.25, 0.75 * 5 + 0.5]  # weights 1 and 3
    assert found[BULK].tolist() == [7.5, 8.5, 9.5]


@pytest.mark.parametrize("ranker", [factors.least_squares, factors.pairwise])
def test_factors_put_first_what_customers_of_the_intent_bought(shop, ranker):
    found = ranker(shop(bought=[(0, VASE), (1, VASE), (2, RUG), (3, RUG)] * 10))
    assert found[GIFT].argmax() == VASE
    assert found[BULK].argmax() == RUG


def test_demand_and_margin_follow_the_logit(shop):
    relevance = [[0.0, 1.0, 2.0], [0.5, 0.5, 0.5], [-1.0, 3.0, 0.0], [1.0, 1.0, 1.0]]
    evidence = shop(relevance=relevance)
    buys = expit(np.array(relevance) - 1.0)
    assert margin.demand(evidence)[GIFT] == pytest.approx(0.25 * buys[0] + 0.75 * buys[1])
    expected = (buys[2] + buys[3]) / 2 * np.array([6.0, 12.0, 30.0])
    assert margin.expected_margin(evidence)[BULK] == pytest.approx(expected)


def test_bid_prices_are_zero_where_stock_lasts(shop):
    evidence = shop(stock=1000)
    assert stock.bid_prices(evidence).tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_array_equal(stock.margin_over_bid_price(evidence), margin.expected_margin(evidence))


def test_the_bid_price_of_a_scarce_product_is_what_it_earns_more_than_the_one_in_its_place(shop):
    """One place, 20 units of each product, customers alike who buy any of them with probability .5.

    Of 100 customers 40 see the vase, 40 the rug, 20 the lamp. One vase more would be shown to two of the last, who then
    do not buy the lamp: 30 - 6. Of 70 customers 30 see the rug, and none the lamp.
    """
    relevance = np.ones((4, 3))
    for customers, expected in ((10.0, [0.0, 6.0, 24.0]), (7.0, [0.0, 0.0, 18.0])):
        evidence = shop(stock=20, examined=(1.0,), relevance=relevance, customers_per_minute=customers)
        assert stock.bid_prices(evidence) == pytest.approx(expected)


def test_a_scenario_without_a_list_has_no_bid_prices(shop):
    evidence = shop()
    plain = fs.load_scenario("standard")
    with pytest.raises(ValueError, match=r"scenario 'standard' has no \[slate\]"):
        stock.bid_prices(type(evidence)(plain, evidence.population, evidence.similarity, evidence.log))


@pytest.mark.parametrize("scores", [np.zeros((3, 3)), np.zeros((1, 1, 1)), np.array([0.0, np.nan])])
def test_scores_of_another_shape_and_no_numbers_are_refused(scores):
    with pytest.raises(ValueError, match="scores"):
        ranking("odd", scores)


def test_the_products_of_the_shop_are_those_of_the_evidence(shop):
    evidence = shop()
    assert evidence.population.products == TITLES
    assert evidence.units().sum(axis=0).tolist() == [2.0, 40.0, 60.0]
    assert evidence.margins.tolist() == [6.0, 12.0, 30.0]

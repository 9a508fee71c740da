"""Learners of uplift find whom a coupon makes buy, where the truth is known."""

import dataclasses

import numpy as np
import pytest

from flashsale_env.experiments.uplift import LEARNERS, Coupons, doubly_robust

PRICES = (10.0, 6.0)
# Purchase probabilities without and with a coupon, for those whom it persuades and for those who buy anyway.
PERSUADED, SURE = (0.1, 0.5), (0.6, 0.6)


@pytest.fixture(scope="module")
def world():
    """8,000 customers of two kinds, told apart by the first number that is known; the second one is noise."""
    rng = np.random.default_rng(0)
    persuaded, given = rng.random(8000) < 0.5, (rng.random(8000) < 0.3).astype(int)
    known = np.column_stack([persuaded + rng.normal(0, 0.1, 8000), rng.normal(0, 1, 8000)])
    chance = np.where(persuaded, np.take(PERSUADED, given), np.take(SURE, given))
    return persuaded, Coupons(known, given, (rng.random(8000) < chance).astype(int), 0.3, PRICES)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_coupon_goes_to_those_whom_it_persuades_and_not_to_those_who_buy_anyway(world, name):
    """Uplift of the purchase .4 and 0, of the profit 2 and -2.4."""
    persuaded, log = world
    found = LEARNERS[name](log)(log.known)
    assert found.purchase[persuaded].mean() == pytest.approx(0.4, abs=0.06)
    assert found.purchase[~persuaded].mean() == pytest.approx(0.0, abs=0.06)
    assert found.profit[persuaded].mean() == pytest.approx(2.0, abs=0.5)
    assert found.profit[~persuaded].mean() == pytest.approx(-2.4, abs=0.5)
    assert ((found.profit > 0) == persuaded).mean() > 0.98


def test_the_average_uplift_is_estimated_without_bias(world):
    """Within four standard errors of .2, although three in ten got a coupon; also if the models know nothing."""
    _, log = world
    blind = dataclasses.replace(log, known=np.zeros((8000, 1)))
    for each in (log, blind):
        scores = doubly_robust(each).purchase
        assert scores.mean() == pytest.approx(0.2, abs=4 * scores.std() / np.sqrt(8000))
    assert doubly_robust(log).purchase.std() < doubly_robust(blind).purchase.std()


def test_a_log_that_says_nothing_is_refused():
    rows = np.zeros((400, 1))
    with pytest.raises(ValueError, match="probability between 0 and 1, got 1"):
        Coupons(rows, np.ones(400, int), np.ones(400, int), 1.0, PRICES)
    with pytest.raises(ValueError, match="got 400, 3 and 400"):
        Coupons(rows, np.ones(3, int), np.ones(400, int), 0.5, PRICES)
    log = Coupons(rows, np.arange(400) % 2, np.ones(400, int), 0.5, PRICES)
    with pytest.raises(ValueError, match="nobody or everybody buys says nothing about coupons"):
        LEARNERS["T-learner"](log)

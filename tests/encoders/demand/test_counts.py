"""What a number of units sold says about demand, against sums over the law of the counts."""

import numpy as np
import pytest
from scipy import stats

from flashsale_env.encoders.demand.counts import Counts

MEANS = np.array([1e-6, 0.03, 0.7, 4.0, 60.0])
DISPERSIONS = (0.0, 0.3, 1.5)


def law(mean, dispersion):
    """Probabilities of 0, 1, 2, ... units, by scipy."""
    k = np.arange(20_000)
    if dispersion == 0:
        return k, stats.poisson.pmf(k, mean)
    return k, stats.nbinom.pmf(k, 1 / dispersion, 1 / (1 + dispersion * mean))


def mean_from(least, mean, dispersion):
    k, p = law(mean, dispersion)
    return (k * p)[least:].sum() / p[least:].sum()


@pytest.mark.parametrize("dispersion", DISPERSIONS)
def test_a_plain_week_says_what_it_sold(dispersion):
    counts = Counts(np.arange(5.0), np.zeros(5, bool))
    score, slope = counts.score(MEANS, dispersion)
    assert counts.plain
    assert np.array_equal(score, np.arange(5.0) - MEANS)
    assert np.array_equal(slope, MEANS)


@pytest.mark.parametrize("dispersion", DISPERSIONS)
def test_where_weeks_without_a_sale_are_missing_a_week_is_compared_with_those_that_are_shown(dispersion):
    counts = Counts(np.full(5, 3.0), np.zeros(5, bool), truncated=True)
    score, slope = counts.score(MEANS, dispersion)
    expected = np.array([mean_from(1, mean, dispersion) for mean in MEANS])
    assert score == pytest.approx(3.0 - expected, rel=1e-6, abs=1e-8)
    step = 1e-4
    up, _ = counts.score(MEANS * np.exp(step), dispersion)
    down, _ = counts.score(MEANS * np.exp(-step), dispersion)
    assert slope == pytest.approx((down - up) / (2 * step), rel=1e-3)


@pytest.mark.parametrize("dispersion", DISPERSIONS)
@pytest.mark.parametrize("stock", [1, 2, 5])
def test_a_sold_out_week_counts_as_the_demand_that_its_stock_leaves_expected(stock, dispersion):
    counts = Counts(np.full(5, float(stock)), np.ones(5, bool))
    expected = np.array([mean_from(stock, mean, dispersion) for mean in MEANS])
    assert counts.unmet(MEANS, dispersion) == pytest.approx(expected - stock, rel=1e-6, abs=1e-6)
    score, slope = counts.score(MEANS, dispersion)
    assert score == pytest.approx(expected - MEANS, rel=1e-6, abs=1e-6)
    step = 1e-4
    up, _ = counts.score(MEANS * np.exp(step), dispersion)
    down, _ = counts.score(MEANS * np.exp(-step), dispersion)
    informative = slope > 1e-5 * MEANS
    assert slope[informative] == pytest.approx(((down - up) / (2 * step))[informative], rel=1e-2, abs=1e-7)


@pytest.mark.parametrize("dispersion", [0.2, 1.0])
@pytest.mark.parametrize("truncated", [False, True])
def test_the_dispersion_of_demand_is_found_although_weeks_are_missing_or_sold_out(dispersion, truncated):
    """20,000 weeks; the standard error of the dispersion is about 2 % of it."""
    rng = np.random.default_rng(0)
    mean = rng.uniform(0.5, 8, 20_000)
    demand = rng.poisson(mean * rng.gamma(1 / dispersion, dispersion, 20_000)).astype(float)
    stock = np.where(rng.random(20_000) < 0.5, 6.0, np.inf)
    shown = demand > 0 if truncated else np.ones(20_000, bool)
    counts = Counts(np.minimum(demand, stock)[shown], (demand >= stock)[shown], truncated)
    assert counts.dispersion(mean[shown]) == pytest.approx(dispersion, rel=0.1)


def test_counts_of_the_poisson_law_have_no_dispersion():
    rng = np.random.default_rng(1)
    mean = rng.uniform(0.5, 8, 20_000)
    assert Counts(rng.poisson(mean).astype(float), np.zeros(20_000, bool)).dispersion(mean) < 0.01

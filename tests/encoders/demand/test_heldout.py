"""Intervals over voices and sales: their formula and their coverage."""

import math

import numpy as np
import pytest
from scipy import stats

from flashsale_env.encoders.demand.heldout import clustered_ratio, likelihood_gap, share_closed


def test_the_interval_of_a_gap_allows_for_correlated_visits_of_one_voice():
    """1,000 copies of each of 50 draws carry the information of 50 draws: the interval is Student's for those."""
    draws = np.random.default_rng(0).normal(1.0, 1.0, 50)
    copies = np.repeat(draws, 1000)
    gap = likelihood_gap(copies, np.zeros_like(copies), np.repeat(np.arange(50), 1000))
    expected = stats.ttest_1samp(draws, 0.0).confidence_interval(0.95)
    assert (gap.mean, gap.low, gap.high) == pytest.approx((draws.mean(), *expected))


def test_two_ways_count_every_pair_of_visits_that_share_a_voice_or_a_sale_once():
    """Against the double sum over pairs of visits (Cameron, Gelbach & Miller 2011, section 2), with the factor
    G / (G - 1) on each of its three parts."""
    rng = np.random.default_rng(1)
    voice, sale = rng.integers(0, 6, 80), rng.integers(0, 5, 80)
    value = rng.normal(2.0, 1.0, 80) + rng.normal(0, 1, 6)[voice] + rng.normal(0, 1, 5)[sale]
    residual = value - value.mean()
    product = np.outer(residual, residual)
    same_voice, same_sale = (np.equal.outer(group, group) for group in (voice, sale))
    cells = len(set(zip(voice, sale, strict=True)))
    variance = (
        6 / 5 * product[same_voice].sum()
        + 5 / 4 * product[same_sale].sum()
        - cells / (cells - 1) * product[same_voice & same_sale].sum()
    )
    found = clustered_ratio(value, np.ones(80), voice, sale)
    half = stats.t.ppf(0.975, 4) * math.sqrt(variance) / 80
    assert (found.low, found.high) == pytest.approx((value.mean() - half, value.mean() + half))
    # The order of the clusterings and their numbering do not matter; a nested clustering adds nothing.
    again = clustered_ratio(value, np.ones(80), 7 * sale + 3, voice)
    assert (again.low, again.high) == pytest.approx((found.low, found.high))
    inside = clustered_ratio(value, np.ones(80), sale, 10 * sale + voice)
    alone = clustered_ratio(value, np.ones(80), sale)
    assert (inside.low, inside.high) == pytest.approx((alone.low, alone.high))


def test_intervals_over_voices_and_sales_cover_where_those_over_voices_alone_do_not():
    """A visit is 1 + voice + sale + noise with standard deviations .3, .3 and 1; 120 voices, 30 sales, 4,000 visits.
    With 95 % coverage, fewer than 366 of 400 repetitions cover with probability .001. Clustered by voice alone, the
    standard error is half of what it should be: 68 % cover, and 320 of 400 or more with probability 1e-6."""
    rng = np.random.default_rng(2)
    covered = {"both": 0, "voice": 0}
    for _ in range(400):
        voice, sale = rng.integers(0, 120, 4_000), rng.integers(0, 30, 4_000)
        visit = 1 + rng.normal(0, 0.3, 120)[voice] + rng.normal(0, 0.3, 30)[sale] + rng.normal(0, 1, 4_000)
        for name, clusters in (("both", (voice, sale)), ("voice", (voice,))):
            found = likelihood_gap(visit, np.zeros_like(visit), *clusters)
            covered[name] += found.low <= 1 <= found.high
    assert covered["both"] >= 366
    assert covered["voice"] < 320


def test_the_interval_of_a_share_is_that_of_a_ratio_of_sums_of_clusters():
    """Against a bootstrap of whole clusters; for the full information itself it is exactly 1."""
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(400), 10)
    none = 1 + rng.normal(0, 0.2, 400)[cluster] + rng.normal(0, 0.1, 4000)
    full = none - 0.3 + rng.normal(0, 0.2, 400)[cluster]
    some = none - 0.2 + rng.normal(0, 0.3, 400)[cluster]
    found = share_closed(none, some, full, cluster)
    a, b = ((none - x).reshape(400, 10).sum(axis=1) for x in (some, full))
    rows = rng.integers(0, 400, (4000, 400))
    low, high = np.quantile(a[rows].sum(axis=1) / b[rows].sum(axis=1), [0.025, 0.975])
    assert found.mean == pytest.approx(a.sum() / b.sum())
    assert (found.high - found.low) == pytest.approx(high - low, rel=0.1)
    assert share_closed(none, full, full, cluster).low == pytest.approx(1.0)


def test_one_cluster_has_no_interval():
    with pytest.raises(ValueError, match="at least 2 clusters of each kind, got 3 and 1"):
        clustered_ratio(np.arange(3.0), np.ones(3), np.arange(3), np.zeros(3, int))

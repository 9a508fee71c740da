"""Intervals against published quantiles and identities."""

import numpy as np
import pytest
from scipy import stats

from flashsale_env.experiments.statistics import mean_interval, paired_difference, variance_ratio


def test_three_values_have_students_interval():
    """Student's 97.5 % quantile with 2 degrees of freedom is 4.302653 in every table."""
    found = mean_interval([1.0, 2.0, 3.0])
    half = 4.302653 * 1.0 / 3**0.5
    assert (found.mean, found.low, found.high) == pytest.approx((2.0, 2.0 - half, 2.0 + half), rel=1e-6)
    assert not found.excludes_zero


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    """2,000 samples of 8 normal values; a false alarm has probability 0.001."""
    rng = np.random.default_rng(3)
    covered = 0
    for sample in rng.normal(5.0, 2.0, (2000, 8)):
        found = mean_interval(sample)
        covered += found.low <= 5.0 <= found.high
    low, high = stats.binom.ppf([0.0005, 0.9995], 2000, 0.95)
    assert low <= covered <= high


def test_a_paired_difference_does_not_see_what_both_have_in_common():
    """Two agents that differ by exactly 1 on every sale differ by 1, however wild the sales are."""
    wild = np.random.default_rng(0).normal(0.0, 1e6, 50)
    found = paired_difference(wild + 1.0, wild)
    assert (found.mean, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0), abs=1e-6)
    assert found.excludes_zero


def test_swapping_the_agents_swaps_the_sign():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 30))
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low))


def test_a_constant_has_a_point_for_an_interval():
    found = mean_interval([7.0, 7.0, 7.0])
    assert (found.mean, found.low, found.high) == (7.0, 7.0, 7.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0], "at least 2 values"),
        ([[1.0, 2.0]], "one row"),
        ([1.0, float("nan"), 2.0], "value 1 of 3 is not finite"),
    ],
)
def test_what_has_no_interval_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        mean_interval(values)


def test_different_sales_cannot_be_paired():
    with pytest.raises(ValueError, match=r"same sales, got \(3,\) and \(2,\)"):
        paired_difference([1, 2, 3], [1, 2])


def test_the_variance_ratio_is_one_less_the_correlation():
    """Two normals of variance 1 and correlation .9: var(a - b) / (var a + var b) = 1 - .9."""
    rng = np.random.default_rng(5)
    common, own = rng.normal(size=(2, 200_000)), rng.normal(size=(2, 200_000))
    a, b = (0.9**0.5 * common[0] + 0.1**0.5 * e for e in own)
    assert variance_ratio(a, b) == pytest.approx(0.1, abs=0.002)
    assert np.isnan(variance_ratio([1.0, 1.0], [2.0, 2.0]))

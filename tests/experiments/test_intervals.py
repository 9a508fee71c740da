"""Intervals against published quantiles, identities, closed forms and their own coverage."""

import numpy as np
import pytest
from scipy import stats

from flashsale_env.experiments.intervals import (
    crossed_interval,
    interquartile_mean,
    mean_interval,
    paired_difference,
    probability_of_improvement,
    ratio_interval,
    variance_ratio,
)


def test_three_values_have_students_interval():
    """Student's 97.5 % quantile with 2 degrees of freedom is 4.302653 in every table."""
    found = mean_interval([1.0, 2.0, 3.0])
    half = 4.302653 * 1.0 / 3**0.5
    assert (found.mean, found.low, found.high) == pytest.approx((2.0, 2.0 - half, 2.0 + half), rel=1e-6)
    assert not found.excludes_zero


def test_the_interval_covers_the_true_mean_at_its_nominal_rate():
    """2,000 samples of 8 normal values; a false alarm has probability 0.001."""
    rng = np.random.default_rng(3)
    covered = 0
    for sample in rng.normal(5.0, 2.0, (2000, 8)):
        found = mean_interval(sample)
        covered += found.low <= 5.0 <= found.high
    low, high = stats.binom.ppf([0.0005, 0.9995], 2000, 0.95)
    assert low <= covered <= high


def test_a_paired_difference_cancels_what_both_have_in_common():
    """Two agents that differ by exactly 1 on every sale differ by 1, however much the sales vary."""
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
def test_values_without_an_interval_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        mean_interval(values)


def test_different_sales_cannot_be_paired():
    with pytest.raises(ValueError, match=r"same sales, got \(3,\) and \(2,\)"):
        paired_difference([1, 2, 3], [1, 2])


def test_the_variance_ratio_is_one_minus_the_correlation():
    """Two normals of variance 1 and correlation .9: var(a - b) / (var a + var b) = 1 - .9."""
    rng = np.random.default_rng(5)
    common, own = rng.normal(size=(2, 200_000)), rng.normal(size=(2, 200_000))
    a, b = (0.9**0.5 * common[0] + 0.1**0.5 * e for e in own)
    assert variance_ratio(a, b) == pytest.approx(0.1, abs=0.002)
    assert np.isnan(variance_ratio([1.0, 1.0], [2.0, 2.0]))


def test_one_run_has_students_interval_over_its_sales():
    values = np.random.default_rng(0).normal(size=(1, 20))
    assert crossed_interval(values) == mean_interval(values[0])


def test_runs_and_sales_that_add_up_have_the_sum_of_two_variances():
    """a_r + b_s has no residual: the variance of the mean is var(a)/R + var(b)/S, each from its own sample variance."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 5), rng.normal(0, 10, 400)
    found = crossed_interval(a[:, None] + b)
    of_a, of_b = a.var(ddof=1) / 5, b.var(ddof=1) / 400
    freedom = (of_a + of_b) ** 2 / (of_a**2 / 4 + of_b**2 / 399)
    half = stats.t.ppf(0.975, freedom) * (of_a + of_b) ** 0.5
    assert found.mean == pytest.approx(a.mean() + b.mean())
    assert found.high - found.mean == pytest.approx(half, rel=1e-9)
    assert found.mean - found.low == pytest.approx(half, rel=1e-9)


def test_two_runs_of_two_sales_by_hand():
    """Runs 1 and 7, sales 2 and 6, rest ±1: A = 36, B = 16, E = 4, so the mean has variance 48/4 on 1.469 degrees."""
    found = crossed_interval([[0.0, 2.0], [4.0, 10.0]])
    half = stats.t.ppf(0.975, 48**2 / (36**2 + 16**2 + 4**2)) * 12**0.5
    assert (found.mean, found.low, found.high) == pytest.approx((4.0, 4.0 - half, 4.0 + half))


def test_runs_that_agree_have_the_interval_of_one_of_them():
    b = np.random.default_rng(2).normal(size=100)
    one, five = crossed_interval(b[None]), crossed_interval(np.tile(b, (5, 1)))
    assert (five.low, five.high) == pytest.approx((one.low, one.high), rel=1e-9)


def test_constant_runs_and_sales_have_a_point_for_an_interval():
    found = crossed_interval(np.full((3, 7), 0.1))
    assert found.low == found.mean == found.high == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("of_run", "of_sale", "rest"), [(1.0, 3.0, 2.0), (0.0, 3.0, 2.0), (1.0, 0.0, 0.5), (0.0, 0.0, 1.0)]
)
def test_the_interval_covers_the_true_mean_at_least_at_its_nominal_rate(of_run, of_sale, rest):
    """1,000 benchmarks of 5 runs and 60 sales; below .93 has probability 0.004 if the coverage is .95."""
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(1000):
        values = (
            7.0 + of_run * rng.normal(size=(5, 1)) + of_sale * rng.normal(size=60) + rest * rng.normal(size=(5, 60))
        )
        found = crossed_interval(values)
        covered += found.low <= 7.0 <= found.high
    assert covered >= 930


def test_an_interval_over_sales_alone_undercovers_where_runs_differ():
    """With the same data, averaged over runs first, the interval ignores the variance between runs."""
    rng = np.random.default_rng(5)
    values = 1.0 * rng.normal(size=(1000, 5, 1)) + 3.0 * rng.normal(size=(1000, 1, 60))
    naive = [mean_interval(sample.mean(axis=0)) for sample in values]
    crossed = [crossed_interval(sample) for sample in values]
    assert sum(found.low <= 0 <= found.high for found in naive) < 850
    assert sum(found.low <= 0 <= found.high for found in crossed) >= 930


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.0], r"an array \(runs, sales\), got shape \(2,\)"),
        ([[1.0]], "at least 2 values"),
        ([[1.0, 2.0], [3.0, float("nan")]], r"value \(1, 1\) \(run, sale\) is not finite"),
    ],
)
def test_values_without_an_interval_over_runs_and_sales_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        crossed_interval(values)


def test_the_ratio_of_correlated_means_has_a_narrow_interval():
    """1,000 ratios of .8 on 200 sales each; below .93 has probability 0.004 if the coverage is .95."""
    rng = np.random.default_rng(8)
    covered, widths = 0, []
    for _ in range(1000):
        bound = rng.gamma(4.0, 10.0, 200)
        found = ratio_interval((0.8 * bound + rng.normal(0, 2, 200))[None], bound)
        covered += found.low <= 0.8 <= found.high
        widths.append(found.high - found.low)
    assert covered >= 930
    assert np.mean(widths) == pytest.approx(2 * 1.972 * 2 / 200**0.5 / 40.0, rel=0.02)
    with pytest.raises(ValueError, match="mean is above 0, got 0"):
        ratio_interval([[1.0, 2.0]], [0.0, 0.0])


def test_the_interquartile_mean_leaves_out_the_outer_quarters():
    found = interquartile_mean([[0.0, 1.0, 2.0, 1000.0], [-1000.0, 1.0, 2.0, 3.0]])
    assert found.mean == pytest.approx(1.5)
    assert found.low <= found.mean <= found.high


def test_the_bootstrap_draws_runs_inside_their_problem():
    """Runs agree and problems differ: a bootstrap across problems would scatter."""
    found = interquartile_mean([[1.0] * 5, [9.0] * 5])
    assert (found.mean, found.low, found.high) == (5.0, 5.0, 5.0)


def test_the_bootstrap_interval_narrows_with_runs_and_is_the_same_each_time():
    runs = np.random.default_rng(6).normal(size=(2, 400))
    few, many = interquartile_mean(runs[:, :25]), interquartile_mean(runs)
    assert few.high - few.low == pytest.approx(4 * (many.high - many.low), rel=0.5)
    assert interquartile_mean(runs) == many


def test_the_probability_of_improvement_counts_pairs():
    rng = np.random.default_rng(7)
    a, b = rng.normal(0.5, 1, 8), rng.normal(0, 1, 6)
    found = stats.mannwhitneyu(a, b)
    assert probability_of_improvement(a, b) == pytest.approx(found.statistic / (8 * 6))
    assert probability_of_improvement(a, b) + probability_of_improvement(b, a) == pytest.approx(1.0)
    assert probability_of_improvement([1.0], [1.0]) == 0.5

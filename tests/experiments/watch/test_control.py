"""Run lengths of control charts beside the published tables, and beside charts that ran."""

import numpy as np
import pytest

from flashsale_env.experiments.watch.control import (
    cusum,
    cusum_run_length,
    ewma,
    ewma_run_length,
    interval_for,
)

# Montgomery, Introduction to Statistical Quality Control, table 9.4: two-sided, k = 1/2. shift -> (h = 4, h = 5).
PUBLISHED_CUSUM = {
    0.0: (168.0, 465.0),
    0.25: (74.2, 139.0),
    0.5: (26.6, 38.0),
    0.75: (13.3, 17.0),
    1.0: (8.38, 10.4),
    1.5: (4.75, 5.75),
    2.0: (3.34, 4.01),
    2.5: (2.62, 3.11),
    3.0: (2.19, 2.57),
    4.0: (1.71, 2.01),
}
# Lucas & Saccucci (1990): (weight, limit) -> run length in control, and after shifts of 0.5, 1 and 2.
PUBLISHED_EWMA = {
    (0.4, 3.054): (500.0, 71.2, 14.3, 3.5),
    (0.25, 2.998): (500.0, 48.2, 11.1, 3.6),
    (0.2, 2.962): (500.0, 41.8, 10.5, 3.7),
    (0.1, 2.814): (500.0, 31.3, 10.3, 4.4),
    (0.05, 2.615): (500.0, 28.8, 11.4, 5.2),
}


@pytest.mark.parametrize("shift", PUBLISHED_CUSUM)
def test_cusum_run_lengths_are_those_of_the_table(shift):
    for interval, published in zip((4.0, 5.0), PUBLISHED_CUSUM[shift], strict=True):
        assert cusum_run_length(interval, 0.5, shift) == pytest.approx(published, rel=0.007)


@pytest.mark.parametrize(("weight", "limit"), PUBLISHED_EWMA)
def test_ewma_run_lengths_are_those_of_the_table(weight, limit):
    for shift, published in zip((0.0, 0.5, 1.0, 2.0), PUBLISHED_EWMA[weight, limit], strict=True):
        assert ewma_run_length(limit, weight, shift) == pytest.approx(published, abs=0.06, rel=0.01)


def test_run_length_of_one_side_is_siegmunds_within_a_few_percent():
    """ARL = (exp(-2Db) + 2Db - 1) / (2D²) with D = shift - k and b = h + 1.166 (Siegmund 1985)."""
    for interval, shift in ((4.0, 0.0), (5.0, 0.0), (4.0, 1.0)):
        d, b = shift - 0.5, interval + 1.166
        siegmund = (np.exp(-2 * d * b) + 2 * d * b - 1) / (2 * d * d)
        assert cusum_run_length(interval, 0.5, shift, sides=1) == pytest.approx(siegmund, rel=0.03)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_charts_run_as_long_as_computed(shift):
    """1,500 runs, four standard errors: a false alarm in 16,000."""
    length = 2500 if shift == 0 else 120
    values = np.random.default_rng(5).normal(shift, 1.0, (1500, length))
    for paths, expected in (
        (cusum(values).max(axis=2) > 4.0, cusum_run_length(4.0, 0.5, shift)),
        (np.abs(ewma(values, 0.2)) > 2.5, ewma_run_length(2.5, 0.2, shift)),
    ):
        assert paths.any(axis=1).mean() > 0.999
        lengths = np.where(paths.any(axis=1), paths.argmax(axis=1) + 1, length)
        assert lengths.mean() == pytest.approx(expected, abs=4 * lengths.std() / np.sqrt(len(lengths)))


def test_an_interval_is_found_for_a_run_length():
    for run_length in (50.0, 168.0, 10_000.0):
        assert cusum_run_length(interval_for(run_length)) == pytest.approx(run_length, rel=1e-6)
    with pytest.raises(ValueError, match="at least 3"):
        interval_for(1.0)


def test_at_the_shift_it_is_made_for_cusum_alarms_sooner_than_an_ewma_of_the_same_run_length():
    """Moustakides (1986): CUSUM with k = shift/2 has the shortest delay in the worst case.

    The worst case of a CUSUM is a sum of 0, that of an EWMA a mean at the other limit, from where it takes longer.
    """
    interval = interval_for(500.0)
    start = -2.962 * np.sqrt(0.2 / 1.8)
    rng = np.random.default_rng(9)
    noise = rng.normal(1.0, 1.0, (4000, 400))
    mean, delay = np.full(4000, start), np.zeros(4000)
    alive = np.ones(4000, bool)
    for t in range(400):
        mean = 0.8 * mean + 0.2 * noise[:, t]
        delay += alive
        alive &= np.abs(mean) <= 2.962 * np.sqrt(0.2 / 1.8)
    assert cusum_run_length(interval, 0.5, 1.0) < delay.mean()


def test_a_weight_out_of_range_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        ewma(np.zeros((1, 3)), 0.0)

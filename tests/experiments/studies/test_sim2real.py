"""What is lost between the learned simulator and the reference world."""

import numpy as np
import pytest
from scipy import stats

from flashsale_env.experiments.pages.pictures import transfer_gap
from flashsale_env.experiments.studies.sim2real import Study, _row


def test_the_gap_is_paired_and_its_interval_is_over_the_runs():
    """Five runs that lose exactly 1 to 5 in every sale: Student's interval of these, however wild the sales."""
    home = [np.random.default_rng(k).normal(1e4, 1e4, 50) for k in range(5)]
    lost = np.arange(1.0, 6.0)
    row = _row(("learned", 2000), [best - less for best, less in zip(home, lost, strict=True)], home)
    expected = stats.ttest_1samp(lost, 0.0).confidence_interval(0.95)
    found = row["gap"]
    assert (found["mean"], found["ci_low"], found["ci_high"]) == pytest.approx((3.0, *expected))
    assert found["share"] == pytest.approx(3.0 / np.mean(home))
    assert row["by_seed"] == pytest.approx([best.mean() - less for best, less in zip(home, lost, strict=True)])
    assert "gap" not in _row(("reference", None), home, home)


def test_five_runs_are_made_unless_fewer_are_asked_for():
    assert len(Study().seeds) == 5


def test_the_picture_shows_the_gap_with_its_interval():
    home = [np.arange(50.0)]
    rows = [_row(("reference", None), home, home)]
    rows += [_row(("learned", size), [home[0] - 1e4 / size], home) for size in (1000, 10_000)]
    (panel,) = transfer_gap(rows).panels
    level, points = panel.series
    assert level.y == (home[0].mean(),)
    assert points.x == (1000.0, 10_000.0)
    assert points.y == pytest.approx([home[0].mean() - 10.0, home[0].mean() - 1.0])
    assert all(low <= value <= high for low, value, high in zip(points.low, points.y, points.high, strict=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"log_sizes": (50_000, 5_000)}, "log sizes must rise"),
        ({"log_sizes": (10,)}, "at least 1000 visits"),
        ({"seeds": ()}, "at least one training run"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Study(**settings)


def test_a_mistake_is_said_before_anything_is_trained(flashsale, tmp_path):
    words = ("study", "sim2real", "--out", tmp_path / "out", "--log-size", 500)
    assert "at least 1000 visits" in flashsale(*words).complaint
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_study_runs_and_writes_its_result(flashsale, tmp_path):
    words = ("--log-size", 2000, "--log-size", 8000, "--runs", 1, "--sales", 256, "--episodes", 64, "--json")
    result = flashsale("study", "sim2real", "--out", tmp_path / "out", *words).json
    assert [row["visits"] for row in result["rows"]] == [None, 2000, 8000]
    assert all(row["gap"]["ci_low"] <= row["gap"]["mean"] <= row["gap"]["ci_high"] for row in result["rows"][1:])
    assert (tmp_path / "out" / "transfer_gap.png").exists()
    assert (tmp_path / "out" / "result.json").exists()

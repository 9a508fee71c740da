"""The study `fairness` at a small size, and what it refuses."""

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.experiments.display import progress_bar
from flashsale_env.experiments.studies import fairness
from flashsale_env.experiments.studies.fairness import ALIKE, FREE, MILD, STRICT, Limits, Size, optimum, study
from flashsale_env.theory.signal import best_single_price

SMALL = {"num_envs": 16, "batch_size": 160, "validation_sales": 16, "siblings": 4, "net_arch": (8,)}
SMALL |= {"validate_every": 1, "learning_rate": 0.05}
SALE = fs.load_scenario("intent")
CUSTOMERS = fs.load_population("intent", ["voucher"])


@pytest.fixture(scope="module")
def found():
    with progress_bar("players") as advance:
        return study(SALE, CUSTOMERS, Limits(), Size(64, 2, 40, 3, SMALL), advance)


def test_everybody_plays_the_same_sales_and_a_limit_is_a_share_of_the_gap_without_one(found):
    rows = {row["player"]: row for row in found["rows"]}
    assert list(rows) == list(found["audits"]) == [ALIKE, FREE, MILD, STRICT]
    for row in rows.values():
        assert row["cost"]["ci_low"] <= row["cost"]["mean"] <= row["cost"]["ci_high"]
        assert row["cost"]["mean"] == pytest.approx(rows[FREE]["profit"] - row["profit"])
        assert row["gap"]["ci_low"] <= row["gap"]["mean"] <= row["gap"]["ci_high"]
    assert rows[STRICT]["limit"] == pytest.approx(rows[MILD]["limit"] / 5)
    assert rows[ALIKE]["gap"] == {"mean": 0.0, "ci_low": 0.0, "ci_high": 0.0}
    assert rows[FREE]["gap"]["mean"] > 0
    assert [rows[name]["multiplier"] is None for name in rows] == [True, True, False, False]
    customers = rows[ALIKE]["optimum"] / best_single_price((40, 80, 160), (0.5, 0.35, 0.15))[0]
    assert customers == pytest.approx(120, abs=10)
    assert rows[ALIKE]["optimum"] < rows[STRICT]["optimum"] < rows[MILD]["optimum"] < rows[FREE]["optimum"]
    fairness.show(found)
    assert fairness.charts(found)
    assert len(fairness.cells(found)) == 4


def test_the_optimum_is_known_in_one_scenario_only():
    counts = {"customers": np.full((1, 2, 9), 10.0)}
    assert optimum(SALE, CUSTOMERS, Limits(), FREE, None, counts) == pytest.approx(90 * 25.9637, rel=1e-5)
    by_share = optimum(SALE, CUSTOMERS, Limits(outcome="relative_price"), MILD, 0.15, counts)
    assert by_share == pytest.approx(optimum(SALE, CUSTOMERS, Limits(), MILD, 36.0, counts))
    assert optimum(SALE, CUSTOMERS, Limits(outcome="purchase_rate"), MILD, 0.1, counts) is None
    assert optimum(SALE, CUSTOMERS, Limits(groups=("gift", "bulk")), MILD, 1.0, counts) is None
    assert optimum(SALE.replace(horizon_ticks=5), CUSTOMERS, Limits(), FREE, None, counts) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scenario", "gvr-periodic"], "treats all customers alike: none of its decisions is about targeted, coupon"),
        (["--by", "age"], "--by: unknown grouping 'age'"),
        (["--by", "language"], "all of these customers are of one language"),
        (["--outcome", "mean_prices"], "Did you mean 'mean_price'"),
        (["--group", "gift"], "between two groups or more"),
        (["--strict", "0.6"], "--strict must be below --mild, got 0.6 and 0.5"),
    ],
)
def test_the_study_is_refused_before_anything_is_written(flashsale, tmp_path, options, message):
    out = tmp_path / "out"
    assert message in flashsale("study", "fairness", *options, "--out", out).complaint
    assert not out.exists()

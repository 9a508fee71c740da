"""The study `retention`: customers are replayed, and learners earn between everybody and the ceiling."""

import numpy as np
import pytest

from flashsale_env import load_population
from flashsale_env.experiments.studies import retention as study

SMALL = ("--customers", 4000, "--worlds", 2)


def test_learners_earn_more_than_one_rule_for_all_and_less_than_the_ceiling(flashsale, tmp_path):
    out = tmp_path / "out"
    found = flashsale("study", "retention", *SMALL, "--out", out, "--json").json
    rows = {row["rule"]: row for row in found["rows"]}
    assert list(rows) == ["nobody", "everybody", "T-learner", "DR-learner", "true tastes", "who would not buy"]
    plain = max(rows["nobody"]["profit"], rows["everybody"]["profit"])
    for name, row in rows.items():
        assert row["gain"] == pytest.approx(row["profit"] - plain), name
        assert row["profit"] <= rows["who would not buy"]["profit"]
        assert row["ci_low"] <= row["gain"] <= row["ci_high"]
    assert (rows["nobody"]["share"], rows["everybody"]["share"]) == (0.0, 1.0)
    assert rows["true tastes"]["profit"] > plain
    assert 0 < rows["T-learner"]["share"] < 1
    # The values of theory, of three classes of exponential willingness to pay; 8,000 customers, z = 4.
    worth, share = np.array([40.0, 80.0, 160.0]), np.array([0.5, 0.35, 0.15])
    full, lower = share @ np.exp(-80 / worth), share @ np.exp(-60 / worth)
    wanted = {"nobody": 80 * full, "everybody": 60 * lower, "who would not buy": 80 * full + 60 * (lower - full)}
    for name, value in wanted.items():
        assert rows[name]["profit"] == pytest.approx(value, abs=4 * 40 / np.sqrt(8000)), name
    assert found["average"]["true"] == pytest.approx(lower - full, abs=4 * 0.5 / np.sqrt(8000))
    assert (out / "result.json").is_file()


def test_a_customer_who_buys_without_a_coupon_buys_with_it():
    replayed = study.replay(study.scenario(80.0, 0.25), load_population("intent", ["voucher"]), 2000, 0, 0)
    assert len(replayed.voice) == 2000
    assert (replayed.with_coupon >= replayed.without).all()
    assert replayed.with_coupon.sum() > replayed.without.sum() > 0


def test_the_shop_knows_of_each_customer_what_happened():
    population = load_population("intent", ["voucher"])
    voice = np.array([5, 7, 5, 5, 7, 9, 5, 5, 5, 5])
    bought = np.array([0, 1, 1, 0, 0, 0, 0, 0, 1, 0])
    known = study.known_of(population, study.Replay(voice, bought, bought))
    assert known.shape == (len(population), 12)
    assert known[5, 9:].tolist() == [7, pytest.approx(2 / 7), pytest.approx(0.1)]  # bought last in period 8 of 0 .. 9
    assert known[7, 9:].tolist() == [2, 0.5, pytest.approx(0.8)]
    assert known[9, 9:].tolist() == [1, 0.0, 1.0]
    assert known[0, 9:].tolist() == [0, 0.0, 1.0]

"""The study `sessions`: areas below the ceiling, what coupons earn, and a saved encoder."""

import numpy as np
import pytest

from flashsale_env.encoders.sessions.encoder import HEADS, SessionEncoder
from flashsale_env.experiments.studies import sessions as study

pytestmark = pytest.mark.uncompiled

SMALL = ("--campaigns", 10, "--sales", 5, "--cut", 3, "--epochs", 1)


@pytest.mark.slow
def test_the_ceiling_is_above_and_coupons_are_between_one_rule_for_all_and_hindsight(flashsale, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "_NEW", 25.0)
    out = tmp_path / "out"
    found = flashsale("study", "sessions", *SMALL, "--out", out, "--json").json
    areas = {(row["target"], row["predictor"]): row for row in found["areas"]}
    assert len(areas) == len(study.TARGETS) * 4
    for row in areas.values():
        assert row["ci_low"] <= row["area"] <= row["ci_high"]
        assert row["below"] == pytest.approx(areas[row["target"], study.CEILING]["area"] - row["area"])
    assert areas["gone for good", study.CEILING]["area"] > 0.8
    assert areas["click", study.CEILING]["area"] > 0.5
    rules = {row["rule"]: row for row in found["coupons"]}
    assert (rules[study.NOBODY]["share"], rules[study.EVERYBODY]["share"]) == (0.0, 1.0)
    plain = max(rules[study.NOBODY]["profit"], rules[study.EVERYBODY]["profit"])
    for row in rules.values():
        assert row["gain"] == pytest.approx(row["profit"] - plain, abs=1e-9)
        assert row["profit"] <= rules[study.HINDSIGHT]["profit"]
    encoder = SessionEncoder.load(out / study.FOLDER)
    assert encoder.card["customers"] == found["customers"]["training"]
    assert encoder.card["heads"] == list(HEADS)


def test_a_rule_gives_the_coupon_to_those_who_earned_more_with_it():
    """Customers of a high score gain 2 by the coupon, the others lose 2; the cost is 1."""
    rng = np.random.default_rng(0)
    scores = {name: rng.random(4000) for name in study.TARGETS[:-1]}
    given, high = rng.random(4000) < 0.5, scores["purchase"] > 0.5
    profit = 5.0 * scores["click"] + given * np.where(high, 2.0, -2.0) + rng.normal(0.0, 0.5, 4000)
    rule = study.learned_rule(scores, profit, given, scores, 1.0)
    assert rule[scores["purchase"] > 0.8].all()
    assert not rule[scores["purchase"] < 0.5].any()
    assert not study.learned_rule(scores, profit, given, scores, 10.0).any()


def test_a_cut_at_the_end_is_refused(flashsale):
    found = flashsale("study", "sessions", "--sales", 5, "--cut", 5)
    assert found.code == 2
    assert "--cut 5 leaves no sale to predict" in found.err

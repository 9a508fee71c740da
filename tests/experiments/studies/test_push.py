"""The study `push` on a small sale, and what it refuses."""

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents import split_seeds
from flashsale_env.experiments.display import progress_bar
from flashsale_env.experiments.studies import push
from flashsale_env.experiments.studies.push import (
    BLIND_PPO,
    BOUND,
    HINDSIGHT,
    NOTHING,
    PPO,
    Size,
    ceilings,
    hidden,
    study,
)

SMALL = {"num_envs": 16, "batch_size": 80, "validation_sales": 16, "net_arch": (8,)}
PLAYERS = [NOTHING, push.CONSTANT, push.BLIND_RULE, push.RULE_BY_SHELF, BLIND_PPO, PPO, HINDSIGHT, BOUND]


@pytest.fixture(scope="module")
def found():
    scenario = fs.load_scenario("push")
    population = fs.load_population(scenario.population, list(scenario.titles))
    with progress_bar("players") as advance:
        return study(scenario, population, Size(4, 8, 32, 2, 20, SMALL), advance)


def test_everybody_plays_the_same_sales_below_the_bound(found):
    rows = {row["player"]: row for row in found["rows"]}
    assert list(rows) == PLAYERS
    for row in rows.values():
        assert row["ci_low"] <= row["gain"] <= row["ci_high"]
        assert row["gain"] == pytest.approx(row["profit"] - rows[NOTHING]["profit"])
        assert row["profit"] < rows[BOUND]["profit"] or row is rows[BOUND]
    assert rows[NOTHING]["paid"] == 0.0
    assert rows[push.CONSTANT]["profit"] <= rows[HINDSIGHT]["profit"]
    assert [(row["player"], row["against"]) for row in found["pairs"]] == list(push.PAIRS)
    assert "push_cover" in found["params"][push.RULE_BY_SHELF]
    assert "push_cover" not in found["params"][push.BLIND_RULE]
    assert len(push.cells(found)) == len(PLAYERS)
    push.show(found)
    assert push.charts(found)


def test_the_rule_that_sees_the_shelf_starts_from_the_one_that_does_not():
    scenario = fs.load_scenario("push")
    params = push.with_shelf({"bid_value": 0.3}, scenario)
    assert params == {"push_cover": 0.0, "bid_cover": 0.0, "bid_value": 0.3}


@pytest.mark.slow  # a shape of its own
def test_the_ceiling_is_the_best_level_of_every_sale():
    """Two levels of one decision: the better of two sales played."""
    ads = fs.Ads((0.0, 2.0), 1.0, 1.0, 50.0)
    scenario = fs.load_scenario("push").replace(push=None, ads=ads, observe=("time_left", "on_hand"))
    scenario = scenario.replace(products=(fs.Product("voucher", (120.0,), 24, reference_price=80.0),))
    population = fs.load_population(scenario.population, list(scenario.titles))
    seeds = split_seeds("test", 0, 30)
    stage = push.Stage(scenario, population, seeds)
    each = [stage.profit(np.full((scenario.horizon_ticks, 1), level)) for level in (-1.0, 1.0)]
    assert (each[0] != each[1]).any()
    np.testing.assert_array_equal(ceilings(scenario, population, stage, seeds)[HINDSIGHT], np.maximum(*each))


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (fs.load_scenario("standard"), r"has neither \[push\] nor \[ads\]"),
        (fs.load_scenario("push").replace(observe=("time_left",)), "does not show on_hand"),
    ],
)
def test_a_scenario_with_nothing_to_pay_for_or_to_hide_is_refused(scenario, message):
    with pytest.raises(ValueError, match=message):
        hidden(scenario)


def test_the_study_is_refused_before_anything_is_written(flashsale, tmp_path):
    out = tmp_path / "out"
    assert "--scenario push has both" in flashsale("study", "push", "--scenario", "standard", "--out", out).complaint
    assert not out.exists()

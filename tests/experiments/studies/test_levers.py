"""What each decision is worth: the comparison of schedules, from end to end on small sales."""

import json

import flashsale_env as fs
from flashsale_env.experiments.studies.levers import TIMING, families, lifted


def test_each_decision_is_left_out_once_and_movement_once():
    standard = fs.load_scenario("standard")
    found = families(standard, 4, False)
    assert list(found) == ["all", "price", "order", "coupon", TIMING]
    assert "price, phase 1 of 4" not in found["price"].names
    assert found[TIMING].names == ("price", "order", "coupon")
    # A sale with a single decision compares movement only: without its decision there is none.
    assert list(families(fs.load_scenario("gvr-periodic"), 2, False)) == ["all", TIMING]


def test_a_schedule_without_a_decision_is_one_with_its_first_level():
    found = families(fs.load_scenario("standard"), 2, False)
    narrow = dict.fromkeys(found["coupon"].names, 0.5)
    assert lifted(narrow, found["coupon"], found["all"]) == [0.5, 0.5, 0.5, 0.5, 0.0, 0.0]
    assert lifted(dict.fromkeys(found[TIMING].names, 0.3), found[TIMING], found["all"]) == [0.3] * 6


def test_the_study_prints_and_keeps_gains_on_common_sales(flashsale, tmp_path):
    arguments = ("--scenario", "gvr-two-phase", "--phases", "2", "--trials", "20", "--sales", "32", "--episodes", "400")
    done = flashsale("study", "levers", *arguments, "--out", str(tmp_path / "run"), "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    (row,) = found["rows"]
    assert row["lever"] == TIMING
    assert row["ci_low"] <= row["gain"] <= row["ci_high"]
    assert abs(row["with"] - row["without"] - row["gain"]) < 1e-9
    assert row["gain"] > 0, "a price for each phase earns more where willingness to pay falls"
    assert json.loads((tmp_path / "run" / "result.json").read_text())["schedules"].keys() == {"all", TIMING}

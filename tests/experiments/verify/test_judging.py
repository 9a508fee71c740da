"""Verdicts: right values pass as often as promised, wrong ones fail."""

import math

import numpy as np
import pytest
from scipy import stats

from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.judging import FAIL, FALSE_ALARM, PASS, judge
from flashsale_env.experiments.verify.measurement import Measurement, distribution_of, mean_of

CASE = validation_case("a case", "no source", "measures nothing")(lambda sales: [])


def test_identical_samples_bound_the_mean_by_the_rule_of_three():
    """None of n sales differs: if more than a share ln(1 / level) / n did, one would probably have appeared."""
    n, reach = 5000, 40.0
    (row,) = judge([(CASE, mean_of("m", 7.0, np.full(n, 7.0), reach=reach))])
    assert row["half_width"] == pytest.approx(reach * math.log(1 / FALSE_ALARM) / n + 7e-6, rel=1e-9)
    for expected, verdict in ((7.03, PASS), (7.05, FAIL)):
        (row,) = judge([(CASE, mean_of("m", expected, np.full(n, 7.0), reach=reach))])
        assert row["verdict"] == verdict


@pytest.mark.parametrize("share", [1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.09, 0.12, 0.3])
def test_a_rare_event_raises_a_false_alarm_no_more_often_than_promised(share):
    """Exact, over the binomial number of sales with the event; from 400 on the normal distribution is used."""
    n, alarm = 4000, 0.0
    first, last = stats.binom.ppf([1e-9, 1 - 1e-9], n, share).astype(int)
    for k in range(first, last + 1):
        measured = mean_of("share", share, np.repeat([1.0, 0.0], [k, n - k]), reach=1.0)
        if judge([(CASE, measured)])[0]["verdict"] == FAIL:
            alarm += stats.binom.pmf(k, n, share)
    assert alarm < (1.1 if n * share > 400 else 1.0) * FALSE_ALARM


def test_right_values_pass_as_often_as_promised():
    """1,000 families of 20 right means: about one in a hundred has a false alarm; 25 or more has probability 1e-4."""
    rng, alarms = np.random.default_rng(1), 0
    for _ in range(1000):
        family = [(CASE, mean_of("m", 0.0, rng.normal(size=200))) for _ in range(20)]
        alarms += any(row["verdict"] == FAIL for row in judge(family))
    assert 1 <= alarms < 25


def test_a_wrong_distribution_is_detected():
    rng, law = np.random.default_rng(0), np.array([0.5, 0.3, 0.15, 0.05])
    right, wrong = rng.multinomial(10_000, law), rng.multinomial(10_000, [0.45, 0.33, 0.16, 0.06])
    measured = [distribution_of("law", law, counts.astype(float)) for counts in (right, wrong)]
    assert [judge([(CASE, found)])[0]["verdict"] for found in measured] == [PASS, FAIL]


def test_impossible_outcomes_are_detected():
    law, counts = np.array([0.5, 0.5, 0.0]), np.array([450.0, 450.0, 100.0])
    assert judge([(CASE, distribution_of("law", law, counts))])[0]["verdict"] == FAIL


def test_nan_fails():
    rows = judge([(CASE, Measurement("broken", 1.0, float("nan"), 0.1, 10))])
    assert rows[0]["verdict"] == FAIL

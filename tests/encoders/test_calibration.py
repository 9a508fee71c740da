"""Temperature, calibration error and the out-of-scope score, against closed forms and known laws."""

import numpy as np
import pytest

from flashsale_env.encoders.text.calibration import (
    ACCEPTANCE,
    Scope,
    expected_calibration_error,
    fit_temperature,
    softmax,
)


def drawn_from(logits, rng):
    """Targets drawn from softmax(logits): the logits' own temperature is 1."""
    p = softmax(logits)
    return (rng.random(len(p))[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(max=p.shape[1] - 1)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_distorted_the_logits_is_found(true):
    """20,000 rows give the temperature to a few percent; the tolerance is about five standard errors."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 9))
    assert fit_temperature(logits * true, drawn_from(logits, rng)) == pytest.approx(true, rel=0.08)


def test_the_right_temperature_removes_the_calibration_error():
    """Mean |confidence - accuracy| over 15 bins of 1,333 rows is about 0.01 for perfect probabilities."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (20_000, 9))
    target = drawn_from(logits, rng)
    over = 3 * logits
    assert expected_calibration_error(softmax(over), target) > 0.15
    assert expected_calibration_error(softmax(over, fit_temperature(over, target)), target) < 0.02


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy():
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)
    target = np.array([0] * 8 + [1] * 2 + [0] * 9 + [1])
    # |0.6 - 0.9| and |0.9 - 0.8|, ten rows each
    assert expected_calibration_error(probabilities, target, bins=2) == pytest.approx(0.2)
    assert expected_calibration_error(probabilities, target, bins=1) == pytest.approx(0.1)


def test_fewer_rows_than_bins_are_a_bin_each():
    assert expected_calibration_error(np.array([[0.7, 0.3], [0.2, 0.8]]), np.array([0, 0])) == pytest.approx(0.55)


@pytest.mark.parametrize(("logits", "target"), [(np.zeros((0, 9)), []), (np.zeros((3, 9)), [1, 2])])
def test_a_temperature_without_rows_or_targets_is_refused(logits, target):
    with pytest.raises(ValueError, match="one target a row of logits and at least one row"):
        fit_temperature(logits, target)


def test_no_rows_have_no_calibration_error():
    with pytest.raises(ValueError, match="give at least one"):
        expected_calibration_error(np.zeros((0, 9)), np.zeros(0, int))


CENTRES = np.array([[6.0, 0, 0, 0], [0, 6.0, 0, 0], [0, 0, 6.0, 0]])
STRETCH = np.diag([1.0, 0.5, 2.0, 1.5])


def cluster(n, seed):
    rng = np.random.default_rng(seed)
    target = rng.integers(3, size=n)
    return (CENTRES[target] + rng.normal(size=(n, 4)) @ STRETCH).astype(np.float32), target


@pytest.fixture(scope="module")
def scope():
    """Three classes, and outliers on the far side of the origin."""
    train, target = cluster(2000, 0)
    outside = -cluster(600, 6)[0]
    return Scope.fit(train, target, outside, cluster(2000, 1)[0])


def test_the_threshold_accepts_its_share_of_messages_that_it_was_not_fitted_on(scope):
    """2,000 messages: three standard errors are 0.015, and the threshold itself has as much."""
    assert (scope.score(cluster(2000, 3)[0]) >= scope.threshold).mean() == pytest.approx(ACCEPTANCE, abs=0.025)


def test_messages_like_the_outliers_are_turned_away(scope):
    assert (scope.score(-cluster(500, 7)[0]) < scope.threshold).all()
    assert (scope.score(CENTRES.astype(np.float32)) >= scope.threshold).all()


def test_the_score_is_the_log_odds_of_having_an_intent(scope):
    rows = cluster(50, 5)[0]
    probability = softmax(rows @ scope.weight.T + scope.bias)
    odds = probability[:, :-1].sum(axis=1) / probability[:, -1]
    assert scope.score(rows) == pytest.approx(np.log(odds), rel=1e-3, abs=1e-3)


def test_another_threshold_leaves_the_score_alone(scope):
    rows = cluster(1000, 8)[0]
    stricter = scope.accepting(np.arange(100.0))
    assert stricter.threshold == pytest.approx(99 * (1 - ACCEPTANCE))
    assert np.array_equal(stricter.score(rows), scope.score(rows))


def test_outliers_of_less_weight_look_less_foreign(scope):
    train, target = cluster(2000, 0)
    outside, weight = -cluster(600, 6)[0], np.r_[np.ones(2000), np.full(600, 1e-6)]
    lenient = Scope.fit(train, target, outside, cluster(2000, 1)[0], sample_weight=weight)
    assert lenient.score(outside).mean() > scope.score(outside).mean() + 1


def test_a_scope_survives_its_tensors_and_figures(scope):
    other = Scope.of(scope.tensors(), scope.figures())
    rows = cluster(50, 5)[0]
    assert np.array_equal(other.score(rows), scope.score(rows))
    assert other.threshold == scope.threshold

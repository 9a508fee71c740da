"""Temperature, calibration error and the out-of-scope score, against closed forms and known laws."""

import numpy as np
import pytest

from encoders.calibration import (
    ACCEPTANCE,
    Scope,
    expected_calibration_error,
    fit_temperature,
    held_out_distance,
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


def test_the_distance_to_the_own_class_is_chi_squared():
    """With the true covariance the squared distance has mean w; to the nearest of far classes it is that to the own."""
    train, target = cluster(20_000, 0)
    distance = held_out_distance(train, target, cluster(20_000, 1)[0])
    assert distance.mean() == pytest.approx(4.0, rel=0.05)
    assert distance.var() == pytest.approx(8.0, rel=0.15)


@pytest.fixture(scope="module")
def scope():
    train, target = cluster(2000, 0)
    held_out, _ = cluster(2000, 1)
    confidence = np.random.default_rng(2).uniform(0.5, 1, 2000)
    return Scope.fit(train, target, held_out_distance(train, target, held_out), confidence)


def test_the_threshold_accepts_its_share_of_messages_that_it_was_not_fitted_on(scope):
    """2,000 messages: three standard errors are 0.015, and the threshold itself has as much."""
    fresh, confidence = cluster(2000, 3)[0], np.random.default_rng(4).uniform(0.5, 1, 2000)
    assert (scope.score(fresh, confidence) >= scope.threshold).mean() == pytest.approx(ACCEPTANCE, abs=0.025)


def test_far_away_messages_and_undecided_ones_look_less_familiar(scope):
    near, sure = CENTRES.astype(np.float32), np.ones(3)
    far = near + np.array([0, 0, 0, 20], np.float32)
    assert (scope.score(far, sure) < scope.threshold).all()
    assert (scope.score(near, sure) >= scope.threshold).all()
    assert (scope.score(near, 0.3 * sure) < scope.score(near, sure)).all()


def test_a_scope_survives_its_tensors_and_figures(scope):
    other = Scope.of(scope.tensors(), scope.figures())
    rows, confidence = cluster(50, 5)[0], np.linspace(0.2, 1, 50)
    assert np.array_equal(other.score(rows, confidence), scope.score(rows, confidence))
    assert other.threshold == scope.threshold

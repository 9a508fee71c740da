"""Temperature and calibration error, against closed forms and known distributions."""

import numpy as np
import pytest

from flashsale_env.encoders.text.calibration import expected_calibration_error, fit_temperature, softmax


def drawn_from(logits, rng):
    """Targets drawn from softmax(logits): the logits' own temperature is 1."""
    p = softmax(logits)
    return (rng.random(len(p))[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(max=p.shape[1] - 1)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_distorted_the_logits_is_found(true):
    """20,000 rows determine the temperature to a few per cent; the tolerance is about five standard errors."""
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
    with pytest.raises(ValueError, match="one target per row of logits and at least one row"):
        fit_temperature(logits, target)


def test_no_rows_have_no_calibration_error():
    with pytest.raises(ValueError, match="give at least one"):
        expected_calibration_error(np.zeros((0, 9)), np.zeros(0, int))

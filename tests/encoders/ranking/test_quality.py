"""Discounted gain of an order, by hand."""

import math

import numpy as np
import pytest

from flashsale_env.encoders.ranking.quality import gain_at


def log_of(*rows):
    log = np.zeros(len(rows), [("voice", "i4"), ("bought", "i4")])
    log["voice"], log["bought"] = np.transpose(rows)
    return log


def test_the_gain_of_a_purchase_falls_with_its_place():
    """First place 1, second 1 / log2(3), below the list 0; visits without a purchase do not count."""
    predicted = np.array([0])
    order = np.array([3.0, 2.0, 1.0])
    assert gain_at(order, predicted, log_of((0, 0)), 2) == 1.0
    assert gain_at(order, predicted, log_of((0, 1)), 2) == pytest.approx(1 / math.log2(3))
    assert gain_at(order, predicted, log_of((0, 2)), 2) == 0.0
    assert gain_at(order, predicted, log_of((0, 0), (0, 2), (0, 3), (0, 3)), 2) == 0.5


def test_scores_by_intent_are_those_of_the_predicted_one():
    scores = np.zeros((9, 2))
    scores[3] = [0.0, 1.0]
    scores[4] = [1.0, 0.0]
    predicted = np.array([3, 4])
    assert gain_at(scores, predicted, log_of((0, 1), (1, 0)), 1) == 1.0
    assert gain_at(scores, predicted, log_of((0, 0), (1, 1)), 1) == 0.0


def test_a_log_without_purchases_is_refused():
    with pytest.raises(ValueError, match="nobody bought"):
        gain_at(np.zeros(2), np.zeros(1, int), log_of((0, 2)), 1)

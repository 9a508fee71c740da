"""Inversion of the logit: utilities from shares, and tastes from elasticities."""

import numpy as np
import pytest

from flashsale_env.encoders.demand.inversion import log_share_ratio, tastes_from_elasticities


def test_shares_that_leave_no_outside_option_are_refused():
    assert np.allclose(log_share_ratio(np.array([0.2, 0.3]), np.array([0, 0])), np.log([0.4, 0.6]))
    with pytest.raises(ValueError, match="sum to less than 1"):
        log_share_ratio(np.array([0.6, 0.4]), np.array([0, 0]))


def test_tastes_reproduce_purchase_probabilities_and_elasticities():
    probability = np.array([0.10, 0.20, 0.05, 0.30])
    category = np.array([0, 0, 1, 1])
    elasticity = np.array([-2.6, -1.1])
    quality = np.array([-0.1, -0.1, 0.0, 0.0])
    tastes = tastes_from_elasticities(probability, category, elasticity, quality)

    def bought(price_share):
        odds = np.exp(tastes.relevance + quality - tastes.price_sensitivity[:, None] * price_share)
        return odds / (1 + odds.sum(axis=1, keepdims=True))

    assert bought(np.ones(4))[1, 2:] == pytest.approx(probability[2:], rel=1e-12)
    step = 1e-5
    for c in range(2):
        answers, weights = [], []
        for j in np.flatnonzero(category == c):
            up, down = np.ones(4), np.ones(4)
            up[j], down[j] = np.exp(step), np.exp(-step)
            answers.append(np.log(bought(up)[c, j] / bought(down)[c, j]) / (2 * step))
            weights.append(bought(np.ones(4))[c, j])
        assert np.average(answers, weights=weights) == pytest.approx(elasticity[c], rel=1e-8)
    assert bought(np.ones(4))[0, 2:].max() < 1e-15
    with pytest.raises(ValueError, match="category 1 must be below 0"):
        tastes_from_elasticities(probability, category, np.array([-1.0, 0.2]), quality)
    with pytest.raises(ValueError, match=r"sum to less than 1 in each category, got 1\.200 in category 1"):
        tastes_from_elasticities(np.array([0.1, 0.2, 0.9, 0.3]), category, elasticity, quality)

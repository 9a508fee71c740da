"""The out-of-scope score and its threshold, on clusters with a known answer."""

import numpy as np
import pytest

from flashsale_env.encoders.text.calibration import softmax
from flashsale_env.encoders.text.scope import ACCEPTANCE, Scope

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


def test_the_threshold_accepts_its_share_of_new_messages(scope):
    """With 2,000 messages three standard errors are 0.015; the threshold has the same error."""
    assert (scope.score(cluster(2000, 3)[0]) >= scope.threshold).mean() == pytest.approx(ACCEPTANCE, abs=0.025)


def test_messages_like_the_outliers_are_out_of_scope(scope):
    assert (scope.score(-cluster(500, 7)[0]) < scope.threshold).all()
    assert (scope.score(CENTRES.astype(np.float32)) >= scope.threshold).all()


def test_the_score_is_the_log_odds_of_having_an_intent(scope):
    rows = cluster(50, 5)[0]
    probability = softmax(rows @ scope.weight.T + scope.bias)
    odds = probability[:, :-1].sum(axis=1) / probability[:, -1]
    assert scope.score(rows) == pytest.approx(np.log(odds), rel=1e-3, abs=1e-3)


def test_another_threshold_does_not_change_the_score(scope):
    rows = cluster(1000, 8)[0]
    stricter = scope.accepting(np.arange(100.0))
    assert stricter.threshold == pytest.approx(99 * (1 - ACCEPTANCE))
    assert np.array_equal(stricter.score(rows), scope.score(rows))


def test_outliers_with_less_weight_score_higher(scope):
    train, target = cluster(2000, 0)
    outside, weight = -cluster(600, 6)[0], np.r_[np.ones(2000), np.full(600, 1e-6)]
    lenient = Scope.fit(train, target, outside, cluster(2000, 1)[0], sample_weight=weight)
    assert lenient.score(outside).mean() > scope.score(outside).mean() + 1


def test_a_saved_scope_has_the_same_scores(scope):
    other = Scope.of(scope.tensors(), scope.figures())
    rows = cluster(50, 5)[0]
    assert np.array_equal(other.score(rows), scope.score(rows))
    assert other.threshold == scope.threshold

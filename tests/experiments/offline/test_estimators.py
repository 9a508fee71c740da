"""Estimators against closed forms: three arms logged with (.5, .3, .2), as in theory.md, and identities."""

import itertools

import numpy as np
import pytest

from flashsale_env.experiments.offline import fitted_q as fqe
from flashsale_env.experiments.offline.doubly_robust import doubly_robust
from flashsale_env.experiments.offline.ips import ips
from flashsale_env.experiments.offline.overlap import effective, why_too_few, why_unsupported
from flashsale_env.experiments.offline.running import cross_fitted
from flashsale_env.experiments.offline.snips import snips

LOGGED, MEANS, TARGET = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.4]), np.array([0.1, 0.2, 0.7])
VALUE = 0.33


@pytest.fixture(scope="module")
def exact():
    """A log of 1,000 in which every arm and every reward is as frequent as it is probable."""
    counts = [(arm, reward, round(1000 * LOGGED[arm] * p)) for arm in range(3) for reward, p in
              ((1.0, MEANS[arm]), (0.0, 1 - MEANS[arm]))]  # fmt: skip
    arms = np.concatenate([np.full(count, arm) for arm, _, count in counts])
    rewards = np.concatenate([np.full(count, reward) for _, reward, count in counts])
    assert len(arms) == 1000
    return arms, rewards[:, None], (TARGET / LOGGED)[arms][:, None]


def variance(interval, n):
    """n times the variance of the estimate, from the width of its interval."""
    quantile = 1.9623414611334487  # Student's with 999 degrees of freedom, .975
    return ((interval.high - interval.low) / 2 / quantile) ** 2 * (n - 1)


def test_ips_has_the_value_and_the_variance_of_the_closed_form(exact):
    _, rewards, ratios = exact
    found = ips(rewards, ratios)
    assert found.mean == pytest.approx(VALUE, abs=1e-12)
    assert variance(found, 1000) == pytest.approx(0.899767, abs=1e-6)


def test_the_doubly_robust_estimate_with_true_means_has_the_variance_of_the_closed_form(exact):
    arms, rewards, ratios = exact
    found = doubly_robust(rewards, ratios, MEANS[arms][:, None], np.full_like(rewards, TARGET @ MEANS))
    assert found.mean == pytest.approx(VALUE, abs=1e-12)
    assert variance(found, 1000) == pytest.approx(0.611133, abs=1e-6)


def test_a_doubly_robust_estimate_without_a_model_is_ips(exact):
    _, rewards, ratios = exact
    nothing = np.zeros_like(rewards)
    assert doubly_robust(rewards, ratios, nothing, nothing) == ips(rewards, ratios)


def test_a_wrong_model_biases_the_doubly_robust_estimate_of_no_bandit(exact):
    arms, rewards, ratios = exact
    wrong = np.array([3.0, -1.0, 0.5])
    found = doubly_robust(rewards, ratios, wrong[arms][:, None], np.full_like(rewards, TARGET @ wrong))
    assert found.mean == pytest.approx(VALUE, abs=1e-12)


def test_snips_leaves_a_constant_reward_as_it_is(exact):
    _, _, ratios = exact
    found = snips(np.full_like(ratios, 7.0), 0.3 * ratios)
    assert (found.mean, found.low, found.high) == pytest.approx((7.0, 7.0, 7.0))


def one_hot(arms):
    return np.eye(3)[arms]


def test_fitted_q_of_a_bandit_is_the_mean_of_the_targets_arms_and_weighs_as_ips_does(exact):
    arms, rewards, ratios = exact
    logged, expected = [one_hot(arms)], [np.tile(TARGET, (1000, 1))]
    found, number = fqe.fitted_q(fqe.fit(rewards, logged, expected), rewards, logged, expected)
    assert found.mean == pytest.approx(VALUE, abs=1e-5)
    assert number == pytest.approx(effective(ratios[:, 0]), rel=1e-4)
    # A saturated model leaves the variance of the efficient estimate, that of DR with true means.
    assert variance(found, 1000) == pytest.approx(0.611133, rel=1e-4)


@pytest.fixture(scope="module")
def chain():
    """Two ticks, two states, two actions: state 1 follows action 1; exact values by hand, and a sampler of logs."""
    behaviour, target = np.array([0.6, 0.4]), np.array([[0.2, 0.8], [0.7, 0.3]])  # pi(a | s)
    means = np.array([[1.0, 0.5], [2.0, 4.0]])  # of the reward in state s with action a
    last = (target * means).sum(axis=1)
    value = sum(target[0, a] * (means[0, a] + last[a]) for a in range(2))

    def log(n, seed):
        rng = np.random.default_rng(seed)
        first = (rng.random(n) < behaviour[1]).astype(int)
        second = (rng.random(n) < behaviour[1]).astype(int)
        state = np.stack([np.zeros(n, int), first], axis=1)
        action = np.stack([first, second], axis=1)
        rewards = means[state, action] + rng.normal(0.0, 0.5, (n, 2))
        ratios = target[state, action] / behaviour[action]
        logged = [np.eye(4)[2 * state[:, t] + action[:, t]] for t in range(2)]
        expected = [
            (np.eye(4).reshape(2, 2, 4)[state[:, t]] * target[state[:, t]][:, :, None]).sum(1) for t in range(2)
        ]
        return rewards, ratios, logged, expected

    return value, log


def all_four(rewards, ratios, logged, expected):
    return {
        "ips": ips(rewards, ratios),
        "snips": snips(rewards, ratios),
        "doubly_robust": doubly_robust(rewards, ratios, *cross_fitted(rewards, logged, expected)),
        "fitted_q": fqe.fitted_q(fqe.fit(rewards, logged, expected), rewards, logged, expected)[0],
    }


def test_intervals_of_all_estimators_cover_the_exact_value(chain):
    """250 logs of 300 sales: of nominal 95 %, a share in 91..99 % has a false-alarm rate of 6e-3 an estimator."""
    value, log = chain
    found = [all_four(*log(300, seed)) for seed in range(250)]
    for name in found[0]:
        share = np.mean([row[name].low <= value <= row[name].high for row in found])
        assert 0.91 <= share <= 0.99, (name, share)
        mean = np.mean([row[name].mean for row in found])
        spread = np.std([row[name].mean for row in found]) / np.sqrt(250)
        assert abs(mean - value) < 4 * spread + 0.01, (name, mean, value)
    width = {name: np.mean([row[name].high - row[name].low for row in found]) for name in found[0]}
    assert width["fitted_q"] <= width["doubly_robust"] * 1.05 < width["ips"], "a right model narrows the interval"


def test_few_effective_sales_are_refused():
    even, one = np.ones(1000), np.r_[1000.0, np.full(999, 0.01)]
    assert why_too_few(effective(even), 1000) is None
    assert "1.0 effective sales of 1,000, 30 are needed" in why_too_few(effective(one), 1000)
    for scale, n in itertools.product((0.1, 10.0), (3, 50)):
        assert effective(scale * np.ones(n)) == pytest.approx(n)


def test_a_log_that_lacks_actions_is_told_by_the_mean_of_the_weights(exact):
    arms, _, ratios = exact
    assert why_unsupported(ratios[:, 0]) is None
    assert "the weights' mean is 0.333, not 1" in why_unsupported(np.full(500, 1 / 3))
    lacking = np.where(arms == 2, 0.0, ratios[:, 0])
    assert "mean is 0.3, not 1" in why_unsupported(lacking)

"""The mix of a shop, recovered from probabilities that lean towards the mix of the training messages."""

import numpy as np
import pytest

from flashsale_env.encoders.text.calibration import softmax
from flashsale_env.encoders.text.prevalence import estimate_mix

SHOP = np.array([0.53, 0.05, 0.02, 0.4])


def messages(n, mix, seed, prior=None):
    """Calibrated probabilities of n messages whose classes are drawn from `mix`, and the classes.

    Each message is a point around the centre of its class; the probabilities follow from Bayes' rule with the prior.
    """
    rng = np.random.default_rng(seed)
    centre = 1.6 * np.eye(len(mix))
    true = rng.choice(len(mix), n, p=mix)
    point = centre[true] + rng.normal(size=(n, len(mix)))
    log_density = -0.5 * ((point[:, None, :] - centre) ** 2).sum(2)
    prior = np.full(len(mix), 1 / len(mix)) if prior is None else prior
    return softmax(log_density + np.log(prior), 1.0), true


def distance(a, b):
    """Total variation."""
    return 0.5 * np.abs(a - b).sum()


def test_the_mix_is_recovered_where_counts_and_mean_probabilities_are_not():
    probabilities, true = messages(2000, SHOP, 0)
    truth = np.bincount(true, minlength=4) / 2000
    counted = np.bincount(probabilities.argmax(1), minlength=4) / 2000
    assert distance(counted, truth) > 0.1
    assert distance(probabilities.mean(0), truth) > 0.15
    assert distance(estimate_mix(probabilities).share, truth) < 0.035


def test_an_encoder_trained_on_another_mix_gives_the_same_answer_with_its_prior():
    prior = np.array([0.1, 0.5, 0.2, 0.2])
    equal, skewed = (messages(2000, SHOP, 1, p)[0] for p in (None, prior))
    assert estimate_mix(skewed, prior).share == pytest.approx(estimate_mix(equal).share, abs=2e-3)
    assert distance(estimate_mix(skewed).share, SHOP) > 0.05


def test_the_interval_covers_the_mix_as_often_as_it_says():
    """40 shops and 4 classes, 95 %: 160 intervals cover at least 139 but once in a thousand (binomial, independent)."""
    covered = 0
    for seed in range(40):
        found = estimate_mix(messages(300, SHOP, seed)[0], seed=seed)
        covered += int(((found.low <= SHOP) & (found.high >= SHOP)).sum())
    assert covered >= 139


def test_more_messages_than_are_resampled_have_a_narrower_interval(monkeypatch):
    from flashsale_env.encoders.text import prevalence

    probabilities = messages(2000, SHOP, 2)[0]
    whole = estimate_mix(probabilities)
    monkeypatch.setattr(prevalence, "MOST_RESAMPLED", 500)
    assert (estimate_mix(probabilities).high - estimate_mix(probabilities).low).sum() == pytest.approx(
        (whole.high - whole.low).sum(), rel=0.2
    )


def test_shares_sum_to_one_and_one_message_does_not_decide():
    found = estimate_mix(np.array([[0.97, 0.01, 0.01, 0.01]]))
    assert found.share.sum() == pytest.approx(1)
    assert found.share[0] < 0.9
    assert (found.low >= 0).all()
    assert (found.high <= 1).all()


@pytest.mark.parametrize("prior", [[0.5, 0.5], [0.0, 0.4, 0.3, 0.3]])
def test_no_messages_and_a_prior_that_does_not_fit_are_refused(prior):
    with pytest.raises(ValueError, match="got 0 messages"):
        estimate_mix(np.zeros((0, 4)))
    with pytest.raises(ValueError, match="a positive share of each of 4 classes"):
        estimate_mix(np.full((2, 4), 0.25), np.array(prior))

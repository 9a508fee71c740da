"""Noise on shares has the size that differential privacy asks for, and shares stay shares."""

import numpy as np
import pytest
from scipy.optimize import minimize

from flashsale_env.encoders.privacy.shares import noise_scale, noisy_shares, projected


@pytest.mark.parametrize("epsilon", [0.2, 1.0, 5.0])
def test_the_mean_absolute_error_is_the_closed_form(epsilon):
    """Dwork et al. (2006): 2 / (150 epsilon). Of 200,000 draws, 4.5 standard errors."""
    shares = np.full((40_000, 5), 0.2)
    errors = np.abs(noisy_shares(shares, 150, epsilon, np.random.default_rng(0)) - shares)
    assert noise_scale(150, epsilon) == pytest.approx(2 / (150 * epsilon))
    assert errors.mean() == pytest.approx(2 / (150 * epsilon), abs=4.5 * errors.std() / np.sqrt(errors.size))


def test_one_message_changes_the_density_of_a_release_by_at_most_its_epsilon():
    """The log ratio of Laplace densities is the difference of two L1 distances over the scale."""
    rng, messages, epsilon = np.random.default_rng(1), 150, 0.7
    counts = rng.multinomial(messages, np.full(9, 1 / 9))
    other = counts.copy()
    other[[2, 5]] += (-1, 1)
    releases = noisy_shares(np.tile(counts / messages, (5_000, 1)), messages, epsilon, rng)
    apart = [np.abs(releases - c / messages).sum(axis=1) for c in (counts, other)]
    ratio = (apart[1] - apart[0]) / noise_scale(messages, epsilon)
    assert ratio.max() <= epsilon + 1e-9
    assert ratio.max() > 0.9 * epsilon, "the noise is no larger than it has to be"


def test_an_infinite_epsilon_adds_no_noise():
    shares = np.array([[0.2, 0.8]])
    assert noisy_shares(shares, 150, np.inf, np.random.default_rng(0)).tolist() == shares.tolist()


def test_projected_values_are_the_nearest_shares():
    rng = np.random.default_rng(2)
    values = rng.normal(0.3, 0.5, (20, 4))
    found = projected(values)
    assert (found >= 0).all()
    assert np.allclose(found.sum(axis=1), 1.0)
    for value, near in zip(values, found, strict=True):
        best = minimize(
            lambda x, value=value: ((x - value) ** 2).sum(), np.full(4, 0.25), bounds=[(0, 1)] * 4,
            constraints={"type": "eq", "fun": lambda x: x.sum() - 1.0},
        )  # fmt: skip
        assert np.allclose(near, best.x, atol=2e-3)
    shares = rng.dirichlet(np.ones(5), 10)
    assert np.allclose(projected(shares), shares), "shares stay as they are"


@pytest.mark.parametrize(("messages", "epsilon"), [(0, 1.0), (150, 0.0), (150, -1.0), (150, np.nan)])
def test_noise_without_a_size_is_refused(messages, epsilon):
    with pytest.raises(ValueError, match="at least 1 message and an epsilon above 0"):
        noise_scale(messages, epsilon)

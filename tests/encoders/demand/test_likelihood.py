"""The likelihood of the logit: its derivatives against finite differences."""

import numpy as np
import pytest

from flashsale_env.encoders.demand.likelihood import Likelihood
from tests.encoders.demand.choices import crossed, dense_information


@pytest.mark.parametrize("outside", [True, False])
def test_gradient_and_hessian_equal_finite_differences(outside):
    likelihood = Likelihood(crossed(outside=outside), ridge=0.3)
    theta = np.random.default_rng(1).normal(size=2 + 18)
    step = 1e-6 * np.eye(len(theta))
    numeric = [(likelihood.value(theta + e) - likelihood.value(theta - e)) / 2e-6 for e in step]
    assert likelihood.gradient(theta) == pytest.approx(np.array(numeric), rel=1e-6, abs=1e-4)
    dense = dense_information(likelihood, theta)
    right = dense @ np.random.default_rng(2).normal(size=(20, 3))
    solved = likelihood.information(theta).solve(right)
    assert dense @ solved == pytest.approx(right, rel=1e-5, abs=1e-3)
    assert likelihood.information(theta).diagonal == pytest.approx(dense.diagonal(), rel=1e-5)

"""Empirical Bayes: known errors around known truths."""

import numpy as np
import pytest

from flashsale_env.encoders.demand.shrinkage import shrink


def test_the_variance_between_products_is_found_and_shrinkage_halves_the_error():
    """2,000 products with deviation .5 and errors of deviation 1: the posterior mean keeps a fifth."""
    rng = np.random.default_rng(0)
    true = rng.normal(-2.5, 0.5, 2000)
    found = shrink(true + rng.normal(0, 1.0, 2000), np.ones(2000), np.ones(2000))
    assert found.between_sd == pytest.approx(0.5, abs=0.1)
    assert found.mean == pytest.approx(-2.5, abs=0.1)
    error = np.sqrt(np.mean((found.values - true) ** 2))
    assert error == pytest.approx(np.sqrt(0.2), rel=0.1)
    assert np.mean(found.standard_errors) == pytest.approx(error, rel=0.1)


def test_equal_products_are_all_drawn_to_the_mean_weighted_by_sales():
    found = shrink(np.array([-2.0, -4.0]), np.array([4.0, 4.0]), np.array([3.0, 1.0]))
    assert found.mean == pytest.approx(-2.5)
    assert found.values == pytest.approx([-2.5, -2.5])
    assert found.standard_errors == pytest.approx(np.sqrt(4 * (9 + 1) / 16))


def test_certain_estimates_stay_where_they_are():
    values = np.array([-1.0, -2.0, -5.0])
    assert shrink(values, np.full(3, 1e-8), np.ones(3)).values == pytest.approx(values, abs=1e-6)


def test_a_single_product_keeps_its_estimate():
    found = shrink(np.array([-2.2]), np.array([0.25]), np.array([10.0]))
    assert found.values == pytest.approx([-2.2])
    assert found.standard_errors == pytest.approx([0.5])

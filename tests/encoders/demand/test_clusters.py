"""Standard errors by cluster: their mean, their degrees of freedom, and which dimensions are trusted."""

import numpy as np
import pytest

from flashsale_env.encoders.demand.clusters import _of_units, _of_week, uncertainty
from flashsale_env.encoders.demand.count_regression import count_regression
from flashsale_env.encoders.demand.counts import Counts


def fitted(seed, units, weeks, by_week=True, scale=200.0):
    rng = np.random.default_rng(seed)
    unit, week = np.indices((units, weeks)).reshape(2, -1)
    price = np.log(rng.choice([1, 0.9, 0.75], unit.size))[:, None]
    mean = scale * np.exp(rng.normal(0, 0.5, units)[unit] - 2 * price[:, 0])
    counts = Counts(rng.poisson(mean).astype(float), np.zeros(unit.size, bool))
    return count_regression(counts, price, unit, week if by_week else None), unit, week


@pytest.mark.parametrize("by_week", [True, False])
def test_corrections_are_those_of_the_whole_covariance_of_the_residuals(by_week):
    """The same moments from the n x n matrix of the working model."""
    fit, unit, week = fitted(0, 6, 20, by_week)
    columns = [fit.left[:, 0], *np.eye(6)[unit].T, *(np.eye(20)[week].T if by_week else ())]
    z = np.column_stack(columns)
    w = fit.weight
    covariance = np.diag(w) - (w[:, None] * z) @ np.linalg.pinv(z.T @ (w[:, None] * z)) @ (w[:, None] * z).T
    along = fit.left @ fit.bread[:, 0]
    for codes, moments in ((unit, _of_units), (week, _of_week)):
        sums = np.eye(codes.max() + 1)[codes].T * along
        exact = sums @ covariance @ sums.T
        mean, freedom = moments(fit, along, codes)
        assert mean == pytest.approx(np.trace(exact) / fit.bread[0, 0], rel=1e-6)
        assert freedom == pytest.approx(np.trace(exact) ** 2 / (exact**2).sum(), rel=1e-6)


def test_few_products_beside_week_effects_are_no_clusters():
    """With two products and week effects, the scores of both products are 0: their squares say nothing."""
    fit, unit, week = fitted(1, 2, 60)
    found = uncertainty(fit, {"product": unit, "week": week})
    assert found.clusters == ("week",)
    assert found.variance == pytest.approx(fit.bread[0, 0], rel=0.6)


def test_many_products_are_clusters_beside_weeks_and_stores_where_products_are_few():
    fit, unit, week = fitted(2, 30, 40)
    assert uncertainty(fit, {"product": unit, "week": week}).clusters == ("product", "week")
    assert uncertainty(fit, {"product": unit % 3, "store": unit // 3, "week": week}).clusters == ("store", "week")


def test_demand_that_moves_together_in_a_product_widens_the_interval():
    rng = np.random.default_rng(3)
    unit, week = np.indices((40, 40)).reshape(2, -1)
    # Prices and shocks that last: both are high or low for half of a product's weeks.
    half = week < 20
    price = np.where(half, rng.choice([0.0, -0.3], 40)[unit], rng.choice([0.0, -0.3], 40)[unit])[:, None]
    shock = np.where(half, rng.normal(0, 0.3, 40)[unit], rng.normal(0, 0.3, 40)[unit])
    counts = Counts(rng.poisson(200 * np.exp(shock - 2 * price[:, 0])).astype(float), np.zeros(unit.size, bool))
    fit = count_regression(counts, price, unit, week)
    by_product = uncertainty(fit, {"product": unit, "week": week}).standard_error
    assert by_product > 3 * uncertainty(fit, {"week": week}).standard_error


def test_two_products_in_three_weeks_give_no_interval():
    fit, unit, week = fitted(4, 2, 3)
    with pytest.raises(ValueError, match="prices differ in too few weeks"):
        uncertainty(fit, {"product": unit, "week": week})

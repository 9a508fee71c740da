"""The regression of counts, against scikit-learn's with a column for each effect."""

import numpy as np
import pytest
from sklearn.linear_model import PoissonRegressor

from flashsale_env.encoders.demand import count_regression as module
from flashsale_env.encoders.demand.count_regression import (
    Effects,
    NotIdentifiedError,
    count_regression,
    slopes_by_group,
)
from flashsale_env.encoders.demand.counts import Counts


def panel(seed=0, units=7, weeks=15, share=0.8, slope=-2.0):
    """(counts, log prices and a control, unit, week) with some cells missing."""
    rng = np.random.default_rng(seed)
    unit, week = np.indices((units, weeks)).reshape(2, -1)
    kept = rng.random(unit.size) < share
    unit, week = unit[kept], week[kept]
    x = np.column_stack([np.log(rng.choice([1, 0.9, 0.75], unit.size)), rng.normal(size=unit.size)])
    eta = rng.normal(1.5, 0.5, units)[unit] + rng.normal(0, 0.3, weeks)[week] + x @ [slope, 0.3]
    return Counts(rng.poisson(np.exp(eta)).astype(float), np.zeros(unit.size, bool)), x, unit, week


def dummies(codes):
    return np.eye(codes.max() + 1)[codes]


def test_coefficients_are_those_of_a_regression_with_a_column_for_each_effect():
    counts, x, unit, week = panel()
    columns = np.column_stack([x, dummies(unit), dummies(week)])
    wanted = PoissonRegressor(alpha=0, fit_intercept=False, tol=1e-10, max_iter=5000).fit(columns, counts.units)
    found = count_regression(counts, x, unit, week)
    assert found.coefficients == pytest.approx(wanted.coef_[:2], abs=1e-6)
    assert found.mean == pytest.approx(wanted.predict(columns), rel=1e-5)
    information = columns.T @ (found.mean[:, None] * columns)
    assert found.bread == pytest.approx(np.linalg.pinv(information)[:2, :2], rel=1e-5)


def test_slopes_by_group_are_those_of_a_regression_with_a_price_column_for_each_group():
    counts, x, unit, week = panel(1, weeks=60)
    group = unit % 3
    columns = np.column_stack([dummies(group) * x[:, :1], x[:, 1:], dummies(unit), dummies(week)])
    wanted = PoissonRegressor(alpha=0, fit_intercept=False, tol=1e-10, max_iter=5000).fit(columns, counts.units)
    found = slopes_by_group(counts, count_regression(counts, x, unit, week), x[:, 0], x[:, 1:], group)
    # The prior with standard deviation 10 moves them a little.
    assert found.values == pytest.approx(wanted.coef_[:3], abs=0.01)
    information = np.linalg.pinv(columns.T @ (wanted.predict(columns)[:, None] * columns))
    assert found.variance == pytest.approx(np.diag(information)[:3], rel=0.3)
    assert (found.variance > 0.9 * np.diag(information)[:3]).all()


def test_units_in_blocks_give_the_same_effects_as_all_at_once(monkeypatch):
    counts, x, unit, week = panel(2)
    whole = Effects(unit, week, counts.units + 1)
    monkeypatch.setattr(module, "_BLOCK", 40)
    blocks = Effects(unit, week, counts.units + 1)
    assert len(list(blocks._blocks())) > 2
    assert blocks.without(x) == pytest.approx(whole.without(x), abs=1e-10)
    values = np.random.default_rng(0).normal(size=len(unit))
    assert blocks.products(values, x[:, 0]) == pytest.approx(whole.products(values, x[:, 0]), abs=1e-10)


def test_what_the_effects_leave_is_orthogonal_to_them():
    counts, x, unit, week = panel(3)
    effects = Effects(unit, week, counts.units + 1)
    left = effects.weight[:, None] * effects.without(x)
    for codes in (unit, week):
        assert np.abs(dummies(codes).T @ left).max() < 1e-9


def test_a_price_that_moves_by_week_alone_is_not_identified_beside_week_effects():
    counts, _, unit, week = panel(4)
    common = np.log(np.array([1.0, 0.8, 0.9])[week % 3])[:, None]
    with pytest.raises(NotIdentifiedError, match="regressor 0 does not vary"):
        count_regression(counts, common, unit, week)
    assert np.isfinite(count_regression(counts, common, unit, None).coefficients).all()


def test_truncated_and_censored_counts_give_the_slope_back():
    """60 units in 60 weeks: the standard errors of the slopes are about .1; a true -2 leaves 4 of them."""
    rng = np.random.default_rng(5)
    unit, week = np.indices((60, 60)).reshape(2, -1)
    x = np.log(rng.choice([1, 0.9, 0.75], unit.size))[:, None]
    mean = np.exp(rng.normal(0.7, 0.4, 60)[unit] - 2.0 * x[:, 0])
    demand = rng.poisson(mean).astype(float)
    shown = demand > 0
    missing = Counts(demand[shown], np.zeros(shown.sum(), bool), truncated=True)
    assert count_regression(missing, x[shown], unit[shown], week[shown]).coefficients[0] == pytest.approx(-2, abs=0.4)
    stock = np.full(60, 5.0)[unit]
    censored = Counts(np.minimum(demand, stock), demand >= stock)
    slope = count_regression(censored, x, unit, week).coefficients[0]
    assert slope == pytest.approx(-2, abs=0.4)
    taken = Counts(np.minimum(demand, stock), np.zeros(unit.size, bool))
    assert count_regression(taken, x, unit, week).coefficients[0] > slope + 0.2

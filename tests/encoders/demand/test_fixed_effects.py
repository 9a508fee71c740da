"""Fixed-effects regression: against least squares on dummies, against pyblp, and the coverage of its intervals."""

import numpy as np
import pandas as pd
import pytest

from flashsale_env.encoders.demand.fixed_effects import fixed_effects_regression, within
from flashsale_env.encoders.demand.inversion import log_share_ratio


@pytest.fixture
def unbalanced():
    """A regression with two crossed effects and many missing cells: y, x (n, 2), effects."""
    rng = np.random.default_rng(3)
    keep = rng.random(20 * 15) < 0.6
    first, second = (codes[keep] for codes in np.indices((20, 15)).reshape(2, -1))
    x = rng.normal(size=(keep.sum(), 2)) + first[:, None] / 5
    y = x @ [-1.2, 0.4] + rng.normal(size=20)[first] + rng.normal(size=15)[second] + rng.normal(0, 0.3, keep.sum())
    return y, x, [first, second]


def dummies(effect):
    return (effect[:, None] == np.unique(effect)).astype(float)


def test_within_gives_the_residuals_of_a_regression_on_dummies(unbalanced):
    y, x, effects = unbalanced
    design = np.hstack([dummies(effect) for effect in effects])
    columns = np.column_stack([y, x])
    expected = columns - design @ np.linalg.lstsq(design, columns, rcond=None)[0]
    assert np.allclose(within(columns, effects), expected, atol=1e-9)


def test_absorbing_effects_equals_least_squares_on_dummies_with_the_clustered_sandwich(unbalanced):
    y, x, effects = unbalanced
    found = fixed_effects_regression(y, x, effects, clusters=effects[0])
    design = np.hstack([x, dummies(effects[0]), dummies(effects[1])[:, 1:]])
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    assert np.allclose(found.coefficients, coefficients[:2], atol=1e-9)
    scores = dummies(effects[0]).T @ (design * (y - design @ coefficients)[:, None])
    bread = np.linalg.inv(design.T @ design)
    n, groups = len(y), 20
    # The first effect is nested in the clusters and uses no degrees of freedom.
    correction = groups / (groups - 1) * (n - 1) / (n - 2 - 15)
    expected = (bread @ scores.T @ scores @ bread)[:2, :2] * correction
    assert np.allclose(found.covariance, expected, rtol=1e-7)


def test_a_regressor_that_the_effects_explain_is_refused_by_number(unbalanced):
    y, x, effects = unbalanced
    x[:, 1] = effects[0]
    with pytest.raises(ValueError, match="regressor 1 does not vary beyond what the effects"):
        fixed_effects_regression(y, x, effects)


def test_instruments_remove_the_bias_of_prices_that_respond_to_demand():
    """One false alarm in 10,000: the tolerance is 3.9 standard errors to either side."""
    rng = np.random.default_rng(5)
    product = np.repeat(np.arange(100), 60)
    cost, demand = rng.normal(size=(2, len(product)))
    price = cost + 0.8 * demand
    sales = -2.0 * price + demand + rng.normal(size=100)[product]
    plain = fixed_effects_regression(sales, price[:, None], [product])
    instrumented = fixed_effects_regression(sales, price[:, None], [product], instruments=cost[:, None])
    assert plain.coefficients[0] > -1.7
    assert abs(instrumented.coefficients[0] + 2.0) < 3.9 * instrumented.standard_errors[0] < 0.1


@pytest.mark.parametrize("lasting_sd", [0.0, 0.1])
def test_95_percent_intervals_cover_the_elasticity_in_95_percent_of_shops(lasting_sd):
    """300 shops: with 95 % coverage the share is in [.91, .99] but for 1 in 1,000. Persistent shocks need clusters."""
    covered, estimates = 0, []
    for seed in range(300):
        rng = np.random.default_rng([seed, 17])
        product, week = np.indices((30, 25))
        price = rng.choice([0.0, -0.1, -0.3], product.shape).cumsum(axis=1) * 0.2 + rng.normal(0, 0.1, product.shape)
        lasting = rng.normal(0, lasting_sd, product.shape).cumsum(axis=1)
        sales = -1.5 * price + lasting + rng.normal(0, 0.2, product.shape) + rng.normal(size=25)[week]
        found = fixed_effects_regression(
            sales.ravel(), price.reshape(-1, 1), [product.ravel(), week.ravel()], clusters=product.ravel()
        )
        low, high = found.interval()
        covered += low < -1.5 < high
        estimates.append(found.coefficients[0])
    assert 0.91 < covered / 300 < 0.99
    assert abs(np.mean(estimates) + 1.5) < 4 * np.std(estimates) / np.sqrt(300)


@pytest.fixture
def cereal():
    """Nevo's cereal data as pyblp ships them, with its output switched off."""
    pyblp = pytest.importorskip("pyblp", reason="pyblp is not installed")
    before, pyblp.options.verbose = pyblp.options.verbose, False
    yield pyblp, pd.read_csv(pyblp.data.NEVO_PRODUCTS_LOCATION)
    pyblp.options.verbose = before


@pytest.mark.parametrize("instrumented", [True, False])
@pytest.mark.parametrize("se_type", ["robust", "clustered"])
def test_the_logit_of_the_cereal_data_is_that_of_pyblp(cereal, instrumented, se_type):
    """Nevo's problem with product effects: coefficient and standard error agree with pyblp's to 6 digits."""
    pyblp, data = cereal
    names = [name for name in data if name.startswith("demand_instruments")]
    data["clustering_ids"] = data["product_ids"]
    theirs_data = data if instrumented else data.drop(columns=names).assign(demand_instruments0=data["prices"])
    problem = pyblp.Problem(pyblp.Formulation("prices", absorb="C(product_ids)"), theirs_data)
    theirs = problem.solve(method="1s", se_type=se_type)

    product = pd.factorize(data["product_ids"])[0]
    ours = fixed_effects_regression(
        log_share_ratio(data["shares"].to_numpy(), pd.factorize(data["market_ids"])[0]),
        data[["prices"]].to_numpy(),
        [product],
        instruments=data[names].to_numpy() if instrumented else None,
        clusters=product if se_type == "clustered" else None,
        finite_sample=False,
    )
    assert ours.coefficients[0] == pytest.approx(theirs.beta[0, 0], rel=1e-6)
    assert ours.standard_errors[0] == pytest.approx(theirs.beta_se[0, 0], rel=1e-6)

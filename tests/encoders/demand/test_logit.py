"""The conditional logit: closed forms, its maximum, standard errors, and elasticities."""

import numpy as np
import pytest

from flashsale_env.encoders.demand.choice_table import ChoiceTable
from flashsale_env.encoders.demand.likelihood import Likelihood
from flashsale_env.encoders.demand.logit import fit
from tests.encoders.demand.choices import PRODUCTS, counts, crossed, dense_information, table, visits


def test_a_saturated_logit_of_two_products_is_the_log_odds():
    """Counts 30, 70, and 100 for the outside option: ln(30/100), ln(70/100); without it, their difference."""
    effects = fit(counts([30, 70], 100)).effects
    assert effects == pytest.approx(np.log([0.3, 0.7]), abs=1e-12)
    conditional = fit(counts([30, 70], None)).effects
    assert conditional[1] - conditional[0] == pytest.approx(np.log(70 / 30), abs=1e-12)


def test_one_product_at_two_prices_has_the_log_odds_ratio_as_slope():
    """Slope (ln(10/90) - ln(40/60)) / 0.5; its variance is the sum of reciprocal counts / 0.5 squared (Woolf 1955)."""
    two = ChoiceTable(
        choice_set=np.array([0, 1]),
        covariates=np.array([[1.0], [0.5]]),
        chosen=np.array([10.0, 40.0]),
        outside=np.array([90.0, 60.0]),
        names=("price",),
        effect=np.array([0, 0]),
        effect_names=("a",),
    )
    slope = fit(two).estimate("price", robust=False)
    assert slope.value == pytest.approx((np.log(10 / 90) - np.log(40 / 60)) / 0.5, abs=1e-9)
    assert slope.standard_error == pytest.approx(np.sqrt(1 / 10 + 1 / 90 + 1 / 40 + 1 / 60) / 0.5, rel=1e-9)


def test_standard_errors_of_the_coefficients_allow_for_the_fixed_effects():
    """The block solver against the inverse of the whole Hessian, and the sandwich against its textbook form."""
    data = crossed()
    found = fit(data)
    likelihood = Likelihood(data)
    theta = np.concatenate([found.coefficients, found.effects])
    inverse = np.linalg.inv(dense_information(likelihood, theta))
    assert found.covariance == pytest.approx(inverse[:2, :2], rel=1e-4)
    residual = data.chosen - likelihood.total[data.choice_set] * likelihood.probabilities(theta)
    design = np.column_stack([data.covariates, np.eye(18)[data.effect]])
    scores = np.zeros((30, 20))
    np.add.at(scores, data.cluster[data.choice_set], residual[:, None] * design)
    sandwich = 30 / 29 * inverse @ scores.T @ scores @ inverse
    assert found.robust_covariance == pytest.approx(sandwich[:2, :2], rel=1e-4)


def test_the_maximum_is_the_same_from_distant_starts():
    """With wrong signs and three times too large: the likelihood is concave."""
    data = table()
    best = fit(data)
    rng = np.random.default_rng(0)
    theta = np.concatenate([best.coefficients, best.effects])
    assert np.abs(Likelihood(data).gradient(theta)).max() < 1e-6
    for start in (-3 * theta, 10 * rng.normal(size=4), np.full(4, 20.0), np.full(4, -30.0)):
        found = fit(data, start=start)
        assert found.coefficients == pytest.approx(best.coefficients, abs=1e-8)
        assert found.effects == pytest.approx(best.effects, abs=1e-8)


def test_95_percent_intervals_cover_the_slope_in_95_percent_of_samples():
    """200 samples; a binomial count with p = .95 leaves 181..198 with probability .0008."""
    covered = {True: 0, False: 0}
    for seed in range(200):
        found = fit(table(n=1500, seed=seed))
        for robust in covered:
            estimate = found.estimate("price", robust=robust)
            covered[robust] += estimate.low <= -3.0 <= estimate.high
    assert all(181 <= count <= 198 for count in covered.values())


def test_copies_do_not_reduce_clustered_standard_errors():
    """Every visit nine times over: the plain standard error shrinks to a third, the clustered one stays."""
    once, copies = visits(n=4000), visits(n=4000)
    copies = {
        "covariates": {"price": np.repeat(copies["covariates"]["price"], 9, axis=0)},
        "bought": np.repeat(copies["bought"], 9),
        "available": np.repeat(copies["available"], 9, axis=0),
    }
    single = fit(ChoiceTable.from_visits(**once, products=PRODUCTS))
    many = fit(ChoiceTable.from_visits(**copies, products=PRODUCTS, cluster=np.repeat(np.arange(4000), 9)))
    weighted = fit(ChoiceTable.from_visits(**once, products=PRODUCTS, weight=np.full(4000, 9.0)))
    assert many["price"].standard_error == pytest.approx(single["price"].standard_error, rel=1e-6)
    plain = many.estimate("price", robust=False).standard_error
    assert plain == pytest.approx(single.estimate("price", robust=False).standard_error / 3, rel=1e-6)
    assert weighted["price"].standard_error == pytest.approx(single["price"].standard_error, rel=1e-6)


def test_elasticity_is_the_slope_of_expected_demand():
    """The formula against a rise of one product's price by a thousandth, for each product."""
    data = table(n=3000)
    found = fit(data)
    likelihood = Likelihood(data)
    theta = np.concatenate([found.coefficients, found.effects])
    base = likelihood.probabilities(theta)
    change = 0.0
    for j in range(3):
        raised = ChoiceTable(
            **{**vars(data), "covariates": data.covariates * np.where(data.effect == j, 1.001, 1.0)[:, None]}
        )
        change += ((Likelihood(raised).probabilities(theta) - base)[data.effect == j]).sum()
    assert found.elasticity().value == pytest.approx(change / base.sum() / 0.001, rel=2e-3)


@pytest.mark.parametrize("logarithm", [False, True])
def test_the_delta_method_uses_the_gradient_of_the_elasticity(logarithm):
    """With the gradient by finite differences and the full covariance matrix; evaluated at other prices."""
    data, there = crossed(), crossed(sets=6, seed=5)
    found = fit(data)
    theta = np.concatenate([found.coefficients, found.effects])
    where = Likelihood(there)

    def elasticity(theta):
        p = where.probabilities(theta)
        demand = where.total[there.choice_set] * p
        slope = theta[0] * (1.0 if logarithm else there.covariates[:, 0])
        return (demand * slope * (1 - p)).sum() / demand.sum()

    gradient = np.array([(elasticity(theta + e) - elasticity(theta - e)) / 2e-5 for e in 1e-5 * np.eye(20)])
    covariance = np.linalg.inv(dense_information(Likelihood(data), theta))
    estimate = found.elasticity(at=there, logarithm=logarithm, robust=False)
    assert estimate.value == pytest.approx(elasticity(theta), rel=1e-9)
    assert estimate.standard_error == pytest.approx(np.sqrt(gradient @ covariance @ gradient), rel=1e-4)


def test_fixed_effects_absorb_what_would_bias_the_slope():
    """Expensive products are more popular: without effects the slope is biased, with them its interval covers."""
    rng = np.random.default_rng(3)
    n, level = 30_000, np.array([0.5, 0.75, 1.0])
    price = level + rng.uniform(-0.1, 0.1, (n, 3))
    utility = 4 * level - 2 - 3.0 * price
    bought = (np.column_stack([utility, np.zeros(n)]) + rng.gumbel(size=(n, 4))).argmax(axis=1)
    data = ChoiceTable.from_visits({"price": price}, bought, np.ones((n, 3), bool), products=PRODUCTS)
    assert fit(data)["price"].low < -3.0 < fit(data)["price"].high
    pooled = ChoiceTable(**{**vars(data), "effect": np.zeros_like(data.effect), "effect_names": ("all",)})
    assert fit(pooled)["price"].low > -2.0


def test_many_rows_and_many_effects_take_seconds():
    """200,000 rows with 2,000 fixed effects; the gradient is 0 at the result."""
    rng = np.random.default_rng(0)
    choice_set = np.repeat(np.arange(4000), 50)
    effect = choice_set * 40 // 4000 * 50 + np.tile(np.arange(50), 4000)
    price = rng.uniform(0.5, 1.0, 200_000)
    odds = np.exp(-2.5 * price + rng.normal(-2.0, 1.0, 2000)[effect])
    nothing = 1 / (1 + np.bincount(choice_set, odds))
    data = ChoiceTable(
        choice_set=choice_set,
        covariates=price[:, None],
        chosen=rng.poisson(300 * odds * nothing[choice_set]).astype(float),
        outside=rng.poisson(300 * nothing).astype(float),
        names=("price",),
        effect=effect,
        effect_names=tuple(map(str, range(2000))),
    )
    found = fit(data)
    assert found.steps < 20
    assert np.abs(Likelihood(data).gradient(np.concatenate([found.coefficients, found.effects]))).max() < 1e-5
    assert abs(found["price"].value + 2.5) < 4 * found["price"].standard_error < 0.1


def test_a_ridge_shrinks_and_is_part_of_the_fit():
    data = table(n=2000)
    free, shrunk = fit(data), fit(data, ridge=50.0)
    assert abs(shrunk["price"].value) < abs(free["price"].value)
    assert shrunk.log_likelihood < free.log_likelihood
    assert shrunk.ridge == 50.0


def test_bad_arguments_are_refused():
    data = table(n=200)
    with pytest.raises(ValueError, match="ridge must be 0 or more"):
        fit(data, ridge=-1.0)
    with pytest.raises(ValueError, match="start must be 4 finite numbers"):
        fit(data, start=np.zeros(3))
    with pytest.raises(ValueError, match=r"unknown covariate 'prize'\. Did you mean 'price'"):
        fit(data)["prize"]
    with pytest.raises(ValueError, match="the table to evaluate at has 1 covariates and 2 effects"):
        fit(data).elasticity(at=table(n=50, products=("a", "b"), quality=(0.0, 0.0)))

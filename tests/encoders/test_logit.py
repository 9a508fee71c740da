"""The conditional logit: closed forms, derivatives, intervals, and what it refuses to estimate."""

import numpy as np
import pytest

from flashsale_env.encoders.demand.logit import ChoiceTable, Likelihood, fit

PRODUCTS = ("a", "b", "c")


def visits(n=20_000, seed=0, slope=-3.0, quality=(1.0, 0.5, 0.0), offered=0.8, products=PRODUCTS):
    """Choices at random prices and availability, drawn here by Gumbel-max, independent of the simulator."""
    rng = np.random.default_rng(seed)
    m = len(products)
    price = rng.uniform(0.5, 1.0, (n, m))
    available = rng.random((n, m)) < offered
    utility = np.where(available, np.asarray(quality) + slope * price, -np.inf)
    bought = (np.column_stack([utility, np.zeros(n)]) + rng.gumbel(size=(n, m + 1))).argmax(axis=1)
    return {"covariates": {"price": price}, "bought": bought, "available": available}


def table(products=PRODUCTS, **options):
    return ChoiceTable.from_visits(**visits(products=products, **options), products=products)


def counts(chosen, outside, price=None, effect=None):
    """One choice set with counts."""
    rows = len(chosen)
    return ChoiceTable(
        choice_set=np.zeros(rows, np.int64),
        covariates=np.zeros((rows, 0)) if price is None else np.array(price, float)[:, None],
        chosen=np.array(chosen, float),
        outside=None if outside is None else np.array([outside], float),
        names=() if price is None else ("price",),
        effect=np.arange(rows) if effect is None else np.array(effect),
        effect_names=PRODUCTS[:rows],
    )


def crossed(sets=60, products=6, weeks=3, seed=0, outside=True):
    """Counts per shop-week and product with a fixed effect for every product in every week; two covariates."""
    rng = np.random.default_rng(seed)
    choice_set = np.repeat(np.arange(sets), products)
    effect = choice_set % weeks * products + np.tile(np.arange(products), sets)
    x = np.column_stack([rng.uniform(0.5, 1.0, sets * products), rng.normal(size=sets * products)])
    odds = np.exp(x @ [-2.5, 0.4] + rng.normal(-0.5, 0.7, products * weeks)[effect])
    share = odds / (np.bincount(choice_set, odds) + outside)[choice_set]
    return ChoiceTable(
        choice_set=choice_set,
        covariates=x,
        chosen=rng.poisson(80 * share).astype(float),
        outside=rng.poisson(80 * (1 - np.bincount(choice_set, share))).astype(float) if outside else None,
        names=("price", "display"),
        effect=effect,
        effect_names=tuple(f"product {g % products} in week {g // products}" for g in range(products * weeks)),
        cluster=np.arange(sets) // 2,
    )


def dense_information(likelihood, theta):
    """Minus the Hessian by central differences of the analytic gradient."""
    step = 1e-5
    columns = [
        (likelihood.gradient(theta - step * e) - likelihood.gradient(theta + step * e)) / (2 * step)
        for e in np.eye(len(theta))
    ]
    return np.stack(columns, axis=1)


def test_a_saturated_logit_of_two_products_is_the_log_odds():
    """Counts 30, 70 and 100 for nothing: ln(30/100), ln(70/100); without outside option their difference."""
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


def test_the_maximum_is_the_same_from_starts_far_off():
    """Wrong signs and three times too large: the likelihood is concave."""
    data = table()
    best = fit(data)
    rng = np.random.default_rng(0)
    theta = np.concatenate([best.coefficients, best.effects])
    assert np.abs(Likelihood(data).gradient(theta)).max() < 1e-6
    for start in (-3 * theta, 10 * rng.normal(size=4), np.full(4, 20.0), np.full(4, -30.0)):
        found = fit(data, start=start)
        assert found.coefficients == pytest.approx(best.coefficients, abs=1e-8)
        assert found.effects == pytest.approx(best.effects, abs=1e-8)


def test_intervals_cover_the_slope_as_often_as_they_say():
    """200 samples; a binomial count with p = .95 leaves 181..198 with probability .0008."""
    covered = {True: 0, False: 0}
    for seed in range(200):
        found = fit(table(n=1500, seed=seed))
        for robust in covered:
            estimate = found.estimate("price", robust=robust)
            covered[robust] += estimate.low <= -3.0 <= estimate.high
    assert all(181 <= count <= 198 for count in covered.values())


def test_clustered_errors_see_that_copies_bring_no_information():
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
    """A rise of one product's price by a thousandth, product after product, against the formula."""
    data = table(n=3000)
    found = fit(data)
    likelihood = Likelihood(data)
    theta = np.concatenate([found.coefficients, found.effects])
    base = likelihood.probabilities(theta)
    change = 0.0
    for j in range(3):
        dearer = ChoiceTable(
            **{**vars(data), "covariates": data.covariates * np.where(data.effect == j, 1.001, 1.0)[:, None]}
        )
        change += ((Likelihood(dearer).probabilities(theta) - base)[data.effect == j]).sum()
    assert found.elasticity().value == pytest.approx(change / base.sum() / 0.001, rel=2e-3)


@pytest.mark.parametrize("logarithm", [False, True])
def test_the_delta_method_is_the_slope_of_the_elasticity_in_the_parameters(logarithm):
    """Its gradient by finite differences, against the whole covariance matrix; evaluated at other prices."""
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
    """Dear products are better liked: without effects the slope is far off, with them its interval covers the truth."""
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
    """200,000 rows with 2,000 fixed effects, each free; the gradient is 0 there."""
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


def never_available():
    data = visits()
    data["available"][:, 1] = False
    data["bought"][data["bought"] == 1] = 3
    return data


def never_bought():
    data = visits()
    data["bought"][data["bought"] == 1] = 3
    return data


def always_bought():
    data = visits()
    data["bought"][data["available"][:, 1]] = 1
    return data


def one_price():
    data = visits()
    data["covariates"]["price"] = np.array([0.7, 0.8, 0.9])
    return data


def one_price_of_b():
    data = visits()
    price = data["covariates"].pop("price")
    price[:, 1] = 0.8
    for j, name in enumerate(PRODUCTS):
        data["covariates"][f"price of {name}"] = price * np.eye(3)[j]
    return data


def twice_the_same():
    data = visits()
    data["covariates"]["price in cents"] = 100 * data["covariates"]["price"]
    data["covariates"]["noise"] = np.random.default_rng(1).normal(size=(20_000, 3))
    return data


def tells_all_apart():
    data = visits()
    bought = np.eye(4)[data["bought"]][:, :3]
    data["covariates"]["seen at the till"] = bought + np.random.default_rng(0).uniform(0, 0.2, (20_000, 3))
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (never_available, "effect of 'b' is not identified: it was never available"),
        (never_bought, "effect of 'b' is not identified: it was never chosen"),
        (always_bought, "effect of 'b' is not identified: it was chosen whenever it was available"),
        (one_price, "coefficient of 'price' is not identified: it does not vary within any of 'a', 'b', 'c'"),
        (one_price_of_b, "coefficient of 'price of b' is not identified: it does not vary within any of 'b'"),
        (twice_the_same, "coefficients of 'price', 'price in cents' are not identified: these columns are collinear"),
        (tells_all_apart, "coefficient of 'seen at the till' is not identified: perfect separation"),
    ],
)
def test_what_cannot_be_estimated_is_named(data, message):
    with pytest.raises(ValueError, match=message):
        fit(ChoiceTable.from_visits(**data(), products=PRODUCTS))


def test_rare_purchases_are_not_mistaken_for_separation():
    """One purchase in 2,000 visits has little information, but a maximum."""
    data = table(n=60_000, quality=(-5.0, -5.5, -6.0))
    assert 1 < data.chosen.sum() < 100
    assert np.isfinite(fit(data)["price"].standard_error)


def test_a_covariate_of_the_choice_set_needs_an_outside_option():
    """Rain makes people stay at home; among those who buy it explains nothing."""
    data = visits()
    data["covariates"]["rain"] = np.random.default_rng(0).random((20_000, 1)).round()
    with_outside = ChoiceTable.from_visits(**data, products=PRODUCTS)
    assert abs(fit(with_outside)["rain"].value) < 0.1
    with pytest.raises(ValueError, match="'rain' is not identified: it is the same for all alternatives"):
        fit(ChoiceTable(**{**vars(with_outside), "outside": None}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chosen": np.array([1.0, -1.0])}, "chosen must be 0 or more, got -1.0 in row 1"),
        ({"covariates": np.array([[1.0], [np.nan]])}, "covariates is not finite in row 1"),
        ({"outside": np.ones((1, 1))}, r"outside must have shape \(1,\)"),
        ({"effect": np.array([0, 3])}, "effects 0..3, but 2 effect names"),
        ({"choice_set": np.array([-1, 0])}, "choice_set counts from 0, got -1"),
        ({"choice_set": np.zeros(0, np.int64)}, "no rows"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ChoiceTable(**{**vars(counts([30, 70], 100, price=[0.5, 1.0])), **change})


def test_a_purchase_of_what_was_not_available_is_refused():
    data = visits(n=10)
    data["available"][:] = False
    data["bought"][:] = [3] * 9 + [1]
    with pytest.raises(ValueError, match="visit 9 bought 'b', which was not available then"):
        ChoiceTable.from_visits(**data, products=PRODUCTS)


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

"""Quantities that the data do not identify: each is refused by name."""

import numpy as np
import pytest

from flashsale_env.encoders.demand.choice_table import ChoiceTable
from flashsale_env.encoders.demand.logit import fit
from tests.encoders.demand.choices import PRODUCTS, table, visits


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


def predicts_every_choice():
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
        (predicts_every_choice, "coefficient of 'seen at the till' is not identified: perfect separation"),
    ],
)
def test_a_quantity_that_is_not_identified_is_named(data, message):
    with pytest.raises(ValueError, match=message):
        fit(ChoiceTable.from_visits(**data(), products=PRODUCTS))


def test_rare_purchases_are_not_mistaken_for_separation():
    """One purchase in 2,000 visits carries little information, but the maximum is finite."""
    data = table(n=60_000, quality=(-5.0, -5.5, -6.0))
    assert 1 < data.chosen.sum() < 100
    assert np.isfinite(fit(data)["price"].standard_error)


def test_a_covariate_of_the_choice_set_needs_an_outside_option():
    """Rain may keep customers at home; conditional on buying, it has no effect on which product they choose."""
    data = visits()
    data["covariates"]["rain"] = np.random.default_rng(0).random((20_000, 1)).round()
    with_outside = ChoiceTable.from_visits(**data, products=PRODUCTS)
    assert abs(fit(with_outside)["rain"].value) < 0.1
    with pytest.raises(ValueError, match="'rain' is not identified: it is the same for all alternatives"):
        fit(ChoiceTable(**{**vars(with_outside), "outside": None}))


def test_an_intercept_is_refused_if_nobody_leaves_without_buying():
    """One effect for all products, with several rows in a choice set: it is chosen whenever it is available."""
    data = visits()
    data["bought"] = np.where(data["available"].any(axis=1), data["available"].argmax(axis=1), 3)
    buyers = data["bought"] < 3
    by_product = ChoiceTable.from_visits(
        {"price": data["covariates"]["price"][buyers]},
        data["bought"][buyers],
        data["available"][buyers],
        products=PRODUCTS,
    )
    pooled = ChoiceTable(**{**vars(by_product), "effect": np.zeros_like(by_product.effect), "effect_names": ("all",)})
    with pytest.raises(ValueError, match="effect of 'all' is not identified: it was chosen whenever it was available"):
        fit(pooled)

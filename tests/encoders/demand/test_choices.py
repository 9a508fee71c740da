"""Price sensitivities from logs of choices, with and without visits that buy nothing."""

import numpy as np
import pandas as pd
import pytest

from flashsale_env.encoders.demand.choices import estimate_choices
from flashsale_env.encoders.records.choices import check_choices


def visits(seed=0, count=20_000, sold_out=0.3):
    """A log of choices over four products of two categories with price sensitivities 2 and 3 per mean price."""
    rng = np.random.default_rng(seed)
    sensitivity = np.array([2.0, 2.0, 3.0, 3.0])
    price = np.array([4.0, 6.0, 2.0, 3.0]) * rng.choice([1.0, 0.8, 0.6], (count, 4))
    utility = np.array([1.0, 0.5, 1.0, 1.5]) - sensitivity * price / price.mean(axis=0)
    # Popular products are sold out more often.
    available = rng.random((count, 4)) > np.array([2 * sold_out, 0, 0, sold_out])
    draws = rng.gumbel(size=(count, 2, 3))
    bought = np.zeros((count, 4), int)
    for c, columns in enumerate((slice(0, 2), slice(2, 4))):
        value = np.where(available[:, columns], utility[:, columns], -np.inf) + draws[:, c, 1:]
        best = np.column_stack([draws[:, c, 0], value]).argmax(axis=1)
        # A visit buys once: the second category only where nothing was bought in the first.
        buys = (best > 0) & (bought.sum(axis=1) == 0)
        bought[np.flatnonzero(buys), columns.start + best[buys] - 1] = 1
    visit, product = np.indices((count, 4)).reshape(2, -1)
    return pd.DataFrame(
        {
            "visit": visit,
            "product": np.array(["oolong", "sencha", "cola", "tonic"])[product],
            "category": np.array(["tea", "tea", "soda", "soda"])[product],
            "price": price.ravel(),
            "available": available.ravel().astype(int),
            "bought": bought.ravel(),
        }
    )


def test_price_sensitivity_is_recovered_from_choices_although_popular_products_sell_out():
    rows, _ = check_choices(visits()[lambda t: t["category"] == "tea"], source="log")
    found = estimate_choices(rows)
    estimate = found.elasticities.categories["tea"]
    odds = np.exp(np.array([1.0, 0.5]) - 2.0)
    probability = odds / (1 + odds.sum())
    true = -2.0 * (probability * (1 - probability)).sum() / probability.sum()
    assert abs(estimate.estimate - true) < 4 * estimate.standard_error < 0.3
    assert found.relevance == pytest.approx({"oolong": 1.0, "sencha": 0.5}, abs=0.25)
    ignoring, _ = check_choices(
        visits()[lambda t: t["category"] == "tea"].assign(available=1), source="log without stockouts"
    )
    assert estimate_choices(ignoring).relevance["oolong"] < 0.6


def test_choices_at_constant_prices_are_refused_with_the_reason():
    table = visits(count=300).assign(price=2.0)
    with pytest.raises(ValueError, match=r"no category identifies a price sensitivity\. soda: .*price"):
        estimate_choices(check_choices(table, source="log")[0])


def test_among_visits_that_all_buy_the_price_sensitivity_is_the_same_and_whether_they_buy_is_open():
    """4,500 of 20,000 visits buy; without the others the log holds the choice between the products alone."""
    table = visits()[lambda t: t["category"] == "tea"]
    buys = table.groupby("visit")["bought"].transform("sum") > 0
    found = estimate_choices(check_choices(table[buys], source="log of buyers")[0])
    assert not found.has_outside
    assert found.price_sensitivity["tea"] == pytest.approx(2.0, abs=0.35)
    assert found.relevance["oolong"] - found.relevance["sencha"] == pytest.approx(0.5, abs=0.1)
    closed = estimate_choices(check_choices(table[buys], source="log of buyers")[0], conversion=0.03)
    assert closed.has_outside
    at_mean = np.exp(
        np.array([closed.relevance[name] for name in ("oolong", "sencha")]) - found.price_sensitivity["tea"]
    )
    assert at_mean.sum() / (1 + at_mean.sum()) == pytest.approx(0.03)
    # With 97 % of visitors outside, hardly a cut goes to other products.
    estimate = closed.elasticities.categories["tea"]
    assert estimate.estimate == pytest.approx(-0.98 * found.price_sensitivity["tea"], rel=0.01)
    assert estimate.low < estimate.estimate < estimate.high


def test_a_conversion_for_a_log_that_has_its_own_is_refused():
    rows, _ = check_choices(visits(count=300), source="log")
    with pytest.raises(ValueError, match="the log has visits without a purchase"):
        estimate_choices(rows, conversion=0.1)

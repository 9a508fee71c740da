"""Elasticities from records with known answers, and the counts of products that are left out."""

import numpy as np
import pandas as pd
import pytest

from flashsale_env.encoders.demand.elasticities import estimate_choices, estimate_elasticities, weekly_panel
from flashsale_env.encoders.records.choices import check_choices
from flashsale_env.encoders.records.transactions import check_transactions


def grocer(seed=0, *, elasticities=None, products=12, weeks=40, units=80.0, lasting_sd=0.0):
    """Transactions of a shop with known elasticities, random price cuts, and demand shocks by week and product."""
    rng = np.random.default_rng(seed)
    tables = []
    for category, elasticity in (elasticities or {"tea": -1.5}).items():
        price = rng.uniform(2, 9, (products, 1)) * rng.choice([1.0, 0.9, 0.75], (products, weeks), p=[0.6, 0.2, 0.2])
        price = price.round(2)
        week = rng.normal(0, 0.2, weeks)
        lasting = rng.normal(0, lasting_sd, (products, weeks)).cumsum(axis=1)
        lasting *= rng.choice([-1, 1], (products, 1))
        level = np.log(units) + rng.normal(0, 0.3, (products, 1))
        mean = np.exp(level + week + lasting + elasticity * np.log(price / price.mean(axis=1, keepdims=True)))
        index = np.indices((products, weeks)).reshape(2, -1)
        tables.append(
            pd.DataFrame(
                {
                    "product": [f"{category}-{j}" for j in index[0]],
                    "category": category,
                    "week": index[1],
                    "price": price.ravel(),
                    "units": rng.poisson(mean).ravel(),
                }
            )
        )
    table = pd.concat(tables)
    return check_transactions(table[table["units"] > 0], source="grocer")[0]


def test_each_category_gets_its_own_elasticity_back():
    true = {"tea": -1.2, "soda": -2.7, "bacon": -3.8}
    found = estimate_elasticities(weekly_panel(grocer(1, elasticities=true)))
    for name, elasticity in true.items():
        estimate = found.categories[name]
        # The interval at 99.99 %: three categories fail together less than once in 3,000 seeds.
        assert abs(estimate.estimate - elasticity) < 5.5 * estimate.standard_error < 0.6
        assert estimate.low < estimate.estimate < estimate.high
        assert (estimate.products, estimate.cells) == (12, 480)
    assert min(true.values()) < found.overall.estimate < max(true.values())


def test_residual_standard_deviations_are_net_of_poisson_noise():
    """Without shocks beyond those of the weeks, residuals are Poisson noise, .11 a week; with shocks they exceed it."""
    quiet = estimate_elasticities(weekly_panel(grocer(2)))
    assert np.mean(list(quiet.residual_sd.values())) < 0.04
    restless = estimate_elasticities(weekly_panel(grocer(2, lasting_sd=0.1)))
    assert np.mean(list(restless.residual_sd.values())) > 0.1


def test_products_that_identify_no_elasticity_are_left_out_and_counted():
    rows = grocer(4)
    constant = rows["product"] == "tea-0"
    rows.loc[constant, "price"] = 3.0
    rare = (rows["product"] == "tea-1") & (rows["week"] >= 20)
    rows = rows[~rare]
    panel = weekly_panel(rows)
    assert panel.left_out == {
        "sold in fewer than 75% of the 40 weeks": {"products": 1, "rows": 20},
        "no price variation": {"products": 1, "rows": 40},
    }
    assert panel.cells["product"].nunique() == 10
    with pytest.raises(ValueError, match=r"no product identifies an elasticity .*no price variation: 1"):
        weekly_panel(rows[rows["product"] == "tea-0"])


def test_a_category_with_few_products_has_no_estimate_and_a_reason():
    rows = grocer(6, elasticities={"tea": -1.5, "soda": -2.0})
    rows = rows[~rows["product"].isin([f"soda-{j}" for j in range(9)])]
    found = estimate_elasticities(weekly_panel(rows))
    assert list(found.categories) == ["tea"]
    assert found.left_out == {"soda": "3 products with enough weeks and prices, want 5"}
    with pytest.raises(ValueError, match="no category has 50 products"):
        estimate_elasticities(weekly_panel(rows), least_products=50)


def test_a_panel_by_store_has_a_cell_for_each_store():
    tables = [grocer(seed).assign(store=f"store {seed}") for seed in range(2)]
    rows = pd.concat(tables).astype({"store": "category"})
    found = estimate_elasticities(weekly_panel(rows, by_store=True)).categories["tea"]
    assert found.low < -1.5 < found.high
    assert found.cells == 960
    with pytest.raises(ValueError, match="by store needs the column `store`"):
        weekly_panel(tables[0].drop(columns="store"), by_store=True)


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

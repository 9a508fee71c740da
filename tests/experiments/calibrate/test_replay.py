"""The check of a scenario against its history, played in the simulator."""

import dataclasses

import numpy as np
import pytest

from flashsale_env import Scenario
from flashsale_env.encoders.demand.inversion import History, tastes_from_history
from flashsale_env.experiments.calibrate.replay import Replay, replay
from flashsale_env.experiments.calibrate.running import Options, calibrate
from tests.experiments.calibrate.shops import corner_shop


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    path = tmp_path_factory.mktemp("shop") / "shop.csv"
    corner_shop().to_csv(path, index=False)
    return calibrate(path, Options(categories=["tea", "soda"], products=3))


def test_the_scenario_sells_its_history_within_the_error_of_the_simulation(calibrated):
    """Four ratios at 4 standard errors: a false alarm in 4,000 seeds."""
    rows = calibrated.card["history"]["rows"]
    assert [row["product"] for row in rows][-1] == "all products"
    for row in rows:
        assert abs(row["ratio"] - 1) < 4 * row["ratio_standard_error"] < 0.05
        assert row["simulated_elasticity"] == pytest.approx(row["elasticity"], abs=0.25)
    assert calibrated.card["history"]["misses"] == {}


def test_a_level_that_is_off_by_a_tenth_is_a_miss(calibrated):
    """The history with a tenth more demand than the scenario was fitted to."""
    rng = np.random.default_rng(0)
    price = np.array([4.0, 3.0, 5.0]) * rng.choice([1, 0.9, 0.75], (40, 3))
    told = History(price, np.ones(price.shape, bool), np.full(price.shape, 30.0))
    scenario, population = calibrated.scenario, calibrated.population
    visitors = np.array([600.0, 500.0])
    category = np.array([0, 0, 1])
    elasticity = np.full(3, -2.0)
    tastes = tastes_from_history(told, category, visitors, elasticity=elasticity)
    products = tuple(
        dataclasses.replace(product, reference_price=float(reference), quality=0.0)
        for product, reference in zip(scenario.products, tastes.reference, strict=True)
    )
    fitted = scenario.replace(
        products=products,
        shocks=dataclasses.replace(scenario.shocks, appeal_sd=0.0, traffic_sd=0.0),
        memory_minutes=Scenario.memory_minutes,
    )
    customers = type(population)(
        **{
            **vars(population),
            "relevance": tastes.relevance.astype(np.float32),
            "price_sensitivity": tastes.price_sensitivity.astype(np.float32),
            "weight": visitors.astype(np.float32),
        }
    )
    assert replay(fitted, customers, told, visitors, elasticity).misses == {}
    more = History(told.price, told.on_sale, told.demand * 1.1)
    misses = replay(fitted, customers, more, visitors, elasticity).misses
    assert set(misses) == {*fitted.titles, "all products"}
    assert misses["all products"] == pytest.approx(1 / 1.1, abs=0.02)


def test_a_product_that_was_not_on_sale_sells_nothing_in_the_replay(calibrated):
    rng = np.random.default_rng(1)
    price = np.array([4.0, 3.0, 5.0]) * rng.choice([1, 0.9, 0.75], (20, 3))
    on_sale = np.ones(price.shape, bool)
    on_sale[:, 2] = np.arange(20) < 1
    told = History(price, on_sale, np.full(price.shape, 10.0))
    found = replay(calibrated.scenario, calibrated.population, told, np.array([300.0, 300.0]), np.full(3, -2.0))
    assert found.simulated[2] < found.simulated[:2].min() / 4


def test_small_histories_are_no_miss_where_chance_explains_them():
    one = Replay(("a",), np.array([100.0]), np.array([92.0]), np.array([5.0]), np.array([-2.0]), np.array([np.nan]))
    assert one.misses == {}
    assert one.as_dict()["rows"][0]["simulated_elasticity"] is None
    sure = dataclasses.replace(one, simulated_error=np.array([1.0]))
    assert sure.misses == {"a": pytest.approx(0.92)}


def test_the_card_and_the_scenario_say_what_is_missed(calibrated, tmp_path):
    card = {**calibrated.card, "history": {**calibrated.card["history"], "misses": {"all products": 0.8}}}
    path = dataclasses.replace(calibrated, card=card).save(tmp_path)
    assert "Misses its history: all products sells 0.80 times its units." in path.read_text(encoding="utf-8")

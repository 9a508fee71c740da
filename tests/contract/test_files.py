"""Scenario and population files: strict, complete, with errors that name the fault."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env import files, population


@pytest.fixture
def toml(tmp_path):
    """Write the gvr-periodic scenario with one replacement and return its path."""

    def write(old="", new=""):
        text = fs.SCENARIOS["gvr-periodic"].read_text()
        assert old in text
        path = tmp_path / "mine.toml"
        path.write_text(text.replace(old, new, 1))
        return path

    return write


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("horizon_ticks =", "horizon_tick =", "unknown key 'horizon_tick'. Did you mean 'horizon_ticks'"),
        ("customers_per_minute", "customer_per_minute", "arrivals.*Did you mean 'customers_per_minute'"),
        (
            "initial_stock = 10",
            "initial_stock = 10.5",
            r"products\[0\]: .*initial_stock must be a whole number, got 10.5; ",
        ),
        ("initial_stock = 10", "initial_stock = -1", "initial_stock, reserve and storage must be at least 0"),
        ("initial_stock = 10", "initial_stock = true", "initial_stock must be a whole number, got True"),
        ('model = "exponential"', 'model = "exponental"', "Did you mean 'exponential'"),
        ("horizon_ticks = 10\n", "", "missing key 'horizon_ticks'"),
        ("[3.0, 2.75", "[3.0, 3.5", r"must fall from the list price.*level 1 \(3.5\) is not below level 0"),
        ("[3.0,", "[nan,", r"price_levels\[0\] must be a finite number, got nan"),
        ("[3.0,", "[0.0,", "price_levels must be positive prices"),
        ("tick_minutes = 6.0", "tick_minutes = 0.0", "tick_minutes must be above 0"),
        ("customers_per_minute = 0.45", "customers_per_minute = 1e12 #", r"at most 1e\+08 may come"),
        ("observe = [", 'observe = ["on_hands", ', "Did you mean 'on_hand'"),
        ("observe = [", 'observe = ["intent_mean", ', "constant in this scenario"),
        ("[arrivals]", "[arrivals", "not valid TOML"),
        ("initial_stock = 10", "initial_stock = 10\nreserve = 5", r"no \[replenishment\]"),
    ],
)
def test_an_error_in_a_scenario_file_names_the_key_and_a_remedy(toml, old, new, message):
    with pytest.raises(ValueError, match=message):
        fs.load_scenario(toml(old, new))


def test_a_scenario_file_is_loaded_by_path(toml):
    assert fs.load_scenario(toml()) == fs.load_scenario("gvr-periodic")
    with pytest.raises(FileNotFoundError, match="no scenario file"):
        fs.load_scenario("missing.toml")
    with pytest.raises(ValueError, match="Did you mean 'gvr-periodic'"):
        fs.load_scenario("gvr-periodc")


def test_every_shipped_scenario_has_its_files_name_and_a_version_history():
    for name, path in fs.SCENARIOS.items():
        assert fs.load_scenario(name).name == name
        assert "# Version history:" in path.read_text()


def test_a_finer_clock_keeps_the_sale(standard):
    fine = standard.replace(horizon_ticks=120)
    assert fine.sale_minutes == standard.sale_minutes
    assert fine.lead_ticks == 2 * standard.lead_ticks
    with pytest.raises(ValueError, match="Did you mean 'horizon_ticks'"):
        standard.replace(horizon_tick=3)


def one_product(rate=1.0, law="poisson", replenishment=fs.Replenishment(unlimited=True), pricing=None, **product):  # noqa: B008
    return fs.Scenario(
        "any",
        4,
        1.0,
        (fs.Product("a", (5.0, 4.0), **{"initial_stock": 0, **product}),),
        fs.Arrivals(rate, law=law),
        replenishment=replenishment,
        pricing=pricing or fs.Pricing(),
    )


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (lambda: fs.Coupon((0.1, 0.2), 5.0), r"coupon.depths must rise from 0.0"),
        (lambda: fs.Coupon((0.0, 0.2), 0.0), "coupon.budget must be above 0"),
        (lambda: fs.Arrivals(-1.0), "customers_per_minute must be at least 0, got -1"),
        (lambda: fs.Arrivals(1.0, burst_share=0.7, late_share=0.4), "must be at most 1"),
        (lambda: fs.Choice(drift=(1.0, 0.0)), "factors between .001 and 1000"),
        (lambda: fs.Shocks(appeal_sd=float("nan")), "shocks.appeal_sd must be a finite number"),
        (lambda: fs.Arrivals(1.0, law="bernouli"), "Did you mean 'bernoulli'"),
        (lambda: fs.Product("a", (5.0,), 10, storage=9), "storage 9 cannot hold the initial_stock of 10"),
        (lambda: fs.Product("a", (5.0,), 0), "not all 0, got 0, 0 and 0"),
        (lambda: fs.Product("a", (5.0,), 1, quality=1e7), "quality is in logits, at most 1e[+]06"),
        (lambda: one_product(order_levels=(0, 1), initial_stock=1), "needs a storage"),
        (lambda: one_product(storage=9, order_levels=(0, 1), reserve=1), "set reserve = 0"),
        (lambda: one_product(storage=9, order_levels=(0, 1), salvage_value=1.0), "ordered only to be salvaged"),
        (lambda: one_product(storage=9, replenishment=None), "neither initial_stock nor reserve"),
        (lambda: one_product(storage=9), "neither initial_stock nor reserve"),
        (lambda: one_product(storage=9, initial_stock=1, rate=2.0, law="bernoulli"), "at most 1 expected customer"),
        (
            lambda: one_product(initial_stock=1, may_be_withheld=True, pricing=fs.Pricing(continuous=True)),
            "no level for a product that is not offered",
        ),
        (
            lambda: fs.Product("a", (5.0,), 1, unit_cost=1.0, salvage_value=2.0, reserve=1),
            "ordered only to be salvaged",
        ),
        (lambda: fs.Product("a", (5.0,), 1, order_levels=(1, 2)), "order_levels must rise from 0"),
    ],
)
def test_parts_refuse_values_out_of_range(part, message):
    with pytest.raises(ValueError, match=message):
        part()


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(population._DATA / "learned", tmp_path / "bank")


def titles():
    return [product.title for product in fs.load_scenario("standard").products]


def test_a_population_survives_saving_and_loading(tmp_path):
    bank = fs.load_population("reference", titles())
    again = fs.Population.load(bank.save(tmp_path / "bank"))
    for field in dataclasses.fields(bank):
        a, b = getattr(bank, field.name), getattr(again, field.name)
        assert np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b, field.name


@pytest.mark.parametrize("name", ["tastes.safetensors", "voices.json", "card.json"])
def test_a_truncated_or_missing_file_of_a_population_is_refused(folder, name):
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"truncated or was edited|not valid JSON"):
        fs.Population.load(folder)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=name):
        fs.Population.load(folder)


def test_an_edited_population_is_refused(folder):
    path = folder / "voices.json"
    path.write_text(path.read_text().replace("a", "e", 1))
    with pytest.raises(ValueError, match=r"voices.json is truncated or was edited"):
        fs.Population.load(folder)


def test_a_card_of_another_format_is_refused(folder):
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "intents": ["a", "b"]}))
    with pytest.raises(ValueError, match="made for intents"):
        fs.Population.load(folder)
    (folder / "card.json").write_text(json.dumps({**card, "format": 99}))
    with pytest.raises(ValueError, match="must have format 1, got 99"):
        fs.Population.load(folder)


def test_a_population_for_other_products_is_refused():
    with pytest.raises(ValueError, match="the population was built for the products"):
        fs.Simulator("gvr-periodic", "learned")


def test_a_population_with_impossible_tastes_is_refused():
    good = fs.Population.homogeneous(["a"])
    for change, message in (
        ({"price_sensitivity": np.zeros(1, np.float32)}, "price_sensitivity must be between 1e-6 and 1e6"),
        ({"relevance": np.full((1, 1), np.nan, np.float32)}, "relevance of voice 0 is not finite"),
        ({"relevance": np.zeros((1, 2), np.float32)}, r"relevance must have shape \(1, 1\)"),
        ({"intent_probabilities": np.ones((1, 9), np.float32)}, "a row that sums to 1"),
        ({"coupon_affinity": np.full(1, 1.5, np.float32)}, "between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(good, **change)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    """A full disk in the middle of a save keeps the old content and leaves no temporary file."""
    target = tmp_path / "card.json"
    files.write_atomically(target, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]

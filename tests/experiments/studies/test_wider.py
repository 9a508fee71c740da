"""What weights shared across products gain: the comparisons, and the study from end to end on a small sale."""

import json

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents import make
from flashsale_env.experiments.display import progress_bar
from flashsale_env.experiments.runs import RESULT
from flashsale_env.experiments.studies import wider
from flashsale_env.experiments.studies.wider import Study, compare, inherited, places, run_study

SMALL = {"num_envs": 16, "batch_size": 120, "validation_sales": 16, "net_arch": (8,), "adviser": "sell_through"}


def test_a_variant_is_priced_by_its_products_parameters():
    parents = {"shoes, variant 1": "shoes", "shoes, variant 2": "shoes", "hat, variant 1": "hat"}
    params = {"gain": 4.0, "base[shoes]": 0.3, "base[hat]": 0.7, "offer[gift]": 1}
    assert inherited(params, parents) == {
        "gain": 4.0,
        "base[shoes, variant 1]": 0.3,
        "base[shoes, variant 2]": 0.3,
        "base[hat, variant 1]": 0.7,
        "offer[gift]": 1,
    }


def test_the_adviser_of_the_wide_sale_is_the_tuned_one(standard):
    population = fs.load_population("reference", [product.title for product in standard.products])
    narrow, wide = places(standard, population, Study(copies=2))
    assert narrow.params == make("sell_through", standard).params
    assert set(wide.params) == set(make("sell_through", wide.scenario).params)
    title = standard.products[3].title
    assert wide.params[f"base[{title}, variant 2]"] == narrow.params[f"base[{title}]"]


def test_gains_are_paired_by_sale_and_run():
    """Two runs that gain exactly 3 and 5 in every sale gain 4, and one gains 1 over the other's first run."""
    adviser = np.random.default_rng(0).normal(1e4, 1e4, 50)
    runs = {(64, "sale", "a"): [adviser + 3.0, adviser + 5.0], (64, "sale", "b"): [adviser + 2.0]}
    rows = compare(runs, {"sale": adviser}, {"sale": 8})
    gains = {(row["policy"], row["against"]): row for row in rows}
    assert set(gains) == {("a", "adviser"), ("a", "b"), ("b", "adviser")}
    assert gains["a", "adviser"]["gain"] == pytest.approx(4.0)
    assert gains["a", "adviser"]["by_seed"] == pytest.approx([3.0, 5.0])
    assert gains["a", "b"]["gain"] == pytest.approx(1.0)


def test_the_study_trains_moves_and_compares_every_policy(tmp_path):
    scenario = fs.load_scenario("mnl-stock")
    population = fs.load_population("homogeneous", [product.title for product in scenario.products])
    study = Study(copies=2, seeds=(0, 1), sales=(16,), episodes=16, settings=SMALL)
    with progress_bar("training") as advance:
        rows = run_study(tmp_path, scenario, population, study, advance)
    compared = {(row["products"], row["policy"], row["against"]) for row in rows}
    assert (2, "per_product", "merchant") in compared
    assert (4, "per_product from 2 products", "adviser") in compared
    assert (4, "per_product from 2 products", "per_product") in compared
    assert all(len(row["by_seed"]) == 2 and row["ci_low"] <= row["gain"] <= row["ci_high"] for row in rows)
    assert json.loads((tmp_path / RESULT).read_text())["rows"] == rows
    wider.show({"rows": rows})


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--copies", "1"], "copies must be at least 2"),
        (["--runs", "0"], "--runs"),
        (["--episodes", "1"], "--episodes"),
        (["--scenario", "standart"], "Did you mean 'standard'"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_trained(flashsale, words, complaint, tmp_path):
    assert complaint in flashsale("study", "wider", "--out", tmp_path / "out", *words).complaint
    assert not (tmp_path / "out").exists()

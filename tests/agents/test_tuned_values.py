"""Tuned values: for which scenario and customers they hold."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from flashsale_env import SCENARIOS, Population, Product, agents, generate, load_population, load_scenario
from flashsale_env.agents import AGENTS, tuned_values
from flashsale_env.agents.exact import evaluate_exactly
from flashsale_env.agents.fingerprints import (
    differences,
    game,
    population_fingerprint,
    scenario_fingerprint,
)
from flashsale_env.agents.rules.heuristics import SellThrough
from flashsale_env.agents.tuned_values import OTHER_CUSTOMERS, UNTUNED
from flashsale_env.experiments.tuning import Search, tune_and_keep

SHIPPED = Path(agents.__file__).parent / "tuned"


# --- for which game values hold

PARTS = ("arrivals", "choice", "pricing", "replenishment", "coupon", "targeted", "shocks", "messages")


def other(value):
    """A value of the same kind that differs."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, tuple):
        return (*value[:-1], other(value[-1])) if value else ("x",)
    return "set"


def part_of_another_sale(name):
    """An optional part, from a shipped or a random scenario that has it."""
    shipped = (load_scenario(scenario) for scenario in SCENARIOS)
    found = (getattr(scenario, name) for scenario in itertools.chain(shipped, map(generate, range(100))))
    return next(part for part in found if part is not None)


def with_field(thing, name, value):
    """A copy with one field changed, without validation: fingerprints are about the fields alone."""
    copy = object.__new__(type(thing))
    for field in dataclasses.fields(thing):
        object.__setattr__(copy, field.name, getattr(thing, field.name))
    object.__setattr__(copy, name, value)
    return copy


def test_every_field_that_changes_the_game_changes_the_fingerprint(standard):
    """Field by field, of the scenario, its parts and its products; future fields included."""
    before = scenario_fingerprint(standard)
    for field in dataclasses.fields(standard):
        value = getattr(standard, field.name)
        if field.name in ("name", "description", "currency", "population"):
            assert scenario_fingerprint(with_field(standard, field.name, value + "x")) == before
        elif field.name == "products":
            for inner in dataclasses.fields(Product):
                changed = with_field(value[-1], inner.name, other(getattr(value[-1], inner.name)))
                after = with_field(standard, "products", (*value[:-1], changed))
                assert scenario_fingerprint(after) != before, inner.name
        elif dataclasses.is_dataclass(value):
            for inner in dataclasses.fields(value):
                changed = with_field(value, inner.name, other(getattr(value, inner.name)))
                after = with_field(standard, field.name, changed)
                assert game(after) != game(standard), f"{field.name}.{inner.name}"
        elif field.name != "observe":
            changed = part_of_another_sale(field.name) if value is None else other(value)
            assert scenario_fingerprint(with_field(standard, field.name, changed)) != before, field.name
    assert {name for name in PARTS if dataclasses.is_dataclass(getattr(standard, name))} >= {"arrivals", "coupon"}


def test_a_field_at_its_default_is_no_part_of_the_game_so_a_new_option_that_is_off_changes_nothing():
    sale = load_scenario("gvr-periodic")
    assert not {"coupon", "pricing", "shocks"} & game(sale).keys()
    assert "holding_cost" not in game(sale)["products"][0]
    any_price = sale.replace(pricing=dataclasses.replace(sale.pricing, continuous=True))
    assert differences(game(sale), game(any_price)) == "pricing its default -> {'continuous': True}"


def test_hidden_features_are_another_game_and_naming_all_of_them_is_the_same(standard):
    before = scenario_fingerprint(standard)
    assert scenario_fingerprint(standard.replace(observe=standard.features)) == before
    assert scenario_fingerprint(standard.replace(observe=standard.features[:-1])) != before


def test_whole_numbers_and_the_same_numbers_as_floats_are_one_game():
    sale = load_scenario("gvr-periodic")
    whole = dataclasses.replace(sale.products[0], unit_cost=0)
    assert scenario_fingerprint(sale.replace(products=(whole,))) == scenario_fingerprint(sale)


def test_every_array_of_the_customers_counts_and_their_sentences_do_not(standard):
    customers = load_population("learned", [product.title for product in standard.products])
    before = population_fingerprint(customers)
    for field in dataclasses.fields(Population):
        value = getattr(customers, field.name)
        if isinstance(value, np.ndarray):
            changed = value.copy()
            changed[0] = value[1]
            if field.name in ("latent_class",):
                changed[0] = (value[0] + 1) % 9
            if np.array_equal(changed, value):
                changed[0] = value[0] * 0.5
            assert population_fingerprint(with_field(customers, field.name, changed)) != before, field.name
    renamed = dataclasses.replace(customers, utterances=("hello",) * len(customers))
    assert population_fingerprint(renamed) == before


def test_differences_are_named_with_their_place():
    sale = load_scenario("gvr-periodic")
    product = dataclasses.replace(sale.products[0], price_levels=tuple(2 * p for p in sale.products[0].price_levels))
    found = differences(game(sale), game(sale.replace(products=(product,))))
    assert found.startswith("products[0].price_levels[0] ")
    assert "more" in found
    assert differences(game(sale), game(sale.replace(name="other", description="other"))) == ""


def test_a_changed_copy_plays_untuned_defaults_and_is_marked(standard):
    """The name is the same; horizon, prices, coupon or customers are not."""
    dear = dataclasses.replace(
        standard.products[0], price_levels=tuple(2 * price for price in standard.products[0].price_levels)
    )
    for changed in (
        standard.replace(horizon_ticks=30),
        standard.replace(coupon=None),
        standard.replace(population="reference"),
        standard.replace(products=(dear, *standard.products[1:])),
    ):
        assert agents.tuned("sell_through", changed) == {}
        agent = agents.make("sell_through", changed)
        assert agent.mark == UNTUNED
        assert agent.params == SellThrough.defaults(changed)
    assert agents.labelled("sell_through", agent) == "sell_through (untuned here)"


def test_a_copy_by_another_name_is_the_same_game():
    renamed = load_scenario("gvr-periodic").replace(name="mine", description="another text")
    assert agents.tuned("sell_through", renamed) == agents.tuned("sell_through", "gvr-periodic") != {}
    assert agents.make("sell_through", renamed).mark == ""


def test_values_of_other_ranges_are_not_used(tmp_path, monkeypatch):
    content = json.loads((SHIPPED / "gvr-periodic.json").read_text())
    content["sell_through"][0]["space"]["gain"][1] += 1.0
    (tmp_path / "gvr-periodic.json").write_text(json.dumps(content))
    monkeypatch.setattr(tuned_values, "FOLDER", tmp_path)
    assert agents.tuned("fixed_price", "gvr-periodic") == {"price_level[ticket]": 7}
    assert agents.tuned("sell_through", "gvr-periodic") == {}


def test_a_rule_is_marked_for_customers_that_it_was_not_tuned_for():
    others = dataclasses.replace(Population.homogeneous(["ticket"]), price_sensitivity=np.full(1, 2.0, np.float32))
    agent = agents.make("sell_through", "gvr-periodic", population=others)
    assert agent.params == agents.tuned("sell_through", "gvr-periodic")
    assert agent.mark == OTHER_CUSTOMERS
    assert agents.make("sell_through", "gvr-periodic", population="homogeneous").mark == ""


def test_a_rule_without_parameters_or_with_solved_or_given_ones_has_no_mark():
    assert agents.make("random", "gvr-periodic").mark == ""
    assert agents.make("base_stock", load_scenario("lost-sales").replace(horizon_ticks=500)).mark == ""
    changed = load_scenario("gvr-periodic").replace(horizon_ticks=60)
    assert agents.make("fixed_price", changed, **{"price_level[ticket]": 3}).mark == ""
    assert agents.make("linear_markdown", changed, opening=0.1).mark == UNTUNED


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_stored_values_are_those_of_the_shipped_game(scenario):
    """Fingerprints, ranges, figures and command of every entry; entries for another game would be dead weight."""
    path = SHIPPED / f"{scenario}.json"
    sale = load_scenario(scenario)
    customers = load_population(sale.population, [product.title for product in sale.products])
    for name, entries in tuned_values.read(path).items():
        for entry in entries:
            assert entry["scenario_sha256"] == scenario_fingerprint(sale), f"flashsale tune {scenario} {name}"
            assert entry["population_sha256"] == population_fingerprint(customers)
            assert entry["space"] == tuned_values.as_json(AGENTS[name].space(sale))
            assert entry["searched"].startswith(f"flashsale tune {scenario}")
            assert entry["profit"] > 0


EXACTLY = [
    (scenario, name)
    for scenario in SCENARIOS
    for name, entries in tuned_values.read(SHIPPED / f"{scenario}.json").items()
    if entries[-1]["evaluated"] == "exactly"
]


@pytest.mark.parametrize(("scenario", "name"), EXACTLY)
def test_an_exact_figure_is_what_the_values_earn_today(scenario, name):
    """This detects changes of the simulator, which fingerprints of scenarios do not cover."""
    earned = evaluate_exactly(agents.make(name, scenario), scenario)
    (entry,) = tuned_values.read(SHIPPED / f"{scenario}.json")[name]
    assert earned == pytest.approx(entry["profit"], abs=2e-6)


def test_tuning_one_agent_keeps_the_others_and_other_customers_but_no_other_game(tmp_path):
    path = tmp_path / "values.json"
    options = {"search": Search(trials=3, sales=50), "out": path, "command": "flashsale tune gvr-periodic fixed_price"}
    tune_and_keep("fixed_price", "gvr-periodic", **options)
    tune_and_keep("linear_markdown", "gvr-periodic", **options)
    content = tuned_values.read(path)
    assert set(content) == {"fixed_price", "linear_markdown"}
    customers = dataclasses.replace(Population.homogeneous(["ticket"]), price_sensitivity=np.full(1, 2.0, np.float32))
    tune_and_keep("fixed_price", "gvr-periodic", customers, **options)
    assert [entry["population"] for entry in tuned_values.read(path)["fixed_price"]] == [
        "homogeneous",
        "given as an object",
    ]
    tune_and_keep("fixed_price", load_scenario("gvr-periodic").replace(horizon_ticks=20), **options)
    assert len(tuned_values.read(path)["fixed_price"]) == 1


def test_a_broken_file_of_values_is_named(tmp_path):
    path = tmp_path / "values.json"
    for content in ("{", "[]", '{"fixed_price": {}}', '{"fixed_price": [{"params": {}}]}'):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"values\.json .*`flashsale tune`"):
            tuned_values.read(path)

"""Benchmarks as data: read strictly, and checked before anything long begins."""

import dataclasses

import numpy as np
import pytest

from flashsale_env import Population, agents, load_population, load_scenario
from flashsale_env.experiments.benchmark.settings import BENCHMARKS, SHUFFLED, TRUE, Row, load_benchmark

SMALL = """
description = "small"
training_seeds = [0, 1]
evaluation_sales = 20

[[problems]]
scenario = "gvr-periodic"
against = "fixed_price"
agents = ["random", "fixed_price", { agent = "ppo", label = "short", settings = { sales = 64, num_envs = 64 } }]
"""


@pytest.fixture
def written(tmp_path):
    def write(content: str):
        path = tmp_path / "mine.toml"
        path.write_text(content)
        return str(path)

    return write


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_every_shipped_benchmark_loads(name):
    found = load_benchmark(name)
    assert found.description
    assert all(problem.against in [row.label for row in problem.agents] for problem in found.problems)


def test_the_table_has_every_rule_everywhere_and_every_learner_is_somewhere():
    for problem in load_benchmark("table").problems:
        scenario = problem.load_scenario()
        rules = {n for n, entry in agents.AGENTS.items() if not entry.learns and entry.applies(scenario) is None}
        assert {row.agent for row in problem.agents} == rules | {"ppo"}
    learned = {row.agent for problem in load_benchmark("learners").problems for row in problem.agents}
    assert learned >= {name for name, entry in agents.AGENTS.items() if entry.learns}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("training_seeds", "training_sed", "unknown key 'training_sed'. Did you mean 'training_seeds'"),
        ("evaluation_sales = 20", "", "missing key 'evaluation_sales'; for example evaluation_sales = 10000"),
        ("evaluation_sales = 20", "evaluation_sales = true", "evaluation_sales must be a whole number, got True"),
        ("evaluation_sales = 20", "evaluation_sales = 1", "evaluation_sales must be at least 2, got 1"),
        ("[0, 1]", "[0, 0]", r"different numbers, got \[0, 0\]"),
        ("[0, 1]", "[]", r"one or more different numbers, got \[\]"),
        ("[0, 1]", "[-1]", "must be at least 0"),
        ("[0, 1]", '[0, "1"]', r"training_seeds\[1\] must be a whole number, got '1'"),
        ('"gvr-periodic"', '"gvr-periodc"', "unknown scenario 'gvr-periodc'. Did you mean 'gvr-periodic'"),
        ('"gvr-periodic"', '"gvr-periodic"\npopulation = "learnd"', "unknown population 'learnd'"),
        ('against = "fixed_price"', 'against = "fixed"', "unknown agent to compare with .against. 'fixed'"),
        ('"random",', '"randm",', "unknown agent 'randm'. Did you mean 'random'"),
        ('"random",', '"base_stock",', "agent 'base_stock' does not apply to 'gvr-periodic'"),
        ('"random",', '"random", "random",', "labels of agents must differ in letters and digits"),
        ('label = "short"', 'label = "..."', "must hold a letter or a digit"),
        ("num_envs = 64", "num_env = 64", "num_env"),
        ('label = "short"', 'hide = ["intent_mean"]', "unknown feature to hide from 'ppo' 'intent_mean'"),
        ('label = "short"', 'texts = "shufled"', "unknown texts 'shufled'. Did you mean 'shuffled'"),
        ("[[problems]]", '[[problems]]\nbound = "dul"', "unknown bound 'dul'. Did you mean 'dual'"),
        (
            "[[problems]]",
            '[[problems]]\nbound = "dual"',
            "bound_sales of 'gvr-periodic' must be at most its",
        ),
        ("[[problems]]", '[[problems]]\nevaluation = "exactly"', "unknown evaluation 'exactly'. Did you mean 'exact'"),
        ("[[problems]]", '[[problems]]\nevaluation = "long_run"', "evaluation 'long_run' does not apply"),
        ("[[problems]]", "[[problems]]\nchanges = { horizon_tick = 3 }", "unknown key 'horizon_tick'"),
        ("[[problems]]", "[[problems]]\nchanges = { pricing = { continous = true } }", "unknown key 'continous'"),
        (
            "[[problems]]",
            '[[problems]]\nbound = "optimum"\nchanges = { messages = {}, targeted = { depths = [0.0, 0.5] } }',
            "bound 'optimum' does not apply to 'gvr-periodic': the scenario has the option 'targeted'",
        ),
        (
            "[[problems]]",
            '[[problems]]\nevaluation = "exact"\nchanges = { messages = {}, targeted = { depths = [0.0, 0.5] } }',
            "evaluation 'exact' does not apply to 'gvr-periodic': the scenario has the option 'targeted'",
        ),
        (
            "[[problems]]",
            '[[problems]]\nbound = "dual"\nbound_sales = 9\nchanges = { choice = { model = "mixed" } }',
            "bound 'dual' does not apply to 'gvr-periodic': the scenario sets choice.model = 'mixed'",
        ),
        ('"gvr-periodic"', "3", r"problems\[0\].*scenario must be a text, got 3"),
        ('"gvr-periodic"\n', '"gvr-periodic"\nchanges = 3\n', "changes must be a table, got 3"),
        ('agents = ["random"', 'agents = [3, "random"', r"agents\[0\]: want a table, got 3"),
        ('agents = ["random"', 'agents = [{ agent = [1] }, "random"', r"agent must be a text, got \[1\]"),
        ('label = "short"', 'lable = "short"', "unknown key 'lable'. Did you mean 'label'"),
        ('scenario = "gvr-periodic"', "", "missing key 'problems\\[0\\].scenario'; for example"),
        ("description", "description =", "not valid TOML"),
    ],
)
def test_a_wrong_line_is_named(written, old, new, message):
    with pytest.raises(ValueError, match=message):
        load_benchmark(written(SMALL.replace(old, new, 1)))


def test_customers_of_a_problem_of_its_own_have_no_exact_values(written, tmp_path):
    """Two kinds, handed over beside a scenario whose own customers are homogeneous: no optimum and no exact values."""
    alike = Population.homogeneous(["ticket"])
    kinds = {
        name: np.repeat(getattr(alike, name), 2, axis=0)
        for name in ("intent_probabilities", "latent_class", "relevance", "coupon_affinity", "weight")
    }
    kinds |= {"utterances": ("", ""), "languages": ("", ""), "price_sensitivity": np.array([0.5, 2.0], np.float32)}
    folder = dataclasses.replace(alike, **kinds).save(tmp_path / "kinds")
    ours = f'[[problems]]\npopulation = "{folder}"\n'
    for line in ('bound = "optimum"', 'evaluation = "exact"'):
        with pytest.raises(
            ValueError, match="does not apply to 'gvr-periodic': the scenario's customers have a price_sens"
        ):
            load_benchmark(written(SMALL.replace("[[problems]]", ours + line)))
    with pytest.raises(
        ValueError, match="agent 'dp' does not apply to 'gvr-periodic': the scenario's customers differ"
    ):
        load_benchmark(written(SMALL.replace("[[problems]]", ours).replace('"random"', '"dp"')))
    bounded = SMALL.replace("[[problems]]", ours + 'bound = "dual"\nbound_sales = 9').replace(
        '"random"', '"heuristics"'
    )
    assert not {"dp", "fluid", "gvr"} & {row.agent for row in load_benchmark(written(bounded)).problems[0].agents}


def test_an_unknown_benchmark_offers_the_nearest():
    with pytest.raises(ValueError, match=r"unknown benchmark 'tabel'. Did you mean 'table'"):
        load_benchmark("tabel")
    with pytest.raises(FileNotFoundError, match=r"no benchmark at nowhere.toml"):
        load_benchmark("nowhere.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"random"', '{ agent = "heuristics", hide = ["on_hand"] }', "'heuristics' stands for many agents"),
        ('"gvr-periodic"', '"gvr-periodc"', "unknown scenario 'gvr-periodc'. Did you mean 'gvr-periodic'"),
        ('"gvr-periodic"', "3", "scenario must be a text, got 3"),
        ('"gvr-periodic"\n', '"gvr-periodic"\nchanges = 3\n', "changes must be a table, got 3"),
        ('scenario = "gvr-periodic"', "", r"missing key 'problems\[0\].scenario'"),
    ],
)
def test_a_wrong_line_beside_a_group_is_named(written, old, new, message):
    """A group is written out before the table is read, and needs the scenario for that."""
    with pytest.raises(ValueError, match=message):
        load_benchmark(written(SMALL.replace('fixed_price", {', 'fixed_price", "heuristics", {').replace(old, new, 1)))


def test_a_group_leaves_out_agents_that_the_list_names(written):
    found = load_benchmark(written(SMALL.replace('["random", "fixed_price", ', '["heuristics", "fixed_price", ')))
    labels = [row.label for row in found.problems[0].agents]
    assert labels.count("fixed_price") == 1
    assert {"random", "dp", "short"} <= set(labels)
    assert "base_stock" not in labels


def test_changes_are_merged_into_the_scenario_and_keep_its_minutes(written):
    changes = "[[problems]]\nchanges = { horizon_ticks = 60, arrivals = { burst_share = 0.3, burst_scale = 0.05 } }"
    before, after = load_scenario("gvr-periodic"), load_benchmark(written(SMALL.replace("[[problems]]", changes)))
    changed = after.problems[0].load_scenario()
    assert (changed.horizon_ticks, changed.sale_minutes) == (60, before.sale_minutes)
    assert changed.arrivals.burst_share == 0.3
    assert changed.arrivals.customers_per_minute == before.arrivals.customers_per_minute


def test_hidden_features_are_gone_and_the_others_stay_in_order():
    before = load_scenario("standard")
    after = Row("ppo", hide=("intent_mean", "intent_entropy")).scenario(before)
    assert after.features == tuple(f for f in before.features if not f.startswith("intent"))


def test_shuffled_texts_are_those_of_other_voices_and_change_no_customer():
    scenario = load_scenario("standard")
    before = load_population("reference", [product.title for product in scenario.products])
    row = Row("ppo", texts=SHUFFLED)
    after = row.population(before, 0)
    assert not np.array_equal(after.intent_probabilities, before.intent_probabilities)
    assert np.array_equal(np.sort(after.intent_probabilities, axis=0), np.sort(before.intent_probabilities, axis=0))
    assert not np.array_equal(row.population(before, 1).intent_probabilities, after.intent_probabilities)
    seeds = agents.split_seeds("test", 0, 8)
    player = agents.make("sell_through", scenario)  # reads no intents
    earned = [agents.play(player, scenario, population, seeds=seeds)["profit"] for population in (before, after)]
    assert np.array_equal(*earned)


def test_true_texts_are_certain_of_the_latent_class():
    before = load_population("reference", [product.title for product in load_scenario("standard").products])
    after = Row("ppo", texts=TRUE).population(before, 0)
    assert np.array_equal(after.intent_probabilities.argmax(axis=1), before.latent_class)
    assert set(np.unique(after.intent_probabilities)) == {0.0, 1.0}

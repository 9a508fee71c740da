"""The search for the parameters of a rule, and its figures on sales outside the search."""

import json
import random

import numpy as np
import pytest

from flashsale_env import agents, load_scenario
from flashsale_env.agents import AGENTS, play, split_seeds, tuned_values
from flashsale_env.agents.exact import evaluate_exactly
from flashsale_env.agents.rules.heuristics import SellThrough
from flashsale_env.experiments.tuning import Search, has_exact_value, tune, tune_and_keep

SALES = 2000


def value(name, params, sales=SALES):
    agent = AGENTS[name].cls("gvr-periodic", **params)
    return play(agent, "gvr-periodic", seeds=split_seeds("validation", 0, sales))["profit"].mean()


def test_the_best_fixed_price_is_found():
    """1.25, theory row 6: worth 0.05 more than its neighbours; common customers, 20,000 sales."""
    assert tune("fixed_price", "gvr-periodic", search=Search(trials=22, sales=20_000)) == {"price_level[ticket]": 7}


def test_the_result_is_never_worse_than_where_the_search_began():
    start = {"opening": 0.5, "closing": 0.7}
    found = tune("linear_markdown", "gvr-periodic", search=Search(trials=12, sales=SALES), start=start)
    known = [start, agents.tuned("linear_markdown", "gvr-periodic")]
    assert value("linear_markdown", found) >= max(value("linear_markdown", params) for params in known)


def test_a_refinement_starts_from_what_is_kept_and_never_ends_below():
    kept = agents.tuned("sell_through", "gvr-periodic")
    found = tune("sell_through", "gvr-periodic", search=Search(trials=30, refine=True))
    before, after = (evaluate_exactly(SellThrough("gvr-periodic", **p), "gvr-periodic") for p in (kept, found))
    assert after >= before
    steps = {name: abs(found[name] - value) for name, value in kept.items()}
    for name, (low, high) in SellThrough.space(load_scenario("gvr-periodic")).items():
        assert steps[name] <= 30 * 0.06 * (high - low) + 1e-9


@pytest.mark.parametrize(
    ("name", "scenario", "exact"),
    [
        ("sell_through", "gvr-two-phase", True),
        ("estimated_myopic", "gvr-periodic", False),  # it has a memory
        ("fixed_price", "mnl-stock", False),  # two products
        ("fixed_price", "intent", False),  # customers differ
        ("fixed_price", "mnl-price", False),  # stock costs
    ],
)
def test_a_rule_is_valued_exactly_where_tick_and_stock_are_the_whole_state(name, scenario, exact):
    assert has_exact_value(name, load_scenario(scenario)) is exact


def test_the_search_is_reproducible_and_leaves_the_global_generators_alone():
    before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (
        tune("sell_through", "gvr-periodic", search=Search(trials=12, sales=200, seed=4)) for _ in range(2)
    )
    assert first == second
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_progress_counts_the_trials_and_ends_at_their_number():
    seen = []

    def note(done, total, best):
        seen.append((done, total))

    tune("fixed_price", "gvr-periodic", search=Search(trials=6, sales=50), progress=note)
    assert seen == sorted(seen)
    assert seen[0] == (1, 6)
    assert seen[-1] == (6, 6)


def test_an_agent_that_cannot_be_tuned_is_an_error():
    with pytest.raises(ValueError, match="learns by itself"):
        tune("ppo", "gvr-periodic")
    with pytest.raises(ValueError, match="Did you mean 'fixed_price'"):
        tune("fixed_prise", "gvr-periodic")
    with pytest.raises(ValueError, match="at least 1 trial"):
        tune("fixed_price", "gvr-periodic", search=Search(trials=0))
    assert tune("random", "gvr-periodic") == {}


def test_values_measured_again_keep_their_search_and_are_refused_where_they_earn_less(tmp_path):
    path = tmp_path / "values.json"
    searched = "flashsale tune gvr-periodic fixed_price"
    first = tune_and_keep(
        "fixed_price", "gvr-periodic", search=Search(trials=22, sales=5000), out=path, command=searched
    )
    again = tune_and_keep(
        "fixed_price", "gvr-periodic", search=Search(trials=0), out=path, command="flashsale tune --trials 0"
    )
    assert again == {**first, "command": "flashsale tune --trials 0"}
    dear = {**again, "params": {"price_level[ticket]": 0}}
    path.write_text(json.dumps({"fixed_price": [dear]}))
    with pytest.raises(ValueError, match=r"earn .* less on 'gvr-periodic' than its defaults"):
        tune_and_keep("fixed_price", "gvr-periodic", search=Search(trials=0), out=path)
    assert tuned_values.read(path)["fixed_price"] == [dear]
    with pytest.raises(ValueError, match="holds no values of 'linear_markdown'"):
        tune_and_keep("linear_markdown", "gvr-periodic", search=Search(trials=0), out=path)

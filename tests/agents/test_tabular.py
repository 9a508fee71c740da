"""Tables: the update rules, the grid, learning to near the optimum, interruption, and saving."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from flashsale_env import Simulator, agents, load_scenario
from flashsale_env.agents import AGENTS, play, split_seeds
from flashsale_env.agents.exact import evaluate_exactly
from flashsale_env.agents.tabular import Grid, Settings, update
from flashsale_env.agents.training import TRAINING

LEARNERS = ["q_learning", "sarsa", "expected_sarsa"]
SMALL = {"num_envs": 128, "validation_sales": 64, "validate_every": 2, "sales": 6 * 128}


def learner(name="q_learning", scenario="gvr-periodic", **settings):
    return agents.make(name, scenario, **{**SMALL, **settings})


@pytest.mark.parametrize("name", LEARNERS)
def test_it_earns_more_than_the_best_fixed_price(name):
    """In a quarter of a million sales, a sixth of the default; 9.274319 against the optimum's 9.412768."""
    scenario = load_scenario("gvr-periodic")
    assert agents.make("dp", scenario).expected_profit == pytest.approx(9.412768, abs=1e-6)
    agent = agents.make(name, scenario, sales=64 * 4096, num_envs=4096, validate_every=16)
    curve = agent.learn()
    assert evaluate_exactly(agent, scenario) > 9.274319
    assert [row["sales"] for row in curve] == [4096 * k for k in range(0, 65, 16)]
    assert curve[-1]["steps"] == 64 * 4096 * 10


def test_the_three_rules_look_ahead_as_their_papers_say():
    q, action = np.array([[1.0, 3.0], [5.0, 2.0]]), np.array([0, 1])
    futures = {name: learner(name).future(q, action, 0.2) for name in LEARNERS}
    np.testing.assert_allclose(futures["q_learning"], [3.0, 5.0])
    np.testing.assert_allclose(futures["sarsa"], [1.0, 2.0])
    np.testing.assert_allclose(futures["expected_sarsa"], [0.8 * 3 + 0.2 * 2, 0.8 * 5 + 0.2 * 3.5])


def test_with_step_exponent_1_an_entry_is_the_mean_of_its_targets():
    """Whether they arrive together or one by one."""
    q, visits = np.zeros((2, 3)), np.zeros((2, 3), np.int64)
    settings = Settings(step_exponent=1.0)
    update(q, visits, np.array([1, 1, 0]), np.array([2, 2, 0]), np.array([4.0, 8.0, 1.0]), settings)
    update(q, visits, np.array([1]), np.array([2]), np.array([3.0]), settings)
    np.testing.assert_allclose(q, [[1.0, 0, 0], [0, 0, 5.0]])
    np.testing.assert_array_equal(visits, [[1, 0, 0], [0, 0, 3]])


def test_the_second_visit_moves_by_the_polynomial_rate():
    q, visits = np.array([[1.0]]), np.array([[1]])
    update(q, visits, np.array([0]), np.array([0]), np.array([2.0]), Settings(step_exponent=0.77))
    assert q[0, 0] == pytest.approx(1.0 + 2.0**-0.77)


def test_every_tick_and_stock_has_a_cell_of_its_own_where_the_grid_is_fine():
    """A stock of 0 has a cell of its own even on a coarse grid."""
    agent = learner(scenario=load_scenario("gvr-periodic").replace(horizon_ticks=4))
    simulator = Simulator(agent.scenario, sales=11)
    simulator.open(np.zeros(11, np.uint64), np.zeros(11, np.int64))
    simulator.sales["on_hand"] = np.arange(11)[:, None]
    numbers = []
    for tick in range(4):
        simulator.sales["tick"] = tick
        numbers.append(agent.cells(simulator.observe()))
    np.testing.assert_array_equal(np.concatenate(numbers), np.arange(44))
    coarse = Grid(agent.scenario, Settings(stock_cells=2, time_cells=2))
    simulator.sales["tick"] = 3
    np.testing.assert_array_equal(coarse(simulator.observe()), 3 + np.array([0, *[1] * 5, *[2] * 5]))


def test_several_products_have_every_combination_of_their_prices():
    """Two products of eleven prices and three units each; the table learns, and plays allowed actions."""
    agent = learner(scenario="mnl-stock", time_cells=30)
    assert agent.q.shape == (30 * 4 * 4, 11 * 11)
    agent.learn()
    prices = play(agent, "mnl-stock", seeds=split_seeds("test", 0, 16))
    assert (prices["profit"] >= 0).all()


@pytest.mark.parametrize("name", LEARNERS)
def test_a_resumed_training_is_the_uninterrupted_one(name, tmp_path):
    """Bit for bit: the table kept, the curve, the checkpoint."""
    whole = learner(name)
    curve = whole.learn(folder=tmp_path / "whole")

    def stop(done, total, row):
        if done == 3 * 128:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner(name).learn(folder=tmp_path / "parts", progress=stop)
    play(agents.load(tmp_path / "parts", "gvr-periodic"), "gvr-periodic", seeds=split_seeds("test", 0, 2))
    resumed = learner(name)
    resumed_curve = resumed.learn(folder=tmp_path / "parts")
    np.testing.assert_array_equal(whole.q, resumed.q)
    assert [{**row, "seconds": 0} for row in curve] == [{**row, "seconds": 0} for row in resumed_curve]
    last = [next((tmp_path / part).glob("checkpoint-*.safetensors")) for part in ("whole", "parts")]
    assert last[0].name == last[1].name
    assert last[0].read_bytes() == last[1].read_bytes()


def test_every_round_explores_anew(tmp_path):
    """One sale a round, uniform prices: thirty first prices cover most of the grid."""
    settings = {"num_envs": 1, "exploration": 1.0, "final_exploration": 1.0, "validate_every": 30}
    learner(sales=30, **settings).learn(folder=tmp_path)
    visits = load_file(next(tmp_path.glob("checkpoint-*.safetensors")))["visits"]
    opening = visits[10]  # the first tick with all ten units
    assert opening.sum() == 30
    assert (opening > 0).sum() >= 8  # of 11; fewer have a probability below 1e-3


def test_a_finished_training_is_not_done_again(tmp_path):
    first, again = learner(), learner()
    curve = first.learn(folder=tmp_path)
    assert again.learn(folder=tmp_path) == curve
    np.testing.assert_array_equal(first.q, again.q)


def test_runs_differ_and_the_same_run_does_not():
    trained = [learner(seed=seed) for seed in (0, 0, 1)]
    for agent in trained:
        agent.learn()
    np.testing.assert_array_equal(trained[0].q, trained[1].q)
    assert (trained[0].q != trained[2].q).any()


def test_the_table_that_earned_most_on_validation_is_kept():
    agent = learner()
    curve = agent.learn(sales=8 * 128)
    kept = play(agent, "gvr-periodic", seeds=split_seeds("validation", 0, 64))["profit"].mean()
    assert kept == max(row["profit"] for row in curve)


def test_a_folder_with_another_training_is_an_error(tmp_path):
    learner().learn(folder=tmp_path)
    with pytest.raises(ValueError, match="another seed: 0, want 1"):
        learner(seed=1).learn(folder=tmp_path)
    with pytest.raises(ValueError, match="another settings"):
        learner(step_exponent=0.9).learn(folder=tmp_path)
    with pytest.raises(ValueError, match="another name: q_learning, want sarsa"):
        learner("sarsa").learn(folder=tmp_path)
    (tmp_path / TRAINING).write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        learner().learn(folder=tmp_path)


def test_a_training_on_another_game_is_not_continued(tmp_path):
    learner().learn(folder=tmp_path)
    busier = load_scenario("gvr-periodic").replace(tick_minutes=2.0)
    with pytest.raises(ValueError, match="another scenario_sha256"):
        learner(scenario=busier).learn(folder=tmp_path)


def test_a_broken_or_foreign_table_is_an_error(tmp_path):
    learner().save(tmp_path)
    with pytest.raises(ValueError, match="its cells are"):
        agents.load(tmp_path, "gallego-van-ryzin")
    with pytest.raises(ValueError, match="does not fit 'standard': the scenario decides on orders"):
        agents.load(tmp_path, "standard")
    content = (tmp_path / "table.safetensors").read_bytes()
    (tmp_path / "table.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="truncated, edited or another agent's"):
        agents.load(tmp_path, "gvr-periodic")
    (tmp_path / "table.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="was not saved to its end"):
        agents.load(tmp_path, "gvr-periodic")


def test_the_card_says_what_was_learned_and_how(tmp_path):
    learner(seed=3).save(tmp_path)
    card = json.loads((tmp_path / "agent.json").read_text())
    assert (card["name"], card["scenario"], card["seed"]) == ("q_learning", "gvr-periodic", 3)
    assert card["cells"] == [10, 11]
    assert card["settings"]["num_envs"] == 128
    assert len(card["actions"]["price[ticket]"]) == 11


def test_settings_out_of_range_are_errors():
    with pytest.raises(ValueError, match="Did you mean 'num_envs'"):
        learner(num_env=4)
    with pytest.raises(ValueError, match=r"step_exponent must lie above 0\.5"):
        learner(step_exponent=0.5)
    with pytest.raises(ValueError, match=r"final_exploration must lie in 0\.\.1"):
        learner(final_exploration=2.0)
    with pytest.raises(ValueError, match="choose fewer time_cells"):
        learner(scenario=load_scenario("gvr-two-phase").replace(horizon_ticks=20_000), time_cells=20_000)


def test_scenarios_with_more_than_prices_are_refused():
    assert "decides on orders" in AGENTS["sarsa"].applies("standard")
    assert "coupons or targeted offers" in AGENTS["sarsa"].applies("intent")
    assert "entries" in AGENTS["sarsa"].applies("mnl-price")
    blind = load_scenario("gvr-periodic").replace(observe=("time_left", "stock_pressure"))
    assert "reads on_hand" in AGENTS["sarsa"].applies(blind)

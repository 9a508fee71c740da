"""What holds for every agent in every shipped scenario."""

import re
import subprocess
import sys

import numpy as np
import pytest

from flashsale_env import SCENARIOS, FlashSaleEnv, Simulator, agents, load_scenario
from flashsale_env.agents import AGENTS, play, split_seeds

PAIRS = [(name, scenario) for name in AGENTS for scenario in SCENARIOS]
EVERY_CASE = [(name, scenario) for name in AGENTS for scenario in SCENARIOS if AGENTS[name].applies(scenario) is None]
HEURISTICS = [name for name, entry in AGENTS.items() if not entry.learns]
RULES = [name for name, entry in AGENTS.items() if entry.module in ("rules.heuristics", "rules.estimating")]


@pytest.fixture
def opening():
    """First observations of four sales of a scenario."""

    def run(scenario):
        simulator = Simulator(scenario, sales=4)
        return simulator.open(split_seeds("validation", 0, 4), np.zeros(4, np.int64))

    return run


@pytest.mark.parametrize(("name", "scenario"), PAIRS)
def test_every_agent_plays_a_shipped_scenario_or_gives_a_reason(name, scenario, tmp_path, opening):
    """Two whole sales; it opens them as the saved agent does. Or a reason with a subject."""
    reason = AGENTS[name].applies(scenario)
    if reason is not None:
        assert re.fullmatch(r"the [a-z][^\n]*[^.\s]", reason)
        with pytest.raises(ValueError, match=f"agent '{name}' does not apply to scenario '{scenario}': "):
            agents.make(name, scenario)
        return
    agent = agents.make(name, scenario, seed=3)
    loaded = agents.load(agent.save(tmp_path / "agent"), scenario)
    assert type(loaded) is type(agent)
    np.testing.assert_array_equal(agent.predict(opening(scenario))[0], loaded.predict(opening(scenario))[0])
    played = play(agent, scenario, seeds=split_seeds("validation", 0, 2))
    assert np.isfinite(played["profit"]).all()
    assert np.isfinite(played["ret"]).all()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_shipped_scenario_has_a_rule_beside_the_random_agent(scenario):
    assert [name for name in RULES if name != "random" and AGENTS[name].applies(scenario) is None]


@pytest.mark.parametrize(("name", "scenario"), EVERY_CASE)
def test_predict_follows_stable_baselines3(name, scenario, opening):
    """One observation gives one action, a batch a batch; all lie in the action space; the inputs are not modified.
    An observation of another scenario is an error."""
    agent = agents.make(name, scenario)
    observations = opening(scenario)
    before = observations.copy()
    space = FlashSaleEnv(scenario, actions=agent.encoding).action_space
    batch, _ = agent.predict(observations)
    single, _ = agent.predict(observations[0])
    np.testing.assert_array_equal(observations, before)
    assert batch.shape == (4, *space.shape)
    assert all(space.contains(action) for action in batch)
    assert space.contains(single)
    if name != "random":  # which reads nothing
        with pytest.raises(ValueError, match="an observation of scenario"):
            agent.predict(np.zeros(3, np.float32))


def test_an_unknown_agent_is_an_error_that_offers_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'sell_through'"):
        agents.make("sell_thru", "standard")


def test_an_unknown_parameter_is_an_error_that_offers_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'target'"):
        agents.make("sell_through", "standard", targets=1.0)


def test_a_parameter_out_of_range_is_an_error():
    with pytest.raises(ValueError, match=r"target must lie in 0\.1"):
        agents.make("sell_through", "standard", target=7.0)


def test_an_agent_gives_the_reason_why_it_does_not_apply():
    blind = load_scenario("gvr-periodic").replace(observe=("time_left", "stock_pressure"))
    assert "on_hand" in AGENTS["sell_through"].applies(blind)
    with pytest.raises(ValueError, match="does not apply to scenario 'gvr-periodic': the agent reads on_hand"):
        agents.make("sell_through", blind)
    assert AGENTS["random"].applies(blind) is None


def test_a_learner_plays_where_its_adviser_cannot():
    blind = load_scenario("gvr-periodic").replace(observe=("time_left", "stock_pressure"))
    assert agents.make("ppo", blind).predict(np.zeros(2, np.float32))[0].shape == (1,)


def test_a_folder_without_an_agent_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no agent at"):
        agents.load(tmp_path, "standard")
    (tmp_path / "agent.json").write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        agents.load(tmp_path, "standard")


@pytest.mark.parametrize("name", HEURISTICS)
def test_the_defaults_lie_in_the_declared_space(name):
    for scenario in map(load_scenario, SCENARIOS):
        cls = AGENTS[name].cls
        if cls.applies(scenario) is not None:
            continue
        space, defaults = cls.space(scenario), cls.defaults(scenario)
        assert set(defaults) == set(space)
        cls(scenario, **defaults)


TUNED = [
    (name, scenario)
    for name, scenario in EVERY_CASE
    if scenario in ("standard", "gvr-periodic")
    if name in HEURISTICS and agents.tuned(name, scenario)
]


@pytest.mark.parametrize(("name", "scenario"), TUNED)
def test_tuned_parameters_are_better_than_the_defaults(name, scenario):
    seeds = split_seeds("validation", 1, 64 if scenario == "standard" else 4096)
    tuned = play(agents.make(name, scenario), scenario, seeds=seeds)["profit"]
    cls = AGENTS[name].cls
    default = play(cls(scenario), scenario, seeds=seeds)["profit"]
    assert tuned.mean() > default.mean()


def test_listing_and_heuristics_need_no_torch():
    code = (
        "import sys; from flashsale_env import agents; agents.make('sell_through', 'gvr-periodic'); "
        "assert len(agents.AGENTS) > 4; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

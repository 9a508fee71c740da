"""Strategies: documents that are checked, played, and searched."""

import json

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.agents.exact import evaluate_exactly
from flashsale_env.agents.strategies import (
    WRITTEN,
    StrategyAgent,
    as_class,
    read_strategy,
    strategy_toml,
    write_strategy,
)

PERIODIC = "gvr-periodic"
SEEDS = agents.split_seeds("test", 0, 20)
REACTS = {
    "name": "reacts",
    "phases": [
        {"ticks": 3, "price": {"ticket": 1.5}},
        {
            "price": {"ticket": 1.25},
            "slow": {"sold_below": 0.5, "price": {"ticket": 1}},
            "fast": {"sold_above": 0.8, "price": {"ticket": 2}},
        },
    ],
}


class Reacts:
    """The same rule by hand."""

    encoding = "multidiscrete"

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        units = fs.UnitReader(fs.load_scenario(PERIODIC))
        sold, tick = units.sold(observation) / 10, units.tick(observation)[:, None]
        later = np.where(sold < 0.5, 8, np.where(sold > 0.8, 4, 7))
        return np.where(tick < 3, 6, later), state


def test_a_strategy_plays_what_its_document_says():
    agent = StrategyAgent(PERIODIC, document=REACTS)
    played, wanted = (agents.play(player, PERIODIC, seeds=SEEDS) for player in (agent, Reacts()))
    np.testing.assert_array_equal(played["ret"], wanted["ret"])
    assert len(set(wanted["units_sold"].tolist())) > 1
    assert evaluate_exactly(agent, PERIODIC) == pytest.approx(evaluate_exactly(Reacts(), PERIODIC), rel=1e-12)


def test_a_strategy_is_its_plan_in_words():
    """Without branches the document is a plan of the text environment."""
    scenario = fs.load_scenario("standard").replace(arrivals=fs.Arrivals(customers_per_minute=5.0))
    beans = "Whole coffee beans, six bags"
    phases = [{"ticks": 2, "price": {beans: 35}, "order": {beans: 30}}, {"coupon": 0.1, "ticks": 58}]
    env = fs.FlashSaleTextEnv(scenario)
    env.reset(seed=3)
    _, reward, closed, _, info = env.step({"plan": phases})
    assert closed
    table = agents.play(StrategyAgent(scenario, document={"phases": phases}), scenario, seeds=np.array([3], np.uint64))
    assert table["ret"][0] == pytest.approx(reward, rel=1e-12)
    assert table["profit"][0] == info["profit"]


def test_toml_and_json_and_a_saved_agent_hold_the_same_strategy(tmp_path):
    strategy = read_strategy(REACTS, PERIODIC)
    write_strategy(tmp_path / "s.toml", strategy, ["made by a test"])
    (tmp_path / "s.json").write_text(json.dumps(REACTS))
    folder = StrategyAgent(PERIODIC, document=REACTS).save(tmp_path / "saved")
    for again in (
        read_strategy(tmp_path / "s.toml", PERIODIC),
        read_strategy(tmp_path / "s.json", PERIODIC),
        StrategyAgent.load(folder, PERIODIC).strategy,
    ):
        assert again.as_document() == strategy.as_document()
    assert strategy.as_document()["phases"][1]["slow"] == {"sold_below": 0.5, "price": {"ticket": 1}}
    assert strategy_toml(strategy, ["two\nlines"]).startswith("# two lines\n")


def test_the_free_numbers_are_what_the_document_names():
    strategy = read_strategy(REACTS, PERIODIC)
    assert strategy.space() == {
        "phase 1 ends": (1, 9),
        "phase 1: price[ticket]": (0, 10),
        "phase 2: price[ticket]": (0, 10),
        "phase 2, slow: limit": (0.0, 1.0),
        "phase 2, slow: price[ticket]": (0, 10),
        "phase 2, fast: limit": (0.0, 1.0),
        "phase 2, fast: price[ticket]": (0, 10),
    }
    assert strategy.moved(strategy.numbers()).as_document() == strategy.as_document()
    moved = strategy.moved({**strategy.numbers(), "phase 1 ends": 9, "phase 2, slow: price[ticket]": 0})
    document = moved.as_document()
    assert [phase["ticks"] for phase in document["phases"]] == [9, 1]
    assert document["phases"][1]["slow"]["price"]["ticket"] == 3
    assert read_strategy(document, PERIODIC).as_document() == document
    searched = as_class(strategy)
    assert searched.space(fs.load_scenario(PERIODIC)) == strategy.space()
    assert searched(PERIODIC, **moved.numbers()).strategy.as_document() == document


def test_continuous_prices_are_searched_as_prices():
    scenario = fs.load_scenario(PERIODIC).replace(pricing=fs.Pricing(continuous=True))
    strategy = read_strategy({"phases": [{"price": {"ticket": 1.6}}]}, scenario)
    assert strategy.space() == {"phase 1: price[ticket]": (0.5, 3.0)}
    assert strategy.moved({"phase 1: price[ticket]": 1.7}).as_document()["phases"][0]["price"] == {"ticket": 1.7}


@pytest.mark.parametrize("name", WRITTEN)
def test_every_shipped_strategy_fits_its_scenario_and_reacts(name):
    agent = StrategyAgent(name, document=WRITTEN[name])
    assert agent.strategy.reacts
    assert agent.strategy.space()


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({}, "phases must be a list of at least one phase, got None"),
        ({"phase": []}, "unknown key 'phase'. Did you mean 'phases'"),
        ({"name": 3, "phases": [{}]}, "name must be a text, got 3"),
        ({"phases": [3]}, r"phases\[0\] must be a table, got 3"),
        ({"phases": [{"ticks": 3}]}, r"phases\[0\].ticks must be 10, the ticks that are left of 10, got 3; or leave"),
        ({"phases": [{"ticks": 30}, {}]}, r"phases\[0\].ticks must be at most 10, the ticks that are left"),
        ({"phases": [{}, {}]}, r"phases\[0\].ticks must be a whole number of at least 1, got None"),
        ({"phases": [{"ticks": 10}, {}]}, r"phases\[1\].ticks must be a whole number of at least 1, got 0"),
        ({"phases": [{"prices": {"ticket": 2}}]}, r"phases\[0\]: unknown decision 'prices'. Did you mean 'price'"),
        ({"phases": [{"price": {"ticket": 9}}]}, r"phases\[0\]: price\[ticket\] must be one of 3, .* got 9\.$"),
        ({"phases": [{"slow": {"price": {"ticket": 2}}}]}, r"phases\[0\].slow.sold_below must be a share .* got None"),
        ({"phases": [{"fast": {"sold_above": 2}}]}, r"phases\[0\].fast.sold_above must be a share .* got 2"),
        ({"phases": [{"fast": {"sold_above": 0.2}}]}, r"phases\[0\].fast must name a decision, e.g. "),
        ({"phases": [{"slow": 3}]}, r"phases\[0\].slow.sold_below must be a share"),
    ],
)
def test_a_wrong_document_is_refused_with_what_was_wanted_what_came_and_where(document, complaint):
    with pytest.raises(ValueError, match=complaint):
        read_strategy(document, PERIODIC)


def test_what_cannot_be_played_is_refused():
    order = {"phases": [{"slow": {"sold_below": 0.5, "order": {"Whole coffee beans, six bags": 30}}}]}
    with pytest.raises(ValueError, match=r"phases\[0\].slow cannot hold 'order', which would be repeated every tick"):
        read_strategy(order, "standard")
    hidden = fs.load_scenario(PERIODIC).replace(observe=("time_left",))
    with pytest.raises(ValueError, match=r"strategy 'reacts' cannot be played .* reads on_hand"):
        StrategyAgent(hidden, document=REACTS)
    with pytest.raises(ValueError, match="a strategy needs its document"):
        StrategyAgent(PERIODIC)
    with pytest.raises(FileNotFoundError, match=r"no strategy at nowhere\.toml"):
        read_strategy("nowhere.toml", PERIODIC)
    with pytest.raises(FileNotFoundError, match=r"no strategy at nowhere\.json"):
        read_strategy("nowhere.json", PERIODIC)
    with pytest.raises(ValueError, match="not valid JSON"):
        read_strategy('{"phases": ', PERIODIC)

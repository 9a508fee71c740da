"""Levers: the rules for the decisions besides the price."""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents.rules.estimating import OrderUpTo
from flashsale_env.agents.rules.heuristics import FixedPrice, SlumpCoupon
from flashsale_env.agents.rules.levers import LEVERS
from flashsale_env.agents.rules.levers.base import Constant
from flashsale_env.scenario import DECISIONS


def observation(agent, **shown):
    """(N, D) observations: the features named, (N,) or a number, and 0 elsewhere."""
    rows = max(np.size(values) for values in shown.values())
    array = np.zeros((rows, agent.layout.size), np.float32)
    for name, values in shown.items():
        array[:, agent.layout[name]] = np.reshape(values, (-1, 1))
    return array


def levels(agent, observations, decision):
    """(N, C) levels that the agent picks for one decision."""
    actions, _ = agent.predict(observations)
    return np.floor((actions + 1) / 2 * agent.codec.n_levels)[:, agent.codec.columns(decision)].astype(int)


def test_every_lever_is_for_a_decision_that_exists():
    assert set(LEVERS) <= set(DECISIONS) - {"price"}
    assert all(lever.decision == name for name, lever in LEVERS.items())


def test_a_decision_without_an_entry_keeps_a_constant_level(monkeypatch):
    kept = {name: lever for name, lever in LEVERS.items() if name != "coupon"}
    monkeypatch.setattr(FixedPrice, "levers", kept)
    agent = FixedPrice("standard", **{"level[coupon]": 2})
    assert "coupon_level" not in agent.params
    shown = observation(agent, time_left=[1.0, 0.5], on_hand=0.5)
    assert levels(agent, shown, "coupon").tolist() == [[2], [2]]


def test_a_constant_level_is_the_last_one_of_rows_with_fewer_levels():
    scenario = fs.load_scenario("standard")
    products = [dataclasses.replace(scenario.products[0], order_levels=(0, 10)), *scenario.products[1:]]
    agent = FixedPrice(scenario.replace(products=tuple(products)))
    chosen = Constant("order").levels(None, agent.codec, {"level[order]": 3})
    assert chosen.tolist() == [1, 3, 3, 3, 3, 3, 3, 3]


def test_a_rule_may_replace_a_lever_or_decide_by_itself():
    coupon = [lever for lever in SlumpCoupon.levers_in(fs.load_scenario("standard")) if lever.decision == "coupon"]
    assert coupon == [SlumpCoupon.levers["coupon"]] != [LEVERS["coupon"]]
    assert "order" not in [lever.decision for lever in OrderUpTo.levers_in(fs.load_scenario("standard"))]


def test_a_rule_that_needs_hidden_quantities_for_a_lever_does_not_apply():
    scenario = fs.load_scenario("standard").replace(observe=("time_left", "on_hand"))
    assert FixedPrice.applies(scenario) == "the agent reads in_transit, reserve, which the scenario does not show"
    assert FixedPrice.applies(fs.load_scenario("gvr-periodic").replace(observe=("time_left",))) is None


@pytest.mark.parametrize("name", ["coupon"])
def test_a_promotion_is_shown_from_its_time_on_while_sales_are_behind_plan(name):
    agent = FixedPrice(
        "standard", **{f"{name}_level": 2, f"{name}_from": 0.25, f"{name}_target": 1.0, "order_cover": 0}
    )
    shown = observation(
        agent, time_left=[0.8, 0.5, 0.5], customers_left=[0.8, 0.5, 0.5], reserve=0.2, on_hand=[0.8, 0.6, 0.2]
    )
    assert levels(agent, shown, name).tolist() == [[0], [2], [0]]

"""Observations in a retailer's terms, against the state of the sales."""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents.rules.heuristics import FixedPrice


def opened(scenario, sales=4):
    """(agent, simulator, first observations)."""
    simulator = fs.Simulator(scenario, sales=sales, threads=1)
    return FixedPrice(scenario), simulator, simulator.open(np.arange(sales, dtype=np.uint64), np.zeros(sales, np.int64))


def test_units_in_carts_are_neither_sold_nor_lost_sight_of():
    agent, simulator, observations = opened(fs.load_scenario("cart").replace(horizon_ticks=30))
    reserved = 0
    for _ in range(30):
        view = agent.view(observations)
        np.testing.assert_array_equal(view.sold, simulator.sales["sold"])
        np.testing.assert_array_equal(view.stock, view.owned - view.sold)
        reserved += (view.stock - view.on_hand).sum()
        observations, _, _ = simulator.advance(agent.predict(observations)[0])
    assert reserved > 0


@pytest.mark.parametrize("minutes", [0.0, 10.0])
def test_customers_left_are_those_observed_where_the_scenario_hides_them(minutes):
    """Also under a lottery, which admits customers later than they come."""
    scenario = fs.load_scenario("cart")
    arrivals = dataclasses.replace(scenario.arrivals, lottery_minutes=minutes)
    shown = scenario.replace(arrivals=arrivals, horizon_ticks=12, observe=("time_left", "customers_left", "on_hand"))
    hidden = FixedPrice(shown.replace(observe=("time_left", "on_hand")))
    agent, simulator, observations = opened(shown)
    left = [agent.view(observations).customers_left]
    guessed = [hidden.view(observations[:, [0, 2]]).customers_left]
    for _ in range(12):
        observations, _, _ = simulator.advance(agent.predict(observations)[0])
        left.append(agent.view(observations).customers_left)
        guessed.append(hidden.view(observations[:, [0, 2]]).customers_left)
    np.testing.assert_allclose(guessed, left, atol=1e-6)
    assert np.unique(left).size == (13 if minutes == 0 else 7)

"""The long-run average cost of replenishment, against value iteration."""

import pytest

from flashsale_env import agents
from flashsale_env.experiments.benchmark.settings import LONG_RUN, Problem, Row
from flashsale_env.experiments.long_run import average_costs


def test_the_long_run_average_of_the_optimum_is_that_of_value_iteration():
    """Zipkin's table 3 with lead time 1: 5.438219; 64 sales of 800 ticks, a false alarm once in 1,000 runs."""
    changes = {"replenishment": {"lead_minutes": 60.0}}
    problem = Problem("lost-sales", (Row("dp"),), "dp", changes=changes, evaluation=LONG_RUN)
    scenario = problem.load_scenario()
    agent = agents.make("dp", scenario)
    costs = average_costs(agent, scenario, None, agents.split_seeds("test", 0, 64))
    assert agent.average_cost == pytest.approx(5.438219, abs=1e-6)
    assert abs(costs.mean() - 5.438219) < 3.29 * costs.std(ddof=1) / 8


def test_the_cost_of_an_order_counts_and_its_freight_does_not():
    """Freight reduces the margin of a unit, so it lowers the cost of a lost sale."""
    changes = {"replenishment": {"lead_minutes": 60.0, "order_cost": 2.0, "freight_per_unit": 1.0}}
    problem = Problem("lost-sales", (Row("dp"),), "dp", changes=changes, evaluation=LONG_RUN)
    scenario = problem.load_scenario()
    agent = agents.make("dp", scenario)
    costs = average_costs(agent, scenario, None, agents.split_seeds("test", 0, 64))
    assert abs(costs.mean() - agent.average_cost) < 3.29 * costs.std(ddof=1) / 8

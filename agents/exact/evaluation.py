"""The exact expected profit of any agent, where tick and stock determine what it does.

Leaves  the recursion to `pricing.policy_value`, and the price that an action sets to the simulator.
"""

from pathlib import Path

import numpy as np

from flashsale_env import Population, Scenario, Simulator, load_scenario
from flashsale_env.agents.exact.pricing import policy_value
from flashsale_env.agents.exact.problems import pricing_problem, why_no_pricing_of_one
from flashsale_env.agents.protocol import CheckedPolicy, Policy

# The features that follow from the tick and the units on hand.
_DETERMINED = {"time_left", "sqrt_time_left", "customers_left", "willingness_to_pay", "on_hand", "stock_pressure"}


def why_no_exact_value(scenario: Scenario, population: str | Path | Population | None = None) -> str | None:
    """Why `evaluate_exactly` does not apply to a scenario with these customers, or None where it does."""
    reason = why_no_pricing_of_one(scenario, population)
    other = sorted(set(scenario.features) - _DETERMINED)
    if reason is None and other:
        reason = (
            f"the scenario shows {', '.join(other)}, which tick and stock do not determine (leave it out of `observe`)"
        )
    return reason


def remembers(agent: Policy, scenario: Scenario) -> bool:
    """Whether an agent carries a state from call to call, so that tick and stock do not determine what it does.

    A policy from outside may carry one in itself, so it counts as one that does.
    """
    if isinstance(agent, CheckedPolicy):
        return True
    observation = Simulator(scenario, actions=agent.encoding, threads=1).open(np.zeros(1, np.uint64), np.zeros(1, int))
    return agent.predict(observation, None, np.ones(1, np.bool_))[1] is not None


def evaluate_exactly(
    agent: Policy, scenario: str | Path | Scenario, population: str | Path | Population | None = None
) -> float:
    """Expected profit of any deterministic agent, without simulation.

    The agent acts in every state (tick, units on hand) of the sale. The simulator gives the price that each action
    sets, and a backward recursion the profit.

    Args:
        agent: anything with `predict` and `encoding`, without memory.
        scenario: pricing of one product, with no features beyond time and stock.
        population: as for `Simulator`; homogeneous customers.

    Raises:
        ValueError: the scenario or its customers are of another kind, or the agent has a memory.
    """
    scenario = load_scenario(scenario)
    reason = why_no_exact_value(scenario, population)
    if reason is not None:
        raise ValueError(f"no agent of scenario {scenario.name!r} is evaluated exactly: {reason}.")
    problem = pricing_problem(scenario, population)
    stocks = problem.stock + 1
    ticks = max(1, min(problem.ticks, 20_000 // stocks))  # one row a state, about 20,000 rows a batch
    simulator = Simulator(scenario, population, sales=ticks * stocks, actions=agent.encoding, threads=1)
    simulator.open(np.zeros(len(simulator), np.uint64), np.zeros(len(simulator), np.int64))
    start = simulator.sales.copy()
    prices = np.zeros((problem.ticks, stocks))
    for first in range(0, problem.ticks, ticks):
        # The last batch repeats the last tick where fewer ticks are left.
        tick = np.minimum(first + np.repeat(np.arange(ticks), stocks), problem.ticks - 1)
        simulator.sales[:] = start
        simulator.sales["tick"] = tick
        simulator.sales["on_hand"] = np.tile(np.arange(stocks), ticks)[:, None]
        actions, memory = agent.predict(simulator.observe(), None, tick == 0, True)
        if memory is not None:
            raise ValueError("the agent keeps a state from call to call: tick and stock do not determine what it does.")
        simulator.advance(actions)
        prices[tick, np.tile(np.arange(stocks), ticks)] = simulator.sales["price"][:, 0]
    return float(policy_value(problem, prices)[0, -1]) - scenario.opening_stock_cost

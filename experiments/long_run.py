"""The long-run average cost of replenishment with lost sales.

Owns    the warm-up, and the average cost of a tick of an agent.
Leaves  the optimum to `agents.exact`.
Axes    S sales.
Units   the scenario's currency a tick.
"""

import numpy as np
import numpy.typing as npt

from flashsale_env import REWARD_TERMS, Population, Scenario, Simulator
from flashsale_env.agents.exact import lost_sales_problem
from flashsale_env.agents.protocol import Policy

Floats = npt.NDArray[np.float64]

HOLDING, ORDERING = (list(REWARD_TERMS).index(name) for name in ("holding", "ordering"))

# Ticks left out of the average: the initial stock and the empty pipeline affect these.
WARM_UP = 200


def average_costs(
    agent: Policy,
    scenario: Scenario,
    population: Population | None,
    seeds: npt.NDArray[np.uint64],
    threads: int | None = None,
) -> Floats:
    """(S,) average cost of a tick in each of these sales, without the first `WARM_UP` ticks.

    cost = margin·(units of lost demand) + holding cost + fixed cost of orders

    Args:
        agent: who orders.
        scenario: a `LostSales` problem of more than `WARM_UP` ticks.
        population: its customers; the scenario's own by default.
        seeds: (S,) of the sales.
        threads: of the simulator.

    Raises:
        ValueError: the scenario is too short, or the scenario or its customers do not form a `LostSales` problem, so
            that the cost of a lost sale is not defined.
    """
    ticks = scenario.horizon_ticks
    if ticks <= WARM_UP:
        raise ValueError(f"a long-run average leaves out {WARM_UP} ticks; {scenario.name!r} has only {ticks}.")
    margin = lost_sales_problem(scenario, population).lost_sale_cost
    supply = scenario.replenishment
    assert supply is not None
    simulator = Simulator(scenario, population, sales=len(seeds), actions=agent.encoding, threads=threads)
    observation, state = simulator.open(seeds, np.zeros(len(seeds), np.int64)), None

    def costs() -> Floats:
        sale = simulator.sales
        # The margin is net of freight, so only the fixed cost of an order counts here.
        fees = -sale["money"][:, ORDERING] - supply.freight_per_unit * sale["ordered"][:, 0]
        return np.asarray(margin * sale["lost"][:, 0] - sale["money"][:, HOLDING] + fees)

    warm_up = costs()
    for tick in range(ticks):
        if tick == WARM_UP:
            warm_up = costs()
        actions, state = agent.predict(observation, state, np.full(len(seeds), tick == 0))
        observation, _, _ = simulator.advance(actions)
    return np.asarray((costs() - warm_up) / (ticks - WARM_UP))

"""The agent that plays the exact optimum, and the exact value of any agent where tick and stock are the whole state.

Leaves  the solvers to `agents.exact`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import ActionCodec, Population, Scenario, Simulator, UnitReader, load_scenario
from flashsale_env.agents.base import Agent
from flashsale_env.agents.exact import (
    OrderTable,
    PriceTable,
    lost_sales_problem,
    policy_value,
    pricing_problem,
    single_order_profits,
    solve_pricing,
    solve_replenishment,
    why_no_lost_sales,
    why_no_pricing_of_one,
    why_no_single_order,
    why_unseen,
    why_unsolved_pricing,
)
from flashsale_env.agents.own import Player
from flashsale_env.agents.play import Plays

Floats = npt.NDArray[np.float64]


def price_actions(codec: ActionCodec, scenario: Scenario, prices: Floats) -> npt.NDArray[Any]:
    """Actions (N, C) that set these prices (N, M), the nearest level where they come from a grid; 0 withholds.

    Of two levels equally near the higher one; decisions other than prices are at level 0.
    """
    columns = codec.columns("price")
    wanted = prices[:, codec.numbers_of(columns)]
    levels = np.zeros((len(prices), len(codec.n_levels)), np.int64)
    for k, (column, offered) in enumerate(zip(columns, codec.n_prices, strict=True)):
        menu = np.asarray(codec.levels[column])
        nearest = np.abs(wanted[:, k, None] - menu[:offered]).argmin(axis=1)
        levels[:, column] = np.where(wanted[:, k] > 0, nearest, len(menu) - 1)
    actions = codec.from_levels(levels)
    if scenario.pricing.continuous:
        actions[:, columns] = codec.from_prices(wanted)
    return actions


def order_actions(codec: ActionCodec, units: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Actions (N, 1) of a scenario that decides on one order alone: the largest level of at most `units` (N,)."""
    levels = np.searchsorted(codec.levels[codec.columns("order")[0]], units, side="right") - 1
    return codec.from_levels(levels[:, None])


class DynamicProgramming(Agent):
    """The optimal policy, where it can be computed.

    Prices of one product with any stock, of several multinomial logit products with little stock or with stock that
    never binds; orders of one product in a single tick (newsvendor) or for ever (lost sales with a lead time).
    Pricing maximises the expected sum of rewards; the newsvendor likewise; replenishment minimises the average cost.
    It is optimal for the scenario's own population.

    Attributes:
        expected_profit: exact expectation of the metric `profit`; None for replenishment without end.
        average_cost: a tick of replenishment without end, in the long run; None elsewhere.
    """

    name = "dp"

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        self.require_applies()
        self.expected_profit: float | None = None
        self.average_cost: float | None = None
        self._units = UnitReader(self.scenario)
        self._prices: PriceTable | None = None
        self._orders: OrderTable | None = None
        self._order = 0
        if why_no_single_order(self.scenario) is None:
            rewards, profits = single_order_profits(self.scenario)
            self._order = int(rewards.argmax())
            self.expected_profit = float(profits[self._order])
        elif why_no_lost_sales(self.scenario) is None:
            self._orders = solve_replenishment(lost_sales_problem(self.scenario))
            self.average_cost = self._orders.average_cost
        else:
            self._prices = solve_pricing(self.scenario)
            self.expected_profit = self._prices.opening - self.scenario.opening_stock_cost

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        if why_no_single_order(scenario) is None:
            return None
        if any(len(product.order_levels) > 1 for product in scenario.products):
            lead = ["pipeline"] * (scenario.lead_ticks > 0)
            reason = why_no_lost_sales(scenario) or why_unseen(scenario, "on_hand", *lead)
            return reason or lost_sales_problem(scenario).why_unsolved
        return why_unsolved_pricing(scenario) or why_unseen(scenario, "time_left", "on_hand")

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        if self._prices is not None:
            tick = np.minimum(self._units.tick(observations), self.scenario.horizon_ticks - 1)
            prices = self._prices.lookup(tick, self._units.on_hand(observations))
            return price_actions(self.codec, self.scenario, prices), state
        if self._orders is not None:
            pipeline = self._units.pipeline(observations)[:, 0]
            available = self._units.on_hand(observations)[:, 0] + pipeline[:, :1].sum(axis=1)
            return order_actions(self.codec, self._orders.order(available, pipeline[:, 1:])), state
        return self.codec.from_levels(np.full((len(observations), 1), self._order)), state


def why_no_profit_optimum(scenario: Scenario, population: str | Path | Population | None = None) -> str | None:
    """Why "dp" does not know the highest expected profit of a scenario among these customers, or None where it does."""
    reason = DynamicProgramming.applies(scenario)
    if reason is not None:
        return reason
    if why_no_single_order(scenario) is None:
        reason = why_no_single_order(scenario, population)
        if reason is None:
            rewards, profits = single_order_profits(scenario, population)
            if profits[rewards.argmax()] < profits.max():
                reason = "the scenario's best reward, penalties for lost sales included, is not its best profit"
        return reason
    if why_no_lost_sales(scenario) is None:
        return "the scenario is replenished without end and has a least average cost instead"
    return why_unsolved_pricing(scenario, population)


# What an observation may hold besides: all of it follows from the tick and the units on hand.
_DETERMINED = {"time_left", "sqrt_time_left", "customers_left", "willingness_to_pay", "on_hand", "stock_pressure"}


def why_no_exact_value(scenario: Scenario, population: str | Path | Population | None = None) -> str | None:
    """Why `evaluate_exactly` has no value for agents of a scenario among these customers, or None where it has."""
    reason = why_no_pricing_of_one(scenario, population)
    other = sorted(set(scenario.features) - _DETERMINED)
    if reason is None and other:
        reason = (
            f"the scenario shows {', '.join(other)}, which tick and stock do not determine (leave it out of `observe`)"
        )
    return reason


def remembers(agent: Plays, scenario: Scenario) -> bool:
    """Whether an agent hands itself a state, so that tick and stock do not determine what it does.

    Of a policy from outside nobody knows.
    """
    if isinstance(agent, Player):
        return True
    observation = Simulator(scenario, actions=agent.encoding, threads=1).open(np.zeros(1, np.uint64), np.zeros(1, int))
    return agent.predict(observation, None, np.ones(1, np.bool_))[1] is not None


def evaluate_exactly(
    agent: Plays, scenario: str | Path | Scenario, population: str | Path | Population | None = None
) -> float:
    """Expected profit of any deterministic agent, without simulation.

    The agent is shown every state (tick, units on hand) of the sale, the price that its action means is read off the
    simulator, and the profit follows by backward recursion.

    Args:
        agent: anything with `predict` and `encoding`, without memory.
        scenario: the pricing of one product, which shows nothing but time and stock.
        population: as for `Simulator`; homogeneous customers, whoever names them.

    Raises:
        ValueError: the scenario or its customers are not of that kind, or the agent remembers.
    """
    scenario = load_scenario(scenario)
    reason = why_no_exact_value(scenario, population)
    if reason is not None:
        raise ValueError(f"no agent of scenario {scenario.name!r} is evaluated exactly: {reason}.")
    problem = pricing_problem(scenario, population)
    stocks = problem.stock + 1
    ticks = max(1, min(problem.ticks, 20_000 // stocks))  # as many at once as a batch can hold easily
    simulator = Simulator(scenario, population, sales=ticks * stocks, actions=agent.encoding, threads=1)
    simulator.open(np.zeros(len(simulator), np.uint64), np.zeros(len(simulator), np.int64))
    opened = simulator.sales.copy()
    prices = np.zeros((problem.ticks, stocks))
    for first in range(0, problem.ticks, ticks):
        tick = np.minimum(first + np.repeat(np.arange(ticks), stocks), problem.ticks - 1)
        simulator.sales[:] = opened
        simulator.sales["tick"] = tick
        simulator.sales["on_hand"] = np.tile(np.arange(stocks), ticks)[:, None]
        actions, memory = agent.predict(simulator.observe(), None, tick == 0, True)
        if memory is not None:
            raise ValueError("the agent keeps a state from call to call: tick and stock do not determine what it does.")
        simulator.advance(actions)
        prices[tick, np.tile(np.arange(stocks), ticks)] = simulator.sales["price"][:, 0]
    return float(policy_value(problem, prices)[0, -1]) - scenario.opening_stock_cost

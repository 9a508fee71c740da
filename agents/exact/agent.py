"""The agent "dp": it plays the exact optimum, where that can be computed.

Leaves  the solvers to `pricing`, `logit` and `replenishment`, and which scenarios they model to `problems`.
Axes    N sales, D numbers of an observation.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import Population, Scenario, UnitReader
from flashsale_env.agents.base import Agent
from flashsale_env.agents.exact.actions import order_actions, price_actions
from flashsale_env.agents.exact.pricing import PriceTable
from flashsale_env.agents.exact.problems import (
    lost_sales_problem,
    single_order_profits,
    solve_pricing,
    solve_replenishment,
    why_no_lost_sales,
    why_no_single_order,
    why_unseen,
    why_unsolved_pricing,
)
from flashsale_env.agents.exact.replenishment import OrderTable


class DynamicProgramming(Agent):
    """The optimal policy, where it can be computed.

    It sets prices of one product with any stock, or of several multinomial logit products with little stock or with
    stock that never binds; or it orders one product, in a single tick (newsvendor) or over an infinite horizon (lost
    sales with a lead time). Pricing and the newsvendor maximise the expected sum of rewards, replenishment minimises
    the average cost. It is optimal for the scenario's own population.

    Attributes:
        expected_profit: exact expectation of the metric `profit`; None for replenishment over an infinite horizon.
        average_cost: long-run average cost of a tick of such a replenishment; None elsewhere.
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
            self.expected_profit = self._prices.value_at_start - self.scenario.opening_stock_cost

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
    """Why "dp" does not give the highest expected profit of a scenario with these customers, or None where it does."""
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
        return "the scenario is replenished without end, and its optimum is a least average cost"
    return why_unsolved_pricing(scenario, population)

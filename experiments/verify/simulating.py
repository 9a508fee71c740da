"""Simulating validation cases: which sales they play, and what a policy earns in them beside its exact value.

Owns    the seeds of verification, and measurements of a policy whose value is computed exactly.
Leaves  exact values to `agents.exact`, the scenario of a case to its family.
Units   currency of the scenario.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from flashsale_env import ActionCodec, Layout, Scenario, Simulator, agents
from flashsale_env.agents import exact
from flashsale_env.agents.play import SaleTable, play
from flashsale_env.agents.protocol import Policy
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.verify.measurement import Measurement, mean_of

MINUTES = 60.0  # length of every sale; only its product with a rate matters
# Verification plays the validation sales of this run, which no training and no tuning has seen.
RUN = 1
# Sales played at once: few enough that a thousand ticks of them fit the processor's cache.
BATCH = 4096


class PricesByTick:
    """Prices that depend on the tick alone, (T, M); the scenario shows `time_left`."""

    encoding = "box"

    def __init__(self, scenario: Scenario, prices: npt.NDArray[np.float64]) -> None:
        self._ticks = scenario.horizon_ticks
        self._time_left = Layout(scenario)["time_left"].start
        self._actions = exact.price_actions(agents.make("random", scenario).codec, scenario, prices)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> Any:
        tick = np.rint((1.0 - observation[:, self._time_left]) * self._ticks).astype(np.int64)
        return self._actions[tick], state


class ConstantPrices(PricesByTick):
    """The same prices in every tick, (M,)."""

    def __init__(self, scenario: Scenario, prices: Sequence[float]) -> None:
        super().__init__(scenario, np.repeat(np.array([prices], np.float64), scenario.horizon_ticks, axis=0))


class ConstantLevels:
    """The same level of a decision in every tick, by name, and level 0 of all others."""

    encoding = "multidiscrete"

    def __init__(self, scenario: Scenario, **levels: int) -> None:
        codec = ActionCodec(scenario, self.encoding)
        self._levels = np.zeros(len(codec.names), np.int64)
        for decision, level in levels.items():
            self._levels[codec.columns(decision)] = level

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> Any:
        return np.tile(self._levels, (len(observation), 1)), state


def simulate(agent: Policy, scenario: Scenario, sales: int) -> SaleTable:
    """The first `sales` sales of verification, played by an agent."""
    return play(agent, scenario, seeds=split_seeds("validation", RUN, sales), batch=BATCH)


def ample(customers: float) -> int:
    """Stock that never binds: the 1 - 1e-12 quantile of the Poisson number of customers, and one more."""
    return int(stats.poisson.isf(1e-12, customers)) + 1


def profit_range(scenario: Scenario) -> float:
    """Largest difference in profit between two sales of a scenario without orders."""
    return sum(p.initial_stock * (max(p.price_levels) + p.unit_cost + p.salvage_value) for p in scenario.products)


def profit(
    quantity: str, expected: float, agent: Policy, scenario: Scenario, sales: int, limit: float | None = None
) -> Measurement:
    """Mean profit of an agent against its exact value."""
    earned = simulate(agent, scenario, sales)["profit"]
    return mean_of(quantity, expected, earned, reach=profit_range(scenario), limit=limit)


def exact_value(scenario: Scenario, prices: Any, probabilities: Any = None) -> float:
    """Expected revenue of a price table in a ticked sale of one product, by backward recursion."""
    return float(exact.policy_value(exact.pricing_problem(scenario), prices, probabilities)[0, -1])


def optimum(quantity: str, scenario: Scenario, sales: int, limit: float | None = None) -> Measurement:
    """The optimal policy: the value of the dynamic program against the mean profit of its policy."""
    agent = agents.make("dp", scenario)
    return profit(quantity, agent.expected_profit, agent, scenario, sales, limit)


def constant_price(
    quantity: str, scenario: Scenario, price: float, sales: int, limit: float | None = None
) -> Measurement:
    """One price for the whole sale."""
    return profit(quantity, exact_value(scenario, price), ConstantPrices(scenario, [price]), scenario, sales, limit)


def best_constant_price(scenario: Scenario) -> float:
    """The best price of the grid for the whole sale."""
    prices = scenario.products[0].price_levels
    return max(prices, key=lambda price: exact_value(scenario, price))


def random_price(quantity: str, scenario: Scenario, sales: int) -> Measurement:
    """Prices drawn uniformly from the grid in every tick."""
    prices = np.array(scenario.products[0].price_levels)
    expected = exact_value(scenario, prices, np.full(len(prices), 1 / len(prices)))
    return profit(quantity, expected, agents.make("random", scenario), scenario, sales)


def rule_price(quantity: str, name: str, scenario: Scenario, sales: int, limit: float | None = None) -> Measurement:
    """A rule whose price depends on time and stock alone, so backward recursion gives its exact value."""
    agent = agents.make(name, scenario)
    return profit(quantity, exact.evaluate_exactly(agent, scenario), agent, scenario, sales, limit)


def first_prices(scenario: Scenario) -> list[tuple[float, float]]:
    """For each product, the optimal price at the start of the sale and the price that the simulator charges then."""
    table = exact.solve_pricing(scenario).prices[0]
    simulator = Simulator(scenario)
    observation = simulator.open(np.zeros(1, np.uint64), np.zeros(1, np.int64))
    simulator.advance(agents.make("dp", scenario).predict(observation)[0])
    full_stock = table.reshape(-1, table.shape[-1])[-1]
    return list(zip(full_stock.tolist(), simulator.sales["price"][0].tolist(), strict=True))


def first_price(quantity: str, optimal_price: float, charged: float, limit: float | None = None) -> Measurement:
    """One pair of `first_prices`; a price is coded in single precision, so it is equal only up to that."""
    return Measurement(quantity, optimal_price, charged, limit=limit, tolerance=1e-5)

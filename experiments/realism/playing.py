"""Playing a scenario for its statistics: under which policy, what is recorded, and the same actions once more.

Owns    the choice of the policy, the record of every tick, and replays in a changed market.
Axes    N sales, T ticks, M products, I intents.

A statistic that asks for an effect, e.g. of a price, replays the recorded actions in a changed market with the same
customers. A policy that reacted to the change would hide it.
"""

import dataclasses
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import METRICS, ActionCodec, Population, Scenario, Simulator, agents, load_population, load_scenario
from flashsale_env.agents.protocol import Policy, as_policy
from flashsale_env.agents.seeding import split_seeds

Floats = npt.NDArray[np.float64]

# The validation sales of this run, which neither training nor tuning uses.
RUN = 2
# Visits of a sale that are recorded to see who comes.
_LOGGED = 2_000


class ListPrices:
    """List prices and nothing else: level 0 of every decision, but all the servers there are."""

    encoding = "multidiscrete"

    def __init__(self, scenario: Scenario) -> None:
        codec = ActionCodec(scenario, "multidiscrete")
        self._levels = np.zeros(len(codec.names), np.int64)
        servers = [column for column, name in enumerate(codec.names) if name == "servers"]
        self._levels[servers] = codec.n_levels[servers] - 1

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[npt.NDArray[Any], Any]:
        """The same action for every sale."""
        return np.tile(self._levels, (len(observation), 1)), state


def good_policy(scenario: str | Path | Scenario) -> tuple[str, Policy]:
    """Name and policy of the tuned rule with the highest profit in the file of tuned values; list prices if none is.

    Only rules whose values were tuned for this very game count.
    """
    sale, best = load_scenario(scenario), agents.best_tuned(scenario)
    if best is not None:
        return best[0], as_policy(agents.make(best[0], scenario), sale)
    return "list prices", as_policy(ListPrices(sale), sale)


@dataclasses.dataclass(frozen=True, eq=False)
class Played:
    """What happened in N sales.

    Args:
        metrics: name -> (N,).
        customers: (N, T) who came in each tick, bots included.
        friends: (N, T) of them, those whom a buyer told.
        claimed: (N, T) share of all units sold at the start of the tick, where the scenario shows it; else 0.
        sold, demand: (N, T, M) units of each tick.
        sales: (N,) the state at the close.
    """

    metrics: dict[str, Floats]
    customers: Floats
    friends: Floats
    claimed: Floats
    sold: Floats
    demand: Floats
    sales: npt.NDArray[np.void]

    def total(self, metric: str) -> float:
        """Sum of a metric over all sales."""
        return float(self.metrics[metric].sum())

    @property
    def visits(self) -> float:
        """Visits of all sales, those of customers who came back included."""
        return float(self.sales["visits"].sum())


class Market:
    """A scenario with its customers, played once under a good policy; further sales replay the same actions.

    Args:
        scenario: name, path or object.
        sales: N.
    """

    def __init__(self, scenario: str | Path | Scenario, sales: int) -> None:
        self.scenario = load_scenario(scenario)
        self.population = load_population(self.scenario.population, self.scenario.titles)
        self.policy_name, self._policy = good_policy(scenario)
        self._seeds = split_seeds("validation", RUN, sales)
        self._actions: list[npt.NDArray[Any]] = []

    @cached_property
    def played(self) -> Played:
        """The sales under the policy."""
        state, starts = None, np.ones(len(self._seeds), np.bool_)

        def act(tick: int, observations: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
            nonlocal state
            actions, state = self._policy.predict(observations, state, starts if tick == 0 else ~starts, True)
            self._actions.append(actions)
            return actions

        return self._play(self.scenario, self.population, act)

    def replayed(self, scenario: Scenario | None = None, population: Population | None = None) -> Played:
        """The same actions and customers, in a changed scenario or with changed tastes."""
        assert self.played is not None
        return self._play(
            scenario or self.scenario, population or self.population, lambda tick, observations: self._actions[tick]
        )

    @cached_property
    def voices(self) -> npt.NDArray[np.int64]:
        """Rows of the population of those who came for the first time, in a few of the sales."""
        few = min(len(self._seeds), 8)
        assert self.played is not None
        busiest = int(self.played.sales["visits"][:few].max())
        simulator = Simulator(
            self.scenario, self.population, sales=few, actions=self._policy.encoding, log_rows=max(busiest, 1)
        )
        simulator.open(self._seeds[:few], np.zeros(few, np.int64))
        for actions in self._actions:
            simulator.advance(actions[:few])
        log = simulator.choice_log()
        return np.asarray(log["voice"][log["look"] == 0], np.int64)

    def _play(
        self,
        scenario: Scenario,
        population: Population,
        act: Callable[[int, npt.NDArray[np.float32]], npt.NDArray[Any]],
    ) -> Played:
        number, ticks, products = len(self._seeds), scenario.horizon_ticks, len(scenario.products)
        simulator = Simulator(scenario, population, sales=number, actions=self._policy.encoding)
        observations = simulator.open(self._seeds, np.zeros(number, np.int64))
        per_tick = {name: np.zeros((number, ticks)) for name in ("customers", "friends", "claimed")}
        sold, demand = np.zeros((number, ticks, products)), np.zeros((number, ticks, products))
        contagion = scenario.contagion is not None
        for tick in range(ticks):
            before = {name: simulator.sales[name].copy() for name in ("sold", "demand")}
            told = simulator.sales["contagion"]["came"].copy() if contagion else 0
            observations = simulator.advance(act(tick, observations))[0]
            per_tick["customers"][:, tick] = simulator.sales["tick_customers"]
            sold[:, tick] = simulator.sales["sold"] - before["sold"]
            demand[:, tick] = simulator.sales["demand"] - before["demand"]
            if contagion:
                per_tick["friends"][:, tick] = simulator.sales["contagion"]["came"] - told
                per_tick["claimed"][:, tick] = simulator.sales["contagion"]["claimed"]
        metrics = simulator.measure()
        columns = {name: metrics[:, column] for column, name in enumerate(METRICS)}
        return Played(columns, **per_tick, sold=sold, demand=demand, sales=simulator.sales.copy())

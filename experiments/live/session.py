"""One sale, run by a person beside an agent, on the same customers.

Owns    both sales tick by tick, what the agent would do in the person's place, the customers of a tick in their own
        words, and the debrief: profits, bound, and the decisions that cost most.
Leaves  controls and actions to `decisions`, why the agent decides so to `reasons`, the page to `page`.
Axes    T ticks, C columns of a box action, M products.
Units   money in the scenario's currency.

Customers are the same because every draw is a function of the seed, the tick and the customer. A decision is judged by
playing the same customers once more, with the agent's decision in that one tick and the person's in all others.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, METRICS, Population, Scenario, Simulator
from flashsale_env.agents.play import play
from flashsale_env.agents.protocol import as_policy
from flashsale_env.experiments.live.decisions import Translation
from flashsale_env.experiments.watch.alerts import Course
from flashsale_env.theory.bounds import hindsight_bound, lagrangian_dual_bound

Floats = npt.NDArray[np.float64]
Action = npt.NDArray[np.float32]

_PROFIT = list(METRICS).index("profit")
_MOST_VISITS = 200_000  # recorded visits of a sale: beyond, no customer is quoted


@dataclass(frozen=True)
class Visitor:
    """One customer of the last tick.

    Args:
        text: what the customer wrote.
        intent: the one that the encoder finds most probable.
        probability: of that intent.
        bought: title of the first product bought, or "".
    """

    text: str
    intent: str
    probability: float
    bought: str


@dataclass
class Side:
    """One of the two sales, tick by tick: (t + 1,) or (t,) so far."""

    simulator: Simulator
    observation: npt.NDArray[np.float32]
    profit: list[float] = field(default_factory=list)
    stock: list[int] = field(default_factory=list)

    def note(self) -> None:
        """Remember where the sale stands. Unsold units count for nothing before the close."""
        self.profit.append(float(self.simulator.measure()[0, _PROFIT]))
        self.stock.append(int(self.simulator.sales["on_hand"][0].sum()))


@dataclass(frozen=True)
class Cost:
    """A decision, judged by the same customers.

    Args:
        tick: in which it was taken.
        lost: profit of the sale with the agent's decision in this tick, less the person's profit; currency.
        yours, agents: (C,) box actions, the person's and the agent's in the person's place.
    """

    tick: int
    lost: float
    yours: Action
    agents: Action


@dataclass(frozen=True)
class Debrief:
    """The end of a sale.

    Args:
        person, agent: profits.
        bound: no policy earns more than this on these customers (or on average, see `bound_name`); None without one.
        bound_name: of the bound, or the reason why there is none.
        costs: the decisions that cost most, the dearest first; only those that cost something.
    """

    person: float
    agent: float
    bound: float | None
    bound_name: str
    costs: tuple[Cost, ...]


class Session:
    """A sale of a person and an agent.

    Args:
        scenario: of both.
        population: its customers.
        agent: any policy.
        seed: of the sale.

    Attributes:
        person, agent: the two sales.
        played: box actions of the person, one a tick.
        rival: box actions of the agent in its own sale, one a tick.

    Raises:
        ValueError: the agent does not fit the scenario.
    """

    def __init__(self, scenario: Scenario, population: Population, agent: Any, seed: int) -> None:
        self.scenario, self.population, self.seed = scenario, population, seed
        self.policy = as_policy(agent, scenario)
        self.translation = Translation(scenario, self.policy.encoding)
        expected = float(scenario.customers_per_tick.sum()) * scenario.most_traffic
        self._log_rows = min(int(3 * expected) + 1000, _MOST_VISITS)
        self.person = self._opened("box", self._log_rows)
        self.agent = self._opened(self.policy.encoding, 0)
        self.played: list[Action] = []
        self.rival: list[Action] = []
        self._advice: list[Action] = []
        self._state: Any = None
        self._shadow: Any = None
        self._shown = 0
        self._course: list[tuple[Any, Any, Any]] = []
        self._advise()

    def _opened(self, encoding: str, log_rows: int) -> Side:
        simulator = Simulator(self.scenario, self.population, sales=1, actions=encoding, threads=1, log_rows=log_rows)
        side = Side(simulator, simulator.open(np.array([self.seed], np.uint64), np.zeros(1, np.int64)))
        side.note()
        return side

    @property
    def tick(self) -> int:
        """Ticks played."""
        return len(self.played)

    @property
    def over(self) -> bool:
        """Whether the sale is closed."""
        return self.tick == self.scenario.horizon_ticks

    @property
    def advice(self) -> Action:
        """(C,) what the agent would do now in the person's place."""
        return self._advice[-1]

    @property
    def course(self) -> Course:
        """The person's sale so far, as alerts read it; at least one tick was played."""
        customers, sold, on_hand = (np.asarray(column, np.float64)[None] for column in zip(*self._course, strict=True))
        return Course(customers, sold, on_hand)

    def _advise(self) -> None:
        start = np.array([self.tick == 0])
        action, self._shadow = self.policy.predict(self.person.observation, self._shadow, start, True)
        self._advice.append(self.translation.to_box(action)[0])

    def advance(self, action: Action) -> list[Visitor]:
        """Play one tick of both sales, and return the customers who visited the person's.

        Args:
            action: (C,) box action of the person.

        Raises:
            ValueError: the action does not fit.
            RuntimeError: the sale is over.
        """
        if self.over:
            raise RuntimeError("the sale is over.")
        own = np.asarray(action, np.float32)[None]
        self.person.observation = self.person.simulator.advance(own)[0]
        start = np.array([self.tick == 0])
        theirs, self._state = self.policy.predict(self.agent.observation, self._state, start, True)
        self.agent.observation = self.agent.simulator.advance(theirs)[0]
        sale = self.person.simulator.sales[0]
        # Without sales, a rival's product raises no alert.
        sold = sale["tick_sold"] * self.scenario.own
        self._course.append((int(sale["tick_customers"]), sold, sale["on_hand"].copy()))
        self.played.append(own[0])
        self.rival.append(self.translation.to_box(theirs)[0])
        for side in (self.person, self.agent):
            side.note()
        if not self.over:
            self._advise()
        return self._visitors()

    def _visitors(self) -> list[Visitor]:
        """Who visited in the last tick."""
        if self.person.simulator.sales["visits"][0] > self._log_rows:
            return []
        log = self.person.simulator.choice_log()
        new, self._shown = log[self._shown :], len(log)
        titles = (*self.scenario.titles, "")
        found = []
        for row in new:
            probabilities = self.population.intent_probabilities[row["voice"]]
            likeliest = int(probabilities.argmax())
            text = self.population.utterances[row["voice"]]
            found.append(Visitor(text, INTENTS[likeliest], float(probabilities[likeliest]), titles[row["bought"]]))
        return found

    def debrief(self, most: int = 3) -> Debrief:
        """How the sale went.

        Args:
            most: how many decisions are named.

        Raises:
            RuntimeError: the sale is not over.
        """
        if not self.over:
            raise RuntimeError("the sale is not over.")
        lost = self.costs()
        dearest = sorted(range(len(lost)), key=lambda tick: -lost[tick])[:most]
        costs = tuple(
            Cost(tick, float(lost[tick]), self.played[tick], self._advice[tick]) for tick in dearest if lost[tick] > 0
        )
        bound, name = self._bound()
        return Debrief(self.person.profit[-1], self.agent.profit[-1], bound, name, costs)

    def costs(self) -> Floats:
        """(T,) profit that the agent's decision in one tick would have added, all others being the person's."""
        ticks = self.scenario.horizon_ticks
        again = Simulator(self.scenario, self.population, sales=ticks, actions="box", threads=1)
        again.open(np.full(ticks, self.seed, np.uint64), np.zeros(ticks, np.int64))
        for tick in range(ticks):
            actions = np.repeat(self.played[tick][None], ticks, axis=0)
            actions[tick] = self._advice[tick]
            again.advance(actions)
        return np.asarray(again.measure()[:, _PROFIT] - self.person.profit[-1])

    def _bound(self) -> tuple[float | None, str]:
        """An upper bound on the profit of this very sale, and its name, or why there is none."""
        reason = ""
        for bound in (hindsight_bound, lagrangian_dual_bound):
            try:
                found = bound(self.scenario, self.population, seeds=[self.seed])
            except ValueError as error:
                reason = reason or str(error)
            else:
                return float(found.value), found.name
        return None, reason


def reference_profit(session: Session) -> float:
    """The agent's profit on the customers of a session, as every evaluation plays it."""
    seeds = np.array([session.seed], np.uint64)
    return float(play(session.policy, session.scenario, session.population, seeds=seeds)["profit"][0])

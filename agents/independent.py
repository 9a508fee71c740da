"""Independent learners of prices: every seller learns alone, by Q-learning, in many markets at once.

Owns    the tables, exploration and updates, as in Calvano, Calzolari, Denicolò & Pastorello (2020).
Leaves  the market to `envs.sellers`, the learners of a single seller to `tabular` and `sb3`.
Axes    G sellers, S markets, A prices; a state is the prices of all sellers in the last period, A^G of them.

No seller knows of the others, of demand or of costs: it sees prices, and what it earned.

Source:
    Calvano, Calzolari, Denicolò & Pastorello (2020), Artificial Intelligence, Algorithmic Pricing, and Collusion,
    American Economic Review 110(10), doi 10.1257/aer.20190623, section III.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashsale_env.tables import check_fields

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class QSettings:
    """Settings of a learner.

    Args:
        memory: whether it sees the prices of the last period. Without, it is a bandit: a value for each price alone.
        discount: of the next period's value, 0 to below 1; 0 for a learner of the next profit alone.
        step_size: weight of a new reward, above 0, at most 1.

    Raises:
        ValueError: a value is out of range.
    """

    memory: bool = True
    discount: float = 0.95
    step_size: float = 0.1

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 <= self.discount < 1:
            raise ValueError(f"discount must be at least 0 and below 1, got {self.discount:g}.")
        if not 0 < self.step_size <= 1:
            raise ValueError(f"step_size must be above 0 and at most 1, got {self.step_size:g}.")


class IndependentLearners:
    """G learners in each of S markets.

    Args:
        settings: of every learner.
        first_values: (A,) what a learner expects of a price at the start, discounted.
        sellers: G.
        markets: S.
        seed: of exploration.

    Attributes:
        q: (G, S, states, A) values.
        state: (S,) the prices of the last period, as a number; 0 at the start and without memory.
    """

    def __init__(
        self, settings: QSettings, first_values: npt.ArrayLike, *, sellers: int = 2, markets: int = 1, seed: int = 0
    ) -> None:
        self.settings = settings
        values = np.asarray(first_values, np.float64)
        self.prices = len(values)
        states = self.prices**sellers if settings.memory else 1
        self.q: Floats = np.tile(values, (sellers, markets, states, 1))
        self.state: Integers = np.zeros(markets, np.int64)
        self._of_seller, self._of_market = np.arange(sellers)[:, None], np.arange(markets)[None, :]
        self._rng = np.random.default_rng(seed)

    def choose(self, exploration: float) -> Integers:
        """(G, S) indices of prices: the best one in this state, or with probability `exploration` any one."""
        best = self.q[self._of_seller, self._of_market, self.state[None, :]].argmax(axis=2)
        explores = self._rng.random(best.shape) < exploration
        return np.asarray(np.where(explores, self._rng.integers(self.prices, size=best.shape), best), np.int64)

    def go_on(self, chosen: Integers) -> None:
        """Go to the state of a period in which these prices were played, (G, S) indices, without learning."""
        if self.settings.memory:
            self.state = np.asarray(np.ravel_multi_index(tuple(chosen), (self.prices,) * len(chosen)), np.int64)

    def learn(self, chosen: Integers, earned: Floats) -> None:
        """Learn from a period, and go to the next state.

        Args:
            chosen: (G, S) indices of the prices played.
            earned: (G, S) profits.
        """
        before = self.state
        self.go_on(chosen)
        ahead = self.q[self._of_seller, self._of_market, self.state[None, :]].max(axis=2)
        cell = self._of_seller, self._of_market, before[None, :], chosen
        error = earned + self.settings.discount * ahead - self.q[cell]
        self.q[cell] += self.settings.step_size * error

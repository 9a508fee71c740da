"""Observations in a retailer's terms: what every rule and lever reads.

Axes    N sales, M products.
Units   elapsed time and customers are shares of the sale; stock is in units; traffic is relative to the expected one.
"""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from flashsale_env import Layout, Scenario, UnitReader
from flashsale_env.intents import ByIntent

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class View:
    """A batch of observations; reading a feature that the scenario hides is an error.

    Args:
        scenario: of the observations.
        units: of the scenario.
        layout: of the scenario.
        observations: (N, D).
    """

    def __init__(
        self, scenario: Scenario, units: UnitReader, layout: Layout, observations: npt.NDArray[np.float32]
    ) -> None:
        self.scenario = scenario
        self._units, self._layout, self._observations = units, layout, observations
        self.sales = len(observations)

    @cached_property
    def tick(self) -> Integers:
        """(N,) number of the next tick."""
        return self._units.tick(self._observations)

    @cached_property
    def elapsed(self) -> Floats:
        """(N, 1) share of the sale's time that has elapsed."""
        return np.asarray(self.tick[:, None] / self.scenario.horizon_ticks)

    @cached_property
    def customers_left(self) -> Floats:
        """(N, 1) share of the sale's customers who are still expected."""
        if "customers_left" in self._layout:
            return self.read("customers_left")
        # Whoever came before the coming tick and was admitted; without a lottery that is the same.
        admitted = self.scenario.arrivals.admitted_until(self.scenario)[self.tick, None] / self.scenario.horizon_ticks
        return 1.0 - self.scenario.arrivals.cumulative_share(admitted)

    @cached_property
    def expected_customers(self) -> Floats:
        """(N, 1) customers expected in the coming tick, before shocks and promotions."""
        return self.scenario.customers_per_tick[np.minimum(self.tick, self.scenario.horizon_ticks - 1), None]

    @cached_property
    def on_hand(self) -> Integers:
        """(N, M) units."""
        return self._units.on_hand(self._observations)

    @cached_property
    def stock(self) -> Integers:
        """(N, M) units bought and not sold: on hand, in carts and on their way."""
        return self._units.position(self._observations)

    @cached_property
    def to_order(self) -> Integers:
        """(N, M) most units that can be ordered now."""
        return self._units.to_order(self._observations)

    @cached_property
    def owned(self) -> Integers:
        """(N, M) units owned so far: initial stock and orders."""
        return self._units.owned(self._observations)

    @cached_property
    def sold(self) -> Integers:
        """(N, M) units sold so far."""
        return self._units.sold(self._observations)

    @cached_property
    def sold_share(self) -> Floats:
        """(N, 1) units sold so far / units owned so far, mean over the shop's products."""
        share = (self.sold / np.maximum(self.owned, 1))[:, self.scenario.own]
        return np.asarray(share.mean(axis=1, keepdims=True))

    @cached_property
    def traffic(self) -> Floats:
        """(N, 1) recent customers / those expected; 1, its mean, where the scenario does not show it."""
        return self.read("traffic") if "traffic" in self._layout else np.ones((self.sales, 1))

    @cached_property
    def drift(self) -> Floats:
        """(N, 1) mean willingness to pay in the next tick, relative to the one without drift."""
        drift = self.scenario.drift_per_tick
        if "willingness_to_pay" in self._layout:
            return np.asarray(self.read("willingness_to_pay") * drift.max())
        if np.ptp(drift) == 0:
            return np.full((self.sales, 1), drift[0])
        return drift[np.minimum(self.tick, len(drift) - 1), None]

    @cached_property
    def conversion(self) -> Floats | None:
        """(N, 1) recent units per recent customer, over all products; None where it is not shown."""
        if "conversion" not in self._layout:
            return None
        # The observation holds the square root of each product's.
        return np.asarray((self.read("conversion") ** 2).sum(axis=1, keepdims=True))

    def mean_by_intent(self, values: ByIntent) -> Floats:
        """(N, 1) mean of a setting over the intents of the messages; over all intents where they are not shown."""
        if "intent_mean" not in self._layout:
            return np.full((self.sales, 1), np.mean(values))
        share = self.read("intent_mean")
        return np.asarray((share * np.array(values)).sum(axis=1, keepdims=True))

    def read(self, feature: str) -> Floats:
        """(N, its length) numbers of a feature as they are observed."""
        return np.asarray(self._observations[:, self._layout[feature]], np.float64)

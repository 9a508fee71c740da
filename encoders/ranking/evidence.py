"""What a shop knows of its customers when it orders its list.

Owns    the evidence: past customers as the shop reads them, and a log of what they bought from a shuffled list.
Axes    V past customers, M products, I intents, n visits.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, Population, Scenario

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What rankers learn from.

    Args:
        scenario: of the sale; prices are its first levels.
        population: V past customers with the tastes that the shop infers, never the true ones.
        similarity: (V, M) cosine similarity of each message with each product's name.
        log: (n,) records of `Simulator.choice_log`, recorded with a shuffled list so that a product's place tells
            nothing of the product. `voice` is a row of the population.
        seed: of what a ranker draws.
    """

    scenario: Scenario
    population: Population
    similarity: Floats
    log: npt.NDArray[np.void]
    seed: int = 0

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """(V,) the likeliest intent of each customer's message, by which the market reads a list."""
        return np.asarray(self.population.intent_probabilities.argmax(axis=1), np.int64)

    @property
    def list_prices(self) -> Floats:
        """(M,) the first price of each product."""
        return np.array([product.list_price for product in self.scenario.products])

    @property
    def margins(self) -> Floats:
        """(M,) what a sale at that price earns: the price less what a unit left over would fetch."""
        return np.array([product.list_price - product.salvage_value for product in self.scenario.products])

    def units(self) -> Floats:
        """(V, M) units that each customer bought, over all visits."""
        found = np.zeros((len(self.population), len(self.scenario.products)))
        bought = self.log["bought"] < found.shape[1]
        np.add.at(found, (self.log["voice"][bought], self.log["bought"][bought]), 1.0)
        return found

    def by_intent(self, values: Floats) -> Floats:
        """(I, M) weighted mean over the customers of each predicted intent of values (V, M).

        An intent that nobody is predicted to have gets the mean over all customers.
        """
        weight = self.population.weight.astype(np.float64)
        found = np.empty((len(INTENTS), values.shape[1]))
        for intent in range(len(INTENTS)):
            share = np.where(self.predicted == intent, weight, 0.0)
            found[intent] = np.average(values, axis=0, weights=share if share.any() else weight)
        return found

"""What the demand model expects of a place on the list: purchases, and the margin on them.

Leaves  the tastes to `demand.tastes`. Other products on the list are not counted: few customers choose between two.
Units   margins in the scenario's currency, of a customer who examines the product.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from flashsale_env.encoders.ranking.evidence import Evidence


def demand(evidence: Evidence) -> npt.NDArray[np.float64]:
    """(I, M) probability that a customer who examines nothing else buys, at list prices."""
    products, population = evidence.scenario.products, evidence.population
    share = evidence.list_prices / np.array([product.reference_price for product in products])
    utility = population.relevance + np.array([product.quality for product in products])
    utility = utility - population.price_sensitivity[:, None] * share
    return evidence.by_intent(expit(utility.astype(np.float64)))


def expected_margin(evidence: Evidence) -> npt.NDArray[np.float64]:
    """(I, M) that probability times what a sale earns: the price less what a unit left over would fetch."""
    return demand(evidence) * evidence.margins

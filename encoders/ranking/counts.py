"""Popularity: what sold most comes first.

From a log with a shuffled list every product was seen equally often, so that units are comparable as they are.
"""

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS
from flashsale_env.encoders.ranking.evidence import Evidence

# Units that an intent's counts are shrunk by towards those of all customers.
PRIOR = 20.0


def popularity(evidence: Evidence) -> npt.NDArray[np.float64]:
    """(M,) units sold of each product, a thousand visits."""
    return np.asarray(1000.0 * evidence.units().sum(axis=0) / max(len(evidence.log), 1))


def popularity_by_intent(evidence: Evidence) -> npt.NDArray[np.float64]:
    """(I, M) each product's share of the units that customers of a predicted intent bought.

    Counts are shrunk to the shares of all customers, as if `PRIOR` more units had been sold in these.
    """
    units = evidence.units()
    everybody = (units.sum(axis=0) + 1.0) / (units.sum() + units.shape[1])
    of_intent = np.stack([units[evidence.predicted == intent].sum(axis=0) for intent in range(len(INTENTS))])
    return np.asarray((of_intent + PRIOR * everybody) / (of_intent.sum(axis=1, keepdims=True) + PRIOR))

"""Matrix factorisation of who bought what, by the library `implicit`.

Leaves  the estimators to `implicit`: alternating least squares for implicit feedback (Hu, Koren & Volinsky 2008, ICDM)
        and Bayesian personalised ranking (Rendle et al. 2009, UAI).

A customer of a new sale has bought nothing yet, so the scores of a predicted intent are the mean of those of its past
customers. One thread: the same seed gives the same factors.
"""

import importlib

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from flashsale_env.encoders.ranking.evidence import Evidence

# Eight products leave no room for more than a few factors.
FACTORS = 4
SWEEPS = 30  # of alternating least squares
PASSES, RATE = 500, 0.05  # of the gradient steps, one for each customer and product bought


def least_squares(evidence: Evidence) -> npt.NDArray[np.float64]:
    """(I, M) mean score by alternating least squares.

    Raises:
        ImportError: implicit is not installed.
    """
    return _scores(evidence, "als", "AlternatingLeastSquares", iterations=SWEEPS)


def pairwise(evidence: Evidence) -> npt.NDArray[np.float64]:
    """(I, M) mean score by Bayesian personalised ranking.

    Raises:
        ImportError: implicit is not installed.
    """
    return _scores(evidence, "bpr", "BayesianPersonalizedRanking", iterations=PASSES, learning_rate=RATE)


def _scores(evidence: Evidence, module: str, estimator: str, **settings: float) -> npt.NDArray[np.float64]:
    make = getattr(importlib.import_module(f"implicit.{module}"), estimator)
    units = evidence.units()
    factors = min(FACTORS, units.shape[1])
    model = make(factors=factors, random_state=evidence.seed, num_threads=1, **settings)
    model.fit(csr_matrix(units, dtype=np.float32), show_progress=False)
    of_voice = np.asarray(model.user_factors, np.float64) @ np.asarray(model.item_factors, np.float64).T
    return evidence.by_intent(of_voice)

"""What is usually done instead of reading the events: recency and frequency, and the BG/NBD model.

Owns    both predictors.
Leaves  the histories to `flashsale_env.histories`, the BG/NBD model to `flashsale_env.theory.customer_base`.
Axes    C customers.
"""

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from flashsale_env.encoders.sessions.encoder import HEADS, Labels
from flashsale_env.histories import Histories
from flashsale_env.theory.customer_base import CustomerBase, fit

Floats = npt.NDArray[np.float64]


def recency_and_frequency(found: Histories) -> Floats:
    """(C, 5) purchases, visits, sales since the last purchase, since the last visit and since the first purchase."""
    came, paid = found.came(), found.paid()
    since_visit = came[:, ::-1].argmax(axis=1)
    since_purchase = paid[:, ::-1].argmax(axis=1)
    age = found.cut - 1 - found.first
    columns = (paid.sum(axis=1), came.sum(axis=1), since_purchase, since_visit, age)
    return np.column_stack(columns).astype(np.float64)


class RecencyFrequency:
    """A logistic regression for each head, on recency and frequency and their logarithms.

    Args:
        found, labels: as for `SessionEncoder.train`.

    Raises:
        ValueError: a label that nobody or everybody has.
    """

    def __init__(self, found: Histories, labels: Labels) -> None:
        self._models: dict[str, Pipeline] = {}
        for name in HEADS:
            if len(np.unique(labels[name])) < 2:
                raise ValueError(
                    f"label {name!r} is the same for all {len(found)} customers, so nothing can be learned: record "
                    f"more."
                )
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            self._models[name] = model.fit(self._columns(found), labels[name])

    @staticmethod
    def _columns(found: Histories) -> Floats:
        columns = recency_and_frequency(found)
        return np.hstack([columns, np.log1p(columns)])

    def predict(self, found: Histories) -> dict[str, Floats]:
        """(C,) probability of each head."""
        columns = self._columns(found)
        return {name: np.asarray(model.predict_proba(columns)[:, 1]) for name, model in self._models.items()}


class PastPurchases:
    """The BG/NBD model, fitted to repeat purchases; time is counted in sales.

    Args:
        found: histories of customers.

    Raises:
        ValueError: nobody bought again.
    """

    def __init__(self, found: Histories) -> None:
        self.base: CustomerBase = fit(*found.repeats())

    def predict(self, found: Histories) -> dict[str, Floats]:
        """(C,) scores of each head: expected purchases in the next sale, and 1 - P(alive)."""
        known = found.repeats()
        expected = self.base.expected_after(*known, 1.0)
        gone = 1.0 - self.base.alive(*known)
        return {"click": expected, "purchase": expected, "stays away": gone}

"""Uplift: whom a coupon makes buy, learned from a log of randomised coupons.

Owns    the form of such a log, and the learners: a T-learner and a DR-learner, with scikit-learn.
Leaves  the customers and their replay to the study `retention`.
Axes    C customers, F numbers that the shop knows of each.
Units   profit in currency a customer; uplift is the difference that the coupon makes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

Floats = npt.NDArray[np.float64]

# Trees are cut short: an uplift is far noisier than an outcome.
_TREES: dict[str, Any] = {"max_leaf_nodes": 8, "learning_rate": 0.1, "max_iter": 30, "min_samples_leaf": 200}


@dataclass(frozen=True)
class Coupons:
    """A log of coupons that were given at random.

    Args:
        known: (C, F) what the shop knows of each customer beforehand.
        given: (C,) 1 for a coupon.
        bought: (C,) 1 for a purchase.
        share: probability of a coupon.
        prices: what a purchase earns without and with a coupon, currency.
    """

    known: Floats
    given: npt.NDArray[np.int64]
    bought: npt.NDArray[np.int64]
    share: float
    prices: tuple[float, float]

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"coupons must be given with a probability between 0 and 1, got {self.share:g}.")
        if not len(self.known) == len(self.given) == len(self.bought):
            raise ValueError(
                f"want a row of what is known, a coupon and a purchase for each customer, got {len(self.known)}, "
                f"{len(self.given)} and {len(self.bought)}."
            )


@dataclass(frozen=True)
class Uplift:
    """Predictions for customers: (C,) uplift of the purchase probability, and of the profit."""

    purchase: Floats
    profit: Floats


Predict = Callable[[Floats], Uplift]


def t_learner(log: Coupons) -> Predict:
    """Two models of the purchase, one for customers with a coupon and one for those without (Künzel et al. 2019)."""
    without, with_coupon = _models(log)

    def predict(known: Floats) -> Uplift:
        return _difference(log, without(known), with_coupon(known))

    return predict


def dr_learner(log: Coupons) -> Predict:
    """Regression on doubly robust scores, cross-fitted in two halves (Kennedy 2023, doi 10.1214/23-EJS2157)."""
    scores = doubly_robust(log)
    of_purchase = HistGradientBoostingRegressor(random_state=0, **_TREES).fit(log.known, scores.purchase)
    of_profit = HistGradientBoostingRegressor(random_state=0, **_TREES).fit(log.known, scores.profit)
    return lambda known: Uplift(of_purchase.predict(known), of_profit.predict(known))


def doubly_robust(log: Coupons) -> Uplift:
    """The doubly robust score of each customer of a log: its mean is the average uplift, without bias."""
    purchase, profit = np.empty(len(log.known)), np.empty(len(log.known))
    half = np.arange(len(log.known)) % 2 == 0
    for rows in (half, ~half):
        other = Coupons(log.known[~rows], log.given[~rows], log.bought[~rows], log.share, log.prices)
        without, with_coupon = (model(log.known[rows]) for model in _models(other))
        given, bought = log.given[rows], log.bought[rows]
        more = given / log.share * (bought - with_coupon)
        less = (1 - given) / (1 - log.share) * (bought - without)
        purchase[rows] = with_coupon - without + more - less
        profit[rows] = log.prices[1] * (with_coupon + more) - log.prices[0] * (without + less)
    return Uplift(purchase, profit)


LEARNERS: dict[str, Callable[[Coupons], Predict]] = {"T-learner": t_learner, "DR-learner": dr_learner}


def _models(log: Coupons) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """Purchase probability without and with a coupon."""

    def model(rows: npt.NDArray[np.bool_]) -> Callable[[Floats], Floats]:
        if len(np.unique(log.bought[rows])) < 2:
            raise ValueError(
                "a log in which nobody or everybody buys says nothing about coupons: record more customers, or take "
                "another price."
            )
        fitted = HistGradientBoostingClassifier(random_state=0, **_TREES).fit(log.known[rows], log.bought[rows])
        return lambda known: np.asarray(fitted.predict_proba(known)[:, 1])

    return model(log.given == 0), model(log.given == 1)


def _difference(log: Coupons, without: Floats, with_coupon: Floats) -> Uplift:
    return Uplift(with_coupon - without, log.prices[1] * with_coupon - log.prices[0] * without)

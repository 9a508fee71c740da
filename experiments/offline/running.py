"""All estimates of what another policy would have earned in a log.

Owns    the table of estimators, the folds of the doubly robust one, and which estimates are refused.
Leaves  each estimator to its file.
Units   currency a sale: the sum of its rewards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashsale_env.experiments.intervals import mean_interval
from flashsale_env.experiments.offline import fitted_q as fqe
from flashsale_env.experiments.offline.doubly_robust import doubly_robust
from flashsale_env.experiments.offline.features import Features
from flashsale_env.experiments.offline.ips import ips
from flashsale_env.experiments.offline.logs import Log
from flashsale_env.experiments.offline.overlap import effective, why_too_few, why_unsupported
from flashsale_env.experiments.offline.snips import snips
from flashsale_env.experiments.offline.target import Target
from flashsale_env.intervals import Interval

Floats = npt.NDArray[np.float64]

ESTIMATORS = {
    "ips": "inverse propensity scoring, by decision",
    "snips": "the same, self-normalised",
    "doubly_robust": "a model of values, corrected by weighted rewards",
    "fitted_q": "a model of values alone: fitted Q evaluation",
}
FOLDS = 2


@dataclass(frozen=True)
class Estimate:
    """One estimate.

    Args:
        value: with its interval over sales; None where it is refused.
        effective_sales: behind it.
        refused: the reason, "" where there is an estimate.
    """

    value: Interval | None
    effective_sales: float
    refused: str = ""


def evaluate(log: Log, target: Target, estimators: Sequence[str] = tuple(ESTIMATORS)) -> dict[str, Estimate]:
    """Estimates of what the policy would have earned a sale, by name.

    Args:
        log: of another policy.
        target: the policy on the log.
        estimators: keys of `ESTIMATORS`.
    """
    ratios = target.ratios(log)
    by_tick = np.cumprod(ratios, axis=1).T
    weighted = min(effective(weights) for weights in by_tick)
    unsupported = next(filter(None, map(why_unsupported, by_tick)), None)
    found: dict[str, Estimate] = {}
    model = None
    if {"doubly_robust", "fitted_q"} & set(estimators):
        model = _features(log, target)
    for name in estimators:
        if name == "fitted_q":
            assert model is not None
            value, number = fqe.fitted_q(fqe.fit(log.rewards, *model), log.rewards, *model)
        else:
            value, number = None, weighted
        refused = why_too_few(number, log.sales) or ("" if name == "fitted_q" else unsupported) or ""
        if not refused and value is None:
            if name == "doubly_robust":
                assert model is not None
                value = doubly_robust(log.rewards, ratios, *cross_fitted(log.rewards, *model))
            else:
                value = {"ips": ips, "snips": snips}[name](log.rewards, ratios)
        found[name] = Estimate(None if refused else value, number, refused)
    return found


def cross_fitted(rewards: Floats, logged: Sequence[Floats], expected: Sequence[Floats]) -> tuple[Floats, Floats]:
    """(S, T) values of the logged action and of the policy, each sale's by a model fitted to the other folds."""
    fold = np.arange(len(rewards)) % FOLDS  # sales are independent, in any order
    q, v = np.empty_like(rewards), np.empty_like(rewards)
    for number in range(FOLDS):
        rest, own = fold != number, fold == number
        model = fqe.fit(rewards[rest], [x[rest] for x in logged], [x[rest] for x in expected])
        q[own] = model.values([x[own] for x in logged])
        v[own] = model.values([x[own] for x in expected])
    return q, v


def as_logged(log: Log) -> Interval:
    """What the policy that sold earned a sale."""
    return mean_interval(log.rewards.sum(axis=1))


def as_json(found: Mapping[str, Estimate]) -> dict[str, dict[str, object]]:
    """Estimates as JSON."""
    return {
        name: {
            "value": None if e.value is None else e.value.mean,
            "ci_low": None if e.value is None else e.value.low,
            "ci_high": None if e.value is None else e.value.high,
            "effective_sales": e.effective_sales,
            "refused": e.refused,
        }
        for name, e in found.items()
    }


def _features(log: Log, target: Target) -> tuple[list[Floats], list[Floats]]:
    """Features of the logged action and their mean over the policy's actions, for each tick."""
    logged, expected = [], []
    for tick in range(log.rewards.shape[1]):
        seen = log.observations[:, tick]
        features = Features.of(seen, log.n_levels)
        logged.append(features(seen, log.levels[:, tick]))
        expected.append(target.mean_of(lambda levels, seen=seen, features=features: features(seen, levels), tick))  # type: ignore[misc]
    return logged, expected

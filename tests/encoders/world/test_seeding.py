"""Held-out logs are independent: no two logs of the reference world share a random draw."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest

from flashsale_env import load_scenario
from flashsale_env.encoders.corpus.phrases import SPLITS
from flashsale_env.encoders.world import experiment
from flashsale_env.encoders.world.experiment import randomised_price_experiment
from flashsale_env.encoders.world.seeding import log_seed
from flashsale_env.experiments.studies import sim2real
from tests.encoders.world.stand_ins import LengthOnly


def test_every_split_seed_and_log_has_a_seed_of_its_own():
    seeds = [log_seed(split, seed, log) for split in (*SPLITS, "sim2real") for seed in range(200) for log in range(10)]
    assert len(set(seeds)) == len(seeds)
    # The seed of a derived log is never the seed of a study.
    assert {seed for seed in seeds if seed < 1 << 63} == set(range(200))
    assert all(log_seed("demand", seed) == seed for seed in (0, 1, 77))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("demand", -1), "a seed must lie in 0"),
        (("demand", 1 << 63), "a seed must lie in 0"),
        (("demand", 0, -1), "a log's number at 0 or above"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        log_seed(*arguments)


@pytest.fixture(scope="module")
def quiet():
    scenario = load_scenario("standard")
    return scenario.replace(arrivals=replace(scenario.arrivals, customers_per_minute=30.0))


@dataclass(frozen=True)
class Drawn:
    records: np.ndarray
    sensitivity: np.ndarray
    texts: list[str]


@pytest.fixture(scope="module")
def logs(quiet):
    """Name -> a small log: every split at two seeds, a second log of two splits, and two runs of `sim2real`."""
    recorded = []

    def record(*arguments):
        recorded.append(randomised_price_experiment(*arguments))
        return recorded[-1]

    found = {}
    wanted = [(split, seed, 0) for split in SPLITS for seed in (0, 1)] + [("demand", 0, 1), ("evaluation", 0, 1)]
    with pytest.MonkeyPatch.context() as patched:
        for module in (experiment, sim2real):
            patched.setattr(module, "randomised_price_experiment", record)
        for split, seed, log in wanted:
            drawn = experiment.run_experiment(LengthOnly(), quiet, split, 180, visits=5_000, seed=seed, log=log)
            texts = [message.text for message in drawn.messages]
            found[split, seed, log] = Drawn(recorded[-1], drawn.population.price_sensitivity, texts)
        for run in (0, 1):
            sim2real.logged(quiet, drawn.population, 5_000, run)
            found["sim2real", run] = Drawn(recorded[-1], np.array([]), [])
    return found


def test_no_price_vector_recurs_in_another_log(logs):
    """There are 10^7 of them or more, and a log draws a few hundred, so a recurrence of 1 % cannot happen by chance."""
    seen = {
        name: {row.tobytes() for row in np.unique(them.records["price_share"], axis=0)} for name, them in logs.items()
    }
    for one, other in combinations(seen, 2):
        assert len(seen[one] & seen[other]) < 0.01 * len(seen[one]), (one, other)


def test_no_taste_and_few_messages_recur_in_another_log(logs):
    """Short messages may be the same in two logs of one split, individual tastes never."""
    for one, other in combinations([them for them in logs.values() if them.texts], 2):
        assert not set(one.sensitivity) & set(other.sensitivity)
        assert np.mean([a == b for a, b in zip(one.texts, other.texts, strict=True)]) < 0.05


def test_purchases_at_the_same_position_of_two_logs_are_uncorrelated(logs):
    """Correlation of purchase indicators net of the mean of their tick. With 5,000 independent visits its standard
    error is .014; with shared seeds it was .7. All 66 pairs must be within 5.5 standard errors: one false alarm in
    400,000 runs."""
    bought = {name: purchases_less_their_ticks_mean(them.records) for name, them in logs.items()}
    pairs = list(combinations(bought, 2))
    assert len(pairs) == 66
    for one, other in pairs:
        n = min(len(bought[one]), len(bought[other]))
        assert n >= 5_000
        correlation = np.corrcoef(bought[one][:n], bought[other][:n])[0, 1]
        assert abs(correlation) * np.sqrt(n) < 5.5, (one, other, correlation)


def purchases_less_their_ticks_mean(records):
    """Visits in one tick share its prices and hence their purchase probability; otherwise they are independent."""
    buys = (records["bought"] < records["price_share"].shape[1]).astype(float)
    tick = np.cumsum(np.diff(records["tick"], prepend=0) != 0)
    return buys - (np.bincount(tick, buys) / np.bincount(tick))[tick]

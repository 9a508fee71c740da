"""Every figure of a page, from numbers that were made up."""

import numpy as np
import pandas as pd

from flashsale_env import INTENTS, load_scenario
from flashsale_env.experiments.pages import pictures


def trace_of(scenario, ticks):
    """A trace as `agents.trace` gives it."""
    rng = np.random.default_rng(0)
    products = len(scenario.products)
    levels = np.array([product.price_levels[0] for product in scenario.products])
    mean = rng.random((ticks, len(INTENTS)))
    return {
        "minute": np.arange(ticks) * scenario.tick_minutes,
        "price": levels * rng.choice([0.0, 0.8, 1.0], (ticks, products)),
        "coupon_depth": rng.choice([0.0, 0.1], ticks),
        "sold": rng.integers(0, 9, (ticks, products)),
        "ordered": np.zeros((ticks, products), np.int64),
        "on_hand": rng.integers(0, 400, (ticks + 1, products)),
        "customers": rng.integers(0, 300, ticks),
        "reward": rng.normal(100.0, 10.0, ticks),
        "intent_mean": mean / mean.sum(axis=1, keepdims=True),
    }


def curve(shift=0.0):
    steps = np.arange(8) * 1e5
    profit = 30_000 + 3000 * (1 - np.exp(-steps / 3e5)) + shift
    table = {"steps": steps, "profit": profit, "standard_error": 100.0, "validation_sales": 64, "sales": steps / 60}
    return pd.DataFrame(table)


def interval(mean, half=50.0):
    return {"mean": mean, "ci_low": mean - half, "ci_high": mean + half}


def charts():
    """Name -> figure."""
    standard = load_scenario("standard")
    elastic = {
        name: {"true": -1.0 - i, "recovered": -1.1 - i, "low": -1.3 - i, "high": -0.9 - i}
        for i, name in enumerate(INTENTS)
    }
    logs = ({"visits": visits, "gap": interval(gap)} for visits, gap in ((5000, 800.0), (500_000, 100.0)))
    rivals = {"random": 12_000.0, "sell_through": 31_000.0}
    return {
        "learning": pictures.learning_curve("ppo", curve(), rivals, 64, "EUR"),
        "runs": pictures.learning_of_runs({"ppo": [curve(), curve(90.0)], "a2c": [curve(-500.0)]}),
        "sale": pictures.one_sale(trace_of(standard, standard.horizon_ticks), standard, "ppo"),
        "confusion": pictures.confusion((np.eye(9) * 40 + 2).tolist()),
        "elasticity": pictures.elasticities(elastic),
        "transfer": pictures.transfer_gap([{"mean_profit": 37_000.0}, *logs]),
        "differences": pictures.differences({"a": interval(90.0), "b <i>": interval(-20.0)}, "profit less that of c"),
        "profiles": pictures.profiles({"a": {"scores": {"x": [0.2, 0.9], "y": [0.5, 1.1]}}}),
    }

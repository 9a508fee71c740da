"""Sales with a shuffled list, uncompiled."""

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.encoders.ranking.logs import shuffled_log

pytestmark = pytest.mark.uncompiled


def test_every_product_stands_on_every_place_equally_often_at_its_first_price(shop):
    evidence = shop(customers_per_minute=20.0)
    seeds = np.arange(40, dtype=np.uint64)
    log = shuffled_log(evidence.scenario, evidence.population, 2_000, seeds)
    assert len(log) >= 2_000
    assert len(np.unique(log["seed"])) < len(seeds)
    assert (log["price_share"] == 1.0).all()
    # The list changes with the tick, so ticks are the independent draws: about 110 of them.
    ticks = np.unique(log[["seed", "tick"]], return_index=True)[1]
    for product in range(3):
        times = np.bincount(log["place"][ticks, product], minlength=4)[1:]
        assert times.sum() == len(ticks)
        assert np.abs(times - len(ticks) / 3).max() < 4.5 * (len(ticks) * 2 / 9) ** 0.5


def test_a_scenario_without_a_list_is_refused(shop):
    with pytest.raises(ValueError, match=r"scenario 'standard' has no \[slate\]"):
        shuffled_log(fs.load_scenario("standard"), shop().population, 10, np.arange(2, dtype=np.uint64))

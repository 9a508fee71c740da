"""The one loop behind every evaluation."""

import numpy as np
import pytest

from flashsale_env import METRICS, FlashSaleEnv, agents
from flashsale_env.agents import play, split_seeds, trace


@pytest.fixture
def chaser():
    return agents.make("sell_through", "standard")


def test_a_sale_earns_the_same_in_any_batch(chaser):
    seeds = split_seeds("validation", 0, 7)
    whole = play(chaser, "standard", seeds=seeds)
    parts = play(chaser, "standard", seeds=seeds, batch=3)
    for name in whole:
        np.testing.assert_array_equal(whole[name], parts[name])


def test_rows_are_in_the_order_of_the_seeds(chaser):
    seeds = split_seeds("validation", 0, 5)
    forward = play(chaser, "standard", seeds=seeds)["profit"]
    backward = play(chaser, "standard", seeds=seeds[::-1])["profit"]
    np.testing.assert_array_equal(forward, backward[::-1])


def test_play_equals_the_single_environment(chaser):
    seed = split_seeds("validation", 0, 1)
    table = play(chaser, "standard", seeds=seed)
    env = FlashSaleEnv("standard")
    observation, info = env.reset(seed=int(seed[0]))
    closed, total = False, 0.0
    while not closed:
        action, _ = chaser.predict(observation)
        observation, reward, closed, _, info = env.step(action)
        total += reward
    assert table["ret"][0] == total
    for name in METRICS:
        assert table[name][0] == info[f"metrics/{name}"]


def test_progress_ends_at_the_number_of_sales(chaser):
    steps = []
    play(chaser, "standard", seeds=split_seeds("test", 0, 5), batch=2, progress=lambda *step: steps.append(step))
    assert steps[-1] == (5, 5)


def test_a_trace_adds_up_to_the_sale(chaser):
    seed = split_seeds("validation", 0, 1)
    table = play(chaser, "standard", seeds=seed)
    ticks = trace(chaser, "standard", seed=int(seed[0]))
    assert ticks["sold"].sum() == table["units_sold"][0]
    assert ticks["ordered"].sum() == table["units_ordered"][0]
    assert ticks["customers"].sum() == table["customers"][0]
    assert ticks["reward"].sum() == pytest.approx(table["ret"][0])
    assert ticks["price"].shape == ticks["sold"].shape == (60, 8)
    assert ticks["on_hand"].shape == (61, 8)
    assert ticks["intent_mean"].shape == (60, 9)


def test_an_unknown_column_is_an_error_that_offers_the_nearest(chaser):
    table = play(chaser, "standard", seeds=split_seeds("test", 0, 1))
    with pytest.raises(KeyError, match="Did you mean 'profit'"):
        table["profits"]


def test_no_seeds_are_an_error(chaser):
    with pytest.raises(ValueError, match="non-empty"):
        play(chaser, "standard", seeds=split_seeds("test", 0, 0))

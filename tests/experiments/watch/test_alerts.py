"""Alerts on a sale: how often they are false, and how soon they find a planted shock."""

import numpy as np
import pytest

from flashsale_env import agents, load_population, load_scenario
from flashsale_env.agents.protocol import as_policy
from flashsale_env.experiments.watch.alerts import (
    ALERTS,
    CONVERSION,
    FALSE_ALARMS,
    STOCK_OUT,
    TRAFFIC,
    Course,
    Watch,
    course_of,
)

SALES, TICKS, PRODUCTS = 2000, 60, 2


def synthetic(seed, sales=SALES, traffic=None, conversion=None):
    """Sales whose customers differ from sale to sale, with factors on traffic and conversion by tick."""
    rng = np.random.default_rng(seed)
    traffic, conversion = (np.ones(TICKS) if factor is None else factor for factor in (traffic, conversion))
    level = rng.lognormal(0.0, 0.1, (sales, 1))
    shape = 100 + 200 * np.exp(-np.arange(TICKS) / 4)
    customers = rng.poisson(level * shape * traffic)
    sold = np.stack([rng.binomial(customers, 0.05 * conversion) for _ in range(PRODUCTS)], axis=2)
    on_hand = np.maximum(450 - sold.cumsum(axis=1), 0)
    return Course(customers.astype(float), sold.astype(float), on_hand.astype(float))


@pytest.fixture(scope="module")
def watch():
    return Watch(synthetic(0))


def shock(factor, begins=20):
    return np.where(np.arange(TICKS) >= begins, factor, 1.0)


def test_undisturbed_sales_give_as_few_alarms_as_asked_for(watch):
    """4,000 fresh sales; four standard errors of the calibration's and of the test's sales, a false alarm in 30,000."""
    alarms = watch.alarms(synthetic(1, 4000))
    share = np.mean([len(found) > 0 for found in alarms])
    error = np.sqrt(FALSE_ALARMS * (1 - FALSE_ALARMS) * (1 / 4000 + 1 / SALES))
    assert share <= FALSE_ALARMS + 4 * error
    assert share >= FALSE_ALARMS / 2, "charts that never alarm would pass the line above"


@pytest.mark.parametrize(
    ("alert", "factor", "direction", "found_within"),
    [(TRAFFIC, 2.0, 1, 6), (TRAFFIC, 0.5, -1, 8), (CONVERSION, 0.5, -1, 12), (CONVERSION, 1.7, 1, 12)],
)
def test_a_planted_shock_is_found_soon_and_named(watch, alert, factor, direction, found_within):
    which = {TRAFFIC: "traffic", CONVERSION: "conversion"}[alert]
    alarms = watch.alarms(synthetic(2, 500, **{which: shock(factor)}))
    after = [next((one for one in found if one.alert == alert and one.tick >= 20), None) for found in alarms]
    assert np.mean([one is not None for one in after]) > 0.95
    assert np.median([one.tick - 20 for one in after if one is not None]) <= found_within
    assert np.mean([one.direction == direction for one in after if one is not None]) > 0.98


def test_a_stock_out_is_announced_before_it_comes(watch):
    course = synthetic(3, 500, conversion=shock(3.0))
    gone = (course.on_hand == 0).any(axis=2)
    assert gone.any(axis=1).mean() > 0.95
    ahead = []
    for sale, found in enumerate(watch.alarms(course)):
        alarm = next((one for one in found if one.alert == STOCK_OUT), None)
        if gone[sale].any() and alarm is not None:
            ahead.append(int(gone[sale].argmax()) - alarm.tick)
            assert 0 <= alarm.product < PRODUCTS
    assert len(ahead) > 450
    assert np.median(ahead) >= 5, "ticks between the alert and the empty shelf"


def test_an_alarm_stands_once_it_was_given(watch):
    """A sale is watched tick by tick: what was said at tick t is not taken back later."""
    course = synthetic(4, 40, traffic=shock(1.6))
    whole = watch.alarms(course)
    for ticks in (25, 40):
        early = watch.alarms(course.until(ticks))
        assert early == [[alarm for alarm in found if alarm.tick < ticks] for found in whole]


def test_alerts_on_the_simulators_own_sales_keep_their_share_of_false_alarms():
    """1,000 fresh sales of the smallest scenario; four standard errors."""
    scenario = load_scenario("gvr-periodic")
    population = load_population(scenario.population, scenario.titles)
    policy = as_policy(agents.make("sell_through", scenario), scenario)
    own = Watch.of(policy, scenario, population, sales=1000)
    assert set(own.limits) == set(ALERTS)
    fresh = course_of(policy, scenario, population, agents.split_seeds("test", 0, 1000))
    share = np.mean([len(found) > 0 for found in own.alarms(fresh)])
    assert share <= FALSE_ALARMS + 4 * np.sqrt(FALSE_ALARMS * (1 - FALSE_ALARMS) * 2 / 1000)


def test_too_few_sales_and_shares_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"need 59 sales to calibrate on, got 20"):
        Watch(synthetic(0, 20))
    with pytest.raises(ValueError, match="between 0 and 1"):
        Watch(synthetic(0, 100), false_alarms=0.0)

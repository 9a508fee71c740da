"""Who came: visits from the records, from an option, or assumed; and what follows if they are off."""

import numpy as np
import pandas as pd
import pytest

from flashsale_env.encoders.demand.inversion import History
from flashsale_env.experiments.calibrate.assumptions import CONVERSION, Assumptions
from flashsale_env.experiments.calibrate.visitors import answers_to_a_cut, count_visitors

UNITS = np.array([40.0, 10.0])


def rows(**columns):
    weeks = np.repeat(np.arange(6), 4)
    return pd.DataFrame({"week": weeks, "units": 1.0, **columns})


def test_visits_of_the_records_are_the_visitors_of_every_category():
    by_week = np.array([900, 1000, 1200, 1000, 900, 1000])
    found = count_visitors(rows(visits=by_week[np.repeat(np.arange(6), 4)]), UNITS, Assumptions())
    assert found.of_category.tolist() == [1000, 1000]
    assert found.known
    assert found.traffic_sd == pytest.approx(np.log(by_week[1:-1]).std(ddof=1))


def test_visits_of_stores_add_up():
    two = rows(store=["a", "b", "a", "b"] * 6, visits=[300, 200, 300, 200] * 6)
    assert count_visitors(two, UNITS, Assumptions()).of_category.tolist() == [500, 500]


def test_buyers_are_not_visitors():
    """Twenty-four baskets that all hold a product leave the share of visitors who buy open."""
    found = count_visitors(rows(basket=np.arange(24)), UNITS, Assumptions())
    assert found.of_category == pytest.approx(UNITS / CONVERSION)
    assert not found.known
    assert found.source.startswith("assumed: 5.0%")
    given = count_visitors(rows(), UNITS, Assumptions(conversion=0.2))
    assert given.of_category == pytest.approx(UNITS / 0.2)
    assert count_visitors(rows(), UNITS, Assumptions(visits=700)).of_category.tolist() == [700, 700]


def test_visits_that_vary_in_a_week_or_are_given_twice_are_refused():
    with pytest.raises(ValueError, match=r"visits vary within a week, e\.g\. 1 and 2"):
        count_visitors(rows(visits=[1, 1, 1, 2] * 6), UNITS, Assumptions())
    with pytest.raises(ValueError, match="given by the column `visits` and by --visits"):
        count_visitors(rows(visits=1), UNITS, Assumptions(visits=10))
    with pytest.raises(ValueError, match="given by --visits and by --conversion"):
        count_visitors(rows(), UNITS, Assumptions(visits=10, conversion=0.1))


def test_the_more_visitors_the_more_new_buyers_a_cut_of_all_prices_brings():
    """With hardly any buyers, 20 % off the mean price sells e^(.2 · 2.5) = 1.65 times the units of a logit."""
    price = 5 * np.random.default_rng(0).choice([1, 0.9, 0.8], (50, 4))
    told = History(price, np.ones(price.shape, bool), np.full(price.shape, 20.0))
    category = np.zeros(4, np.int64)
    crowd = answers_to_a_cut(told, category, np.array([8000.0]), elasticity=np.full(4, -2.5))
    assert crowd["1"] == pytest.approx(0.65, abs=0.03)
    few = answers_to_a_cut(told, category, np.array([100.0]), elasticity=np.full(4, -2.5))
    assert few["1"] < 0.25
    assert few["0.5"] is None
    assert few["1"] < few["2"] < crowd["1"]

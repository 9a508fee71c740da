"""Price levels are prices of the data, in any currency and at any depth."""

import numpy as np
import pandas as pd
import pytest

from flashsale_env.experiments.calibrate.levels import price_ladder


def sold(prices, rows, list_price=np.nan):
    return pd.DataFrame({"price": np.repeat(prices, rows), "units": 1.0, "list_price": list_price})


@pytest.mark.parametrize("scale", [1.0, 1000.0, 1e-3, 1e-5])
def test_levels_are_the_prices_of_the_data_in_any_unit_of_currency(scale):
    prices = np.round(np.array([5.25, 4.2, 3.15]) * scale, 9)
    assert price_ladder(sold(prices, [500, 300, 200]), 8) == tuple(prices)


def test_yen_have_no_decimals_and_fuel_has_three():
    assert price_ladder(sold([1200.0, 980.0], [9, 9]), 8) == (1200.0, 980.0)
    assert price_ladder(sold([1.459, 1.399], [9, 9]), 8) == (1.459, 1.399)


def test_prices_scaled_by_an_unknown_constant_stay_apart():
    prices = [0.0508305084745763, 0.0338983050847458]
    assert price_ladder(sold(prices, [9, 9]), 8) == (0.0508305, 0.0338983)


def test_an_average_price_is_rounded_to_the_tags_around_it():
    """Three for the price of two, in a shop with prices in cents."""
    assert price_ladder(sold([1.0, 2 / 3], [60, 40]), 8) == (1.0, 0.67)


def test_ninety_per_cent_off_is_a_level_where_one_unit_in_a_hundred_sold_at_it():
    assert price_ladder(sold([10.0, 9.0, 1.0], [600, 390, 10]), 8) == (10.0, 9.0, 1.0)
    assert price_ladder(sold([10.0, 9.0, 1.0], [600, 398, 2]), 8) == (10.0, 9.0)


def test_goods_by_weight_have_levels_inside_their_range():
    prices = np.round(np.linspace(2, 4, 500), 3)
    ladder = price_ladder(sold(prices, np.ones(500, int)), 4)
    assert len(ladder) == 4
    assert 2.04 < ladder[-1] < 2.08
    assert 3.92 < ladder[0] < 3.96

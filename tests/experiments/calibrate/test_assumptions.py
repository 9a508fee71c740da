"""Assumptions have ranges."""

import pytest

from flashsale_env.experiments.calibrate.assumptions import Assumptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cost_share": 1.2}, "cost_share must be between 0 and 1"),
        ({"conversion": 0.0}, "conversion must be above 0"),
        ({"visits": 0.0}, "visits must be above 0"),
        ({"sale_hours": 0.0}, "sale_hours must be above 0"),
        ({"ticks": 0}, "ticks must be at least 1"),
    ],
)
def test_assumptions_out_of_range_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        Assumptions(**options)

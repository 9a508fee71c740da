"""Figures as people read them."""

import doctest

import pytest

from flashsale_env.experiments import formats
from flashsale_env.experiments.formats import agent_rows, low_to_high, money, percent, plus_minus


def test_the_examples_hold():
    found = doctest.testmod(formats)
    assert found.attempted > 3
    assert found.failed == 0


@pytest.mark.parametrize(
    ("value", "scale", "shown"),
    [(9.436412, None, "9.4364"), (999.99, None, "999.9900"), (1000.0, None, "1,000"), (0.7, 40_000, "1")],
)
def test_money_has_decimals_only_beside_small_figures(value, scale, shown):
    assert money(value, scale) == shown


def test_a_loss_is_as_large_as_a_gain():
    """The size of a figure, not its sign, decides on its decimals."""
    assert money(-40_000.4) == "-40,000"
    assert money(-40_000.4, sign="+") == "-40,000"
    assert money(40_000.4, sign="+") == "+40,000"


def test_an_exact_value_has_no_interval():
    exact = {"mean": 9.5, "ci_low": 9.5, "ci_high": 9.5}
    assert plus_minus(exact) == "9.5000"
    assert percent({"mean": 1.0, "ci_low": 1.0, "ci_high": 1.0}) == "100.00 %"
    assert low_to_high(exact, 1e4) == "10 .. 10"


def test_agents_are_ordered_by_profit_and_share_one_format():
    figures = {
        name: {
            "mean_profit": profit,
            "ci_low": profit - 1,
            "ci_high": profit + 1,
            "revenue": 2000.0,
            "sell_through": 0.5,
            "fill_rate": 0.25,
            "lost_sales": 3.0,
        }
        for name, profit in (("poor", 8.0), ("rich", 1500.0))
    }
    rows = agent_rows(figures)
    assert [row[0] for row in rows] == ["rich", "poor"]
    assert rows[1] == ("poor", "8", "7 .. 9", "2,000", "50.0%", "25.0%", "3.0")

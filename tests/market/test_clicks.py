"""Clicks: whose page is opened, by closed forms, and that reading them changes nothing."""

import math

import numpy as np
import pytest

import flashsale_env as fs
from tests.market.guests import ticket

pytestmark = pytest.mark.uncompiled


def log_of(scenario, sales=20):
    simulator = fs.Simulator(scenario, sales=sales, actions="multidiscrete", threads=1, log_rows=400)
    simulator.open(np.arange(sales, dtype=np.uint64), np.zeros(sales, np.int64))
    for _ in range(scenario.horizon_ticks):
        simulator.advance(np.zeros((sales, len(simulator.codec.names)), int))
    return simulator, simulator.choice_log()


@pytest.mark.parametrize("curiosity", [0.0, 1.0])
def test_under_exponential_willingness_to_pay_a_click_is_a_purchase_at_a_lower_price(curiosity):
    """Worth 1 on average at price 1: P(click) = exp(-e^-c), P(purchase) = exp(-1); z = 4."""
    simulator, log = log_of(ticket(1000, clicks=fs.Clicks(curiosity)))
    expected = math.exp(-math.exp(-curiosity))
    assert (log["opened"] == 0).mean() == pytest.approx(expected, abs=4 * math.sqrt(0.25 / len(log)))
    assert (log["opened"][log["bought"] == 0] == 0).all()
    assert simulator.measure()[:, list(fs.METRICS).index("clicks")].sum() == (log["opened"] == 0).sum()


def test_under_a_logit_pages_are_opened_in_proportion_to_their_odds():
    """Two products of utilities v, outside option 0: P(page j) = e^(v_j + c) / (1 + sum); z = 4."""
    products = tuple(
        fs.Product(name, (1.0, 0.5), 1000, reference_price=1.0, quality=q) for name, q in (("a", 0.5), ("b", 1.2))
    )
    _, log = log_of(ticket(products=products, choice=fs.Choice("mnl"), clicks=fs.Clicks(0.7)))
    odds = np.exp(np.array([0.5, 1.2]) - 1.0 + 0.7)
    found = np.bincount(log["opened"], minlength=3)[:2] / len(log)
    assert found == pytest.approx(odds / (1.0 + odds.sum()), abs=4 * math.sqrt(0.25 / len(log)))


def test_clicks_change_no_sale():
    with_clicks, log = log_of(ticket(5, clicks=fs.Clicks(1.0)), sales=4)
    without, plain = log_of(ticket(5), sales=4)
    for name in without.sales.dtype.names:
        assert without.sales[name].tobytes() == with_clicks.sales[name].tobytes(), name
    assert np.array_equal(log["bought"], plain["bought"])
    assert (plain["opened"] == 1).all()
    sold_out = log["available"][:, 0] == 0
    assert (log["opened"][sold_out] == 0).any(), "the page of a product that is sold out can be opened"


def test_the_share_of_visits_with_a_click_is_shown_on_request():
    simulator, log = log_of(ticket(clicks=fs.Clicks(1.0), observe=("time_left", "on_hand", "click_rate")), sales=4)
    shown = simulator.observe()[:, simulator.layout["click_rate"]][:, 0]
    expected = [(log["opened"][log["row"] == row] == 0).mean() for row in range(4)]
    assert shown == pytest.approx(expected, rel=1e-6)


def test_curiosity_below_0_is_refused():
    with pytest.raises(ValueError, match=r"clicks.curiosity"):
        fs.Clicks(-1.0)

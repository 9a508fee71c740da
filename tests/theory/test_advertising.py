"""The best spending and the best bid: closed forms against search and integration."""

import numpy as np
import pytest
from scipy import integrate, optimize

from flashsale_env.theory.advertising import (
    best_adstock,
    cost_of_auction,
    paced_bid,
    visits_of_auction,
    visits_within,
)

CUSTOMERS, LIFT, PROFIT, SATURATION = 20.0, 0.8, 0.4, 0.5


def test_the_best_spending_of_a_tick_is_that_of_a_search():
    """Row 31."""

    def loss(x):
        return x - CUSTOMERS * (1 + LIFT * (1 - np.exp(-x / SATURATION))) * PROFIT

    found = optimize.minimize_scalar(loss, bounds=(0.0, 10.0), method="bounded", options={"xatol": 1e-9})
    assert float(best_adstock(CUSTOMERS, LIFT, PROFIT, SATURATION)) == pytest.approx(found.x, abs=1e-6)


def test_the_best_adstock_over_a_sale_is_that_of_a_search():
    """Six ticks, half of the adstock kept: raised at once, held, and let fall before the close."""
    kept, ticks = 0.5, 6

    def loss(spends):
        stock, profit = 0.0, 0.0
        for x in spends:
            stock = kept * stock + x
            profit += CUSTOMERS * LIFT * (1 - np.exp(-stock / SATURATION)) * PROFIT - x
        return -profit

    found = optimize.minimize(loss, np.ones(ticks), bounds=[(0, None)] * ticks, tol=1e-14).x
    held, last = (float(best_adstock(CUSTOMERS, LIFT, PROFIT, SATURATION, k)) for k in (kept, 0.0))
    wanted = [held, *[held * (1 - kept)] * (ticks - 2), last - kept * held]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_nothing_is_spent_where_the_first_unit_of_money_does_not_pay():
    assert best_adstock(1.0, 0.5, 1.0, 0.5, [0.0, 0.5]).tolist() == pytest.approx([0.0, 0.5 * np.log(2)])
    assert float(best_adstock(0.0, 0.5, 1.0, 0.5)) == 0.0


@pytest.mark.parametrize("rho", [0.0, 1 / 24, 0.1, 1 / 6, 0.2, 0.4])
def test_at_the_paced_bid_an_auction_costs_the_budget(rho):
    """Row 32, and beyond full bids."""
    bid = float(paced_bid(rho))

    def paid(v):
        return min(bid * v, 1.0) ** 2 / 2

    cost = integrate.quad(paid, 0.0, 1.0, points=[min(1.0, 1 / bid)] if bid else None)[0]
    assert cost == pytest.approx(rho, abs=1e-8)
    if bid <= 1:
        assert cost_of_auction(bid) == pytest.approx(rho)


def test_a_budget_for_every_price_allows_any_bid():
    assert np.isinf(paced_bid([0.5, 2.0])).all()
    assert float(paced_bid(-1.0)) == 0.0


def test_with_many_auctions_the_clicks_are_those_of_the_limit():
    """1/24 an auction: .166667 by paced bids, .083333 by full ones until the budget ends."""
    auctions = 1500.0
    paced, full = (visits_within(bid, auctions / 24, auctions, cells=20) / auctions for bid in (0.5, 1.0))
    assert visits_of_auction(0.5) == pytest.approx(1 / 6)
    assert paced == pytest.approx(1 / 6, rel=0.03)
    assert full == pytest.approx(1 / 12, rel=0.03)
    assert paced < 1 / 6
    # An endless budget costs nothing.
    assert visits_within(0.8, 300.0, 120.0, cells=20) == pytest.approx(120.0 * visits_of_auction(0.8), rel=2e-3)

"""The duopoly of multinomial logit: its prices by best answers and by search, and the best prices against a rival that
undercuts by enumeration.
"""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from flashsale_env.theory.duopoly import Duopoly, duopoly_sale

MARKETS = [Duopoly(2.0, 1.0, 1.0), Duopoly(1.0, 2.0, 0.5), Duopoly(-3.0, 0.2, 4.0), Duopoly(9.0, 1.0, 0.0)]


def best_answer(market, other):
    found = minimize_scalar(
        lambda price: -float(market.profit(price, other)),
        bounds=(market.c, market.c + 60.0 / market.b),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return found.x


def test_the_published_prices():
    """To six digits, computed twice with separate programs."""
    assert MARKETS[0].nash_price == pytest.approx(2.401058, abs=1e-6)
    assert MARKETS[0].joint_price == pytest.approx(2.852606, abs=1e-6)


@pytest.mark.parametrize("market", MARKETS)
def test_best_answers_to_each_other_end_at_the_price_of_equilibrium(market):
    price = market.joint_price
    for _ in range(60):
        price = best_answer(market, price)
    assert price == pytest.approx(market.nash_price, rel=1e-5)


@pytest.mark.parametrize("market", MARKETS)
def test_no_common_price_earns_more_than_the_joint_one(market):
    prices = market.joint_price + np.linspace(-1.0, 1.0, 41) / market.b
    earned = market.profit(prices, prices)
    assert earned.argmax() == 20
    assert market.profit(market.nash_price, market.nash_price) < earned[20]
    assert market.joint_price > market.nash_price > market.c + 1.0 / market.b


def test_shares_are_those_of_multinomial_logit():
    market = MARKETS[1]
    one, other = market.share(1.0, 2.0), market.share(2.0, 1.0)
    assert one / (1.0 - one - other) == pytest.approx(np.exp(1.0 - 2.0))
    assert one / other == pytest.approx(np.exp(2.0))


def test_the_recursion_finds_the_best_of_all_schedules():
    market, levels, customers = MARKETS[0], [4.0, 3.0, 2.5, 1.5], [3.0, 1.0, 2.0, 4.0]

    def earned(schedule):
        seen = np.clip(0.8 * np.array([levels[0], *schedule[:-1]]), min(levels), max(levels))
        return float(customers @ market.profit(schedule, seen))

    best = max(itertools.product(levels, repeat=4), key=earned)
    value, prices = market.against_undercut(levels, 0.2, customers)
    assert value == pytest.approx(earned(best))
    assert tuple(prices) == best


def test_its_sale_has_the_demand_of_the_market():
    sale = duopoly_sale(MARKETS[1], [2.0, 1.0], customers_per_tick=5.0, stock=9, ticks=3)
    for product in sale.products:
        utility = product.quality - np.array(product.price_levels) / product.reference_price
        assert utility == pytest.approx([-3.0, -1.0])
    assert sale.customers_per_tick == pytest.approx([5.0] * 3)
    assert [product.owner for product in sale.products] == ["", "rival"]


def test_demand_must_fall_with_the_price():
    with pytest.raises(ValueError, match="b must be above 0, got 0"):
        Duopoly(1.0, 0.0, 1.0)

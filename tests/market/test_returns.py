"""A share of the units sold comes back after the close, and only then."""

import dataclasses
import math

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.theory.bounds import hindsight_bound
from tests.market.test_carts import SALES, TERMS, metrics_of, one_product, opened, shop, ticks_of

pytestmark = [
    pytest.mark.uncompiled,
    pytest.mark.filterwarnings("ignore:.messages. of scenario 'shop' carry no information"),
]

MONEY = ("refunds", "handling", "returned_goods")


def test_a_sale_in_which_nothing_comes_back_is_one_without_returns():
    """Bit for bit: every field of the record, observations and rewards."""
    plain, neutral = opened(shop()), opened(shop(returns=fs.Returns(1e-300)))
    for ours, theirs in zip(ticks_of(plain), ticks_of(neutral), strict=True):
        assert [x.tobytes() for x in ours] == [x.tobytes() for x in theirs]
    for name in plain.sales.dtype.names:
        assert plain.sales[name].tobytes() == neutral.sales[name].tobytes(), name
    assert plain.sales["sold"].sum() > 50


@pytest.mark.parametrize("carts", [None, fs.Carts(3.0, 0.3)], ids=["paid at once", "carts"])
def test_returns_change_nothing_before_the_close_and_only_money_and_goods_at_it(carts):
    """Refunds are what was paid for the units, and the goods that came back are on hand."""
    returns = fs.Returns(0.4, handling=3.0, salvage_share=0.5)
    plain, with_returns = opened(shop(carts)), opened(shop(carts, returns=returns))
    for tick, (ours, theirs) in enumerate(zip(ticks_of(plain), ticks_of(with_returns), strict=True)):
        if tick < 11:
            assert [x.tobytes() for x in ours] == [x.tobytes() for x in theirs]
            assert not metrics_of(with_returns)["return_rate"].any()
    before, sales, state = plain.sales, with_returns.sales, with_returns.sales["returns"]
    units = state["returned"]
    assert (units.sum(axis=1) > 0).all()
    assert np.array_equal(before["sold"], sales["sold"])
    assert np.array_equal(sales["on_hand"], before["on_hand"] + units)
    assert (sales["on_hand"] + sales["sold"] - units == 10 + sales["received"]).all()
    booked = {name: sales["money"][:, TERMS.index(name)] for name in TERMS}
    for name in set(TERMS) - set(MONEY):
        assert np.array_equal(booked[name], before["money"][:, TERMS.index(name)]), name
    np.testing.assert_allclose(booked["handling"], -3.0 * units.sum(axis=1))
    np.testing.assert_allclose(booked["returned_goods"], 0.5 * 20.0 * units.sum(axis=1))
    # A unit was sold for at least 60, less a coupon of a fifth and an offer of a tenth, and for at most 100.
    assert (-booked["refunds"] >= 60.0 * 0.8 * 0.9 * units.sum(axis=1)).all()
    assert (-booked["refunds"] <= np.minimum(100.0 * units.sum(axis=1), booked["revenue"])).all()
    earned, plain_metrics = metrics_of(with_returns), metrics_of(plain)
    np.testing.assert_allclose(earned["refunds"], -booked["refunds"])
    np.testing.assert_allclose(earned["return_rate"], units.sum(axis=1) / sales["sold"].sum(axis=1))
    lost = sum(booked[name] for name in MONEY)
    np.testing.assert_allclose(earned["profit"], plain_metrics["profit"] + lost)


def test_everything_comes_back_for_what_was_paid():
    simulator = opened(shop(returns=fs.Returns(1.0, salvage_share=0.0)))
    for _ in ticks_of(simulator):
        pass
    found, sales = metrics_of(simulator), simulator.sales
    np.testing.assert_allclose(found["refunds"], found["revenue"])
    assert (found["return_rate"] == 1).all()
    assert (sales["on_hand"] == 10 + sales["received"]).all()
    assert not sales["money"][:, TERMS.index("returned_goods")].any()


def test_the_share_that_comes_back_is_the_rate():
    simulator = opened(one_product(None, stock=10**6, rate=60.0).replace(returns=fs.Returns(0.176)), sales=8)
    for _ in ticks_of(simulator):
        pass
    sold = simulator.sales["sold"].sum()
    found = simulator.sales["returns"]["returned"].sum() / sold
    # About 5,800 units; z = 4: one false alarm in 16,000.
    assert found == pytest.approx(0.176, abs=4 * math.sqrt(0.176 * 0.824 / sold))


def test_what_a_customer_sends_back_does_not_depend_on_the_price():
    returned = []
    for level in (0, 1):
        simulator = opened(one_product(None, stock=10**6, rate=10.0).replace(returns=fs.Returns(0.3)))
        for _ in ticks_of(simulator, level):
            pass
        returned.append(simulator.sales["returns"]["returned"].copy())
    assert np.array_equal(*returned)
    assert returned[0].sum() > 100


def test_returned_goods_are_worth_a_share_of_their_own_salvage_value():
    scenario = shop(returns=fs.Returns(0.5, salvage_share=0.5))
    products = tuple(
        dataclasses.replace(p, salvage_value=v) for p, v in zip(scenario.products, (8.0, 30.0), strict=True)
    )
    simulator = opened(scenario.replace(products=products))
    for _ in ticks_of(simulator):
        pass
    worth = simulator.sales["returns"]["returned"] @ np.array([4.0, 15.0])
    np.testing.assert_allclose(simulator.sales["money"][:, TERMS.index("returned_goods")], worth)
    assert len(worth) == SALES


def test_a_rate_by_intent_and_wrong_settings():
    assert fs.Returns({"complaint_return": 0.5, "default": 0.1}).rate[5] == 0.5
    with pytest.raises(ValueError, match=r"returns.rate must be at least 0 and at most 1, got 1.5"):
        fs.Returns({"gift": 1.5, "default": 0.0})
    with pytest.raises(ValueError, match=r"returns.salvage_share must be at least 0 and at most 1, got 2"):
        fs.Returns(0.1, salvage_share=2.0)
    with pytest.raises(ValueError, match=r"rate is 0 for every intent, so no unit comes back"):
        shop(returns=fs.Returns(0.0))
    with pytest.raises(ValueError, match=r"salvage_share 0.5 does nothing: every salvage_value is 0"):
        one_product(None).replace(returns=fs.Returns(0.1, salvage_share=0.5))


def test_bounds_refuse_returns():
    scenario = fs.load_scenario("gvr-periodic").replace(returns=fs.Returns(0.2))
    with pytest.raises(ValueError, match="returns"):
        hindsight_bound(scenario, seeds=np.arange(2, dtype=np.uint64))

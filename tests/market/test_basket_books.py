"""Baskets, deals, bundles and delivery: what the shop books and sees, and which settings are refused."""

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents import exact
from flashsale_env.theory.bounds import hindsight_bound
from tests.market.baskets import SALES, everything, metrics, play, shop

pytestmark = [pytest.mark.uncompiled, pytest.mark.filterwarnings("ignore:.*carry no information")]


# ---------------------------------------------------------------- what is booked


def test_units_and_money_are_conserved_under_random_actions():
    scenario = everything()
    simulator = fs.Simulator(scenario, sales=SALES, actions="multidiscrete", log_rows=200, threads=1)
    simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    rng, rewards, terms = np.random.default_rng(0), 0.0, 0.0
    while not simulator.closed.all():
        action = rng.integers(0, simulator.codec.space.nvec, (SALES, len(simulator.codec.names)))
        _, reward, term = simulator.advance(action)
        assert reward == pytest.approx(term.sum(axis=1), abs=1e-9)
        rewards, terms = rewards + reward, terms + term
    sales, found = simulator.sales, metrics(simulator)
    initial = np.array([p.initial_stock for p in scenario.products])
    assert np.array_equal(sales["on_hand"] + sales["sold"], np.broadcast_to(initial, (SALES, 3)))
    log = simulator.choice_log()
    units = np.zeros((SALES, 3), int)
    np.add.at(units, log["row"], log["units"])
    assert np.array_equal(units, sales["sold"])
    assert (log["units"].max(axis=0) <= 3).all()
    assert (log["units"].sum(axis=1) <= 4).all()
    buyers = log["bought"] < 3
    assert np.array_equal(buyers, log["units"].sum(axis=1) > 0)
    assert (log["units"][buyers, log["bought"][buyers]] > 0).all()
    assert np.array_equal(found["baskets"], np.bincount(log["row"][buyers], minlength=SALES))
    assert np.array_equal(found["baskets"], found["parcels"])
    by_name = dict(zip(fs.REWARD_TERMS, terms.T, strict=True))
    assert by_name["delivery"] == pytest.approx(found["delivery_fees"] - 0.4 * found["parcels"], abs=1e-9)
    assert by_name["revenue"] == pytest.approx(found["revenue"], abs=1e-9)
    money = sum(value for name, value in by_name.items() if fs.REWARD_TERMS[name].is_money)
    assert found["profit"] == pytest.approx(money - scenario.opening_stock_cost, abs=1e-9)
    assert (found["fill_rate"] <= 1).all()
    for name in ("deal_spend", "bundle_spend", "coupon_spend", "delivery_fees"):
        assert (found[name] >= 0).all()
        assert found[name].sum() > 0
    assert (sales["coupon"]["budget"] >= 0).all()
    assert sales["coupon"]["budget"] + found["coupon_spend"] == pytest.approx(6.0, abs=1e-9)


def test_list_prices_less_all_reductions_are_the_revenue():
    """At constant prices: what was asked, less coupon, offers, bundles and deals."""
    simulator, _ = play(everything(), {"coupon": 1, "targeted": 1, "deal": 2, "bundles": 1, "delivery": 2})
    found = metrics(simulator)
    asked = simulator.sales["sold"] @ np.array([4.0, 3.0, 1.0])
    given = sum(found[name] for name in ("coupon_spend", "targeted_spend", "bundle_spend", "deal_spend"))
    assert found["revenue"] == pytest.approx(asked - given, abs=1e-9)


def test_a_special_price_holds_for_what_is_left_of_the_quota():
    """Every basket with more units than the quota pays the normal price for the rest, and no unit is claimed twice."""
    scenario = shop(
        (4.0,), (9.0,), stock=40, customers=6.0, basket=fs.Basket(8, 0.3), seckill=fs.Seckill((0.0,), 0.25, (0, 5))
    )
    simulator, _ = play(scenario, {"seckill": 1})
    found = metrics(simulator)
    special, sold = found["seckill_units"], simulator.sales["sold"][:, 0]
    assert (special <= 5).all()
    assert np.array_equal(special, np.minimum(sold, 5))
    assert found["revenue"] == pytest.approx(1.0 * special + 4.0 * (sold - special), abs=1e-9)


def test_a_limit_of_units_holds_for_people_who_come_back():
    """Only who bought nothing comes back, so no customer takes more than the limit in several visits."""
    scenario = shop(
        (3.0, 2.0), stock=4, ticks=6, basket=fs.Basket(4, 0.1, 0.0, 1), waiting=fs.Waiting(0.9, look_minutes=1.0)
    )
    simulator, _ = play(scenario, log_rows=200)
    log = simulator.choice_log()
    assert simulator.sales["visits"].sum() > simulator.sales["customers"].sum()
    assert log["units"].max() == 1
    assert metrics(simulator)["baskets"].max() <= simulator.sales["customers"].max()


def test_a_cart_that_is_never_paid_costs_no_parcel_and_no_rebate():
    scenario = everything(carts=fs.Carts(1.0, 1e-9), ticks=3)
    found = metrics(play(scenario, {"deal": 1, "delivery": 1})[0])
    assert found["baskets"].sum() > 0
    for name in ("parcels", "deal_spend", "units_sold", "delivery_fees"):
        assert found[name].sum() == 0


@pytest.mark.filterwarnings("ignore:.*one intent")
def test_consumer_surplus_is_the_worth_of_baskets_less_what_is_paid():
    """Nobody takes a basket at a loss, fee and declining worth included; and a deal cannot make customers worse off."""
    scenario = everything(stock=500, fairness=fs.Fairness())
    plain, dear = (metrics(play(scenario, levels)[0])["consumer_surplus"] for levels in ({}, {"delivery": 2}))
    assert (plain > 0).all()
    assert (dear >= 0).all()
    assert (dear < plain).all()


# ---------------------------------------------------------------- decisions and features


def test_each_decision_does_what_it_says():
    """On the same customers: a deal sells more units, a higher threshold of free delivery sells to fewer customers."""
    scenario = everything(stock=500)
    none = metrics(play(scenario)[0])
    deal = metrics(play(scenario, {"deal": 2})[0])
    bundle = metrics(play(scenario, {"bundles": 1})[0])
    fee = metrics(play(scenario, {"delivery": 2})[0])
    assert deal["units_sold"].sum() > none["units_sold"].sum()
    assert bundle["units_sold"].sum() > none["units_sold"].sum()
    assert fee["baskets"].sum() < none["baskets"].sum()
    assert fee["units_sold"].sum() / fee["baskets"].sum() > none["units_sold"].sum() / none["baskets"].sum()
    assert (none["deal_spend"] == 0).all()
    assert (none["delivery_fees"] == 0).all()


def test_features_are_the_decisions_of_the_last_tick_and_the_size_of_recent_baskets():
    scenario = everything(stock=500)
    simulator, _ = play(scenario, {"deal": 1, "bundles": 1, "delivery": 1})
    layout, seen = simulator.layout, simulator.observe()
    assert seen[:, layout["deal_off"]] == pytest.approx(1.0 / 1.8)
    assert seen[0, layout["bundle_off"]].tolist() == [1.0, 1.0, 0.0]
    assert seen[:, layout["free_delivery_from"]] == pytest.approx(0.5)
    units = simulator.sales["sold"].sum(axis=1) / simulator.sales["basket"]["filled"]
    assert seen[:, layout["basket_units"]][:, 0] == pytest.approx(units / 4, abs=0.03)


def test_the_same_bits_for_any_batch_and_a_snapshot():
    scenario = everything()
    levels = {"deal": 2, "bundles": 1, "delivery": 1, "coupon": 1}
    many, _ = play(scenario, levels, sales=4)
    one, _ = play(scenario, levels, sales=1, seed=3)
    assert many.sales[3].tobytes() == one.sales[0].tobytes()


def test_every_bound_and_exact_solver_refuses_baskets():
    for scenario in (everything(), shop(basket=fs.Basket(2, 1.0))):
        with pytest.raises(ValueError, match="basket"):
            hindsight_bound(scenario, seeds=np.arange(2, dtype=np.uint64))
        with pytest.raises(ValueError, match="which textbook pricing does not model"):
            exact.solve_pricing(scenario)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"basket": (9, 1.0)}, r"basket.most_units must lie in 1..8, got 9"),
        ({"basket": (4, -1.0)}, r"basket.satiation must be at least 0"),
        ({"basket": (4, 1.0, 2.0)}, r"substitution must be at most basket.satiation"),
        ({"basket": (4, {"bulk": 0.1, "default": 2.0}, 1.0)}, r"substitution must be at most basket.satiation"),
        ({"basket": (1, 1.0)}, r"most_units 1 does nothing"),
        ({"basket": (4, 1.0, 0.0, 4)}, r"purchase_limit 4 does nothing"),
        ({"deal": {"off": (0.0, 1.0), "per": 3.0}}, r"\[deal\] needs \[basket\]"),
        ({"bundles": {"off": (0.0, 0.1)}}, r"\[bundles\] needs \[basket\]"),
        ({"delivery": {"fee": 1.0, "free_from": (0.0, 2.0)}}, r"\[delivery\] needs \[basket\]"),
        ({"basket": (2, 1.0), "deal": {"off": (0.0, 1.0)}}, r"needs either per or tiers"),
        ({"basket": (2, 1.0), "deal": {"off": (0.0, 3.0), "per": 3.0}}, r"would take 3 off a basket of 3"),
        (
            {"basket": (2, 1.0), "deal": {"off": (0.0, 2.0), "tiers": ((3.0, 1.0), (4.0, 2.0))}},
            r"would take 4 off a basket of 4",
        ),
        ({"basket": (2, 1.0), "deal": {"off": (0.0, 1.0), "per": 3.0, "times": 3}}, r"the step of \[deal\] at 9 does"),
        ({"basket": (2, 1.0), "deal": {"off": (1.0, 2.0), "per": 3.0}}, r"deal.off must rise from 0.0"),
        ({"basket": (2, 1.0), "deal": {"off": (0.0, 1.0), "tiers": ((4.0, 1.0), (3.0, 2.0))}}, r"both rising"),
        ({"basket": (2, 1.0), "bundles": {"off": (0.0, 0.1), "sets": (("a", "x"),)}}, r"unknown product in bundles"),
        ({"basket": (2, 1.0), "bundles": {"off": (0.0, 0.1), "sets": (("a",),)}}, r"sets of at least 2 products"),
        ({"basket": (2, 1.0), "bundles": {"off": (0.0, 0.1), "sets": (("a", "b"), ("b", "a"))}}, r"at most once"),
        ({"basket": (1, 1.0), "bundles": {"off": (0.0, 0.1)}}, r"takes at most basket.most_units 1"),
        ({"basket": (2, 1.0), "delivery": {"fee": 1.0}}, r"delivery.fee 1 does nothing"),
        ({"basket": (2, 1.0), "delivery": {"free_from": (0.0, 2.0)}}, r"free_from \[0.0, 2.0\] does nothing"),
        ({"basket": (2, 1.0), "delivery": {}}, r"\[delivery\] does nothing"),
        ({"basket": (2, 1.0), "delivery": {"fee": 1.0, "free_from": (1.0, 2.0)}}, r"must rise from 0.0"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(parts, message):
    kinds = {"basket": fs.Basket, "deal": fs.Deal, "bundles": fs.Bundles, "delivery": fs.Delivery}
    with pytest.raises(ValueError, match=message):
        shop(
            **{
                name: kinds[name](*given) if isinstance(given, tuple) else kinds[name](**given)
                for name, given in parts.items()
            }
        )

"""Seckill: quotas at a special price, when they are released, what they cost and whom they attract."""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.market import seckill
from flashsale_env.spaces.masks import ActionMasks

pytestmark = pytest.mark.uncompiled

TITLES = ("a", "b")
SALES = 32


def sale(slots=(0.0, 3.0), share=0.5, quota=(0, 4), lift=0.0, customers=12.0, stock=40, **changes):
    """Six ticks, two products at the prices 2 and 1 of one reference price, exponential willingness to pay."""
    base = fs.Scenario(
        name="seckill",
        horizon_ticks=6,
        tick_minutes=1.0,
        products=tuple(fs.Product(title, (2.0, 1.0), stock, reference_price=1.0) for title in TITLES),
        arrivals=fs.Arrivals(customers),
        choice=fs.Choice("exponential"),
        seckill=fs.Seckill(slots, share, quota, lift) if quota else None,
    )
    return dataclasses.replace(base, **changes)


def opened(scenario, sales=SALES, **options):
    simulator = fs.Simulator(scenario, sales=sales, actions="multidiscrete", **options)
    return simulator, simulator.open(np.arange(sales, dtype=np.uint64), np.zeros(sales, np.int64))


def act(simulator, prices=(0, 0), quotas=(0, 0)):
    return simulator.advance(np.tile([*prices, *quotas], (len(simulator), 1)))


def metric(simulator, name):
    return simulator.measure()[:, list(fs.METRICS).index(name)]


def test_a_sale_whose_quotas_stay_at_zero_is_the_sale_without_seckill():
    """Bit for bit: rewards, units and money."""
    neutral, _ = opened(sale())
    absent, _ = opened(sale(quota=None))
    for t in range(6):
        prices = (t % 2, (t + 1) % 2)
        (_, with_it, terms), (_, without, terms_without) = (
            act(neutral, prices),
            absent.advance(np.tile(prices, (SALES, 1))),
        )
        assert with_it.tobytes() == without.tobytes()
        assert terms.tobytes() == terms_without.tobytes()
    for name in ("on_hand", "sold", "money", "customers", "demand", "price_share"):
        assert neutral.sales[name].tobytes() == absent.sales[name].tobytes()


def test_a_quota_is_released_when_a_slot_begins_and_lapses_at_the_next():
    simulator, _ = opened(sale(customers=1e-9))
    left = []
    for quotas in [(1, 0), (0, 1), (0, 1), (0, 1), (1, 1), (0, 0)]:
        act(simulator, quotas=quotas)
        left.append(simulator.sales["seckill"]["left"][0].tolist())
    assert left == [[4, 0], [4, 0], [4, 0], [0, 4], [0, 4], [0, 4]]
    assert (simulator.sales["seckill"]["released"] == 8).all()


def test_a_slot_begins_with_the_first_tick_at_or_after_its_minute():
    scenario = sale(slots=(0.3, 2.0, 4.7))
    assert scenario.seckill.slot_ticks(scenario) == [1, 2, 5]
    assert scenario.seckill.slot_ticks(scenario.replace(horizon_ticks=60)) == [3, 20, 47]


def test_the_first_units_are_sold_at_the_special_price_and_the_others_at_the_normal_one():
    simulator, _ = opened(sale(stock=200, customers=60.0))
    _, _, terms = act(simulator, quotas=(1, 0))
    sold = simulator.sales["sold"]
    claimed = 4 - simulator.sales["seckill"]["left"][:, 0]
    assert (claimed == 4).any()
    expected = claimed * 1.0 + (sold[:, 0] - claimed) * 2.0 + sold[:, 1] * 2.0
    assert terms[:, list(fs.REWARD_TERMS).index("revenue")] == pytest.approx(expected)
    assert (metric(simulator, "seckill_units") == claimed).all()
    assert metric(simulator, "quota_used") == pytest.approx(claimed / 4)


def test_no_quota_is_overrun_and_units_are_conserved():
    simulator, _ = opened(sale(stock=7, customers=30.0), log_rows=400)
    rng = np.random.default_rng(0)
    for _ in range(6):
        before = simulator.sales["seckill"]["claimed"].copy()
        simulator.advance(rng.integers(0, 2, (SALES, 4)))
        assert (simulator.sales["seckill"]["left"] >= 0).all()
        assert (simulator.sales["seckill"]["claimed"] - before <= 8).all()
        assert (simulator.sales["on_hand"] + simulator.sales["sold"] == 7).all()
    assert (simulator.sales["seckill"]["claimed"] <= simulator.sales["seckill"]["released"]).all()
    log = simulator.choice_log()
    bought = log[log["bought"] < 2]
    paid = bought["price_share"][np.arange(len(bought)), bought["bought"]]
    revenue = np.bincount(bought["row"], paid, SALES)
    assert revenue == pytest.approx(simulator.sales["money"][:, list(fs.REWARD_TERMS).index("revenue")], rel=1e-6)


def test_a_normal_price_that_is_as_low_takes_nothing_from_the_quota():
    simulator, _ = opened(sale())
    act(simulator, prices=(1, 1), quotas=(1, 1))
    assert (simulator.sales["sold"] > 0).any()
    assert (simulator.sales["seckill"]["claimed"] == 0).all()
    assert (simulator.sales["seckill"]["left"] == 4).all()


@pytest.mark.parametrize("units", [1, 3, 4, 5, 9])
def test_units_beyond_the_quota_pay_the_normal_price(units):
    simulator, _ = opened(sale(customers=1e-9), sales=1)
    act(simulator, quotas=(1, 0))
    record = simulator.sales.view(np.recarray)[0]
    price_of, claim = (getattr(f, "py_func", f) for f in (seckill.price_of, seckill.claim))
    if price_of is not seckill.price_of:
        pytest.skip("compiled callees call one another")
    assert price_of(record.seckill, record, 0, units) == min(units, 4) * 1.0 + max(units - 4, 0) * 2.0
    assert price_of(record.seckill, record, 1, units) == 2.0 * units
    assert claim(record.seckill, record, 0, units) == (units >= 4)
    assert record.seckill.left[0] == max(4 - units, 0)


def test_traffic_rises_with_depth_quota_and_stock_only():
    """coming_share times the most traffic is the lift; the mean over products of depth, times traffic_lift."""
    most = 1 + 0.6 * 0.5
    scenario = sale(customers=1e-9, lift=0.6)
    assert scenario.most_traffic == pytest.approx(most)

    def lift(prices, quotas, on_hand=(9, 9)):
        simulator, _ = opened(scenario, sales=1)
        simulator.sales["on_hand"] = on_hand
        act(simulator, prices, quotas)
        return simulator.sales["coming_share"][0] * most

    assert lift((0, 0), (0, 0)) == pytest.approx(1.0)
    assert lift((0, 0), (1, 0)) == pytest.approx(1 + 0.6 * 0.25)
    assert lift((0, 0), (1, 1)) == pytest.approx(most)
    assert lift((1, 1), (1, 1)) == pytest.approx(1.0), "a special price equal to the normal one attracts nobody"
    assert lift((0, 0), (1, 1), (0, 9)) == pytest.approx(1 + 0.6 * 0.25), "an empty shelf attracts nobody"


def test_a_price_raised_for_the_quota_attracts_nobody():
    """Slots in ticks 0 and 3. The lowest price so far counts, on hand: price 1 in tick 1 takes the depth to 0."""
    scenario = sale(customers=1e-9, lift=0.6)
    most = scenario.most_traffic
    for on_hand, lift in ((9, 1.0), (0, most)):
        simulator, _ = opened(scenario, sales=1)
        act(simulator, quotas=(1, 1))
        assert simulator.sales["coming_share"] * most == pytest.approx(most)
        simulator.sales["on_hand"] = on_hand
        act(simulator, prices=(1, 1))
        simulator.sales["on_hand"] = 9
        act(simulator)
        observation, _, _ = act(simulator, quotas=(1, 1))
        assert simulator.sales["asking_price"].tolist() == [[1.0, 1.0]]
        assert simulator.sales["coming_share"] * most == pytest.approx(lift)
        assert (observation[0, simulator.layout["prior_price"]] == (1.0 if on_hand == 0 else 0.5)).all()


def test_traffic_falls_when_the_quota_ends():
    """On average over 400 sales: a tick of 20 customers, 30 % more of them until both quotas of 4 are gone."""
    scenario = sale(customers=20.0, lift=0.6, stock=500, slots=(0.0,), share=0.01, quota=(0, 4))
    simulator, _ = opened(scenario, sales=400)
    act(simulator, quotas=(1, 1))
    assert (simulator.sales["seckill"]["left"] == 0).all()
    assert simulator.sales["coming_share"] == pytest.approx(1 / scenario.most_traffic)
    came = simulator.sales["tick_came"] * scenario.most_traffic * 20.0
    assert (came > 20.0).all()
    error = (simulator.sales["tick_customers"] - came).std() / 20.0
    assert abs((simulator.sales["tick_customers"] - came).mean()) < 4 * error, "false alarm 6e-5"


def test_a_last_unit_at_the_special_price_leaves_its_price_on_the_empty_shelf():
    simulator, _ = opened(sale(stock=4, customers=200.0, share=0.01), sales=8)
    act(simulator, quotas=(1, 1))
    assert (simulator.sales["on_hand"] == 0).all()
    assert simulator.sales["price_share"] == pytest.approx(0.02)
    act(simulator)
    assert simulator.sales["price_share"] == pytest.approx(0.02)
    assert (simulator.sales["asking_price"] == 2.0).all()


def test_the_coupon_comes_off_the_special_price():
    scenario = sale(coupon=fs.Coupon((0.0, 0.5), 1000.0), customers=60.0, stock=200)
    simulator, _ = opened(scenario)
    simulator.advance(np.tile([0, 0, 1, 1, 1], (SALES, 1)))
    claimed = simulator.sales["seckill"]["claimed"]
    sold = simulator.sales["sold"].sum(axis=1)
    revenue = simulator.sales["money"][:, list(fs.REWARD_TERMS).index("revenue")]
    assert revenue == pytest.approx(claimed * 0.5 + (sold - claimed) * 1.0)


def test_features_show_the_quota_and_the_clock_of_slots():
    simulator, observation = opened(sale(customers=1e-9), sales=1)
    seen = [observation]
    for _ in range(6):
        seen.append(act(simulator, quotas=(1, 0))[0])
    shown = np.concatenate(seen)
    layout = simulator.layout
    assert shown[:, layout["quota_left"]].tolist() == [[0, 0], *[[1, 0]] * 6]
    assert shown[:, layout["slot_opens"]].ravel().tolist() == [1, 0, 0, 1, 0, 0, 0]
    assert shown[:, layout["next_slot"]].ravel() * 6 == pytest.approx([0, 2, 1, 0, 2, 1, 0])


def test_quotas_are_masked_in_ticks_without_the_start_of_a_slot():
    simulator, observation = opened(sale(customers=1e-9), sales=1)
    masks, allowed = ActionMasks(simulator.scenario, "multidiscrete"), []
    for _ in range(6):
        allowed.append(masks(observation)[0, 4:].tolist())
        observation, _, _ = act(simulator)
    assert allowed == [[True, k in (0, 3)] * 2 for k in range(6)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slots": (3.0, 0.0)}, "slot_minutes must rise from 0 or more"),
        ({"share": 1.0}, "price_share must be above 0 and below 1"),
        ({"quota": (0,)}, "quota must reach at least 1"),
        ({"quota": (4, 0)}, "quota must rise from 0 or more"),
        ({"lift": -0.1}, "seckill.traffic_lift must be at least 0"),
        ({"slots": (0.0, 5.5)}, "slot_minutes 5.5 does nothing"),
        ({"slots": (0.2, 0.9)}, "slot_minutes 0.2 does nothing: the slot of 0.9 begins in the same tick"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        sale(**changes)


def test_bounds_refuse_a_sale_with_seckill():
    from flashsale_env.theory.bounds import DUAL_SCOPE, HINDSIGHT_SCOPE

    for scope in (DUAL_SCOPE, HINDSIGHT_SCOPE):
        assert "seckill" in scope.why_not(sale())

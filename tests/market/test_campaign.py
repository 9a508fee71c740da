"""What one sale of a campaign leaves to the next: goodwill and stock."""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.theory.bounds import hindsight_bound
from tests.market.campaigns import TICKS, campaign, measured, opened, play_sale
from tests.market.guests import ticket

pytestmark = pytest.mark.uncompiled


def test_a_sale_of_full_goodwill_alone_is_a_sale_without_campaign():
    """Bit for bit: every field that both have, observations and rewards."""
    plain, neutral = ticket(4, horizon_ticks=TICKS), campaign(4, horizon_ticks=TICKS)
    ours, theirs = opened(plain, simulator=fs.Simulator), opened(neutral, simulator=fs.Simulator)
    for _ in range(TICKS):
        for a, b in zip(ours.advance(np.ones((4, 1), int)), theirs.advance(np.ones((4, 1), int)), strict=True):
            assert a.tobytes() == b.tobytes()
    for name in ours.sales.dtype.names:
        assert ours.sales[name].tobytes() == theirs.sales[name].tobytes(), name
    assert (ours.sales["sold"] == 4).any()


def test_the_first_sale_of_a_campaign_is_the_sale_played_alone_except_at_the_close():
    scenario = campaign(4, {"goodwill": 0.6, "goodwill_rate": 0.5, "carrying_cost": 0.1})
    alone, first = opened(scenario, simulator=fs.Simulator), opened(scenario)
    shown = alone.layout.size
    assert list(first.layout)[:-2] == list(alone.layout)
    for _ in range(TICKS - 1):
        ours, theirs = alone.advance(np.ones((4, 1), int)), first.advance(np.ones((4, 1), int))
        assert np.array_equal(ours[0], theirs[0][:, :shown])
        assert np.array_equal(ours[1], theirs[1])
    assert alone.sales["key"].tobytes() == first.sales["key"].tobytes()


def test_goodwill_moves_towards_the_service_of_each_sale():
    """Row 39 of a constant service: g_n = s + (1 - r)^n (g_0 - s); and any service, from what the sales recorded."""
    ample = opened(campaign(1000, {"goodwill": 0.4, "goodwill_rate": 0.3, "sales": 5}))
    for number in range(5):
        assert ample.sales["campaign"]["goodwill"] == pytest.approx(1.0 + 0.7**number * (0.4 - 1.0), rel=1e-12)
        play_sale(ample, 1)
    scarce = opened(campaign(3, {"goodwill_rate": 0.3}))
    services = []
    for _ in range(2):
        before = scarce.sales["campaign"]["goodwill"].copy()
        closed, *_ = play_sale(scarce, 1)
        wanted, missed = closed["demand"].sum(axis=1), closed["lost"].sum(axis=1)
        services.append(1.0 - missed / wanted)
        assert scarce.sales["campaign"]["goodwill"] == pytest.approx(before + 0.3 * (services[-1] - before))
    assert 0.2 < np.mean(services) < 0.8


def test_units_that_bots_take_are_missed_by_customers():
    bots = fs.Bots(0.5, units=2, resale_share=2.0)
    simulator = opened(campaign(1000, {"goodwill_rate": 1.0}, bots=bots, arrivals=fs.Arrivals(5.0, burst_share=0.5)))
    closed, *_ = play_sale(simulator, 1)
    taken, wanted = closed["bots"]["units"], closed["demand"].sum(axis=1)
    assert (taken > 0).all()
    assert simulator.sales["campaign"]["goodwill"] == pytest.approx(1.0 - taken / wanted)


def test_goodwill_is_the_share_of_the_same_stream_that_comes():
    """Fewer of the same people: at goodwill 1/2 half of them, and nobody who would not have come at 1."""
    came = {}
    for goodwill in (1.0, 0.5, 0.0):
        simulator = opened(campaign(1000, {"goodwill": goodwill}), seeds=20)
        simulator.record_visits(64)
        closed, *_ = play_sale(simulator, 0)
        came[goodwill] = closed["customers"]
    assert (came[0.5] <= came[1.0]).all()
    assert not came[0.0].any()
    # 400 customers in 20 sales; z = 4.
    assert came[0.5].sum() == pytest.approx(0.5 * came[1.0].sum(), abs=4 * np.sqrt(0.25 * came[1.0].sum()))


def test_customers_of_later_sales_do_not_depend_on_what_was_decided():
    """Without past customers and changes of goodwill, traffic is the same under any policy, and new in every sale."""
    counts = []
    for level in (0, 1):
        simulator = opened(campaign(2))
        counts.append([play_sale(simulator, level)[0]["customers"].tolist() for _ in range(3)])
    assert counts[0] == counts[1]
    assert len({tuple(count) for count in counts[0]}) == 3


def test_a_sale_of_a_campaign_is_the_sale_of_its_own_number():
    """Sale n of episode e is the sale (seed, 3e + n): the same key."""
    simulator = opened(campaign())
    simulator.open(np.arange(4, dtype=np.uint64), np.full(4, 2))
    for number in range(3):
        alone = opened(campaign(), simulator=fs.Simulator)
        alone.open(np.arange(4, dtype=np.uint64), np.full(4, 6 + number))
        assert np.array_equal(simulator.sales["key"], alone.sales["key"])
        assert (simulator.sales["campaign"]["number"] == number).all()
        play_sale(simulator, 0)


@pytest.mark.parametrize("restock", [0.0, 0.5, 1.0])
def test_leftovers_and_returned_goods_are_kept_and_the_gap_is_filled(restock):
    """Every unit is accounted for, and salvaged at the last close only."""
    product = fs.Product("ticket", (1.0, 0.5), 10, unit_cost=0.2, salvage_value=0.1, reference_price=1.0)
    parts = {"returns": fs.Returns(0.3), "products": (product,)}
    simulator = opened(campaign(10, {"restock": restock, "carrying_cost": 0.01, "days_between": 7.0}, **parts))
    had = np.full(4, 10)
    for number in range(3):
        assert np.array_equal(simulator.sales["on_hand"][:, 0], had)
        closed, _, terms, _ = play_sale(simulator, 1)
        back, sold = closed["returns"]["returned"][:, 0], closed["sold"][:, 0]
        left = had - sold + back
        assert np.array_equal(closed["on_hand"][:, 0], left)
        if number == 2:
            assert terms["salvage"] + terms["returned_goods"] == pytest.approx(0.1 * left)
            assert not terms["restocking"].any()
            break
        delivered = np.floor(restock * (10 - left) + 0.5)
        assert not terms["salvage"].any()
        assert not terms["returned_goods"].any()
        assert (terms["refunds"] < 0).any()
        assert terms["restocking"] == pytest.approx(-0.2 * delivered)
        assert terms["carrying"] == pytest.approx(-0.01 * 7.0 * left)
        had = (left + delivered).astype(int)
    assert simulator.closed.all()


def test_orders_on_their_way_and_the_reserve_pass_to_the_next_sale():
    product = fs.Product("ticket", (1.0, 0.5), 4, reserve=20, order_levels=(0, 3), unit_cost=0.2, reference_price=1.0)
    parts = {"replenishment": fs.Replenishment(lead_minutes=2.0), "products": (product,)}
    simulator = opened(campaign(4, {"restock": 0.0}, **parts))
    closed, *_ = play_sale(simulator, 0, 1)
    inbound = closed["inbound"].sum(axis=1)[:, 0]
    assert (inbound > 0).all()
    assert np.array_equal(simulator.sales["on_hand"][:, 0], closed["on_hand"][:, 0] + inbound)
    assert np.array_equal(simulator.sales["reserve"], closed["reserve"])
    assert (simulator.layout.low <= simulator.observe()).all()
    assert (simulator.observe() <= simulator.layout.high).all()


def test_the_profit_of_a_campaign_is_its_money_less_the_first_stock():
    product = fs.Product("ticket", (1.0, 0.5), 10, unit_cost=0.2, salvage_value=0.1, reference_price=1.0)
    simulator = opened(campaign(10, {"carrying_cost": 0.01}, products=(product,)))
    earned = np.full(4, -10 * 0.2)
    for _ in range(3):
        closed, rewards, _, _ = play_sale(simulator, 1)
        earned += rewards
        assert measured(simulator)["profit"] == pytest.approx(earned)
        share = closed["sold"][:, 0] / closed["campaign"]["opening"][:, 0]
        assert measured(simulator)["sell_through"] == pytest.approx(share)
    assert (earned > 0).all()


def test_a_snapshot_of_a_campaign_plays_on_alike():
    simulator = opened(campaign(3, {"goodwill_rate": 0.5}))
    play_sale(simulator, 1)
    kept = simulator.sales.copy()
    first = play_sale(simulator, 0)
    simulator.sales[:] = kept
    again = play_sale(simulator, 0)
    assert first[1].tobytes() == again[1].tobytes()
    assert first[3].tobytes() == again[3].tobytes()


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match=r"campaign.sales must lie in 2..1,000, got 1; leave \[campaign\] out"):
        fs.Campaign(sales=1)
    with pytest.raises(ValueError, match=r"campaign.days_between must be above 0"):
        fs.Campaign(days_between=0.0)
    with pytest.raises(ValueError, match=r"campaign.goodwill must be at least 0 and at most 1, got 1.5"):
        fs.Campaign(goodwill=1.5)
    with pytest.raises(ValueError, match=r"days_between 3 does nothing without \[retention\] and carrying_cost"):
        campaign(campaign={"days_between": 3.0})
    with pytest.raises(ValueError, match=r"scenario 'ticket' has no \[campaign\], so it is a single sale"):
        fs.CampaignSimulator(ticket())


def test_bounds_refuse_a_campaign():
    scenario = fs.load_scenario("gvr-periodic").replace(campaign=fs.Campaign())
    with pytest.raises(ValueError, match="campaign"):
        hindsight_bound(scenario, seeds=np.arange(2, dtype=np.uint64))
    assert dataclasses.replace(scenario, campaign=None) == fs.load_scenario("gvr-periodic")

"""Past customers as persons: who comes back, with which voice, and who is gone for good."""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.market.retention import customer_types
from tests.market.campaigns import TICKS, campaign, measured, opened, play_sale
from tests.market.guests import customers, ticket

pytestmark = pytest.mark.uncompiled

LAW = {"visit_shape": 1.0, "visit_scale": 2.0, "dropout_a": 1.0, "dropout_b": 2.0, "coupon": (0.0, 0.1, 0.4)}


def followed(retention=LAW, most=128, **changes):
    return campaign(1000, changes.pop("campaign", {}), {**LAW, **retention}, persons=fs.Persons(most), **changes)


def test_without_past_customers_the_first_sale_is_a_sale_without_campaign():
    """Bit for bit: nobody of the stream is a past customer."""
    plain, ours = ticket(1000, horizon_ticks=TICKS), followed(retention={"coupon": (0.0,)})
    a, b = (opened(scenario, simulator=fs.Simulator) for scenario in (plain, ours))
    for _ in range(TICKS):
        for one, other in zip(a.advance(np.ones((4, 1), int)), b.advance(np.ones((4, 1), int)), strict=True):
            assert one.tobytes() == other.tobytes()
    for name in a.sales.dtype.names:
        assert a.sales[name].tobytes() == b.sales[name].tobytes(), name
    assert (a.sales["sold"] > 0).all()
    assert np.array_equal(b.sales["persons"]["number"], b.sales["sold"][:, 0])


def test_persons_come_and_drop_out_by_the_law_of_their_types():
    """Everybody buys, so each visit is followed by a draw of the dropout: a recursion over the types; z = 4.5."""
    everybody = dataclasses.replace(customers(("ticket",)), price_sensitivity=np.full(12, 1e-6, np.float32))
    law = {"customers": 60.0, "keeps": 0.5}
    simulator = opened(followed(law, arrivals=fs.Arrivals(1e-6)), seeds=6, population=everybody)
    rates, dropouts, alive = customer_types(simulator.scenario.retention)
    visits = 1.0 - np.exp(-rates)
    for level in (0, 2, 0):
        play_sale(simulator, 0, level)
        expected = 60 * 6 * (alive @ visits)
        came = measured(simulator)["past_customers"].sum()
        assert came == pytest.approx(expected, abs=4.5 * np.sqrt(expected))
        alive = alive * (1.0 - visits * dropouts * (1.0 - 0.5 * level / 2))
    gone = 60 * 6 * (1.0 - alive.sum())
    assert measured(simulator)["persons_gone"].sum() == pytest.approx(gone, abs=4.5 * np.sqrt(gone))
    kinds = np.bincount(simulator.sales["persons"]["type"][:, :60].ravel(), minlength=16) / 360
    shares = customer_types(simulator.scenario.retention)[2]
    assert kinds == pytest.approx(shares, abs=4.5 * np.sqrt(0.25 / 360))


def test_a_person_keeps_its_voice_and_its_history_can_be_read():
    simulator = opened(followed({"customers": 20.0}), population=customers(("ticket",)))
    simulator.record_visits(200)
    for _ in range(3):
        play_sale(simulator, 1, 0)
    log = simulator.campaign_log()
    number = log["episode"] % 3
    voices: dict[tuple[int, int], set[int]] = {}
    seen: dict[tuple[int, int], list[int]] = {}
    for visit, sale in zip(log, number, strict=True):
        who = (int(visit["row"]), int(visit["person"]))
        voices.setdefault(who, set()).add(int(visit["voice"]))
        seen.setdefault(who, []).append(int(sale))
    assert all(len(found) == 1 for found in voices.values())
    assert all(sales == sorted(set(sales)) for sales in seen.values()), "a person comes to a sale once at most"
    assert sum(len(sales) > 1 for sales in seen.values()) > 20
    paid = {(int(visit["row"]), int(visit["person"])) for visit in log[log["pays"] == 1]}
    before = {(row, int(key)) for row, keys in enumerate(simulator.sales["persons"]["key"][:, :20]) for key in keys}
    back = {who for who, sales in seen.items() if len(sales) > 1}
    assert back - before <= paid, "who comes back has bought"
    assert len(back - before) > 10
    shorter = opened(followed())
    shorter.record_visits(3)
    play_sale(shorter, 1, 0)
    with pytest.raises(ValueError, match=r"a sale had at least log_rows = 3 visits"):
        shorter.campaign_log()


def test_two_policies_meet_the_same_persons_and_a_coupon_brings_more_of_them():
    """At the same first sale; with lift, whoever comes without a coupon comes with one."""
    came = {}
    for level in (0, 2):
        simulator = opened(followed({"customers": 40.0, "lift": 1.0}))
        simulator.record_visits(200)
        for sale in range(2):
            play_sale(simulator, 0, level * sale)
        log = simulator.campaign_log()
        known = np.isin(log["person"], simulator.sales["persons"]["key"][:, :40]) & (log["episode"] == 1)
        came[level] = {*zip(log["row"][known].tolist(), log["person"][known].tolist(), strict=True)}
    assert came[0] < came[2]
    assert len(came[2]) > 1.3 * len(came[0])


def test_the_coupon_is_booked_for_persons_alone():
    simulator = opened(followed({"customers": 60.0}))
    first, *_ = play_sale(simulator, 0, 2)
    bought, new = first["retention"]["past_buyers"].sum(axis=1), first["retention"]["new_buyers"].sum(axis=1)
    assert bought.sum() > 10
    assert first["retention"]["spend"] == pytest.approx(0.4 * bought)
    assert first["money"][:, list(fs.REWARD_TERMS).index("revenue")] == pytest.approx(new + 0.6 * bought)


def test_a_full_store_follows_nobody_else():
    simulator = opened(followed({"customers": 3.0}, most=4))
    closed, *_ = play_sale(simulator, 1, 0)
    new = closed["retention"]["new_buyers"].sum(axis=1)
    assert (closed["persons"]["number"] == np.minimum(4, 3 + new)).all()
    assert (measured(simulator)["persons_dropped"] == np.maximum(0, new - 1)).all()
    assert (measured(simulator)["past_customers_missed"] == 0).all()


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match=r"persons.most must be a power of two from 1 to 65536, got 100; e.g. 128"):
        fs.Persons(100)
    with pytest.raises(ValueError, match=r"\[persons\] does nothing without \[retention\]"):
        ticket(persons=fs.Persons())
    with pytest.raises(ValueError, match=r"\[persons\] cannot be combined with \[waiting\]"):
        followed(waiting=fs.Waiting(stay=0.5))

"""Customers who wait: who comes back, when, at which price, and how they are counted."""

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.theory.bounds import hindsight_bound, lagrangian_dual_bound
from tests.market.guests import (
    TICKS,
    assert_the_same_sale,
    constant,
    customers,
    market,
    metric,
    play,
    random_levels,
    ticket,
)

pytestmark = pytest.mark.uncompiled

# So rare that nobody ever does it, and yet a setting that a scenario accepts.
NEVER = 1e-300


@pytest.fixture(scope="module")
def people():
    return customers(market().titles)


def test_a_sale_in_which_nobody_waits_is_the_sale_without_waiting(people):
    """Row 22: bit for bit, with coupon, offers, messages and lost sales."""

    def levels(simulator, tick):
        """Random ones; prices of the last tick below the announced one, which would lower them."""
        return np.maximum(random_levels(simulator, tick), constant(2 * (tick == TICKS - 1))(simulator, tick))

    without = play(market(), levels, log_rows=300, population=people)
    for waiting in (
        fs.Waiting(NEVER),
        fs.Waiting(strategic=NEVER, announced_share=0.99, announced_minute=14.0),
    ):
        assert_the_same_sale(without, play(market(waiting=waiting), levels, log_rows=300, population=people))


@pytest.mark.parametrize("stay", [0.4, 1.0])
def test_every_customer_counts_once(people, stay):
    """Units, money, demand and lost sales add up however often people look."""
    scenario = market(waiting=fs.Waiting(stay, look_minutes=5.0))
    simulator, rewards = play(scenario, random_levels, log_rows=2000, population=people)
    sales = simulator.sales
    assert (sales["on_hand"] + sales["sold"] == [12, 40]).all()
    assert (sales["demand"].sum(axis=1) == sales["sold"].sum(axis=1) + sales["lost"].sum(axis=1)).all()
    assert (sales["visits"] == sales["customers"] + metric(simulator, "return_visits")).all()
    assert metric(simulator, "return_buyers").sum() > 0
    assert sales["lost"].sum() > 0
    np.testing.assert_allclose(rewards.sum(axis=0), sales["money"].sum(axis=1))
    log = simulator.choice_log()
    assert ((log["look"] == 0).sum(), (log["look"] > 0).sum()) == (
        sales["customers"].sum(),
        metric(simulator, "return_visits").sum(),
    )
    assert metric(simulator, "return_buyers").sum() == ((log["look"] > 0) & (log["bought"] < 2)).sum()


def test_a_policy_meets_the_same_people_at_their_first_visits(people):
    scenario = market(coupon=fs.Coupon((0.0, 0.2), 100.0), waiting=fs.Waiting(0.7))
    firsts = []
    for levels in (constant(0), random_levels):
        log = play(scenario, levels, log_rows=2000, population=people)[0].choice_log()
        firsts.append(log[log["look"] == 0][["row", "tick", "voice"]])
    np.testing.assert_array_equal(*firsts)


def test_people_look_again_first_in_a_tick_and_in_the_order_in_which_they_decided_to():
    """Everybody waits and looks in every tick: those who return are the visitors of the tick before, in order."""
    people = customers(("ticket",), 50)
    scenario = ticket(prices=(1e9, 1e8), waiting=fs.Waiting(1.0, look_minutes=1.0))
    log = play(scenario, constant(0), sales=1, log_rows=2000, population=people)[0].choice_log()
    for tick in range(1, TICKS):
        now, before = log[log["tick"] == tick], log[log["tick"] == tick - 1]
        np.testing.assert_array_equal(now["voice"][: len(before)], before["voice"])
        np.testing.assert_array_equal(now["look"][: len(before)], before["look"] + 1)
        assert (now["look"][len(before) :] == 0).all()


def test_who_waits_for_the_announced_price_comes_back_in_that_tick_however_late():
    """Beyond one round of the calendar, whose slots many ticks share."""
    waiting = fs.Waiting(strategic=1.0, announced_share=0.3, announced_minute=70.0)
    scenario = ticket(horizon_ticks=80, arrivals=fs.Arrivals(0.5), waiting=waiting)
    log = play(scenario, constant(0), sales=4, log_rows=500)[0].choice_log()
    assert (log["look"] > 0).any()
    assert (log["tick"][log["look"] > 0] == 70).all()
    # Patience 1 and a lower price later: nobody buys before, and whoever comes back buys.
    assert (log["bought"][(log["tick"] < 70)] == 1).all()
    assert (log["bought"][log["look"] > 0] == 0).all()
    assert (log["price_share"][log["tick"] >= 70] == np.float32(0.3)).all()


def test_the_time_between_two_looks_is_geometric():
    """Nobody ever buys. The mean number of looks of a customer of tick 0 after k ticks is k·p; z = 4."""
    p, sales = 0.4, 50
    scenario = ticket(prices=(1e9, 1e8), waiting=fs.Waiting(1.0, look_minutes=1.0 / p))
    log = play(scenario, constant(0), sales=sales, log_rows=600)[0].choice_log()
    came = np.array([((log["tick"] == t) & (log["look"] == 0)).sum() for t in range(TICKS)])
    looks = (log["look"] > 0).sum()
    each = TICKS - 1 - np.arange(TICKS)
    assert abs(looks - (came * each * p).sum()) < 4.0 * np.sqrt((came * each).sum() * p * (1 - p))


def test_whether_a_customer_stays_is_drawn_anew_at_each_look():
    """Nobody ever buys and everybody looks in the next tick: of those at look k, 60 % reach look k + 1; z = 4."""
    scenario = ticket(prices=(1e9, 1e8), waiting=fs.Waiting(0.6, look_minutes=1.0))
    log = play(scenario, constant(0), sales=50, log_rows=600)[0].choice_log()
    for look in range(3):
        n = ((log["look"] == look) & (log["tick"] < TICKS - 1)).sum()
        assert abs((log["look"] == look + 1).sum() - 0.6 * n) < 4.0 * np.sqrt(n * 0.6 * 0.4)


def test_a_coupon_of_today_counts_in_the_surplus_of_today():
    """The announced price is 30 % below. With 50 % off today nobody waits; with 10 % off every buyer does."""
    people = fs.Population.homogeneous(("ticket",))  # all clip
    for depth, waits in ((0.5, False), (0.1, True)):
        scenario = ticket(
            coupon=fs.Coupon((0.0, depth), 1e6),
            waiting=fs.Waiting(strategic=1.0, announced_share=0.7, announced_minute=7.0),
        )

        def levels(simulator, tick):
            wanted = constant(0)(simulator, tick)
            wanted[:, simulator.codec.columns("coupon")] = tick < 7
            return wanted

        log = play(scenario, levels, log_rows=500, population=people)[0].choice_log()
        early = log[log["tick"] < 7]
        assert (early["bought"] == 0).any() != waits
        # Reservation prices between today's price and the announced one remain a reason to wait for the latter alone.
        assert (log["look"] > 0).any() == waits


def test_surplus_is_compared_in_the_units_of_the_choice_model():
    """Under a logit, utility per reference price: scaling one product's prices and reference changes no decision."""
    waiting = fs.Waiting(strategic=0.6, patience=0.7, announced_share=0.6, announced_minute=8.0, stay=0.3)
    people = customers(market().titles)
    logs = []

    def random_prices(simulator, tick):
        return random_levels(simulator, tick) * (constant(1)(simulator, tick) > 0)

    for scale in (1.0, 8.0):
        products = (
            fs.Product("kettle", (10.0, 8.0), 30, quality=1.0),
            fs.Product("lamp", (20.0 * scale, 15.0 * scale), 40, quality=1.5),
        )
        scenario = market(products=products, waiting=waiting)
        logs.append(play(scenario, random_prices, log_rows=500, population=people)[0].choice_log())
    np.testing.assert_array_equal(*logs)
    assert (logs[0]["look"] > 0).sum() > 20


def test_the_announcement_binds_the_shop(people):
    waiting = fs.Waiting(0.5, announced_share=0.55, announced_minute=9.0)  # in the fifth tick, from 8 to 10
    seen = []
    play(
        market(waiting=waiting),
        constant(0),
        population=people,
        each=lambda simulator, _, tick: seen.append(simulator.sales["price"][0].tolist()),
    )
    assert seen == [[10.0, 20.0]] * 4 + [[5.5, 11.0]] * 4
    # A lower price stands.
    simulator, _ = play(market(waiting=waiting), constant(2), population=people)
    assert simulator.sales["price"][0].tolist() == [5.5, 11.0]


def test_making_people_wait_avoids_no_lost_sale():
    """One unit at a constant price: whether people wait changes nothing about who wanted the second unit."""
    lost = [
        play(ticket(stock=1, waiting=waiting), constant(1))[0].sales["lost"][:, 0]
        for waiting in (None, fs.Waiting(restock=1.0, look_minutes=1.0), fs.Waiting(restock=0.5, look_minutes=3.0))
    ]
    assert lost[0].min() > 0
    np.testing.assert_array_equal(lost[0], lost[1])
    np.testing.assert_array_equal(lost[0], lost[2])


def test_who_comes_back_and_gives_up_in_the_queue_is_still_a_lost_sale():
    """Everybody wants the only unit and looks in every tick. Whoever saw it once bought it or is a lost sale, and so is
    whoever gives up at the first visit when the unit is gone.
    """
    service = fs.Service(servers=(1, 2), requests_per_minute=3.0, patience_minutes=0.2)
    waiting = fs.Waiting(restock=1.0, look_minutes=1.0)
    scenario = ticket(stock=1, prices=(1.0, 1e-9), service=service, waiting=waiting)
    simulator, _ = play(scenario, constant(1), log_rows=2000)
    log, sales = simulator.choice_log(), simulator.sales
    assert metric(simulator, "return_visits").sum() > (log["look"] > 0).sum(), "somebody must have given up"
    assert (np.bincount(log["row"][log["look"] == 0]) <= sales["demand"][:, 0]).all()
    assert (sales["customers"] - sales["demand"][:, 0] <= 3).all(), "who gave up before the unit was gone"
    np.testing.assert_array_equal(sales["demand"][:, 0], sales["sold"][:, 0] + sales["lost"][:, 0])


def test_who_finds_the_store_full_leaves_and_is_counted():
    scenario = ticket(stock=1, waiting=fs.Waiting(1.0, look_minutes=1.0, most_waiting=4))
    seen = []
    simulator, _ = play(scenario, constant(0), each=lambda s, _, t: seen.append(s.sales["waiting"]["number"].copy()))
    assert np.max(seen) == 4
    assert metric(simulator, "waiting_dropped").min() > 0
    sales = simulator.sales
    np.testing.assert_array_equal(sales["demand"][:, 0], sales["sold"][:, 0] + sales["lost"][:, 0])
    # A full store makes nobody buy who would have waited.
    waiting = fs.Waiting(strategic=1.0, announced_share=0.5, announced_minute=7.0, most_waiting=4)
    before = []
    simulator, _ = play(ticket(waiting=waiting), constant(0), each=lambda s, _, t: before.append(s.sales["sold"].sum()))
    assert before[6] == 0
    assert metric(simulator, "waiting_dropped").min() > 0


def test_messages_are_left_at_the_first_visit_only(people):
    scenario = market(messages=fs.Messages(1.0), memory_minutes=1e12, waiting=fs.Waiting(0.8))
    simulator, _ = play(scenario, random_levels, population=people)
    np.testing.assert_allclose(simulator.sales["messages"]["recent"], simulator.sales["customers"], rtol=1e-9)


def test_the_share_who_wait_is_shown_on_request(people):
    assert "waiting" not in market(waiting=fs.Waiting(0.5)).features
    scenario = market(waiting=fs.Waiting(0.5), observe=("time_left", "waiting"))
    column = fs.Layout(scenario)["waiting"].start

    def check(simulator, observations, tick):
        sales = simulator.sales
        share = sales["waiting"]["number"] / np.maximum(sales["customers"], 1)
        np.testing.assert_allclose(observations[:, column], share, rtol=1e-6)

    simulator, _ = play(scenario, random_levels, population=people, each=check)
    assert simulator.sales["waiting"]["number"].min() > 0


def test_one_sale_is_a_slice_of_many(people):
    scenario = market(waiting=fs.Waiting(0.8, strategic=0.3, announced_share=0.4, announced_minute=10.0))
    many, _ = play(scenario, constant(0), sales=5, population=people)
    one, _ = play(scenario, constant(0), sales=3, population=people)
    np.testing.assert_array_equal(many.sales[:3], one.sales)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"\[waiting\] does nothing: stay, restock and strategic are 0"),
        ({"stay": 1.5}, "waiting.stay must be at least 0 and at most 1, got 1.5"),
        ({"stay": {"gifts": 0.5}}, "unknown intent in waiting.stay 'gifts'"),
        ({"stay": 0.5, "look_minutes": 0.0}, "look_minutes must be above 0"),
        ({"stay": 0.5, "strategic": 0.2}, "strategic does nothing without an announced price"),
        ({"stay": 0.5, "patience": 0.9}, "patience 0.9 does nothing while strategic is 0"),
        ({"stay": 0.5, "announced_minute": 5.0}, "announced_minute 5 does nothing without announced_share"),
        ({"stay": 0.5, "announced_share": 1.0}, "at least 0 and below 1, got 1"),
        ({"stay": 0.5, "announced_share": 0.5}, "announced_minute 0 must fall after the first of 8 ticks"),
        ({"stay": 0.5, "announced_share": 0.5, "announced_minute": 16.0}, "before the close at 16"),
        ({"stay": 0.5, "most_waiting": 100}, r"power of two from 1 to 65536, got 100; e\.g\. 128"),
        (
            {"strategic": 0.5, "announced_share": 0.5, "announced_minute": 4.0, "look_minutes": 3.0},
            "look_minutes 3 does nothing while stay and restock are 0",
        ),
    ],
)
def test_settings_that_do_nothing_or_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        market(waiting=fs.Waiting(**settings))


def test_combinations_that_cannot_be_played_are_refused():
    with pytest.raises(ValueError, match=r"\[waiting\] does nothing in a sale of one tick"):
        market(waiting=fs.Waiting(0.5), horizon_ticks=1)
    withheld = (fs.Product("kettle", (10.0,), 5, may_be_withheld=True),)
    with pytest.raises(ValueError, match="announced_share and may_be_withheld of product 'kettle' cannot be combined"):
        market(products=withheld, waiting=fs.Waiting(0.5, announced_share=0.5, announced_minute=4.0))


def test_customers_of_whom_nobody_waits_are_reported(people):
    scenario = market(waiting=fs.Waiting({"gift": 0.5, "default": 0.0}))
    with pytest.warns(UserWarning, match="nobody of their intents waits"):
        fs.Simulator(scenario, fs.Population.homogeneous(scenario.titles), sales=1)


def test_bounds_refuse_a_sale_in_which_people_wait():
    for bound in (hindsight_bound, lagrangian_dual_bound):
        with pytest.raises(ValueError, match="waiting"):
            bound(ticket(waiting=fs.Waiting(0.5)), seeds=[0])

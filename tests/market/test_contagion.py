"""Contagion: friends of buyers, and traffic that follows the share of units sold."""

import numba
import numpy as np
import pytest
from scipy import stats

import flashsale_env as fs
from flashsale_env.experiments.verify.cases import CASES
from flashsale_env.market import contagion
from flashsale_env.theory.bounds import hindsight_bound, lagrangian_dual_bound
from tests.market.guests import (
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

NEVER = 1e-300


@pytest.fixture(scope="module")
def people():
    return customers(market().titles)


@pytest.mark.parametrize("settings", [{"friends": NEVER}, {"claimed_lift": NEVER}])
def test_a_sale_in_which_nobody_tells_is_the_sale_without_contagion(people, settings):
    """Row 22: bit for bit, with coupon, offers, messages and lost sales."""
    scenario = market(contagion=fs.Contagion(**settings))
    assert_the_same_sale(
        play(market(), random_levels, log_rows=300, population=people),
        play(scenario, random_levels, log_rows=300, population=people),
    )


def test_friends_are_customers_and_everything_adds_up(people):
    scenario = market(
        contagion=fs.Contagion({"gift": 4.0, "default": 1.0}, minutes=2.0, claimed_lift=0.5),
        waiting=fs.Waiting(0.6),
        messages=fs.Messages(1.0),
        memory_minutes=1e12,
    )
    simulator, rewards = play(scenario, random_levels, log_rows=3000, population=people)
    sales = simulator.sales
    assert (sales["on_hand"] + sales["sold"] == [12, 40]).all()
    assert (sales["demand"].sum(axis=1) == sales["sold"].sum(axis=1) + sales["lost"].sum(axis=1)).all()
    assert (sales["visits"] == sales["customers"] + metric(simulator, "return_visits")).all()
    assert metric(simulator, "friends").min() > 0
    np.testing.assert_allclose(rewards.sum(axis=0), sales["money"].sum(axis=1))
    # Friends leave messages as everybody does, at the first visit.
    np.testing.assert_allclose(sales["messages"]["recent"], sales["customers"], rtol=1e-9)
    assert (np.diff(simulator.choice_log()["tick"][simulator.choice_log()["row"] == 0]) >= 0).all()


def test_the_friends_of_a_buyer_are_the_same_people_under_every_policy():
    """Ample stock: whoever buys at a price buys at a lower one, so no customer is missing there."""
    people = customers(("ticket",), 50)
    scenario = ticket(contagion=fs.Contagion(0.8, minutes=1.0))
    dear, cheap = (
        play(scenario, constant(level), log_rows=2000, population=people)[0].choice_log() for level in (0, 1)
    )
    for row in range(4):
        visits = [np.unique(log[log["row"] == row][["tick", "voice"]], return_counts=True) for log in (dear, cheap)]
        also = dict(zip(visits[1][0].tolist(), visits[1][1].tolist(), strict=True))
        for visit, number in zip(visits[0][0].tolist(), visits[0][1].tolist(), strict=True):
            assert also.get(visit, 0) >= number
    assert len(cheap) > len(dear)


def test_who_leaves_a_cart_behind_tells_nobody():
    """The only units are held by carts of which almost none is paid."""
    scenario = ticket(contagion=fs.Contagion(2.0, minutes=1.0), carts=fs.Carts(hold_minutes=20.0, paid_per_minute=1e-9))
    simulator, _ = play(scenario, constant(1))
    assert metric(simulator, "friends").sum() == 0
    assert simulator.sales["demand"].min() > 0


@numba.njit
def _tell(sales, rules, voices, schedule, keys, numbers):
    of_contagion = sales[0].contagion
    for k in range(len(keys)):
        of_contagion.number = 0
        contagion.tell(rules[0], rules[0].contagion, of_contagion, voices[0], sales[0], keys[k], 0.25)
        numbers[k] = of_contagion.number


@numba.njit
def _sort(sales, rules, voices, schedule, whens, keys, sorted_whens, sorted_keys):
    of_contagion = sales[0].contagion
    for k in range(len(whens)):
        contagion.push(of_contagion, whens[k], keys[k])
    for k in range(len(whens)):
        sorted_whens[k], sorted_keys[k] = of_contagion.when[0], of_contagion.key[0]
        contagion.pop(of_contagion)


def test_the_number_of_friends_is_poisson():
    """Chi-square over 20,000 buyers at a level of 1e-4; delays so short that all come before the close."""
    simulator = fs.Simulator(ticket(contagion=fs.Contagion(1.7, minutes=1e-9)), sales=1)
    keys = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    numbers = np.zeros(len(keys), np.int64)
    simulator.ask_core(_tell, keys, numbers)
    seen = np.bincount(np.minimum(numbers, 8), minlength=9)
    law = np.append(stats.poisson(1.7).pmf(np.arange(8)), stats.poisson(1.7).sf(7)) * len(keys)
    assert stats.chi2.sf(((seen - law) ** 2 / law).sum(), 8) > 1e-4


def test_friends_come_in_the_order_of_their_times():
    simulator = fs.Simulator(ticket(contagion=fs.Contagion(1.0)), sales=1)
    rng = np.random.default_rng(1)
    for n in (1, 2, 7, 64):
        whens, keys = rng.random(n), np.arange(n, dtype=np.uint64)
        out, order = np.zeros(n), np.zeros(n, np.uint64)
        simulator.ask_core(_sort, whens, keys, out, order)
        np.testing.assert_array_equal(out, np.sort(whens))
        np.testing.assert_array_equal(order, np.argsort(whens))
    assert simulator.sales["contagion"]["number"][0] == 0


def test_a_friend_without_a_place_does_not_come_and_is_counted():
    scenario = ticket(contagion=fs.Contagion(5.0, minutes=3.0, most_coming=4))
    seen = []
    simulator, _ = play(scenario, constant(1), each=lambda s, _, t: seen.append(s.sales["contagion"]["number"].copy()))
    assert np.max(seen) == 4
    assert metric(simulator, "friends_dropped").min() > 0


def test_traffic_follows_the_units_sold_before_the_tick():
    """All points of the dominating stream come at claimed share 1; the badge counts the reserve among the units."""
    products = (
        fs.Product("kettle", (10.0, 5.0), 20, quality=2.0, reserve=20, order_levels=(0, 20)),
        fs.Product("lamp", (20.0, 8.0), 40, quality=2.0),
    )
    scenario = market(
        products=products, replenishment=fs.Replenishment(), contagion=fs.Contagion(claimed_lift=3.0), coupon=None
    )
    sold = [np.zeros(4)]

    def check(simulator, observations, tick):
        sales = simulator.sales
        np.testing.assert_allclose(sales["contagion"]["claimed"], sold[-1] / 80.0)
        np.testing.assert_allclose(sales["coming_share"], (1.0 + 3.0 * sold[-1] / 80.0) / 4.0)
        sold.append(sales["sold"].sum(axis=1))

    play(scenario, constant(1), each=check)
    assert sold[-1].min() > 20
    assert scenario.most_traffic == 4.0


def test_an_empty_shop_that_sold_nothing_draws_no_crowd():
    """Without a sale the expected traffic is that of the plain scenario, whatever the shop does."""
    dear = {"prices": (1e6, 1e5), "arrivals": fs.Arrivals(50.0)}
    plain = play(ticket(**dear), constant(0))[0].sales["customers"].sum()
    lifted = play(ticket(contagion=fs.Contagion(claimed_lift=2.0), **dear), constant(0))[0].sales["customers"].sum()
    assert abs(lifted - plain) < 5.0 * np.sqrt(plain + lifted)  # z = 5


def test_the_share_of_friends_is_shown_on_request(people):
    assert "referred" not in market(contagion=fs.Contagion(0.5)).features
    scenario = market(contagion=fs.Contagion(2.0, minutes=2.0), observe=("time_left", "referred"))
    column = fs.Layout(scenario)["referred"].start

    def check(simulator, observations, tick):
        share = metric(simulator, "friends") / np.maximum(simulator.sales["customers"], 1)
        np.testing.assert_allclose(observations[:, column], share, rtol=1e-6)

    play(scenario, random_levels, population=people, each=check)
    with pytest.raises(ValueError, match="observe names 'referred', which is constant"):
        market(contagion=fs.Contagion(claimed_lift=0.5), observe=("time_left", "referred"))


def test_one_sale_is_a_slice_of_many(people):
    scenario = market(contagion=fs.Contagion(1.5, minutes=3.0, claimed_lift=1.0))
    many, _ = play(scenario, constant(1), sales=5, population=people)
    one, _ = play(scenario, constant(1), sales=3, population=people)
    np.testing.assert_array_equal(many.sales[:3], one.sales)


@pytest.mark.slow
def test_customers_and_their_friends_are_as_many_as_in_the_package_tick():
    """Against the Hawkes processes of Bacry et al. (2018): a difference of five standard errors, once in 10^6 runs.

    Its requirements exclude current numpy, so install it by hand: `pip install --no-deps tick dill`.
    """
    hawkes = pytest.importorskip("tick.hawkes")
    theirs = []
    for seed in range(1, 4001):
        process = hawkes.SimuHawkesExpKernels(
            np.array([[0.6]]), 5.0, baseline=np.array([1.0]), end_time=2.0, seed=seed, verbose=False
        )
        process.simulate()
        theirs.append(process.n_total_jumps)
    case = CASES["contagion-friends"]  # the same process by default
    ours = case.measure(case.defaults, 4000)[0]
    error = np.hypot(np.std(theirs) / len(theirs) ** 0.5, ours.standard_error)
    assert ours.simulated == pytest.approx(np.mean(theirs), abs=5 * error)
    assert error < 0.15


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"\[contagion\] does nothing: friends and claimed_lift are 0"),
        ({"friends": 11.0}, "contagion.friends must be at least 0 and at most 10, got 11"),
        ({"friends": 0.5, "minutes": 0.0}, r"contagion.minutes must be above 0, got 0; e\.g\. 5\.0"),
        ({"claimed_lift": 1.0, "minutes": 3.0}, "contagion.minutes 3 does nothing while friends is 0"),
        ({"claimed_lift": 1.0, "most_coming": 64}, "contagion.most_coming 64 does nothing while friends is 0"),
        ({"friends": 0.5, "most_coming": 3}, r"power of two from 1 to 65536, got 3; e\.g\. 4"),
        ({"claimed_lift": 101.0}, "contagion.claimed_lift must be at least 0 and at most 100"),
    ],
)
def test_settings_that_do_nothing_or_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        market(contagion=fs.Contagion(**settings))


def test_a_lift_in_a_sale_of_one_tick_is_refused():
    with pytest.raises(ValueError, match=r"claimed_lift 0\.5 does nothing in a sale of one tick"):
        market(contagion=fs.Contagion(claimed_lift=0.5), horizon_ticks=1)


def test_buyers_without_friends_are_reported():
    scenario = ticket(contagion=fs.Contagion({"gift": 0.5, "default": 0.0}))
    with pytest.warns(UserWarning, match="nobody of their intents has friends"):
        fs.Simulator(scenario, sales=1)


def test_bounds_refuse_a_sale_with_contagion():
    for bound in (hindsight_bound, lagrangian_dual_bound):
        with pytest.raises(ValueError, match="contagion"):
            bound(ticket(contagion=fs.Contagion(0.5)), seeds=[0])

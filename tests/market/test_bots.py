"""Bots: how many come and when, what they buy, whom screening stops; and admission by lottery."""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.market.bots import bots_per_tick

pytestmark = pytest.mark.uncompiled

SALES = 32
# One intent that no homogeneous customer has: bots that never come.
NOBODY = {"gift": 1.0, "default": 0.0}
idle_among = pytest.mark.filterwarnings("ignore:.*among these customers")


def sale(bots=None, customers=12.0, stock=40, ticks=6, prices=(2.0, 1.0), lottery=0.0, **changes):
    """Two products at the prices 2 and 1 of one reference price, exponential willingness to pay."""
    base = fs.Scenario(
        name="bots",
        horizon_ticks=ticks,
        tick_minutes=1.0,
        products=tuple(fs.Product(title, prices, stock, reference_price=1.5) for title in ("a", "b")),
        arrivals=fs.Arrivals(customers, lottery_minutes=lottery),
        choice=fs.Choice("exponential"),
        bots=None if bots is None else fs.Bots(**{"share": 0.5, "speed": 1.0, **bots}),
    )
    return dataclasses.replace(base, **changes)


def opened(scenario, sales=SALES, population=None, **options):
    simulator = fs.Simulator(scenario, population, sales=sales, actions="multidiscrete", **options)
    return simulator, simulator.open(np.arange(sales, dtype=np.uint64), np.zeros(sales, np.int64))


def played(scenario, *action, sales=SALES, population=None):
    simulator, _ = opened(scenario, sales, population)
    for _ in range(scenario.horizon_ticks):
        simulator.advance(np.tile(action, (sales, 1)))
    return simulator


def metric(simulator, name):
    return simulator.measure()[:, list(fs.METRICS).index(name)]


def term(simulator, name):
    return simulator.sales["money"][:, list(fs.REWARD_TERMS).index(name)]


@idle_among
def test_a_sale_to_which_no_bot_comes_is_the_sale_without_bots():
    """Bit for bit."""
    neutral, _ = opened(sale({"share": NOBODY, "screening": (0.0, 0.5), "harm_per_unit": 3.0}))
    absent, _ = opened(sale())
    for t in range(6):
        (_, with_it, terms), (_, without, terms_without) = (
            neutral.advance(np.tile([t % 2, 1, 1], (SALES, 1))),
            absent.advance(np.tile([t % 2, 1], (SALES, 1))),
        )
        assert with_it.tobytes() == without.tobytes()
        assert (terms == terms_without).all()
    for name in ("on_hand", "sold", "money", "customers", "demand", "recent_customers"):
        assert neutral.sales[name].tobytes() == absent.sales[name].tobytes()


def test_bots_are_as_many_as_announced_whatever_the_policy():
    """100 sales of 72 customers and 36 bots each on average; the means to four standard errors, false alarm 1.3e-4."""
    scenario = sale({"screening": (0.0, 0.5, 1.0)}, stock=2000)
    free, strict = played(scenario, 1, 1, 0, sales=100), played(scenario, 0, 0, 2, sales=100)
    number = metric(free, "bot_units")
    assert abs(number.mean() - 36.0) < 4 * (36 / 100) ** 0.5
    assert abs(metric(free, "customers").mean() - 72.0) < 4 * (72 / 100) ** 0.5
    assert abs(number.var() / 36.0 - 1.0) < 4 * (2 / 100) ** 0.5, "Poisson"
    assert (metric(strict, "bots_caught") == number).all(), "the same bots, sale by sale"
    assert (metric(strict, "customers") == metric(free, "customers")).all()
    half = played(scenario, 1, 1, 1, sales=100)
    assert (metric(half, "bots_caught") + metric(half, "bot_units") == number).all()
    assert abs(metric(half, "bots_caught").mean() - 18.0) < 4 * (18 / 100) ** 0.5


def test_the_number_of_bots_follows_the_mix_of_the_sale():
    """Half the customers of each intent; bots come with one of them only, one per customer."""
    population = fs.Population(
        products=("a", "b"),
        utterances=("", ""),
        languages=("en", "en"),
        intent_probabilities=np.eye(9)[[0, 4]],
        latent_class=np.array([0, 4]),
        relevance=np.zeros((2, 2)),
        price_sensitivity=np.ones(2),
        coupon_affinity=np.ones(2),
        weight=np.ones(2),
    )
    scenario = sale({"share": {"gift": 1.0, "default": 0.0}}, stock=2000, shocks=fs.Shocks(mix_sd=3.0))
    simulator = played(scenario, 1, 1, sales=100, population=population)
    expected = 72.0 * (1.0 - simulator.sales["mix"][:, 0])
    number = metric(simulator, "bot_units")
    assert expected.std() > 10
    excess = (number - expected) / np.sqrt(np.maximum(expected, 1e-9))
    assert abs((number - expected).sum()) < 4 * expected.sum() ** 0.5
    assert np.corrcoef(number, expected)[0, 1] > 0.9
    assert abs((excess[expected > 1] ** 2).mean() - 1) < 0.5


def test_bots_come_as_fast_as_they_are():
    """The burst of a stream of speed 1 is that of the arrivals; at speed 4, four times as early."""
    arrivals = fs.Arrivals(12.0, burst_share=1.0, burst_scale=0.2)
    slow = sale({"speed": 1.0}, ticks=60, arrivals=arrivals)
    assert bots_per_tick(slow) == pytest.approx(slow.customers_per_tick)
    fast = bots_per_tick(dataclasses.replace(slow, bots=fs.Bots(0.5, speed=4.0)))
    assert fast.sum() == pytest.approx(slow.customers_per_tick.sum())
    assert fast[:15].sum() / fast.sum() == pytest.approx((1 - np.exp(-5.0)) / (1 - np.exp(-20.0)))


def test_bots_come_again_when_a_seckill_slot_begins():
    scenario = sale({"speed": 1000.0}, ticks=6, seckill=fs.Seckill((0.0, 3.0), 0.4, (0, 4)))
    assert bots_per_tick(scenario) == pytest.approx([36.0, 0, 0, 36.0, 0, 0])
    late = sale({"speed": 1000.0}, ticks=6, seckill=fs.Seckill((3.0,), 0.4, (0, 4)))
    assert bots_per_tick(late) == pytest.approx([36.0, 0, 0, 36.0, 0, 0])


def test_a_bot_buys_only_what_it_can_resell():
    """Resale value 1.5: bots buy at price 1, not at price 2; the harm is paid for each unit."""
    scenario = sale({"resale_share": 1.0, "units": 3, "harm_per_unit": 0.25}, stock=3000)
    cheap, dear = played(scenario, 1, 0), played(scenario, 0, 0)
    assert (metric(dear, "bot_units") == 0).all()
    assert (term(dear, "scalping") == 0).all()
    units = metric(cheap, "bot_units")
    assert (units > 0).all()
    assert (units % 3 == 0).all()
    assert term(cheap, "scalping") == pytest.approx(-0.25 * units)
    assert metric(cheap, "profit") == pytest.approx(term(cheap, "revenue") - 0.25 * units)


def test_units_and_money_are_conserved():
    scenario = sale({"units": 4, "screening": (0.0, 0.5), "false_positives": 0.5}, stock=9, seckill=fs.Seckill(
        (0.0, 3.0), 0.4, (0, 3)))  # fmt: skip
    simulator, _ = opened(scenario, log_rows=400)
    rng = np.random.default_rng(0)
    for _ in range(6):
        _, rewards, terms = simulator.advance(rng.integers(0, 2, (SALES, 5)))
        assert rewards == pytest.approx(terms.sum(axis=1))
        assert (simulator.sales["on_hand"] >= 0).all()
        assert (simulator.sales["on_hand"] + simulator.sales["sold"] == 9).all()
        assert (simulator.sales["seckill"]["left"] >= 0).all()
        assert (simulator.sales["demand"].sum(axis=1) == (simulator.sales["sold"] + simulator.sales["lost"]).sum(
            axis=1)).all()  # fmt: skip
    log, bots = simulator.choice_log(), simulator.sales["bots"]
    to_customers = np.bincount(log["row"], log["bought"] < 2, SALES)
    assert (to_customers + bots["units"] == simulator.sales["sold"].sum(axis=1)).all()
    assert (simulator.sales["visits"] + bots["turned_away"] == simulator.sales["customers"]).all()
    claimed = simulator.sales["seckill"]["claimed"]
    assert (bots["special"] <= np.minimum(claimed, bots["units"])).all()
    share = np.where(claimed > 0, 1 - bots["special"] / np.maximum(claimed, 1), 1.0)
    assert metric(simulator, "reached_customers") == pytest.approx(share)


def test_a_bot_that_pays_no_more_than_the_special_price_leaves_when_the_quota_ends():
    """Normal price 2 above the resale value of 1.5, special price .8: no bot takes a unit beyond the quota."""
    scenario = sale({"units": 5, "speed": 1.0}, stock=50, seckill=fs.Seckill((0.0,), 0.4, (0, 7)))
    simulator = played(scenario, 0, 0, 1, 1)
    bots = simulator.sales["bots"]
    assert (bots["units"] == bots["special"]).all()
    assert bots["units"].max() > 7


def test_strong_screening_turns_customers_away():
    """At strength s a share false_positives · s² of customers; 100 sales of 72, four standard errors."""
    scenario = sale({"screening": (0.0, 0.5, 1.0), "false_positives": 0.4}, stock=2000)
    turned = [played(scenario, 0, 0, level, sales=100) for level in range(3)]
    assert (metric(turned[0], "turned_away") == 0).all()
    for simulator, share in zip(turned[1:], (0.1, 0.4), strict=True):
        expected = 72.0 * share
        assert abs(metric(simulator, "turned_away").mean() - expected) < 4 * (expected / 100) ** 0.5
        assert (metric(simulator, "customers") == metric(turned[0], "customers")).all(), "they came, and count"
    assert (metric(turned[2], "turned_away") >= metric(turned[1], "turned_away")).all()


def test_the_shop_sees_requests_and_what_screening_stopped():
    scenario = sale({"screening": (0.0, 0.5), "false_positives": 0.5, "units": 1}, stock=2000, memory_minutes=5.0)
    simulator, observation = opened(scenario)
    layout = simulator.layout
    assert observation[:, layout["requests"]] == pytest.approx(0.0)
    requests = stopped = expected = np.zeros(SALES)
    decay = 0.5 ** (1 / 5.0)
    before = np.zeros(SALES)
    for t in range(6):
        action = np.tile([1, 1, t % 2], (SALES, 1))
        observation, _, _ = simulator.advance(action)
        bots = simulator.sales["bots"]
        caught = bots["caught"] + bots["turned_away"]
        requests = requests * decay + simulator.sales["tick_customers"]
        expected = expected * decay + 12.0
        stopped, before = stopped * decay + caught - before, caught.copy()
        assert observation[:, layout["requests"]].ravel() == pytest.approx(
            np.log((requests + 1) / (expected + 1)), abs=1e-5
        )
        assert observation[:, layout["caught"]].ravel() == pytest.approx(stopped / np.maximum(requests, 1), abs=1e-6)
        assert (observation[:, layout["screening"]] == 0.5 * (t % 2)).all()


@pytest.mark.parametrize(
    ("bots", "changes", "message"),
    [
        ({"share": 0.0}, {}, "share is 0, so no bot comes"),
        ({"share": -1.0}, {}, "bots.share must be at least 0"),
        ({"speed": 0.0}, {}, "bots.speed must lie between"),
        ({"units": 0}, {}, "bots.units must be at least 1"),
        ({"screening": (0.5, 1.2)}, {}, "bots.screening must rise"),
        ({"resale_share": 0.5}, {}, "no product can be had below its resale value"),
        ({"speed": 3.0}, {"horizon_ticks": 1}, "bots.speed 3 does nothing"),
        ({"false_positives": 0.5}, {}, "without screening no customer is turned away"),
        ({}, {"arrivals": fs.Arrivals(0.5, law="bernoulli")}, "needs arrivals.law 'poisson'"),
        ({"share": 99.0}, {"arrivals": fs.Arrivals(1e6)}, "at most 1e\\+08 may come"),
    ],
)
def test_settings_that_make_no_sense_are_refused(bots, changes, message):
    with pytest.raises(ValueError, match=message):
        sale(bots, **changes)


def test_bots_of_an_intent_that_nobody_has_are_a_warning():
    with pytest.warns(UserWarning, match="bots.share is 0 for all of their intents"):
        fs.Simulator(sale({"share": NOBODY}))


def test_a_burst_scale_without_a_burst_is_that_of_the_bots():
    arrivals = fs.Arrivals(12.0, burst_scale=0.5)
    assert sale({}, arrivals=arrivals).bots is not None
    with pytest.raises(ValueError, match=r"burst_scale 0\.5 does nothing while burst_share is 0"):
        sale(arrivals=arrivals)


def test_bounds_refuse_a_sale_with_bots():
    from flashsale_env.theory.bounds import DUAL_SCOPE, HINDSIGHT_SCOPE

    for scope in (DUAL_SCOPE, HINDSIGHT_SCOPE):
        assert "bots" in scope.why_not(sale({}))


# The lottery.


def test_a_lottery_admits_the_customers_of_a_window_in_its_last_tick():
    arrivals = fs.Arrivals(12.0, burst_share=0.5, burst_scale=0.2)
    first_come, lottery = sale(arrivals=arrivals), sale(arrivals=dataclasses.replace(arrivals, lottery_minutes=3.0))
    by_tick = first_come.customers_per_tick
    assert lottery.customers_per_tick == pytest.approx([0, 0, by_tick[:3].sum(), 0, 0, by_tick[3:].sum()])
    simulator, observation = opened(lottery)
    left = [observation[0, simulator.layout["customers_left"]].item()]
    for _ in range(6):
        observation, _, _ = simulator.advance(np.zeros((SALES, 2), int))
        left.append(observation[0, simulator.layout["customers_left"]].item())
    rest = by_tick[3:].sum() / by_tick.sum()
    assert left == pytest.approx([1, 1, 1, rest, rest, rest, 0])
    assert (simulator.sales["customers"] > 40).all()


def test_bots_wait_for_the_lottery_too():
    scenario = sale({"speed": 20.0}, lottery=3.0)
    assert bots_per_tick(scenario)[[0, 1, 3, 4]] == pytest.approx(0.0)
    assert bots_per_tick(scenario).sum() == pytest.approx(72.0)


def test_by_lottery_speed_buys_nothing():
    """Scarce units, and as many bots as customers who buy anything: half of the units, to four standard errors."""
    bots, scarce = (
        {"share": 1.0, "speed": fs.Bots.speed},
        {"customers": 40.0, "stock": 20, "prices": (2e-6, 1e-6), "ticks": 3},
    )
    share = []
    for lottery in (0.0, 3.0):
        simulator = played(sale(bots, lottery=lottery, **scarce), 0, 0, sales=100)
        assert (metric(simulator, "units_sold") == 40).all()
        share.append(metric(simulator, "bot_units").sum() / 4000)
    assert share[0] > 0.7, "first come, first served"
    assert abs(share[1] - 0.5) < 4 * 0.5 / 4000**0.5


@pytest.mark.parametrize(
    ("lottery", "changes", "message"),
    [
        (1.0, {}, "lottery_minutes 1 does nothing: it is one tick"),
        (2.5, {}, "lottery_minutes must be whole ticks of 1 minutes"),
        (4.0, {}, "lottery_minutes must be whole ticks"),
        (0.25, {}, "lottery_minutes must be whole ticks"),
        (12.0, {}, "e.g. 6, one window for the whole sale"),
        (3.0, {"arrivals": fs.Arrivals(0.5, law="bernoulli", lottery_minutes=3.0)}, "needs arrivals.law 'poisson'"),
        (6.0, {"arrivals": fs.Arrivals(9.0, 0.5, lottery_minutes=6.0)}, "admits all customers in the last tick"),
    ],
)
def test_a_lottery_that_does_not_fit_is_refused(lottery, changes, message):
    with pytest.raises(ValueError, match=message):
        sale(lottery=lottery, **changes)

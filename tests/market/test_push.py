"""Push: spending that brings customers of an audience, with falling returns, adstock and a budget."""

import dataclasses
import warnings

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.intents import INTENTS
from flashsale_env.theory.bounds import hindsight_bound, lagrangian_dual_bound
from tests.market.guests import assert_the_same_sale, customers, market, metric, play, random_levels, ticket

pytestmark = pytest.mark.uncompiled

NEVER = 1e-300
GIFTS = (("gift",), ("bulk", "browsing"))
PEOPLE = customers(("ticket",), 90)


def shop(**settings):
    """Ten customers a tick, of whom a push brings at most as many again."""
    given = {"spend": (0.0, 2.0, 6.0), "budget": 1e6, "lift": 1.0, "saturation": 4.0, "audiences": GIFTS}
    return ticket(arrivals=fs.Arrivals(10.0), push=fs.Push(**given | settings))


def spending(*levels):
    """The first price, and these levels of push in every tick, or a list of them for each tick."""

    def chosen(simulator, tick):
        wanted = np.zeros((len(simulator.sales), len(simulator.codec.names)), np.int64)
        now = levels[tick] if isinstance(levels[0], tuple) else levels
        wanted[:, simulator.codec.columns("push")] = now
        return wanted

    return chosen


def random_but_unpaid(simulator, tick):
    """Random levels of all decisions but the last ones, which cost money."""
    paid = sum(len(simulator.codec.columns(name)) for name in ("push", "bid"))
    high = simulator.codec.space.nvec
    wanted = np.zeros((len(simulator.sales), len(high)), np.int64)
    wanted[:, : len(high) - paid] = np.random.default_rng(tick).integers(
        0, high[: len(high) - paid], (len(wanted), len(high) - paid)
    )
    return wanted


def visits(simulator, row):
    """(K, 2) tick and voice of everybody who came to a sale."""
    log = simulator.choice_log()
    log = log[log["row"] == row]
    return np.column_stack([log["tick"], log["voice"]])


def test_a_sale_in_which_no_push_brings_anybody_is_the_sale_without_it():
    """Row 22: bit for bit, with coupon, offers, messages and lost sales."""
    people = customers(market().titles)
    assert_the_same_sale(
        play(market(), random_levels, log_rows=300, population=people),
        play(market(push=fs.Push((0.0, 5.0), 9.0, NEVER, 1.0)), random_but_unpaid, log_rows=300, population=people),
    )


def test_a_push_brings_customers_of_its_audience_and_changes_nobody_else():
    """The same people; whoever comes under some spending comes under more."""
    scenario = shop()
    none, some, more = (play(scenario, spending(level, 0), log_rows=3000, population=PEOPLE)[0] for level in (0, 1, 2))
    is_gift = PEOPLE.latent_class == INTENTS.index("gift")
    grown = 0
    for row in range(4):
        before, then, last = (visits(simulator, row) for simulator in (none, some, more))
        np.testing.assert_array_equal(before[~is_gift[before[:, 1]]], last[~is_gift[last[:, 1]]])
        for fewer, many in ((before, then), (then, last)):
            counts = {tuple(visit): 0 for visit in np.vstack([fewer, many]).tolist()}
            for visit in many.tolist():
                counts[tuple(visit)] += 1
            for visit in fewer.tolist():
                counts[tuple(visit)] -= 1
            assert min(counts.values()) >= 0
        grown += len(last) - len(before)
    assert grown > 0
    assert metric(more, "push_customers").sum() == grown
    assert metric(none, "push_customers").sum() == 0


def test_customers_come_at_the_rate_of_the_law():
    """Row 31 for two intents of three; four standard errors, a false alarm in 16,000 a group."""
    scenario = shop(lift={"gift": 0.5, "bulk": 2.0, "default": 1.0}, audiences=(("gift",), ("bulk",)))
    sales = 20
    simulator, _ = play(scenario, spending(1, 2), sales=sales, log_rows=2000, population=PEOPLE)
    weight = np.bincount(PEOPLE.latent_class, PEOPLE.weight, len(INTENTS))
    came = np.bincount(PEOPLE.latent_class[simulator.choice_log()["voice"]], minlength=len(INTENTS))
    rate = sales * 80 * weight / weight.sum()
    rate[INTENTS.index("gift")] *= 1 + 0.5 * (1 - np.exp(-2.0 / 4.0))
    rate[INTENTS.index("bulk")] *= 1 + 2.0 * (1 - np.exp(-6.0 / 4.0))
    assert (np.abs(came - rate) < 4 * np.sqrt(rate)).all()


def test_adstock_is_kept_by_its_half_life_and_shown_by_intent():
    """Half-life of two ticks; spending 6, 0, 2, then nothing, on the first audience."""
    scenario = shop(half_life_minutes=2.0)
    seen, kept, wanted = [], 2**-0.5, []
    levels = ((2, 0), (0, 0), (1, 0), *[(0, 0)] * 5)

    def look(simulator, observations, tick):
        seen.append(observations[0, simulator.layout["push_response"]].copy())

    simulator, _ = play(scenario, spending(*levels), population=PEOPLE, each=look)
    stock = 0.0
    for tick in range(8):
        stock = stock * kept + (6.0, 0.0, 2.0, *[0.0] * 5)[tick]
        wanted.append(stock)
    response = 1 - np.exp(-np.array(wanted) / 4.0)
    np.testing.assert_allclose(np.array(seen)[:, INTENTS.index("gift")], response, rtol=1e-6)
    others = [k for k, name in enumerate(INTENTS) if name != "gift"]
    assert not np.array(seen)[:, others].any()
    constant = {entry.name for entry in simulator.layout.entries if entry.constant}
    assert constant == {f"push_response[{name}]" for name in INTENTS if name not in ("gift", "bulk", "browsing")}


def test_spending_beyond_the_budget_is_cut_in_proportion_and_then_ends():
    """8 a tick of a budget of 20: 8, 8, then 4 shared 1 : 3, then nothing."""
    scenario = shop(budget=20.0)
    stocks, left = [], []

    def look(simulator, observations, tick):
        stocks.append(simulator.sales["push"]["adstock"][0, :2].tolist())
        left.append(float(observations[0, simulator.layout["push_budget"]][0]))

    simulator, _ = play(scenario, spending(1, 2), population=PEOPLE, each=look)
    np.testing.assert_allclose(stocks[:4], [[2, 6], [2, 6], [1, 3], [0, 0]])
    np.testing.assert_allclose(left[:4], [0.6, 0.2, 0.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(simulator.sales["money"][:, list(fs.REWARD_TERMS).index("push")], -20.0)
    np.testing.assert_allclose(metric(simulator, "push_spend"), 20.0)
    assert (simulator.sales["push"]["budget"] == 0.0).all()


def test_customers_expected_are_those_under_the_push():
    """In a sale with shocks of traffic the feature compares with them; here over an endless memory."""
    scenario = shop().replace(shocks=fs.Shocks(traffic_sd=0.3), memory_minutes=1e12)
    simulator, _ = play(scenario, spending(2, 0), population=PEOPLE)
    share = PEOPLE.weight[PEOPLE.latent_class == INTENTS.index("gift")].sum() / PEOPLE.weight.sum()
    expected = 8 * 10.0 * (1 + share * (1 - np.exp(-6.0 / 4.0)))
    np.testing.assert_allclose(simulator.sales["recent_expected"], expected, rtol=1e-6)


def test_the_bounds_hold_of_any_spending():
    scenario = shop(half_life_minutes=2.0)
    seeds = np.arange(4, dtype=np.uint64)
    simulator, _ = play(scenario, random_levels, population=PEOPLE)
    profit = metric(simulator, "profit")
    assert (profit <= hindsight_bound(scenario, PEOPLE, seeds=seeds).per_sale).all()
    assert profit.mean() <= lagrangian_dual_bound(scenario, PEOPLE, seeds=seeds).value


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"audiences": (("gifts",),)}, r"unknown intent in push.audiences 'gifts'.*'gift'"),
        ({"audiences": (("gift",), ("bulk", "gift"))}, "at most once, got 'gift' 2 times"),
        ({"audiences": ((),)}, "got an empty one"),
        ({"spend": (1.0, 2.0)}, r"push.spend must rise from 0.0"),
        ({"spend": (0.0,)}, r"push.spend must rise from 0.0"),
        ({"budget": 0.0}, "push.budget must be above 0"),
        ({"saturation": -1.0}, "push.saturation must be above 0"),
        ({"lift": -0.1}, "push.lift must be at least 0"),
        ({"half_life_minutes": -1.0}, "push.half_life_minutes must be at least 0"),
        ({"lift": {"gift": 1.0, "default": 0.0}}, "'bulk . browsing' can only be wasted on"),
    ],
)
def test_what_cannot_be_pushed_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        shop(**settings)


def test_a_half_life_in_a_single_tick_is_refused():
    with pytest.raises(ValueError, match=r"push.half_life_minutes 2 does nothing in a sale of one tick"):
        dataclasses.replace(shop(half_life_minutes=2.0), horizon_ticks=1)


def test_an_audience_of_nobody_is_reported():
    alike = fs.Population.homogeneous(("ticket",))
    with pytest.warns(UserWarning, match="has .gift., to which none of these customers belongs"):
        fs.Simulator(shop(audiences=(("gift",),)), alike)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fs.Simulator(shop(audiences=()), alike)

"""Ads: second-price auctions for further customers, by predicted intent, until the budget ends."""

import itertools

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.intents import INTENTS
from flashsale_env.theory.advertising import cost_of_auction, visits_of_auction
from flashsale_env.theory.bounds import hindsight_bound, lagrangian_dual_bound
from tests.market.guests import assert_the_same_sale, customers, market, metric, play, random_levels, ticket
from tests.market.test_push import PEOPLE, random_but_unpaid, visits

pytestmark = pytest.mark.uncompiled

NEVER = 1e-300
PREDICTED = PEOPLE.intent_probabilities.argmax(axis=1)


def shop(push=None, **settings):
    """Ten customers a tick, and as many auctions."""
    given = {"bids": (0.0, 0.5, 1.0), "auctions": 1.0, "rival_bid": 1.0, "budget": 1e6}
    return ticket(arrivals=fs.Arrivals(10.0), ads=fs.Ads(**given | settings), push=push)


def bidding(*levels, push=0):
    """The first price, and these levels of the bids in every tick."""

    def chosen(simulator, tick):
        wanted = np.zeros((len(simulator.sales), len(simulator.codec.names)), np.int64)
        wanted[:, simulator.codec.columns("bid")] = levels
        wanted[:, simulator.codec.columns("push")] = push
        return wanted

    return chosen


def test_a_sale_without_auctions_is_the_sale_without_ads():
    """Row 22: bit for bit, with coupon, offers, messages and lost sales."""
    people = customers(market().titles)
    assert_the_same_sale(
        play(market(), random_levels, log_rows=300, population=people),
        play(market(ads=fs.Ads((0.0, 5.0), NEVER, 1.0, 9.0)), random_but_unpaid, log_rows=300, population=people),
    )


def test_a_higher_bid_wins_whom_a_lower_one_wins_and_pays_the_same_for_them():
    """Everybody who comes without ads comes with them, at the same time."""
    scenario = shop()
    plays = [play(scenario, bidding(level), log_rows=3000, population=PEOPLE)[0] for level in range(3)]
    for fewer, more in itertools.pairwise(plays):
        for row in range(4):
            before, after = (visits(simulator, row).tolist() for simulator in (fewer, more))
            for visit in before:
                after.remove(visit)
            assert len(after) == metric(more, "ad_visits")[row] - metric(fewer, "ad_visits")[row]
        for field in ("won", "spend", "visits"):
            assert fewer.sales["ads"][field].sum() < more.sales["ads"][field].sum()
        np.testing.assert_array_equal(fewer.sales["ads"]["auctions"], more.sales["ads"]["auctions"])
    assert not plays[0].sales["ads"]["won"].any()
    # The second price of the market is paid, not the bid.
    assert (plays[2].sales["ads"]["spend"] < plays[2].sales["ads"]["won"] * 1.0).all()


def test_auctions_cost_and_bring_what_the_law_says():
    """Row 32: m/3 clicks and m²/6 in currency an auction; four standard errors."""
    for level, bid in ((1, 0.5), (2, 1.0)):
        simulator, _ = play(shop(), bidding(level), sales=20, population=PEOPLE)
        ads = simulator.sales["ads"]
        held = ads["auctions"].sum()
        assert abs(held - 20 * 80) < 4 * np.sqrt(20 * 80)
        assert abs(ads["visits"].sum() - held * visits_of_auction(bid)) < 4 * np.sqrt(held * 0.25)
        assert abs(ads["spend"].sum() - held * cost_of_auction(bid)) < 4 * np.sqrt(held / 12)


def test_other_lifts_leave_the_auctions_as_many():
    """Push messages lengthen the stream, and the auctions stay the same people under any spending."""
    push = fs.Push((0.0, 50.0), 1e6, 2.0, 4.0)
    found = [play(shop(push), bidding(1, push=level), sales=8, log_rows=3000, population=PEOPLE)[0] for level in (0, 1)]
    for field in ("auctions", "won", "visits", "spend"):
        np.testing.assert_array_equal(found[0].sales["ads"][field], found[1].sales["ads"][field])
    assert (found[1].sales["customers"] > found[0].sales["customers"]).all()
    held = found[0].sales["ads"]["auctions"].sum()
    assert abs(held - 8 * 80) < 4 * np.sqrt(8 * 80)
    own = found[0].sales["customers"].sum() - found[0].sales["ads"]["visits"].sum()
    assert abs(own - 8 * 80) < 4 * np.sqrt(8 * 80)


def test_bids_are_for_the_predicted_intent():
    scenario = shop(audiences=(("gift",), ("bulk", "browsing")))
    simulator, _ = play(scenario, bidding(0, 2), log_rows=3000, population=PEOPLE)
    quiet, _ = play(scenario, bidding(0, 0), log_rows=3000, population=PEOPLE)
    won = []
    for row in range(4):
        came = visits(simulator, row).tolist()
        for visit in visits(quiet, row).tolist():
            came.remove(visit)
        won += [INTENTS[PREDICTED[voice]] for _, voice in came]
    assert set(won) == {"bulk", "browsing"}
    # Nothing is held for people outside the audiences.
    everybody, _ = play(shop(), bidding(0), population=PEOPLE)
    inside = np.isin(PREDICTED, [INTENTS.index(name) for name in ("gift", "bulk", "browsing")])
    share = PEOPLE.weight[inside].sum() / PEOPLE.weight.sum()
    ratio = quiet.sales["ads"]["auctions"].sum() / everybody.sales["ads"]["auctions"].sum()
    assert ratio == pytest.approx(share, abs=0.15)


def test_the_budget_is_never_overspent_and_bids_end_with_it():
    left, wins = [], []

    def look(simulator, observations, tick):
        left.append(observations[:, simulator.layout["ad_budget"]][:, 0].copy())
        wins.append(observations[:, simulator.layout["ad_wins"]][:, 0].copy())

    simulator, rewards = play(shop(budget=2.0), bidding(2), population=PEOPLE, each=look)
    ads = simulator.sales["ads"]
    np.testing.assert_allclose(ads["spend"] + ads["budget"], 2.0)
    assert (ads["budget"] >= 0).all()
    assert (np.diff(left, axis=0) <= 0).all()
    assert np.mean(wins[0]) > 0.3
    assert np.mean(wins[-1]) < 0.1
    np.testing.assert_allclose(simulator.sales["money"][:, list(fs.REWARD_TERMS).index("ads")], -ads["spend"])
    np.testing.assert_allclose(rewards.sum(axis=0), simulator.sales["money"].sum(axis=1))
    np.testing.assert_allclose(metric(simulator, "cost_per_visit"), ads["spend"] / np.maximum(ads["visits"], 1))


def test_whom_an_ad_brought_is_expected():
    scenario = shop().replace(shocks=fs.Shocks(traffic_sd=0.3), memory_minutes=1e12)
    simulator, _ = play(scenario, bidding(2), population=PEOPLE)
    np.testing.assert_allclose(simulator.sales["recent_expected"], 80.0 + simulator.sales["ads"]["visits"])


def test_the_bounds_hold_of_any_bids():
    scenario = shop()
    seeds = np.arange(4, dtype=np.uint64)
    profit = metric(play(scenario, random_levels, population=PEOPLE)[0], "profit")
    assert (profit <= hindsight_bound(scenario, PEOPLE, seeds=seeds).per_sale).all()
    assert profit.mean() <= lagrangian_dual_bound(scenario, PEOPLE, seeds=seeds).value


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bids": (0.5, 1.0)}, r"ads.bids must rise from 0.0"),
        ({"auctions": 0.0}, "auctions is 0, so there is nobody to win"),
        ({"auctions": -1.0}, "ads.auctions must be at least 0"),
        ({"rival_bid": 0.0}, "ads.rival_bid must be above 0"),
        ({"budget": 0.0}, "ads.budget must be above 0"),
        ({"audiences": (("gift", "gift"),)}, "ads.audiences must name every intent at most once"),
    ],
)
def test_auctions_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        shop(**settings)

"""Past customers: how many come back, what their coupon does, and who is gone for good."""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.market.retention import customer_types
from flashsale_env.theory.customer_base import CustomerBase
from tests.market.campaigns import campaign, measured, opened, play_sale
from tests.market.guests import customers, ticket

pytestmark = pytest.mark.uncompiled

CDNOW = CustomerBase(0.243, 4.414, 0.793, 2.426)
COUPON = {"customers": 100.0, "visit_shape": 1.0, "visit_scale": 2.0, "coupon": (0.0, 0.1, 0.4)}


def test_the_types_have_the_moments_of_the_bg_nbd_model():
    """Exactly up to the seventh; here means and second moments."""
    r, alpha, a, b = 1.7, 3.0, 0.8, 2.0
    part = fs.Retention(10.0, visit_shape=r, visit_scale=alpha, dropout_a=a, dropout_b=b)
    rates, dropouts, shares = customer_types(part)
    assert shares.sum() == pytest.approx(1.0)
    assert (shares > 0).all()
    assert shares @ rates == pytest.approx(r / alpha)
    assert shares @ rates**2 == pytest.approx(r * (r + 1) / alpha**2)
    assert shares @ dropouts == pytest.approx(a / (a + b))
    assert shares @ dropouts**2 == pytest.approx(a * (a + 1) / ((a + b) * (a + b + 1)))
    assert shares @ (rates * dropouts) == pytest.approx(r / alpha * a / (a + b))


@pytest.mark.parametrize(("weeks", "within"), [(1.0, 1e-4), (10.0, 1e-3), (39.0, 0.013)])
def test_the_types_buy_as_cdnows_customers_are_expected_to(weeks, within):
    """A customer of rate l and dropout p buys (1 - exp(-l·p·t))/p times; the mean over types is the published one."""
    rates, dropouts, shares = customer_types(fs.Retention(10.0))
    found = shares @ (-np.expm1(-rates * dropouts * weeks) / dropouts)
    assert found == pytest.approx(float(CDNOW.expected_purchases(weeks)), rel=within)


def test_past_customers_come_as_the_types_say_and_drop_out_after_they_bought():
    """The state after each sale against the same law in numpy, with what the sales recorded."""
    population = customers(("ticket",))
    given = {**COUPON, "customers": 60.0, "most_returning": 60.0, "keeps": 0.5, "lift": 0.3}
    scenario = campaign(1000, {"days_between": 14.0}, given, choice=fs.Choice("exponential"))
    simulator = opened(scenario, population=population)
    rates, dropouts, shares = customer_types(scenario.retention)
    visits = 1.0 - np.exp(-rates * 2.0)
    weight = np.zeros(len(fs.INTENTS))
    np.add.at(weight, population.latent_class, population.weight / population.weight.sum())
    alive = np.broadcast_to(60.0 * np.outer(weight, shares), (4, 9, len(shares)))
    for levels in ((1, 2), (1, 1), (1, 0)):
        state = simulator.sales["retention"]
        assert state["alive"] == pytest.approx(alive, rel=1e-4)  # weights of voices have single precision
        expected = (alive @ visits).sum(axis=1)
        assert simulator.observe()[:, simulator.layout["returning"]][:, 0] == pytest.approx(expected / 60.0, rel=1e-5)
        was, *_ = play_sale(simulator, *levels)
        bought, new = was["retention"]["past_buyers"], was["retention"]["new_buyers"]
        assert bought.sum() > 5
        assert (bought.sum(axis=1) + new.sum(axis=1) == was["sold"][:, 0]).all()
        kept = 0.5 * (0.0, 0.1, 0.4)[levels[1]] / 0.4
        coming = (alive * visits).sum(axis=2, keepdims=True)
        of_type = np.divide(alive * visits, coming, out=np.zeros_like(alive), where=coming > 0)
        gone = dropouts * of_type * (bought * (1 - kept))[:, :, None]
        alive = alive - np.minimum(gone, alive) + new[:, :, None] * shares
    assert not measured(simulator)["past_customers_missed"].any()


def test_the_coupon_is_for_past_customers_alone():
    simulator = opened(campaign(1000, {}, COUPON))
    first, *_ = play_sale(simulator, 0, 2)
    bought, new = first["retention"]["past_buyers"].sum(axis=1), first["retention"]["new_buyers"].sum(axis=1)
    assert bought.sum() > 10
    assert first["retention"]["spend"] == pytest.approx(0.4 * bought)
    paid = first["money"][:, list(fs.REWARD_TERMS).index("revenue")]
    assert paid == pytest.approx(new + 0.6 * bought)
    assert measured(simulator)["retention_spend"] == pytest.approx(first["retention"]["spend"])


def test_a_coupon_changes_nobody_but_past_customers():
    """The others buy the same at the same price; with lift more of the same past customers come."""
    found = {}
    for level in (0, 1, 2):
        simulator = opened(campaign(1000, {}, {**COUPON, "lift": 1.0}))
        found[level] = play_sale(simulator, 0, level)[0]["retention"].copy()
    for level in (1, 2):
        assert np.array_equal(found[0]["new_buyers"], found[level]["new_buyers"])
    assert (found[0]["came"] <= found[1]["came"]).all()
    assert (found[1]["came"] <= found[2]["came"]).all()
    # 80 past customers expected without a coupon, twice as many with the deepest; z = 4.
    expected = found[0]["share_coming"].sum() * 20.0
    assert found[0]["came"].sum() == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert found[2]["came"].sum() == pytest.approx(2 * expected, abs=4 * np.sqrt(2 * expected))


def test_a_coupon_by_predicted_intent_reaches_only_that_intent():
    population = customers(("ticket",))
    scenario = campaign(1000, {}, {**COUPON, "by_intent": True}, messages=fs.Messages(1.0))
    simulator = opened(scenario, population=population)
    assert [simulator.codec.names[c] for c in simulator.codec.columns("retention")] == [
        f"retention[{name}]" for name in fs.INTENTS
    ]
    common = int(np.bincount(population.intent_probabilities.argmax(axis=1)).argmax())
    levels = np.zeros(len(simulator.codec.names), int)
    levels[simulator.codec.columns("retention")[common]] = 2
    some, *_ = play_sale(simulator, *levels)
    levels[simulator.codec.columns("retention")] = 2
    everyone = opened(scenario, population=population)
    all_of_them, *_ = play_sale(everyone, *levels)
    assert 0 < some["retention"]["spend"].sum() < all_of_them["retention"]["spend"].sum()


def test_more_past_customers_than_can_come_are_cut_off_and_counted():
    simulator = opened(campaign(1000, {}, {**COUPON, "customers": 1000.0}))
    expected = 1000.0 * (1 - (2.0 / 3.0))  # 1 - E[exp(-l)] for l of shape 1 and scale 2
    assert simulator.sales["retention"]["missed"] == pytest.approx(expected - 20.0, rel=2e-3)
    assert (simulator.sales["retention"]["share_coming"] == 1.0).all()
    closed, *_ = play_sale(simulator, 0, 0)
    assert closed["retention"]["came"].sum() == pytest.approx(80, abs=4 * np.sqrt(80))


def test_whoever_waits_at_the_close_is_told_of_the_next_sale():
    """Half of those who wait are expected, each in the class of that person; they have not bought before."""
    population = customers(("ticket",))
    scenario = campaign(1000, {}, {"watchers": 0.5}, waiting=fs.Waiting(stay=1.0, look_minutes=1.0))
    simulator = opened(scenario, population=population)
    assert not simulator.sales["retention"]["coming"].any()
    closed, *_ = play_sale(simulator, 0)
    state, watching = simulator.sales["retention"], closed["retention"]["watching"]
    assert (watching.sum(axis=1) == closed["waiting"]["number"]).all()
    assert (watching.sum(axis=1) > 0).all()
    assert np.array_equal(state["watchers"], 0.5 * watching)
    visits = 1 - np.exp(-customer_types(scenario.retention)[0])
    assert state["coming"] == pytest.approx(state["alive"] @ visits + 0.5 * watching)
    assert state["alive"].sum(axis=(1, 2)) == pytest.approx(closed["retention"]["new_buyers"].sum(axis=1))
    before = state.copy()
    then, *_ = play_sale(simulator, 1)
    bought, new = then["retention"]["past_buyers"], then["retention"]["new_buyers"]
    repeat = np.divide(before["alive"] @ visits, before["coming"], out=np.zeros((4, 9)), where=before["coming"] > 0)
    assert (bought * (1 - repeat)).sum() > 1
    joined = (new + bought * (1 - repeat)).sum(axis=1)
    at_most = before["alive"].sum(axis=(1, 2)) + joined
    alive = simulator.sales["retention"]["alive"].sum(axis=(1, 2))
    assert (alive <= at_most + 1e-9).all()
    assert (alive >= at_most - (bought * repeat).sum(axis=1) - 1e-9).all()


def test_past_customers_are_of_the_classes_of_those_who_bought():
    """Half of the customers never buy: none of them comes back, and every past customer buys again."""
    everybody = customers(("ticket",))
    eager = everybody.latent_class < 4
    population = dataclasses.replace(everybody, price_sensitivity=np.where(eager, 1e-6, 1e6).astype(np.float32))
    simulator = opened(campaign(1000, {}, {"visit_shape": 5.0, "visit_scale": 1.0}), population=population)
    first, *_ = play_sale(simulator, 1)
    assert 0 < first["sold"].sum() < first["customers"].sum()
    second, *_ = play_sale(simulator, 1)
    assert second["retention"]["came"].sum() > 10
    assert np.array_equal(second["retention"]["past_buyers"].sum(axis=1), second["retention"]["came"])


def test_whoever_waits_is_noted_in_the_own_class_also_a_past_customer():
    """Nobody buys and everybody waits: the classes of all visits of the sale, which the choice log knows."""
    population = dataclasses.replace(customers(("ticket",)), price_sensitivity=np.full(12, 1e6, np.float32))
    parts = {"waiting": fs.Waiting(stay=1.0, look_minutes=1e6), "shocks": fs.Shocks(mix_sd=3.0)}
    simulator = opened(campaign(1000, {}, COUPON, **parts), population=population, simulator=fs.Simulator)
    simulator.record_visits(256)
    for _ in range(simulator.scenario.horizon_ticks):
        simulator.advance(np.zeros((4, 2), int))
    log, state = simulator.choice_log(), simulator.sales["retention"]
    for row in range(4):
        classes = population.latent_class[log["voice"][(log["row"] == row) & (log["look"] == 0)]]
        assert np.array_equal(state["watching"][row], np.bincount(classes, minlength=len(fs.INTENTS)))
    assert state["came"].sum() > 20


def test_a_past_customer_who_waits_comes_back_as_the_same_person():
    """Before every later look there was one of the same voice, also where the mix of the sale is another one."""
    parts = {"waiting": fs.Waiting(stay=1.0, look_minutes=1.0), "shocks": fs.Shocks(mix_sd=3.0)}
    scenario = campaign(1000, {}, COUPON, **parts)
    simulator = opened(scenario, 2, customers(("ticket",), voices=900), simulator=fs.Simulator)
    simulator.record_visits(512)
    for _ in range(scenario.horizon_ticks):
        simulator.advance(np.zeros((2, 2), int))
    log = simulator.choice_log()
    seen = set()
    for visit in log:
        row, voice, look = int(visit["row"]), int(visit["voice"]), int(visit["look"])
        assert look == 0 or (row, voice, look - 1) in seen
        seen.add((row, voice, look))
    assert (log["look"] == 2).sum() > 20
    assert simulator.sales["retention"]["came"].sum() > 20


def test_friends_of_buyers_are_no_past_customers():
    """With a friend for everyone who buys, as many past customers come as without."""
    came = {}
    for contagion in (None, fs.Contagion(friends=0.9, minutes=0.5)):
        parts = {"contagion": contagion, "messages": fs.Messages(0.5), "targeted": fs.Targeted((0.0, 0.1))}
        simulator = opened(campaign(1000, {}, COUPON, **parts), population=customers(("ticket",)))
        closed, *_ = play_sale(simulator, *[1] * len(simulator.codec.names))
        came[contagion is not None] = closed["retention"]["came"]
        friends = closed["customers"].sum()
    assert np.array_equal(came[True], came[False])
    assert closed["contagion"]["came"].sum() > 10
    assert friends > came[True].sum()


def test_offers_and_the_coupon_are_booked_apart():
    """Everybody gets a tenth off by intent, past customers two fifths of the rest as well."""
    parts = {"messages": fs.Messages(1.0), "targeted": fs.Targeted((0.0, 0.1))}
    simulator = opened(campaign(1000, {}, COUPON, **parts), population=customers(("ticket",)))
    levels = np.ones(len(simulator.codec.names), int)
    levels[simulator.codec.columns("price")], levels[simulator.codec.columns("retention")] = 0, 2
    closed, *_ = play_sale(simulator, *levels)
    bought, sold = closed["retention"]["past_buyers"].sum(axis=1), closed["sold"][:, 0]
    assert (bought > 0).all()
    assert closed["targeted"]["spend"] == pytest.approx(0.1 * sold)
    assert closed["retention"]["spend"] == pytest.approx(0.9 * 0.4 * bought)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match=r"retention.visit_shape must lie in 0.001..1000, got 0"):
        fs.Retention(5.0, visit_shape=0.0)
    with pytest.raises(ValueError, match=r"retention.coupon must rise from 0.0 and stay below 1.0, got \[0.1, 0.2\]"):
        fs.Retention(5.0, coupon=(0.1, 0.2))
    with pytest.raises(ValueError, match=r"\[retention\] does nothing without \[campaign\]"):
        ticket(retention=fs.Retention(5.0))
    with pytest.raises(ValueError, match=r"most_returning is 0, so nobody comes back"):
        campaign(retention={"most_returning": 0.0})
    with pytest.raises(ValueError, match=r"retention.lift does nothing without a coupon"):
        campaign(retention={"lift": 0.5})
    with pytest.raises(ValueError, match=r"retention.watchers does nothing without \[waiting\]"):
        campaign(retention={"watchers": 0.5})
    with pytest.raises(ValueError, match=r"retention.by_intent does nothing without \[messages\]"):
        campaign(retention={**COUPON, "by_intent": True})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"arrivals": fs.Arrivals(0.5, law="bernoulli")}, "arrivals.law 'bernoulli'"),
        ({"arrivals": fs.Arrivals(0.0)}, "arrivals.customers_per_minute 0"),
    ],
)
def test_what_past_customers_cannot_be_combined_with_is_refused(parts, message):
    with pytest.raises(ValueError, match=rf"\[retention\] cannot be combined with .*{message}"):
        campaign(retention=COUPON, **parts)


@pytest.mark.parametrize("shape", [0.001, 1.0, 1000.0])
@pytest.mark.parametrize(("a", "b"), [(0.001, 1000.0), (0.5, 0.5), (1000.0, 0.001)])
def test_the_types_of_extreme_customers_have_the_right_means_too(shape, a, b):
    part = fs.Retention(10.0, visit_shape=shape, visit_scale=2.0, dropout_a=a, dropout_b=b)
    rates, dropouts, shares = customer_types(part)
    assert shares.sum() == pytest.approx(1.0)
    assert shares @ rates == pytest.approx(shape / 2.0)
    assert shares @ dropouts == pytest.approx(a / (a + b))

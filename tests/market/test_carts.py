"""Carts hold units that may come back; nothing is booked for what is never paid."""

import dataclasses
import math

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.theory.bounds import hindsight_bound
from flashsale_env.theory.carts import CartChain
from flashsale_env.views.text import render_text
from tests.contract.test_masks import draw, outputs

pytestmark = [
    pytest.mark.uncompiled,
    pytest.mark.filterwarnings("ignore:.messages. of scenario 'shop' carry no information"),
]

SALES = 6
AT_ONCE = fs.Carts(10.0, 1e12)
TERMS = list(fs.REWARD_TERMS)


def shop(carts=None, **changes):
    """Two scarce products, orders, a coupon and targeted offers; 12 ticks of 12 customers, of whom most want one."""
    products = tuple(
        fs.Product(
            title, (100.0, 80.0, 60.0), 10, unit_cost=40.0, salvage_value=20.0, holding_cost=6.0, reserve=20,
            order_levels=(0, 5), storage=14, lost_sale_penalty=1.0, reference_price=50.0, quality=2.0 + j,
        )
        for j, title in enumerate(("lamp", "fan"))
    )  # fmt: skip
    scenario = fs.Scenario(
        "shop", 12, 1.0, products, fs.Arrivals(12.0), carts=carts, messages=fs.Messages(0.5),
        replenishment=fs.Replenishment(2.0, 3.0, 1.0), targeted=fs.Targeted((0.0, 0.1)),
        coupon=fs.Coupon((0.0, 0.2), 200.0, traffic_lift=0.3),
    )  # fmt: skip
    return scenario.replace(**changes)


def one_product(carts, stock=1, ticks=12, rate=45.0, **changes):
    """A product that every customer wants at any price."""
    product = fs.Product("lamp", (100.0, 50.0), stock, quality=60.0, reference_price=1000.0)
    return fs.Scenario("any", ticks, 1.0, (dataclasses.replace(product, **changes),), fs.Arrivals(rate), carts=carts)


def opened(scenario, population=None, sales=SALES, **options):
    simulator = fs.Simulator(scenario, population, sales=sales, actions="multidiscrete", **options)
    simulator.open(np.arange(sales, dtype=np.uint64), np.zeros(sales, np.int64))
    return simulator


def ticks_of(simulator, level=None):
    """Play to the close, with one level of every decision or random ones; yields what `advance` returns."""
    rng = np.random.default_rng(3)
    for _ in range(simulator.scenario.horizon_ticks):
        shape = (len(simulator), len(simulator.codec.names))
        levels = rng.integers(0, simulator.codec.n_levels, shape)
        yield simulator.advance(levels if level is None else np.full(shape, level))


def metrics_of(simulator):
    return dict(zip(fs.METRICS, simulator.measure().T, strict=True))


# --- Present and neutral


def test_a_sale_in_which_carts_are_paid_at_once_is_one_without_carts():
    """Bit for bit: every field of the record, rewards, terms and all features but `reserved`."""
    plain, neutral = opened(shop()), opened(shop(AT_ONCE))
    shown = np.ones(neutral.layout.size, bool)
    shown[neutral.layout["reserved"]] = False
    for (a, *money), (b, *same_money) in zip(ticks_of(plain), ticks_of(neutral), strict=True):
        assert a.tobytes() == b[:, shown].tobytes()
        assert [x.tobytes() for x in money] == [x.tobytes() for x in same_money]
    for name in plain.sales.dtype.names:
        assert plain.sales[name].tobytes() == neutral.sales[name].tobytes(), name
    assert (neutral.sales["sold"].sum(axis=1) > 10).all()
    assert (neutral.sales["coupon"]["redeemed"] > 0).all()
    assert (neutral.sales["carts"]["opened"] == neutral.sales["sold"].sum(axis=1)).all()


# --- Books


@pytest.mark.parametrize("carts", [fs.Carts(3.0, 0.2, 0.1), fs.Carts(1.5, 0.5), fs.Carts(100.0, 0.05)])
def test_units_money_and_budgets_are_conserved_in_every_tick(carts):
    simulator = opened(shop(carts))
    sales, held_at_times = simulator.sales, 0
    earned = np.zeros(SALES)
    for _, rewards, terms in ticks_of(simulator):
        state, coupon = sales["carts"], sales["coupon"]
        assert (sales["on_hand"] + state["reserved"] + sales["sold"] == 10 + sales["received"]).all()
        assert (state["reserved"] == (state["paying"] + state["lapsing"]).sum(axis=1)).all()
        assert (sales["on_hand"] >= 0).all()
        in_open_carts = state["budget"].sum(axis=1)
        np.testing.assert_allclose(coupon["budget"] + coupon["spend"] + in_open_carts, 200.0, rtol=1e-12)
        assert (coupon["budget"] >= 0.0).all()
        np.testing.assert_allclose(rewards, terms.sum(axis=1))
        earned += terms[:, TERMS.index("revenue")]
        held_at_times += (state["reserved"] > 0).sum()
    assert held_at_times > 20
    assert (sales["carts"]["reserved"] == 0).all()
    assert not sales["carts"]["money"].any()
    np.testing.assert_allclose(metrics_of(simulator)["revenue"], earned)
    assert (earned > 0).all()


def test_a_cart_that_is_never_paid_costs_and_earns_nothing():
    """No revenue, no spent discounts, no returns, and all units and the whole budget back at the close."""
    scenario = shop(fs.Carts(3.0, 1e-15), returns=fs.Returns(0.5))
    simulator = opened(scenario)
    for _ in ticks_of(simulator, level=1):
        pass
    found, sales = metrics_of(simulator), simulator.sales
    assert (found["carted"] > 10).all()
    for name in ("revenue", "units_sold", "coupon_spend", "targeted_spend", "refunds", "return_rate", "conversion"):
        assert (found[name] == 0).all(), name
    assert (found["cart_abandonment"] == 1).all()
    assert (sales["on_hand"] == 10 + sales["received"]).all()
    np.testing.assert_allclose(sales["coupon"]["budget"], 200.0)
    np.testing.assert_allclose(
        sales["money"][:, TERMS.index("salvage")], 20.0 * (sales["on_hand"] + sales["inbound"].sum(axis=1)).sum(axis=1)
    )


def test_units_in_carts_cost_holding_and_take_room_in_the_storage():
    """Nobody pays: 10 units for an hour at 6 an hour, wherever they are, and room for orders of 4."""
    simulator = opened(shop(fs.Carts(50.0, 1e-15), horizon_ticks=12))
    for _, _, terms in ticks_of(simulator, level=1):
        units = simulator.sales["on_hand"] + simulator.sales["carts"]["reserved"]
        assert (units + simulator.sales["inbound"].sum(axis=1) <= 14).all()
        np.testing.assert_allclose(terms[:, TERMS.index("holding")], -6.0 / 60.0 * units.sum(axis=1))
    assert (simulator.sales["ordered"] == 4).all()


# --- When carts end


def test_a_hold_ends_in_the_tick_in_which_it_runs_out():
    """The only unit, taken in tick 0 and held for 3 ticks, is in a cart after ticks 0, 1 and 2, not after tick 3."""
    simulator = opened(one_product(fs.Carts(3.0, 1e-15)))
    reserved = [simulator.sales["carts"]["reserved"][:, 0].copy() for _ in ticks_of(simulator)]
    assert np.array_equal(np.array(reserved).T, np.tile([1, 1, 1, 0], (SALES, 3)))


def test_a_price_decides_who_opens_a_cart_and_not_how_it_ends():
    """Everybody wants the product at both prices: the same carts, at another price."""
    ends = []
    for level in (0, 1):
        simulator = opened(one_product(fs.Carts(4.0, 0.2), stock=300, rate=5.0))
        played = ticks_of(simulator, level)
        for _ in range(6):
            next(played)
        state = simulator.sales["carts"]
        ends.append([state[name].copy() for name in ("paying", "lapsing", "money")])
    for dear, cheap in zip(*ends, strict=True):
        assert dear.any()
        np.testing.assert_array_equal(dear, cheap if dear.dtype.kind == "i" else 2.0 * cheap)


@pytest.mark.parametrize(("paid", "given_up"), [(0.1, 0.0), (0.1, 0.15)])
def test_the_share_of_paid_carts_is_that_of_the_first_of_three_ends(paid, given_up):
    """Also of the carts that are open at the close."""
    simulator = opened(one_product(fs.Carts(6.0, paid, given_up), stock=10**6, rate=80.0), sales=8)
    for _ in ticks_of(simulator):
        pass
    total = paid + given_up
    share = paid / total * (1.0 - math.exp(-6.0 * total))
    carts = simulator.sales["carts"]["opened"].sum()
    found = simulator.sales["sold"].sum() / carts
    # About 7,700 carts; z = 4: one false alarm in 16,000.
    assert found == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / carts))


def test_who_pays_may_depend_on_the_true_intent():
    """Gift buyers pay at once and all others never: what is sold is what gift buyers put in carts."""
    by_intent = fs.Carts(5.0, {"gift": 1e12, "default": 0.0})
    population = dataclasses.replace(
        fs.Population.homogeneous(["lamp"]),
        **{
            name: np.repeat(getattr(fs.Population.homogeneous(["lamp"]), name), 2, axis=0)
            for name in ("intent_probabilities", "relevance", "price_sensitivity", "coupon_affinity", "weight")
        },
        utterances=("", ""),
        languages=("en", "en"),
        latent_class=np.array([fs.INTENTS.index("gift"), fs.INTENTS.index("browsing")]),
    )
    simulator = opened(one_product(by_intent, stock=10**4, rate=10.0), population, log_rows=400)
    for _ in ticks_of(simulator):
        pass
    log = simulator.choice_log()
    gifts = np.bincount(log["row"][log["voice"] == 0], minlength=SALES)
    assert 0 < gifts.sum() < len(log)
    assert np.array_equal(simulator.sales["sold"][:, 0], gifts)


def test_a_hold_beyond_the_close_needs_no_more_slots_than_the_sale_has_ticks():
    """A hold of a year: the same sale as one of twice its length, in which no hold ends either."""
    ended = []
    for hold in (24.0, 525_600.0):
        simulator = opened(shop(fs.Carts(hold, 0.05, 0.05), horizon_ticks=6, tick_minutes=1.0))
        for _ in ticks_of(simulator):
            pass
        assert simulator.sales["carts"]["budget"].shape[1] == 16
        ended.append(metrics_of(simulator)["carted"])
    assert np.array_equal(*ended)


# --- What a shop sees


def test_the_reader_of_units_counts_carts_as_neither_free_nor_sold():
    simulator = opened(shop(fs.Carts(3.0, 0.2)))
    units, sales = fs.UnitReader(simulator.scenario), simulator.sales
    for observations, _, _ in ticks_of(simulator):
        reserved, in_transit = sales["carts"]["reserved"], sales["inbound"].sum(axis=1)
        np.testing.assert_array_equal(units.reserved(observations), reserved)
        np.testing.assert_array_equal(units.position(observations), sales["on_hand"] + reserved + in_transit)
        np.testing.assert_array_equal(units.sold(observations), sales["sold"])
        np.testing.assert_array_equal(
            units.to_order(observations),
            np.minimum(sales["reserve"], 14 - sales["on_hand"] - reserved - in_transit),
        )
    plain = fs.UnitReader(shop())
    assert not plain.reserved(np.zeros((2, fs.Layout(shop()).size), np.float32)).any()


def test_a_product_of_which_units_are_in_carts_is_not_sold_out_for_good():
    simulator = opened(one_product(fs.Carts(3.0, 1e-15)))
    masks = fs.ActionMasks(simulator.scenario, "multidiscrete")
    observations = next(ticks_of(simulator))[0]
    assert (simulator.sales["on_hand"] == 0).all()
    assert masks(observations).all()
    hidden = simulator.scenario.replace(observe=("time_left", "on_hand"))
    assert "position" not in fs.UnitReader(hidden)
    assert fs.ActionMasks(hidden, "multidiscrete")(observations[:, [0, 2]]).all()


@pytest.mark.parametrize("encoding", ["multidiscrete", "discrete"])
def test_a_masked_action_earns_what_an_allowed_one_earns(encoding):
    """In three more ticks too, within which the units of every open cart come back."""
    scenario = shop(fs.Carts(2.0, 0.5), coupon=None)
    scenario = scenario.replace(
        products=tuple(dataclasses.replace(p, initial_stock=4, reserve=3) for p in scenario.products)
    )
    simulator = fs.Simulator(scenario, sales=8, actions=encoding)
    observations = simulator.open(np.arange(8, dtype=np.uint64), np.zeros(8, np.int64))
    masks, codec, rng = fs.ActionMasks(scenario, encoding), simulator.codec, np.random.default_rng(0)
    masked = 0
    for _ in range(scenario.horizon_ticks):
        allowed = masks(observations)
        action = draw(codec, np.ones((8, outputs(codec)), bool), rng)
        if encoding == "discrete":
            lower = np.array([np.flatnonzero(row[: a + 1])[-1] for row, a in zip(allowed, action, strict=True)])
        else:
            lower = np.minimum(action, masks.highest_levels(observations))
        before, outcomes = simulator.sales.copy(), []
        for played in (action, lower):
            simulator.sales[:] = before
            rewards = simulator.advance(played)[1]
            rewards += sum(simulator.advance(np.zeros_like(played))[1] for _ in range(3))
            outcomes.append(rewards)
        np.testing.assert_array_equal(*outcomes)
        masked += (action != lower).sum()
        simulator.sales[:] = before
        observations = simulator.advance(action)[0]
    assert masked > 20


def test_metrics_count_carts_that_have_ended():
    simulator = opened(shop(fs.Carts(3.0, 0.2)))
    reserved = []
    for _ in ticks_of(simulator):
        state, found = simulator.sales["carts"], metrics_of(simulator)
        reserved.append(state["reserved"].sum(axis=1))
        sold = simulator.sales["sold"].sum(axis=1)
        assert np.array_equal(found["carted"], sold + state["lapsed"] + reserved[-1])
        np.testing.assert_allclose(found["cart_abandonment"], state["lapsed"] / np.maximum(sold + state["lapsed"], 1))
        np.testing.assert_allclose(found["mean_reserved"], np.mean(reserved, axis=0))


def test_a_view_shows_units_in_carts():
    simulator = opened(one_product(fs.Carts(3.0, 1e-15)))
    next(ticks_of(simulator))
    lines = render_text(simulator.scenario, simulator.sales[0]).splitlines()
    assert "carts +" in lines[1]
    assert "[++++++++++++++++++++++++]" in lines[2]
    assert "carts" not in render_text(shop(), opened(shop()).sales[0])


# --- Theory


@pytest.mark.parametrize(
    ("cart_minutes", "sold", "all_gone"), [(5.0, 7.4875, 0.1065), (15.0, 8.7196, 0.2771), (60.0, 8.9984, 0.3582)]
)
def test_the_chain_of_free_and_held_units(cart_minutes, sold, all_gone):
    """10 units, a cart a minute, paid at rate .1; computed in two independent ways, to four digits."""
    chain = CartChain(10, 1.0, 0.1, 1.0 / cart_minutes)
    law = chain.limit(30.0)
    assert law @ np.arange(11) == pytest.approx(sold, abs=5e-5)
    assert law[-1] == pytest.approx(all_gone, abs=5e-5)
    assert law.sum() == pytest.approx(1.0)
    # The error of ticks vanishes in proportion to their length.
    errors = [law[-1] - chain.law(30.0, ticks)[-1] for ticks in (30, 300)]
    assert errors[0] > 5 * errors[1] > 0


# --- Refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hold_minutes": 0.0}, "hold_minutes must be above 0, got 0; leave \\[carts\\] out"),
        ({"paid_per_minute": 0.0}, "paid_per_minute must be above 0 for some intent, or nothing is ever sold"),
        ({"paid_per_minute": -1.0}, "carts.paid_per_minute must be at least 0, got -1"),
        ({"given_up_per_minute": {"gift": -1.0, "default": 0.0}}, "carts.given_up_per_minute must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        fs.Carts(**{"hold_minutes": 15.0, **settings})


def test_a_hold_below_one_tick_and_one_of_very_many_ticks_are_refused():
    with pytest.raises(ValueError, match=r"hold_minutes 0.5 is shorter than a tick of 1 minutes.* ticks of 0.05 min"):
        shop(fs.Carts(0.5))
    with pytest.raises(ValueError, match=r"are 2e\+04 ticks of 0.001 minutes.* at most 16,384 are played"):
        shop(fs.Carts(20.0), horizon_ticks=100_000, tick_minutes=0.001)


def test_bounds_and_exact_solvers_refuse_carts():
    scenario = fs.load_scenario("gvr-periodic").replace(carts=fs.Carts(15.0))
    with pytest.raises(ValueError, match="carts"):
        hindsight_bound(scenario, seeds=np.arange(2, dtype=np.uint64))
    with pytest.raises(ValueError, match="carts"):
        agents.make("dp", scenario)

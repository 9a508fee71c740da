"""Identities that hold exactly in every sale."""

import dataclasses
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flashsale_env as fs
from flashsale_env.scenario import REWARD_TERMS

REVENUE = list(REWARD_TERMS).index("revenue")

MONEY_TOLERANCE = 1e-6


def constant(*levels):
    """A policy with the same levels in every tick."""
    return lambda tick, n, codec: np.tile(np.asarray(levels), (n, 1))


def levels_of(codec, price=0, order=0, coupon=0):
    levels = np.zeros(len(codec.names), np.int64)
    levels[codec.columns("price")], levels[codec.columns("order")] = price, order
    levels[codec.columns("coupon")] = coupon
    return levels


def test_units_are_conserved(standard, play, random_levels):
    sales = play(standard, random_levels).sales
    opening = np.array([p.initial_stock for p in standard.products])
    reserve = np.array([p.reserve for p in standard.products])
    assert (sales["on_hand"] + sales["sold"] == opening + sales["received"]).all()
    assert (sales["received"] + sales["inbound"].sum(axis=1) == sales["ordered"]).all()
    assert (sales["ordered"] + sales["reserve"] == reserve).all()
    for name in ("on_hand", "reserve", "inbound", "sold", "lost", "ordered"):
        assert (sales[name] >= 0).all(), name
    assert sales["ordered"].sum() > 0


def test_every_wanted_unit_is_sold_lost_or_replaced(standard, play, random_levels):
    sales = play(standard, random_levels).sales
    assert (sales["demand"].sum(axis=1) == sales["sold"].sum(axis=1) + sales["lost"].sum(axis=1)).all()
    assert sales["lost"].sum() > 0


def test_revenue_is_the_sum_of_what_customers_paid(standard, play, random_levels):
    simulator = play(standard, random_levels, log_rows=40_000)
    reference = np.array([p.reference_price for p in standard.products])
    log = simulator.choice_log()
    for i, sale in enumerate(simulator.sales):
        visits = log[log["row"] == i]
        buyers = visits[visits["bought"] < len(reference)]
        product = buyers["bought"]
        share = np.where(buyers["clips"].astype(bool)[:, None], buyers["coupon_price_share"], buyers["price_share"])
        paid = share[np.arange(len(buyers)), product] * reference[product]
        assert paid.sum() == pytest.approx(sale["money"][REVENUE], rel=1e-6)


def test_a_sold_out_product_is_never_bought(standard, play, random_levels):
    simulator = play(standard, random_levels, log_rows=40_000)
    visits = simulator.choice_log()
    buyers = visits[visits["bought"] < len(standard.products)]
    assert buyers["available"][np.arange(len(buyers)), buyers["bought"]].all()
    assert not visits["available"].all(), "something must have sold out for this to say anything"


def test_a_log_names_the_voices_of_the_population(standard, play, random_levels):
    """Bargain hunters clip four coupons in five, urgent buyers one in ten: the log must name the right voices."""
    simulator = play(standard, lambda t, n, codec: np.tile(levels_of(codec, coupon=1), (n, 1)), log_rows=40_000)
    visits = simulator.choice_log()
    offered = (visits["coupon_price_share"] < visits["price_share"]).any(axis=1)
    affinity = simulator.population.coupon_affinity[visits["voice"]]
    assert np.corrcoef(affinity[offered], visits["clips"][offered])[0, 1] > 0.4


def test_reward_terms_sum_to_the_reward_and_money_terms_to_the_profit(standard, random_levels):
    simulator = fs.Simulator(standard, sales=6, actions="multidiscrete")
    simulator.open(np.arange(6, dtype=np.uint64), np.zeros(6, np.int64))
    total = np.zeros((6, len(fs.REWARD_TERMS)))
    for tick in range(standard.horizon_ticks):
        _, rewards, terms = simulator.advance(random_levels(tick, 6, simulator.codec))
        assert (rewards == np.array([sum(row) for row in terms.tolist()])).all()
        total += terms
    profit = simulator.measure()[:, list(fs.METRICS).index("profit")]
    money = [term.is_money for term in fs.REWARD_TERMS.values()]
    assert profit == pytest.approx(total[:, money].sum(axis=1) - standard.opening_stock_cost, abs=MONEY_TOLERANCE)
    assert total[:, list(fs.REWARD_TERMS).index("lost_sales")].sum() < 0


def test_one_sale_is_a_slice_of_many(standard, play, random_levels):
    """Sale 3 of 8 is bit for bit the same sale run alone with the same seed."""
    actions = [
        random_levels(tick, 8, fs.ActionCodec(standard, "multidiscrete")) for tick in range(standard.horizon_ticks)
    ]
    many = play(standard, lambda tick, n, codec: actions[tick])
    alone = fs.Simulator(standard, sales=1, actions="multidiscrete")
    alone.open(np.array([3], np.uint64), np.zeros(1, np.int64))
    for tick in range(standard.horizon_ticks):
        alone.advance(actions[tick][3:4])
    assert alone.sales[0].tobytes() == many.sales[3].tobytes()


def test_threads_change_nothing(standard, play):
    policy = constant(*levels_of(fs.ActionCodec(standard), price=3, order=1, coupon=2))
    one = play(standard, policy, n=64, threads=1)
    for threads in (2, 5):
        several = play(standard, policy, n=64, threads=threads)
        assert several._threads > 1, "the batch is too small to be split, so this compares nothing"
        assert several.sales.tobytes() == one.sales.tobytes()


def test_concurrent_batches_do_not_disturb_each_other(standard, play):
    policy = constant(*levels_of(fs.ActionCodec(standard), price=3))
    expected = play(standard, policy, n=64, threads=1).sales.tobytes()
    found = []
    workers = [
        threading.Thread(target=lambda: found.append(play(standard, policy, n=64, threads=2).sales.tobytes()))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [expected] * 4


def test_a_snapshot_replays_exactly(standard, random_levels):
    simulator = fs.Simulator(standard, sales=4, actions="multidiscrete")
    simulator.open(np.arange(4, dtype=np.uint64), np.zeros(4, np.int64))
    for tick in range(20):
        simulator.advance(random_levels(tick, 4, simulator.codec))
    snapshot = simulator.sales.copy()
    later = [random_levels(tick, 4, simulator.codec) for tick in range(20, 60)]
    first = [simulator.advance(action)[0] for action in later]
    simulator.sales[:] = snapshot
    second = [simulator.advance(action)[0] for action in later]
    assert np.array_equal(first, second)


def test_two_prices_meet_the_same_customers(standard, play):
    """Arrivals, and first choices among the *other* products, do not depend on the price of one product."""
    codec = fs.ActionCodec(standard, "multidiscrete")
    dear, cheap = levels_of(codec), levels_of(codec)
    cheap[codec.columns("price")[2]] = 4
    a = play(standard, constant(*dear), log_rows=40_000)
    b = play(standard, constant(*cheap), log_rows=40_000)
    assert (a.sales["customers"] == b.sales["customers"]).all()
    assert (a.choice_log()["voice"] == b.choice_log()["voice"]).all()
    others = np.arange(8) != 2
    assert (b.sales["demand"][:, others] <= a.sales["demand"][:, others]).all(), "only product 2 became cheaper"
    assert (b.sales["demand"][:, 2] > a.sales["demand"][:, 2]).all()


def test_an_unused_option_changes_nothing(standard, play):
    """Unused orders leave every visit as it is without them, bit for bit."""
    codec = fs.ActionCodec(standard, "multidiscrete")
    full = play(standard, constant(*levels_of(codec, price=2)))
    products = tuple(fs.Product(**{**vars(p), "reserve": 0, "order_levels": (0,)}) for p in standard.products)
    small = standard.replace(products=products, replenishment=None)
    reduced = play(small, constant(*([2] * 8 + [0])))
    for name in ("customers", "sold", "demand", "lost", "on_hand"):
        assert (full.sales[name] == reduced.sales[name]).all(), name


def test_an_order_serves_customers_after_its_lead_time(standard, play):
    lead = standard.lead_ticks
    assert lead == 8
    simulator = fs.Simulator(standard, sales=1, actions="multidiscrete")
    simulator.open(np.zeros(1, np.uint64), np.zeros(1, np.int64))
    for tick in range(lead + 1):
        assert simulator.sales["received"].sum() == 0
        simulator.advance(levels_of(simulator.codec, order=1 if tick == 0 else 0)[None])
    assert (simulator.sales["received"][0] == [p.order_levels[1] for p in standard.products]).all()


def test_orders_near_the_close_are_paid_and_salvaged(standard, play):
    """Costs cannot be pushed past the close: a useless last order costs more than its salvage."""
    codec = fs.ActionCodec(standard, "multidiscrete")
    idle = play(standard, constant(*levels_of(codec)))
    late = play(standard, lambda t, n, codec: np.tile(levels_of(codec, order=3 if t == 59 else 0), (n, 1)))
    profit = list(fs.METRICS).index("profit")
    units = np.array([min(p.order_levels[3], p.reserve) for p in standard.products])
    loss = sum(
        u * (p.unit_cost - p.salvage_value + standard.replenishment.freight_per_unit)
        + standard.replenishment.order_cost
        for u, p in zip(units, standard.products, strict=True)
    )
    assert idle.measure()[:, profit] - late.measure()[:, profit] == pytest.approx(np.full(8, loss))


def test_a_coupon_never_costs_more_than_its_budget(standard, play):
    sales = play(standard, constant(*levels_of(fs.ActionCodec(standard, "multidiscrete"), coupon=4))).sales
    assert (sales["coupon"]["spend"] <= standard.coupon.budget + MONEY_TOLERANCE).all()
    assert sales["coupon"]["spend"] + sales["coupon"]["budget"] == pytest.approx(np.full(8, standard.coupon.budget))
    assert sales["coupon"]["spend"].mean() > 0.9 * standard.coupon.budget


def test_a_coupon_adds_customers_and_keeps_the_others(standard, play):
    codec = fs.ActionCodec(standard, "multidiscrete")
    without = play(standard, constant(*levels_of(codec)))
    with_coupon = play(standard, constant(*levels_of(codec, coupon=1)))
    lift = with_coupon.sales["customers"].sum() / without.sales["customers"].sum() - 1
    assert 0 < lift <= standard.coupon.traffic_lift * 1.1


def test_a_coupon_that_cannot_be_honoured_attracts_no_customers(standard, play):
    """Otherwise a budget just short of one redemption would lift traffic until the close at no cost."""
    codec = fs.ActionCodec(standard, "multidiscrete")
    cheapest = min(product.list_price for product in standard.products)
    budget = 0.99 * cheapest * standard.coupon.depths[1]
    short = standard.replace(coupon=replace(standard.coupon, budget=budget))
    shown = play(short, constant(*levels_of(codec, coupon=1)))
    assert np.array_equal(shown.sales["customers"], play(short, constant(*levels_of(codec))).sales["customers"])
    enough = standard.replace(coupon=replace(standard.coupon, budget=1.02 * budget))
    assert (play(enough, constant(*levels_of(codec, coupon=1))).sales["customers"] > shown.sales["customers"]).any()


def test_a_targeted_offer_is_for_customers_with_that_predicted_intent():
    """The others see the same prices as without it; customers with that predicted intent pay less and buy more."""
    scenario = fs.load_scenario("intent")
    products = tuple(dataclasses.replace(p, initial_stock=10**5) for p in scenario.products)
    offered = scenario.replace(products=products, targeted=fs.Targeted((0.0, 0.4)))
    nobody = len(products)
    played = []
    for depth in (0, 1):
        simulator = fs.Simulator(offered, sales=4, actions="multidiscrete", log_rows=40_000)
        simulator.open(np.arange(4, dtype=np.uint64), np.zeros(4, np.int64))
        codec = simulator.codec
        levels = np.zeros((4, len(codec.names)), np.int64)
        levels[:, codec.columns("targeted")[2]] = depth
        assert codec.names[codec.columns("targeted")[2]] == f"targeted[{fs.INTENTS[2]}]"
        for _ in range(10):
            simulator.advance(levels)
        played.append(simulator.choice_log())
    plain, targeted = played
    predicted = simulator.population.intent_probabilities.argmax(axis=1)[plain["voice"]]
    meant = predicted == 2
    assert (plain["voice"] == targeted["voice"]).all()
    assert targeted["price_share"][meant] == pytest.approx(0.6 * plain["price_share"][meant])
    assert (targeted["price_share"][~meant] == plain["price_share"][~meant]).all()
    assert (targeted["bought"][meant] < nobody).sum() > 1.2 * (plain["bought"][meant] < nobody).sum()
    assert (targeted["bought"][~meant] == plain["bought"][~meant]).all()
    spent = simulator.measure()[:, list(fs.METRICS).index("targeted_spend")]
    assert (spent > 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1.5])
def test_an_invalid_box_action_plays_nothing(standard, bad):
    simulator = fs.Simulator(standard, sales=3)
    simulator.open(np.arange(3, dtype=np.uint64), np.zeros(3, np.int64))
    before = simulator.sales.tobytes()
    actions = np.zeros((3, 17))
    actions[2, 5] = bad
    wanted = r"be a number, got nan" if np.isnan(bad) else r"lie in \[-1, 1\]"
    with pytest.raises(ValueError, match=rf"sale 2, column 5 \(price\[Skin care gift set\]\) must {wanted}"):
        simulator.advance(actions)
    assert simulator.sales.tobytes() == before


def test_actions_of_the_wrong_shape_or_type_are_refused(standard):
    simulator = fs.Simulator(standard, sales=3, actions="multidiscrete")
    simulator.open(np.arange(3, dtype=np.uint64), np.zeros(3, np.int64))
    with pytest.raises(ValueError, match=r"must have shape \(3, 17\)"):
        simulator.advance(np.zeros((3, 16), np.int64))
    with pytest.raises(ValueError, match="must hold numbers"):
        simulator.advance(np.zeros((3, 17)))
    with pytest.raises(ValueError, match="must hold numbers"):
        simulator.advance([["a"] * 17] * 3)
    with pytest.raises(ValueError, match=r"column 0 .* must be a level in 0..7, got 8"):
        simulator.advance(np.full((3, 17), 8))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**64 - 1),
    stock=st.integers(0, 40),
    reserve=st.integers(1, 40),
    customers=st.floats(0.0, 300.0),
    burst=st.floats(0.0, 0.9),
    ticks=st.integers(1, 12),
    lead=st.floats(0.0, 20.0),
    sd=st.floats(0.0, 3.0),
    depth=st.floats(0.01, 0.99),
    budget=st.floats(0.01, 100.0),
)
def test_any_sale_keeps_its_books(seed, stock, reserve, customers, burst, ticks, lead, sd, depth, budget):
    """Conservation, finite bounded observations and money in balance, over random and extreme scenarios."""
    products = tuple(
        fs.Product(f"p{j}", (9.0, 5.0, 0.01), stock, unit_cost=2.0, salvage_value=1.0, reserve=reserve,
                   order_levels=(0, 7), quality=3.0 * j)
        for j in range(2)
    )  # fmt: skip
    scenario = fs.Scenario(
        name="any", horizon_ticks=ticks, tick_minutes=2.0, products=products,
        arrivals=fs.Arrivals(customers, burst_share=burst if ticks > 1 else 0.0),
        replenishment=fs.Replenishment(lead_minutes=min(lead, 14.0, 2.0 * (ticks - 1)), order_cost=1.0),
        coupon=fs.Coupon((0.0, depth), budget, traffic_lift=0.5),
        shocks=fs.Shocks(sd, sd, min(sd, 1.0), sd), messages=fs.Messages(0.5, 5.0),
    )  # fmt: skip
    simulator = fs.Simulator(scenario, sales=2)
    rng = np.random.default_rng(seed)
    observations = simulator.open(np.array([seed, seed // 2], np.uint64), np.zeros(2, np.int64))
    for _ in range(ticks):
        assert np.isfinite(observations).all()
        assert (observations >= simulator.layout.low).all()
        assert (observations <= simulator.layout.high).all()
        observations, rewards, _ = simulator.advance(rng.uniform(-1, 1, (2, len(simulator.codec.names))))
        assert np.isfinite(rewards).all()
    sales = simulator.sales
    inbound = sales["inbound"].sum(axis=1)
    assert (sales["on_hand"] + sales["sold"] + inbound + sales["reserve"] == stock + reserve).all()
    assert min(sales[name].min() for name in ("on_hand", "reserve", "inbound", "sold", "lost")) >= 0
    assert (sales["coupon"]["budget"] >= -MONEY_TOLERANCE).all()
    assert (sales["money"][:, REVENUE] <= 9.0 * sales["sold"].sum(axis=1) + MONEY_TOLERANCE).all()

"""Properties of every sale, over random scenarios, customers and actions."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flashsale_env as fs
from flashsale_env.scenario import REWARD_TERMS
from flashsale_env.theory.bounds import DUAL_SCOPE, HINDSIGHT_SCOPE, hindsight_bound, lagrangian_dual_bound
from tests.core.strategies import SALES, markets

REVENUE = list(REWARD_TERMS).index("revenue")

EXAMPLES = 60
any_market = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
LOG_ROWS = 20_000
# One intent under a shock of the mix, or a coupon that no customer clips: settings without effect.
pytestmark = pytest.mark.filterwarnings("ignore:.*(among|of) these customers")
EPISODES = np.zeros(SALES, np.int64)


def random_actions(simulator, rng):
    """Box actions, a third of them at the ends of the box."""
    shape = (len(simulator), len(simulator.codec.names))
    extreme = rng.random(shape) < 1 / 3
    return np.where(extreme, rng.choice([-1.0, 1.0], shape), rng.uniform(-1.0, 1.0, shape))


def opened(market, **options):
    scenario, population, seeds, rng = market
    simulator = fs.Simulator(scenario, population, **{"sales": SALES, **options})
    return simulator, simulator.open(seeds[: len(simulator)], EPISODES[: len(simulator)]), rng


@any_market
@given(markets())
def test_units_and_money_are_conserved(market):
    """on hand + inbound + sold = initial + ordered; revenue is what customers paid; nothing is negative."""
    simulator, _, rng = opened(market, log_rows=LOG_ROWS)
    scenario = simulator.scenario
    initial = np.array([p.initial_stock for p in scenario.products])
    reserve = np.array([p.reserve for p in scenario.products])
    storage = np.array([p.storage for p in scenario.products])
    money = np.zeros((SALES, len(fs.REWARD_TERMS)))
    for _ in range(scenario.horizon_ticks):
        _, rewards, terms = simulator.advance(random_actions(simulator, rng))
        assert (rewards == np.array([sum(row) for row in terms.tolist()])).all()
        money += terms
        sales = simulator.sales
        inbound = sales["inbound"].sum(axis=1)
        assert (sales["on_hand"] + inbound + sales["sold"] == initial + sales["ordered"]).all()
        assert ((sales["on_hand"] + inbound <= storage) | (storage == 0)).all()
        if not (scenario.replenishment and scenario.replenishment.unlimited):
            assert (sales["reserve"] + sales["ordered"] == reserve).all()
        for name in ("on_hand", "reserve", "inbound", "sold", "lost", "ordered", "tick_revenue"):
            assert (sales[name] >= 0).all(), name
        assert (sales["demand"].sum(axis=1) == sales["sold"].sum(axis=1) + sales["lost"].sum(axis=1)).all()
    assert money == pytest.approx(simulator.sales["money"])
    if scenario.coupon:
        spent = simulator.sales["coupon"]["spend"] + simulator.sales["coupon"]["budget"]
        assert spent == pytest.approx(np.full(SALES, scenario.coupon.budget))
    reference = np.array([p.reference_price for p in scenario.products])
    log = simulator.choice_log()
    for i, sale in enumerate(simulator.sales):
        visits = log[log["row"] == i]
        buyers = visits[visits["bought"] < len(reference)]
        product, rows = buyers["bought"], np.arange(len(buyers))
        assert buyers["available"][rows, product].all(), "bought although it was out or not offered"
        assert (np.bincount(product, minlength=len(reference)) == sale["sold"]).all()
        share = np.where(buyers["clips"].astype(bool)[:, None], buyers["coupon_price_share"], buyers["price_share"])
        assert (share[rows, product] * reference[product]).sum() == pytest.approx(sale["money"][REVENUE], rel=1e-5)


@any_market
@given(markets())
def test_observations_are_finite_inside_their_bounds_and_share_no_memory(market):
    """And entries declared constant are constant."""
    simulator, observations, rng = opened(market)
    layout, seen = simulator.layout, [observations]
    for _ in range(simulator.scenario.horizon_ticks):
        seen.append(simulator.advance(random_actions(simulator, rng))[0])
        assert not np.shares_memory(seen[-1], seen[-2])
    everything = np.concatenate(seen)
    assert np.isfinite(everything).all()
    assert (everything >= layout.low).all()
    assert (everything <= layout.high).all()
    constant = [entry.index for entry in layout.entries if entry.constant]
    assert (np.ptp(everything[:, constant], axis=0) == 0).all()


@any_market
@given(markets())
def test_no_policy_earns_more_than_hindsight_in_any_sale(market):
    simulator, _, rng = opened(market)
    for _ in range(simulator.scenario.horizon_ticks):
        simulator.advance(random_actions(simulator, rng))
    scenario, population, seeds, _ = market
    if HINDSIGHT_SCOPE.why_not(scenario, population) is not None:
        assert scenario.choice.model not in ("mnl", "nested", "mixed", "exponential")
        return
    bound = hindsight_bound(scenario, population, seeds=seeds).per_sale
    profit = simulator.measure()[:, list(fs.METRICS).index("profit")]
    assert (profit <= bound + 1e-4 * (1.0 + np.abs(bound))).all()


@settings(any_market, max_examples=25)
@given(markets())
def test_no_policy_earns_more_than_the_dual_on_average(market):
    """Mean of 24 sales, 4.5 standard errors."""
    scenario, population, seeds, rng = market
    if DUAL_SCOPE.why_not(scenario, population) is not None:
        assert scenario.choice.model not in ("mnl", "nested", "exponential")
        return
    seeds = np.concatenate([seeds + np.uint64(10 * k) for k in range(4)])
    simulator = fs.Simulator(scenario, population, sales=len(seeds))
    simulator.open(seeds, np.zeros(len(seeds), np.int64))
    for _ in range(scenario.horizon_ticks):
        simulator.advance(random_actions(simulator, rng))
    bound = lagrangian_dual_bound(scenario, population, seeds=seeds)
    gap = bound.per_sale - simulator.measure()[:, list(fs.METRICS).index("profit")]
    assert gap.mean() >= -4.5 * gap.std() / len(gap) ** 0.5 - 1e-4 * (1.0 + abs(bound.value))


@any_market
@given(markets())
def test_slices_threads_and_snapshots_change_nothing(market):
    """A batch, one of its sales alone, the batch on three threads, and a replay from a snapshot: the same bits."""
    simulator, _, rng = opened(market)
    ticks = simulator.scenario.horizon_ticks
    actions = [random_actions(simulator, rng) for _ in range(ticks)]
    half = ticks // 2
    for action in actions[:half]:
        simulator.advance(action)
    snapshot = simulator.sales.copy()
    first = [simulator.advance(action) for action in actions[half:]]
    simulator.sales[:] = snapshot
    second = [simulator.advance(action) for action in actions[half:]]
    for a, b in zip(first, second, strict=True):
        assert all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))

    threaded, _, _ = opened(market, threads=3)
    threaded._threads = 3  # such a small batch would not be split otherwise
    for action in actions:
        threaded.advance(action)
    assert threaded.sales.tobytes() == simulator.sales.tobytes()

    scenario, population, seeds, _ = market
    alone = fs.Simulator(scenario, population)
    alone.open(seeds[4:5], EPISODES[:1])
    for action in actions:
        alone.advance(action[4:5])
    assert alone.sales[0].tobytes() == simulator.sales[4].tobytes()


@any_market
@given(markets(), st.floats(1.01, 50.0))
def test_raising_a_price_never_raises_its_own_purchase_probability(market, factor):
    """Customer by customer: a buyer at the higher price buys at the lower one; choices of other products stay."""
    scenario, population, seeds, _ = market
    first = dataclasses.replace(scenario.products[0], initial_stock=10**6, storage=0, may_be_withheld=False)
    others = [dataclasses.replace(p, initial_stock=10**6, storage=0) for p in scenario.products[1:]]
    no_orders = {"reserve": 0, "order_levels": (0,)}
    bought = []
    for prices in ((first.list_price * factor, 0.001), (first.list_price, 0.001)):
        changed = (dataclasses.replace(first, price_levels=prices, **no_orders),)
        changed += tuple(dataclasses.replace(p, **no_orders) for p in others)
        sale = scenario.replace(
            products=changed,
            replenishment=None,
            coupon=None,
            targeted=None,
            pricing=fs.Pricing(),
            horizon_ticks=1,
            choice=dataclasses.replace(scenario.choice, drift=scenario.choice.drift[:1]),
            arrivals=fs.Arrivals(scenario.arrivals.customers_per_minute),
        )
        simulator = fs.Simulator(sale, population, sales=SALES, actions="multidiscrete", log_rows=LOG_ROWS)
        simulator.open(seeds, EPISODES)
        simulator.advance(np.zeros((SALES, len(simulator.codec.names)), np.int64))
        log = simulator.choice_log()
        bought.append([log["bought"][log["row"] == i] for i in range(SALES)])
    for dear, cheap in zip(*bought, strict=True):
        assert len(dear) == len(cheap)
        assert (cheap[dear == 0] == 0).all()
        elsewhere = (dear != 0) & (cheap != 0)
        assert (dear[elsewhere] == cheap[elsewhere]).all()


@any_market
@given(markets())
def test_unused_options_change_nothing(market):
    """Orders, coupon, messages, storage and withholding, all present and never used: the same visits."""
    scenario, population, seeds, _ = market
    plain = scenario.replace(
        products=tuple(
            dataclasses.replace(p, reserve=0, order_levels=(0,), storage=0, may_be_withheld=False,
                                initial_stock=p.initial_stock or 3, price_levels=(p.list_price, p.list_price / 2))
            for p in scenario.products
        ),
        replenishment=None, coupon=None, targeted=None, messages=None, pricing=fs.Pricing(),
        shocks=fs.Shocks(*(0.3 * scenario.choice.has_utilities,) * 2, 0.0, 0.3),
    )  # fmt: skip
    rich = plain.replace(
        products=tuple(
            dataclasses.replace(p, reserve=9, order_levels=(0, 3), storage=200, may_be_withheld=True)
            for p in plain.products
        ),
        replenishment=fs.Replenishment(6.0 if scenario.horizon_ticks > 3 else 0.0, 1.0, 1.0),
        coupon=fs.Coupon((0.0, 0.5), 10.0),
        targeted=fs.Targeted((0.0, 0.5)),
        messages=fs.Messages(0.5, 10.0),
    )  # fmt: skip
    played = []
    for sale in (plain, rich):
        simulator = fs.Simulator(sale, population, sales=SALES, actions="box")
        simulator.open(seeds, EPISODES)
        prices = np.random.default_rng(1)
        for _ in range(sale.horizon_ticks):
            levels = np.zeros((SALES, len(simulator.codec.names)), np.int64)
            shares = prices.random((SALES, len(sale.products)))
            counts = [len(p.price_levels) for p in sale.products]
            picked = (shares * counts).astype(np.int64)
            columns = simulator.codec.columns("price")
            levels[:, columns] = picked[:, simulator.codec.numbers_of(columns)]
            simulator.advance(simulator.codec.from_levels(levels))
        played.append(simulator.sales)
    for name in ("customers", "sold", "demand", "lost", "on_hand", "appeal", "mix"):
        assert played[0][name].tobytes() == played[1][name].tobytes(), name
    assert played[0]["money"][:, REVENUE].tobytes() == played[1]["money"][:, REVENUE].tobytes()

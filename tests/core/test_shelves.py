"""A product that is not offered is not wanted, and an empty shelf carries no promotion."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given

import flashsale_env as fs
from flashsale_env.market.pricing import NOT_OFFERED
from tests.core.strategies import SALES, markets
from tests.core.test_properties import any_market

# Near the least price sensitivity that a population may have: its customers hardly react to prices.
INSENSITIVE = 2e-6
LIFT = 0.5


def opened(scenario, population=None, sales=SALES, seeds=None, **options):
    simulator = fs.Simulator(scenario, population, sales=sales, actions="multidiscrete", **options)
    simulator.open(np.arange(sales, dtype=np.uint64) if seeds is None else seeds, np.zeros(sales, np.int64))
    return simulator


def random_levels(simulator, rng):
    return rng.integers(0, simulator.codec.n_levels, (len(simulator), len(simulator.codec.names)))


def column(simulator, name):
    return simulator.codec.names.index(name)


def everybody_wants(stock, **changes):
    """One product at 100 or 90, or withheld, that every customer wants; 20 ticks of 45 customers."""
    product = fs.Product("lamp", (100.0, 90.0), stock, quality=60.0, reference_price=1000.0, may_be_withheld=True)
    product = dataclasses.replace(product, **changes)
    return fs.Scenario("any", 20, 1.0, (product,), fs.Arrivals(45.0))


# --- Not offered


@any_market
@given(markets())
def test_a_product_that_is_not_offered_is_neither_wanted_nor_bought(market):
    """While it is on hand, for any customers, including some who hardly react to prices."""
    scenario, population, seeds, rng = market
    scenario = scenario.replace(
        products=tuple(dataclasses.replace(p, may_be_withheld=True) for p in scenario.products), pricing=fs.Pricing()
    )
    sensitivity = population.price_sensitivity.copy()
    sensitivity[::2] = INSENSITIVE
    population = dataclasses.replace(population, price_sensitivity=sensitivity)
    simulator = opened(scenario, population, seeds=seeds, log_rows=2_000)
    sales, withheld_in = simulator.sales, []
    for _ in range(scenario.horizon_ticks):
        demand, sold = sales["demand"].copy(), sales["sold"].copy()
        simulator.advance(random_levels(simulator, rng))
        withheld = (sales["price"] == 0) & (sales["on_hand"] > 0)
        assert (sales["demand"] == demand)[withheld].all()
        assert (sales["sold"] == sold)[withheld].all()
        assert (sales["price_share"][withheld] == NOT_OFFERED).all()
        withheld_in.append(withheld)
    log = simulator.choice_log()
    assert not log["available"][np.stack(withheld_in)[log["tick"], log["row"]]].any()


@pytest.mark.parametrize("model", sorted(fs.CHOICE_MODELS))
def test_customers_who_hardly_react_to_prices_do_not_buy_a_product_that_is_not_offered(model):
    tastes = 0.0 if model == "exponential" else 60.0
    own = {"sensitivity_sd": 5.0} if model == "mixed" else {}  # some customers are 1e-20 times as price-sensitive
    scenario = everybody_wants(1000, quality=tastes).replace(choice=fs.Choice(model, drift=(1000.0,), **own))
    population = fs.Population.homogeneous(["lamp"])
    population = dataclasses.replace(population, price_sensitivity=np.full(1, INSENSITIVE, np.float32))
    simulator = opened(scenario, population)
    simulator.advance(np.full((SALES, 1), 2))
    assert (simulator.sales["customers"] > 0).all()
    assert simulator.sales["demand"].sum() == simulator.sales["sold"].sum() == 0
    simulator.advance(np.zeros((SALES, 1), np.int64))
    assert (simulator.sales["sold"].sum(axis=1) > 0).all(), "offered, it sells"


# --- Empty shelves


def empty_and_nothing_arrives(simulator, levels):
    """(N, M) products that are out of stock for the whole tick, under these levels of the decisions."""
    sales, codec, scenario = simulator.sales, simulator.codec, simulator.scenario
    slot = sales["tick"] % (scenario.lead_ticks + 1)
    arriving = sales["inbound"][np.arange(len(sales)), slot] > 0
    if scenario.lead_ticks == 0:
        columns = codec.columns("order")
        arriving[:, codec.numbers_of(columns)] |= levels[:, columns] > 0
    return (sales["on_hand"] == 0) & ~arriving


def seen_from_outside(simulator):
    """Money, metrics and traffic of the sales; not the prices, which are the policy's own."""
    sales = simulator.sales
    return [simulator.measure(), *(sales[name] for name in ("money", "customers", "demand", "lost", "recent_expected"))]


@any_market
@given(markets())
def test_prices_and_promotions_on_an_empty_shelf_change_nothing(market):
    """Any price of a product out of stock, any promotion if all are: the same rewards and metrics, bit for bit."""
    scenario, population, seeds, rng = market
    products = tuple(
        dataclasses.replace(
            p,
            may_be_withheld=True,
            lost_sale_penalty=7.0,
            initial_stock=min(p.initial_stock, 3),
            price_levels=(p.list_price, p.list_price / 2, p.list_price / 50),
        )
        for p in scenario.products
    )
    coupon = scenario.coupon or fs.Coupon((0.0, 0.3), 500.0, traffic_lift=0.0)
    scenario = scenario.replace(products=products, pricing=fs.Pricing(), coupon=coupon)
    one, other = (opened(scenario, population, seeds=seeds) for _ in range(2))
    codec = one.codec
    for _ in range(scenario.horizon_ticks):
        levels, shown = random_levels(one, rng), random_levels(one, rng)
        out = empty_and_nothing_arrives(one, levels)
        changed = levels.copy()
        for c in codec.columns("price"):
            changed[:, c] = np.where(out[:, codec.numbers_of(np.array([c]))[0]], shown[:, c], levels[:, c])
        promotions = np.concatenate([codec.columns("coupon"), codec.columns("targeted")])
        changed[:, promotions] = np.where(out.all(axis=1)[:, None], shown[:, promotions], levels[:, promotions])
        for a, b in zip(one.advance(levels)[1:], other.advance(changed)[1:], strict=True):
            assert a.tobytes() == b.tobytes()
        for a, b in zip(seen_from_outside(one), seen_from_outside(other), strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("shown", [1, 2], ids=["another price", "not offered"])
def test_the_penalty_of_lost_sales_cannot_be_dodged_on_an_empty_shelf(shown):
    """100 units for 900 customers: at any price on the empty shelf, 8 of 9 customers are lost."""
    scenario = everybody_wants(100, lost_sale_penalty=20.0)
    played = []
    for level in (0, shown):
        simulator = opened(scenario)
        total = np.zeros(SALES)
        for _ in range(scenario.horizon_ticks):
            levels = np.where(simulator.sales["on_hand"] == 0, level, 0)
            total += simulator.advance(levels)[1]
        played.append((total, simulator.measure()))
    assert np.array_equal(played[0][0], played[1][0])
    assert np.array_equal(played[0][1], played[1][1])
    metrics = dict(zip(fs.METRICS, played[0][1].T, strict=True))
    assert metrics["fill_rate"] == pytest.approx(np.full(SALES, 100 / 900), rel=0.15)  # customers are 900 ± 30
    assert (metrics["units_sold"] == 100).all()
    assert (played[0][0] < 0).all()


def test_a_product_out_of_stock_is_wanted_at_the_price_of_its_last_unit():
    """Sold out at the higher price, it is wanted less often than if it sold out at the lower one."""
    wanted = {}
    for level in (0, 1):
        scenario = everybody_wants(1, quality=0.0, price_levels=(100.0, 1.0), reference_price=50.0)
        simulator = opened(scenario, sales=32)
        simulator.advance(np.full((32, 1), level))
        assert (simulator.sales["on_hand"] == 0).mean() > 0.9
        demand = simulator.sales["demand"].sum()
        for _ in range(10):
            simulator.advance(np.full((32, 1), 1 - level))
        wanted[level] = simulator.sales["demand"].sum() - demand
    # 14,400 customers; P(wants) = 1 / (1 + e^2) = .119 and 1 / (1 + e^.02) = .495
    assert wanted[0] / 14_400 == pytest.approx(0.119, abs=0.03)
    assert wanted[1] / 14_400 == pytest.approx(0.495, abs=0.03)


def test_a_product_that_never_had_a_unit_is_wanted_at_list_price():
    product = fs.Product(
        "lamp", (100.0, 1.0), 0, reserve=5, order_levels=(0, 5), reference_price=50.0, may_be_withheld=True
    )
    scenario = fs.Scenario("any", 10, 1.0, (product,), fs.Arrivals(45.0), replenishment=fs.Replenishment())
    demands = []
    for level in range(3):
        simulator = opened(scenario)
        for _ in range(10):
            simulator.advance(np.tile([level, 0], (SALES, 1)))
        demands.append(simulator.sales["demand"].copy())
    assert (demands[0] > 0).all()
    assert all(np.array_equal(demands[0], demand) for demand in demands)


def test_the_price_of_the_action_counts_from_the_tick_in_which_stock_arrives():
    """Ordered in tick 0 with a lead of 2, always withheld: in demand while out of stock (ticks 0, 1), then no more."""
    product = fs.Product("lamp", (100.0,), 0, reserve=5, order_levels=(0, 5), quality=60.0, may_be_withheld=True)
    scenario = fs.Scenario(
        "any", 4, 1.0, (product,), fs.Arrivals(45.0), replenishment=fs.Replenishment(lead_minutes=2.0)
    )
    simulator = opened(scenario)
    demand = []
    for tick in range(4):
        simulator.advance(np.tile([1, int(tick == 0)], (SALES, 1)))
        demand.append(simulator.sales["demand"][:, 0].copy())
    assert (np.diff([np.zeros(SALES), *demand], axis=0)[:2] > 0).all()
    assert np.array_equal(demand[1], demand[3])
    assert (simulator.sales["on_hand"] == 5).all()


# --- Coupons


def couponed(stock, budget=1e9, price=100.0, **shocks):
    """A lamp that every customer wants, a bulb that none does, 20 ticks of 100 customers, a coupon of 20 %."""
    lamp = fs.Product("lamp", (price,), stock, quality=60.0)
    bulb = fs.Product("bulb", (1e6,), 10, quality=-60.0, may_be_withheld=True)
    return fs.Scenario(
        "any",
        20,
        1.0,
        (lamp, bulb),
        fs.Arrivals(100.0),
        coupon=fs.Coupon((0.0, 0.2), budget, traffic_lift=LIFT),
        shocks=fs.Shocks(**shocks),
    )


def played_with_coupon(scenario, *, withhold, coupon=1, sales=20, ticks=None):
    simulator = opened(scenario, sales=sales)
    levels = np.zeros((sales, len(simulator.codec.names)), np.int64)
    levels[:, column(simulator, "price[bulb]")] = withhold
    levels[:, column(simulator, "coupon")] = coupon
    for _ in range(ticks or scenario.horizon_ticks):
        observations = simulator.advance(levels)[0]
    return simulator, observations


@pytest.mark.parametrize(("budget", "withhold"), [(1e9, 1), (1000.0, 0)], ids=["withheld", "dearer than the budget"])
def test_a_coupon_only_for_a_sold_out_product_attracts_no_customers(budget, withhold):
    """The lamp sells out with its first customer, and the bulb cannot carry the coupon: traffic is as without it."""
    lifted, _ = played_with_coupon(couponed(1, budget), withhold=withhold)
    plain, _ = played_with_coupon(couponed(1, budget), withhold=withhold, coupon=0)
    # 40,000 customers; the first of each sale may have come for the coupon.
    assert plain.sales["customers"].sum() == pytest.approx(40_000, abs=4 * 200)
    assert (np.abs(lifted.sales["customers"] - plain.sales["customers"]) <= 1).all()
    full, _ = played_with_coupon(couponed(10**6), withhold=withhold)
    # z = 4 at 60,000 customers: one false alarm in 16,000.
    assert full.sales["customers"].sum() == pytest.approx(40_000 * (1 + LIFT), abs=4 * 245)


def test_the_traffic_feature_expects_the_lift_of_the_coupon():
    """A lift of .5 in every tick: observed traffic is that of the shock, here 1 up to noise, and not 1.5."""
    scenario = couponed(10**6, traffic_sd=1e-9)
    simulator, observations = played_with_coupon(scenario, withhold=0)
    traffic = observations[:, simulator.layout["traffic"]]
    # Recent customers are about 14 ticks of 150: standard deviation .022 per sale, .005 of the mean; z = 4.
    assert traffic.mean() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(("stock", "budget"), [(30, 1e9), (10**6, 620.0)], ids=["shelf empty", "budget spent"])
def test_the_lift_of_a_coupon_is_expected_until_it_ends_in_mid_tick(stock, budget):
    """It ends after 30 lamps: customers and expected customers agree over 2,000 sales of one tick."""
    scenario = couponed(stock, budget)
    simulator, _ = played_with_coupon(scenario, withhold=1, sales=2_000, ticks=1)
    sales = simulator.sales
    ended = sales["coming_share"] == 1.0 / (1.0 + LIFT)
    assert ended.mean() > 0.99
    came, expected = sales["customers"].astype(np.float64), sales["recent_expected"]
    assert 102 < expected.mean() < 130, "lifted for about a fifth of the tick"
    # Customers less expected customers is a martingale: z = 4, one false alarm in 16,000.
    difference = came - expected
    assert abs(difference.mean()) < 4 * difference.std() / 2_000**0.5


# --- No stock at the start


def test_a_sale_that_starts_without_stock_has_finite_features_and_a_sell_through():
    """Unlimited supply and no opening stock: nothing owned and nothing sold is a sell-through of 0."""
    product = fs.Product("lamp", (9.0,), 0, order_levels=(0, 5), storage=20, quality=60.0)
    scenario = fs.Scenario("any", 5, 1.0, (product,), fs.Arrivals(3.0), replenishment=fs.Replenishment(unlimited=True))
    simulator = opened(scenario)
    assert np.isfinite(simulator.observe()).all()
    simulator.advance(np.zeros((SALES, 1), np.int64))
    assert np.isfinite(simulator.observe()).all()
    sell_through = list(fs.METRICS).index("sell_through")
    assert (simulator.measure()[:, sell_through] == 0).all()
    for _ in range(4):
        simulator.advance(np.ones((SALES, 1), np.int64))
    share = simulator.measure()[:, sell_through]
    assert np.isfinite(share).all()
    assert ((share > 0) & (share <= 1)).all()

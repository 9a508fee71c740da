"""Tricks that must earn nothing: lifts of traffic without a cost, remainders, empty shelves, orders before the close.

Each trick is played against the honest sale with the same people. All sales have every mechanism, and every mechanism
does next to nothing unless a test changes its numbers: one type of records, and so one compilation.
`test_loophole_search` looks for tricks that nobody thought of; further ones are in the tests of their mechanism
(`tests.market`):

- a service that is switched off: test_a_burst_is_not_answered_for_the_price_of_one_tick
- people made to wait: test_making_people_wait_avoids_no_lost_sale
- a price that is announced and not kept: test_the_announcement_binds_the_shop
- personal prices: test_the_price_gap_is_that_of_the_offers
"""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from tests.theory import ceilings

pytestmark = pytest.mark.filterwarnings("ignore:.fairness. of scenario 'tricks' does nothing among these customers")

TICKS, SALES = 6, 4
# So little that nothing happens in any sale.
NEVER, AT_ONCE = 1e-12, 1e12
# Many want it at list price. The second product is never on the shelf unless ordered.
FULL = fs.Product(
    "full", (2.0, 1.0), 30, reserve=10, order_levels=(0, 10), unit_cost=0.5, salvage_value=0.5, reference_price=3.0,
    may_be_withheld=True,
)  # fmt: skip
EMPTY = dataclasses.replace(FULL, title="empty", initial_stock=0)
WITHHELD = 2

PARTS = {
    "arrivals": fs.Arrivals(8.0),
    "choice": fs.Choice("exponential"),
    "replenishment": fs.Replenishment(2.0),
    "seckill": fs.Seckill((0.0, 3.0), 0.5, (0, 4), traffic_lift=1.0),
    "coupon": fs.Coupon((0.0, 0.2), 50.0, traffic_lift=1.0),
    "basket": fs.Basket(2, 1e3),
    "deal": fs.Deal((0.0, 0.5), per=2.0),
    "delivery": fs.Delivery(0.5, (0.0, 2.0), cost=0.1),
    "carts": fs.Carts(4.0, AT_ONCE),
    "returns": fs.Returns(NEVER),
    "service": fs.Service((1, 2), AT_ONCE, 2.0),
    "disclosure": fs.Disclosure((NEVER,), -NEVER),
    "waiting": fs.Waiting(NEVER),
    "contagion": fs.Contagion(NEVER, claimed_lift=NEVER, most_coming=64),
    "push": fs.Push((0.0, 1.0), 50.0, NEVER, 1.0),
    "ads": fs.Ads((0.0, 2.0), NEVER, 1.0, 50.0),
    "bots": fs.Bots(NEVER, screening=(0.0, 1.0), false_positives=0.5),
    "fairness": fs.Fairness(),
}


def shop(*products, **parts):
    return fs.Scenario("tricks", TICKS, 1.0, products or (FULL, EMPTY), **PARTS | parts)


def opened(scenario):
    simulator = fs.Simulator(scenario, sales=SALES, actions="multidiscrete", threads=1)
    simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    return simulator


def played(scenario, each=None, **levels):
    """The closed simulator and its total reward (S,); levels of a decision are one, one a row, or a function of the
    tick, and 0 for those not named. `each(simulator)` is called after every tick.
    """
    simulator, reward = opened(scenario), 0.0
    for tick in range(TICKS):
        action = np.zeros((SALES, len(simulator.codec.names)), np.int64)
        for name, level in levels.items():
            columns = simulator.codec.columns(name)
            assert len(columns), name
            action[:, columns] = level(tick) if callable(level) else level
        reward = reward + simulator.advance(action)[1]
        if each is not None:
            each(simulator)
    return simulator, reward


def in_tick(when, level):
    """This level in one tick, 0 in all others."""
    return lambda tick: level if tick == when else 0


NOBODY_PAYS = {"carts": fs.Carts(TICKS, NEVER)}
# What the trick is, parts, levels of the trick, levels of the honest sale.
TRICKS = {
    "a special price equal to the normal one": ({}, {"seckill": 1, "price": 1}, {"price": 1}),
    "a quota of a product that is not there": ({}, {"seckill": [0, 1]}, {}),
    "a quota of a product that is withheld": ({}, {"seckill": 1, "price": WITHHELD}, {"price": WITHHELD}),
    "a quota outside the slots": ({}, {"seckill": lambda tick: int(tick not in (0, 3))}, {}),
    "a coupon that the budget never covers": ({"coupon": fs.Coupon((0.0, 0.2), 0.19, traffic_lift=1.0)},
                                              {"coupon": 1}, {}),
    "a coupon on products that are withheld": ({}, {"coupon": 1, "price": WITHHELD}, {"price": WITHHELD}),
    "an order in the last tick, salvaged at cost": ({}, {"order": in_tick(TICKS - 1, 1),
                                                         "price": in_tick(TICKS - 1, WITHHELD)},
                                                    {"price": in_tick(TICKS - 1, WITHHELD)}),
    "an order that arrives after the close": ({"replenishment": fs.Replenishment(3.0)},
                                              {"order": in_tick(TICKS - 2, 1)}, {}),
    "units in carts that nobody pays, for the badge": (NOBODY_PAYS | {"contagion": fs.Contagion(NEVER, claimed_lift=5.0,
                                                                                                most_coming=64)},
                                                       {"price": 1}, {"price": WITHHELD}),
    "orders for the badge": ({"contagion": fs.Contagion(NEVER, claimed_lift=5.0, most_coming=64)},
                             {"order": [0, 1], "price": [0, WITHHELD]}, {"price": [0, WITHHELD]}),
    "a deal that no basket reaches": ({"deal": fs.Deal((0.0, 0.5), per=4.0), "basket": fs.Basket(2, 1e3)},
                                      {"deal": 1}, {}),
    "a push with nothing left of the budget": ({"push": fs.Push((0.0, 1.0), 1e-13, 5.0, 1.0)}, {"push": 1}, {}),
    "bids with nothing left of the budget": ({"ads": fs.Ads((0.0, 2.0), 1.0, 1.0, 1e-13)}, {"bid": 1}, {}),
    "a fee that every basket avoids": ({"delivery": fs.Delivery(0.5, (0.0, 2.0))}, {"delivery": 1}, {}),
}  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
def test_the_trick_attracts_nobody_and_earns_nothing(trick):
    """Exactly: the same customers as in the honest sale, and the same profit."""
    parts, levels, honest = TRICKS[trick]
    scenario = shop(**parts)
    (tricked, reward), (plain, honest_reward) = played(scenario, **levels), played(scenario, **honest)
    assert plain.sales["customers"].sum() > 50
    np.testing.assert_array_equal(tricked.sales["customers"], plain.sales["customers"])
    np.testing.assert_allclose(reward, honest_reward, rtol=1e-12, atol=1e-12)


def test_a_coupon_on_empty_shelves_attracts_nobody():
    scenario = shop(dataclasses.replace(FULL, initial_stock=1), EMPTY)

    def gone(simulator):
        simulator.sales["on_hand"] = 0

    with_coupon, without = (played(scenario, gone, **levels)[0] for levels in ({"coupon": lambda tick: tick > 0}, {}))
    np.testing.assert_array_equal(with_coupon.sales["customers"], without.sales["customers"])


def test_a_price_raised_for_the_slot_attracts_nobody():
    """The price is at the special one until the second slot, and then at list price: depth 0 below the lowest price."""
    scenario = shop()
    raised = {"price": lambda tick: int(tick < 3)}
    simulator, _ = played(scenario, seckill=in_tick(3, 1), **raised)
    assert (simulator.sales["seckill"]["claimed"] > 0).any()
    np.testing.assert_array_equal(simulator.sales["customers"], played(scenario, **raised)[0].sales["customers"])


def test_a_coupon_attracts_nobody_while_carts_hold_its_budget():
    """Nobody pays: the first two carts at price 1 hold the budget of .45 until the close, and then it is back."""
    scenario = shop(coupon=fs.Coupon((0.0, 0.2), 0.45, traffic_lift=1.0), **NOBODY_PAYS)
    shares = []
    simulator, _ = played(scenario, lambda found: shares.append(found.sales["coming_share"].copy()), coupon=1, price=1)
    np.testing.assert_allclose(shares, 1.0 / scenario.most_traffic)
    np.testing.assert_allclose(simulator.sales["coupon"]["budget"], 0.45)
    assert (ceilings.metrics_of(simulator)["coupon_spend"] == 0.0).all()


def test_a_price_raised_on_units_in_carts_is_not_paid():
    """Carts are opened in the first tick at price 1 and paid later, when the price is 2 and nobody comes."""
    scenario = shop(carts=fs.Carts(4.0, 0.3), arrivals=fs.Arrivals(8.0, burst_share=1.0, burst_scale=1e-6))
    simulator, _ = played(scenario, price=in_tick(0, 1))
    metrics = ceilings.metrics_of(simulator)
    assert metrics["units_sold"].sum() > 10
    np.testing.assert_allclose(metrics["revenue"], metrics["units_sold"])


@pytest.mark.parametrize(
    ("keeps_out", "levels"),
    [
        ({"service": fs.Service((1, 2), 0.5, 0.01)}, {}),
        ({"service": fs.Service((1, 2), 0.5, 0.01)}, {"servers": 1}),
        ({}, {"screening": 1}),
        ({"waiting": fs.Waiting(0.9, 1.0)}, {}),
    ],
    ids=["a long queue", "a shorter queue", "screening", "waiting"],
)
def test_a_shop_that_is_sold_out_avoids_no_lost_sale_by_keeping_customers_out(keeps_out, levels):
    """Shelves are empty: whoever wants something is a lost sale, whether or not it ever sees the shop."""
    gone = [dataclasses.replace(EMPTY, title=title, lost_sale_penalty=1.0) for title in ("gone", "as well")]
    plain, penalty = played(shop(*gone))
    tricked, paid = played(shop(*gone, **keeps_out), **levels)
    metrics = ceilings.metrics_of(tricked)
    kept_out = metrics["turned_away"] + metrics["gave_up"] * metrics["requests"] + metrics["return_visits"]
    assert kept_out.sum() > 20
    assert plain.sales["lost"].sum() > 50
    np.testing.assert_array_equal(tricked.sales["lost"], plain.sales["lost"])
    np.testing.assert_array_equal(paid, penalty)


def test_goods_that_come_back_earn_no_more_than_leftovers():
    """Everything is sent back: no price earns more than selling nothing, and handling makes it worse."""
    for returns, salvage in ((fs.Returns(1.0), 0.5), (fs.Returns(1.0, handling=0.25, salvage_share=0.5), 0.5)):
        scenario = shop(dataclasses.replace(FULL, salvage_value=salvage), EMPTY, returns=returns)
        sold, nothing = (played(scenario, price=[level, WITHHELD])[0] for level in (1, WITHHELD))
        assert sold.sales["sold"].sum() > 50
        profit, none = (ceilings.metrics_of(found)["profit"] for found in (sold, nothing))
        parcels = 0.1 * ceilings.metrics_of(sold)["parcels"]
        loss = (returns.handling + (1.0 - returns.salvage_share) * salvage) * sold.sales["sold"].sum(axis=1)
        np.testing.assert_allclose(profit, none - parcels - loss)


def above_the_list_price(scenario):
    """A box action beyond its range, in a sale of continuous prices."""
    products = [dataclasses.replace(product, may_be_withheld=False) for product in scenario.products]
    simulator = fs.Simulator(shop(*products, pricing=fs.Pricing(continuous=True)), sales=1)
    simulator.open(np.zeros(1, np.uint64), np.zeros(1, np.int64))
    simulator.advance(np.full((1, len(simulator.codec.names)), -1.01))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dataclasses.replace(FULL, salvage_value=0.6), "every unit of the reserve would be ordered only to be"),
        (
            lambda: shop(
                dataclasses.replace(FULL, salvage_value=0.6, reserve=0, storage=30),
                replenishment=fs.Replenishment(unlimited=True),
            ),
            "every unit would be ordered only to be salvaged",
        ),
        (lambda: fs.Deal((0.0, 2.0), per=2.0), "at which nothing is left to pay"),
        (lambda: fs.Returns(0.5, salvage_share=1.1), "salvage_share must be at least 0 and at most 1"),
        (lambda: fs.Returns(0.5, handling=-1.0), "handling must be at least 0"),
        (lambda: fs.Seckill((0.0,), 1.0, (0, 4)), "price_share must be above 0 and below 1"),
        (lambda: shop(disclosure=fs.Disclosure((0.3,), 0.0)), "would win customers at no cost"),
        # The page of the first product has something to lose, that of the second one has not.
        (
            lambda: shop(
                FULL,
                dataclasses.replace(EMPTY, reserve=2, order_levels=(0, 1)),
                disclosure=fs.Disclosure((0.3,) * 2, -0.2),
            ),
            "page of 'empty', of which there are 2 units, no effect is below 0",
        ),
        (
            lambda: shop(waiting=fs.Waiting(strategic=0.5, announced_share=0.4, announced_minute=3.0)),
            "the shop could announce a price and then not sell",
        ),
        (lambda: above_the_list_price(shop()), "1.01"),
    ],
)  # fmt: skip
def test_what_would_be_money_for_nothing_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_lift_that_no_customer_can_cash_in_is_reported():
    """Nobody clips, so the coupon would bring customers and cost nothing."""
    scenario = shop()
    people = dataclasses.replace(fs.Population.homogeneous(scenario.titles), coupon_affinity=np.zeros(1, np.float32))
    with pytest.warns(UserWarning, match=r"coupon.traffic_lift .* costs nothing among these customers"):
        fs.Simulator(scenario, people)


def test_the_checks_of_the_search_hold_under_random_decisions():
    """Ceiling, accounts and referee, with every mechanism at work."""
    scenario = shop(
        FULL,
        dataclasses.replace(EMPTY, initial_stock=5),
        basket=fs.Basket(2, 0.5),
        carts=fs.Carts(4.0, 0.5),
        returns=fs.Returns(0.3, handling=0.1, salvage_share=0.5),
        service=fs.Service((1, 2), 4.0, 0.5, cost_per_server_hour=6.0),
        disclosure=fs.Disclosure((0.3,), -0.2, claimed=0.2),
        waiting=fs.Waiting(0.5, 2.0),
        contagion=fs.Contagion(0.5, 1.0, 0.5, most_coming=64),
        push=fs.Push((0.0, 1.0), 4.0, 0.5, 1.0, 1.0),
        ads=fs.Ads((0.0, 1.0), 0.5, 1.0, 3.0),
        bots=fs.Bots(0.3, resale_share=0.5, harm_per_unit=0.2, screening=(0.0, 1.0), false_positives=0.5),
    )
    simulator, rng = opened(scenario), np.random.default_rng(5)
    referee = ceilings.Referee(simulator)
    for _ in range(TICKS):
        simulator.advance(rng.integers(0, simulator.codec.n_levels, (SALES, len(simulator.codec.names))))
        referee.check()
    ceilings.audit(simulator)
    metrics = ceilings.metrics_of(simulator)
    highest = ceilings.ceiling(scenario, None, np.arange(SALES), simulator.sales["ordered"], metrics["friends"])
    assert (metrics["profit"] <= highest).all()
    for name in (
        "coupon_spend",
        "seckill_units",
        "friends",
        "bot_units",
        "return_rate",
        "carted",
        "push_customers",
        "ad_visits",
    ):
        assert metrics[name].sum() > 0, name

"""Baskets: which one a customer takes, and what it costs."""

import dataclasses
import itertools

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.core.compiler import entry_point
from flashsale_env.core.records import option
from flashsale_env.sale import till
from tests.market.baskets import everything, metrics, play, shop

pytestmark = [pytest.mark.uncompiled, pytest.mark.filterwarnings("ignore:.*carry no information")]

# A customer who takes one unit, whatever it costs: further units are worth less than nothing.
ONE_UNIT = fs.Basket(4, 1000.0, 1000.0)

# ---------------------------------------------------------------- a basket that changes nothing


@pytest.mark.parametrize("model", ["mnl", "exponential"])
def test_customers_who_take_one_unit_buy_what_they_would_buy_without_baskets(model):
    """To the bit, with scarce stock and a coupon whose budget ends; and likewise with a deal at 0 and free delivery."""
    coupon, neutral = fs.Coupon((0.0, 0.3), 6.0, traffic_lift=0.5), fs.Deal((0.0, 1.0), per=3.0)
    plain = shop(stock=4, model=model, coupon=coupon)
    without, rewards = play(plain, {"coupon": 1})
    for parts in (
        {"basket": ONE_UNIT},
        {"basket": ONE_UNIT, "deal": neutral, "delivery": fs.Delivery(1.0, (0.0, 5.0))},
        {"basket": fs.Basket(1, 0.0), "deal": neutral, "delivery": fs.Delivery(1.0, (0.0, 5.0))},
    ):
        with_it, same = play(plain.replace(**parts), {"coupon": 1})
        assert np.array_equal(rewards, same)
        for name in ("on_hand", "sold", "demand", "lost", "money", "price_share"):
            assert np.array_equal(without.sales[name], with_it.sales[name]), name
        for name in ("budget", "spend", "redeemed"):
            assert np.array_equal(without.sales["coupon"][name], with_it.sales["coupon"][name])


def test_the_first_unit_is_the_choice_without_baskets():
    """With ample stock every visit is independent of those before it."""
    plain, _ = play(shop(stock=5000), log_rows=60)
    with_it, _ = play(shop(stock=5000, basket=fs.Basket(8, 0.4)), log_rows=60)
    assert np.array_equal(plain.choice_log()["bought"], with_it.choice_log()["bought"])
    assert with_it.choice_log()["units"].sum() > 1.5 * plain.choice_log()["units"].sum()


# ---------------------------------------------------------------- what is taken


@entry_point
def _fill(sales, rules, voices, schedule, surplus, nothing, paying, clips, payable, out):
    """The basket of a customer with these likings, for each row; writes the units."""
    for n in range(len(surplus)):
        sale, r = sales[0], rules[0]
        basket = sale.basket
        basket.nothing = nothing
        basket.paying = paying
        first = r.n_products  # the choice of a customer who takes one unit
        for j in range(r.n_products):
            basket.surplus[j] = surplus[n, j]
            if surplus[n, j] > nothing and (first == r.n_products or surplus[n, j] > surplus[n, first]):
                first = j
        _, bought = till.fill(r, r.basket, sale, option(sale, "basket"), voices[0], clips, payable, first, first)
        for j in range(r.n_products):
            out[n, j] = basket.units[j] if bought < r.n_products else 0


@entry_point
def _ring_up(sales, rules, voices, schedule, units, clips, payable, out):
    """What is paid for each product of these carts, the rebate, the fee and the coupon's discount."""
    for n in range(len(units)):
        sale, r = sales[0], rules[0]
        basket = sale.basket
        till.empty(r, sale, basket)
        for j in range(r.n_products):
            for _ in range(units[n, j]):
                till.put_in(r, sale, basket, clips, j)
        till.ring_up(r, sale, basket, payable)
        for j in range(r.n_products):
            out[n, j] = basket.paid[j]
        out[n, r.n_products] = basket.rebate
        out[n, r.n_products + 1] = basket.fee
        out[n, r.n_products + 2] = basket.before_coupon.sum() - basket.after_coupon.sum()


def at_the_till(scenario, levels, units, clips=False, payable=1.0):
    """(rows, M + 3) from `_ring_up` in the first tick of a sale without customers."""
    simulator, _ = opened(scenario, levels)
    out = np.zeros((len(units), len(scenario.products) + 3))
    simulator.ask_core(_ring_up, np.array(units, np.int64), clips, payable, out)
    return out


def opened(scenario, levels):
    """A sale without customers after its first tick."""
    quiet = scenario.replace(arrivals=fs.Arrivals(0.0))
    simulator = fs.Simulator(quiet, actions="multidiscrete")
    simulator.open(np.zeros(1, np.uint64), np.zeros(1, np.int64))
    action = np.zeros((1, len(simulator.codec.names)), np.int64)
    for name, level in levels.items():
        action[:, simulator.codec.columns(name)] = level
    simulator.advance(action)
    return simulator, action


def worth(units, surplus, price, nest, satiation, substitution):
    """Worth of a basket by the formula of `market.basket`, with price sensitivity 1."""
    total = sum(n * liking for n, liking in zip(units, surplus, strict=True))
    total -= sum(satiation * n * (n - 1) / 2 for n in units)
    for a, b in itertools.combinations(range(len(units)), 2):
        total -= substitution * units[a] * units[b] * (nest[a] == nest[b])
    return total


def best_basket(surplus, price, paid, most, stock, limit, nest=(0, 0, 0), satiation=0.5, substitution=0.2):
    """By enumeration: the highest worth, where `paid` maps units to the sum after reductions and fee."""
    best, found = 0.0, (0,) * len(surplus)
    for units in itertools.product(range(most + 1), repeat=len(surplus)):
        if sum(units) <= most and all(n <= min(stock, limit) for n in units):
            total = sum(n * p for n, p in zip(units, price, strict=True))
            value = worth(units, surplus, price, nest, satiation, substitution) + total - paid(units, total)
            if value > best + 1e-9:
                best, found = value, units
    return best, found


def taken(scenario, levels, surplus):
    simulator, _ = opened(scenario, levels)
    out = np.zeros(surplus.shape, np.int64)
    simulator.ask_core(_fill, surplus, 0.0, 1.0, False, 1.0, out)
    return out


@pytest.mark.parametrize(("limit", "stock"), [(0, 40), (2, 40), (0, 2)])
@pytest.mark.parametrize("substitution", [0.0, 0.2, 0.5])
def test_without_reductions_the_basket_is_the_best_of_all(limit, stock, substitution):
    """By enumeration, over random likings, at different prices."""
    prices = (3.0, 2.0, 1.0)
    scenario = shop(prices, (0.0,) * 3, stock, basket=fs.Basket(5, 0.5, substitution, limit))
    surplus = np.random.default_rng(1).normal(0.5, 1.0, (200, 3))
    for row, units in zip(surplus, taken(scenario, {}, surplus), strict=True):
        best, found = best_basket(
            row, prices, lambda units, total: total, 5, stock, limit or 5, substitution=substitution
        )
        assert tuple(units) == found, (row, units, found)
        assert best >= 0


@pytest.mark.parametrize("reduction", ["deal", "fee"])
def test_at_equal_prices_the_basket_is_the_best_of_all_with_a_deal_or_a_fee_too(reduction):
    prices = (2.0, 2.0, 2.0)
    levels = {"deal": {"deal": 1}, "fee": {"delivery": 1}}[reduction]

    def paid(units, total):
        if reduction == "fee":
            return total + 1.2 * (0 < total < 6.0)
        return total - 1.5 * min(2, total // 4.0)

    scenario = shop(
        prices,
        (0.0,) * 3,
        basket=fs.Basket(5, 0.5, 0.2),
        deal=fs.Deal((0.0, 1.5), per=4.0, times=2),
        delivery=fs.Delivery(1.2, (0.0, 6.0)),
    )
    surplus = np.random.default_rng(2).normal(0.0, 1.0, (200, 3))
    for row, units in zip(surplus, taken(scenario, levels, surplus), strict=True):
        best, found = best_basket(row, prices, paid, 5, 40, 5)
        mine = worth(units, row, prices, (0, 0, 0), 0.5, 0.2)
        total = sum(n * p for n, p in zip(units, prices, strict=True))
        assert mine + total - paid(units, total) == pytest.approx(best, abs=1e-9), (row, units, found)


def test_of_a_pair_the_best_of_the_four_baskets_is_taken_with_any_reduction():
    """At different prices, with deal, bundle and fee at once, one unit each."""
    prices = (3.0, 2.0)
    scenario = shop(
        prices,
        (0.0, 0.0),
        basket=fs.Basket(2, 0.0, 0.0, 1),
        deal=fs.Deal((0.0, 0.8), per=2.5),
        bundles=fs.Bundles((0.0, 0.1)),
        delivery=fs.Delivery(0.6, (0.0, 4.0)),
    )
    levels = {"deal": 1, "bundles": 1, "delivery": 1}

    def paid(units, total):
        if total == 0:
            return 0.0
        total = 0.9 * total if all(units) else total
        total -= 0.8 * (total >= 2.5)
        return total + 0.6 * (total < 4.0)

    surplus = np.random.default_rng(3).normal(-0.2, 1.0, (300, 2))
    for row, units in zip(surplus, taken(scenario, levels, surplus), strict=True):
        _, found = best_basket(row, prices, paid, 2, 40, 1, satiation=0.0, substitution=0.0)
        assert tuple(units) == found, (row, units, found)


def test_a_rule_of_thumb_is_rarely_far_from_the_best_basket():
    """Three products at different prices with a deal: 95 % of the best worth, over 300 random customers."""
    prices = (3.0, 2.0, 1.3)
    scenario = shop(
        prices,
        (0.0,) * 3,
        basket=fs.Basket(4, 0.5, 0.2),
        deal=fs.Deal((0.0, 1.5), per=4.0, times=2),
        delivery=fs.Delivery(1.2, (0.0, 6.0)),
    )
    surplus = np.random.default_rng(4).normal(0.0, 1.0, (300, 3))
    reached = wanted = 0.0
    for row, units in zip(surplus, taken(scenario, {"deal": 1}, surplus), strict=True):

        def paid(units, total):
            return total - 1.5 * min(2, total // 4.0)

        best, _ = best_basket(row, prices, paid, 4, 40, 4)
        total = sum(n * p for n, p in zip(units, prices, strict=True))
        mine = worth(units, row, prices, (0, 0, 0), 0.5, 0.2) + total - paid(units, total)
        assert -1e-9 <= mine <= best + 1e-9
        reached, wanted = reached + mine, wanted + best
    assert reached > 0.94 * wanted


def test_products_of_other_nests_are_no_substitutes():
    plain = shop((2.0, 2.0), (3.0, 3.0), stock=5000, basket=fs.Basket(4, 5.0, 5.0))
    apart = plain.replace(
        products=tuple(dataclasses.replace(p, nest=p.title) for p in (*plain.products,)),
        basket=fs.Basket(4, 5.0),
        choice=fs.Choice("nested", dissimilarity=0.5),
    )
    together = apart.replace(
        products=tuple(dataclasses.replace(p, nest="one") for p in apart.products), basket=fs.Basket(4, 5.0, 5.0)
    )
    pairs = [
        (play(scenario, log_rows=60)[0].choice_log()["units"] > 0).all(axis=1).mean() for scenario in (apart, together)
    ]
    assert pairs[0] > 0.3
    assert pairs[1] < 0.01


def test_bulk_buyers_take_more():
    """Satiation by intent: the same tastes, another number of units."""
    base = fs.Population.homogeneous(("a", "b"))
    bulk = dataclasses.replace(base, latent_class=np.array([fs.INTENTS.index("bulk")]))
    scenario = shop(stock=5000, basket=fs.Basket(8, {"bulk": 0.2, "default": 3.0}))
    few, many = (metrics(play(scenario, population=people)[0]) for people in (base, bulk))
    assert np.array_equal(few["baskets"], many["baskets"])
    assert many["units_sold"].sum() > 1.8 * few["units_sold"].sum()


# ---------------------------------------------------------------- what is paid


# Prices a 40, b 30, c 10 at list price. Coupon 10 % (budget 9), offer 20 %, set a + b 25 % off, 15 off from 60 and 37.5
# off from 120 (tiers with multiples 1 and 2.5), delivery 5 below 50. Worked out by hand, with the reason:
CARTS = [
    # units, coupon clipped, offered, levels on, paid for a, b, c, rebate, fee, coupon discount
    ((1, 0, 0), False, False, "", (40.0, 0.0, 0.0), 0.0, 0.0, 0.0),  # the price
    ((1, 0, 0), False, False, "delivery", (40.0, 0.0, 0.0), 0.0, 5.0, 0.0),  # 40 < 50
    ((1, 0, 1), False, False, "delivery", (40.0, 0.0, 10.0), 0.0, 0.0, 0.0),  # 50 is enough
    ((1, 0, 1), True, False, "delivery", (36.0, 0.0, 9.0), 0.0, 5.0, 5.0),  # 45 after the coupon is not
    ((1, 0, 0), True, True, "", (28.8, 0.0, 0.0), 0.0, 0.0, 4.0),  # 40·.9·.8
    ((3, 0, 0), True, False, "", (112.0, 0.0, 0.0), 0.0, 0.0, 8.0),  # the budget covers two units of 4
    ((1, 1, 0), False, False, "bundles", (30.0, 22.5, 0.0), 0.0, 0.0, 0.0),  # one set: 70·.75
    ((2, 1, 1), False, False, "bundles", (70.0, 22.5, 10.0), 0.0, 0.0, 0.0),  # one set: a at 80·(1 - .25/2)
    ((1, 1, 0), False, False, "deal", (40.0 * 55 / 70, 30.0 * 55 / 70, 0.0), 15.0, 0.0, 0.0),  # 70 - 15
    ((1, 1, 0), False, False, "deal bundles", (30.0, 22.5, 0.0), 0.0, 0.0, 0.0),  # 52.5 after the set is below 60
    ((3, 0, 0), False, False, "deal", (82.5, 0.0, 0.0), 37.5, 0.0, 0.0),  # 120 - 37.5
    ((3, 0, 0), True, False, "deal", (97.0, 0.0, 0.0), 15.0, 0.0, 8.0),  # 112 is below 120
    ((1, 1, 0), False, False, "deal delivery", (40.0 * 55 / 70, 30.0 * 55 / 70, 0.0), 15.0, 0.0, 0.0),  # 55
    ((1, 0, 2), False, False, "deal delivery", (30.0, 0.0, 15.0), 15.0, 5.0, 0.0),  # 60 - 15 = 45: a fee again
    ((2, 1, 1), True, True, "deal bundles delivery", None, 15.0, 0.0, 9.0),
]


@pytest.mark.parametrize("cart", CARTS, ids=[f"{cart[0]} {cart[3]}" for cart in CARTS])
def test_reductions_stack_in_the_documented_order(cart):
    units, clips, offered, on, paid, rebate, fee, discount = cart
    scenario = shop(
        (40.0, 30.0, 10.0),
        (0.0,) * 3,
        basket=fs.Basket(4, 1.0),
        coupon=fs.Coupon((0.0, 0.1), 9.0),
        targeted=fs.Targeted((0.0, 0.2)),
        messages=fs.Messages(1.0),
        deal=fs.Deal((0.0, 15.0), tiers=((60.0, 1.0), (120.0, 2.5))),
        bundles=fs.Bundles((0.0, 0.25), (("a", "b"),)),
        delivery=fs.Delivery(5.0, (0.0, 50.0)),
    )
    levels = {"coupon": 1, **dict.fromkeys(on.split(), 1)}
    found = at_the_till(scenario, levels, [units], clips, 0.8 if offered else 1.0)[0]
    if paid is None:
        # The coupon gives 4 + 4 on a, then .1·30 is above the 1 left, so b gets none, and c gets 1. After the offer a
        # costs 57.6, b 24, c 7.2. One set: a 57.6·(1 - .25/2) = 50.4, b 18. The sum 75.6 earns 15 off, so 60.6: no fee.
        paid = tuple(np.array([50.4, 18.0, 7.2]) * (1 - 15.0 / 75.6))
    assert found[:3] == pytest.approx(paid, abs=1e-9)
    assert found[3:] == pytest.approx((rebate, fee, discount), abs=1e-9)


def test_a_threshold_is_reached_up_to_rounding():
    """Three times .1 is .30000000000000004 - 5e-17 in floating point; three units of .1 earn the deal at .3."""
    scenario = shop((0.1, 0.7), (0.0, 0.0), basket=fs.Basket(7, 0.0), deal=fs.Deal((0.0, 0.1), per=0.7))
    for units in ((7, 0), (0, 1)):
        assert at_the_till(scenario, {"deal": 1}, [units])[0, 2] == pytest.approx(0.1)


def test_no_cart_costs_less_than_nothing_and_rebates_are_shared_without_rest():
    """Random carts under all reductions: every unit costs something, and the parts add up to the whole."""
    scenario = everything(
        basket=fs.Basket(8, 0.0),
        coupon=fs.Coupon((0.0, 0.9), 5.0),
        deal=fs.Deal((0.0, 1.9), per=2.0, times=2),
        bundles=fs.Bundles((0.0, 0.9), (("a", "c"),)),
    )
    units = np.random.default_rng(0).integers(0, 4, (300, 3))
    levels = {"coupon": 1, "deal": 1, "bundles": 1, "delivery": 1}
    for clips in (False, True):
        for cart, found in zip(units, at_the_till(scenario, levels, units, clips), strict=True):
            assert (found[:3][cart > 0] > 0).all()
            assert (found[:3][cart == 0] == 0).all()
            assert found[5] <= 5.0 + 1e-12

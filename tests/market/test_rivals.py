"""Rivals: their scripts, what the shop sees of them, and that none of their money is the shop's."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.sale import composition
from flashsale_env.theory import bounds

SALES, TICKS = 8, 6
LEVELS = (4.0, 3.5, 3.0, 2.5, 2.0)

pytestmark = pytest.mark.uncompiled


def product(title, owner="", **settings):
    settings = {"initial_stock": 200, "unit_cost": 1.0, "salvage_value": 0.5} | settings
    return fs.Product(title, LEVELS, reference_price=1.0, quality=2.0, owner=owner, **settings)


def shop(script="constant", share=0.0, *, ours=None, theirs=None, **settings):
    """Two products, the second one a rival's."""
    return fs.Scenario(
        name="two sellers",
        horizon_ticks=TICKS,
        tick_minutes=1.0,
        products=(product("ours", **(ours or {})), product("theirs", "rival", **(theirs or {}))),
        arrivals=fs.Arrivals(12.0),
        rivals=fs.Rivals((fs.Rival("rival", script, share),)),
        **settings,
    )


def played(scenario, levels=(0, 1, 2, 3, 4, 0), sales=SALES):
    """(simulator after the close, [(observations, rewards, state)] of every tick) at these price levels of the shop."""
    simulator = fs.Simulator(scenario, sales=sales, actions="multidiscrete")
    simulator.open(np.arange(sales, dtype=np.uint64), np.zeros(sales, np.int64))
    ticks = []
    for level in levels:
        observations, rewards, _ = simulator.advance(np.full((sales, 1), level))
        ticks.append((observations, rewards, simulator.sales.copy()))
    return simulator, ticks


def metrics_of(simulator):
    return dict(zip(fs.METRICS, simulator.measure().T, strict=True))


@pytest.mark.parametrize(
    ("script", "share", "prices"),
    [
        ("constant", 0.0, [4.0] * 6),
        ("constant", 0.25, [3.0] * 6),
        ("constant", 0.9, [2.0] * 6),  # the lowest of its prices
        ("markdown", 0.5, [4.0, 3.6, 3.2, 2.8, 2.4, 2.0]),
        # The shop asks 4, 4, 3.5, 3, 2.5, 2 in the ticks before; at the start that is the list price.
        ("undercut", 0.0, [4.0, 4.0, 3.5, 3.0, 2.5, 2.0]),
        ("undercut", 0.1, [3.6, 3.6, 3.15, 2.7, 2.25, 2.0]),
        ("follow", 1.0, [4.0, 4.0, 3.5, 3.0, 2.5, 2.0]),
        ("follow", 0.5, [4.0, 4.0, 3.75, 3.375, 2.9375, 2.46875]),
    ],
)
def test_a_script_sets_the_price_from_what_it_saw_in_the_last_tick(script, share, prices):
    _, ticks = played(shop(script, share), sales=1)
    assert np.array([state["price"][0, 1] for *_, state in ticks]) == pytest.approx(prices)


def test_a_script_compares_shares_of_the_reference_price():
    """The rival sells packs of two, at twice the price."""
    scenario = shop("undercut", 0.1)
    double = dataclasses.replace(scenario.products[1], price_levels=tuple(2 * p for p in LEVELS), reference_price=2.0)
    _, ticks = played(scenario.replace(products=(scenario.products[0], double)))
    assert [state["price"][0, 1] for *_, state in ticks] == pytest.approx([7.2, 7.2, 6.3, 5.4, 4.5, 4.0])


@pytest.mark.parametrize(("script", "share"), [("undercut", 0.1), ("follow", 0.5)])
def test_a_rival_asks_the_list_price_where_nobody_else_sells(script, share):
    """The shop's few units are gone in the first tick."""
    _, ticks = played(shop(script, share, ours={"initial_stock": 2}), levels=(4,) * TICKS)
    gone = np.array([(state["on_hand"][:, 0] == 0).all() for *_, state in ticks])
    assert gone[0]
    assert [state["price"][0, 1] for *_, state in ticks][1:] == [4.0] * (TICKS - 1)


def test_customers_do_not_care_who_sells():
    """What is sold in every tick is, to the unit, what a shop sells that has all products at these prices."""
    scenario = shop("undercut", 0.1, theirs={"initial_stock": 9})
    simulator, ticks = played(scenario)
    prices = tuple(dict.fromkeys(state["price"][0, 1] for *_, state in ticks))
    theirs = dataclasses.replace(scenario.products[1], owner="", price_levels=prices)
    alone = scenario.replace(products=(scenario.products[0], theirs), rivals=None)
    other = fs.Simulator(alone, sales=SALES, actions="multidiscrete")
    other.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    for level, (*_, state) in zip((0, 1, 2, 3, 4, 0), ticks, strict=True):
        other.advance(np.tile([level, prices.index(state["price"][0, 1])], (SALES, 1)))
        for name in ("on_hand", "sold", "customers", "price", "tick_revenue"):
            assert np.array_equal(other.sales[name], state[name]), name
    assert (simulator.sales["on_hand"][:, 1] == 0).all()


def test_nothing_that_is_the_rivals_own_reaches_the_shop():
    """Costs, penalties and the size of a stock that lasts: the same observations, rewards and metrics, bit for bit."""
    costly = {"unit_cost": 3.0, "salvage_value": 2.0, "holding_cost": 90.0, "lost_sale_penalty": 7.0}
    plain = shop("undercut", 0.1)
    for theirs in (costly, {"initial_stock": 500}):
        one, other = played(plain), played(shop("undercut", 0.1, theirs=theirs))
        for (seen, earned, _), (seen_too, earned_too, _) in zip(one[1], other[1], strict=True):
            assert seen.tobytes() == seen_too.tobytes()
            assert earned.tobytes() == earned_too.tobytes()
        assert one[0].measure().tobytes() == other[0].measure().tobytes()
    assert plain.opening_stock_cost == 200.0


def test_the_shop_sees_the_prices_of_a_rival_and_when_it_is_sold_out():
    """No other number of the observation tells of the rival's stock; its price is shown as 0 once it is sold out."""
    scenario = shop("undercut", 0.1, theirs={"initial_stock": 12}, shocks=fs.Shocks(0.5))
    simulator, ticks = played(scenario)
    layout = simulator.layout
    hidden = [layout[name].start + 1 for name in ("on_hand", "stock_pressure", "conversion")]
    assert all(layout.entries[place].constant for place in hidden)
    price = layout["price"].start + 1
    sold_out = 0
    for seen, _, state in ticks:
        assert not seen[:, hidden].any()
        gone = state["on_hand"][:, 1] == 0
        sold_out += gone.sum()
        np.testing.assert_allclose(seen[:, price], np.where(gone, 0.0, state["price"][:, 1] / 4.0), rtol=1e-6)
    assert 0 < sold_out < SALES * TICKS
    units = fs.UnitReader(scenario)
    assert not units.on_hand(ticks[-1][0])[:, 1].any()
    assert not units.sold(ticks[-1][0])[:, 1].any()


def test_a_customer_lost_to_a_rival_is_a_lost_sale_and_the_rivals_demand():
    """Demand of a seller is what it sold and what it lost; customers who switch are counted by both."""
    simulator, _ = played(shop(ours={"initial_stock": 5}), levels=(4,) * TICKS)
    sales = simulator.sales
    assert (sales["demand"] == sales["sold"] + sales["lost"]).all()
    assert (sales["lost"][:, 0] > 0).all()
    assert not sales["lost"][:, 1].any()
    found = metrics_of(simulator)
    for name, field in (("demand", "demand"), ("units_sold", "sold"), ("lost_sales", "lost")):
        assert np.array_equal(found[name], sales[field][:, 0]), name
    assert found["market_share"] == pytest.approx(sales["sold"][:, 0] / sales["sold"].sum(axis=1))
    # Of those who found nothing of the shop's, some bought from the rival: fewer are lost where it is not there.
    alone = shop(ours={"initial_stock": 5}).replace(rivals=None, products=(product("ours", initial_stock=5),))
    assert played(alone, levels=(4,) * TICKS)[0].sales["lost"].sum() != sales["lost"][:, 0].sum()


def test_a_lost_sale_costs_the_shop_its_penalty_even_if_a_rival_sells():
    simulator, _ = played(shop(ours={"initial_stock": 5, "lost_sale_penalty": 2.0}), levels=(4,) * TICKS)
    booked = simulator.sales["money"][:, list(fs.REWARD_TERMS).index("lost_sales")]
    assert booked == pytest.approx(-2.0 * simulator.sales["lost"][:, 0])


def test_the_bounds_are_those_of_the_shop_alone_and_hold():
    scenario = shop("undercut", 0.1, ours={"initial_stock": 15})
    alone = scenario.replace(rivals=None, products=scenario.products[:1])
    profit = metrics_of(played(scenario)[0])["profit"]
    for bound in (bounds.hindsight_bound, bounds.lagrangian_dual_bound):
        with_rival, without = (bound(sale, seeds=np.arange(SALES)).per_sale for sale in (scenario, alone))
        assert with_rival == pytest.approx(without)
        assert profit.mean() < with_rival.mean()
    assert (profit <= bounds.hindsight_bound(scenario, seeds=np.arange(SALES)).per_sale + 1e-6).all()


def test_views_do_not_show_the_stock_of_a_rival():
    env = gym.make("FlashSale/Duopoly-v0", scenario=shop(theirs={"initial_stock": 1}), render_mode="ansi").unwrapped
    env.reset(seed=0)
    assert "200" in env.render()
    env.step(np.zeros(1, np.float32))
    line = next(line for line in env.render().splitlines() if line.startswith("theirs"))
    assert "sold out" in line
    assert line.split("]")[1].split() == ["0"] * 4
    text = gym.make("FlashSaleText/Duopoly-v0").unwrapped
    report, _ = text.reset(seed=0)
    assert "theirs | 4.00 | 0 | 0" in report
    assert "theirs: sold by rival, list price 4.00" in text.instructions


def test_a_scenario_without_rivals_has_no_record_of_them():
    assert "rivals" not in composition.sale_dtype(2, 1, ()).names


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"coupon": fs.Coupon((0.0, 0.2), 30.0)}, r"\[rivals\] and \[coupon\] cannot be combined"),
        ({"carts": fs.Carts(10.0)}, r"\[rivals\] and \[carts\] cannot be combined"),
        (
            {"waiting": fs.Waiting(announced_share=0.5, announced_minute=3.0)},
            r"\[rivals\] and waiting.announced_share cannot be combined",
        ),
        ({"rivals": None}, r"owner 'rival' does nothing: the scenario has no \[rivals\]"),
        ({"rivals": fs.Rivals((fs.Rival("rivel"),))}, "owner of product 'theirs' 'rival'.*'rivel'"),
        ({"products": (product("ours"),)}, "seller 'rival': it sells nothing"),
        ({"products": (product("ours", "rival"),)}, "the shop sells nothing"),
        (
            {"products": (product("ours"), product("theirs", "rival", may_be_withheld=True))},
            "product 'theirs': may_be_withheld does nothing, the script of its owner 'rival'",
        ),
        (
            {"products": (product("ours"), dataclasses.replace(product("theirs", "rival"), price_levels=(4.0,))),
             "rivals": fs.Rivals((fs.Rival("rival", "undercut"),))},
            "seller 'rival': script 'undercut' does nothing",
        ),
    ],
)  # fmt: skip
def test_what_no_rival_can_have_is_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        shop().replace(**changes)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"name": ""}, "needs a name of its own, not ''"),
        ({"name": "shop"}, "needs a name of its own, not 'shop'"),
        ({"name": "a", "script": "undercutt"}, "unknown script of seller 'a'.*undercut"),
        ({"name": "a", "share": 1.5}, "seller 'a': share must lie between 0 and 1"),
        ({"name": "a", "script": "follow"}, "share 0 does nothing"),
        ({"name": "a", "script": "agent", "share": 0.2}, "share 0.2 does nothing where an agent decides"),
    ],
)
def test_a_seller_with_settings_that_do_nothing_is_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        fs.Rival(**settings)


def test_sellers_have_different_names():
    with pytest.raises(ValueError, match="must differ, got 'a' 2 times"):
        fs.Rivals((fs.Rival("a"), fs.Rival("a")))
    with pytest.raises(ValueError, match="at least one"):
        fs.Rivals(())

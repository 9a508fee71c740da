"""Levers: the rules for the decisions besides the price."""

import dataclasses

import numpy as np

import flashsale_env as fs
from flashsale_env.agents.rules.estimating import OrderUpTo
from flashsale_env.agents.rules.heuristics import FixedPrice, SlumpCoupon
from flashsale_env.agents.rules.levers import LEVERS
from flashsale_env.agents.rules.levers.base import Constant
from flashsale_env.intents import ByIntent
from flashsale_env.scenario import DECISIONS


def observation(agent, **shown):
    """(N, D) observations: the features named, (N,) or a number, and 0 elsewhere."""
    rows = max(np.size(values) for values in shown.values())
    array = np.zeros((rows, agent.layout.size), np.float32)
    for name, values in shown.items():
        array[:, agent.layout[name]] = np.reshape(values, (-1, 1))
    return array


def levels(agent, observations, decision):
    """(N, C) levels that the agent picks for one decision."""
    actions, _ = agent.predict(observations)
    return np.floor((actions + 1) / 2 * agent.codec.n_levels)[:, agent.codec.columns(decision)].astype(int)


def test_every_lever_is_for_a_decision_that_exists():
    assert set(LEVERS) <= set(DECISIONS) - {"price"}
    assert all(lever.decision == name for name, lever in LEVERS.items())


def test_a_decision_without_an_entry_keeps_a_constant_level(monkeypatch):
    kept = {name: lever for name, lever in LEVERS.items() if name != "coupon"}
    monkeypatch.setattr(FixedPrice, "levers", kept)
    agent = FixedPrice("standard", **{"level[coupon]": 2})
    assert "coupon_level" not in agent.params
    shown = observation(agent, time_left=[1.0, 0.5], on_hand=0.5)
    assert levels(agent, shown, "coupon").tolist() == [[2], [2]]


def test_a_constant_level_is_the_last_one_of_rows_with_fewer_levels():
    scenario = fs.load_scenario("standard")
    products = [dataclasses.replace(scenario.products[0], order_levels=(0, 10)), *scenario.products[1:]]
    agent = FixedPrice(scenario.replace(products=tuple(products)))
    chosen = Constant("order").levels(None, agent.codec, {"level[order]": 3})
    assert chosen.tolist() == [1, 3, 3, 3, 3, 3, 3, 3]


def test_a_rule_may_replace_a_lever_or_decide_by_itself():
    coupon = [lever for lever in SlumpCoupon.levers_in(fs.load_scenario("standard")) if lever.decision == "coupon"]
    assert coupon == [SlumpCoupon.levers["coupon"]] != [LEVERS["coupon"]]
    assert "order" not in [lever.decision for lever in OrderUpTo.levers_in(fs.load_scenario("standard"))]


def test_a_rule_that_needs_hidden_quantities_for_a_lever_does_not_apply():
    scenario = fs.load_scenario("standard").replace(observe=("time_left", "on_hand"))
    assert FixedPrice.applies(scenario) == "the agent reads in_transit, reserve, which the scenario does not show"
    assert FixedPrice.applies(fs.load_scenario("gvr-periodic").replace(observe=("time_left",))) is None


def test_a_coupon_is_shown_from_its_time_on_while_sales_are_behind_plan():
    agent = FixedPrice("standard", coupon_level=2, coupon_from=0.25, coupon_target=1.0)
    shown = observation(
        agent, time_left=[0.8, 0.5, 0.5], customers_left=[0.8, 0.5, 0.5], reserve=0.2, on_hand=[0.8, 0.6, 0.2]
    )
    assert levels(agent, shown, "coupon").tolist() == [[0], [2], [0]]


def sale(**parts):
    """Ten ticks of 2 minutes with 40 even customers, and two products of 20 units."""
    return fs.Scenario(
        name="any",
        horizon_ticks=10,
        tick_minutes=2.0,
        products=tuple(fs.Product(title, (4.0, 3.0, 2.0), 20, reference_price=2.0) for title in "ab"),
        arrivals=fs.Arrivals(2.0),
        **parts,
    )


def test_a_quota_is_released_at_the_start_of_a_slot_by_pace():
    """Half of the customers came: on plan a fifth of the slot's planned 10 units, and half of the 4 units behind."""
    scenario = sale(seckill=fs.Seckill((0.0, 10.0), 0.5, (0, 1, 2, 4, 8)))
    agent = FixedPrice(scenario, seckill_share=0.2, seckill_gain=0.5, seckill_target=1.0)
    ahead, on_plan, behind = 6 / 20, 10 / 20, 14 / 20
    shown = observation(agent, time_left=[1.0, 0.9, 0.5, 0.5], on_hand=[1.0, 1.0, on_plan, behind])
    shown[2:, agent.layout["on_hand"]] = [[on_plan, ahead], [behind, on_plan]]
    assert levels(agent, shown, "seckill").tolist() == [[2, 2], [0, 0], [2, 0], [3, 2]]


def test_quotas_under_unlimited_supply_need_no_plan():
    product = fs.Product("a", (4.0, 2.0), 20, order_levels=(0, 5), storage=40, unit_cost=1.0)
    scenario = sale(seckill=fs.Seckill((0.0,), 0.5, (0, 5, 10))).replace(
        products=(product,), replenishment=fs.Replenishment(unlimited=True)
    )
    agent = OrderUpTo(scenario, seckill_share=0.6)
    assert {name for name in agent.params if name.startswith("seckill")} == {"seckill_share"}
    assert levels(agent, observation(agent, time_left=[1.0, 0.9], on_hand=0.5), "seckill").tolist() == [[1], [0]]


def test_servers_cover_the_offered_load_and_its_square_root():
    """4 customers a tick over 2 answers are 2 servers; half of 12 requests and 4 over 2 are 4; 8 more wait in line."""
    scenario = sale(service=fs.Service((1, 2, 3, 4, 6, 8), 1.0, ByIntent.read(5.0, "")))
    plain = FixedPrice(scenario, servers_cover=1.0, servers_safety=0.0, servers_recent=0.0)
    first = observation(plain, time_left=1.0, on_hand=1.0)
    assert plain.codec.levels[-1][levels(plain, first, "servers")[0, 0]] == 2
    safe = FixedPrice(scenario, servers_cover=1.0, servers_safety=1.0, servers_recent=0.0)
    assert safe.codec.levels[-1][levels(safe, first, "servers")[0, 0]] == 4  # 2 + 1.41
    recent = FixedPrice(scenario, servers_cover=1.0, servers_safety=0.0, servers_recent=0.5)
    later = observation(
        recent, time_left=[0.5, 0.5], on_hand=1.0, servers=0.25, server_load=3.0, next_wait=[0.0, np.log1p(4.0)]
    )
    chosen = levels(recent, later, "servers")[:, 0]
    assert np.array(recent.codec.levels[-1])[chosen].tolist() == [4, 8]


def test_one_list_is_shown_and_from_its_time_on_another():
    scenario = sale(slate=fs.Slate((1.0, 0.5), tuple(fs.Ranking(name, by_stock=n) for n, name in enumerate("abc"))))
    agent = FixedPrice(scenario, display_first=2, display_then=1, display_from=0.5)
    shown = observation(agent, time_left=[1.0, 0.6, 0.5, 0.1], on_hand=1.0)
    assert levels(agent, shown, "display")[:, 0].tolist() == [2, 2, 1, 1]
    untuned = FixedPrice(scenario)
    assert not levels(untuned, shown, "display").any()


def test_pages_show_their_figures_when_few_units_are_left():
    scenario = sale(disclosure=fs.Disclosure((0.6, 0.4, 0.2, -0.2), plenty=-0.4))
    agent = FixedPrice(scenario)
    assert agent.params["disclosure_share"] == 3 / 20
    shown = observation(agent, time_left=0.5, on_hand=0.5)
    shown[:, agent.layout["on_hand"]] = [[3 / 20, 4 / 20]]
    assert levels(agent, shown, "disclosure").tolist() == [[1, 0]]


def test_requests_are_screened_while_bots_are_many():
    """All bots come in the first tick, in which they are 20 of 24 requests; a third of later ones was caught."""
    bots = fs.Bots(ByIntent.read(0.5, ""), speed=1e4, resale_share=1.5, screening=(0.0, 0.5, 0.9), false_positives=0.1)
    scenario = sale(bots=bots)
    agent = FixedPrice(scenario, screening_level=2, screening_from=0.3)
    shown = observation(agent, time_left=[1.0, 0.5, 0.5], on_hand=1.0, caught=[0.0, 0.2, 1 / 3])
    assert levels(agent, shown, "screening").tolist() == [[2], [0], [2]]


def test_bots_are_expected_by_the_intents_of_the_messages():
    """Bulk buyers bring bots: with a third of them, half a bot a customer; with none, no bot."""
    bots = fs.Bots(ByIntent.read({"bulk": 1.5, "default": 0.0}, ""), screening=(0.0, 0.5), false_positives=0.1)
    scenario = sale(bots=bots, messages=fs.Messages(0.5, 5.0), seckill=fs.Seckill((0.0, 10.0), 0.3, (0, 5)))
    agent = FixedPrice(scenario, screening_level=1, screening_from=0.7)
    shown = observation(agent, time_left=[0.5, 0.5, 0.4], on_hand=1.0)
    bulk, first = fs.INTENTS.index("bulk"), agent.layout["intent_mean"].start
    shown[:, first + bulk] = [1 / 3, 0.0, 1 / 3]
    shown[:, first + bulk - 1] = [2 / 3, 1.0, 2 / 3]
    assert levels(agent, shown, "screening").tolist() == [[1], [0], [0]]


def test_deals_and_bundles_are_on_from_the_start_while_sales_are_not_ahead_of_plan():
    """And delivery is free from the first threshold above nothing."""
    scenario = sale(
        basket=fs.Basket(4, ByIntent.read(2.0, "")),
        deal=fs.Deal((0.0, 0.5, 1.0), per=4.0),
        bundles=fs.Bundles((0.0, 0.2), sets=(("a", "b"),)),
        delivery=fs.Delivery(1.0, (0.0, 3.0, 6.0)),
    )
    agent = FixedPrice(scenario, deal_level=2)
    shown = observation(agent, time_left=[1.0, 0.5, 0.5], on_hand=[1.0, 0.6, 0.4])
    assert levels(agent, shown, "deal").tolist() == [[2], [2], [0]]
    assert levels(agent, shown, "bundles").tolist() == [[1], [1], [0]]
    assert levels(agent, shown, "delivery").tolist() == [[1], [1], [1]]


def of_sale(**parts):
    """A fixed price in a sale with ads or push, with the first price for both products."""
    scenario = sale(**parts)
    return scenario, {f"price_level[{title}]": 0 for title in scenario.titles}


def test_a_push_raises_the_adstock_to_the_best_one_and_holds_it():
    """A customer worth a tenth of 4: s·ln(lift·l·pi / (s·(1 - kept))) l = 4, kept = 1/2 until the last tick."""
    scenario, price = of_sale(push=fs.Push(tuple(np.arange(0.0, 4.0, 0.01).tolist()), 100.0, 2.0, 0.8, 2.0))
    agent = FixedPrice(scenario, **price, push_value=0.1, push_cover=0.0)
    best, last = 0.8 * np.log(2 * 4 * 0.4 / (0.8 * 0.5)), 0.8 * np.log(2 * 4 * 0.4 / 0.8)
    held = 1 - np.exp(-best / 0.8)
    shown = observation(agent, time_left=[1.0, 0.5, 0.1], on_hand=[1.0, 0.5, 0.1], push_response=0.0)
    shown[1:, agent.layout["push_response"]] = held
    spent = levels(agent, shown, "push")[:, 0] / 100
    np.testing.assert_allclose(spent, [best, best / 2, last - best / 2], atol=0.0051)
    # More is left of an expensive push than is best: nothing is spent.
    assert levels(agent, observation(agent, time_left=0.1, on_hand=0.5, push_response=1.0), "push")[0, 0] == 0


def test_nothing_is_paid_for_customers_whom_the_shelf_cannot_serve():
    """Half of the time left: 20 of 40 units sold would sell the other 20, and 30 sold would sell 30 of 10 left."""
    scenario, price = of_sale(push=fs.Push((0.0, 1.0), 9.0, 2.0, 0.8), ads=fs.Ads((0.0, 1.0), 1.0, 1.0, 99.0))
    agent = FixedPrice(scenario, **price, push_value=0.5, push_cover=1.0, bid_value=0.5, bid_cover=0.5)
    shown = observation(agent, time_left=0.5, on_hand=[0.75, 0.5, 0.25, 0.0], ad_budget=1.0)
    assert levels(agent, shown, "push")[:, 0].tolist() == [1, 1, 0, 0]
    assert levels(agent, shown, "bid")[:, 0].tolist() == [1, 1, 0, 0]
    shown = observation(agent, time_left=0.5, on_hand=[0.4, 0.3], ad_budget=1.0)
    assert levels(agent, shown, "bid")[:, 0].tolist() == [1, 0], "16 of 24 are more than half, 12 of 28 are not"


def test_a_bid_is_what_a_click_is_worth_unless_the_budget_would_end_early():
    """Row 32: rivals bid up to 2, a click is worth 4 · .5 = 2; a budget of 2/24 an auction halves the bid."""
    scenario, price = of_sale(ads=fs.Ads((0.0, 0.5, 1.0, 1.5, 2.0), 1.0, 2.0, 40 * 2 / 6))
    agent = FixedPrice(scenario, **price, bid_value=0.5, bid_cover=0.0)
    shown = observation(agent, time_left=1.0, on_hand=1.0, ad_budget=[1.0, 0.25, 0.0])
    assert levels(agent, shown, "bid")[:, 0].tolist() == [4, 2, 0]
    shown = observation(agent, time_left=0.25, on_hand=1.0, ad_budget=[0.25])
    assert levels(agent, shown, "bid")[0, 0] == 4, "what is left for a quarter of the auctions is enough"
    cheap = FixedPrice(scenario, **price, bid_value=0.125, bid_cover=0.0)
    assert levels(cheap, shown, "bid")[0, 0] == 1


def test_every_audience_has_a_value_of_its_own_and_the_shelf_is_asked_where_it_is_shown():
    push = fs.Push((0.0, 0.5, 1.0, 1.5), 9.0, 2.0, 0.8, audiences=(("gift",), ("bulk", "browsing")))
    scenario, price = of_sale(push=push)
    names = {"push_value[gift]", "push_value[bulk + browsing]", "push_cover"}
    assert names < set(FixedPrice.space(scenario))
    hidden = scenario.replace(observe=("time_left", "push_budget"))
    assert "push_cover" not in FixedPrice.space(hidden)
    agent = FixedPrice(hidden, **price, **{"push_value[gift]": 0.0, "push_value[bulk + browsing]": 1.0})
    # Two intents of nine: .8 ln(2 · 4 · 2/9 · 4 / .8) = 1.75, above the highest level.
    assert levels(agent, observation(agent, time_left=1.0), "push").tolist() == [[0, 3]]

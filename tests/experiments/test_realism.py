"""Realism statistics measure what they say: in a small market whose figures follow from its settings."""

import math

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.experiments.realism import facts, running
from flashsale_env.experiments.realism.playing import ListPrices, Market, good_policy

SALES = 12
RATE, STRATEGIC, BOTS, FRIENDS, LATENCY = 0.2, 0.1, 0.5, 0.3, 30.0
# Utility at the only price: purchases are rare, so elasticities are those of the exponential function.
SENSITIVITY, QUALITY = 2.5, -1.0


@pytest.fixture(scope="module")
def market():
    scenario = fs.Scenario(
        name="small",
        horizon_ticks=20,
        tick_minutes=1.0,
        products=(fs.Product("lamp", (10.0,), 100_000, quality=QUALITY, salvage_value=1.0),),
        arrivals=fs.Arrivals(60.0, burst_share=0.3, burst_scale=0.03),
        carts=fs.Carts(5.0, paid_per_minute=-math.log(0.7) / 5.0),  # 30 % pay within the hold
        returns=fs.Returns(RATE),
        service=fs.Service((64,), 60.0, patience_minutes=1.0, latency_logits=LATENCY),
        contagion=fs.Contagion(friends=FRIENDS),
        messages=fs.Messages(0.1),
        coupon=fs.Coupon((0.0, 0.1), 100.0),
    )
    return _market(scenario)


def _market(scenario):
    """A market with customers of one price sensitivity and three intents."""
    found = Market(scenario, SALES)
    found.population = fs.Population(
        products=scenario.titles,
        utterances=("a", "b", "c"),
        languages=("en",) * 3,
        intent_probabilities=np.eye(len(fs.INTENTS), dtype=np.float32)[:3],
        latent_class=np.arange(3),
        relevance=np.zeros((3, 1), np.float32),
        price_sensitivity=np.full(3, SENSITIVITY, np.float32),
        coupon_affinity=np.ones(3, np.float32),
        weight=np.ones(3, np.float32),
    )
    return found


def named(name):
    return next(statistic for statistic in facts.STATISTICS if statistic.name == name)


def test_figures_follow_from_the_settings(market):
    """Within 4 standard errors; each is a false alarm once in 16,000 runs with other seeds."""
    buys = market.played.total("carted")
    tolerance = 4.0 / math.sqrt(buys)
    share = 1.0 / (1.0 + math.exp(SENSITIVITY - QUALITY))
    assert facts.cart_per_view.measure(market) == pytest.approx(share, rel=tolerance)
    assert facts.abandonment.measure(market) == pytest.approx(0.7, abs=4 * math.sqrt(0.21 / buys))
    assert facts.buy_per_cart.measure(market) == pytest.approx(1.0 - facts.abandonment.measure(market))
    sold = market.played.total("units_sold")
    assert facts.return_rate.measure(market) == pytest.approx(RATE, abs=4 * math.sqrt(RATE * (1 - RATE) / sold))
    # The same customers at both prices, so the noise is far below that of the counts.
    assert facts.price_elasticity.measure(market) == pytest.approx(-SENSITIVITY * (1 - share), rel=0.25)
    lost = 1.0 - math.exp(-LATENCY * 0.1 / 60.0 * (1 - share))
    assert facts.latency.measure(market) == pytest.approx(lost, abs=4 * math.sqrt(lost / buys))
    came = market.played.total("friends")
    assert facts.contagion.measure(market) == pytest.approx(came / market.played.customers.sum())
    assert 0 < came <= FRIENDS * 1.5 * sold


def test_a_rush_at_the_start_is_found_at_the_milestones(market):
    milestone = named("sales in the first 24.2 % of the time")
    early = milestone.measure(market)
    assert 0.242 < early < 1.0
    assert milestone.applies(market.scenario)
    assert not milestone.applies(market.scenario.replace(arrivals=fs.Arrivals(5.0)))


def test_a_statistic_without_its_mechanism_is_not_modelled(market):
    rows = {row["statistic"]: row for row in (running._row(s, market) for s in facts.STATISTICS)}
    for name in ("bots, share of requests", "customers who wait strategically", "what a stock-out leads to"):
        assert rows[name]["verdict"] == running.NOT_MODELLED, name
        assert rows[name]["simulated"] is None
    assert rows["cart abandonment"]["verdict"] == running.PASS
    assert rows["own-price elasticity of demand"]["verdict"] == running.PASS
    assert rows["purchases per view"]["shown"].endswith(" %")


@pytest.mark.slow  # a shape of its own
def test_bots_and_strategic_customers_are_counted():
    scenario = fs.Scenario(
        name="small",
        horizon_ticks=10,
        tick_minutes=1.0,
        products=(fs.Product("lamp", (10.0, 5.0), 40, quality=2.0),),
        arrivals=fs.Arrivals(30.0),
        bots=fs.Bots(BOTS, resale_share=2.0),
        waiting=fs.Waiting(stay=0.1, strategic={"bargain_hunting": 3 * STRATEGIC, "default": 0.0},
                           announced_share=0.5, announced_minute=5.0),
    )  # fmt: skip
    market = _market(scenario)
    customers = market.played.total("customers")
    # The share of Poisson counts with this ratio, diluted a little by those who come back.
    assert facts.bot_requests.measure(market) < BOTS / (1 + BOTS) + 4 / math.sqrt(customers)
    assert facts.bot_requests.measure(market) > 0.8 * BOTS / (1 + BOTS)
    assert facts.strategic.measure(market) == pytest.approx(STRATEGIC, abs=0.03)
    told = facts.stock_outs.measure(market)
    assert told.startswith("another product") or told == "no product was out of stock"


def test_a_replay_without_a_change_is_the_same_sale(market):
    again = market.replayed()
    assert again.sales.tobytes() == market.played.sales.tobytes()
    assert (again.demand == market.played.demand).all()


def test_the_best_tuned_rule_plays_and_list_prices_where_none_is_tuned(market):
    name, policy = good_policy("mnl-stock")
    assert name in fs.agents.AGENTS
    assert policy.mark == ""
    name, policy = good_policy(market.scenario)
    assert name == "list prices"
    assert (ListPrices(market.scenario).predict(np.zeros((2, 3)))[0] == 0).all()


def test_with_servers_to_choose_list_prices_take_all_of_them():
    scenario = fs.load_scenario("service")
    codec = fs.ActionCodec(scenario, "multidiscrete")
    levels, _ = ListPrices(scenario).predict(np.zeros((1, 3)))
    for column, name in enumerate(codec.names):
        assert levels[0, column] == (codec.n_levels[column] - 1 if name == "servers" else 0)


def test_the_command_prints_every_statistic_with_its_verdict(flashsale):
    answer = flashsale("realism", "mnl-stock", "--sales", 20, "--json")
    rows = answer.json["rows"]
    assert [row["statistic"] for row in rows] == [statistic.name for statistic in facts.STATISTICS]
    assert {row["verdict"] for row in rows} <= {"pass", "fail", "report", "not modelled here"}
    assert all({"statistic", "target", "simulated", "verdict", "source", "accepted"} <= set(row) for row in rows)
    assert answer.code == (1 if answer.json["verdict"] == "fail" else 0)
    assert answer.json["policy"] != "list prices"
    shown = flashsale("realism", "mnl-stock", "--sales", 20).out
    assert "cart abandonment" in shown
    assert "not modelled here" in shown


def test_every_statistic_has_a_target_a_source_and_a_name_of_its_own():
    assert len({statistic.name for statistic in facts.STATISTICS}) == len(facts.STATISTICS)
    for statistic in facts.STATISTICS:
        assert statistic.target
        assert statistic.source
        if statistic.accepted is not None:
            assert statistic.accepted[0] < statistic.accepted[1]

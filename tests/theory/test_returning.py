"""The posterior of a customer, against a law simulated apart and against the simulator itself."""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.histories import Histories, histories, later
from flashsale_env.market.retention import customer_types
from flashsale_env.theory import returning
from tests.market.guests import customers

SALES, CUT, CAMPAIGNS = 6, 4, 8
LAW = {"visit_shape": 1.0, "visit_scale": 1.0, "dropout_a": 1.0, "dropout_b": 1.5, "coupon": (0.0, 0.3)}


def market(**changes):
    fields = {
        "name": "returning",
        "horizon_ticks": 2,
        "tick_minutes": 30.0,
        "products": tuple(
            fs.Product(name, (1.0, 0.6), 10**6, unit_cost=0.3, reference_price=1.0, quality=quality)
            for name, quality in (("a", 1.5), ("b", 2.5))
        ),
        "arrivals": fs.Arrivals(0.25),
        "carts": fs.Carts(30.0, 0.1),
        "clicks": fs.Clicks(0.8),
        "messages": fs.Messages(0.4),
        "campaign": fs.Campaign(SALES),
        "retention": fs.Retention(100.0, **LAW, lift=0.3, keeps=0.8),
        "persons": fs.Persons(256),
        **changes,
    }
    return fs.Scenario(**fields)


def drawn(scenario, population, number, seed=0):
    """Customers by the law alone, who all buy in sale 0 at price 1: (histories, gone, whether they buy in the next)."""
    rng = np.random.default_rng(seed)
    rates, dropouts, shares = customer_types(scenario.retention)
    kind = rng.choice(len(shares), number, p=shares)
    visits = -np.expm1(-rates)[kind]
    gone, paid_once = np.zeros(number, bool), np.zeros(number, bool)
    rows, bought_in_next = [], np.zeros(number, bool)
    weight = population.weight / population.weight.sum()
    law = returning.visit_law(scenario, population, np.ones((1, 2)))
    first = weight * law.takes[0].sum(axis=0)
    voice = rng.choice(len(population), number, p=first / first.sum())
    for sale in range(CUT + 1):
        here = np.ones(number, bool) if sale == 0 else ~gone & (rng.random(number) < visits)
        takes = law.takes[0][:, voice] / (law.takes[0][:, voice].sum(axis=0) if sale == 0 else 1.0)
        bought = np.where(rng.random(number) < takes.sum(axis=0), bought_of(rng, takes), 2)
        pays = bought < 2
        if sale == CUT:
            bought_in_next = here & pays
            break
        rows.append((here, bought, pays))
        leaves = here & pays & paid_once & (rng.random(number) < dropouts[kind])
        paid_once |= here & pays
        gone |= leaves
    here = np.array([row[0] for row in rows])
    customer, sale = np.nonzero(here.T)
    bought = np.array([row[1] for row in rows])[sale, customer]
    found = Histories(
        cut=CUT,
        row=np.arange(number),
        person=np.arange(number, dtype=np.uint64),
        voice=voice,
        first=np.zeros(number, np.int64),
        customer=customer,
        sale=sale,
        price=np.ones((len(sale), 2)),
        opened=bought,
        bought=bought,
        pays=bought < 2,
        message=np.full(len(sale), -1),
    )
    return found, gone, bought_in_next


def bought_of(rng, takes):
    """Product by its share of what is bought."""
    return (rng.random(takes.shape[1]) * takes.sum(axis=0) >= takes[0]).astype(np.int64)


def test_the_posterior_is_the_share_of_those_who_have_this_history():
    """60,000 customers of a law drawn in numpy, for each pattern of visits and purchases; z = 4.5."""
    population = customers(("a", "b"))
    scenario = market(clicks=None, carts=None, messages=None)
    found, gone, buys = drawn(scenario, population, 60_000)
    known = returning.posterior(found, scenario, population)
    _, expected = returning.next_sale(known, scenario, population, np.ones((1, 2)))
    patterns = found.came() * 2 + found.paid()
    _, cell = np.unique(patterns, axis=0, return_inverse=True)
    checked = 0
    for predicted, happened in ((known.churn, gone), (expected, buys)):
        for number in np.flatnonzero(np.bincount(cell) > 300):
            here = cell == number
            p = predicted[here].mean()
            error = np.sqrt(max(p * (1 - p), 1e-9) / here.sum())
            assert happened[here].mean() == pytest.approx(p, abs=4.5 * error), patterns[here][0]
            checked += 1
    assert checked > 20
    assert known.churn.max() > 0.5


@pytest.mark.uncompiled
def test_the_simulator_does_what_the_posterior_expects():
    """Clicks, purchases, stays away, life, and the gain of a coupon, over customers of eight campaigns; z = 4.5."""
    population = customers(("a", "b"))
    scenario = market()
    logs = []
    for level in (0, 1):
        simulator = fs.CampaignSimulator(scenario, population, sales=CAMPAIGNS, actions="multidiscrete", log_rows=400)
        simulator.open(np.arange(CAMPAIGNS, dtype=np.uint64), np.zeros(CAMPAIGNS, np.int64))
        rng = np.random.default_rng(0)
        actions = np.zeros((CAMPAIGNS, len(simulator.codec.names)), np.int64)
        for sale in range(SALES):
            actions[:, simulator.codec.columns("price")] = rng.integers(2, size=(CAMPAIGNS, 1))
            actions[:, simulator.codec.columns("retention")] = level * (sale >= CUT)
            for _ in range(scenario.horizon_ticks):
                simulator.advance(actions)
            if sale == CUT - 1:
                persons = simulator.sales["persons"].copy()
        logs.append(simulator.campaign_log())
    found = histories(logs[0], scenario, population, CUT)
    after, with_it = (later(log, found, scenario) for log in logs)
    keys, gone = persons["key"][found.row], persons["gone"][found.row]
    dead = gone[keys == found.person[:, None]] == 1
    known, prices = returning.posterior(found, scenario, population), np.array([[1.0, 1.0], [0.6, 0.6]])
    click, purchase = returning.next_sale(known, scenario, population, prices)
    away = returning.stays_away(known, scenario, SALES - CUT)
    for predicted, happened in (
        (click, after.clicked[:, 0]),
        (purchase, after.paid[:, 0]),
        (away, ~after.came.any(axis=1)),
        (known.churn, dead),
    ):
        # Customers of a campaign share its prices, so campaigns are the units.
        by_campaign = np.bincount(found.row, happened - predicted)
        assert abs(by_campaign.mean()) < 4.5 * by_campaign.std(ddof=1) / np.sqrt(CAMPAIGNS)
        assert np.corrcoef(predicted, happened)[0, 1] > 0.1
    gain = returning.coupon_gain(known, scenario, population, prices, SALES - CUT, off=0.3)
    profit = with_it.margin.sum(axis=1) - 0.3 * with_it.revenue.sum(axis=1) - after.margin.sum(axis=1)
    by_campaign = np.bincount(found.row, profit - gain)
    assert abs(by_campaign.mean()) < 4.5 * by_campaign.std(ddof=1) / np.sqrt(CAMPAIGNS)
    truth = known.voices[np.arange(len(found)), found.voice]
    assert truth.min() > 0
    assert truth.mean() > 1 / len(population)


def test_what_is_not_modelled_is_refused():
    population, scenario = customers(("a", "b")), market()
    returning.require(scenario, population)
    other = scenario.replace(campaign=fs.Campaign(SALES, goodwill=0.5))
    with pytest.raises(ValueError, match=r"campaign.goodwill = 0.5, which the posterior of a customer does not model"):
        returning.require(other, population)
    with pytest.raises(ValueError, match=r"has no \[persons\]"):
        returning.require(scenario.replace(persons=None), population)
    with pytest.raises(ValueError, match=r"follows nobody from sale to sale"):
        histories(np.zeros(0), scenario.replace(persons=None), population, 2)
    with pytest.raises(ValueError, match=r"the cut must lie in 1..5, got 6"):
        histories(np.zeros(0), scenario, population, 6)
    before = scenario.replace(retention=dataclasses.replace(scenario.retention, customers=5.0))
    with pytest.raises(ValueError, match=r"begin with a first purchase"):
        histories(np.zeros(0), before, population, 2)

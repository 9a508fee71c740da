"""Shipped scenarios of one mechanism: what their headers say of them holds, on many sales of the compiled core."""

import numpy as np
import pytest
from scipy.special import expit

import flashsale_env as fs
from flashsale_env.agents import play, split_seeds
from flashsale_env.encoders.ranking import RANKERS, ranking
from flashsale_env.encoders.ranking.evidence import Evidence
from flashsale_env.encoders.ranking.margin import demand
from flashsale_env.experiments.intervals import paired_difference
from flashsale_env.experiments.studies.ranking import profits
from flashsale_env.experiments.verify.cases.disclosure import PlaysTable, solve

# ---------------------------------------------------------------------------------------------------------- disclosure


def test_the_best_times_to_show_the_units_left_earn_the_optimum_of_the_header():
    """By dynamic programming with and without showing; the optimal policy earns it, within 4.5 standard errors."""
    scenario = fs.load_scenario("disclosure")
    product, header = scenario.products[0], fs.SCENARIOS["disclosure"].read_text()
    prices, rate = np.array(product.price_levels), scenario.arrivals.customers_per_minute
    utility = product.quality - prices / product.reference_price
    hidden = expit(np.tile(utility[:, None], product.initial_stock))
    shown = expit(utility[:, None] + scenario.disclosure.units_left)
    never = solve(hidden, prices, rate, scenario.horizon_ticks)[1]
    always = solve(shown, prices, rate, scenario.horizon_ticks)[1]
    table, best = solve(np.vstack([hidden, shown]), np.tile(prices, 2), rate, scenario.horizon_ticks)
    for value in (best, never, always):
        assert f"{value:.3f}" in header
    shows = table[1:, 1:] >= len(prices)
    assert shows[:, :5].all()
    assert not shows[:, 5:].any()

    price_column = np.tile(np.linspace(-1, 1, len(prices)), 2)
    actions = np.column_stack([price_column, np.repeat([-1.0, 1.0], len(prices))]).astype(np.float32)
    seeds = split_seeds("validation", 3, 4_000)
    earned = play(PlaysTable(scenario, table, actions), scenario, seeds=seeds)["profit"]
    assert earned.mean() == pytest.approx(best, abs=4.5 * earned.std() / len(earned) ** 0.5)


# ------------------------------------------------------------------------------------------------------------- service


def test_servers_for_the_burst_earn_more_than_any_constant_number():
    """By a quarter at least; the header names the best schedule, which earns a third more."""
    scenario = fs.load_scenario("service")
    levels = {servers: level for level, servers in enumerate(scenario.service.servers)}
    numbers = [12, 10, 6, 4, 3, 3] + [2] * 54

    def earned(schedule):
        seeds = split_seeds("validation", 3, 2_000)
        simulator = fs.Simulator(scenario, sales=len(seeds), actions="multidiscrete")
        simulator.open(seeds, np.zeros(len(seeds), np.int64))
        action = np.ones((len(seeds), len(simulator.codec.names)), np.int64)
        for level in schedule:
            action[:, simulator.codec.columns("servers")] = level
            simulator.advance(action)
        return simulator.measure()[:, list(fs.METRICS).index("profit")]

    burst = earned([levels[number] for number in numbers])
    constant = [earned([level] * 60) for level in range(4)]
    assert np.argmax([profit.mean() for profit in constant]) == levels[2]
    assert paired_difference(burst, 1.25 * constant[levels[2]]).low > 0


# --------------------------------------------------------------------------------------------------------------- slate

SCENARIO = fs.load_scenario("slate")
CUSTOMERS = fs.load_population(SCENARIO.population, list(SCENARIO.titles))
EVIDENCE = Evidence(SCENARIO, CUSTOMERS, np.zeros((len(CUSTOMERS), 8)), np.zeros(0))
LISTS = {one.title: one for one in SCENARIO.slate.rankings}


def test_the_list_by_message_has_the_margins_that_the_demand_model_expects():
    written = np.transpose(LISTS["by message"].scores)
    np.testing.assert_allclose(written, RANKERS["margin"](EVIDENCE), atol=0.00501)
    assert ranking("by message", written) == LISTS["by message"]


def test_the_popular_list_has_the_units_of_a_thousand_who_examine():
    weight = np.bincount(EVIDENCE.predicted, CUSTOMERS.weight, len(fs.INTENTS))
    units = 1000 * np.average(demand(EVIDENCE), axis=0, weights=weight)
    np.testing.assert_allclose(np.transpose(LISTS["popular"].scores)[0], units, atol=0.0501)


def test_reading_the_message_earns_more_than_any_other_list():
    """By a quarter of the catalogue's profit at least, and what is popular earns least."""
    profit, _ = profits(SCENARIO, CUSTOMERS, SCENARIO.slate.rankings, split_seeds("validation", 0, 300))
    earned = dict(zip(LISTS, profit, strict=True))
    for name in ("catalogue", "popular", "left over"):
        assert paired_difference(earned["by message"], earned[name]).low > 0, name
    assert earned["by message"].mean() > 1.25 * earned["catalogue"].mean()
    assert min(earned, key=lambda name: earned[name].mean()) == "popular"

"""Elasticities estimated from the simulator's choice logs, against the tastes that generated them."""

import numpy as np
import pytest

from flashsale_env import INTENTS, Scenario, Shocks, Simulator, load_scenario
from flashsale_env.encoders.demand.logit import fit
from flashsale_env.encoders.studies.recovery import (
    alike_population,
    at_list_prices,
    choice_table,
    recovery_study,
    true_elasticity,
    varied_population,
)
from flashsale_env.encoders.world.reference import TASTES


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("standard")


def titles(scenario: Scenario) -> list[str]:
    return [product.title for product in scenario.products]


def test_a_quick_study_recovers_the_elasticities_of_all_intents(scenario):
    """18 intervals: fewer than 13 cover with probability .00003 if each covers 95 %. The start makes no difference."""
    study = recovery_study(scenario, seeds=2, visits=30_000)
    assert [row["intent"] for row in study["rows"]] == list(INTENTS)
    assert study["coverage"]["mean"] >= 13 / 18
    assert study["start_distance"] < 1e-6
    for row in study["rows"]:
        assert abs(row["bias"]) < 4 * row["standard_error"]


@pytest.mark.slow
@pytest.mark.parametrize("world", ["alike", "varied"])
def test_95_percent_intervals_cover_95_percent_of_the_time(world):
    """180 intervals over 20 logs: fewer than 160 cover with probability .0006 if each covers 95 %."""
    study = recovery_study(world=world)
    assert study["coverage"]["mean"] >= 160 / 180
    assert study["coverage_information"]["mean"] >= 160 / 180
    assert study["start_distance"] < 1e-6


def test_true_elasticities_are_the_declared_ones(scenario):
    """At small purchase probabilities the elasticity is the price sensitivity; individual variation matters little."""
    sensitivity = np.array([TASTES[intent].price_sensitivity for intent in INTENTS])
    for population in (alike_population(scenario.products), varied_population(scenario.products)):
        assert -true_elasticity(population, scenario.products) == pytest.approx(sensitivity, rel=0.06)
        share = np.bincount(population.latent_class, population.weight)
        assert share / share.sum() == pytest.approx(np.full(9, 1 / 9), rel=1e-4)


def sold_out_log(scenario: Scenario, seed: int, intent: str = "urgent_purchase", sales: int = 12):
    """Random prices, no coupon, no replenishment, and 40 units of each product: cheap ones sell out first."""
    population = alike_population(scenario.products)
    row = INTENTS.index(intent)
    weight = np.where(np.arange(9) == row, 1.0, 1e-6).astype(np.float32)
    population = type(population)(**{**vars(population), "weight": weight})
    short = [{**vars(product), "initial_stock": 40} for product in scenario.products]
    scarce = scenario.replace(
        products=tuple(type(scenario.products[0])(**product) for product in short), shocks=Shocks(), coupon=None
    )
    simulator = Simulator(scarce, population, sales=sales, actions="multidiscrete", log_rows=4000)
    rng = np.random.default_rng([0xCE45, seed])
    simulator.open(rng.integers(0, 2**63, sales).astype(np.uint64), np.zeros(sales, np.int64))
    levels = simulator.codec.n_levels.copy()
    levels[len(short) :] = 1  # prices only
    # One price for the whole sale: if it is low, the product sells out early and sells nothing afterwards.
    action = rng.integers(0, levels, (sales, len(levels)))
    for _ in range(2):
        simulator.advance(action)
    log = simulator.choice_log()
    return log[population.latent_class[log["voice"]] == row], true_elasticity(population, scenario.products)[row]


def test_stockouts_bias_an_estimate_that_ignores_availability(scenario):
    """Demand beyond the stock is censored. An estimate that treats sold-out products as alternatives finds customers
    far less price sensitive (about -0.4 instead of -1.2). With the availability of each choice, intervals cover the
    true value. Eight logs: fewer than 5 of 8 intervals cover with probability .0004 if each covers 95 %."""
    products = titles(scenario)
    where = at_list_prices(products)
    right, wrong = [], []
    for seed in range(8):
        log, truth = sold_out_log(scenario, seed)
        assert 0.5 < log["available"].mean() < 0.95
        right.append(fit(choice_table(log, products)).elasticity(at=where))
        wrong.append(fit(choice_table(log, products, everything_available=True)).elasticity(at=where))
    assert sum(e.low <= truth <= e.high for e in right) >= 5
    # Student's t with 7 degrees of freedom: the mean ± 5.4 standard errors is a 99.9 % interval.
    for estimates, biased in ((wrong, True), (right, False)):
        bias = np.array([e.value - truth for e in estimates])
        half = 5.4 * bias.std(ddof=1) / np.sqrt(len(bias))
        assert (bias.mean() - half > 0.4) if biased else (abs(bias.mean()) < half)


def test_bad_requests_are_refused(scenario):
    with pytest.raises(ValueError, match="world must be one of alike, varied"):
        recovery_study(scenario, world="flat")
    with pytest.raises(ValueError, match="seeds and visits must be 1 or more"):
        recovery_study(scenario, seeds=0)

"""Distributions of the simulated customers: arrivals, voices and choices.

Each test states its sample size and false-alarm rate; seeds are fixed.
"""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats

import flashsale_env as fs


@pytest.fixture
def quiet(standard):
    """The standard sale without shocks or orders, with ample stock, and the coupon is never given."""
    products = tuple(
        dataclasses.replace(p, initial_stock=10**6, reserve=0, order_levels=(0,)) for p in standard.products
    )
    return standard.replace(products=products, replenishment=None, shocks=fs.Shocks())


def run(scenario, sales=16, levels=None, **options):
    simulator = fs.Simulator(scenario, sales=sales, actions="multidiscrete", **options)
    simulator.open(np.arange(sales, dtype=np.uint64) + 77, np.zeros(sales, np.int64))
    levels = np.zeros(len(simulator.codec.names), np.int64) if levels is None else levels
    for _ in range(scenario.horizon_ticks):
        simulator.advance(np.tile(levels, (sales, 1)))
    return simulator


def test_choices_follow_the_multinomial_logit(quiet):
    """190,000 homogeneous customers: chi-square test of all nine outcomes, false-alarm rate 1e-3."""
    titles = [p.title for p in quiet.products]
    bank = fs.Population.homogeneous(titles)
    relevance = np.linspace(-1.0, 1.5, 8, dtype=np.float32)[None]
    bank = dataclasses.replace(bank, relevance=relevance, price_sensitivity=np.full(1, 2.0, np.float32))
    levels = np.append(np.arange(8) % 4, 0)
    simulator = run(quiet, levels=levels, population=bank)
    share = np.array([p.price_levels[k] / p.list_price for p, k in zip(quiet.products, levels[:8], strict=True)])
    odds = np.append(np.exp(relevance[0] - 2.0 * share), 1.0)
    observed = simulator.sales["sold"].sum(axis=0)
    customers = simulator.sales["customers"].sum()
    observed = np.append(observed, customers - observed.sum())
    assert customers > 150_000
    assert stats.chisquare(observed, odds / odds.sum() * customers).pvalue > 1e-3


def test_customers_arrive_as_a_poisson_process(quiet):
    """Counts of one tick over 4,000 sales: dispersion test at false-alarm rate 1e-3, mean within 4 standard errors."""
    sales = 4000
    simulator = fs.Simulator(quiet.replace(population="reference"), sales=sales)
    simulator.open(np.arange(sales, dtype=np.uint64), np.zeros(sales, np.int64))
    simulator.advance(np.full((sales, len(simulator.codec.names)), -1.0))
    counts = simulator.sales["tick_customers"]
    mean = simulator.instance.schedule[0, 0]
    assert abs(counts.mean() - mean) < 4 * np.sqrt(mean / sales)
    dispersion = ((counts - counts.mean()) ** 2).sum() / counts.mean()
    assert 1e-3 < stats.chi2.sf(dispersion, sales - 1) < 1 - 1e-3


def test_the_burst_at_the_start_is_that_of_published_sales(standard):
    """The first 4.4 % of one published single-day sale brought 37.3 % of its sales, 2.6 % of another one 14.3 %."""
    share = standard.arrivals.cumulative_share
    assert 0.143 < share(0.044) < 0.373
    assert share(0.0) == 0.0
    assert share(1.0) == pytest.approx(1.0)
    grid = share(np.linspace(0, 1, 1001))
    assert (np.diff(grid) > 0).all()
    assert standard.arrivals.customers_per_minute * standard.sale_minutes == 12_000


def test_voices_come_by_class_and_weight(standard):
    """Without a shock of the mix, voices come in proportion to their weights.

    A log of 190,000 customers; chi-square test on 40 groups of voices, false-alarm rate 1e-3.
    """
    scenario = standard.replace(shocks=fs.Shocks())
    simulator = run(scenario, log_rows=30_000)
    bank = simulator.population
    group = np.random.default_rng(0).integers(0, 40, len(bank))
    observed = np.bincount(group[simulator.choice_log()["voice"]], minlength=40)
    expected = np.bincount(group, bank.weight.astype(np.float64), minlength=40)
    assert stats.chisquare(observed, expected / expected.sum() * observed.sum()).pvalue > 1e-3


def test_messages_before_the_start_reveal_the_mix_of_the_sale(standard):
    """Over 400 sales, the share of bargain hunters in the first observation correlates with the hidden share."""
    simulator = fs.Simulator(standard, "reference", sales=400)
    first = simulator.open(np.arange(400, dtype=np.uint64), np.zeros(400, np.int64))
    seen = first[:, simulator.layout["intent_mean"]][:, fs.INTENTS.index("bargain_hunting")]
    hidden = np.diff(simulator.sales["mix"], axis=1, prepend=0.0)[:, fs.INTENTS.index("bargain_hunting")]
    assert np.corrcoef(seen, hidden)[0, 1] > 0.9
    assert hidden.std() > 0.1, "the mix must differ from sale to sale"


def test_the_own_price_elasticity_of_the_reference_world_is_realistic():
    """Between -1 and -4, near the mean of -2.62 over 1,851 published estimates."""
    titles = [p.title for p in fs.load_scenario("standard").products]
    bank = fs.load_population("reference", titles)
    mean = np.average(bank.price_sensitivity, weights=bank.weight)
    assert 2.2 < mean < 3.1
    by_class = [np.mean(bank.price_sensitivity[bank.latent_class == c]) for c in range(9)]
    assert min(by_class) > 1.0
    assert max(by_class) < 4.3


def test_raising_a_price_never_raises_its_own_sales(quiet):
    """With common random numbers, demand for a product falls with every step up of its price."""
    sold = [
        run(quiet, sales=4, levels=np.array([0, 0, level, 0, 0, 0, 0, 0, 0])).sales["sold"] for level in (0, 2, 5, 7)
    ]
    for dear, cheap in itertools.pairwise(sold):
        assert (cheap[:, 2] >= dear[:, 2]).all()
        others = np.arange(8) != 2
        assert (cheap[:, others] <= dear[:, others]).all()
    assert sold[-1][:, 2].sum() > sold[0][:, 2].sum()

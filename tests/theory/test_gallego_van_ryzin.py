"""The exponential scenario against exact values of the discrete-time model.

Expected values are recomputed here by backward recursion over Poisson demand; 100,000 sales per check, two-sided 99 %
intervals. Seeds are fixed, so a check passes always, or reveals a change.
"""

import numpy as np
import pytest
from scipy import stats

import flashsale_env as fs

SALES = 100_000
Z99 = stats.norm.ppf(0.995)
A_T = 10 * np.e  # customers at price 0
STOCK = 10


def expected_revenue(periods: int, price_probabilities) -> float:
    """Exact expected revenue if every period draws its price from the given (price, probability) pairs."""
    value = np.zeros(STOCK + 1)
    for _ in range(periods):
        new = np.zeros(STOCK + 1)
        for price, probability in price_probabilities:
            mean = A_T / periods * np.exp(-price)
            for left in range(STOCK + 1):
                demand = stats.poisson.pmf(np.arange(left), mean)
                tail = 1 - demand.sum()
                outcome = demand @ (price * np.arange(left) + value[left - np.arange(left)]) + tail * price * left
                new[left] += probability * outcome
        value = new
    return float(value[STOCK])


def simulated_revenue(periods: int, levels) -> tuple[float, float]:
    """Mean revenue and the half-width of its 99 % interval; `levels(n)` gives the price levels of a tick."""
    simulator = fs.Simulator(
        fs.load_scenario("gvr-periodic").replace(horizon_ticks=periods), sales=SALES, actions="multidiscrete"
    )
    simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    for _ in range(periods):
        simulator.advance(levels(SALES)[:, None])
    revenue = simulator.sales["money"][:, 0]
    return float(revenue.mean()), float(Z99 * revenue.std(ddof=1) / SALES**0.5)


@pytest.mark.parametrize("periods", [10, 60])
def test_the_best_fixed_price_earns_its_exact_value(periods):
    prices = fs.load_scenario("gvr-periodic").products[0].price_levels
    exact = [expected_revenue(periods, [(price, 1.0)]) for price in prices]
    best = int(np.argmax(exact))
    assert prices[best] == 1.25
    assert exact[best] == pytest.approx(9.274319, abs=1e-6)
    mean, half_width = simulated_revenue(periods, lambda n: np.full(n, best))
    assert abs(mean - exact[best]) < half_width


@pytest.mark.parametrize(("periods", "value"), [(10, 7.345626), (60, 7.416611)])
def test_random_prices_earn_their_exact_value(periods, value):
    prices = fs.load_scenario("gvr-periodic").products[0].price_levels
    exact = expected_revenue(periods, [(price, 1 / len(prices)) for price in prices])
    assert exact == pytest.approx(value, abs=1e-6)
    rng = np.random.default_rng(0)
    mean, half_width = simulated_revenue(periods, lambda n: rng.integers(0, len(prices), n))
    assert abs(mean - exact) < half_width


def test_sales_at_a_fixed_price_are_truncated_poisson():
    """Chi-square test against Poisson(a·T·e^-p) truncated at the stock; false-alarm rate 1e-3."""
    simulator = fs.Simulator("gvr-periodic", sales=SALES, actions="multidiscrete")
    simulator.open(np.arange(SALES, dtype=np.uint64) + 10**9, np.zeros(SALES, np.int64))
    price = simulator.scenario.products[0].price_levels[7]
    for _ in range(10):
        simulator.advance(np.full((SALES, 1), 7))
    observed = np.bincount(simulator.sales["sold"][:, 0], minlength=STOCK + 1)
    mean = A_T * np.exp(-price)
    law = stats.poisson.pmf(np.arange(STOCK + 1), mean)
    law[STOCK] = stats.poisson.sf(STOCK - 1, mean)
    assert stats.chisquare(observed, law * SALES).pvalue > 1e-3


def test_the_continuous_scenario_plays_the_given_price():
    """A box price of the continuous scenario earns the exact value of that fixed price."""
    price = 1.264363  # the best single price
    simulator = fs.Simulator("gallego-van-ryzin", sales=SALES)
    simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    action = simulator.codec.from_prices(np.full((SALES, 1), price))
    for _ in range(60):
        simulator.advance(action)
    revenue = simulator.sales["money"][:, 0]
    exact = price * (stats.poisson.expect(lambda k: np.minimum(k, STOCK), (A_T * np.exp(-price),), maxcount=200))
    assert exact == pytest.approx(9.275682, abs=1e-5)
    assert abs(revenue.mean() - exact) < Z99 * revenue.std(ddof=1) / SALES**0.5

"""The BG/NBD model: its likelihood, its expected purchases, and a fit that finds known customers again."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import beta, gamma

from flashsale_env.theory.customer_base import CustomerBase, fit

CDNOW = CustomerBase(0.243, 4.414, 0.793, 2.426)


def likelihood(base, purchases, last, observed):
    return float(np.exp(base.log_likelihood(purchases, last, observed)))


def test_the_likelihood_is_the_mean_over_rates_and_dropouts():
    """Against numerical integration over both distributions of the likelihood of one customer, equation 3."""
    base, (x, last, observed) = CustomerBase(1.7, 3.0, 1.4, 2.1), (3, 5.0, 9.0)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    p, share = (nodes + 1) / 2, weights / 2
    rate = 40.0 * p / base.alpha  # far into the tail
    of_rate = rate ** (base.r - 1) * np.exp(-base.alpha * rate)
    of_rate *= share / (share @ of_rate)
    of_p = p ** (base.a - 1) * (1 - p) ** (base.b - 1)
    of_p *= share / (share @ of_p)
    buys, q = rate[:, None], p[None, :]
    alone = (1 - q) ** x * buys**x * np.exp(-buys * observed) + q * (1 - q) ** (x - 1) * buys**x * np.exp(-buys * last)
    assert likelihood(base, x, last, observed) == pytest.approx(of_rate @ alone @ of_p, rel=1e-4)


def test_probabilities_of_no_and_of_one_repeat_purchase_are_the_published_ones():
    """Equation 8; one purchase may be at any time, so its likelihood is integrated."""
    r, alpha, a, b, t = CDNOW.r, CDNOW.alpha, CDNOW.a, CDNOW.b, 30.0
    none = (alpha / (alpha + t)) ** r
    assert likelihood(CDNOW, 0, 0.0, t) == pytest.approx(none)
    one = b / (a + b) * r * none * t / (alpha + t) + a / (a + b) * (1 - none)
    assert quad(lambda when: likelihood(CDNOW, 1, when, t), 0.0, t)[0] == pytest.approx(one)


def test_customers_of_known_parameters_are_found_again():
    """4,000 simulated customers: within a tenth, about four standard errors; and no other parameters are likelier."""
    rng = np.random.default_rng(0)
    true = CustomerBase(0.8, 3.0, 1.2, 2.5)
    rates, dropouts = rng.gamma(true.r, 1 / true.alpha, 4000), rng.beta(true.a, true.b, 4000)
    observed = rng.uniform(20.0, 40.0, 4000)
    purchases, last = np.zeros(4000), np.zeros(4000)
    when, alive = np.zeros(4000), np.ones(4000, bool)
    while alive.any():
        when[alive] += rng.exponential(1 / rates[alive])
        alive &= when <= observed
        purchases[alive] += 1
        last[alive] = when[alive]
        alive &= rng.random(4000) >= dropouts
    found = fit(purchases, last, observed)
    assert found.r == pytest.approx(true.r, rel=0.1)
    assert found.alpha == pytest.approx(true.alpha, rel=0.15)
    assert found.a / (found.a + found.b) == pytest.approx(true.a / (true.a + true.b), rel=0.1)
    best = found.log_likelihood(purchases, last, observed).sum()
    for name in ("r", "alpha", "a", "b"):
        for factor in (0.99, 1.01):
            other = CustomerBase(**{**vars(found), name: factor * getattr(found, name)})
            assert other.log_likelihood(purchases, last, observed).sum() < best
    months = fit(purchases, last / 4, observed / 4)
    assert months.alpha == pytest.approx(found.alpha / 4, rel=1e-3)


def test_records_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"customer 1 has 2 repeat purchases, the last at 9 of 5"):
        fit([1, 2], [2.0, 9.0], [5.0, 5.0])
    with pytest.raises(ValueError, match="nobody bought again"):
        fit([0, 0], [0.0, 0.0], [5.0, 5.0])
    with pytest.raises(ValueError, match="three arrays of one length"):
        fit([1], [1.0, 2.0], [5.0])
    with pytest.raises(ValueError, match="alpha of a customer base must be above 0"):
        CustomerBase(1.0, 0.0, 1.0, 1.0)


def test_what_is_expected_of_a_customer_is_the_published_figure():
    """Fader, Hardie & Lee (2005), section 5: 2 repeat purchases, the last in week 30.43 of 38.86; 39 weeks more."""
    assert float(CDNOW.expected_after(2, 30.43, 38.86, 39.0)) == pytest.approx(1.226, abs=5e-4)


def test_who_is_alive_is_the_share_of_the_likelihood_that_is():
    """Mean over rates and dropouts that the customer bought x times and has not dropped out, over the likelihood."""
    base, (x, last, observed) = CustomerBase(1.7, 3.0, 1.4, 2.1), (3, 5.0, 9.0)
    stays = beta(base.a, base.b + x) / beta(base.a, base.b)
    rate = base.alpha**base.r * gamma(base.r + x) / gamma(base.r) / (base.alpha + observed) ** (base.r + x)
    assert float(base.alive(x, last, observed)) == pytest.approx(stays * rate / likelihood(base, x, last, observed))
    assert float(base.alive(0, 0.0, 9.0)) == 1.0
    longer = base.alive([3, 3], [5.0, 5.0], [9.0, 30.0])
    assert longer[1] < longer[0]
    new = base.expected_after(0, 0.0, 0.0, 12.0)
    assert new == pytest.approx(base.expected_purchases(12.0))


def test_who_returns_is_who_does_not_stay_away_from_a_new_customer_on():
    """The complement of equation 8 at 0 purchases; soon after, nobody buys twice; in the end, all who are alive."""
    r, alpha, t = CDNOW.r, CDNOW.alpha, 30.0
    assert CDNOW.returns(0, 0.0, 0.0, t) == pytest.approx(1.0 - (alpha / (alpha + t)) ** r)
    known = ([0, 2, 5], [0.0, 10.0, 30.0], [20.0, 30.0, 31.0])
    soon = CDNOW.returns(*known, 1e-3)
    assert soon == pytest.approx(CDNOW.expected_after(*known, 1e-3), rel=1e-3)
    assert (CDNOW.returns(*known, 39.0) < CDNOW.expected_after(*known, 39.0)).all()
    assert CDNOW.returns(*known, 1e9) == pytest.approx(CDNOW.alive(*known), abs=0.02)

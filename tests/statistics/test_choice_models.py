"""Choice models against their closed forms, and against each other where one is a special case of another.

Chi-square tests over all outcomes of about 200,000 customers; false alarm 1e-3 each; seeds are fixed.
"""

import numpy as np
import pytest
from scipy import stats

import flashsale_env as fs

QUALITY = (1.0, 0.3, 0.6, -0.4)
PRICES = (1.0, 0.8, 1.5, 0.5)
NESTS = ("shoes", "shoes", "shirts", "shirts")


def sale(choice, stock=10**6, nests=NESTS, customers=200_000.0, prices=PRICES):
    nests = nests if choice.model == "nested" else [""] * len(nests)
    products = tuple(
        fs.Product(f"p{j}", (price, price / 2), stock, quality=a, reference_price=1.0, nest=nest)
        for j, (a, price, nest) in enumerate(zip(QUALITY, prices, nests, strict=True))
    )
    return fs.Scenario("any", 1, 1.0, products, fs.Arrivals(customers), choice=choice)


def outcomes(scenario, **options):
    """Customers who bought each product, and nothing, at list prices."""
    simulator = fs.Simulator(scenario, actions="multidiscrete", **options)
    simulator.open(np.array([5], np.uint64), np.zeros(1, np.int64))
    simulator.advance(np.zeros((1, len(scenario.products)), np.int64))
    sold = simulator.sales["sold"][0]
    return np.append(sold, simulator.sales["customers"][0] - sold.sum())


def logit_shares(utility):
    odds = np.append(np.exp(utility), 1.0)
    return odds / odds.sum()


def nested_shares(utility, nests, dissimilarity):
    """P(j) = P(j | its nest)·P(nest), inclusive value ln sum e^(v/lambda) (Train 2009, chapter 4)."""
    names = list(dict.fromkeys(nests))
    member = np.array([names.index(nest) for nest in nests])
    weight = np.exp(utility / dissimilarity)
    total = np.bincount(member, weight)
    nest = total**dissimilarity / (1.0 + (total**dissimilarity).sum())
    shares = weight / total[member] * nest[member]
    return np.append(shares, 1.0 - shares.sum())


def mixed_shares(sensitivity_sd, appetite_sd, nodes=60):
    """Logit shares integrated over both normals by Gauss-Hermite quadrature."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    shares = 0.0
    for z, weight in zip(x, w, strict=True):
        factor = np.exp(sensitivity_sd * z - sensitivity_sd**2 / 2)
        for y, other in zip(x, w, strict=True):
            shares += weight * other * logit_shares(np.array(QUALITY) + appetite_sd * y - factor * np.array(PRICES))
    return shares


UTILITY = np.array(QUALITY) - np.array(PRICES)


@pytest.mark.parametrize("dissimilarity", [0.9, 0.5, 0.15])
def test_choices_follow_the_nested_logit(dissimilarity):
    observed = outcomes(sale(fs.Choice("nested", dissimilarity=dissimilarity)))
    law = nested_shares(UTILITY, NESTS, dissimilarity)
    assert abs(law - logit_shares(UTILITY)).max() > 0.005, "else this would not tell it from multinomial logit"
    assert stats.chisquare(observed, law * observed.sum()).pvalue > 1e-3


def test_nests_need_not_stand_side_by_side():
    mixed_up = ("shoes", "shirts", "shoes", "shirts")
    observed = outcomes(sale(fs.Choice("nested", dissimilarity=0.4), nests=mixed_up))
    law = nested_shares(UTILITY, mixed_up, 0.4)
    assert stats.chisquare(observed, law * observed.sum()).pvalue > 1e-3


@pytest.mark.parametrize(("sensitivity_sd", "appetite_sd"), [(0.8, 0.0), (0.0, 1.5), (0.6, 1.0)])
def test_choices_follow_the_mixed_logit(sensitivity_sd, appetite_sd):
    observed = outcomes(sale(fs.Choice("mixed", sensitivity_sd=sensitivity_sd, appetite_sd=appetite_sd)))
    law = mixed_shares(sensitivity_sd, appetite_sd)
    assert abs(law - logit_shares(UTILITY)).max() > 0.005
    assert stats.chisquare(observed, law * observed.sum()).pvalue > 1e-3


@pytest.mark.parametrize("choice", [fs.Choice("nested"), fs.Choice("mixed")])
def test_without_its_parameter_a_model_is_multinomial_logit_bit_for_bit(choice):
    scenario = fs.load_scenario("standard")
    played = []
    for model in (fs.Choice(), choice):
        simulator = fs.Simulator(scenario.replace(choice=model), sales=4, actions="multidiscrete")
        simulator.open(np.arange(4, dtype=np.uint64), np.zeros(4, np.int64))
        for tick in range(20):
            simulator.advance(np.full((4, 17), tick % 3))
        played.append(simulator.sales)
    for name in ("sold", "demand", "lost", "customers", "money", "messages"):
        assert played[0][name].tobytes() == played[1][name].tobytes(), name


def test_a_nest_of_one_is_multinomial_logit_in_law():
    alone = ("a", "b", "c", "d")
    observed = outcomes(sale(fs.Choice("nested", dissimilarity=0.3), nests=alone))
    assert stats.chisquare(observed, logit_shares(UTILITY) * observed.sum()).pvalue > 1e-3


def test_when_a_product_is_out_its_nest_gains_most():
    """Nested logit at .3: the other shoe gains a larger share of the lost customers than under multinomial logit."""
    full = outcomes(sale(fs.Choice("nested", dissimilarity=0.3)))
    dear = outcomes(sale(fs.Choice("nested", dissimilarity=0.3), prices=(50.0, *PRICES[1:])))
    gain = (dear - full)[1:] / (full[0] - dear[0])
    plain = [outcomes(sale(fs.Choice(), prices=p)) for p in (PRICES, (50.0, *PRICES[1:]))]
    plain_gain = (plain[1] - plain[0])[1:] / (plain[0][0] - plain[1][0])
    assert gain[0] > 1.5 * plain_gain[0]
    assert gain.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "nested", "dissimilarity": 0.0}, "between .01 and 1, got 0.0"),
        ({"model": "nested", "dissimilarity": 1.5}, "between .01 and 1, got 1.5"),
        ({"model": "mixed", "appetite_sd": 9.0}, "at most 5"),
        ({"model": "mixed", "sensitivity_sd": -1.0}, "at least 0"),
        ({"dissimilarity": 0.5}, "belongs to choice.model 'nested' and would do nothing under 'mnl'"),
        ({"model": "nested", "appetite_sd": 0.5}, "belongs to choice.model 'mixed'"),
    ],
)
def test_parameters_that_do_nothing_or_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        fs.Choice(**settings)

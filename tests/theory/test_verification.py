"""`flashsale verify`: every anchor holds, with its own and with other parameters, and a wrong simulator fails."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from flashsale_env.experiments.verify import running as verify
from flashsale_env.experiments.verify.anchors import ANCHORS, Measurement, law_of, mean_of
from flashsale_env.experiments.verify.running import FAIL, FALSE_ALARM, PASS, as_markdown, judge, run_verification

SALES = 4_000
EXPECTED = {  # computed in two independent ways, to six digits
    "optimal revenue, n = 10, rho = 10, K = 60": 9.455156,
    "dynamic program, n = 10, rho = 10, K = 10": 9.412768,
    "dynamic program, n = 10, rho = 10, K = 60": 9.436405,
    "best fixed price 1.25, n = 10, rho = 10, K = 60": 9.274319,
    "random prices, n = 10, rho = 10, K = 60": 7.416611,
    "rounded continuous-time price, n = 10, rho = 10, K = 60": 9.435758,
    "fluid re-solve, n = 10, rho = 10, K = 60": 9.201155,
    "best single price 1.264363, n = 10, rho = 10, K = 60": 9.275682,
    "fluid price 1.000000, n = 10, rho = 10, K = 60": 8.748900,
    "dynamic program, price grid, n = 10, rho = 10, K = 60, drift = (1.5, 0.5)": 9.621028,
    "best fixed price 1.25, n = 10, rho = 10, K = 60, drift = (1.5, 0.5)": 8.521626,
    "revenue of a customer, best set {1, 2, 3, 4}": 45.510204,
    "margin of a customer": 5.059084,
    "optimal revenue, stock = (3, 3), T = 30, lambda = 0.5": 13.154522,
    "expected sales of product 1": 1.446904,
    "expected sales of product 2": 0.729413,
    "probability that all is gone": 0.472851,
    "expected profit, Q = 100, demand = 100": 368.111203,
}


@pytest.fixture(scope="module")
def result():
    return run_verification(sales=SALES)


@pytest.mark.parametrize("name", ANCHORS)
def test_the_simulator_meets_theory(result, name):
    rows = [row for row in result["rows"] if row["anchor"] == name]
    assert rows
    for row in rows:
        assert row["verdict"] == PASS, row


def test_expected_values_are_the_published_ones(result):
    rows = {row["quantity"]: row for row in result["rows"]}
    for quantity, value in EXPECTED.items():
        assert rows[quantity]["expected"] == pytest.approx(value, abs=1e-6), quantity
    for row in result["rows"]:
        if row["anchor"] == "lost-sales":
            assert row["expected"] == pytest.approx(row["limit"], abs=0.0051), "printed with two digits"
        if row["anchor"] == "gvr-optimal" and "revenue" in row["quantity"]:
            assert row["expected"] < row["limit"], "a price that stands for a minute cannot beat one that moves always"


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("gvr-optimal", {"n": 3, "rho": 4.5, "ticks": 17}),
        ("gvr-sales-law", {"n": 4, "rho": 6.0, "ticks": 200}),
        ("gvr-fixed-price", {"n": 25, "rho": 20.0}),
        ("gvr-tightness", {"k": 30, "ticks": 100}),
        ("gvr-policies", {"n": 30, "rho": 12.0, "ticks": 5}),
        ("gvr-policies", {"n": 50, "rho": 100.0, "ticks": 20}),  # all but one sale in 10^12 earn the same
        ("gvr-sales-law", {"n": 5, "rho": 200.0, "ticks": 50}),  # all but one sale in 10^9 are sold out
        ("gvr-periodic", {"grid": [0.3, 1.1, 1.7, 4.0], "n": 4, "ticks": 7}),
        ("gvr-burst", {"burst_share": 0.9, "late_share": 0.0}),
        ("gvr-two-phase", {"drift": [0.5, 2.0, 1.0], "grid": [0.5, 1.0, 3.0], "ticks": 30}),
        ("mnl-assortment", {"prices": [9.0, 5.0, 4.0], "weights": [0.5, 2.0, 4.0], "no_purchase": 2.0}),
        ("mnl-price", {"a": [1.0, -1.0], "b": 2.0, "c": [0.0, 0.3]}),
        ("mnl-stock", {"a": [1.0, 0.0, 2.0], "stock": [1, 2, 1], "ticks": 12, "arrival_probability": 0.9}),
        ("stockout-substitution", {"weights": [0.4, 2.0, 1.0], "stock": [1, 3, 2], "customers": 9.0}),
        ("lost-sales", {"demand": 2.0, "lost_sale_cost": 6.0, "lead": 2, "largest_order": 8, "storage": 20}),
        ("lost-sales", {"demand": 3.0, "lead": 0, "largest_order": 12, "storage": 12}),
        ("newsvendor", {"demand": 7.0, "price": 3.0, "unit_cost": 1.0, "salvage": 0.0}),
    ],
)
def test_it_holds_with_parameters_of_ones_own(name, given):
    result = run_verification([name], given, sales=SALES)
    assert result["verdict"] == PASS, as_markdown(result)


def test_samples_that_are_all_the_same_bound_the_mean_by_the_rule_of_three():
    """None of n sales differs: a share of more than ln(1 / level) / n of all would have shown one."""
    n, reach = 5000, 40.0
    (row,) = judge([(ANCHORS["newsvendor"], mean_of("m", 7.0, np.full(n, 7.0), reach=reach))])
    assert row["half_width"] == pytest.approx(reach * math.log(1 / FALSE_ALARM) / n + 7e-6, rel=1e-9)
    for expected, verdict in ((7.03, PASS), (7.05, FAIL)):
        (row,) = judge([(ANCHORS["newsvendor"], mean_of("m", expected, np.full(n, 7.0), reach=reach))])
        assert row["verdict"] == verdict


@pytest.mark.parametrize("share", [1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.09, 0.12, 0.3])
def test_a_rare_event_raises_a_false_alarm_no_more_often_than_promised(share):
    """Exact, over the binomial law of the sales in which it happens; the normal law takes over at 400 of them."""
    n, alarm = 4000, 0.0
    first, last = stats.binom.ppf([1e-9, 1 - 1e-9], n, share).astype(int)
    for k in range(first, last + 1):
        measured = mean_of("share", share, np.repeat([1.0, 0.0], [k, n - k]), reach=1.0)
        if judge([(ANCHORS["newsvendor"], measured)])[0]["verdict"] == FAIL:
            alarm += stats.binom.pmf(k, n, share)
    assert alarm < (1.1 if n * share > 400 else 1.0) * FALSE_ALARM


def test_every_measurement_says_how_far_its_samples_can_differ():
    """Without a reach a sample without variance would be held to nothing."""
    quick = {"gvr-tightness": {"k": 10, "ticks": 20}, "gvr-two-phase": {"ticks": 10}, "gvr-sales-law": {"ticks": 20}}
    for anchor in ANCHORS.values():
        if anchor.name == "lost-sales":  # solves for seconds
            continue
        for found in anchor.measure({**anchor.defaults, **quick.get(anchor.name, {})}, 1000):
            assert found.atom is None or 0 < found.atom.reach < math.inf, found.quantity


def test_parameters_beyond_any_table_are_refused_at_once():
    for name, given in (("gvr-optimal", {"n": 1e9}), ("mnl-stock", {"ticks": 10**7}), ("gvr-tightness", {"k": 10**6})):
        with pytest.raises(ValueError, match=rf"{name}: \w+ must be a whole number above 0 and at most 10,000, got"):
            run_verification([name], given, sales=SALES)


@pytest.mark.parametrize("error", [0.01, -0.01])
def test_an_error_of_one_percent_is_found(error, monkeypatch):
    """The default number of sales has the power: shift what is expected of two anchors by one percent."""
    for name in ("gvr-optimal", "mnl-price"):
        found = ANCHORS[name].measure(ANCHORS[name].defaults, 100_000)
        wrong = [(ANCHORS[name], dataclasses.replace(m, expected=m.expected * (1 + error))) for m in found]
        assert all(row["verdict"] == FAIL for row in judge(wrong)), name


def test_a_sale_without_substitution_would_be_found():
    """Customers who find their choice gone and leave: (1.331086, .681093) instead of (1.446904, .729413)."""
    found = ANCHORS["stockout-substitution"].measure(ANCHORS["stockout-substitution"].defaults, 20_000)
    without = {"expected sales of product 1": 1.331086, "expected sales of product 2": 0.681093}
    changed = [dataclasses.replace(m, simulated=without[m.quantity]) for m in found if m.quantity in without]
    assert [row["verdict"] for row in judge([(ANCHORS["stockout-substitution"], m) for m in changed])] == [FAIL, FAIL]


def test_a_wrong_law_is_found():
    rng, law = np.random.default_rng(0), np.array([0.5, 0.3, 0.15, 0.05])
    right, wrong = rng.multinomial(10_000, law), rng.multinomial(10_000, [0.45, 0.33, 0.16, 0.06])
    anchor = ANCHORS["gvr-sales-law"]
    verdicts = [judge([(anchor, law_of("law", law, counts.astype(float)))])[0]["verdict"] for counts in (right, wrong)]
    assert verdicts == [PASS, FAIL]


def test_outcomes_that_cannot_happen_are_found():
    law, counts = np.array([0.5, 0.5, 0.0]), np.array([450.0, 450.0, 100.0])
    assert judge([(ANCHORS["gvr-sales-law"], law_of("law", law, counts))])[0]["verdict"] == FAIL


def test_what_is_not_a_number_fails():
    rows = judge([(ANCHORS["newsvendor"], Measurement("broken", 1.0, float("nan"), 0.1, 10))])
    assert rows[0]["verdict"] == FAIL


def test_right_values_pass_as_often_as_promised():
    """1,000 families of 20 right means: about one in a hundred has a false alarm; 25 or more has probability 1e-4."""
    rng, alarms = np.random.default_rng(1), 0
    for _ in range(1000):
        family = [(ANCHORS["newsvendor"], mean_of("m", 0.0, rng.normal(size=200))) for _ in range(20)]
        alarms += any(row["verdict"] == FAIL for row in judge(family))
    assert 1 <= alarms < 25


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (["gvr-optimum"], {}, "Did you mean 'gvr-optimal'"),
        ([], {"n": 3}, "name exactly one of"),
        (["gvr-optimal"], {"rh": 3}, "Did you mean 'rho'"),
        (["gvr-optimal"], {"n": 2.5}, "n must be a whole number above 0, got 2.5; e.g. n=10"),
        (["gvr-optimal"], {"rho": -1}, "rho must be a number above 0, got -1"),
        (["mnl-stock"], {"stock": 3}, r"stock must be a list of numbers above 0, got 3; e.g. stock=\[3, 3\]"),
        (["mnl-price"], {"a": [1.0]}, "every product needs a number in every list"),
        (["lost-sales"], {"ticks": 200}, "leaves out 200 ticks"),
        (["newsvendor"], {"unit_cost": 11.0}, "price > unit_cost > salvage_value"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(names, given, message):
    with pytest.raises(ValueError, match=message):
        run_verification(names, given, sales=SALES)


def test_every_parameter_that_may_be_zero_or_negative_exists():
    known = {name for anchor in ANCHORS.values() for name in anchor.defaults}
    assert known >= verify.MAY_BE_ZERO | verify.MAY_BE_NEGATIVE

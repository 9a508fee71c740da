"""`flashsale verify` checks the parameters it is given."""

import pytest

from flashsale_env.experiments.verify import running as verify
from flashsale_env.experiments.verify.cases import CASES
from flashsale_env.experiments.verify.running import run_verification

SALES = 4_000


def test_parameters_too_large_to_solve_are_refused_at_once():
    for name, given in (("gvr-optimal", {"n": 1e9}), ("mnl-stock", {"ticks": 10**7}), ("gvr-tightness", {"k": 10**6})):
        with pytest.raises(ValueError, match=rf"{name}: \w+ must be a whole number above 0 and at most 10,000, got"):
            run_verification([name], given, sales=SALES)


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
        (["erlang-c"], {"load": 10.0}, "load must be below servers"),
        (["disclosure"], {"scarce": 1.2}, "must be probabilities"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(names, given, message):
    with pytest.raises(ValueError, match=message):
        run_verification(names, given, sales=SALES)


def test_every_parameter_that_may_be_zero_or_negative_exists():
    known = {name for case in CASES.values() for name in case.defaults}
    assert known >= verify.MAY_BE_ZERO | verify.MAY_BE_NEGATIVE

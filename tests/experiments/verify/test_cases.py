"""Every validation case holds, with its own and with other parameters, and a wrong simulator fails."""

import dataclasses
import functools
import math

import pytest

from flashsale_env.core.compiler import JIT_DISABLED
from flashsale_env.experiments.verify.case import ValidationCase
from flashsale_env.experiments.verify.cases import CASES, FAMILIES
from flashsale_env.experiments.verify.judging import FAIL, PASS, judge
from flashsale_env.experiments.verify.running import as_markdown, run_verification
from tests.docs import pages

# Those whose sales have a shape that no shipped scenario has, which takes longer to compile than to play. `make test`
# plays a few of their sales uncompiled, with other parameters; `make test-slow` plays as many as of the others.
OWN_SHAPES = {
    "price-fairness", "carts-scarce", "returns-price", "seckill", "bots-race", "bots-lottery", "waiting-myopic",
    "waiting-strategic", "contagion-friends", "contagion-claimed", "basket-mnl", "basket-satiation",
    "basket-exponential", "deal-pair", "disclosure", "goodwill", "retention-churn", "uplift", "push-spend",
    "paid-traffic", "slate", "mnl-assortment",
}  # fmt: skip
SALES = 4_000
FEW_SALES = 40
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
    "share who take product 1, a = (0.3, -0.4)": 0.574443,
    "share who take product 2, a = (0.3, -0.4)": 0.401312,
    "share who buy, a = (0.3, -0.4)": 0.668894,
    "units of a customer, a = 0.5, d = 0.7, most = 8": 1.704462,
    "revenue of a customer, price = 0.666667, both = 0.861929": 0.549201,
    "open carts, rate = 2, hold = 15, paid = 0.0237783": 25.233059,
    "profit of a customer, best price 82.135922, r = 0.176, k = 10": 0.824 * 80.0 * math.exp(-82.135922 / 80.0),
    "revenue, K = 5, p = (0.5, 1.5), customers = 12, lift = 0": 3.770090,
    "units at the special price, K = 5, p = (0.5, 1.5), customers = 12, lift = 0": 4.752159,
    "share of bots, units = 500, people = 9000, bots = 1000": 0.1,
    "dynamic program, n = 20, T = 60": 16.187404,
    "shown at 5 or fewer, n = 20, T = 60": 16.187404,
    "never shown, n = 20, T = 60": 15.953550,
    "always shown, n = 20, T = 60": 9.518530,
    "gain over one price, T = 0.25, stay = 1, look_ticks = 1": 1.096332,
    "gain over one price, T = 0.5, stay = 1, look_ticks = 1": 1.201943,
    "revenue, p1 = 1.6, p2 = 0.8, phi = 0.8": 14.510203,
    "customers, eta = 0.6, beta = 5, T = 2, K = 2": 4.263737,
    "customers, eta = 0.6, beta = 5, T = 2, K = 8": 4.263737,
    "expected sales, n = 1000, phi = 3, K = 40": 145.530317,
    "revenue of a customer, alpha = 0": 0.625,
    "revenue of a customer, alpha = 0.25": 0.610938,
    "revenue of a customer, alpha = 0.5": 0.56875,
    "revenue of a customer, alpha = 1": 0.5,
    "Nash price, a = 2, b = 1, c = 1": 2.401058,
    "joint price, a = 2, b = 1, c = 1": 2.852606,
    "profit of a customer, nobody, theta = 80, price = 80, coupon = 20": 29.430355,
    "profit of a customer, everybody, theta = 80, price = 80, coupon = 20": 28.341993,
    "profit of a customer, who would not buy, theta = 80, price = 80, coupon = 20": 35.699582,
    "customers, g = 0.4, r = 0.3, s = 1, n = 3": 40.0 * (1.0 + 0.7**3 * (0.4 - 1.0)),
    "customers, g = 1, r = 0.3, s = 0, n = 3": 40.0 * 0.7**3,
}
LIMITS = {  # of a queue that has been open for long
    "share who give up, servers = 10, rate = 12, impatience = 0.5": 0.195656,
    "requests waiting, servers = 10, rate = 12, impatience = 0.5": 4.695743,
    "share who leave, servers = 10, load = 8": 0.121661,
    "share who wait, servers = 10, load = 8": 0.409180,
    "share who leave, servers = 1, load = 0.8": 0.8 / 1.8,
    "share who wait, servers = 1, load = 0.5": 0.5,
    "requests waiting, servers = 1, load = 0.5": 0.5,
}
WELFARE = {"0": 0.9375, "0.25": 0.986719, "0.5": 1.021875, "1": 0.75}  # by alpha, of uniform valuations

# Two deterministic streams of people and bots; the share of bots among the first 500, by the speed of the bots.
FLUID_RACE = {1: 0.1, 5: 0.340504, 20: 0.649828, 100: 0.893728}


def as_rows(markdown):
    """The cells of a table, without head and rule."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()[2:]]


@functools.cache
def printed_rows():
    """The table of the documentation."""
    _, table = pages.read(pages.ROOT / "docs" / "verification.md").split("<!-- measured: verification -->\n")
    return as_rows(table.split("\n<!-- end -->")[0])


def whole(name):
    return pytest.param(name, marks=pytest.mark.slow) if name in OWN_SHAPES else name


@functools.cache
def rows_of(name):
    return run_verification([name], sales=SALES)["rows"]


@pytest.mark.parametrize("name", [whole(name) for name in CASES])
def test_the_simulator_agrees_with_theory(name):
    assert rows_of(name)
    for row in rows_of(name):
        assert row["verdict"] == PASS, row


@pytest.mark.parametrize("name", [whole(name) for name in CASES])
def test_exact_values_are_those_of_the_table(name):
    """Cases, quantities, exact values and limits as the documentation prints them."""
    printed = [row for row in printed_rows() if row[0] == name]
    shown = as_rows(as_markdown({"rows": rows_of(name)}))
    for found, wanted in zip(shown, printed, strict=True):
        # The degrees of freedom of a chi-square grow with the number of sales.
        known = 2 if "chi-square" in wanted[1] else 4
        assert found[:known] == wanted[:known]


def test_the_table_has_every_case_and_no_failure():
    assert list(dict.fromkeys(row[0] for row in printed_rows())) == list(CASES)
    assert {row[-1] for row in printed_rows()} == {PASS}


def test_exact_values_are_the_published_ones():
    """In the table; that the cases compute what the table shows is tested above."""
    rows = {row[1]: row for row in printed_rows()}
    expected = {quantity: float(row[2]) for quantity, row in rows.items()}
    limits = {quantity: float(row[3]) for quantity, row in rows.items() if row[3]}
    for quantity, value in EXPECTED.items():
        assert expected[quantity] == pytest.approx(value, abs=1.1e-6), quantity  # both have six digits
    for speed, value in FLUID_RACE.items():
        quantity = f"share of bots, units = 500, people = 9000, bots = 1000, speed = {speed}, K = 1000"
        assert limits[quantity] == pytest.approx(value, rel=1e-5)
        assert expected[quantity] == pytest.approx(value, abs=3e-4), "chance and ticks change the fourth digit"
    for quantity, value in LIMITS.items():
        assert limits[quantity] == pytest.approx(value, rel=1e-5), quantity
        assert 0.9 * value < expected[quantity] < value, "a sale opens with an empty queue"
    for quantity, (name, *_) in rows.items():
        if name == "lost-sales":
            assert expected[quantity] == pytest.approx(limits[quantity], abs=0.0051), "the paper prints two decimals"
        if name == "price-fairness" and "welfare" in quantity:
            assert limits[quantity] == pytest.approx(WELFARE[quantity.split()[-1]], rel=1e-5)
            assert expected[quantity] == pytest.approx(limits[quantity], abs=1e-4), "voices on a grid"
        if name == "basket-exponential":
            assert limits[quantity] == pytest.approx(0.741401, rel=1e-5), "eight units of each product"
            assert limits[quantity] - 2e-4 < expected[quantity] < limits[quantity]
        if name == "gvr-optimal" and "revenue" in quantity:
            assert expected[quantity] < limits[quantity], (
                "a price fixed for a tick cannot beat one that changes at will"
            )


OTHER_PARAMETERS = [
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
    ("price-fairness", {"tops": [2.0, 3.0], "share": 0.7, "alpha": 0.6, "customers": 8.0}),
    ("carts-open", {"rate": 1.0, "hold": 4.5, "paid": 0.3, "minutes": 30.0, "ticks": 20}),
    ("carts-scarce", {"units": 4, "rate": 2.0, "paid": 0.05, "cart_minutes": 3.0, "minutes": 20.0, "ticks": 8}),
    ("returns-price", {"theta": 10.0, "rate": 0.6, "handling": 1.0, "customers": 5.0}),
    ("seckill", {"quota": 3, "special_price": 0.2, "price": 0.7, "customers": 4.0, "lift": 2.0}),
    ("bots-race", {"stock": 20, "people": 100.0, "bots": 150.0, "speed": 3.0, "ticks": 7}),
    ("bots-lottery", {"stock": 20, "people": 100.0, "bots": 150.0, "ticks": 2}),
    ("waiting-myopic", {"ticks": 40, "markdown_tick": 35, "stay": 0.95, "look_ticks": 7.0, "customers": 25.0}),
    ("waiting-strategic", {"ticks": 50, "announced_tick": 45, "patience": 0.3, "p1": 2.0, "p2": 1.5}),
    ("contagion-friends", {"friends": 3.0, "price": 1.5, "beta": 1.0, "horizon": 6.0, "ticks": 5}),
    ("contagion-claimed", {"ticks": 10, "rate": 4.0, "stock": 150, "claimed_lift": 1.5}),
    ("basket-mnl", {"a": [1.0, -2.0]}),
    ("basket-mnl", {"a": [1.0, 0.2, -2.0]}),
    ("basket-satiation", {"a": -1.0, "satiation": 0.2, "most_units": 3}),
    ("basket-exponential", {"prices": [0.5, 2.0], "satiation": 0.1, "most_units": 4}),
    ("deal-pair", {"price": 0.6, "both": 0.8, "separate": 0.4}),
    ("newsvendor", {"demand": 7.0, "price": 3.0, "unit_cost": 1.0, "salvage": 0.0}),
    ("erlang-a", {"servers": 3, "rate": 2.0, "answers": 0.5, "impatience": 0.1}),
    ("erlang-b", {"servers": 4, "load": 6.0}),
    ("erlang-c", {"servers": 2, "load": 1.5}),
    ("disclosure", {"units": 17, "ticks": 25, "hidden": 0.4, "plenty": 0.3, "scarce": 0.3, "scale": 2.0}),
    ("duopoly", {"a": 1.0, "b": 2.0, "c": 0.0, "customers": 20.0}),
    ("goodwill", {"goodwill": 0.9, "rate": 0.1, "sales_each": 3, "customers": 30.0}),
    ("retention-churn", {"cohort": 100.0, "r": 0.8, "b": 1.5, "days": 14.0, "sales_each": 3}),
    ("uplift", {"theta": 50.0, "price": 60.0, "coupon": 30.0, "customers": 5.0}),
    ("push-spend", {"customers": 8.0, "lift": 2.0, "saturation": 1.5, "price": 0.7, "ticks": 3, "kept": 0.3}),
    ("paid-traffic", {"budget": 0.1, "auctions": 60.0}),
]


def with_few_sales(case):
    return pytest.param(*case, marks=pytest.mark.uncompiled if case[0] in OWN_SHAPES else ())


@pytest.mark.parametrize(("name", "given"), [with_few_sales(case) for case in OTHER_PARAMETERS])
def test_it_agrees_with_other_parameters_too(name, given):
    result = run_verification([name], given, sales=FEW_SALES if JIT_DISABLED else SALES)
    assert result["verdict"] == PASS, as_markdown(result)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "given"), [case for case in OTHER_PARAMETERS if case[0] in OWN_SHAPES])
def test_many_sales_agree_with_other_parameters_too(name, given):
    result = run_verification([name], given, sales=SALES)
    assert result["verdict"] == PASS, as_markdown(result)


@pytest.mark.parametrize("name", [whole(name) for name in CASES if name != "lost-sales"])  # solves for seconds
def test_every_measurement_bounds_how_far_its_samples_can_differ(name):
    """Without a finite reach, a sample without variance would have an infinite half-width and always pass."""
    quick = {"gvr-tightness": {"k": 10, "ticks": 20}, "gvr-two-phase": {"ticks": 10}, "gvr-sales-law": {"ticks": 20}}
    for found in CASES[name].measure({**CASES[name].defaults, **quick.get(name, {})}, 1000):
        assert found.atom is None or 0 < found.atom.reach < math.inf, found.quantity


@pytest.mark.parametrize("error", [0.01, -0.01])
def test_an_error_of_one_percent_is_detected(error):
    """The default number of sales has the power: shift the expected values of two cases by one percent."""
    for name in ("gvr-optimal", "mnl-price"):
        found = CASES[name].measure(CASES[name].defaults, 100_000)
        wrong = [(CASES[name], dataclasses.replace(m, expected=m.expected * (1 + error))) for m in found]
        assert all(row["verdict"] == FAIL for row in judge(wrong)), name


def test_a_simulator_without_substitution_is_detected():
    """Customers who leave when their first choice is sold out: (1.331086, .681093) instead of (1.446904, .729413)."""
    found = CASES["stockout-substitution"].measure(CASES["stockout-substitution"].defaults, 20_000)
    without = {"expected sales of product 1": 1.331086, "expected sales of product 2": 0.681093}
    changed = [dataclasses.replace(m, simulated=without[m.quantity]) for m in found if m.quantity in without]
    assert [row["verdict"] for row in judge([(CASES["stockout-substitution"], m) for m in changed])] == [FAIL, FAIL]


def test_every_case_of_every_family_is_in_the_table():
    """Of two cases with one name, the table would silently keep one."""
    names = [case.name for family in FAMILIES for case in vars(family).values() if isinstance(case, ValidationCase)]
    assert names == list(CASES)

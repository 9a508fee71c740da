"""The solvers against published or closed-form values, against a second method, and as identities.

Values marked "table" come from outside sources; all others are recomputed here. Nothing is simulated.
"""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import lambertw

from flashsale_env.agents import exact

A_T = 10 * math.e  # customers at price 0: ten units would be sold at the mean willingness to pay
GRID = np.arange(3.0, 0.25, -0.25)


def canonical(ticks, **changes):
    """Gallego and van Ryzin's sale of ten units with ten expected sales at price 1."""
    settings = {"stock": 10, "customers": np.full(ticks, A_T / ticks), "mean_wtp": np.ones(ticks)} | changes
    return exact.PricingProblem(**settings)


def two_phase(ticks):
    return canonical(ticks, mean_wtp=np.repeat([1.5, 0.5], ticks // 2))


def value_by_enumeration(problem, price_of):
    """V[0, n] by summing over every demand in every tick, state by state."""
    value = problem.salvage_value * np.arange(problem.stock + 1)
    for t in reversed(range(problem.ticks)):
        value = value - problem.holding_cost * np.arange(problem.stock + 1)
        new = np.empty_like(value)
        for x in range(problem.stock + 1):
            price = price_of(t, x)
            theta = problem.mean_wtp[t]
            buys = math.exp(-price / theta) if problem.choice == "exponential" else None
            buys = 1 / (1 + math.exp(price / theta - problem.quality)) if buys is None else buys
            law = stats.poisson if problem.arrivals == "poisson" else stats.bernoulli
            demand = law.pmf(np.arange(200), problem.customers[t] * buys)
            sold = np.minimum(np.arange(200), x)
            new[x] = demand @ (price * sold + value[x - sold])
        value = new
    return value[-1]


# ---------------------------------------------------------------- closed forms


@pytest.mark.parametrize(
    ("stock", "value", "price"),
    [(1, 2.397895, 3.397895), (5, 7.298220, 1.830003), (10, 9.460500, 1.241540), (20, 9.998410, 1.001871)],
)
def test_the_gallego_van_ryzin_value_and_price(stock, value, price):
    """Table, at 10 expected sales."""
    assert exact.gvr_value(stock, 10.0) == pytest.approx(value, abs=1e-6)
    assert exact.gvr_price(stock, 10.0) == pytest.approx(price, abs=1e-6)


def test_the_gallego_van_ryzin_value_solves_its_differential_equation():
    """dV(x)/dtau = a·e^-p·(p + V(x-1) - V(x)) at the best price p = V(x) - V(x-1) + 1, integrated numerically."""

    def slope(_, v):
        return np.concatenate([[0.0], math.e * np.exp(-(np.diff(v) + 1.0))])

    solution = integrate.solve_ivp(slope, (0.0, 10.0), np.zeros(11), rtol=1e-10, atol=1e-12)
    assert solution.y[:, -1] == pytest.approx([exact.gvr_value(n, 10.0) for n in range(11)], abs=1e-7)


def test_sales_under_the_optimal_price_are_truncated_poisson_with_erlangs_sell_out():
    law = exact.gvr_sales_law(10, 10.0)
    loss = exact.erlang_b(10, 10.0)
    assert law == pytest.approx(stats.poisson.pmf(np.arange(11), 10) / stats.poisson.cdf(10, 10))
    assert law[-1] == pytest.approx(loss, rel=1e-12)
    assert loss == pytest.approx(0.214582, abs=1e-6)
    assert law @ np.arange(11) == pytest.approx(10 * (1 - loss), rel=1e-12)
    assert law @ np.arange(11) == pytest.approx(7.854177, abs=1e-6)


def test_fluid_prices_and_the_best_single_price():
    """Table: J^D 10, J^FP 8.748900, best single price 9.275682 at 1.264363."""
    assert exact.fluid_value(10, A_T) == pytest.approx(10.0)
    assert exact.single_price_value(10, A_T, exact.fluid_price(10, A_T)) == pytest.approx(8.748900, abs=1e-6)
    price, value = exact.best_single_price(10, A_T)
    assert (price, value) == pytest.approx((1.264363, 9.275682), abs=1e-6)
    scarce = exact.best_single_price(4, A_T)
    fine = max(exact.single_price_value(4, A_T, p) for p in np.linspace(0.5, 6, 2000))
    assert fine <= scarce[1] <= fine + 1e-5


@pytest.mark.parametrize(("k", "ratio"), [(10, 0.946050), (100, 0.993586), (1000, 0.999324)])
def test_the_fluid_bound_becomes_tight(k, ratio):
    found = exact.gvr_value(k, float(k)) / exact.fluid_value(k, k * math.e)
    assert found == pytest.approx(ratio, abs=1e-6)
    assert found < 1


def test_mnl_prices_by_lambert_w():
    """Table: R = 5.059084, q = (.422890, .256496, .155573); no change of a price earns more."""
    a, c = np.array([10.0, 9.0, 8.0]), np.array([3.0, 2.5, 2.0])
    margin, prices, probabilities = exact.mnl_optimum(a, 1.0, c)
    assert margin == pytest.approx(5.059084, abs=1e-6)
    assert margin == pytest.approx(float(lambertw(np.exp(a - c - 1).sum()).real), rel=1e-12)
    assert probabilities == pytest.approx([0.422890, 0.256496, 0.155573], abs=1e-6)

    def earned(p):
        odds = np.exp(a - p)
        return (odds * (p - c)).sum() / (1 + odds.sum())

    assert earned(prices) == pytest.approx(margin, rel=1e-12)
    for j, step in itertools.product(range(3), (-0.01, 0.01)):
        assert earned(prices + step * (np.arange(3) == j)) < margin


def test_the_revenue_ordered_assortment_is_the_best_of_all_sets():
    """Table: 45.510204; enumeration of all 63 sets and the search find the same."""
    r, v = np.array([100.0, 90, 80, 60, 45, 30]), np.array([0.2, 0.35, 0.3, 0.6, 0.9, 1.5])
    value, members = exact.revenue_ordered_assortment(r, v)
    assert value == pytest.approx(45.510204, abs=1e-6)
    sets = [s for k in range(1, 7) for s in itertools.combinations(range(6), k)]
    revenue = {s: (r[list(s)] @ v[list(s)]) / (1 + v[list(s)].sum()) for s in sets}
    assert members == max(revenue, key=revenue.get)
    assert value == pytest.approx(max(revenue.values()), rel=1e-12)
    levels = np.column_stack([r, np.zeros(6)])
    margin, shown = exact.best_offer(np.log(v) + 0.01 * r, np.full(6, 0.01), np.zeros(6), levels=levels)
    assert margin == pytest.approx(value, rel=1e-12)
    assert tuple(np.flatnonzero(shown)) == members


def test_the_newsvendor_orders_its_critical_fractile():
    """Table: Poisson(100), p = 10, c = 6, s = 2: order 100, profit 368.111203; every quantity is tried."""
    demand = stats.poisson(100)
    quantity, profit = exact.newsvendor(demand, 10.0, 6.0, 2.0)
    k = np.arange(400)
    tried = [demand.pmf(k) @ (8 * np.minimum(k, q)) - 4 * q for q in range(200)]
    assert quantity == int(np.argmax(tried)) == 100
    assert profit == pytest.approx(max(tried), abs=1e-9)
    assert profit == pytest.approx(368.111203, abs=1e-6)


def test_the_newsvendor_under_continuous_demand():
    """Exponential demand of mean m: Q = m·ln((p - s)/(c - s)), profit (p - s)·m·(1 - e^(-Q/m)) - (c - s)·Q."""
    quantity, profit = exact.newsvendor(stats.expon(scale=50), 10.0, 6.0, 2.0)
    assert quantity == pytest.approx(50 * math.log(2))
    assert profit == pytest.approx(8 * 50 * 0.5 - 4 * 50 * math.log(2), rel=1e-9)
    with pytest.raises(ValueError, match="price > unit_cost > salvage_value"):
        exact.newsvendor(stats.expon(), 5.0, 6.0, 2.0)


# ---------------------------------------------------------------- one product


@pytest.mark.parametrize(("ticks", "best", "random"), [(10, 9.412768, 7.345626), (60, 9.436405, 7.416611)])
def test_periodic_pricing_from_a_grid(ticks, best, random):
    """Table, prices .5(.25)3: optimum, best fixed price 9.274319, uniformly random prices."""
    problem = canonical(ticks)
    assert exact.optimal_prices(problem, GRID).value_at_start == pytest.approx(best, abs=1e-6)
    fixed = {p: exact.policy_value(problem, p)[0, -1] for p in GRID}
    assert max(fixed, key=fixed.get) == 1.25
    assert fixed[1.25] == pytest.approx(9.274319, abs=1e-6)
    mixture = exact.policy_value(problem, GRID, np.full(11, 1 / 11))[0, -1]
    assert mixture == pytest.approx(random, abs=1e-6)


def test_drifting_willingness_to_pay_from_a_grid():
    """Table, 60 ticks, prices .25(.25)4: 9.621028, best fixed 8.521626, random 6.576576."""
    problem, grid = two_phase(60), np.arange(4.0, 0.0, -0.25)
    assert exact.optimal_prices(problem, grid).value_at_start == pytest.approx(9.621028, abs=1e-6)
    assert max(exact.policy_value(problem, p)[0, -1] for p in grid) == pytest.approx(8.521626, abs=1e-6)
    assert exact.policy_value(problem, grid, np.full(16, 1 / 16))[0, -1] == pytest.approx(6.576576, abs=1e-6)


@pytest.mark.parametrize(("ticks", "value"), [(10, 9.4313), (60, 9.4551), (1000, 9.4601)])
def test_continuous_prices_approach_the_value_of_continuous_time(ticks, value):
    """Table, to its four digits; 9.4605 is never reached."""
    found = exact.optimal_continuous_prices(canonical(ticks), 0.5, 4.0).value_at_start
    assert found == pytest.approx(value, abs=1e-4)
    assert found < exact.gvr_value(10, 10.0)


@pytest.mark.parametrize("problem", [canonical(60), two_phase(60)], ids=["canonical", "two-phase"])
def test_continuous_prices_are_the_limit_of_ever_finer_grids(problem):
    """The loss of a grid is proportional to the square of its step."""
    best = exact.optimal_continuous_prices(problem, 0.25, 4.0).value_at_start
    loss = [best - exact.optimal_prices(problem, np.arange(4.0, 0.24, -s)).value_at_start for s in (0.04, 0.02, 0.01)]
    assert loss[2] > 0
    assert loss[2] < 5e-5
    assert loss[0] / loss[1] == pytest.approx(4, rel=0.25)
    assert loss[1] / loss[2] == pytest.approx(4, rel=0.25)


def test_willingness_to_pay_that_falls_linearly():
    """Table, continuous time: 9.575983 for theta = 1.5 - t."""
    problem = canonical(1000, mean_wtp=1.5 - (np.arange(1000) + 0.5) / 1000)
    found = exact.optimal_continuous_prices(problem, 0.1, 8.0).value_at_start
    assert found == pytest.approx(9.575983, abs=1e-3)
    assert found < 9.575983


def test_the_shape_of_the_burst_does_not_matter_in_continuous_time():
    """For any schedule, 1,000 ticks earn slightly less than 9.4605."""
    for weight in (np.ones(1000), np.exp(-np.arange(1000) / 250), 1 + np.sin(np.arange(1000) / 50)):
        problem = canonical(1000, customers=A_T * weight / weight.sum())
        assert exact.optimal_continuous_prices(problem, 0.5, 4.0).value_at_start == pytest.approx(9.4605, abs=3e-3)


def random_problems():
    rng = np.random.default_rng(5)
    for choice, arrivals in itertools.product(("exponential", "mnl"), ("poisson", "bernoulli")):
        for _ in range(3):
            most = 1.0 if arrivals == "bernoulli" else 6.0
            yield exact.PricingProblem(
                stock=int(rng.integers(1, 7)),
                customers=rng.uniform(0, most, 5),
                mean_wtp=rng.uniform(0.5, 2, 5),
                choice=choice,
                quality=float(rng.normal(1, 1)),
                arrivals=arrivals,
                salvage_value=float(rng.choice([0.0, 0.8])),
                holding_cost=float(rng.choice([0.0, 0.1])),
            )


@pytest.mark.parametrize("problem", list(random_problems()))
def test_the_value_of_a_policy_is_the_sum_over_all_demands(problem):
    table = np.random.default_rng(1).uniform(0.2, 4, (problem.ticks, problem.stock + 1))
    by_hand = value_by_enumeration(problem, lambda t, x: table[t, x])
    assert exact.policy_value(problem, table)[0, -1] == pytest.approx(by_hand, abs=1e-10)


@pytest.mark.parametrize("problem", list(random_problems()))
def test_the_optimum_is_the_value_of_its_own_policy_and_no_grid_earns_more(problem):
    best = exact.optimal_continuous_prices(problem, 0.05, 12.0)
    own = exact.policy_value(problem, best.prices[..., 0])
    assert own == pytest.approx(best.values, abs=1e-10)
    fine = exact.optimal_prices(problem, np.linspace(12.0, 0.05, 2000))
    assert (fine.values <= best.values + 1e-12).all()
    assert fine.value_at_start == pytest.approx(best.value_at_start, abs=2e-4)


def test_a_binding_price_range_is_respected():
    best = exact.optimal_continuous_prices(canonical(10), 1.3, 1.6)
    prices = best.prices[:, 1:]
    assert prices.min() == 1.3
    assert prices.max() == 1.6
    grid = exact.optimal_prices(canonical(10), np.linspace(1.6, 1.3, 500))
    assert grid.value_at_start == pytest.approx(best.value_at_start, abs=1e-6)


def test_a_unit_worth_more_at_the_close_is_not_offered():
    problem = canonical(10, salvage_value=5.0)
    best = exact.optimal_prices(problem, [*GRID, 0.0])
    assert (best.prices[:, 1:] == 0).all()
    assert best.value_at_start == 50.0


@pytest.mark.parametrize("arrivals", ["poisson", "bernoulli"])
def test_the_distribution_of_sales_agrees_with_the_value(arrivals):
    """A fixed price earns price times expected sales; in one long tick sales are truncated Poisson."""
    problem = canonical(40, arrivals=arrivals)
    law = exact.sales_law(problem, 1.25)
    assert law.sum() == pytest.approx(1.0, abs=1e-12)
    assert 1.25 * (law @ np.arange(11)) == pytest.approx(exact.policy_value(problem, 1.25)[0, -1], abs=1e-12)
    mean = A_T * math.exp(-1.25)
    if arrivals == "poisson":
        assert law[:10] == pytest.approx(stats.poisson.pmf(np.arange(10), mean), abs=1e-12)
    else:
        assert law[:10] == pytest.approx(stats.binom.pmf(np.arange(10), 40, mean / 40), abs=1e-12)


def test_the_sales_of_the_optimal_policy_approach_those_of_continuous_time():
    problem = canonical(1000)
    law = exact.sales_law(problem, exact.optimal_continuous_prices(problem, 0.5, 4.0).prices[..., 0])
    assert law == pytest.approx(exact.gvr_sales_law(10, 10.0), abs=1e-3)


def test_a_sale_without_customers_earns_nothing():
    problem = canonical(3, customers=np.zeros(3))
    assert exact.optimal_prices(problem, GRID).value_at_start == 0.0
    assert exact.optimal_continuous_prices(problem, 0.5, 4.0).value_at_start == 0.0


def test_a_table_that_would_not_fit_into_memory_is_refused():
    with pytest.raises(ValueError, match="the table of 100000 ticks and a stock of 1000 has 100,101,001 entries"):
        canonical(100_000, stock=1000)
    with pytest.raises(ValueError, match="at most 1 customer a tick, got 2"):
        canonical(3, customers=np.full(3, 2.0), arrivals="bernoulli")


# ---------------------------------------------------------------- several products


def mnl_sale(**changes):
    """Two products with three units each, at most one customer a tick."""
    ticks = len(changes.get("customers", np.zeros(30)))
    settings = {
        "customers": np.full(30, 0.5),
        "quality": np.array([2.0, 1.0]),
        "sensitivity": np.ones((ticks, 2)),
        "stock": (3, 3),
        "menus": ((20.0, 0.1), (20.0, 0.1)),
        "continuous": True,
        "arrivals": "bernoulli",
    }
    return exact.MnlSale(**(settings | changes))


def test_mnl_pricing_with_stock_by_lambert_w():
    """Table: V = 13.154522, first prices 3.251771 and 2.427853; the recursion is written out again here."""
    found = exact.solve_mnl(mnl_sale())
    assert found.value_at_start == pytest.approx(13.154522, abs=1e-6)
    assert found.prices[0, 3, 3] == pytest.approx([3.251771, 2.427853], abs=1e-6)
    value = np.zeros((4, 4))
    for _ in range(30):
        new = np.empty_like(value)
        for x, y in np.ndindex(4, 4):
            odds = (math.exp(2 - value[x, y] + value[x - 1, y] - 1) if x else 0.0) + (
                math.exp(1 - value[x, y] + value[x, y - 1] - 1) if y else 0.0
            )
            new[x, y] = value[x, y] + 0.5 * float(lambertw(odds).real)
        value = new
    assert found.values[0] == pytest.approx(value, abs=1e-10)


def test_one_mnl_product_is_the_same_sale_either_way():
    """The recursion over stock vectors and the one over a single stock, for grids and for any price."""
    customers, theta = np.linspace(0.2, 0.9, 12), np.linspace(1.5, 0.6, 12)
    common = {"salvage_value": 0.3, "holding_cost": 0.02}
    for arrivals, scale in (("bernoulli", 1.0), ("poisson", 3.0)):
        one = exact.PricingProblem(4, customers * scale, theta, choice="mnl", quality=1.2, arrivals=arrivals, **common)
        several = mnl_sale(
            customers=customers * scale,
            quality=np.array([1.2]),
            sensitivity=1 / theta[:, None],
            stock=(4,),
            menus=((*GRID, 0.0),),
            continuous=False,
            arrivals=arrivals,
            **common,
        )
        found, expected = exact.solve_mnl(several), exact.optimal_prices(one, [*GRID, 0.0])
        assert found.values == pytest.approx(expected.values, abs=1e-10)
        np.testing.assert_array_equal(found.prices[:, 1:], expected.prices[:, 1:])
    several = mnl_sale(
        customers=customers,
        quality=np.array([1.2]),
        sensitivity=1 / theta[:, None],
        stock=(4,),
        menus=((8.0, 0.1),),
        **common,
    )
    one = exact.PricingProblem(4, customers, theta, choice="mnl", quality=1.2, arrivals="bernoulli", **common)
    assert exact.solve_mnl(several).values == pytest.approx(
        exact.optimal_continuous_prices(one, 0.1, 8.0).values, abs=1e-9
    )


@pytest.mark.parametrize("arrivals", ["bernoulli", "poisson"])
def test_prices_of_several_products_from_a_grid_are_the_best_of_all_vectors(arrivals):
    """One tick: every price vector by the Markov chain of the tick; sensitivities differ."""
    menus, quality, sensitivity = ((3.0, 2.0, 1.0, 0.0), (2.5, 1.5, 0.5)), np.array([2.0, 1.0]), np.array([1.0, 0.7])
    sale = mnl_sale(
        customers=np.array([0.9]), quality=quality, sensitivity=sensitivity[None], menus=menus, continuous=False,
        stock=(2, 1), arrivals=arrivals, salvage_value=np.array([0.2, 0.1]),
    )  # fmt: skip
    found = exact.solve_mnl(sale)
    best = -np.inf
    for prices in itertools.product(*menus):
        p = np.array(prices)
        v = np.exp(quality - sensitivity * p) * (p > 0)
        if arrivals == "bernoulli":
            earned = 0.9 * (v / (1 + v.sum())) @ (p - [0.2, 0.1]) + 2 * 0.2 + 0.1
        else:
            law = exact.substitution_law(v, (2, 1), 0.9)
            left = np.array([law.sum(axis=1) @ np.arange(3), law.sum(axis=0) @ np.arange(2)])
            earned = ((2, 1) - left) @ p + left @ [0.2, 0.1]
        best = max(best, earned)
    assert found.value_at_start == pytest.approx(best, abs=1e-10)


def test_a_stock_out_within_a_tick_redirects_customers_to_other_products():
    """Table: v = (1.5, 1), stock (2, 1), Poisson(4): E sales (1.446904, .729413), all gone .472851.

    The tick of the recursion, which adds up customers one by one, agrees with the matrix exponential.
    """
    law = exact.substitution_law((1.5, 1.0), (2, 1), 4.0)
    sold = (2 - law.sum(axis=1) @ np.arange(3), 1 - law.sum(axis=0) @ np.arange(2))
    assert sold == pytest.approx((1.446904, 0.729413), abs=1e-6)
    assert law[0, 0] == pytest.approx(0.472851, abs=1e-6)
    for j in range(2):
        counted = mnl_sale(
            customers=np.array([4.0]), quality=np.log([1.5, 1.0]) + 1e-9 * (np.arange(2) == j), stock=(2, 1),
            sensitivity=np.full((1, 2), 1e-9), menus=tuple((1.0 if i == j else 1e-9,) for i in range(2)),
            continuous=False, arrivals="poisson",
        )  # fmt: skip
        assert exact.solve_mnl(counted).value_at_start == pytest.approx(sold[j], abs=1e-7)


def test_stock_that_never_binds_leaves_lambert_w():
    """Table: 5.059084 per customer; with holding costs equal to the recursion over a single stock."""
    sale = mnl_sale(
        customers=np.full(10, 5.0), quality=np.array([10.0, 9, 8]), sensitivity=np.ones((10, 3)), stock=(500,) * 3,
        menus=((15.0, 3.0),) * 3, arrivals="poisson", salvage_value=np.array([3, 2.5, 2]),
    )  # fmt: skip
    assert exact.solve_mnl(sale).value_at_start - 500 * 7.5 == pytest.approx(50 * 5.059084, abs=1e-4)
    common = {"salvage_value": 0.5, "holding_cost": 0.05}
    plenty = mnl_sale(
        customers=np.full(6, 1.0), quality=np.array([2.0]), sensitivity=np.ones((6, 1)), stock=(60,),
        menus=((5.0, 0.2),), arrivals="poisson", **common,
    )  # fmt: skip
    assert plenty.stock_never_binds
    one = exact.PricingProblem(60, np.ones(6), np.ones(6), choice="mnl", quality=2.0, **common)
    assert exact.solve_mnl(plenty).value_at_start == pytest.approx(
        exact.optimal_continuous_prices(one, 0.2, 5.0).value_at_start, abs=1e-8
    )


def test_an_offer_within_bounds_is_the_best_of_a_fine_grid():
    """The bounds bind for one product, sensitivities differ, and one product is out of stock."""
    a, b, c = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.5, 1.0]), np.array([0.2, 0.5, 0.0])
    low, high = np.array([0.5, 1.0, 0.5]), np.array([1.2, 6.0, 6.0])
    a[2] = -np.inf
    margin, price = exact.best_offer(a, b, c, low=low, high=high)
    first, second = np.meshgrid(np.linspace(0.5, 1.2, 701), np.linspace(1, 6, 2501), indexing="ij")
    odds = np.exp(a[0] - b[0] * first), np.exp(a[1] - b[1] * second)
    earned = (odds[0] * (first - c[0]) + odds[1] * (second - c[1])) / (1 + odds[0] + odds[1])
    assert margin == pytest.approx(earned.max(), abs=1e-6)
    assert earned.max() <= margin
    assert price[0] == 1.2


def test_a_problem_that_is_too_large_is_refused_with_its_size():
    with pytest.raises(ValueError, match="121 price vectors x 4,004,001 stock vectors"):
        exact.solve_mnl(
            mnl_sale(
                stock=(2000, 2000), menus=((*GRID,), (*GRID,)), continuous=False, arrivals="poisson",
                customers=np.full(1, 5000.0),
            )
        )  # fmt: skip
    with pytest.raises(ValueError, match="are solved for at most one customer a tick"):
        exact.solve_mnl(mnl_sale(arrivals="poisson"))
    with pytest.raises(ValueError, match="4,004,001 stock vectors"):
        exact.solve_mnl(mnl_sale(stock=(2000, 2000), customers=np.full(3000, 1.0)))


# ---------------------------------------------------------------- lost sales


def zipkin(lead, lost_sale_cost, **changes):
    """Poisson(5) demand, holding cost 1."""
    settings = {"order_levels": tuple(range(16)), "storage": 60, "holding_cost": 1.0} | changes
    return exact.LostSales(5.0, lead, lost_sale_cost=lost_sale_cost, **settings)


@pytest.mark.parametrize(
    ("lost_sale_cost", "lead", "published"),
    [
        *zip([4.0] * 4, (1, 2, 3, 4), (4.04, 4.40, 4.60, 4.73), strict=True),
        *zip([9.0] * 4, (1, 2, 3, 4), (5.44, 6.09, 6.53, 6.84), strict=True),
    ],
)
def test_the_optimal_cost_of_lost_sales_is_the_published_one(lost_sale_cost, lead, published):
    """Zipkin (2008), table 3, to its two digits; the policy's own Markov chain has the same cost."""
    problem = zipkin(lead, lost_sale_cost)
    found = exact.solve_lost_sales(problem)
    assert round(found.average_cost, 2) == published
    assert exact.average_cost(problem, found.order) == pytest.approx(found.average_cost, abs=2e-6)


@pytest.mark.parametrize("lead", [1, 2, 3])
def test_the_best_base_stock_is_the_best_of_all_levels_and_not_optimal(lead):
    problem = zipkin(lead, 9.0)
    level, cost = exact.best_base_stock(problem)
    every = [exact.average_cost(problem, exact.base_stock_rule(problem, s)) for s in range(30)]
    assert level == int(np.argmin(every))
    assert cost == min(every)
    assert cost > exact.solve_lost_sales(problem).average_cost + 0.1


def test_without_lead_time_every_tick_is_a_newsvendor():
    """Stock is filled to the fractile p/(p + h) of demand, at the newsvendor's cost."""
    found = exact.solve_lost_sales(zipkin(0, 9.0))
    k, fractile = np.arange(100), stats.poisson.ppf(0.9, 5)
    costs = [stats.poisson.pmf(k, 5) @ (np.maximum(y - k, 0) + 9 * np.maximum(k - y, 0)) for y in range(30)]
    assert found.average_cost == pytest.approx(min(costs), abs=1e-6)
    orders = found.order(np.arange(9), np.zeros((9, 0), np.int64))
    np.testing.assert_array_equal(orders, fractile - np.arange(9))


@pytest.mark.parametrize("lead", [1, 2])
def test_orders_beyond_the_cover_would_earn_nothing(lead):
    """With a negligible cost per order, the search covers everything that can be stored."""
    narrow, whole = zipkin(lead, 9.0), zipkin(lead, 9.0, order_cost=1e-12, storage=40)
    assert whole.highest_position == 40 > narrow.highest_position
    assert exact.solve_lost_sales(whole).average_cost == pytest.approx(
        exact.solve_lost_sales(narrow).average_cost, abs=2e-6
    )


def test_a_cost_per_order_makes_orders_rarer_and_the_policy_dearer():
    free, dear = (zipkin(1, 9.0, order_cost=cost, storage=40) for cost in (0.0, 20.0))
    policies = [exact.solve_lost_sales(problem) for problem in (free, dear)]
    shelves = np.arange(14)
    orders = [policy.order(shelves, np.zeros((14, 0), np.int64)) for policy in policies]
    assert (orders[1] > 0).sum() < (orders[0] > 0).sum()
    assert policies[1].average_cost > policies[0].average_cost
    assert policies[1].average_cost < exact.average_cost(dear, policies[0].order)


def test_a_rule_that_orders_beyond_the_storage_is_refused():
    with pytest.raises(ValueError, match="beyond the storage of 60"):
        exact.average_cost(zipkin(2, 9.0), lambda available, pipeline: np.full(len(available), 50))


def test_a_lead_time_that_is_too_long_is_refused_with_the_size_of_the_table():
    with pytest.raises(ValueError, match="lead time of 8 ticks with 16 order levels"):
        exact.solve_lost_sales(zipkin(8, 9.0))

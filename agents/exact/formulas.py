"""Closed forms of revenue management, choice and inventory.

Units   currency; for the Gallego-van Ryzin sale, units of the mean willingness to pay, with `customers` = a·T at
        price 0 and `expected_sales` rho = a·T / e.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, logsumexp, wrightomega
from scipy.stats import poisson

Floats = npt.NDArray[np.float64]


def gvr_value(stock: int, expected_sales: float) -> float:
    """Optimal expected revenue in continuous time, exponential demand; in units of mean willingness to pay.

    J(n, rho) = ln sum_{i <= n} rho^i / i!

    Args:
        stock: units on hand (n).
        expected_sales: rho = customers / e, the sales at price 1 without a stock limit.

    Source:
        Gallego & van Ryzin (1994), Management Science 40(8), section 2.3.

    >>> round(gvr_value(10, 10.0), 6)
    9.4605
    """
    return float(gvr_values(stock, np.array([expected_sales]))[0, stock])


def gvr_values(stock: int, expected_sales: npt.ArrayLike) -> Floats:
    """J(0..n, rho) for each rho (R,), (R, n + 1)."""
    # In logarithms: rho^i / i! overflows from some hundred units on.
    rho = np.maximum(np.asarray(expected_sales, np.float64), np.finfo(np.float64).tiny)
    units = np.arange(stock + 1)
    return np.asarray(np.logaddexp.accumulate(units * np.log(rho)[:, None] - gammaln(units + 1), axis=1))


def gvr_price(stock: int, expected_sales: float) -> float:
    """Optimal price J(n) - J(n - 1) + 1 in units of mean willingness to pay; arguments as for `gvr_value`.

    >>> round(gvr_price(10, 10.0), 6)
    1.24154
    """
    values = gvr_values(stock, [expected_sales])[0]
    return float(values[stock] - values[stock - 1] + 1.0)


def gvr_sales_law(stock: int, expected_sales: float) -> Floats:
    """(n + 1,) distribution of the sales under the optimal price: Poisson(rho) conditional on at most n.

    The probability of selling out is `erlang_b(n, rho)`.
    """
    log_weight = np.arange(stock + 1) * math.log(expected_sales) - gammaln(np.arange(stock + 1) + 1)
    return np.asarray(np.exp(log_weight - np.logaddexp.reduce(log_weight)))


def erlang_b(servers: int, load: float) -> float:
    """Erlang's loss probability, by B(k) = load·B(k-1) / (k + load·B(k-1)).

    >>> round(erlang_b(10, 8.0), 6)
    0.121661
    """
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked


def fluid_price(stock: float, customers: float) -> float:
    """Price of the fluid problem in units of mean willingness to pay: max(1, ln(customers / stock)), customers > 0."""
    return max(1.0, math.log(customers / stock))


def fluid_value(stock: float, customers: float) -> float:
    """J^D = l·ln(customers / l), l = min(customers / e, stock): an upper bound of the optimal expected revenue.

    Source:
        Gallego & van Ryzin (1994), theorem 2.
    """
    sold = min(customers / math.e, stock)
    return sold * math.log(customers / sold)


def single_price_value(stock: int, customers: float, price: float) -> float:
    """Expected revenue of one price for the whole sale: p·E min(n, Poisson(customers·e^-p))."""
    # E min(n, D) = sum_{k < n} P(D > k)
    return price * float(poisson.sf(np.arange(stock), customers * math.exp(-price)).sum())


def best_single_price(stock: int, customers: float) -> tuple[float, float]:
    """The price that maximises `single_price_value`, and its value."""
    # The optimum is the fluid price or somewhat above: stock that lasts on average still binds in some sales.
    highest = fluid_price(stock, customers) + 5.0
    found = minimize_scalar(
        lambda p: -single_price_value(stock, customers, p), bounds=(0.0, highest), options={"xatol": 1e-10}
    )
    return float(found.x), float(-found.fun)


def mnl_optimum(quality: npt.ArrayLike, sensitivity: float, unit_cost: npt.ArrayLike) -> tuple[float, Floats, Floats]:
    """Multinomial logit prices of one customer without a stock limit: every product has the same margin.

    R = W(sum_i e^(a_i - b·c_i - 1)) / b,  p_i = c_i + 1/b + R

    Args:
        quality: (M,) utility at price 0, logits (a).
        sensitivity: logits lost per unit of currency (b).
        unit_cost: (M,) currency (c).

    Returns:
        expected margin a customer R, prices (M,), purchase probabilities (M,).

    Source:
        Li & Huh (2011), Manufacturing & Service Operations Management 13(4).
    """
    a, c = np.asarray(quality, np.float64), np.asarray(unit_cost, np.float64)
    margin = float(wrightomega(logsumexp(a - sensitivity * c - 1.0))) / sensitivity  # W(e^z) without overflow
    prices = c + 1.0 / sensitivity + margin
    odds = np.exp(a - sensitivity * prices)
    return margin, prices, odds / (1.0 + odds.sum())


def revenue_ordered_assortment(
    prices: npt.ArrayLike, weights: npt.ArrayLike, no_purchase: float = 1.0
) -> tuple[float, tuple[int, ...]]:
    """Best set of products to show under multinomial logit with fixed prices: the k dearest, for some k.

    Args:
        prices: (M,) currency.
        weights: (M,) attraction v of each product; `no_purchase` is that of buying nothing.

    Returns:
        expected revenue a customer, and the indices of the products in the set.

    Source:
        Talluri & van Ryzin (2004), Management Science 50(1).
    """
    r, v = np.asarray(prices, np.float64), np.asarray(weights, np.float64)
    order = np.argsort(-r, kind="stable")
    revenue = np.cumsum(r[order] * v[order]) / (no_purchase + np.cumsum(v[order]))
    k = int(revenue.argmax())
    return float(revenue[k]), tuple(sorted(int(j) for j in order[: k + 1]))


def newsvendor(demand: Any, price: float, unit_cost: float, salvage_value: float = 0.0) -> tuple[float, float]:
    """Optimal order quantity and expected profit of a single period: F(Q) = (p - c) / (p - s).

    Args:
        demand: a frozen distribution of `scipy.stats`, discrete or continuous, with no weight below 0.
        price, unit_cost, salvage_value: currency, price > unit cost > salvage value.

    >>> newsvendor(poisson(100), 10.0, 6.0, 2.0)[0]
    100.0
    """
    if not price > unit_cost > salvage_value:
        raise ValueError(
            f"newsvendor needs price > unit_cost > salvage_value, got {price}, {unit_cost}, {salvage_value}; "
            f"otherwise nothing or everything should be ordered."
        )
    quantity = float(demand.ppf((price - unit_cost) / (price - salvage_value)))
    # E min(D, Q) is the sum, or the integral, of P(D > x) over 0 <= x < Q.
    if hasattr(demand, "pmf"):
        sold = float(demand.sf(np.arange(quantity)).sum())
    else:
        sold = quad(demand.sf, 0.0, quantity, epsabs=1e-10, limit=200)[0]
    return quantity, (price - salvage_value) * sold - (unit_cost - salvage_value) * quantity

"""The sale of one product, priced tick by tick: optimal policies, the value of any policy, the distribution of sales.

Axes    T ticks, X = n + 1 stock levels, K units sold within a tick. V[t, x] is the value of x units at the start of
        tick t; row T is the close.
Units   currency; a price of 0 means that the product is not offered; theta is the mean willingness to pay (for
        multinomial logit, the price that costs one logit).

A tick is solved as the simulator plays it: the price holds for the whole tick, customers arrive one by one (Poisson, or
at most one), and the last unit goes to the first who wants it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, gammaln
from scipy.stats import poisson

from flashsale_env.errors import unknown_name

Floats = npt.NDArray[np.float64]

# Poisson tail probability that sums leave out: below the rounding of a revenue in double precision.
TAIL = 1e-14
# Entries of the largest tables: some hundred megabytes.
MOST_ENTRIES = 20_000_000
# Steps after which Newton's method gives way to bisection; it takes three or four.
_NEWTON = 40


def why_too_large(ticks: int, stock: Sequence[int]) -> str | None:
    """Why a table over ticks and stock vectors is too large, or None where it is not."""
    states = math.prod(n + 1 for n in stock)
    entries = (ticks + 1) * states * len(stock)
    if entries <= MOST_ENTRIES:
        return None
    return (
        f"the table of {ticks} ticks and a stock of {', '.join(map(str, stock))} has {entries:,} entries "
        f"({states:,} stock vectors); at most {MOST_ENTRIES:,} are solved"
    )


@dataclass(frozen=True, eq=False)
class PricingProblem:
    """The sale of one product, priced tick by tick.

    Args:
        stock: units on hand at the start of the sale (n).
        customers: (T,) expected customers of each tick.
        mean_wtp: (T,) theta of each tick.
        choice: "exponential", a customer buys at price p with probability e^(-p/theta), or "mnl", with probability
            1 / (1 + e^(p/theta - quality)).
        quality: utility at price 0, logits; "mnl" only.
        arrivals: "poisson", or "bernoulli": at most one customer a tick.
        salvage_value: worth of a unit left at the close.
        holding_cost: of a unit on hand at the end of a tick.
    """

    stock: int
    customers: Floats
    mean_wtp: Floats
    choice: str = "exponential"
    quality: float = 0.0
    arrivals: str = "poisson"
    salvage_value: float = 0.0
    holding_cost: float = 0.0

    def __post_init__(self) -> None:
        if self.choice not in ("exponential", "mnl"):
            raise ValueError(unknown_name("choice", self.choice, ("exponential", "mnl")))
        if self.arrivals not in ("poisson", "bernoulli"):
            raise ValueError(unknown_name("arrivals", self.arrivals, ("poisson", "bernoulli")))
        if self.customers.ndim != 1 or self.customers.shape != self.mean_wtp.shape:
            raise ValueError(
                f"customers and mean_wtp must be of one length, a number a tick, got shapes {self.customers.shape} "
                f"and {self.mean_wtp.shape}."
            )
        if self.customers.min() < 0 or self.mean_wtp.min() <= 0 or self.stock < 0:
            raise ValueError("customers and stock must be at least 0 and mean_wtp above 0.")
        if self.arrivals == "bernoulli" and self.customers.max() > 1:
            raise ValueError(f"bernoulli arrivals bring at most 1 customer a tick, got {self.customers.max():g}.")
        reason = why_too_large(self.ticks, (self.stock,))
        if reason is not None:
            raise ValueError(f"the sale cannot be solved: {reason}.")

    @property
    def ticks(self) -> int:
        """T."""
        return len(self.customers)

    def buys(self, tick: int, price: Floats) -> tuple[Floats, Floats, Floats]:
        """Purchase probability of a customer of the tick at each price, and its first two derivatives in the price."""
        theta = self.mean_wtp[tick]
        if self.choice == "exponential":
            q = np.exp(-price / theta)
            slope, bend = -q / theta, q / theta**2
        else:
            q = expit(self.quality - price / theta)
            slope = -q * (1 - q) / theta
            bend = q * (1 - q) * (1 - 2 * q) / theta**2
        offered = price > 0
        return np.asarray(q * offered), np.asarray(slope * offered), np.asarray(bend * offered)

    def after(self, values: Floats) -> Floats:
        """(n + 1,) value of the stock at the end of a tick, from its `values` at the start of the next one."""
        return np.asarray(values - self.holding_cost * np.arange(self.stock + 1), np.float64)

    def close(self) -> Floats:
        """(n + 1,) value of the stock at the close."""
        return np.asarray(self.salvage_value * np.arange(self.stock + 1), np.float64)


@dataclass(frozen=True, eq=False)
class PriceTable:
    """An optimal policy.

    Args:
        values: (T + 1, n_1 + 1, ..., n_M + 1) V[t, x], expected revenue from tick t on, plus salvage, minus holding.
        prices: (T, n_1 + 1, ..., n_M + 1, M) price of each product; the first of several optimal ones. Where the stock
            does not matter, stock axes have length 1.
    """

    values: Floats
    prices: Floats

    @property
    def value_at_start(self) -> float:
        """Value of the full stock at the start of the sale."""
        return float(self.values[0].flat[-1])

    def lookup(self, tick: npt.NDArray[np.int64], stock: npt.NDArray[np.int64]) -> Floats:
        """(N, M) prices in tick (N,) with stock (N, M)."""
        last = np.array(self.prices.shape[1:-1]) - 1
        return np.asarray(self.prices[(tick, *np.minimum(stock, last).T)])


class _Units:
    """The expected value of one tick, for all stocks x at once.

    With demand D of the tick and W the value of the stock after it,

        E[p·min(D, x) + W((x - D)^+)] = W(x) + sum_{k <= x} P(D >= k)·(p - W(x-k+1) + W(x-k)):

    the k-th unit is sold if D >= k, earns p, and lowers the value of the stock by W(x-k+1) - W(x-k).
    """

    def __init__(self, problem: PricingProblem, most: float) -> None:
        """`most` is the largest expected demand of a tick at any price in use."""
        self._bernoulli = problem.arrivals == "bernoulli"
        wanted = 1 if self._bernoulli else int(poisson.isf(TAIL, most)) + 1
        self.counts = np.arange(1, max(1, min(wanted, problem.stock)) + 1)  # k = 1..K
        units = np.arange(problem.stock + 1)[:, None]
        self.reaches = (self.counts <= units).astype(np.float64)  # (X, K) whether k <= x
        self._index = np.maximum(units - self.counts, 0)  # x - k
        self._above = np.minimum(self._index + 1, problem.stock)  # x - k + 1
        self._log_factorial = gammaln(self.counts)

    def worth(self, after: Floats) -> Floats:
        """(X, K) marginal value W(x-k+1) - W(x-k) of the k-th unit sold out of x."""
        return np.asarray((after[self._above] - after[self._index]) * self.reaches)

    def survival(self, mean: Floats) -> tuple[Floats, Floats, Floats]:
        """P(D >= k), (..., K), and its derivatives in the mean (...,): P(D = k-1), then P(D = k-2) - P(D = k-1)."""
        m = mean[..., None]
        if self._bernoulli:
            return m, np.ones_like(m), np.zeros_like(m)
        with np.errstate(divide="ignore", invalid="ignore"):
            below = np.exp((self.counts - 1) * np.log(m) - m - self._log_factorial)  # P(D = k - 1)
        below = np.where(m > 0, below, self.counts == 1)  # with mean 0, D = 0
        before = np.concatenate([np.zeros_like(m), below[..., :-1]], axis=-1)  # P(D = k - 2)
        return np.maximum(1.0 - np.cumsum(below, axis=-1), 0.0), below, before - below


def optimal_prices(problem: PricingProblem, levels: Sequence[float]) -> PriceTable:
    """Best policy with prices from `levels` (currency, 0 for "not offered").

    >>> problem = PricingProblem(10, np.full(10, math.e), np.ones(10))
    >>> round(optimal_prices(problem, np.arange(0.5, 3.25, 0.25)).value_at_start, 6)
    9.412768
    """
    menu = np.asarray(levels, np.float64)
    bought = [problem.buys(t, menu)[0] * problem.customers[t] for t in range(problem.ticks)]
    units = _Units(problem, max(float(mean.max()) for mean in bought))
    values, prices = _empty_tables(problem)
    for t in reversed(range(problem.ticks)):
        after = problem.after(values[t + 1])
        survival = units.survival(bought[t])[0]  # (L, K)
        # (L, X): p · expected units sold, minus the value of those units if kept.
        gain = menu[:, None] * (survival @ units.reaches.T) - survival @ units.worth(after).T
        best = gain.argmax(axis=0)
        prices[t, :, 0] = menu[best]
        values[t] = after + gain[best, np.arange(problem.stock + 1)]
    return PriceTable(values, prices)


def optimal_continuous_prices(problem: PricingProblem, low: float, high: float) -> PriceTable:
    """Best policy with any price from `low` to `high`, low > 0.

    The price of each tick and stock is the root of the derivative, by Newton's method inside a bracket, starting from
    the price of the following tick.
    """
    if not 0 < low < high:
        raise ValueError(f"want 0 < low < high, got {low} and {high}.")
    most = max(float(problem.buys(t, np.array([low]))[0][0] * problem.customers[t]) for t in range(problem.ticks))
    units = _Units(problem, most)
    values, prices = _empty_tables(problem)
    price = np.full(problem.stock + 1, high)  # where it stays if the gain is 0 at any price
    for t in reversed(range(problem.ticks)):
        after = problem.after(values[t + 1])
        worth = units.worth(after)

        def gain(p: Floats, t: int = t, worth: Floats = worth) -> tuple[Floats, Floats, Floats]:
            q, slope, bend = (problem.customers[t] * x for x in problem.buys(t, p))
            survival, density, change = units.survival(q)
            # gain(p) = sum_k (p - W_k)·P(D >= k) with D ~ Poisson(q(p)). Product and chain rule:
            # gain'  = sum_k P(D >= k) + q'·sum_k (p - W_k)·dP/dq
            # gain'' = 2·q'·sum_k dP/dq + q''·sum_k (p - W_k)·dP/dq + q'^2·sum_k (p - W_k)·d²P/dq²
            margin = p[:, None] * units.reaches - worth
            once = (margin * density).sum(axis=1)
            served = (survival * units.reaches).sum(axis=1)
            more = (density * units.reaches).sum(axis=1)
            value = (margin * survival).sum(axis=1)
            first = served + once * slope
            second = 2 * more * slope + once * bend + (margin * change).sum(axis=1) * slope**2
            return value, first, second

        price, value = _maximise(gain, price, low, high)
        prices[t, :, 0] = price
        values[t] = after + value
    return PriceTable(values, prices)


def _maximise(
    gain: Callable[[Floats], tuple[Floats, Floats, Floats]], start: Floats, low: float, high: float
) -> tuple[Floats, Floats]:
    """Maximisers (X,) in [low, high] of unimodal functions, and their values, to 1e-9."""
    x = start.copy()
    lower, upper = np.full_like(x, low), np.full_like(x, high)
    for round_ in range(_NEWTON + 60):  # 60 halvings end below any tolerance
        value, first, second = gain(x)
        # The maximum lies where the derivative points.
        lower, upper = np.where(first > 0, x, lower), np.where(first > 0, upper, x)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = np.clip(x - first / second, low, high)
        # Newton's step if the function is concave there and the step stays in the bracket, else bisection.
        inside = (round_ < _NEWTON) & (second < 0) & (newton >= lower) & (newton <= upper)
        step = np.where(inside, newton, 0.5 * (lower + upper))
        stuck = ((x == low) & (first <= 0)) | ((x == high) & (first >= 0))
        step = np.where(stuck | (first == 0), x, step)
        if np.abs(step - x).max() < 1e-9 * max(1.0, high):
            return x, value
        x = step
    raise AssertionError("bisection halves the bracket in every step")


def _empty_tables(problem: PricingProblem) -> tuple[Floats, Floats]:
    """Values (T + 1, n + 1) with the close filled in, and prices (T, n + 1, 1)."""
    values = np.zeros((problem.ticks + 1, problem.stock + 1))
    values[-1] = problem.close()
    return values, np.zeros((problem.ticks, problem.stock + 1, 1))


def policy_value(problem: PricingProblem, prices: Floats, probabilities: npt.ArrayLike | None = None) -> Floats:
    """V[t, x] (T + 1, n + 1) of any policy, exactly.

    Args:
        problem: the sale.
        prices: broadcasts to (T, n + 1), the price in each tick with each stock; with `probabilities`, to
            (T, n + 1, L), the prices from which one is drawn in each tick.
        probabilities: broadcasts to (T, n + 1, L) and sums to 1 over L.

    >>> problem = PricingProblem(10, np.full(10, math.e), np.ones(10))
    >>> round(float(policy_value(problem, np.arange(0.5, 3.25, 0.25), np.full(11, 1 / 11))[0, 10]), 6)
    7.345626
    """
    if probabilities is None:
        prices, probabilities = np.asarray(prices)[..., None], np.ones(1)
    menu = np.broadcast_to(prices, (problem.ticks, problem.stock + 1, np.shape(prices)[-1]))
    weights = np.broadcast_to(np.asarray(probabilities, np.float64), menu.shape)
    if np.abs(weights.sum(axis=-1) - 1.0).max() > 1e-9 or weights.min() < 0:
        raise ValueError("probabilities must be at least 0 and sum to 1 over the prices of a tick.")
    units = _units_under(problem, menu)
    values, _ = _empty_tables(problem)
    for t in reversed(range(problem.ticks)):
        after = problem.after(values[t + 1])
        margin = menu[t, :, :, None] * units.reaches[:, None] - units.worth(after)[:, None]
        mean = problem.buys(t, menu[t])[0] * problem.customers[t]
        gain = (margin * units.survival(mean)[0]).sum(axis=-1)
        values[t] = after + (weights[t] * gain).sum(axis=-1)
    return values


def sales_law(problem: PricingProblem, prices: Floats) -> Floats:
    """(n + 1,) distribution of the units sold in a whole sale under a policy; `prices` broadcasts to (T, n + 1)."""
    table = np.broadcast_to(prices, (problem.ticks, problem.stock + 1))
    units = _units_under(problem, table)
    law = np.zeros(problem.stock + 1)  # distribution of the units left
    law[-1] = 1.0
    for t in range(problem.ticks):
        mean = problem.buys(t, table[t])[0] * problem.customers[t]
        # P(k or more units sold | x units), and from it P(k sold | x) as differences.
        at_least = units.survival(mean)[0] * units.reaches
        exactly = at_least - np.concatenate([at_least[:, 1:], np.zeros((len(law), 1))], axis=1)
        new = law * (1.0 - at_least[:, 0])
        for k in units.counts:
            new[: len(law) - k] += law[k:] * exactly[k:, k - 1]
        law = new
    return law[::-1].copy()


def _units_under(problem: PricingProblem, prices: Floats) -> _Units:
    """The `_Units` of a problem under these prices (T, ...)."""
    means = (problem.buys(t, row)[0].max() * problem.customers[t] for t, row in enumerate(prices))
    return _Units(problem, float(max(means)))

"""The sale of several products to multinomial logit customers: prices, stock, substitution within a tick.

Axes    T ticks, M products, S stock vectors (n_1 + 1, ..., n_M + 1).
Units   currency, utility in logits; a price of 0 means that a product is not offered.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import expm
from scipy.stats import poisson

from flashsale_env.agents.exact.pricing import MOST_ENTRIES, TAIL, PriceTable, why_too_large

Floats = npt.NDArray[np.float64]

# Multiplications of the largest recursion: about a minute.
_MOST_WORK = 1e10
# The stock "never binds" if the customers of a whole sale outnumber it with less than this probability.
_NEVER = 1e-9


def best_offer(
    quality: Floats,
    sensitivity: Floats,
    worth: Floats,
    *,
    low: npt.ArrayLike = -np.inf,
    high: npt.ArrayLike = np.inf,
    levels: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Optimal prices for one multinomial logit customer, for any number of cases at once.

    The optimal expected margin R is the root of R = sum_j max_p e^(a_j - b_j·p)·(p - c_j - R). Each product's price is
    found separately, so a grid needs no search over price vectors. Dinkelbach's iteration, R <- margin at the prices
    that are optimal for R, rises monotonically to the root from the second step on.

    Args:
        quality: (..., M) utility at price 0, logits (a); -inf for a product that is out of stock.
        sensitivity: (..., M) logits lost per unit of currency (b).
        worth: (..., M) shadow price of a unit, currency (c).
        low, high: (M,) bounds of continuous prices.
        levels: (M, L) a grid of prices instead; 0 is "not offered".

    Returns:
        R (...), expected margin a customer over the shadow prices, and prices (..., M).

    Source:
        Dinkelbach (1967), Management Science 13(7), doi 10.1287/mnsc.13.7.492.
    """
    shape = np.broadcast_shapes(np.shape(quality), np.shape(sensitivity), np.shape(worth))
    a, b, c = (np.broadcast_to(np.asarray(x, np.float64), shape) for x in (quality, sensitivity, worth))
    margin, rising = np.zeros(shape[:-1]), False
    while True:
        if levels is None:
            # argmax_p e^(a - b·p)·(p - c - R) = c + R + 1/b
            price = np.clip(c + margin[..., None] + 1.0 / b, low, high)
            utility = a - b * price
        else:
            shown = np.where(levels > 0, a[..., None] - b[..., None] * levels, -np.inf)
            # Scaled by the largest odds of the product, which leaves its argmax as it is.
            scale = np.where(np.isfinite(shown), shown, -np.inf).max(axis=-1, keepdims=True)
            odds = np.exp(shown - np.where(np.isfinite(scale), scale, 0.0))
            best = (odds * (levels - (c + margin[..., None])[..., None])).argmax(axis=-1)[..., None]
            price = np.take_along_axis(np.broadcast_to(levels, shown.shape), best, axis=-1)[..., 0]
            utility = np.take_along_axis(shown, best, axis=-1)[..., 0]
        # The margin at these prices, sum_j odds_j·(p_j - c_j) / (1 + sum_j odds_j), scaled against overflow.
        peak = np.maximum(utility.max(axis=-1, keepdims=True), 0.0)
        odds = np.exp(utility - peak)
        new = (odds * (price - c)).sum(axis=-1) / (np.exp(-peak[..., 0]) + odds.sum(axis=-1))
        # The first step may fall below 0; every later one rises, until rounding ends it.
        if rising and not np.any(new - margin > 1e-13 * np.maximum(1.0, np.abs(new))):
            return new, price
        margin, rising = np.maximum(new, margin) if rising else new, True


@dataclass(frozen=True, eq=False)
class MnlSale:
    """The sale of M products to multinomial logit customers, priced tick by tick.

    Args:
        customers: (T,) expected customers of each tick.
        quality: (M,) utility at price 0, logits.
        sensitivity: (T, M) logits lost per unit of currency.
        stock: M units on hand at the start of the sale.
        menus: M tuples of prices, 0 for "not offered"; with `continuous` only their ends matter.
        continuous: whether any price between a product's lowest and highest may be set.
        arrivals: "poisson", or "bernoulli": at most one customer a tick.
        salvage_value: (M,) worth of a unit left at the close.
        holding_cost: (M,) of a unit on hand at the end of a tick.
    """

    customers: Floats
    quality: Floats
    sensitivity: Floats
    stock: tuple[int, ...]
    menus: tuple[tuple[float, ...], ...]
    continuous: bool = False
    arrivals: str = "poisson"
    salvage_value: Floats | float = 0.0
    holding_cost: Floats | float = 0.0

    @property
    def stock_never_binds(self) -> bool:
        """Whether customers outnumber the units of some product with a probability below 1e-9."""
        total = float(self.customers.sum())
        few = self.arrivals == "bernoulli" and len(self.customers) <= min(self.stock)
        return few or float(poisson.sf(min(self.stock), total)) < _NEVER

    @property
    def why_unsolved(self) -> str | None:
        """Why `solve_mnl` cannot solve the sale, or None where it can."""
        if self.stock_never_binds:
            return None
        reason = why_too_large(len(self.customers), self.stock)
        if reason is not None or self.arrivals == "bernoulli":
            return reason
        if self.continuous:
            return (
                "the continuous prices of several products are solved for at most one customer a tick "
                "(arrivals.law 'bernoulli'), else take prices from a grid"
            )
        vectors = math.prod(map(len, self.menus))
        states = math.prod(n + 1 for n in self.stock)
        entries = vectors * states * len(self.stock)
        work = float(entries) * self.most_in_a_tick * len(self.customers)
        if entries <= MOST_ENTRIES and work <= _MOST_WORK:
            return None
        return (
            f"the {vectors:,} price vectors x {states:,} stock vectors x {len(self.stock)} products are {entries:,} "
            f"entries, and with up to {self.most_in_a_tick} customers in each of {len(self.customers)} ticks "
            f"{work:.2g} multiplications; at most {MOST_ENTRIES:,} and {_MOST_WORK:.0e} are solved: take fewer price "
            f"levels, less stock or shorter ticks"
        )

    @property
    def most_in_a_tick(self) -> int:
        """Number of customers in a tick at which the Poisson sum is cut off."""
        return int(poisson.isf(TAIL, float(self.customers.max()))) + 1

    def offer(self, tick: int, worth: Floats, available: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """`best_offer` of a tick for shadow prices (..., M), with only the `available` products."""
        quality = np.where(available, self.quality, -np.inf)
        if self.continuous:
            low, high = (np.array([end(menu) for menu in self.menus]) for end in (min, max))
            return best_offer(quality, self.sensitivity[tick], worth, low=low, high=high)
        # Menus are padded with their last price, which changes no maximum.
        longest = max(map(len, self.menus))
        levels = np.array([(*menu, *menu[-1:] * (longest - len(menu))) for menu in self.menus])
        return best_offer(quality, self.sensitivity[tick], worth, levels=levels)


def solve_mnl(sale: MnlSale) -> PriceTable:
    """Optimal prices of several multinomial logit products.

    If the stock never binds, each tick is a problem of one customer. Otherwise the recursion runs backward over all
    stock vectors. With at most one customer a tick, V_t(x) = V_{t+1}(x) + lambda·R, with R as in `best_offer` for the
    shadow prices V_{t+1}(x) - V_{t+1}(x - e_j). With Poisson ticks every price vector is tried; its value is the
    Poisson-weighted sum over k of k one-customer steps, in which customers substitute when a product sells out.

    Raises:
        ValueError: it is too large, or prices are continuous while several customers share a tick.
    """
    if sale.why_unsolved is not None:
        raise ValueError(f"the sale cannot be solved: {sale.why_unsolved}.")
    if sale.stock_never_binds:
        return _without_stock_limit(sale)
    tick = _one_customer_tick(sale) if sale.arrivals == "bernoulli" else _poisson_tick(sale)
    shape = tuple(n + 1 for n in sale.stock)
    stock = _stock_vectors(sale)
    values = np.zeros((len(sale.customers) + 1, *shape))
    prices = np.zeros((len(sale.customers), *shape, len(shape)))
    values[-1] = (stock * sale.salvage_value).sum(axis=-1)
    holding = (stock * sale.holding_cost).sum(axis=-1)
    for t in reversed(range(len(sale.customers))):
        values[t], prices[t] = tick(t, values[t + 1] - holding)
    return PriceTable(values, prices)


_Tick = Callable[[int, Floats], tuple[Floats, Floats]]


def _stock_vectors(sale: MnlSale) -> npt.NDArray[np.int64]:
    """(n_1 + 1, ..., n_M + 1, M) units of each product in each state."""
    return np.moveaxis(np.indices([n + 1 for n in sale.stock]), 0, -1)


def _one_customer_tick(sale: MnlSale) -> _Tick:
    """The recursion's step with at most one customer a tick."""
    available = _stock_vectors(sale) > 0

    def tick(t: int, after: Floats) -> tuple[Floats, Floats]:
        # Shadow price of product j: V(x) - V(x - e_j).
        worth = np.stack([after - _one_less(after, j) for j in range(after.ndim)], axis=-1)
        margin, prices = sale.offer(t, worth, available)
        return after + sale.customers[t] * margin, prices

    return tick


def _poisson_tick(sale: MnlSale) -> _Tick:
    """The recursion's step with a Poisson number of customers, for all P price vectors at once."""
    menu = np.array(list(itertools.product(*sale.menus)))  # (P, M)
    available = _stock_vectors(sale) > 0  # (S..., M)
    over_stocks = (slice(None), *(None,) * len(sale.stock))  # (P, ...) -> (P, 1, ..., 1, ...)
    counts = np.arange(sale.most_in_a_tick + 1)

    def tick(t: int, after: Floats) -> tuple[Floats, Floats]:
        utility = np.where(menu > 0, sale.quality - sale.sensitivity[t] * menu, -np.inf)
        peak = np.maximum(utility.max(axis=1), 0.0)
        odds = np.exp(utility - peak[:, None])[over_stocks] * available
        probability = odds / (np.exp(-peak)[over_stocks] + odds.sum(axis=-1))[..., None]  # (P, S..., M)
        revenue = (probability * menu[over_stocks]).sum(axis=-1)
        weight = poisson.pmf(counts, sale.customers[t])
        worth = np.broadcast_to(after, revenue.shape)  # expected value after k customers, their revenue included
        total = weight[0] * worth
        for k in counts[1:]:
            # W_{k+1}(x) = W_k(x) + revenue(x) - sum_j P_j(x)·(W_k(x) - W_k(x - e_j))
            before, worth = worth, worth + revenue
            for j in range(len(sale.stock)):
                worth = worth - probability[..., j] * (before - _one_less(before, j + 1))
            total = total + weight[k] * worth
        best = total.argmax(axis=0)
        return np.take_along_axis(total, best[None], axis=0)[0], menu[best]

    return tick


def _one_less(values: Floats, axis: int) -> Floats:
    """Values with one unit less along an axis; at a stock of 0, the values themselves."""
    index = np.maximum(np.arange(values.shape[axis]) - 1, 0)
    return np.take(values, index, axis=axis)


def _without_stock_limit(sale: MnlSale) -> PriceTable:
    """The solution if the stock never binds: a unit kept is worth its salvage value minus holding until the close."""
    ticks, m = len(sale.customers), len(sale.stock)
    salvage, holding = np.broadcast_to(sale.salvage_value, m), np.broadcast_to(sale.holding_cost, m)
    left = np.arange(ticks, -1, -1)[:, None]
    kept = salvage - holding * left  # (T + 1, M)
    # Ticks separate: V_t = sum over later ticks of customers · R, plus the kept value of the stock.
    offers = [sale.offer(t, kept[t], np.ones(m, np.bool_)) for t in range(ticks)]
    earned = np.append(
        np.cumsum([n * float(r) for n, (r, _) in zip(sale.customers, offers, strict=True)][::-1])[::-1], 0.0
    )
    shape = (1,) * m
    values = (earned + (kept * np.array(sale.stock)).sum(axis=1)).reshape(-1, *shape)
    return PriceTable(values, np.array([prices for _, prices in offers]).reshape(ticks, *shape, m))


def substitution_law(
    weights: npt.ArrayLike, stock: Sequence[int], customers: float, no_purchase: float = 1.0
) -> Floats:
    """Distribution of the stock left after a tick with Poisson customers who choose among the products still in stock.

    Computed as a Markov chain over stock vectors, by the matrix exponential of its generator.

    Args:
        weights: (M,) attraction of each product; `no_purchase` is that of buying nothing.
        stock: M units at the start.
        customers: expected number.

    Returns:
        (n_1 + 1, ..., n_M + 1) probabilities.

    >>> law = substitution_law((1.5, 1.0), (2, 1), 4.0)
    >>> round(float(law[0, 0]), 6)
    0.472851
    """
    shape = tuple(n + 1 for n in stock)
    states = math.prod(shape)
    if states > 4000:  # the dense exponential takes half a minute there
        raise ValueError(f"a stock of {tuple(stock)} makes {states:,} stock vectors; at most 4,000 are solved.")
    v = np.asarray(weights, np.float64)
    generator = np.zeros((states, states))
    for state in np.ndindex(shape):
        odds = v * (np.array(state) > 0)
        here = np.ravel_multi_index(state, shape)
        for j in np.flatnonzero(odds):
            less = tuple(n - (i == j) for i, n in enumerate(state))
            generator[here, np.ravel_multi_index(less, shape)] = odds[j] / (no_purchase + odds.sum())
        generator[here, here] = -generator[here].sum()
    return np.asarray(expm(customers * generator)[-1].reshape(shape))


def clearing_worth(
    customers: Floats,
    quality: Floats,
    sensitivity: Floats,
    stock: Floats,
    *,
    salvage: npt.ArrayLike,
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    start: Floats | None = None,
    tolerance: float = 1e-10,
    rounds: int = 2000,
) -> Floats:
    """Shadow prices at which the expected customers, at the prices that are optimal for them, buy exactly the stock.

    These are the multipliers w >= salvage of the deterministic problem: maximise expected revenue over prices, subject
    to the stock; for any number of cases at once. The iteration is

        w_j <- w_j + ln(demand_j(w) / stock_j) / b_j,    clipped to [salvage_j, high_j].

    It is a contraction: the demand that a higher w_j diverts to other products is less than what product j loses.

    Args:
        customers: (N, K, 1) expected customers of each of K phases.
        quality: (N, K, M) utility at price 0, logits; -inf for what cannot be bought.
        sensitivity: (N, K, M) logits lost per unit of currency (b).
        stock: (N, M) units.
        salvage: (M,) least worth.
        low, high: (M,) bounds of prices.
        start: (N, M) initial values; the salvage value by default.
        tolerance: largest error of the demand, as a share of the stock.
        rounds: largest number of iterations. The error falls by the factor 1 - (share who buy nothing)² in each.

    Returns:
        (N, M) currency, at most `high`, above which no price changes.

    Source:
        Gallego & van Ryzin (1997), Operations Research 45(1), the deterministic problem; Li & Huh (2011),
        Manufacturing & Service Operations Management 13(4), its concavity in sales under multinomial logit.
    """
    floor = np.broadcast_to(np.asarray(salvage, np.float64), stock.shape)
    ceiling = np.maximum(np.broadcast_to(np.asarray(high, np.float64), stock.shape), floor)
    worth = floor.copy() if start is None else np.clip(start, floor, ceiling)
    # One step length for all phases: 1/b of the most sensitive phase never overshoots.
    unit = 1.0 / np.broadcast_to(sensitivity, np.broadcast_shapes(sensitivity.shape, quality.shape)).max(axis=1)
    sought = np.maximum(stock, 1e-9)
    open_cases = np.arange(len(stock))  # those that have not converged
    for _ in range(rounds):
        case = worth[open_cases]
        shown = [np.broadcast_to(x, (len(stock), *x.shape[1:]))[open_cases] for x in (customers, quality, sensitivity)]
        price = best_offer(shown[1], shown[2], case[:, None], low=low, high=high)[1]
        utility = shown[1] - shown[2] * price
        peak = np.maximum(utility.max(axis=-1, keepdims=True), 0.0)
        odds = np.exp(utility - peak)
        bought = (shown[0] * odds / (np.exp(-peak) + odds.sum(axis=-1, keepdims=True))).sum(axis=1)
        gap = np.log(np.maximum(bought, 1e-300) / sought[open_cases])
        new = np.clip(case + gap * unit[open_cases], floor[open_cases], ceiling[open_cases])
        worth[open_cases] = new
        moved = np.abs(new - case) / unit[open_cases] > tolerance
        open_cases = open_cases[moved.any(axis=1)]
        if not len(open_cases):
            break
    return worth

"""The sale of several products to multinomial logit customers: prices, stock, substitution inside a tick.

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
# Probability that the customers of a whole sale outnumber the stock, below which the stock is said never to bind.
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
    """Prices that earn most with one multinomial logit customer, in any number of cases at once.

    R is the root of R = sum_j max_p e^(a_j - b_j·p)·(p - c_j - R): each product's price is found on its own, so a grid
    needs no search over price vectors. Iterated from above and below it rises to the root.

    Args:
        quality: (..., M) utility at price 0, logits (a); -inf for a product that is out of stock.
        sensitivity: (..., M) logits lost per unit of currency (b).
        worth: (..., M) what a unit is worth if kept, currency (c).
        low, high: (M,) bounds of continuous prices.
        levels: (M, L) prices to choose from instead; 0 is "not offered".

    Returns:
        R (...), expected margin of a customer over the units' worth, and prices (..., M).

    Source:
        Dinkelbach (1967), Management Science 13(7), doi 10.1287/mnsc.13.7.492.
    """
    shape = np.broadcast_shapes(np.shape(quality), np.shape(sensitivity), np.shape(worth))
    a, b, c = (np.broadcast_to(np.asarray(x, np.float64), shape) for x in (quality, sensitivity, worth))
    margin, rising = np.zeros(shape[:-1]), False
    while True:
        if levels is None:
            price = np.clip(c + margin[..., None] + 1.0 / b, low, high)
            utility = a - b * price
        else:
            shown = np.where(levels > 0, a[..., None] - b[..., None] * levels, -np.inf)
            scale = np.where(np.isfinite(shown), shown, -np.inf).max(axis=-1, keepdims=True)
            odds = np.exp(shown - np.where(np.isfinite(scale), scale, 0.0))
            best = (odds * (levels - (c + margin[..., None])[..., None])).argmax(axis=-1)[..., None]
            price = np.take_along_axis(np.broadcast_to(levels, shown.shape), best, axis=-1)[..., 0]
            utility = np.take_along_axis(shown, best, axis=-1)[..., 0]
        peak = np.maximum(utility.max(axis=-1, keepdims=True), 0.0)
        odds = np.exp(utility - peak)
        new = (odds * (price - c)).sum(axis=-1) / (np.exp(-peak[..., 0]) + odds.sum(axis=-1))
        # The first step may come down from 0; from then on every step rises until rounding ends it.
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
        stock: M units on hand at the opening.
        menus: M tuples of prices, "not offered" being 0; with `continuous` only their ends matter.
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
        """Whether more customers than units of any product come with a probability below 1e-9."""
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
        """Customers of a tick beyond whom nobody is reckoned with."""
        return int(poisson.isf(TAIL, float(self.customers.max()))) + 1

    def offer(self, tick: int, worth: Floats, available: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """`best_offer` of a tick, for units worth (..., M) of which only those `available` can be sold."""
        quality = np.where(available, self.quality, -np.inf)
        if self.continuous:
            low, high = (np.array([end(menu) for menu in self.menus]) for end in (min, max))
            return best_offer(quality, self.sensitivity[tick], worth, low=low, high=high)
        longest = max(map(len, self.menus))
        levels = np.array([(*menu, *menu[-1:] * (longest - len(menu))) for menu in self.menus])
        return best_offer(quality, self.sensitivity[tick], worth, levels=levels)


def solve_mnl(sale: MnlSale) -> PriceTable:
    """Optimal prices of several multinomial logit products.

    Stock that never binds leaves one customer's problem. Otherwise backward over all stock vectors: with at most one
    customer a tick V_t(x) = V_{t+1}(x) + lambda·R(differences of V_{t+1}), R as in `best_offer` (Lambert's W where the
    sensitivities agree); with Poisson ticks every price vector is tried, and the tick is the Poisson-weighted sum of
    the one-customer steps under it, in which a stock-out turns the customers after it to what is left.

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
    available = _stock_vectors(sale) > 0

    def tick(t: int, after: Floats) -> tuple[Floats, Floats]:
        worth = np.stack([after - _one_less(after, j) for j in range(after.ndim)], axis=-1)
        margin, prices = sale.offer(t, worth, available)
        return after + sale.customers[t] * margin, prices

    return tick


def _poisson_tick(sale: MnlSale) -> _Tick:
    menu = np.array(list(itertools.product(*sale.menus)))  # (P, M)
    available = _stock_vectors(sale) > 0  # (S..., M)
    spread = (slice(None), *(None,) * len(sale.stock))
    counts = np.arange(sale.most_in_a_tick + 1)

    def tick(t: int, after: Floats) -> tuple[Floats, Floats]:
        utility = np.where(menu > 0, sale.quality - sale.sensitivity[t] * menu, -np.inf)
        peak = np.maximum(utility.max(axis=1), 0.0)
        odds = np.exp(utility - peak[:, None])[spread] * available
        probability = odds / (np.exp(-peak)[(*spread,)] + odds.sum(axis=-1))[..., None]  # (P, S..., M)
        revenue = (probability * menu[spread]).sum(axis=-1)
        weight = poisson.pmf(counts, sale.customers[t])
        worth = np.broadcast_to(after, revenue.shape)  # after k customers, revenue so far included
        total = weight[0] * worth
        for k in counts[1:]:
            before, worth = worth, worth + revenue
            for j in range(len(sale.stock)):
                worth = worth - probability[..., j] * (before - _one_less(before, j + 1))
            total = total + weight[k] * worth
        best = total.argmax(axis=0)
        return np.take_along_axis(total, best[None], axis=0)[0], menu[best]

    return tick


def _one_less(values: Floats, axis: int) -> Floats:
    """Values with one unit less along an axis; those of an empty stock stay."""
    index = np.maximum(np.arange(values.shape[axis]) - 1, 0)
    return np.take(values, index, axis=axis)


def _without_stock_limit(sale: MnlSale) -> PriceTable:
    """A unit sold in tick t saves its salvage value and costs no more holding: that is all it is worth if kept."""
    ticks, m = len(sale.customers), len(sale.stock)
    salvage, holding = np.broadcast_to(sale.salvage_value, m), np.broadcast_to(sale.holding_cost, m)
    left = np.arange(ticks, -1, -1)[:, None]
    kept = salvage - holding * left  # (T + 1, M)
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
    """Law of the stock left after one tick with Poisson customers who choose among what is *then* in stock.

    The Markov chain over stock vectors, by the matrix exponential of its generator.

    Args:
        weights: (M,) attraction of each product; `no_purchase` is that of buying nothing.
        stock: M units at the beginning.
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
    """Worth of a unit of each product at which expected customers, shown the best prices, buy just the stock.

    The multipliers w >= salvage of the deterministic problem, max over prices of expected revenue subject to the stock,
    in any number of cases at once. w_j rises by the logarithm of what is bought over what is there, in units of 1/b_j:
    a contraction, since raising one worth by that turns no more demand to the others than it takes away.

    Args:
        customers: (N, K, 1) expected customers of each of K phases.
        quality: (N, K, M) utility at price 0, logits; -inf for what cannot be bought.
        sensitivity: (N, K, M) logits lost per unit of currency (b).
        stock: (N, M) units.
        salvage: (M,) least worth.
        low, high: (M,) bounds of prices.
        start: (N, M) where to begin; the salvage value by default.
        tolerance: largest error of what is bought, as a share of the stock.
        rounds: it ends after so many in any case. The error falls by 1 - (share who buy nothing)^2 a round.

    Returns:
        (N, M) currency; above `high` nothing changes any more, so there it ends.

    Source:
        Gallego & van Ryzin (1997), Operations Research 45(1), the deterministic problem; Li & Huh (2011),
        Manufacturing & Service Operations Management 13(4), its concavity in sales under multinomial logit.
    """
    floor = np.broadcast_to(np.asarray(salvage, np.float64), stock.shape)
    ceiling = np.maximum(np.broadcast_to(np.asarray(high, np.float64), stock.shape), floor)
    worth = floor.copy() if start is None else np.clip(start, floor, ceiling)
    # A step in logits is the same length for all phases: that of the most sensitive one never goes too far.
    unit = 1.0 / np.broadcast_to(sensitivity, np.broadcast_shapes(sensitivity.shape, quality.shape)).max(axis=1)
    sought = np.maximum(stock, 1e-9)
    open_cases = np.arange(len(stock))
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

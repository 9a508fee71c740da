"""Replenishment of one product with a lead time and lost sales: the optimal orders, and the cost of any rule.

Axes    Y units available for the next demand, A order levels, L ticks of lead time.
Units   units of the product; cost in currency a tick, in the long run.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.stats import poisson

from flashsale_env.agents.exact.pricing import MOST_ENTRIES, TAIL

Floats = npt.NDArray[np.float64]

# States of the largest Markov chain of an ordering rule: about ten seconds.
_MOST_STATES = 500_000


@dataclass(frozen=True)
class LostSales:
    """Replenishment over an infinite horizon with Poisson demand and lost sales.

    In every tick: order; receive the order of `lead` ticks ago; serve demand; pay.

    Args:
        mean_demand: units demanded in a tick.
        lead: ticks between an order and the first demand it serves (L).
        order_levels: possible order sizes, rising from 0.
        storage: most units on hand and on order together.
        holding_cost: of a unit left at the end of a tick.
        lost_sale_cost: margin and goodwill of a lost sale.
        order_cost: fixed cost of an order.
    """

    mean_demand: float
    lead: int
    order_levels: tuple[int, ...]
    storage: int
    holding_cost: float
    lost_sale_cost: float
    order_cost: float = 0.0

    def __post_init__(self) -> None:
        rises = list(self.order_levels) == sorted(set(self.order_levels))
        if self.order_levels[:1] != (0,) or len(self.order_levels) < 2 or not rises:
            raise ValueError(f"order_levels must rise from 0, got {self.order_levels}; e.g. (0, 5, 10).")
        if self.lost_sale_cost <= 0 or self.order_cost < 0:
            raise ValueError(
                f"lost_sale_cost must be above 0 and order_cost at least 0, got {self.lost_sale_cost:g} and "
                f"{self.order_cost:g}."
            )
        if self.lead < 0 or self.storage < 1 or self.mean_demand <= 0 or self.holding_cost <= 0:
            raise ValueError(
                f"lead must be at least 0, storage at least 1, mean_demand and holding_cost above 0, got {self.lead}, "
                f"{self.storage}, {self.mean_demand:g} and {self.holding_cost:g}."
            )

    @property
    def cover(self) -> int:
        """The newsvendor quantity for the demand of L + 1 ticks, plus the gap between order levels minus one."""
        served = self.lost_sale_cost / (self.lost_sale_cost + self.holding_cost)
        quantity = int(poisson.ppf(served, (self.lead + 1) * self.mean_demand))
        return min(self.storage, quantity + int(np.diff(self.order_levels).max()) - 1)

    @property
    def highest_position(self) -> int:
        """Inventory position above which no optimal policy orders.

        Without a fixed cost that is the cover (Morton 1969, SIAM Review 11(4)), else the storage.
        """
        return self.storage if self.order_cost else self.cover

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the state space: available units, and order levels of the L - 1 orders behind them."""
        return (self.highest_position + 1,) + (len(self.order_levels),) * max(self.lead - 1, 0)

    @property
    def why_unsolved(self) -> str | None:
        """Why `solve_lost_sales` cannot solve it, or None where it can."""
        entries = math.prod(self.shape) * len(self.order_levels)
        if entries <= MOST_ENTRIES:
            return None
        return (
            f"the lead time of {self.lead} ticks with {len(self.order_levels)} order levels and up to "
            f"{self.highest_position} units makes {entries:,} pairs of state and order; at most {MOST_ENTRIES:,} are "
            f"solved: take a shorter lead time or fewer order levels"
        )

    def served(self, units: int) -> tuple[Floats, Floats]:
        """(Y + 1, Y + 1) distribution of the units left of y after a tick's demand, and the (Y + 1,) expected cost."""
        left = np.arange(units + 1)[:, None] - np.arange(units + 1)
        law = np.where(left >= 0, poisson.pmf(left, self.mean_demand), 0.0)
        law[:, 0] = poisson.sf(np.arange(units + 1) - 1, self.mean_demand)  # P(D >= y): nothing is left
        expected_left = law @ np.arange(units + 1)
        lost = self.mean_demand - (np.arange(units + 1) - expected_left)
        return law, self.holding_cost * expected_left + self.lost_sale_cost * lost


@dataclass(frozen=True, eq=False)
class OrderTable:
    """The optimal policy of a `LostSales` problem.

    Args:
        problem: what was solved.
        average_cost: long-run average cost of a tick, the least of any policy.
        levels: (Y + 1, A, ..., A) index of the order level, by the units available for the next demand and the levels
            of the L - 1 orders behind them, next to arrive first. With lead time 0: by the units on hand.
    """

    problem: LostSales
    average_cost: float
    levels: npt.NDArray[np.int64]

    def order(self, available: npt.NDArray[np.int64], pipeline: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(N,) units to order with `available` units (N,) for the next demand and orders (N, L - 1) behind them."""
        menu = np.array(self.problem.order_levels)
        arriving = np.clip(np.searchsorted(menu, pipeline, side="right") - 1, 0, None)
        index = (np.minimum(available, len(self.levels) - 1), *arriving.T)
        return np.asarray(menu[self.levels[index]])


def solve_lost_sales(problem: LostSales, tolerance: float = 1e-6) -> OrderTable:
    """Orders that minimise the average cost, by relative value iteration.

    The state is the units available for the next demand, y, and the L - 1 orders behind them; the position their sum.

        h(y, q_1, ..., q_{L-1}) = min_z { cost(y) + E h((y - D)^+ + q_1, q_2, ..., q_{L-1}, z) } - average

    Orders beyond the storage are excluded. The least and the largest change of h in an iteration bound the average
    cost; it ends when they are within `tolerance` of each other.

    Raises:
        ValueError: there are too many states.

    Source:
        Zipkin (2008), Old and new methods for lost-sales inventory systems, Operations Research 56(5), doi
        10.1287/opre.1070.0471.
    """
    if problem.why_unsolved is not None:
        raise ValueError(f"the replenishment cannot be solved: {problem.why_unsolved}.")
    menu, shape = np.array(problem.order_levels), problem.shape
    most = problem.highest_position
    law, cost = problem.served(most)
    grids = np.meshgrid(np.arange(most + 1), *[menu] * (len(shape) - 1), menu, indexing="ij", sparse=True)
    position = np.asarray(sum(grids))
    # The fixed cost of an order, infinite where the order exceeds the highest position.
    fee = np.where((position <= most) | (grids[-1] == 0), problem.order_cost * (grids[-1] > 0), np.inf)
    reachable = position[..., 0] <= most
    units = np.arange(most + 1)
    levels = np.zeros(shape, np.int64)
    h = np.zeros(shape)
    while True:
        new = np.empty(shape)
        if problem.lead == 0:
            # The order arrives at once: choose y + z, then serve.
            after = cost + law @ h  # cost-to-go of serving the next demand from y units
            choices = after[np.minimum(units[:, None] + menu, most)] + fee
            levels = choices.argmin(axis=-1)
            new = choices.min(axis=-1)
        else:
            # For each first order q to arrive: E h((y - D)^+ + q, ...), with the remaining orders as columns.
            worths = (law @ h[np.minimum(units + q, most)].reshape(most + 1, -1) for q in menu)
            if problem.lead == 1:  # q is the order z itself
                choices = np.concatenate(list(worths), axis=1) + fee
                levels, new = choices.argmin(axis=-1), cost + choices.min(axis=-1)
            else:
                for i, worth in enumerate(worths):  # q_1 is in the state, z enters behind q_2, ..., q_{L-1}
                    choices = worth.reshape(most + 1, *shape[2:], len(menu)) + fee[:, i]
                    levels[:, i] = choices.argmin(axis=-1)
                    new[:, i] = cost.reshape(-1, *(1,) * (len(shape) - 2)) + choices.min(axis=-1)
        change = (new - h)[reachable]
        h = new - new.flat[0]
        if change.max() - change.min() < tolerance:
            return OrderTable(problem, float(change.max() + change.min()) / 2, levels)


_Rule = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], npt.NDArray[np.int64]]


def average_cost(problem: LostSales, order: _Rule) -> float:
    """Long-run average cost of any ordering rule from an empty start, by its Markov chain.

    Args:
        problem: the sale.
        order: units to order (N,), as a function of the units available for the next demand (N,) and the orders behind
            them (N, L - 1), like `OrderTable.order`; with lead time 0, of the units on hand.
    """
    # A state is coded as one whole number with digits (available, order 1, ..., order L - 1) in base storage + 1.
    tail = max(problem.lead - 1, 0)
    base = problem.storage + 1
    powers = base ** np.arange(tail, -1, -1)
    if base ** (tail + 1) > np.iinfo(np.int64).max:
        raise ValueError(f"lead time {problem.lead} with storage {problem.storage} has too many states.")
    law, cost = problem.served(problem.storage)
    demand = np.arange(min(int(poisson.isf(TAIL, problem.mean_demand)) + 1, problem.storage) + 1)
    # Breadth-first search of the reachable states, with all transitions out of them.
    known, frontier = np.zeros(0, np.int64), np.zeros(1, np.int64)
    starts: list[npt.NDArray[np.int64]] = []
    arrows: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]] = []
    paid: list[Floats] = []
    while len(frontier):
        if len(known) > _MOST_STATES:
            raise ValueError(f"the rule reaches more than {_MOST_STATES:,} states.")
        state = frontier[:, None] // powers % base
        available, pipeline = state[:, 0], state[:, 1:]
        units = order(available, pipeline)
        if (available + pipeline.sum(axis=1) + units).max() > problem.storage:
            raise ValueError(f"the rule orders beyond the storage of {problem.storage}.")
        stocked = available + units if problem.lead == 0 else available
        served = np.minimum(demand, stocked[:, None])
        # All demand of at least the stock leaves nothing: `law` gives its total probability at demand = stock.
        weight = np.where(demand <= stocked[:, None], law[stocked[:, None], stocked[:, None] - served], 0.0)
        coming = np.column_stack([pipeline, units]) if problem.lead else np.zeros((len(units), 1), np.int64)
        left = stocked[:, None] - served + coming[:, :1]
        code = left * powers[0] + (coming[:, 1:] @ powers[1:])[:, None]
        source = np.broadcast_to(frontier[:, None], code.shape)
        keep = weight > 0
        arrows.append((source[keep], code[keep], weight[keep]))
        starts.append(frontier)
        paid.append(cost[stocked] + problem.order_cost * (units > 0))
        known = np.union1d(known, frontier)
        frontier = np.setdiff1d(code[keep], known)
    states = np.concatenate(starts)
    rank = np.argsort(states)
    source, target, weight = (np.concatenate([arrow[i] for arrow in arrows]) for i in range(3))
    where = [rank[np.searchsorted(states, codes, sorter=rank)] for codes in (target, source)]
    chain = sparse.csr_matrix((weight, where), shape=(len(states), len(states)))
    # Power iteration to the stationary distribution; `chain` holds P(source -> target) at [target, source].
    share = np.full(len(states), 1.0 / len(states))
    while True:
        new = chain @ share
        new /= new.sum()
        if np.abs(new - share).sum() < 1e-12:
            return float(new @ np.concatenate(paid))
        share = new


def base_stock_rule(problem: LostSales, level: int) -> _Rule:
    """Order up to a position of `level` units, by the largest order level that does not exceed it."""
    menu = np.array(problem.order_levels)

    def order(available: npt.NDArray[np.int64], pipeline: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        missing = np.maximum(level - available - pipeline.sum(axis=1), 0)
        return np.asarray(menu[np.searchsorted(menu, missing, side="right") - 1])

    return order


def reorder_rule(problem: LostSales, reorder_at: int, order_up_to: int) -> _Rule:
    """(s, S): order up to S when the inventory position is s or below."""
    fill = base_stock_rule(problem, order_up_to)

    def order(available: npt.NDArray[np.int64], pipeline: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        due = available + pipeline.sum(axis=1) <= reorder_at
        return np.where(due, fill(available, pipeline), 0)

    return order


@lru_cache(maxsize=16)
def best_reorder_point(problem: LostSales) -> tuple[int, int, float]:
    """The best (s, S) policy with orders of any size, and its average cost.

    Exact for lead time 0 and s >= 0, where lost sales and backlogging at `lost_sale_cost` a tick give the same stock.
    With a lead time it is the optimum of the backlogged system.

        cost(s, S) = (K + sum_{j < S - s} m(j)·G(S - j)) / sum_{j < S - s} m(j)

    with G(y) the expected cost of a tick in which y units meet the demand of L + 1 ticks, and m the renewal density of
    the demand of a tick.

    Returns:
        s, S, and the average cost of a tick.

    Source:
        Zheng & Federgruen (1991), Operations Research 39(4), doi 10.1287/opre.39.4.654.
    """
    law = poisson((problem.lead + 1) * problem.mean_demand)
    # G is convex, with its minimum at the newsvendor quantity.
    centre = int(law.ppf(problem.lost_sale_cost / (problem.lost_sale_cost + problem.holding_cost)))
    demand = poisson.pmf(np.arange(1 + int(poisson.isf(TAIL, problem.mean_demand))), problem.mean_demand)
    renewal = [1.0 / (1.0 - demand[0])]

    def expected_cost(units: int) -> float:
        # E(y - D)^+ = y·F(y) - E[D; D <= y], with D·pmf(D) = mean·pmf(D - 1)
        left = units * law.cdf(units) - law.mean() * law.cdf(units - 1)
        return float(problem.holding_cost * left + problem.lost_sale_cost * (law.mean() - units + left))

    costs: dict[int, float] = {}

    def of_tick(units: int) -> float:
        if units not in costs:
            costs[units] = expected_cost(units)
        return costs[units]

    def average(low: int, high: int) -> float:
        # m(0) = 1 / (1 - p_0), m(j) = sum_{i=1..j} p_i·m(j - i) / (1 - p_0)
        for j in range(len(renewal), high - low):
            reach = min(j, len(demand) - 1)
            past = sum(demand[i] * renewal[j - i] for i in range(1, reach + 1))
            renewal.append(past / (1.0 - demand[0]))
        weights = renewal[: high - low]
        paid = sum(weight * of_tick(high - j) for j, weight in enumerate(weights))
        return float((problem.order_cost + paid) / sum(weights))

    # Zheng and Federgruen's search. For S = centre, lower s until cost(s, S) <= G(s). Then try larger S while G(S) is
    # at most the best cost, and raise s again after each improvement.
    low, best_high = centre - 1, centre
    while average(low, best_high) > of_tick(low):
        low -= 1
    best = average(low, best_high)
    high = best_high + 1
    while of_tick(high) <= best:
        if average(low, high) < best:
            best_high = high
            while average(low, best_high) <= of_tick(low + 1):
                low += 1
            best = average(low, best_high)
        high += 1
    return low, best_high, best


@lru_cache(maxsize=16)
def best_base_stock(problem: LostSales) -> tuple[int, float]:
    """The best base-stock level and its average cost, exactly.

    The cost is convex in the level (Janakiraman & Roundy 2004, Operations Research 52(5)). The search starts from the
    newsvendor quantity for the demand of L + 1 ticks, and lowers the level until the cost rises.
    """
    level = problem.cover
    cost = average_cost(problem, base_stock_rule(problem, level))
    while level > 0:
        lower = average_cost(problem, base_stock_rule(problem, level - 1))
        if lower > cost:
            break
        level, cost = level - 1, lower
    return level, cost

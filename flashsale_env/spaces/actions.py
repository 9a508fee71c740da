"""Encodings of an agent's decisions as actions.

Owns    the maps between actions, levels and prices, and the check of actions.
Axes    N sales, C columns of an action, P price columns, A actions of the discrete grid.

Each decision picks a level: the price of each product, the order of each product, and the further decisions of the
scenario's mechanisms (`DECISIONS`). Level 0 is list price, no order, no coupon. A product that may be withheld has one
more price level, the last one: 0, not offered. A decision with a single level is not part of the action.

    box             Box[-1, 1]: one number per decision, cut into cells of equal width, one per level; with
                    `pricing.continuous` a price is linear from the first level (-1) to the last (+1)
    multidiscrete   the index of the level, one per decision
    discrete        a small grid: a markdown step common to all products x an order level common to all products x the
                    coupon depth, and so on. Where that is more than 4,096 actions, decisions move in coarser steps.
                    Action 0 is list price, no order, no coupon. Decisions outside the grid (targeted offers) stay
                    at level 0.
"""

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from flashsale_env.core.levels import BOX, LEVELS
from flashsale_env.errors import unknown_name
from flashsale_env.scenario import DECISIONS, Scenario
from flashsale_env.spaces.decisions import decision_rows

ENCODINGS = ("box", "multidiscrete", "discrete")
# Of the discrete grid: a network with one output per action, and a table of levels, stay small.
_MOST_ACTIONS = 4096


class ActionCodec:
    """Converts between the actions of one encoding and the levels of the decisions.

    Args:
        scenario: the scenario.
        encoding: one of `ENCODINGS`.
        clip: whether box actions are clipped to [-1, 1] before they are checked. NaN is refused in any case.
        own_only: as for `decision_rows`.

    Attributes:
        space: the action space of a single sale.
        names: the decision of each column, e.g. "price[air fryer]".
        levels: the values of each column's levels.
        n_levels: (C,) number of levels of each column.

    Raises:
        ValueError: unknown encoding, `clip` with another encoding than "box", or a scenario without a decision.
    """

    def __init__(
        self, scenario: Scenario, encoding: str = "box", *, clip: bool = False, own_only: bool = False
    ) -> None:
        if encoding not in ENCODINGS:
            raise ValueError(unknown_name("action encoding", encoding, ENCODINGS))
        if clip and encoding != "box":
            raise ValueError(
                f"clip_actions cuts box actions to [-1, 1] and would do nothing to {encoding} ones; leave it out."
            )
        self.encoding = encoding
        self.clip = clip
        self.kernel_encoding = BOX if encoding == "box" else LEVELS
        self._continuous = scenario.pricing.continuous
        self._rows = [row for row in decision_rows(scenario, own_only=own_only) if row.column >= 0]
        self.names = tuple(row.name for row in self._rows)
        self.levels = tuple(row.levels for row in self._rows)
        self.n_levels = np.array([len(levels) for levels in self.levels], np.int64)
        self._shape = () if encoding == "discrete" else (len(self._rows),)  # of one action
        if not self._rows:
            raise ValueError(f"scenario {scenario.name!r} leaves nothing to decide: every decision has one level.")
        self._columns = {
            name: np.array([row.column for row in self._rows if row.decision == name], np.int64) for name in DECISIONS
        }
        self._prices = np.array([len(product.price_levels) for product in scenario.products], np.int64)
        self._grid = (
            self._discrete_grid(scenario) if encoding == "discrete" else np.zeros((0, len(self._rows)), np.int64)
        )
        self.space: spaces.Space[npt.NDArray[np.float32]] | spaces.Space[npt.NDArray[np.int64]] | spaces.Discrete
        if encoding == "box":
            self.space = spaces.Box(-1.0, 1.0, (len(self._rows),), np.float32)
        elif encoding == "multidiscrete":
            self.space = spaces.MultiDiscrete(self.n_levels)
        else:
            self.space = spaces.Discrete(len(self._grid))

    def columns(self, decision: str) -> npt.NDArray[np.int64]:
        """Columns of one kind of decision, a key of `DECISIONS`; empty if the scenario does not have it.

        Raises:
            ValueError: unknown decision.
        """
        if decision not in self._columns:
            raise ValueError(unknown_name("decision", decision, self._columns))
        return self._columns[decision]

    @property
    def n_prices(self) -> npt.NDArray[np.int64]:
        """(P,) number of prices of each price column: its levels without "not offered"."""
        return self._prices[self.numbers_of(self.columns("price"))]

    def numbers_of(self, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Index of the product (price, order) or of the intent (targeted) of each of these columns."""
        return np.array([self._rows[column].number for column in columns], np.int64)

    @property
    def makes_every_decision(self) -> bool:
        """Whether the encoding can express every combination of decisions, and so the optimum of the scenario."""
        if self.encoding == "box":
            return True
        if self._continuous:
            return False
        return self.encoding == "multidiscrete" or len(self._grid) == math.prod(self.n_levels.tolist())

    def check(self, actions: object, sales: int) -> npt.NDArray[np.float64]:
        """The actions of a batch as the core reads them, (N, C): box actions, or levels.

        One type for all encodings, and never read-only: the core is compiled once for each type.

        Raises:
            ValueError: wrong shape or type, or a discrete action out of range. The core checks the other ranges.
        """
        array = self._numbers(actions)
        if array.shape != (sales, *self._shape):
            raise ValueError(self._wrong_shape(f"actions of {sales} sales", (sales, *self._shape), array.shape))
        if self.encoding == "discrete":
            bad = (array < 0) | (array >= len(self._grid))
            if bad.any():
                whose = f" for sale {int(bad.argmax())}" if sales > 1 else ""
                raise ValueError(
                    f"a discrete action must lie in 0..{len(self._grid) - 1}, got {array[bad.argmax()]}{whose}. "
                    f"Nothing was played."
                )
            array = self._grid[array]
        checked = np.require(array, np.float64, ("C", "W"))
        return np.clip(checked, -1.0, 1.0) if self.clip else checked

    def batch_of_one(self, action: object) -> npt.NDArray[Any]:
        """The action of a single sale as an action of a batch, (C,) -> (1, C).

        Raises:
            ValueError: wrong shape or type.
        """
        array = self._numbers(action)
        if array.shape != self._shape:
            raise ValueError(self._wrong_shape("an action", self._shape, array.shape))
        return array[None]

    def complain(self, action: npt.NDArray[np.float64], sale: int, sales: int) -> ValueError:
        """The error for an action (C,) that the core found out of range, of sale number `sale` out of `sales`."""
        if self.encoding == "box":
            column = int((~(np.abs(action) <= 1)).argmax())
            wanted = "be a number" if np.isnan(action[column]) else "lie in [-1, 1]; clip_actions=True cuts it to that"
        else:
            column = int(((action < 0) | (action >= self.n_levels)).argmax())
            wanted = f"be a level in 0..{self.n_levels[column] - 1}"
        whose = f"action of sale {sale}" if sales > 1 else "action"
        got = action[column] if self.encoding == "box" else int(action[column])
        return ValueError(
            f"{whose}, column {column} ({self.names[column]}) must {wanted}, got {got}. Nothing was played."
        )

    def from_levels(self, levels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32] | npt.NDArray[np.int64]:
        """Actions of the box or multidiscrete encoding for these levels, (N, C) -> (N, C).

        Raises:
            ValueError: the encoding is discrete.
        """
        if self.encoding == "discrete":
            raise ValueError("a discrete action cannot pick any combination of levels; use box or multidiscrete.")
        if self.encoding == "multidiscrete":
            return np.asarray(levels, np.int64)
        # The centre of the level's cell.
        actions = (2.0 * np.asarray(levels) + 1.0) / self.n_levels - 1.0
        if self._continuous:
            prices = self.columns("price")
            actions[:, prices] = self.from_prices(
                np.column_stack([np.asarray(self.levels[c])[levels[:, c]] for c in prices])
            )
        return np.asarray(actions, np.float32)

    def to_levels(self, actions: object) -> npt.NDArray[np.int64]:
        """Levels of these actions, as the core decodes them: N actions -> (N, C); `from_levels` leads back.

        Of a box price under `pricing.continuous`, the level in whose cell it lies; `to_values` gives the price itself.

        Raises:
            ValueError: wrong shape or type, or out of range.
        """
        array = self._numbers(actions)
        checked = self.check(array, len(np.atleast_1d(array)))
        levels = np.minimum(np.floor((checked + 1.0) * 0.5 * self.n_levels), self.n_levels - 1)
        bad = np.asarray(~(np.abs(checked) <= 1.0))
        if self.encoding != "box":
            levels, bad = checked, np.asarray((checked < 0) | (checked >= self.n_levels))
        if bad.any():
            row = int(bad.any(axis=1).argmax())
            raise self.complain(checked[row], row, len(checked))
        return levels.astype(np.int64)

    def to_values(self, actions: object) -> npt.NDArray[np.float64]:
        """What these actions decide, in the units of `levels` (prices in currency, orders in units): N -> (N, C).

        Raises:
            ValueError: as `to_levels`.
        """
        levels = self.to_levels(actions)
        values = np.column_stack([np.asarray(self.levels[c], float)[chosen] for c, chosen in enumerate(levels.T)])
        if self._continuous and self.encoding == "box":
            share = (self.check(actions, len(levels)) + 1.0) * 0.5
            for c in self.columns("price"):
                first, last = self.levels[c][0], self.levels[c][-1]
                values[:, c] = first + share[:, c] * (last - first)
        return values

    def from_prices(self, prices: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """The price columns of a box action for these prices, (N, P) -> (N, P), under `pricing.continuous`.

        Prices outside the range of a product's levels are clipped to it.
        """
        first = np.array([self.levels[c][0] for c in self.columns("price")])
        last = np.array([self.levels[c][-1] for c in self.columns("price")])
        return np.asarray(np.clip(2.0 * (prices - first) / (last - first) - 1.0, -1.0, 1.0), np.float32)

    def _numbers(self, actions: object) -> npt.NDArray[Any]:
        try:
            array = np.asarray(actions)
            if array.dtype.kind not in ("iuf" if self.encoding == "box" else "iu"):
                raise TypeError(f"of type {array.dtype}")
        except (TypeError, ValueError) as error:
            raise ValueError(f"a {self.encoding} action must hold numbers: {self.space}, got {error}.") from error
        return array

    def _wrong_shape(self, what: str, wanted: tuple[int, ...], got: tuple[int, ...]) -> str:
        columns = f" (columns: {', '.join(self.names)})" if self._shape else ""
        return f"{what} with {self.encoding} encoding must have shape {wanted}{columns}, got {got}."

    def _discrete_grid(self, scenario: Scenario) -> npt.NDArray[np.int64]:
        """(A, C) levels of every discrete action; the last decision varies fastest."""
        moved, levels_of, most = [], [], []
        for name, decision in DECISIONS.items():
            columns = self.columns(name)
            if not len(columns) or decision.discrete_steps == 0:
                continue
            n_levels = self.n_levels[columns]
            if decision.discrete_levels is not None:
                n_levels = np.array(decision.discrete_levels(scenario), np.int64)[self.numbers_of(columns)]
            moved.append(columns)
            levels_of.append(n_levels)
            most.append(min(int(n_levels.max()), decision.discrete_steps or int(n_levels.max())))
        while math.prod(most) > _MOST_ACTIONS:
            most[most.index(max(most))] -= 1  # the finest decision gets coarser
        choices = [_steps(n_levels, steps) for n_levels, steps in zip(levels_of, most, strict=True)]
        grid = np.zeros((math.prod(map(len, choices)), len(self._rows)), np.int64)
        for a, levels in enumerate(itertools.product(*choices)):
            for columns, chosen in zip(moved, levels, strict=True):
                grid[a, columns] = chosen
        return grid


def _steps(n_levels: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """(steps, columns) levels of columns that move together, in even steps, from their first level to their last."""
    steps = int(min(n_levels.max(), most))
    share = np.linspace(0.0, 1.0, steps)[:, None] if steps > 1 else np.zeros((1, 1))
    return np.rint(share * (n_levels - 1)).astype(np.int64)

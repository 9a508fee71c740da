"""How an agent's decision is written as an action.

Every decision picks a level: a price of each product, an order of each product, a coupon depth. Level 0 is list
price, no order, no coupon. A product that may be withheld has one more price level, the last: 0, not offered. A
decision with a single level is no part of the action.

    box             Box[-1, 1]: one number a decision, cut into cells of equal width, one cell a level; with
                    `pricing.continuous` a price runs evenly from the first level (-1) to the last (+1)
    multidiscrete   the number of the level, one a decision
    discrete        a small grid: one markdown step for all products x order the same level of every product or
                    nothing x coupon depth; action 0 is list price, no order, no coupon. It makes no targeted offers.
"""

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from flashsale_env.errors import unknown_name
from flashsale_env.intents import INTENTS
from flashsale_env.sale.decisions import BOX, LEVELS
from flashsale_env.sale.records import decision_columns, decision_levels
from flashsale_env.scenario import Scenario

ENCODINGS = ("box", "multidiscrete", "discrete")

# Steps of the common markdown and of the common order in the discrete grid: enough to sell well, few enough to learn.
_DISCRETE_PRICES, _DISCRETE_ORDERS = 12, 3


class ActionCodec:
    """Between the actions of one encoding and the levels of the decisions.

    Args:
        scenario: whose decisions are made.
        encoding: a name out of `ENCODINGS`.
        clip: whether box actions are cut to [-1, 1] before they are checked. NaN is refused all the same.

    Attributes:
        space: the single action space.
        names: what each column decides, e.g. "price[air fryer]", in the order of the action's columns.
        n_levels: (C,) number of levels of each column.
    """

    def __init__(self, scenario: Scenario, encoding: str = "box", *, clip: bool = False) -> None:
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
        self._prices = np.array([len(product.price_levels) for product in scenario.products], np.int64)
        self._m = len(scenario.products)
        titles = [product.title for product in scenario.products]
        every_name = [f"price[{t}]" for t in titles] + [f"order[{t}]" for t in titles]
        every_name += ["coupon"] + [f"targeted[{intent}]" for intent in INTENTS]
        every_level = decision_levels(scenario)
        self._rows = [row for row, column in enumerate(decision_columns(scenario)) if column >= 0]
        self.names = tuple(every_name[row] for row in self._rows)
        self.levels = tuple(every_level[row] for row in self._rows)
        self.n_levels = np.array([len(levels) for levels in self.levels], np.int64)
        self._shape = () if encoding == "discrete" else (len(self._rows),)  # of one action
        if not self._rows:
            raise ValueError(f"scenario {scenario.name!r} leaves nothing to decide: every decision has one level.")
        self._grid = self._discrete_grid() if encoding == "discrete" else np.zeros((0, len(self._rows)), np.int64)
        self.space: spaces.Space[npt.NDArray[np.float32]] | spaces.Space[npt.NDArray[np.int64]] | spaces.Discrete
        if encoding == "box":
            self.space = spaces.Box(-1.0, 1.0, (len(self._rows),), np.float32)
        elif encoding == "multidiscrete":
            self.space = spaces.MultiDiscrete(self.n_levels)
        else:
            self.space = spaces.Discrete(len(self._grid))

    @property
    def price_columns(self) -> npt.NDArray[np.int64]:
        """Columns that set prices; `products_of(columns)` says whose."""
        return self._columns(0, self._m)

    @property
    def n_prices(self) -> npt.NDArray[np.int64]:
        """Number of prices of each price column: its levels without "not offered"."""
        return self._prices[self.products_of(self.price_columns)]

    @property
    def order_columns(self) -> npt.NDArray[np.int64]:
        """Columns that order units."""
        return self._columns(self._m, 2 * self._m)

    @property
    def coupon_columns(self) -> npt.NDArray[np.int64]:
        """The column that sets the coupon's depth, if there is one."""
        return self._columns(2 * self._m, 2 * self._m + 1)

    @property
    def targeted_columns(self) -> npt.NDArray[np.int64]:
        """The columns that set the depth of the offer to each intent, in the order of `INTENTS`, if there are any."""
        return self._columns(2 * self._m + 1, 2 * self._m + 1 + len(INTENTS))

    def products_of(self, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Index of the product that each of these columns decides about."""
        return np.array([self._rows[column] % self._m for column in columns], np.int64)

    @property
    def makes_every_decision(self) -> bool:
        """Whether the encoding can make any combination of decisions: the optimum of the scenario is within reach."""
        if self.encoding == "box":
            return True
        if self._continuous:
            return False
        return self.encoding == "multidiscrete" or len(self._grid) == math.prod(self.n_levels.tolist())

    def check(self, actions: object, sales: int) -> npt.NDArray[np.float64] | npt.NDArray[np.int64]:
        """The actions of a batch as the core reads them, (N, C).

        Raises:
            ValueError: wrong shape or type. Ranges are checked by the core.
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
        if self.encoding == "box":
            checked = np.ascontiguousarray(array, np.float64)
            return np.clip(checked, -1.0, 1.0) if self.clip else checked
        return np.ascontiguousarray(array, np.int64)

    def batch_of_one(self, action: object) -> npt.NDArray[Any]:
        """The action of a single sale as that of a batch, (C,) -> (1, C).

        Raises:
            ValueError: wrong shape or type.
        """
        array = self._numbers(action)
        if array.shape != self._shape:
            raise ValueError(self._wrong_shape("an action", self._shape, array.shape))
        return array[None]

    def complain(self, action: npt.NDArray[np.float64] | npt.NDArray[np.int64], sale: int, sales: int) -> ValueError:
        """The error for an action that the core found out of range; `sale` of `sales` of them."""
        if self.encoding == "box":
            column = int((~(np.abs(action) <= 1)).argmax())
            wanted = "be a number" if np.isnan(action[column]) else "lie in [-1, 1]; clip_actions=True cuts it to that"
        else:
            column = int(((action < 0) | (action >= self.n_levels)).argmax())
            wanted = f"be a level in 0..{self.n_levels[column] - 1}"
        whose = f"action of sale {sale}" if sales > 1 else "action"
        return ValueError(
            f"{whose}, column {column} ({self.names[column]}) must {wanted}, got {action[column]}. Nothing was played."
        )

    def from_levels(self, levels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32] | npt.NDArray[np.int64]:
        """Actions of the box or multidiscrete encoding that pick these levels, (N, C) -> (N, C)."""
        if self.encoding == "discrete":
            raise ValueError("a discrete action cannot pick any combination of levels; use box or multidiscrete.")
        if self.encoding == "multidiscrete":
            return np.asarray(levels, np.int64)
        actions = (2.0 * np.asarray(levels) + 1.0) / self.n_levels - 1.0
        if self._continuous:
            prices = self.price_columns
            actions[:, prices] = self.from_prices(
                np.column_stack([np.asarray(self.levels[c])[levels[:, c]] for c in prices])
            )
        return np.asarray(actions, np.float32)

    def from_prices(self, prices: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """The price columns of a box action for these prices, (N, P) -> (N, P), under `pricing.continuous`.

        Prices outside the range of a product's levels become its nearest level.
        """
        first = np.array([self.levels[c][0] for c in self.price_columns])
        last = np.array([self.levels[c][-1] for c in self.price_columns])
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

    def _columns(self, begin: int, end: int) -> npt.NDArray[np.int64]:
        return np.array([c for c, row in enumerate(self._rows) if begin <= row < end], np.int64)

    def _discrete_grid(self) -> npt.NDArray[np.int64]:
        """(A, C) levels of every discrete action, the coupon running fastest."""
        prices, orders, coupons = self.price_columns, self.order_columns, self.coupon_columns
        choices = [
            _steps(self.n_prices, _DISCRETE_PRICES),  # moving together, no product is ever withheld
            _steps(self.n_levels[orders], _DISCRETE_ORDERS),
            _steps(self.n_levels[coupons], int(max(self.n_levels[coupons], default=1))),
        ]
        grid = np.zeros((np.prod([len(c) for c in choices]), len(self._rows)), np.int64)
        for a, (price, order, coupon) in enumerate(itertools.product(*choices)):
            grid[a, prices], grid[a, orders], grid[a, coupons] = price, order, coupon
        return grid


def _steps(n_levels: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """(steps, columns) levels when all columns move together from their first level to their last."""
    steps = int(min(max(n_levels, default=1), most))
    share = np.linspace(0.0, 1.0, steps)[:, None] if steps > 1 else np.zeros((1, 1))
    return np.rint(share * (n_levels - 1)).astype(np.int64)

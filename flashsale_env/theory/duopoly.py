"""The duopoly with multinomial logit demand: its prices of equilibrium and of a cartel, and the best answer to a rival
that undercuts.

Owns    the closed forms of two sellers with one product each, stock that never binds and homogeneous customers; the
        sale in which they hold.
Axes    L price levels, T ticks.
Units   currency; profit a customer, if not said otherwise.

A customer buys from seller i with probability q_i = e^(a - b·p_i) / (1 + e^(a - b·p_1) + e^(a - b·p_2)).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from flashsale_env.catalogue import Product
from flashsale_env.market.arrivals import Arrivals
from flashsale_env.market.rivals import Rival, Rivals
from flashsale_env.scenario import Scenario

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Duopoly:
    """Two sellers with the same quality, price sensitivity and cost.

    Args:
        a: quality, logits.
        b: price sensitivity, logits per unit of currency; above 0.
        c: cost of a unit, currency.

    Source:
        Anderson, de Palma & Thisse (1992), Discrete Choice Theory of Product Differentiation, section 7.4.

    >>> market = Duopoly(2.0, 1.0, 1.0)
    >>> round(market.nash_price, 6), round(market.joint_price, 6)
    (2.401058, 2.852606)
    """

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        if not self.b > 0:
            raise ValueError(f"the price sensitivity b must be above 0, got {self.b}.")

    def share(self, own: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
        """Probability that a customer buys from the seller with the price `own`; arrays are broadcast."""
        mine, theirs = (np.exp(self.a - self.b * np.asarray(price, np.float64)) for price in (own, other))
        return np.asarray(mine / (1.0 + mine + theirs))

    def profit(self, own: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
        """Expected profit of the seller with the price `own`."""
        return np.asarray((np.asarray(own, np.float64) - self.c) * self.share(own, other))

    @property
    def nash_price(self) -> float:
        """The price from which neither gains by leaving it alone: p = c + 1 / (b·(1 - q))."""
        return self._priced(1.0)

    @property
    def joint_price(self) -> float:
        """The price with the largest sum of profits: p = c + 1 / (b·(1 - 2q))."""
        return self._priced(2.0)

    def _priced(self, sold_together: float) -> float:
        """The root of p = c + 1 / (b·(1 - sold_together·q)), which is unique: the right side falls in p."""

        def gap(price: float) -> float:
            return price - self.c - 1.0 / (self.b * (1.0 - sold_together * float(self.share(price, price))))

        # Margins lie above 1 / b. Demand falls with the price, so the margin at the lowest price is an upper bound.
        lowest = self.c + 1.0 / self.b
        return float(brentq(gap, lowest, lowest - gap(lowest), xtol=1e-12))

    def against_undercut(
        self, levels: npt.ArrayLike, undercut: float, customers: npt.ArrayLike
    ) -> tuple[float, list[float]]:
        """The best prices against a rival that asks a share less than the other one's price of the tick before.

        Backward recursion over ticks; the state is the own price of the last tick.

        Args:
            levels: (L,) prices to choose from, the first one that of the opening; the rival's lie between the first and
                the last.
            undercut: the share.
            customers: (T,) expected in each tick.

        Returns:
            Expected profit of the sale, currency, and the T prices.
        """
        prices = np.asarray(levels, np.float64)
        rival = np.clip(prices * (1.0 - undercut), prices.min(), prices.max())
        earned = self.profit(prices[None, :], rival[:, None])  # (last price, price)
        value, best = np.zeros(len(prices)), []
        for expected in np.asarray(customers, np.float64)[::-1]:
            worth = expected * earned + value
            best.append(worth.argmax(axis=1))
            value = worth.max(axis=1)
        chosen, last = [], 0
        for choice in best[::-1]:
            last = int(choice[last])
            chosen.append(float(prices[last]))
        return float(value[0]), chosen


def duopoly_sale(
    market: Duopoly, prices: Sequence[float], *, customers_per_tick: float, stock: int, ticks: int = 1
) -> Scenario:
    """A sale of this market in which both sellers are agents; what is left is worth what it cost.

    Args:
        market: whose products they are.
        prices: to choose from, falling.
        customers_per_tick: expected.
        stock: of each seller, units.
        ticks: of the sale, a minute each.
    """
    titles = {"ours": "", "theirs": "rival"}
    return Scenario(
        name="duopoly of agents",
        horizon_ticks=ticks,
        tick_minutes=1.0,
        products=tuple(
            Product(
                title,
                tuple(prices),
                stock,
                unit_cost=market.c,
                salvage_value=market.c,
                reference_price=1.0 / market.b,
                quality=market.a,
                owner=owner,
            )
            for title, owner in titles.items()
        ),
        arrivals=Arrivals(customers_per_tick),
        rivals=Rivals((Rival("rival", "agent"),)),
        observe=("time_left", "price"),
    )

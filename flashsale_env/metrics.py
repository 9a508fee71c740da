"""What a sale came to so far: the numbers a merchant reports.

Units   money in the scenario's currency, counts in units or customers, shares in [0, 1].

`profit` is money only: the money terms of the reward less what the opening stock cost before the sale.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from flashsale_env.core.rewards import REVENUE, REWARD_TERMS

Array = npt.NDArray[np.float64]

_MONEY = np.array([is_money for _, is_money, _ in REWARD_TERMS.values()])


def _share(part: Array, whole: Array) -> Array:
    """part / whole, and 0 where there is nothing to share."""
    return np.divide(part, whole, out=np.zeros_like(whole, dtype=np.float64), where=whole > 0)


# name -> (function of (sales, opening stock cost) giving one number a sale, meaning)
METRICS: dict[str, tuple[Callable[[npt.NDArray[np.void], float], Array], str]] = {
    "profit": (
        lambda s, cost: s["money"][:, _MONEY].sum(axis=1) - cost,
        "revenue less all costs, opening stock included; no penalties",
    ),
    "revenue": (lambda s, _: s["money"][:, REVENUE], "what customers paid"),
    "customers": (lambda s, _: s["customers"], "customers served"),
    "demand": (lambda s, _: s["demand"].sum(axis=1), "customers who wanted a product, whether it was there or not"),
    "units_sold": (lambda s, _: s["sold"].sum(axis=1), "units sold"),
    "lost_sales": (
        lambda s, _: s["lost"].sum(axis=1),
        "customers whose first choice was out and who bought nothing",
    ),
    "units_ordered": (lambda s, _: s["ordered"].sum(axis=1), "units ordered from the reserve"),
    "sell_through": (
        lambda s, _: _share(
            s["sold"].sum(axis=1),
            s["sold"].sum(axis=1) + s["on_hand"].sum(axis=1) + s["inbound"].sum(axis=(1, 2)),
        ),
        "units sold over all units the shop owned",
    ),
    "fill_rate": (
        lambda s, _: _share(s["sold"].sum(axis=1), s["demand"].sum(axis=1)),
        "units sold over units wanted",
    ),
    "conversion": (lambda s, _: _share(s["sold"].sum(axis=1), s["customers"]), "units sold per customer"),
    "coupon_spend": (lambda s, _: s["coupon_spend"], "discounts given by coupons"),
}


def measure(sales: npt.NDArray[np.void], opening_stock_cost: float) -> dict[str, Array]:
    """Every metric of every sale, name -> (N,)."""
    return {
        name: np.asarray(function(sales, opening_stock_cost), np.float64)
        for name, (function, _) in METRICS.items()
    }

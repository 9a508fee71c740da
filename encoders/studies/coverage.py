"""Coverage of the intervals of elasticities from weekly sales, over synthetic shops whose true elasticity is known.

Owns    repeated estimation, and the count of intervals that cover the truth.
Leaves  the shops to `shops`, the estimator to `encoders.demand`.

    flashsale study coverage [--shops 100] [--out DIR]
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flashsale_env.encoders.demand.elasticities import Estimate, estimate_elasticities
from flashsale_env.encoders.demand.fixed_effects import fixed_effects_regression
from flashsale_env.encoders.demand.panel import weekly_panel
from flashsale_env.encoders.studies.shops import Shop

SHOPS = 100

# Kind of shop -> what it is, and whether cost is used as an instrument.
KINDS: dict[str, tuple[Shop, bool]] = {
    **{f"{units} units a week, rows of 0 units": (Shop(units=units, zeros=True), False) for units in (20, 5, 2, 1)},
    **{f"{units} units a week, weeks without a sale missing": (Shop(units=units), False) for units in (20, 5, 2, 1)},
    "300 products, 2 units a week": (Shop(units=2, products=300), False),
    "four products": (Shop(products=4), False),
    "one product": (Shop(products=1), False),
    "three products in forty stores": (Shop(units=4, products=3, stores=40, weeks=26), False),
    "stock of 1.1 weeks, recorded": (Shop(units=10, stock=1.1), False),
    "stock of 1.1 weeks, not recorded": (Shop(units=10, stock=1.1, knows_stock=False), False),
    "prices follow demand": (Shop(units=50, demand_sd=0.3, follows=1.0, has_cost=True), False),
    "prices follow demand, cost as instrument": (Shop(units=50, demand_sd=0.3, follows=1.0, has_cost=True), True),
}


@dataclass(frozen=True)
class Trial:
    """An estimate from one shop.

    Args:
        estimate, low, high: the elasticity with its interval.
        least_squares: what log units on log prices give, of weeks with a sale.
        warnings: about it.
        untested: whether prices are taken as set without regard to demand.
    """

    estimate: float
    low: float
    high: float
    least_squares: float
    warnings: tuple[str, ...]
    untested: bool


def trial(shop: Shop, seed: int, *, instrumented: bool = False) -> Trial:
    """Estimate the elasticity of a shop.

    Raises:
        ValueError: its records identify none.
    """
    rows = shop.records(seed)
    extra = ("cost",) if instrumented else ()
    panel = weekly_panel(rows, extra=extra)
    (found,) = estimate_elasticities(panel, instruments=extra).details.values()
    e = found.elasticity
    return Trial(e.estimate, e.low, e.high, _least_squares(panel.cells, panel.unit), found.warnings, _untested(found))


def _untested(found: Estimate) -> bool:
    return not found.prices.instruments


def _least_squares(cells: pd.DataFrame, unit: list[str]) -> float:
    sold = cells[cells["units"] > 0]
    codes = sold.groupby(unit, observed=True).ngroup().to_numpy(np.int64)
    price = np.log(sold["price"].to_numpy(np.float64))[:, None]
    effects = [codes] if codes.max() == 0 else [codes, pd.factorize(sold["week"])[0].astype(np.int64)]
    return float(fixed_effects_regression(np.log(sold["units"].to_numpy(np.float64)), price, effects).coefficients[0])


def coverage_study(
    kinds: dict[str, tuple[Shop, bool]], shops: int, advance: Callable[[int, int, str], None] | None = None
) -> list[dict[str, Any]]:
    """For each kind of shop the mean estimate, the share of intervals that cover the truth, and the share warned of."""
    rows = []
    for done, (name, (shop, instrumented)) in enumerate(kinds.items()):
        if advance is not None:
            advance(done, len(kinds), name)
        trials = [trial(shop, seed, instrumented=instrumented) for seed in range(shops)]
        covered = [t.low <= shop.elasticity <= t.high for t in trials]
        rows.append(
            {
                "kind": name,
                "shops": shops,
                "true": shop.elasticity,
                "mean": float(np.mean([t.estimate for t in trials])),
                "sd": float(np.std([t.estimate for t in trials])),
                "half_width": float(np.mean([(t.high - t.low) / 2 for t in trials])),
                "covered": int(np.sum(covered)),
                "warned": int(np.sum([bool(t.warnings) for t in trials])),
                "least_squares": float(np.mean([t.least_squares for t in trials])),
            }
        )
    return rows

"""Price levels of a product: observed prices, at the resolution that the data themselves have.

Nothing here knows a currency: cents, yen and thousandths of a coin are told by the prices.
"""

import numpy as np
import pandas as pd

# A price is a level if it sold this share of the units, however low it is: a flash sale is short.
_LEAST_LEVEL_SHARE = 0.005
# Of goods sold by weight hardly any price occurs twice; their levels leave out this share of the units at each end.
_PRICE_TAIL = 0.025
# A product's prices have the fewest decimals that write this share of its units exactly. The others are averages, such
# as 3 for 2: paid in all over units.
_EXACT_SHARE = 0.5
_MOST_ERROR = 0.01  # and move no price by more than this share
_MOST_DECIMALS = 8
# Prices that no number of decimals writes are scaled or weighed; they differ in their first digits.
DIGITS = 6


def significant(value: float, digits: int = DIGITS) -> float:
    """A number with so many significant digits.

    >>> significant(0.00123456789), significant(1234567.0)
    (0.00123457, 1234570.0)
    """
    return float(f"{value:.{digits}g}")


def decimals_of(price: pd.Series, units: pd.Series) -> int:
    """Decimals in which a product's prices are written, negative for none that fit.

    Args:
        price, units: (rows,) of one product.

    >>> decimals_of(pd.Series([1.25, 1.0, 4 / 3]), pd.Series([2.0, 1.0, 1.0]))
    2
    >>> decimals_of(pd.Series([1200.0, 980.0]), pd.Series([1.0, 1.0]))
    0
    """
    values, weight = price.to_numpy(np.float64), units.to_numpy(np.float64)
    for decimals in range(_MOST_DECIMALS + 1):
        rounded = np.round(values, decimals)
        exact = np.isclose(values, rounded, rtol=1e-9, atol=0)
        if weight[exact].sum() >= _EXACT_SHARE * weight.sum() and np.allclose(
            rounded, values, rtol=_MOST_ERROR, atol=0
        ):
            return decimals
    return -1


def price_ladder(sold: pd.DataFrame, count: int) -> tuple[float, ...]:
    """At most `count` price levels of a product, falling, at evenly spaced observed prices.

    A price counts if it sold at least 0.5 % of the units; where none did, if it lies within their middle 95 %. Where a
    list price above these is known, it is the first level.

    Args:
        sold: rows of one product with `price`, `units` and `list_price`.
        count: 2 or more.
    """
    decimals = decimals_of(sold["price"], sold["units"])
    price = sold["price"].map(significant) if decimals < 0 else sold["price"].round(decimals)
    units = sold["units"].groupby(price).sum()
    share = units / units.sum()
    seen = units.index[share >= _LEAST_LEVEL_SHARE].to_numpy(np.float64)
    if len(seen) == 0:
        cumulative = share.cumsum()
        inside = (cumulative > _PRICE_TAIL) & (cumulative - share < 1 - _PRICE_TAIL)
        seen = units.index.to_numpy(np.float64)[inside]
    regular = significant(float(sold["list_price"].median()))
    if decimals >= 0:
        regular = round(regular, decimals)
    has_list_price = regular > seen.max()  # False where the list price is unknown, NaN
    targets = np.linspace(seen.max(), seen.min(), count - has_list_price)
    levels = {float(seen[np.abs(seen - target).argmin()]) for target in targets}
    if has_list_price:
        levels.add(regular)
    return tuple(sorted(levels, reverse=True))

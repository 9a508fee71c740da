"""Inversion of the logit: utilities from market shares, and tastes from a history of sales.

Owns    the log share ratio, and the tastes with which the simulator sells a history again.
Leaves  the elasticities to `elasticities`.
Axes    n products in their markets; C categories, M products, W periods.
Units   utility in logits, with the outside option at 0.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def log_share_ratio(shares: Floats, markets: Integers) -> Floats:
    """(n,) log of each product's market share over the share of the outside option: its mean utility in a plain logit.

    A regression of it on price and product effects estimates that logit (Berry 1994, RAND Journal 25(2)). The own-price
    elasticity is then coefficient · price · (1 - share).

    Args:
        shares: (n,) of its market.
        markets: (n,) number of the market.

    Raises:
        ValueError: a share is not above 0, or the shares of a market leave nothing for the outside option.
    """
    outside = 1 - np.bincount(markets, shares)
    if shares.min() <= 0 or outside[np.unique(markets)].min() <= 0:
        raise ValueError("shares must be above 0 and sum to less than 1 in every market.")
    return np.asarray(np.log(shares) - np.log(outside[markets]))


# Rounds of level and slope, in turn, and the relative change at which they end.
_ROUNDS = 200
_TOLERANCE = 1e-8
# Prices with a smaller standard deviation of the logarithm show no slope; it is then set at the mean price.
_LEAST_PRICE_SD = 0.005
# Draws of appeal shocks, one from each of as many equally likely slices of the normal law.
_DRAWS = 64


# Utility so far below the outside option that nobody buys, and near enough for sums in single precision.
NEVER_BOUGHT = -40.0


@dataclass(frozen=True, eq=False)
class LogitTastes:
    """Tastes of one customer per category, who considers only the products of that category.

    Args:
        relevance: (C, M) utility at price 0, logits; `NEVER_BOUGHT` for products of other categories.
        price_sensitivity: (C,) logits per reference price.
        reference: (M,) price that counts as 1: the lower, the more sensitive the product's demand.
    """

    relevance: Floats
    price_sensitivity: Floats
    reference: Floats

    @classmethod
    def of_one_category(
        cls, relevance: Floats, category: Integers, sensitivity: Floats, reference: Floats
    ) -> "LogitTastes":
        """From the relevance (M,) of each product for the customers of its own category."""
        own = category == np.arange(len(sensitivity))[:, None]
        return cls(np.where(own, relevance, NEVER_BOUGHT), sensitivity, reference)


@dataclass(frozen=True, eq=False)
class History:
    """What was sold at which prices, period by period.

    Args:
        price: (W, M) of each product, currency; above 0 also where it was not on sale.
        on_sale: (W, M).
        demand: (W, M) units wanted: sold, and where the stock ended the units that it is expected to have lost.
    """

    price: Floats
    on_sale: npt.NDArray[np.bool_]
    demand: Floats

    @property
    def mean_price(self) -> Floats:
        """(M,) mean over the periods on sale, whatever was sold."""
        return np.asarray((self.price * self.on_sale).sum(axis=0) / self.on_sale.sum(axis=0))


def expected_share(
    price: Floats,
    on_sale: npt.NDArray[np.bool_],
    category: Integers,
    appeal: Floats,
    slope: Floats,
    appeal_sd: float = 0.0,
) -> Floats:
    """(W, M) share of a category's visitors who buy each product, in the mean over appeal shocks.

    Args:
        price: (W, M) currency.
        on_sale: (W, M).
        category: (M,) index into the C categories.
        appeal: (M,) utility at price 0, logits.
        slope: (M,) logits per unit of currency.
        appeal_sd: standard deviation of each product's own appeal, logits; the factor on its odds has mean 1.
    """
    odds = np.where(on_sale, np.exp(appeal - slope * price), 0.0)
    if appeal_sd == 0:
        return _shares(odds, category)
    total = np.zeros_like(odds)
    for row in _appeal_factors(len(category), appeal_sd):
        total += _shares(odds * row, category)
    return total / _DRAWS


@cache
def _appeal_factors(products: int, appeal_sd: float) -> Floats:
    """(draws, M) factors on the odds of each product, with mean 1."""
    rng = np.random.default_rng(0)
    slices = (np.arange(_DRAWS) + 0.5) / _DRAWS
    draws = np.stack([special.ndtri(rng.permutation(slices)) for _ in range(products)], axis=1)
    factor = np.exp(appeal_sd * draws)
    return np.asarray(factor / factor.mean(axis=0))


def _shares(odds: Floats, category: Integers) -> Floats:
    sums = np.ones((len(odds), int(category.max()) + 1))
    for j, c in enumerate(category):
        sums[:, c] += odds[:, j]
    return np.asarray(odds / sums[:, category])


def price_response(price: Floats, sold: Floats, on_sale: npt.NDArray[np.bool_]) -> Floats:
    """(M,) slope of log expected sales on log price over the periods on sale, weighted by sales; NaN for one price."""
    weight = np.where(on_sale, sold, 0.0)
    x = np.log(price)
    y = np.log(np.where(weight > 0, sold, 1.0))
    total = np.maximum(weight.sum(axis=0), 1e-300)
    dx = x - (weight * x).sum(axis=0) / total
    dy = y - (weight * y).sum(axis=0) / total
    square = (weight * dx**2).sum(axis=0)
    slope = (weight * dx * dy).sum(axis=0) / np.maximum(square, 1e-300)
    return np.where(square > total * _LEAST_PRICE_SD**2, slope, np.nan)


def tastes_from_history(
    history: History,
    category: Integers,
    visitors: Floats,
    *,
    elasticity: Floats | None = None,
    sensitivity: Floats | None = None,
    appeal_sd: float = 0.0,
    names: tuple[str, ...] = (),
) -> LogitTastes:
    """The multinomial logit that sells the units of a history at its prices, and answers prices as estimated.

    Let product j have utility δ_j + s_j·(1 - p / mean_j). δ_j gives the units of the history in total, as in Berry,
    Levinsohn & Pakes (1995, doi 10.2307/2171802); s_j is given, or gives the slope of log sales on log price over the
    same prices, which is the elasticity.

    Args:
        history: W periods of M products; every product sold, and was on sale.
        category: (M,) index into the C categories.
        visitors: (C,) of each category and period.
        elasticity: (M,) below 0; give this or `sensitivity`.
        sensitivity: (M,) logits per mean price.
        appeal_sd: see `expected_share`. The scenario's shocks have the mean factor exp(sd²/2), which it must take off.
        names: (C,) of the categories, for messages.

    Raises:
        ValueError: an elasticity is not below 0, or there are too few visitors for the units.
    """
    wanted, periods = history.demand.sum(axis=0), history.on_sale.sum(axis=0)
    target = wanted / periods / visitors[category]  # mean share of the visitors, while on sale
    taken = np.bincount(category, target, len(visitors))
    _require_visitors(taken, visitors, names)
    level = np.log(target / (1 - taken)[category])
    slopes = np.zeros(len(category)) if sensitivity is None else sensitivity
    if elasticity is not None:
        if not (elasticity < 0).all():
            bad = int((~(elasticity < 0)).argmax())
            raise ValueError(f"the elasticity of product {bad} must be below 0, got {elasticity[bad]:g}.")
        slopes = -elasticity / (1 - target)
    for _ in range(_ROUNDS):
        share = expected_share(
            history.price, history.on_sale, category, level + slopes, slopes / history.mean_price, appeal_sd
        )
        missing = np.log(target * periods / share.sum(axis=0))
        off = np.ones(len(category))
        if elasticity is not None:
            slope = price_response(history.price, share, history.on_sale)
            at_mean = -slopes * (1 - target)
            off = np.clip(elasticity / np.where(np.isfinite(slope) & (slope < 0), slope, at_mean), 0.5, 2.0)
        level, slopes = level + missing, slopes * off
        if max(np.abs(missing).max(), np.abs(np.log(off)).max()) < _TOLERANCE:
            break
    else:
        raise ValueError(
            f"no demand of {len(category)} products sells the units of the history at its prices with these "
            f"elasticities and visits (units are off by up to {np.abs(missing).max():.1%}): give more visits."
        )
    mean = np.bincount(category, wanted * slopes, len(visitors)) / np.bincount(category, wanted, len(visitors))
    # Relevance is utility at price 0: δ + s; and s_j / mean_j = mean s / reference_j.
    return LogitTastes.of_one_category(level + slopes, category, mean, history.mean_price * mean[category] / slopes)


def _require_visitors(taken: npt.NDArray[Any], visitors: Floats, names: tuple[str, ...]) -> None:
    """The mean units of a category must leave visitors who buy nothing.

    Raises:
        ValueError: they do not.
    """
    if (taken < 1).all():
        return
    c = int(taken.argmax())
    label = repr(names[c]) if names else f"category {c}"
    raise ValueError(
        f"{label} sells {taken[c] * visitors[c]:,.1f} units a week and has {visitors[c]:,.1f} visits, but a customer "
        f"buys one unit at most: give more visits, fewer products, or `units` in larger packs."
    )

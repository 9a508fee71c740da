"""Inversion of the logit: utilities from market shares, and tastes from elasticities.

Owns    the log share ratio, and the tastes with which the simulator reproduces purchase probabilities and elasticities.
Leaves  the elasticities to `elasticities`.
Axes    n products in their markets; C categories, M products.
Units   utility in logits, with the outside option at 0; prices relative to their mean.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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


# Utility so far below the outside option that nobody buys, and near enough for sums in single precision.
NEVER_BOUGHT = -40.0


@dataclass(frozen=True, eq=False)
class LogitTastes:
    """Tastes of one customer per category, who considers only the products of that category.

    Args:
        relevance: (C, M) utility at price 0, logits; `NEVER_BOUGHT` for products of other categories.
        price_sensitivity: (C,) logits per reference price, which is the mean price.
    """

    relevance: Floats
    price_sensitivity: Floats

    @classmethod
    def of_one_category(cls, relevance: Floats, category: Integers, sensitivity: Floats) -> "LogitTastes":
        """From the relevance (M,) of each product for the customers of its own category."""
        own = category == np.arange(len(sensitivity))[:, None]
        return cls(np.where(own, relevance, NEVER_BOUGHT), sensitivity)


def tastes_from_elasticities(
    purchase_probability: Floats, category: Integers, elasticity: Floats, quality: Floats
) -> LogitTastes:
    """The multinomial logit with these purchase probabilities and elasticities at mean prices; exact.

    Let product j have utility δ_j + s_c·(1 - p_j / mean_j) for the customers of its category c. At mean prices its
    purchase probability is P_j = exp δ_j / (1 + Σ exp δ), and its own-price elasticity -s_c·(1 - P_j). The purchase
    probabilities determine δ. The estimated elasticity, a mean over products weighted by units, then determines s_c.

    Args:
        purchase_probability: (M,) at mean prices, of a customer of the product's category.
        category: (M,) index into the C categories.
        elasticity: (C,) below 0.
        quality: (M,) logits that the scenario adds, e.g. to offset the mean of a lognormal shock. The elasticity is
            reproduced with them included, and without the shock.

    Raises:
        ValueError: an elasticity is not below 0, or the probabilities of a category leave nothing for the outside
            option.
    """
    count = len(elasticity)
    if not (elasticity < 0).all():
        bad = int((~(elasticity < 0)).argmax())
        raise ValueError(f"elasticity of category {bad} must be below 0 for a choice model, got {elasticity[bad]:g}.")
    outside = 1 - np.bincount(category, purchase_probability, count)  # (C,) probability of buying nothing
    if purchase_probability.min() <= 0 or outside.min() <= 0:
        bad = int(outside.argmin())
        raise ValueError(
            f"purchase probabilities must be above 0 and sum to less than 1 in each category, got "
            f"{1 - outside[bad]:.3f} in category {bad}."
        )
    at_mean_price = np.log(purchase_probability / outside[category])  # δ
    odds = np.exp(at_mean_price + quality)
    probability = odds / (1 + np.bincount(category, odds, count))[category]
    bought = np.bincount(category, probability, count)
    # Solve elasticity_c = -s_c · Σ P_j (1 - P_j) / Σ P_j, with the probabilities that include quality.
    sensitivity = -elasticity * bought / np.bincount(category, probability * (1 - probability), count)
    # Relevance is utility at price 0: δ + s.
    return LogitTastes.of_one_category(at_mean_price + sensitivity[category], category, sensitivity)

"""Ranking: which product stands where on a shop's list, from what the shop knows of its customers.

Owns    the rankers, one a file and one entry in `RANKERS`: a function from `Evidence` to scores, (I, M), of M products
        for customers of each predicted intent, or (M,) for all alike.
Leaves  the list itself, how it is read and how stock enters a score to `flashsale_env.market.slate`.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from flashsale_env.encoders.ranking import counts, factors, margin, similarity, stock
from flashsale_env.encoders.ranking.evidence import Evidence
from flashsale_env.intents import INTENTS, ByIntent
from flashsale_env.market.slate import Ranking

Ranker = Callable[[Evidence], npt.NDArray[np.float64]]

RANKERS: Mapping[str, Ranker] = {
    "popularity": counts.popularity,
    "popularity by intent": counts.popularity_by_intent,
    "similarity": similarity.cosine,
    "als": factors.least_squares,
    "bpr": factors.pairwise,
    "demand": margin.demand,
    "margin": margin.expected_margin,
    "margin over bid price": stock.margin_over_bid_price,
}


def ranking(title: str, scores: npt.NDArray[np.float64], by_stock: float = 0.0) -> Ranking:
    """Scores as a ranking of `[slate]`.

    Args:
        title: of the ranking.
        scores: (M,), or (I, M) by predicted intent.
        by_stock: see `Ranking`.

    Raises:
        ValueError: scores of another shape, or one that is not finite.
    """
    if scores.ndim not in (1, 2) or (scores.ndim == 2 and len(scores) != len(INTENTS)):
        raise ValueError(f"scores must be (M,) or ({len(INTENTS)}, M), got shape {scores.shape}.")
    of_products = scores.T if scores.ndim == 2 else scores
    return Ranking(
        title, tuple(ByIntent.read(score.tolist(), f"scores of {title!r}") for score in of_products), by_stock
    )

"""The next basket: which products a customer of an ordinary shop will buy next, and how good a list of them is.

Owns    three recommenders that learn from who bought what: what sells most, what the customer buys most often, and
        alternating least squares by the library `implicit`; recall@k and nDCG@k over the whole assortment.
Leaves  the lists of a flash sale, which are by predicted intent, to the other rankers of this folder.
Axes    C customers, P products, k places.

Personal frequency is what published neural recommenders have to beat on grocery baskets, and often do not (Li et al.
2023, A Next Basket Recommendation Reality Check, doi 10.1145/3587153).
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# (units (C, P), rows (R,) of the customers who get a list, places) -> (R, places) products, best first
Recommender = Callable[[csr_matrix, Ints, int], Ints]

FACTORS, SWEEPS = 32, 10
_AT_ONCE = 256  # customers whose scores are held as a dense block


def popularity(units: csr_matrix, rows: Ints, places: int) -> Ints:
    """What most customers have bought, the same list for everybody."""
    return np.repeat(_best(_buyers(units)[None], places), len(rows), axis=0)


def personal_frequency(units: csr_matrix, rows: Ints, places: int) -> Ints:
    """What the customer has bought most often; among equals, and beyond its own products, what is popular."""
    buyers = _buyers(units)
    tie = buyers / (1.0 + buyers.max(initial=0.0))  # below 1, so that it never outweighs a purchase
    return _in_blocks(rows, places, lambda block: units[block].toarray() + tie)


def least_squares(units: csr_matrix, rows: Ints, places: int) -> Ints:
    """By the score of alternating least squares for implicit feedback (Hu, Koren & Volinsky 2008).

    Raises:
        ImportError: implicit is not installed.
    """
    model = importlib.import_module("implicit.als").AlternatingLeastSquares(
        factors=FACTORS, iterations=SWEEPS, random_state=0, num_threads=1
    )
    model.fit(units.astype(np.float32), show_progress=False)
    customers, products = np.asarray(model.user_factors), np.asarray(model.item_factors)
    return _in_blocks(rows, places, lambda block: customers[block] @ products.T)


RECOMMENDERS: Mapping[str, Recommender] = {
    "popularity": popularity,
    "personal frequency": personal_frequency,
    "als": least_squares,
}


def _buyers(units: csr_matrix) -> Floats:
    """(P,) customers who have bought each product."""
    return np.asarray((units > 0).sum(axis=0), np.float64).ravel()


def _in_blocks(rows: Ints, places: int, score: Callable[[Ints], npt.NDArray[np.floating]]) -> Ints:
    blocks = [rows[i : i + _AT_ONCE] for i in range(0, len(rows), _AT_ONCE)]
    return np.concatenate([_best(score(block), places) for block in blocks])


def _best(scores: npt.NDArray[np.floating], places: int) -> Ints:
    """(C, places) products of the highest scores, best first."""
    if places >= scores.shape[1]:
        raise ValueError(f"a list of {places} places needs more products, got {scores.shape[1]}.")
    top = np.argpartition(-scores, places, axis=1)[:, :places]
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(top, order, axis=1), np.int64)


@dataclass(frozen=True, eq=False)
class Baskets:
    """What C customers bought before a day, and what those of them who came back bought from it on.

    Args:
        before: (C, P) units.
        after: (R, P) units of the R customers who came back.
        back: (R,) their rows in `before`.
        products: P.
    """

    before: csr_matrix
    after: csr_matrix
    back: Ints
    products: npt.NDArray[np.object_]


def split(lines: pd.DataFrame, day: str) -> Baskets:
    """The lines before a day and from it on. Products that are new then count as missed by every list.

    Args:
        lines: "customer", "product", "day" and "units", as `shops.ta_feng.purchases` gives them.
        day: the first one that is foreseen, e.g. "2001-02-01".

    Raises:
        ValueError: nobody bought before it, or nobody came back.
    """
    early = (lines["day"] < pd.Timestamp(day)).to_numpy()
    product, products = pd.factorize(lines["product"], sort=True)
    known = pd.Index(lines["customer"][early].unique())
    who = known.get_indexer(lines["customer"])
    units = lines["units"].to_numpy(np.float64)
    shape = (len(known), len(products))
    parts = [csr_matrix((units[rows], (who[rows], product[rows])), shape) for rows in (early, ~early & (who >= 0))]
    back = np.flatnonzero(np.asarray((parts[1] > 0).sum(axis=1)).ravel())
    if not len(known) or not len(back):
        raise ValueError(f"of {len(known):,} customers before {day}, {len(back):,} came back: take another day.")
    return Baskets(parts[0], parts[1][back], back.astype(np.int64), np.asarray(products, np.object_))


def recall_at(lists: Ints, bought: csr_matrix, places: int) -> Floats:
    """(C,) share of the products of the next basket that stand in the first places.

    Args:
        lists: (C, at least `places`) products, best first, each once.
        bought: (C, P) products of the next basket, above 0; at least one for every customer.
        places: k.

    Raises:
        ValueError: a list is shorter, or a customer bought nothing.
    """
    hits = _hits(lists, bought, places)
    return np.asarray(hits.sum(axis=1) / _sizes(bought))


def gain_at(lists: Ints, bought: csr_matrix, places: int) -> Floats:
    """(C,) nDCG with binary relevance: the discounted gain over that of the best list for this basket.

    Args, Raises: as for `recall_at`.
    """
    discount = 1.0 / np.log2(np.arange(places) + 2.0)
    ideal = np.cumsum(discount)[np.minimum(_sizes(bought), places).astype(np.int64) - 1]
    return np.asarray(_hits(lists, bought, places) @ discount / ideal)


def _sizes(bought: csr_matrix) -> Floats:
    sizes = np.asarray((bought > 0).sum(axis=1), np.float64).ravel()
    if not sizes.all():
        raise ValueError(f"customer {int(sizes.argmin())} bought nothing, so no list is better than another.")
    return sizes


def _hits(lists: Ints, bought: csr_matrix, places: int) -> npt.NDArray[np.bool_]:
    if lists.shape[0] != bought.shape[0] or lists.shape[1] < places:
        raise ValueError(f"want {bought.shape[0]} lists of at least {places} products, got shape {lists.shape}.")
    rows = np.repeat(np.arange(lists.shape[0]), places)
    found = np.asarray((bought > 0)[rows, lists[:, :places].ravel()]).ravel()
    return found.reshape(-1, places).astype(np.bool_)

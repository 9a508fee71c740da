"""The market that a shop's records describe: chosen products, price levels, tastes and visitors.

Owns    which products and categories make the scenario, and what is taken from the data.
Leaves  reading to `encoders.records`, estimation to `encoders.demand.elasticities`, price levels to `levels`.
Axes    M products, C categories.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.encoders.demand.elasticities import ChoiceEstimates, Elasticities, Panel
from flashsale_env.encoders.demand.inversion import LogitTastes, tastes_from_elasticities
from flashsale_env.errors import unknown_name
from flashsale_env.experiments.calibrate.assumptions import Assumptions
from flashsale_env.experiments.calibrate.levels import price_ladder, significant

# How the visitors of a category were counted.
BASKETS, BUYERS, VISITS_ASSUMED = "baskets", "units sold / conversion (assumed)", "visits (assumed)"


@dataclass(frozen=True, eq=False)
class Market:
    """The chosen products and their customers.

    Args:
        products: one row each: `product`, `title`, `category`, `weekly_units`, `mean_price`, `levels` (falling).
        categories: the C categories in the order of `visitors`.
        tastes: of the customers of each category.
        visitors: (C,) customers of each category in an ordinary week.
        counted_as: `BASKETS`, `BUYERS` or `VISITS_ASSUMED`.
        appeal_sd, traffic_sd: variation between weeks that prices do not explain, see `Shocks`.
    """

    products: pd.DataFrame
    categories: tuple[str, ...]
    tastes: LogitTastes
    visitors: npt.NDArray[np.float64]
    counted_as: str
    appeal_sd: float = 0.0
    traffic_sd: float = 0.0

    @property
    def quality(self) -> float:
        """Logits added to the utility of every product, so that appeal shocks leave mean odds unchanged."""
        return _offset_of_shocks(self.appeal_sd)


def market_of_transactions(
    rows: pd.DataFrame,
    panel: Panel,
    found: Elasticities,
    categories: Sequence[str],
    products: int,
    price_levels: int,
    assumed: Assumptions,
) -> Market:
    """The best sellers of some categories, with customers who buy as in an average week.

    Raises:
        ValueError: a category is unknown, has no usable elasticity or too few products, or sells more units than there
            are visitors.
    """
    sold = rows[rows["product"].isin(panel.cells["product"].unique())]
    sold = sold.assign(paid=sold["price"] * sold["units"])
    chosen = _best_sellers(sold, found, categories, products)
    chosen["weekly_units"] = chosen["units"] / panel.weeks
    chosen["mean_price"] = (chosen["paid"] / chosen["units"]).map(significant)
    chosen["levels"] = [price_ladder(sold[sold["product"] == product], price_levels) for product in chosen["product"]]

    names, category = _numbered(chosen)
    weekly_units = chosen["weekly_units"].to_numpy(np.float64)
    if "basket" in rows:
        baskets = rows.groupby("week")["basket"].nunique()
        whole = baskets.loc[1 : panel.weeks - 2]  # the first and the last week may be incomplete
        visitors = np.full(len(names), float(baskets.sum()) / panel.weeks)
        traffic_sd = float(np.log(whole).std()) if len(whole) > 1 else 0.0
        counted_as = BASKETS
    else:
        visitors = np.bincount(category, weekly_units, len(names)) / assumed.conversion
        traffic_sd = 0.0
        counted_as = BUYERS
    probability = weekly_units / visitors[category]
    for i, name in enumerate(names):
        if (total := float(probability[category == i].sum())) >= 1:
            raise ValueError(
                f"the chosen products of {name!r} sell {total:.2f} units a visitor and week, but a customer buys at "
                f"most one: choose fewer products, or give `units` in larger packs."
            )
    # The appeal shock has the variance of the regression residuals, averaged over the chosen products.
    appeal_sd = math.sqrt(float(np.mean([found.residual_sd[product] ** 2 for product in chosen["product"]])))
    quality = np.full(len(chosen), _offset_of_shocks(appeal_sd))
    elasticity = np.array([found.categories[name].estimate for name in names])
    tastes = tastes_from_elasticities(probability, category, elasticity, quality)
    return Market(chosen, names, tastes, visitors, counted_as, appeal_sd, traffic_sd)


def market_of_choices(
    rows: pd.DataFrame,
    estimates: ChoiceEstimates,
    categories: Sequence[str],
    products: int,
    price_levels: int,
    assumed: Assumptions,
) -> Market:
    """The best sellers of some categories, with customers of the tastes estimated from the log.

    Raises:
        ValueError: a category is unknown, or has no usable elasticity or too few products.
    """
    sold = rows.assign(units=rows["bought"].astype(np.float64), paid=rows["price"] * rows["bought"])
    chosen = _best_sellers(sold, estimates.elasticities, categories, products)
    mean_price = rows.groupby("product", observed=True)["price"].mean()
    chosen["mean_price"] = [float(mean_price[product]) for product in chosen["product"]]
    # Every offer counts as one unit, so price levels are those at which a product was offered.
    offers = rows.assign(units=1.0, list_price=np.nan)
    chosen["levels"] = [
        price_ladder(offers[offers["product"] == product], price_levels) for product in chosen["product"]
    ]

    names, category = _numbered(chosen)
    sensitivity = np.array([estimates.price_sensitivity[name] for name in names])
    relevance = np.array([estimates.relevance[product] for product in chosen["product"]])
    # Odds at the mean price, where price over mean price is 1; probabilities by category include buying nothing.
    odds = np.exp(relevance - sensitivity[category])
    chosen["weekly_units"] = assumed.visits * odds / (1 + np.bincount(category, odds, len(names)))[category]
    tastes = LogitTastes.of_one_category(relevance, category, sensitivity)
    return Market(chosen, names, tastes, np.full(len(names), assumed.visits), VISITS_ASSUMED)


def _offset_of_shocks(appeal_sd: float) -> float:
    """Logits that give the lognormal factor by which an appeal shock multiplies odds a mean of 1."""
    return -(appeal_sd**2) / 2


def _best_sellers(sold: pd.DataFrame, found: Elasticities, categories: Sequence[str], products: int) -> pd.DataFrame:
    """The M products with the largest revenue, taken in turn from the categories; one row each, sorted by category."""
    usable = {name: e for name, e in found.categories.items() if e.high < 0}
    for name in categories:
        if name in found.left_out:
            raise ValueError(f"category {name!r} has no estimate: {found.left_out[name]}.")
        if name not in found.categories:
            raise ValueError(unknown_name("category", name, found.categories))
        if name not in usable:
            e = found.categories[name]
            raise ValueError(
                f"category {name!r} has elasticity {e.estimate:.2f} in [{e.low:.2f}, {e.high:.2f}]: a choice model "
                f"needs one below 0. Leave it out; prices that follow demand give such estimates."
            )
    if not usable:
        raise ValueError(
            f"none of {len(found.categories)} categories has an elasticity below 0 with 95 % confidence: prices may "
            f"follow demand, or vary too little."
        )
    totals = sold.groupby(["category", "product", "title"], observed=True)[["units", "paid"]].sum().reset_index()
    totals = totals[totals["category"].isin(list(usable)) & (totals["units"] > 0)]
    totals = totals.astype({"category": str, "product": str, "title": str})
    if not categories:
        largest = totals.groupby("category")["paid"].sum().nlargest(max(1, products // 2))
        categories = [str(name) for name in largest.index]
    best = totals[totals["category"].isin(categories)].sort_values("paid", ascending=False, kind="stable")
    best["rank"] = best.groupby("category").cumcount()
    best["turn"] = best["category"].map({name: i for i, name in enumerate(categories)})
    best = best.sort_values(["rank", "turn"], kind="stable").head(products).sort_values(["turn", "rank"])
    if len(best) < products:
        raise ValueError(
            f"the {len(categories)} categories {', '.join(map(repr, categories))} have {len(best)} products with an "
            f"elasticity, want {products}: name more categories or fewer products."
        )
    return best.drop(columns=["rank", "turn"]).reset_index(drop=True)


def _numbered(chosen: pd.DataFrame) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """The C categories in order, and (M,) the index of the category of each product."""
    codes, names = pd.factorize(chosen["category"])
    return tuple(map(str, names)), codes.astype(np.int64)

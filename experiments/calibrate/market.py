"""The market that a shop's records describe: chosen products, price levels, tastes and visitors.

Owns    which products and categories make the scenario, and what is taken from the data.
Leaves  reading to `encoders.records`, estimation to `encoders.demand`, visitors to `visitors`, price levels to
        `levels`.
Axes    M products, C categories, W weeks or visits of the history.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.encoders.demand.choices import ChoiceEstimates
from flashsale_env.encoders.demand.elasticities import Elasticities, Elasticity
from flashsale_env.encoders.demand.inversion import History, LogitTastes, tastes_from_history
from flashsale_env.encoders.demand.panel import Panel
from flashsale_env.errors import unknown_name
from flashsale_env.experiments.calibrate.assumptions import Assumptions
from flashsale_env.experiments.calibrate.levels import price_ladder, significant
from flashsale_env.experiments.calibrate.visitors import (
    Visitors,
    answers_to_a_cut,
    choice_visitors,
    count_visitors,
)

PRODUCTS = 8  # in a scenario, where so many have an estimate
# Visits of a log of choices that are played again: more would not show in the digits.
_MOST_VISITS = 20_000
# A choice model needs demand that falls with the price; so near to 0, no price level makes a difference.
_LEAST_ELASTICITY = 0.05


@dataclass(frozen=True, eq=False)
class Market:
    """The chosen products and their customers.

    Args:
        products: one row each: `product`, `title`, `category`, `weekly_units`, `mean_price`, `levels` (falling).
        categories: the C categories in the order of `visitors`.
        tastes: of the customers of each category.
        visitors: of an ordinary week.
        history: what was sold at which prices.
        history_visitors: (C,) of a period of the history.
        elasticity: (M,) that the products are to have.
        answers: to a common price cut, by factor on the visits, see `answers_to_a_cut`; {} where the records say it.
        unusable: name of a product or category -> why the scenario cannot hold it.
        appeal_sd: variation between weeks that prices do not explain, see `Shocks`.
    """

    products: pd.DataFrame
    categories: tuple[str, ...]
    tastes: LogitTastes
    visitors: Visitors
    history: History
    history_visitors: npt.NDArray[np.float64]
    elasticity: npt.NDArray[np.float64]
    answers: dict[str, float | None]
    unusable: dict[str, str] = field(default_factory=dict)
    appeal_sd: float = 0.0

    @property
    def quality(self) -> float:
        """Logits added to the utility of every product, so that appeal shocks leave mean odds unchanged.

        An appeal shock multiplies odds by a lognormal factor with mean exp(sd²/2).
        """
        return -(self.appeal_sd**2) / 2

    @property
    def category_of_product(self) -> npt.NDArray[np.int64]:
        """(M,) index into the categories."""
        return _numbered(self.products)[1]


def market_of_transactions(
    rows: pd.DataFrame,
    panel: Panel,
    found: Elasticities,
    categories: Sequence[str],
    products: int | None,
    price_levels: int,
    assumed: Assumptions,
) -> Market:
    """The best sellers of some categories, with customers who buy as in the weeks of the history.

    Raises:
        ValueError: a category is unknown, has no usable elasticity or too few products, or sells more units than there
            are visitors.
    """
    sold = rows[rows["product"].isin(panel.cells["product"].unique()) & (rows["units"] > 0)]
    sold = sold.assign(paid=sold["price"] * sold["units"])
    by_product = {name: e.shrunk for detail in found.details.values() for name, e in detail.by_product.items()}
    unusable = {
        name: f"elasticity {value:.2f}: demand that rises with the price, or hardly falls"
        for name, value in by_product.items()
        if value > -_LEAST_ELASTICITY
    }
    chosen = _best_sellers(sold[~sold["product"].isin(list(unusable))], found, categories, products)
    names, category = _numbered(chosen)
    unusable = {name: why for name, why in unusable.items() if any(name in found.details[c].by_product for c in names)}
    history = _weekly_history(rows, panel, found, list(chosen["product"]))
    chosen["weekly_units"] = history.demand.sum(axis=0) / history.on_sale.sum(axis=0)
    chosen["mean_price"] = [significant(float(price)) for price in history.mean_price]
    chosen["levels"] = [price_ladder(sold[sold["product"] == product], price_levels) for product in chosen["product"]]
    weekly = np.asarray(np.bincount(category, chosen["weekly_units"], len(names)), np.float64)
    visitors = count_visitors(rows, weekly, assumed)
    # The appeal shock has the variance of log demand that prices do not explain, averaged over the chosen products.
    spread = {name: sd for detail in found.details.values() for name, sd in detail.by_product_sd.items()}
    appeal_sd = math.sqrt(float(np.mean([spread[product] ** 2 for product in chosen["product"]])))
    elasticity = np.array([by_product[product] for product in chosen["product"]])
    tastes = tastes_from_history(
        history, category, visitors.of_category, elasticity=elasticity, appeal_sd=appeal_sd, names=names
    )
    answers = answers_to_a_cut(history, category, visitors.of_category, elasticity=elasticity, appeal_sd=appeal_sd)
    return Market(
        chosen, names, tastes, visitors, history, visitors.of_category, elasticity, answers, unusable, appeal_sd
    )


def _weekly_history(rows: pd.DataFrame, panel: Panel, found: Elasticities, products: list[str]) -> History:
    """Units and mean prices of the products by week, from all stores.

    A product is on sale from the first to the last week with a record, or in those with a record if a week without one
    means that it was not. A week on sale without a price takes the last one seen.
    """
    own = rows[rows["product"].isin(products)]
    code = _number(own["product"], products)
    shape = (panel.weeks, len(products))
    flat = own["week"].to_numpy(np.int64) * len(products) + code

    def total(values: npt.ArrayLike | None) -> npt.NDArray[np.float64]:
        return np.bincount(flat, values, shape[0] * shape[1]).reshape(shape).astype(np.float64)

    units, paid = total(own["units"]), total(own["units"] * own["price"])
    records, shown = total(None), total(own["price"])
    price = np.where(units > 0, paid / np.maximum(units, 1e-300), shown / np.maximum(records, 1))
    seen = records > 0
    on_sale = seen
    if panel.absent == "zeros":
        on_sale = (np.cumsum(seen, axis=0) > 0) & (np.cumsum(seen[::-1], axis=0)[::-1] > 0)
    filled = pd.DataFrame(np.where(seen, price, np.nan)).ffill().bfill().to_numpy(np.float64)
    demand = units.copy()
    for detail in found.details.values():
        lost = detail.unmet[detail.unmet["product"].isin(products)]
        where = _number(lost["product"], products)
        np.add.at(demand, (lost["week"].to_numpy(np.int64), where), lost["units"].to_numpy(np.float64))
    return History(filled, on_sale, demand)


def market_of_choices(
    rows: pd.DataFrame,
    estimates: ChoiceEstimates,
    categories: Sequence[str],
    products: int | None,
    price_levels: int,
    assumed: Assumptions,
) -> Market:
    """The best sellers of some categories, with customers of the tastes estimated from the log.

    Raises:
        ValueError: a category is unknown, or has no usable elasticity or too few products.
    """
    sold = rows.assign(units=rows["bought"].astype(np.float64), paid=(rows["price"] * rows["bought"]).fillna(0.0))
    chosen = _best_sellers(sold, estimates.elasticities, categories, products)
    names, category = _numbered(chosen)
    history = _visited_history(rows, list(chosen["product"]))
    chosen["mean_price"] = history.mean_price
    # Every offer counts as one unit, so price levels are those at which a product was offered.
    offers = rows[rows["available"]].assign(units=1.0, list_price=np.nan)
    chosen["levels"] = [
        price_ladder(offers[offers["product"] == product], price_levels) for product in chosen["product"]
    ]
    # Where every visit buys, the visitors of a purchase are assumed.
    count = looking = np.ones(len(names))
    if assumed.conversion is not None:
        bought = np.bincount(category, history.demand.sum(axis=0), len(names))
        count, looking = bought / len(history.demand) / assumed.conversion, bought / bought.sum()
    sensitivity = np.array([estimates.price_sensitivity[name] for name in names])[category]
    tastes = tastes_from_history(history, category, count, sensitivity=sensitivity, names=names)
    answers = {}
    if assumed.conversion is not None:
        answers = answers_to_a_cut(history, category, count, sensitivity=sensitivity)
    visitors = choice_visitors(looking, assumed)
    share = history.demand.sum(axis=0) / history.on_sale.sum(axis=0) / count[category]
    chosen["weekly_units"] = share * visitors.of_category[category]
    elasticity = np.array([estimates.elasticities.categories[name].estimate for name in names])[category]
    return Market(chosen, names, tastes, visitors, history, count, elasticity, answers)


def _visited_history(rows: pd.DataFrame, products: list[str]) -> History:
    """Offers and purchases of the products by visit; evenly spaced visits of a long log."""
    visit = rows["visit"].cat.codes.to_numpy(np.int64)
    visits = int(visit.max()) + 1
    code = _number(rows["product"], products)
    own = code >= 0
    at = (visit[own], code[own])
    price = np.full((visits, len(products)), np.nan)
    on_sale, demand = np.zeros(price.shape, bool), np.zeros(price.shape)
    price[at], on_sale[at] = rows["price"].to_numpy(np.float64)[own], rows["available"].to_numpy(bool)[own]
    demand[at] = rows["bought"].to_numpy(np.float64)[own]
    price = np.where(np.isfinite(price), price, np.nanmean(price, axis=0))
    some = np.linspace(0, visits - 1, min(visits, _MOST_VISITS)).astype(np.int64)
    return History(price[some], on_sale[some], demand[some])


def _number(names: pd.Series, products: list[str]) -> npt.NDArray[np.int64]:
    """(n,) index of each name among the products, -1 for others."""
    return np.asarray(pd.Index(products).get_indexer(pd.Index(names.astype(str))), np.int64)


def _best_sellers(
    sold: pd.DataFrame, found: Elasticities, categories: Sequence[str], products: int | None
) -> pd.DataFrame:
    """The M products with the largest revenue, taken in turn from the categories; one row each, sorted by category."""
    falling = [name for name, e in found.categories.items() if e.high < 0]
    for name in categories:
        if name in found.left_out:
            raise ValueError(f"category {name!r} has no estimate: {found.left_out[name]}.")
        if name not in found.categories:
            raise ValueError(unknown_name("category", name, found.categories))
        e = found.categories[name]
        if e.estimate > -_LEAST_ELASTICITY:
            raise ValueError(
                f"category {name!r} has elasticity {e.estimate:.2f} in [{e.low:.2f}, {e.high:.2f}]: a choice model "
                f"needs one below 0. Leave it out, or give an instrument; prices that follow demand give such "
                f"estimates."
            )
    if not categories and not falling:
        shown = "; ".join(f"{name} {e.estimate:.2f} ({e.low:.2f} to {e.high:.2f})" for name, e in _some(found))
        raise ValueError(
            f"none of {len(found.categories)} categories has an elasticity below 0 with 95 % confidence: prices may "
            f"follow demand, or vary too little. {shown}. Name a category to use its estimate all the same."
        )
    totals = sold.groupby(["category", "product", "title"], observed=True)[["units", "paid"]].sum().reset_index()
    totals = totals[totals["category"].isin([*falling, *categories]) & (totals["units"] > 0)]
    totals = totals.astype({"category": str, "product": str, "title": str})
    if not categories:
        largest = totals.groupby("category")["paid"].sum().nlargest(max(1, (products or PRODUCTS) // 2))
        categories = [str(name) for name in largest.index]
    best = totals[totals["category"].isin(categories)].sort_values("paid", ascending=False, kind="stable")
    best["rank"] = best.groupby("category").cumcount()
    best["turn"] = best["category"].map({name: i for i, name in enumerate(categories)})
    best = best.sort_values(["rank", "turn"], kind="stable").head(products or PRODUCTS).sort_values(["turn", "rank"])
    if products is not None and len(best) < products:
        raise ValueError(
            f"the {len(categories)} categories {', '.join(map(repr, categories))} have {len(best)} products with an "
            f"elasticity, want {products}: name more categories or fewer products."
        )
    return best.drop(columns=["rank", "turn"]).reset_index(drop=True)


def _some(found: Elasticities) -> list[tuple[str, Elasticity]]:
    """The categories of the most cells."""
    return sorted(found.categories.items(), key=lambda item: -item[1].cells)[:5]


def _numbered(chosen: pd.DataFrame) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """The C categories in order, and (M,) the index of the category of each product."""
    codes, names = pd.factorize(chosen["category"])
    return tuple(map(str, names)), codes.astype(np.int64)

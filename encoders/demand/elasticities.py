"""Price elasticities from a shop's records: from transactions by fixed effects, from choices by conditional logit.

Owns    the panel of product and week, and the elasticity of each category.
Leaves  reading and checking rows to `records`, the regression to `fixed_effects`, the likelihood of choices to `logit`,
        and tastes with these elasticities to `inversion`.
Units   elasticities are per cent of units per per cent of price; prices in currency per unit, panels in weeks.

    log units_jt = elasticity · log price_jt + product_j + week_t + error_jt

The elasticity is estimated from deviations of a product's price from its own mean and from the category's mean of the
week. It is causal if prices do not respond to demand shocks that the effects leave: a price cut that comes with a
display includes the effect of the display. Weeks without a sale have no price and are missing. This biases the
elasticities of rarely sold products towards 0; hence `LEAST_PRESENCE`.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from flashsale_env.encoders.demand.choice_table import ChoiceTable
from flashsale_env.encoders.demand.fixed_effects import fixed_effects_regression
from flashsale_env.encoders.demand.logit import fit

# Minimum share of the weeks in which a product sold. In the worked example the overall elasticity is -.77 with any
# product, -1.06 with those that sold in 20 of 53 weeks, and -1.37 with 40 of 53.
LEAST_PRESENCE = 0.75
# Weekly mean prices that vary by less than this are one price with rounding.
LEAST_PRICE_RANGE = 0.01
# Minimum number of products, which are the clusters, for an estimate of a category's own.
LEAST_PRODUCTS = 5


@dataclass(frozen=True, eq=False)
class Panel:
    """Units and mean price by product and week.

    Args:
        cells: one row per product (and store, if asked for) and week with sales: product, category, store, week, units,
            price (currency paid over units).
        weeks: from the first to the last of the data.
        left_out: reason -> {"products", "rows"} that are not in the cells; rows are transactions.
    """

    cells: pd.DataFrame
    weeks: int
    left_out: dict[str, dict[str, int]]


def weekly_panel(
    transactions: pd.DataFrame, *, by_store: bool = False, least_presence: float = LEAST_PRESENCE
) -> Panel:
    """Sum transactions by week, and leave out products whose elasticity is not identified.

    Args:
        transactions: as `records.transactions.read_transactions` returns them.
        by_store: make a cell of each product and store; better if prices differ by store and most cells have sales.
        least_presence: minimum share of the weeks in which a product (of a store) sold.

    Raises:
        ValueError: no product is left, or `by_store` without a column `store`.
    """
    if by_store and "store" not in transactions:
        raise ValueError("a panel by store needs the column `store`, and the data have none.")
    weeks = int(transactions["week"].max()) + 1
    unit = ["product", "category", *(["store"] if by_store else [])]
    paid = transactions.assign(paid=transactions["price"] * transactions["units"], rows=1)
    cells = paid.groupby([*unit, "week"], observed=True)[["units", "paid", "rows"]].sum().reset_index()
    cells["price"] = cells["paid"] / cells["units"]
    groups = cells.groupby(unit, observed=True)["price"]
    presence, highest, lowest = groups.transform("size"), groups.transform("max"), groups.transform("min")
    reasons = {
        f"sold in fewer than {least_presence:.0%} of the {weeks} weeks": presence < math.ceil(least_presence * weeks),
        "no price variation": highest <= lowest * (1 + LEAST_PRICE_RANGE),
    }
    left_out = {}
    kept = np.ones(len(cells), bool)
    for reason, holds in reasons.items():
        out = kept & holds.to_numpy()
        left_out[reason] = {
            "products": int(cells.loc[out, unit].drop_duplicates().shape[0]),
            "rows": int(cells.loc[out, "rows"].sum()),
        }
        kept &= ~out
    if not kept.any():
        counts = "; ".join(f"{reason}: {count['products']}" for reason, count in left_out.items())
        raise ValueError(
            f"no product identifies an elasticity ({counts}): give more weeks, or weeks with other prices."
        )
    return Panel(cells.loc[kept, [*unit, "week", "units", "price"]].reset_index(drop=True), weeks, left_out)


@dataclass(frozen=True)
class Elasticity:
    """An own-price elasticity with its 95 % interval and the size of its sample."""

    estimate: float
    standard_error: float
    low: float
    high: float
    products: int
    cells: int


@dataclass(frozen=True, eq=False)
class Elasticities:
    """Estimates of one panel.

    Args:
        overall: one elasticity for all products.
        categories: by category, each with its own week effects; not shrunk towards each other.
        left_out: category -> why it has no estimate.
        residual_sd: product -> standard deviation of the residuals of its log weekly units, net of Poisson noise.
    """

    overall: Elasticity
    categories: dict[str, Elasticity]
    left_out: dict[str, str]
    residual_sd: dict[str, float]


def estimate_elasticities(panel: Panel, *, least_products: int = LEAST_PRODUCTS) -> Elasticities:
    """Elasticities with fixed effects of product (and store) and week, and standard errors clustered by product.

    Args:
        panel: see `weekly_panel`.
        least_products: minimum number of products for an estimate of a category's own.

    Raises:
        ValueError: no category has `least_products` products.
    """
    cells = panel.cells
    overall, _ = _elasticity(cells)
    categories: dict[str, Elasticity] = {}
    left_out: dict[str, str] = {}
    residual_sd: dict[str, float] = {}
    for name, part in cells.groupby("category", observed=True, sort=True):
        products = part["product"].nunique()
        if products < max(least_products, 2):
            left_out[str(name)] = f"{products} products with enough weeks and prices, want {max(least_products, 2)}"
            continue
        try:
            categories[str(name)], deviations = _elasticity(part)
        except ValueError as error:
            left_out[str(name)] = str(error)
            continue
        residual_sd |= deviations
    if not categories:
        raise ValueError(
            f"no category has {least_products} products whose price varies (most: "
            f"{cells.groupby('category', observed=True)['product'].nunique().max()}): require fewer products, or give "
            f"coarser categories."
        )
    return Elasticities(overall, categories, left_out, residual_sd)


def _elasticity(cells: pd.DataFrame) -> tuple[Elasticity, dict[str, float]]:
    """(elasticity of these cells, product -> `Elasticities.residual_sd`)."""
    product, names = pd.factorize(cells["product"])
    unit = product
    if "store" in cells:
        unit = cells.groupby(["product", "store"], observed=True).ngroup().to_numpy()
    found = fixed_effects_regression(
        np.log(cells["units"].to_numpy(np.float64)),
        np.log(cells["price"].to_numpy(np.float64))[:, None],
        [unit, pd.factorize(cells["week"])[0]],
        clusters=product,
    )
    low, high = found.interval()
    estimate = Elasticity(
        float(found.coefficients[0]), float(found.standard_errors[0]), low, high, len(names), len(cells)
    )
    # Subtract Poisson noise: the log of a count with mean m has variance about 1/m (delta method).
    excess = found.residuals**2 - 1 / cells["units"].to_numpy(np.float64)
    variance = np.bincount(product, excess) / np.bincount(product)
    deviations = {str(name): math.sqrt(max(v, 0.0)) for name, v in zip(names, variance, strict=True)}
    return estimate, deviations


@dataclass(frozen=True, eq=False)
class ChoiceEstimates:
    """Estimates from a log of choices.

    Args:
        elasticities: at mean prices with everything available; `cells` counts the products offered over all visits.
        price_sensitivity: category -> logits per mean price.
        relevance: product -> utility at price 0, logits.
    """

    elasticities: Elasticities
    price_sensitivity: dict[str, float]
    relevance: dict[str, float]


def estimate_choices(choices: pd.DataFrame) -> ChoiceEstimates:
    """A conditional logit for each category, with product effects and the price over the product's mean price.

    In each category a visit chooses among the available products; a purchase in another category counts as the outside
    option. Sold-out products are not alternatives, so stockouts do not lower a product's estimated appeal.

    Args:
        choices: as `records.choices.read_choices` returns them.

    Raises:
        ValueError: no category identifies a price sensitivity; the error gives the reason for each.
    """
    mean_price = choices.groupby("product", observed=True)["price"].transform("mean")
    shares = choices.assign(price_share=choices["price"] / mean_price)
    categories: dict[str, Elasticity] = {}
    left_out: dict[str, str] = {}
    sensitivity: dict[str, float] = {}
    relevance: dict[str, float] = {}
    for name, part in shares.groupby("category", observed=True, sort=True):
        try:
            estimate, slope, effects = _conditional_logit(part, part["visit"])
        except ValueError as error:
            left_out[str(name)] = str(error)
            continue
        categories[str(name)], sensitivity[str(name)] = estimate, -slope
        relevance |= effects
    if not categories:
        reasons = " ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ValueError(f"no category identifies a price sensitivity. {reasons}")
    # Overall: one price coefficient, still with one choice set per visit and category.
    usable = shares[shares["category"].isin(list(categories))]
    occasion = usable.groupby(["visit", "category"], observed=True).ngroup()
    overall, _, _ = _conditional_logit(usable, occasion)
    return ChoiceEstimates(Elasticities(overall, categories, left_out, {}), sensitivity, relevance)


def _conditional_logit(rows: pd.DataFrame, occasion: pd.Series) -> tuple[Elasticity, float, dict[str, float]]:
    """(elasticity at mean prices, coefficient of the price share, product -> effect)."""
    products, names = pd.factorize(rows["product"])
    sets = pd.factorize(occasion)[0].astype(np.int64)
    bought = np.bincount(sets, rows["bought"])
    offered = rows["available"].to_numpy(bool)
    labels = tuple(map(str, names))
    result = fit(
        ChoiceTable(
            choice_set=sets[offered],
            covariates=rows["price_share"].to_numpy(np.float64)[offered, None],
            chosen=rows["bought"].to_numpy(np.float64)[offered],
            outside=np.asarray(bought == 0, np.float64),  # a visit that buys k units makes k choices
            names=("price",),
            effect=products[offered].astype(np.int64),
            effect_names=labels,
            cluster=pd.factorize(rows.groupby(sets)["visit"].first())[0].astype(np.int64),
        )
    )
    # Evaluate at one choice set per category, with all of its products at their mean price.
    group = pd.factorize(rows.drop_duplicates("product")["category"])[0].astype(np.int64)
    count = int(group.max()) + 1
    mean_prices = ChoiceTable(
        choice_set=group,
        covariates=np.ones((len(names), 1)),
        chosen=np.zeros(len(names)),
        outside=np.ones(count),
        names=("price",),
        effect=np.arange(len(names), dtype=np.int64),
        effect_names=labels,
    )
    found = result.elasticity("price", at=mean_prices)
    estimate = Elasticity(found.value, found.standard_error, found.low, found.high, len(names), int(offered.sum()))
    return estimate, float(result.coefficients[0]), dict(zip(labels, result.effects.tolist(), strict=True))

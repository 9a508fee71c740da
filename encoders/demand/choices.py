"""Price sensitivities from a log of choices, by conditional logit.

Owns    the price sensitivity of each category, and what a log without an outside option leaves open.
Leaves  reading rows to `records`, the likelihood to `logit`.
Units   elasticities are per cent of purchases per per cent of price; prices relative to their mean.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from flashsale_env.encoders.demand.choice_table import ChoiceTable
from flashsale_env.encoders.demand.elasticities import Elasticities, Elasticity
from flashsale_env.encoders.demand.logit import fit


@dataclass(frozen=True, eq=False)
class ChoiceEstimates:
    """Estimates from a log of choices.

    Args:
        elasticities: at mean prices with everything available; `cells` counts the products offered over all visits.
            Without an outside option and a conversion, they are those of buyers who only switch between products.
        price_sensitivity: category -> logits per mean price.
        relevance: product -> utility at price 0, logits; without an outside option and a conversion, up to a constant.
        has_outside: whether the log has visits without a purchase, or a conversion takes their place.
    """

    elasticities: Elasticities
    price_sensitivity: dict[str, float]
    relevance: dict[str, float]
    has_outside: bool


def estimate_choices(choices: pd.DataFrame, *, conversion: float | None = None) -> ChoiceEstimates:
    """A conditional logit for each category, with product effects and the price over the product's mean price.

    In each category a visit chooses among the available products; a purchase in another category counts as the outside
    option. Sold-out products are not alternatives, so stockouts do not lower a product's estimated appeal.

    Where every visit buys, the log says which product and not whether: each category is estimated among its buyers, and
    the constant of the outside option follows from `conversion`.

    Args:
        choices: as `records.choices.read_choices` returns them.
        conversion: share of visitors who buy a product of the category at mean prices, for a log in which every visit
            buys.

    Raises:
        ValueError: no category identifies a price sensitivity, for the reason in the message; or a conversion for a
            log that has visits without a purchase.
    """
    every_visit_buys = bool(choices.groupby("visit", observed=True)["bought"].any().all())
    if conversion is not None and not every_visit_buys:
        share = float(choices.groupby("visit", observed=True)["bought"].any().mean())
        raise ValueError(
            f"the log has visits without a purchase, and {share:.1%} buy: conversion {conversion:g} is not used. Leave "
            f"it out."
        )
    mean_price = choices.groupby("product", observed=True)["price"].transform("mean")
    shares = choices.assign(price_share=choices["price"] / mean_price)
    categories: dict[str, Elasticity] = {}
    left_out: dict[str, str] = {}
    sensitivity: dict[str, float] = {}
    relevance: dict[str, float] = {}
    for name, part in shares.groupby("category", observed=True, sort=True):
        try:
            estimate, slope, effects = _conditional_logit(part, part["visit"], every_visit_buys, conversion)
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
    overall, _, _ = _conditional_logit(usable, occasion, every_visit_buys, conversion)
    found = Elasticities(overall, categories, left_out)
    return ChoiceEstimates(found, sensitivity, relevance, not every_visit_buys or conversion is not None)


def _conditional_logit(
    rows: pd.DataFrame, occasion: pd.Series, among_buyers: bool, conversion: float | None
) -> tuple[Elasticity, float, dict[str, float]]:
    """(elasticity at mean prices, coefficient of the price share, product -> effect)."""
    sets = pd.factorize(occasion)[0].astype(np.int64)
    if among_buyers:
        buys = np.bincount(sets, rows["bought"])[sets] > 0
        rows, sets = rows[buys], np.unique(sets[buys], return_inverse=True)[1]
    products, names = pd.factorize(rows["product"])
    bought = np.bincount(sets, rows["bought"])
    offered = rows["available"].to_numpy(bool)
    labels = tuple(map(str, names))
    result = fit(
        ChoiceTable(
            choice_set=sets[offered],
            covariates=rows["price_share"].to_numpy(np.float64)[offered, None],
            chosen=rows["bought"].to_numpy(np.float64)[offered],
            outside=None if among_buyers else np.asarray(bought == 0, np.float64),
            names=("price",),
            effect=products[offered].astype(np.int64),
            effect_names=labels,
            cluster=pd.factorize(rows.groupby(sets)["visit"].first())[0].astype(np.int64),
        )
    )
    slope = result.estimate("price")
    # Evaluate at one choice set per category, with all of its products at their mean price.
    group = pd.factorize(rows.drop_duplicates("product")["category"])[0].astype(np.int64)
    count = int(group.max()) + 1
    effects = result.effects
    if among_buyers and conversion is not None:
        odds = np.bincount(group, np.exp(effects + slope.value))
        effects = effects + (np.log(conversion / (1 - conversion)) - np.log(odds))[group]
        odds = np.exp(effects + slope.value)
        p = odds / (1 + np.bincount(group, odds))[group]
        # The elasticity is in proportion to the coefficient, at probabilities that the conversion fixes.
        per_unit = float(p @ (1 - p)) / float(p.sum())
        value, error = slope.value * per_unit, slope.standard_error * per_unit
        low, high = slope.low * per_unit, slope.high * per_unit
    else:
        mean_prices = ChoiceTable(
            choice_set=group,
            covariates=np.ones((len(names), 1)),
            chosen=np.ones(len(names)) if among_buyers else np.zeros(len(names)),
            outside=None if among_buyers else np.ones(count),
            names=("price",),
            effect=np.arange(len(names), dtype=np.int64),
            effect_names=labels,
        )
        found = result.elasticity("price", at=mean_prices)
        value, error, low, high = found.value, found.standard_error, found.low, found.high
    estimate = Elasticity(value, error, low, high, len(names), int(offered.sum()), "visit")
    return estimate, float(slope.value), dict(zip(labels, effects.tolist(), strict=True))

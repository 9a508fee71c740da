"""The card of a calibration: what was read, estimated, assumed and checked, ready for JSON."""

from dataclasses import asdict
from typing import Any

import numpy as np

from flashsale_env import Scenario
from flashsale_env.encoders.demand.elasticities import Elasticities, Estimate
from flashsale_env.encoders.demand.panel import Panel
from flashsale_env.encoders.records.rows import Validation
from flashsale_env.experiments.calibrate.assumptions import Assumptions
from flashsale_env.experiments.calibrate.market import Market
from flashsale_env.experiments.calibrate.replay import Replay

_METHODS = {
    "transactions": (
        "Poisson pseudo-maximum likelihood of weekly units on log price, with effects of product (and store) and week; "
        "weeks that ended with the stock are censored, missing weeks without a sale truncate; products are shrunk to "
        "the sales-weighted mean of their category"
    ),
    "choices": (
        "conditional logit by category among what was available, with product effects and price over mean price; "
        "standard errors clustered by visit; no shrinkage between categories"
    ),
}


def card_of(
    validation: Validation,
    panel: Panel | None,
    found: Elasticities,
    market: Market,
    assumed: Assumptions,
    scenario: Scenario,
    played: Replay,
) -> dict[str, Any]:
    """All of it but name, command and versions; `panel` is None for a log of choices."""
    details = found.details
    return {
        "method": _METHODS["choices" if panel is None else "transactions"],
        "validation": {
            **validation.as_dict(),
            "not_in_the_regression": {} if panel is None else panel.left_out,
            "read_as": [] if panel is None else list(panel.notes),
        },
        "elasticity": {
            "overall": asdict(found.overall),
            "median_of_categories": float(np.median([e.estimate for e in found.categories.values()])),
            "categories": {name: asdict(e) for name, e in found.categories.items()},
            "left_out": found.left_out,
            "not_below_0": [name for name, e in found.categories.items() if e.high >= 0],
            "inelastic": [name for name, e in found.categories.items() if e.high < 0 and e.estimate > -1],
            "prices": {name: detail.prices.as_dict() for name, detail in details.items()},
            "sold_out": {name: _sold_out(detail) for name, detail in details.items() if detail.sold_out > 0},
        },
        "warnings": _warnings(found, market),
        "from_the_data": {
            "appeal_sd": market.appeal_sd,
            "traffic_sd": market.visitors.traffic_sd,
            "price_sensitivity": dict(zip(market.categories, market.tastes.price_sensitivity.tolist(), strict=True)),
        },
        "visitors_a_week": dict(zip(market.categories, market.visitors.of_category.tolist(), strict=True)),
        "visitors_counted_as": market.visitors.source,
        "units_at_20_percent_off_by_factor_on_visits": market.answers,
        "history": played.as_dict(),
        "unusable": market.unusable,
        "assumed": {
            "cost_share": assumed.cost_share,
            "salvage_share": assumed.salvage_share,
            "weeks": assumed.weeks,
            "sale_hours": assumed.sale_hours,
            "ticks": assumed.ticks,
            "visits": None if market.visitors.known else market.visitors.source,
            "stock": "of each product its mean weekly sales times `weeks`",
            "arrivals": "even over the sale",
            "customers": "silent; they differ by category only",
            "unit": "a customer buys one unit of one product of a category, or nothing",
        },
        "products": _products(market, scenario),
    }


def _sold_out(detail: Estimate) -> dict[str, float | None]:
    return {"share_of_weeks": detail.sold_out, "elasticity_if_ignored": detail.ignoring_stock}


def _warnings(found: Elasticities, market: Market) -> list[dict[str, str]]:
    """Of the categories in the scenario."""
    said = [
        {"category": name, "warning": warning}
        for name in market.categories
        if name in found.details
        for warning in found.details[name].warnings
    ]
    for name in market.categories:
        e = found.categories[name]
        if e.high >= 0:
            said.append({"category": name, "warning": f"the interval reaches {e.high:.2f}: demand may not fall at all"})
    return said


def _products(market: Market, scenario: Scenario) -> list[dict[str, Any]]:
    return [
        {
            "title": row.title,
            "category": row.category,
            "mean_price": row.mean_price,
            "weekly_units": row.weekly_units,
            "elasticity": float(elasticity),
            "price_levels": list(product.price_levels),
            "unit_cost": product.unit_cost,
            "initial_stock": product.initial_stock,
        }
        for row, product, elasticity in zip(
            market.products.itertuples(), scenario.products, market.elasticity, strict=True
        )
    ]

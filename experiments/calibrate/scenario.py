"""The scenario and the population of a calibrated market."""

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, Arrivals, Population, Product, Scenario, Shocks
from flashsale_env.experiments.calibrate.assumptions import Assumptions
from flashsale_env.experiments.calibrate.levels import significant
from flashsale_env.experiments.calibrate.market import Market


def build_scenario(name: str, market: Market, assumed: Assumptions) -> tuple[Scenario, Population]:
    """The scenario, and its customers: one voice without a message for each category."""
    products = tuple(
        Product(
            title=row.title,
            price_levels=row.levels,
            initial_stock=max(1, round(row.weekly_units * assumed.weeks)),
            unit_cost=significant(assumed.cost_share * row.mean_price),
            salvage_value=significant(assumed.salvage_share * assumed.cost_share * row.mean_price),
            reference_price=row.mean_price,
            quality=market.quality,
        )
        for row in market.products.itertuples()
    )
    tick_minutes = assumed.sale_hours * 60 / assumed.ticks
    shocks = Shocks(appeal_sd=market.appeal_sd, traffic_sd=market.traffic_sd)
    scenario = Scenario(
        name=name,
        description=(
            f"{len(products)} products of {', '.join(market.categories)}; "
            f"elasticities, prices and stock from the data of {name}"
        ),
        horizon_ticks=assumed.ticks,
        tick_minutes=tick_minutes,
        products=products,
        arrivals=Arrivals(float(market.visitors.sum()) * assumed.weeks / (assumed.sale_hours * 60)),
        shocks=shocks,
        # Four ticks average out Poisson noise and are short against the sale. Without shocks there is nothing to learn.
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
    """(V,) own-price elasticity of the purchases of each voice of a calibrated population, at reference prices.

    The mean over products, weighted by purchases and without shocks: -alpha · sum q(1 - q) / sum q, with the choice
    probabilities q.
    """
    quality = np.array([product.quality for product in scenario.products])
    sensitivity = population.price_sensitivity.astype(np.float64)
    odds = np.exp(population.relevance + quality - sensitivity[:, None])
    probability = odds / (1 + odds.sum(axis=1, keepdims=True))
    slope = probability * (1 - probability)
    return np.asarray(-sensitivity * slope.sum(axis=1) / probability.sum(axis=1))

"""Wider assortments: each product is split into several variants with comparable demand, stock and prices.

Owns    the map (scenario, population, copies, seed) -> scenario and population of the wider sale.
Axes    M products before, M·copies after; the variants of one product stand side by side.
Units   prices in the scenario's currency; utility in logits.

A policy for any number of products needs a test in which only that number changes. Each variant takes a fixed share of
its product's customers, the same for every voice. At list price, and before shocks, the variants together sell exactly
as often as the product did.

Three things do change. The shop does not observe the shares, so it stocks the variants evenly. Each variant has its own
appeal shock, so a product's total varies less from sale to sale. Counts are smaller, so the sales of one variant carry
less information.
"""

import dataclasses
from typing import Any

import numpy as np

from flashsale_env.catalogue import Product
from flashsale_env.market.stock import Replenishment
from flashsale_env.population import Population
from flashsale_env.scenario import Scenario

# Standard deviation of the log list price among variants: colours and sizes of one article differ by a few per cent.
_PRICE_SD = 0.03
# Models in which adding ln(share) to relevance gives a variant that share of its product's demand.
_MODELS = ("mnl", "nested", "mixed")
# Standard deviation of the log share of a variant: the best seller of four sells about twice as much as the last.
_APPEAL_SD = 0.3


def variants(
    scenario: Scenario, population: Population, copies: int, seed: int = 0
) -> tuple[Scenario, Population, dict[str, str]]:
    """The wider sale, its customers, and the product behind each variant.

    Prices, costs and penalties of a variant are those of its product times one factor, so relative margins stay.
    Opening stock, reserve and storage are divided without losing a unit. Order levels are divided and rounded. The
    fixed cost of an order is divided: ordering every variant of a product costs as much as ordering the product did.

    Args:
        scenario, population: the narrow sale; both have the same products.
        copies: variants of each product, at least 2.
        seed: of the random prices and shares.

    Returns:
        The scenario, named "NAME x COPIES"; its population, which must be passed along wherever the scenario is played;
        and title of a variant -> title of its product.

    Raises:
        ValueError: fewer than two copies; too few units of a product; a choice model that is not a logit, where
            relevance cannot set the share of a variant; or a population for other products.
    """
    if copies < 2:
        raise ValueError(f"copies must be at least 2, got {copies}.")
    if scenario.choice.model not in _MODELS:
        raise ValueError(
            f"variants need a logit, in which relevance sets the share of demand; scenario {scenario.name!r} has "
            f"choice.model {scenario.choice.model!r}. Take {', '.join(map(repr, _MODELS))}."
        )
    titles = scenario.titles
    if population.products != titles:
        raise ValueError(
            f"the population was built for {list(population.products)}, the scenario sells {list(titles)}."
        )
    rng = np.random.default_rng(seed)
    factors = np.exp(rng.normal(0.0, _PRICE_SD, (len(titles), copies)))
    shares = np.exp(rng.normal(0.0, _APPEAL_SD, (len(titles), copies)))
    shares /= shares.sum(axis=1, keepdims=True)

    products = [
        _variant(product, k, copies, float(factor))
        for product, row in zip(scenario.products, factors, strict=True)
        for k, factor in enumerate(row)
    ]
    parents = [title for title in titles for _ in range(copies)]
    wide = {product.title: parent for product, parent in zip(products, parents, strict=True)}
    # u + d·ln(share) splits exp(u / d) by the shares; d is the dissimilarity of the nest, 1 without nests.
    relevance = np.repeat(population.relevance, copies, axis=1) + scenario.choice.dissimilarity * np.log(shares.ravel())
    return (
        scenario.replace(
            name=f"{scenario.name} x {copies}",
            products=tuple(products),
            replenishment=_shared_order_cost(scenario.replenishment, copies),
        ),
        dataclasses.replace(
            population,
            products=tuple(wide),
            relevance=relevance.astype(np.float32),
            card={"kind": "variants", "copies": copies, "seed": seed, "of": population.card},
        ),
        wide,
    )


def _variant(product: Product, number: int, copies: int, factor: float) -> Product:
    """Variant `number` (from 0) of a product: money times `factor`, units divided by `copies`."""
    counts = ("initial_stock", "reserve", "storage")
    units: dict[str, Any] = {name: _part(getattr(product, name), number, copies) for name in counts}
    if not any(units.values()):
        raise ValueError(
            f"product {product.title!r} has too few units for {copies} variants: {product.initial_stock} on hand "
            f"and {product.reserve} in reserve. Take fewer copies."
        )
    # Every order level of a variant is at least one unit, as for the product. A variant without a share of the reserve
    # cannot be ordered.
    levels = {0, *(max(1, round(level / copies)) for level in product.order_levels[1:])}
    if product.reserve and not units["reserve"]:
        levels = {0}
    money = ("unit_cost", "salvage_value", "holding_cost", "lost_sale_penalty", "reference_price")
    return dataclasses.replace(
        product,
        title=f"{product.title}, variant {number + 1}",
        price_levels=tuple(price * factor for price in product.price_levels),
        order_levels=tuple(sorted(levels)),
        **units,
        **{name: getattr(product, name) * factor for name in money},
    )


def _part(units: int, number: int, copies: int) -> int:
    """The units of variant `number`; the remainder of the division goes to the first variants, one each."""
    return units // copies + (number < units % copies)


def _shared_order_cost(supply: Replenishment | None, copies: int) -> Replenishment | None:
    return None if supply is None else dataclasses.replace(supply, order_cost=supply.order_cost / copies)

"""A wider sale: every product becomes several variants of itself, at demand, stock and prices that stay comparable.

Owns    the map (scenario, population, copies, seed) -> scenario and population of the wider sale.
Axes    M products before, M·copies after; the variants of one product stand side by side.
Units   prices in the scenario's currency; utility in logits.

A policy that is meant for any number of products needs a sale in which only that number has changed. Of a product's
customers, each variant takes its own share, the same for every voice, and together they take what the product took:
at list price, and before any shock, a product of the narrow sale sells exactly as often as its variants do together.

What does change: the shop does not know the shares, so it stocks its variants evenly; every variant has its own shock
of appeal, so a product's total varies less from sale to sale; counts are smaller, so a variant's sales tell less.
"""

import dataclasses
from typing import Any

import numpy as np

from flashsale_env.catalogue import Product
from flashsale_env.market.stock import Replenishment
from flashsale_env.population import Population
from flashsale_env.scenario import Scenario

# List prices of a product's variants differ by this standard deviation: colours and sizes of one article do, by a few
# per cent.
_PRICE_SD = 0.03
# Models in which the logarithm of a share, added to relevance, divides a product's demand by that share.
_MODELS = ("mnl", "nested", "mixed")
# Standard deviation of the logarithm of a variant's share: the favourite of four sells about twice the last.
_APPEAL_SD = 0.3


def variants(
    scenario: Scenario, population: Population, copies: int, seed: int = 0
) -> tuple[Scenario, Population, dict[str, str]]:
    """The wider sale, its customers, and which product each variant is of.

    Prices, costs and penalties of a variant are its product's times one factor, so margins keep their shares. Opening
    stock, reserve and storage are divided without a unit lost, levels of orders are divided and rounded, and so is the
    fixed cost of an order: to order every variant of a product costs what it cost to order the product.

    Args:
        scenario, population: the sale before; they must know the same products.
        copies: variants of each product, at least 2.
        seed: of the prices and of the shares.

    Returns:
        The scenario, named "NAME x COPIES"; the population, which must be handed to whatever plays the scenario; and
        title of a variant -> title of its product.

    Raises:
        ValueError: fewer than two copies; a product has too few units for them; the choice model is no logit, so a
            share of a product's demand is not a matter of relevance; the population is for other products.
    """
    if copies < 2:
        raise ValueError(f"copies must be at least 2, got {copies}.")
    if scenario.choice.model not in _MODELS:
        raise ValueError(
            f"variants need a logit, in which a share of demand is a matter of relevance; scenario {scenario.name!r} "
            f"has choice.model {scenario.choice.model!r}. Take {', '.join(map(repr, _MODELS))}."
        )
    titles = tuple(product.title for product in scenario.products)
    if population.products != titles:
        raise ValueError(f"the population knows {list(population.products)}, the scenario sells {list(titles)}.")
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
    # Inside a nest, utilities add up after division by its dissimilarity; without nests that is 1.
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
    """Variant `number` (from 0) of a product, its money scaled and its units divided."""
    counts = ("initial_stock", "reserve", "storage")
    units: dict[str, Any] = {name: _part(getattr(product, name), number, copies) for name in counts}
    if not any(units.values()):
        raise ValueError(
            f"product {product.title!r} has too few units for {copies} variants: {product.initial_stock} at the "
            f"opening and {product.reserve} in reserve. Ask for fewer copies."
        )
    # An order of any variant brings a unit or more, as one of the product did; a variant without a share of the reserve
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
    """What variant `number` gets of the units; what cannot be divided goes to the first ones."""
    return units // copies + (number < units % copies)


def _shared_order_cost(supply: Replenishment | None, copies: int) -> Replenishment | None:
    return None if supply is None else dataclasses.replace(supply, order_cost=supply.order_cost / copies)

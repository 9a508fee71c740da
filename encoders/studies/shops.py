"""Synthetic shops whose price elasticity is known: what estimators are tried on.

Owns    the records of a shop with random prices, demand shocks, stock, costs and stores.
Leaves  estimation to `encoders.demand`, what is made of many shops to `coverage`.
Axes    products by stores, T weeks.

Demand of a product in a week is Poisson with mean exp(product + week + shock + elasticity · log price). A price is the
list price, or a promotion of 10 % or 25 %, times what cost and demand shock move it by.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from flashsale_env.encoders.records.transactions import check_transactions

_MARKDOWNS, _OFTEN = (1.0, 0.9, 0.75), (0.6, 0.2, 0.2)
_PRODUCT_SD, _WEEK_SD = 0.5, 0.2
_COST_SD = 0.15  # of log cost, which the price follows one to one where it is recorded


@dataclass(frozen=True)
class Shop:
    """A kind of shop.

    Args:
        elasticity: of demand.
        units: mean demand of a product (in a store) and week.
        products, stores, weeks: how many.
        demand_sd: standard deviation of a product's log demand in a week, beyond that of all.
        zeros: whether the records have rows of 0 units.
        stock: units on hand each week over mean demand; None for more than is ever sold.
        knows_stock: whether the records have the stock.
        follows: how far a price follows demand: log price moves by this times the demand shock.
        has_cost: whether cost moves the price and is recorded.
    """

    elasticity: float = -2.5
    units: float = 20.0
    products: int = 20
    stores: int = 1
    weeks: int = 52
    demand_sd: float = 0.2
    zeros: bool = False
    stock: float | None = None
    knows_stock: bool = True
    follows: float = 0.0
    has_cost: bool = False

    def records(self, seed: int) -> pd.DataFrame:
        """Its transactions of all weeks, as `records.transactions.read_transactions` gives them."""
        rng = np.random.default_rng(seed)
        shape = (self.products * self.stores, self.weeks)
        shock = rng.normal(0, self.demand_sd, shape)
        cost = rng.normal(0, _COST_SD, shape) if self.has_cost else np.zeros(shape)
        list_price = rng.uniform(2, 9, (shape[0], 1))
        price = list_price * rng.choice(_MARKDOWNS, shape, p=_OFTEN) * np.exp(self.follows * shock + cost)
        price = price.round(2)
        effects = rng.normal(0, _PRODUCT_SD, (shape[0], 1)) + rng.normal(0, _WEEK_SD, shape[1])
        mean = np.exp(effects + shock + self.elasticity * np.log(price / list_price))
        mean *= self.units / mean.mean()
        units = rng.poisson(mean).astype(np.float64)
        unit, week = np.indices(shape).reshape(2, -1)
        table = pd.DataFrame(
            {
                "product": [f"product {u // self.stores}" for u in unit],
                "week": week,
                "price": price.ravel(),
                "units": units.ravel(),
            }
        )
        if self.stores > 1:
            table["store"] = [f"store {u % self.stores}" for u in unit]
        if self.has_cost:
            table["cost"] = (list_price * 0.6 * np.exp(cost)).ravel()
        if self.stock is not None:
            stock = np.maximum(1, np.round(self.stock * mean.mean(axis=1, keepdims=True))) * np.ones(shape)
            table["units"] = np.minimum(units, stock).ravel()
            if self.knows_stock:
                table["stock"] = stock.ravel()
        if not self.zeros:
            table = table[table["units"] > 0]
        further = ("cost",) if self.has_cost else ()
        return check_transactions(table.reset_index(drop=True), source="synthetic shop", further=further)[0]

"""The posterior check: the scenario that was written, played at the prices of its history without a limit of supply.

Owns    playing the history, and its comparison with what was sold.
Axes    W periods (weeks, or visits of a log), M products.

The level of demand was fitted to the history by a formula. Here the simulator itself sells it again, so that what
agents will meet is what is compared: units, and how they answer prices.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import Population, Product, Scenario, Simulator
from flashsale_env.encoders.demand.count_regression import count_regression, slopes_by_group
from flashsale_env.encoders.demand.counts import Counts
from flashsale_env.encoders.demand.inversion import History

Floats = npt.NDArray[np.float64]

# A scenario whose units differ from those of its history by more than this share misses it.
MOST_MISS = 0.05
# Supply without a limit: more than any sale sells, and few enough for an observation.
_PLENTY = 1 << 22
# Customers and sales of a check: a few seconds.
_CUSTOMERS = 20_000_000
_SALES = 40_000
_REPEATS = 200
# Where the periods are single visits, so many customers see each of them.
_LEAST_CUSTOMERS = 4.0


@dataclass(frozen=True, eq=False)
class Replay:
    """Units of the history and of the simulator, (M,) each.

    Args:
        titles: of the products.
        history: units wanted, sold out weeks included.
        simulated: expected units at the same prices.
        simulated_error: standard error of these.
        response: the elasticity that was estimated.
        simulated_response: slope of log units on log price in the simulator, NaN where the price did not vary.
    """

    titles: tuple[str, ...]
    history: Floats
    simulated: Floats
    simulated_error: Floats
    response: Floats
    simulated_response: Floats

    @property
    def misses(self) -> dict[str, float]:
        """Product, or "all products" -> simulated units over those of the history, where they are more than 5 % off.

        A difference within two standard errors of the simulation is none.
        """
        found = {}
        for name, history, simulated, error in self._rows():
            off = abs(simulated / history - 1)
            if off > MOST_MISS and off > 2 * error / history:
                found[name] = simulated / history
        return found

    def _rows(self) -> list[tuple[str, float, float, float]]:
        """(name, history, simulated, standard error) of each product, and of all where there are several."""
        rows = list(
            zip(
                self.titles,
                self.history.tolist(),
                self.simulated.tolist(),
                self.simulated_error.tolist(),
                strict=True,
            )
        )
        if len(rows) > 1:
            error = math.sqrt(float((self.simulated_error**2).sum()))
            rows.append(("all products", float(self.history.sum()), float(self.simulated.sum()), error))
        return rows

    def as_dict(self) -> dict[str, Any]:
        """As a table for a card."""
        weight = self.history
        shown = np.isfinite(self.simulated_response)
        mean = [
            float(np.average(values[shown], weights=weight[shown])) if shown.any() else math.nan
            for values in (self.response, self.simulated_response)
        ]
        answers = [*zip(self.response.tolist(), self.simulated_response.tolist(), strict=True), tuple(mean)]
        return {
            "rows": [
                {
                    "product": name,
                    "history": history,
                    "simulated": simulated,
                    "ratio": simulated / history,
                    "ratio_standard_error": error / history,
                    "elasticity": answer[0],
                    "simulated_elasticity": answer[1] if math.isfinite(answer[1]) else None,
                }
                for (name, history, simulated, error), answer in zip(self._rows(), answers, strict=False)
            ],
            "misses": self.misses,
        }


def replay(
    scenario: Scenario,
    population: Population,
    history: History,
    visitors: Floats,
    elasticity: Floats,
    *,
    sales: int = _SALES,
) -> Replay:
    """Play the scenario at the prices of its history, a sale for each period, several times over.

    Args:
        scenario, population: as they are written.
        history: W periods.
        visitors: (C,) of a period of the history, in the order of the population's voices.
        elasticity: (M,) that was estimated.
        sales: most sales to play.
    """
    periods, products = history.price.shape
    each = max(float(visitors.sum()), _LEAST_CUSTOMERS)
    repeats = int(np.clip(min(_CUSTOMERS / (each * periods), sales / periods), 2, _REPEATS))
    levels = [np.unique(history.price[:, j])[::-1] for j in range(products)]
    action = np.stack([np.searchsorted(-levels[j], -history.price[:, j]) for j in range(products)], axis=1)
    unlimited = tuple(
        Product(
            title=product.title,
            price_levels=tuple(float(price) for price in ladder),
            initial_stock=_PLENTY,
            reference_price=product.reference_price,
            quality=product.quality,
        )
        for product, ladder in zip(scenario.products, levels, strict=True)
    )
    played = scenario.replace(
        products=unlimited,
        horizon_ticks=1,
        memory_minutes=Scenario.memory_minutes,
        arrivals=dataclasses.replace(scenario.arrivals, customers_per_minute=each / scenario.sale_minutes),
    )
    sold = _play(played, population, action, history.on_sale, repeats)  # (repeats, W, M)
    sold *= float(visitors.sum()) / each
    totals = sold.sum(axis=1)
    mean = sold.mean(axis=0)
    return Replay(
        tuple(product.title for product in scenario.products),
        history.demand.sum(axis=0),
        totals.mean(axis=0),
        totals.std(axis=0, ddof=1) / math.sqrt(repeats),
        elasticity,
        _responses(history, mean),
    )


def _play(
    scenario: Scenario,
    population: Population,
    action: npt.NDArray[np.int64],
    on_sale: npt.NDArray[np.bool_],
    repeats: int,
) -> Floats:
    """(repeats, W, M) units sold."""
    periods, products = action.shape
    simulator = Simulator(scenario, population, sales=periods * repeats, actions="multidiscrete")
    count = len(simulator)
    simulator.open(np.arange(count, dtype=np.uint64), np.zeros(count, np.int64))
    # What was not on sale has no stock: customers choose among the rest.
    simulator.sales["on_hand"] = np.where(np.tile(on_sale, (repeats, 1)), simulator.sales["on_hand"], 0)
    columns = simulator.codec.columns("price")
    chosen = np.zeros((count, len(simulator.codec.n_levels)), np.int64)
    chosen[:, columns] = np.tile(action, (repeats, 1))[:, simulator.codec.numbers_of(columns)]
    simulator.advance(chosen)
    return np.asarray(simulator.sales["sold"], np.float64).reshape(repeats, periods, products)


def _responses(history: History, units: Floats) -> Floats:
    """(M,) slope of log units on log price, by Poisson regression with product effects; NaN without price variation."""
    on_sale = history.on_sale
    product = np.broadcast_to(np.arange(units.shape[1]), units.shape)[on_sale]
    price, sold = np.log(history.price[on_sale]), units[on_sale]
    centred = price - (np.bincount(product, price) / np.bincount(product))[product]
    varies = np.bincount(product, np.abs(centred)) > 1e-6 * np.bincount(product)
    found = np.full(units.shape[1], np.nan)
    if not varies.any():
        return found
    use = varies[product]
    codes = np.unique(product[use], return_inverse=True)[1]
    counts = Counts(sold[use], np.zeros(int(use.sum()), bool))
    fit = count_regression(counts, price[use][:, None], codes, None)
    found[varies] = slopes_by_group(counts, fit, price[use], np.zeros((len(codes), 0)), codes).values
    return found

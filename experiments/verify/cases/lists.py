"""Lists: products in an order, read from the top.

Owns    the scenario and its closed forms.
Units   prices in units of the mean willingness to pay, which is exponential.
"""

import math

import numpy as np

from flashsale_env import Arrivals, Basket, Choice, Product, Ranking, Scenario, Simulator, Slate
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Measurement, described, ratio_of
from flashsale_env.experiments.verify.simulating import MINUTES, RUN, ample
from flashsale_env.intents import ByIntent

# The rankings of the case, in the order of the levels of `display`.
_BEST, _WORST = range(2)


@validation_case(
    "slate",
    "computed, examination hypothesis; after Richardson, Dominowska & Ragno (2007), WWW",
    "place k of a list is examined by a given share of the customers, and who examines a product wants it or not",
    wanted=(0.5, 0.3, 0.2),
    examined=(1.0, 1 / 2, 1 / 3),
    customers=20.0,
)
def slate(sales: int, wanted: tuple[float, ...], examined: tuple[float, ...], customers: float) -> list[Measurement]:
    if len(wanted) != len(examined) or not 2 <= len(wanted) <= 8:
        raise ValueError(
            f"slate: wanted and examined must have the same number of shares, 2 to 8, got {len(wanted)} and "
            f"{len(examined)}."
        )
    if not all(0 < share < 1 for share in wanted):
        raise ValueError(f"slate: wanted must be shares above 0 and below 1, got {list(wanted)}.")
    scenario = list_scenario(wanted, examined, customers)
    label = described(wanted=wanted, examined=examined)
    found = []
    for name, ranking in (("best", _BEST), ("worst", _WORST)):
        order = np.argsort(np.array(wanted) * (-1.0 if ranking == _BEST else 1.0), kind="stable")
        shares = np.array(wanted)[order]
        units, _, came = _play(scenario, ranking, sales)
        expected = float(shares @ examined)
        found.append(ratio_of(f"units of a customer, {name} order, {label}", expected, units, came, reach=len(wanted)))
        # One unit a customer: somebody who reads k places buys unless none of the k products is wanted.
        stops = -np.diff([*examined, 0.0])
        buys = float(stops @ (1.0 - np.cumprod(1.0 - shares)))
        _, bought, came = _play(scenario.replace(basket=None), ranking, sales)
        found.append(ratio_of(f"share who buy, {name} order, {label}", buys, bought, came, reach=1.0))
    return found


def list_scenario(wanted: tuple[float, ...], examined: tuple[float, ...], customers: float) -> Scenario:
    """One tick; who examines product j wants it with probability wanted[j], and takes one of each that is wanted."""
    stock = ample(customers)
    return Scenario(
        name="verification",
        horizon_ticks=1,
        tick_minutes=MINUTES,
        # P(willingness to pay > p) = exp(-p)
        products=tuple(
            Product(f"product {j + 1}", (-math.log(a),), stock, reference_price=1.0) for j, a in enumerate(wanted)
        ),
        arrivals=Arrivals(customers / MINUTES),
        choice=Choice("exponential"),
        basket=Basket(len(wanted), ByIntent.read(0.0, "satiation"), purchase_limit=1),
        slate=Slate(
            examined,
            (
                Ranking("best", tuple(ByIntent.read(a, "scores") for a in wanted)),
                Ranking("worst", tuple(ByIntent.read(-a, "scores") for a in wanted)),
            ),
        ),
    )


def _play(scenario: Scenario, ranking: int, sales: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(S,) units sold, customers who bought at all, and all customers."""
    simulator = Simulator(scenario, sales=sales, actions="multidiscrete")
    simulator.open(split_seeds("validation", RUN, sales), np.zeros(sales, np.int64))
    action = np.zeros((sales, len(simulator.codec.names)), np.int64)
    action[:, simulator.codec.columns("display")] = ranking
    simulator.advance(action)
    played = simulator.sales
    sold = played["sold"].sum(axis=1).astype(float)
    bought = played["basket"]["filled"].astype(float) if scenario.basket is not None else sold
    return sold, bought, played["customers"].astype(float)

"""The published facts, and how each of them is measured.

Owns    the list of statistics; a new one is a decorated function here.
Units   shares, not per cent; an elasticity is a ratio of relative changes.

A range is accepted around each figure, since published figures are of other shops, days and definitions.
"""

import dataclasses
import itertools
import math

import numpy as np

from flashsale_env import Arrivals
from flashsale_env.experiments.realism.playing import Market
from flashsale_env.experiments.realism.statistic import Statistic, statistic

# Step of the price for its elasticity: small enough for a derivative, large enough that customers change their minds.
_PRICE_STEP = 0.05
_LATENCY_MINUTES = 0.1 / 60.0

# Share of the day -> share of its sales, of Tmall on 11 November (Xinhua).
_MILESTONES = (
    ("2019", 0.0011, 0.037),
    ("2019", 0.044, 0.373),
    ("2019", 0.598, 0.745),
    ("2013", 0.026, 0.143),
    ("2013", 0.242, 0.286),
    ("2013", 0.73, 0.714),
)
# The bursts fitted to those days: share and scale of the horizon, with and without the rush before the close.
_BURSTS = tuple(itertools.product((0.11, 0.51), (0.01, 0.035), (0.0, 0.08)))


def _milestone(year: str, elapsed: float, share: float) -> Statistic:
    """Share of the sales that are made in the first part of a sale."""
    fitted = [
        float(Arrivals(1.0, burst, scale, late, 0.05).cumulative_share(elapsed)) for burst, scale, late in _BURSTS
    ]

    def measure(market: Market) -> float:
        sold = np.append(0.0, market.played.sold.sum(axis=(0, 2)).cumsum())
        ticks = np.linspace(0.0, 1.0, len(sold))
        return _share(float(np.interp(elapsed, ticks, sold)), float(sold[-1]))  # the rate within a tick is even

    return Statistic(
        f"sales in the first {100 * elapsed:g} % of the time",
        f"{100 * share:.1f} %",
        f"Tmall, 11 November {year}, Xinhua; range of the fitted bursts",
        (min(*fitted, share), max(*fitted, share)),
        (),
        lambda scenario: scenario.arrivals.burst_share > 0,
        measure,
    )


@statistic(
    "own-price elasticity of demand",
    "-2.62",
    "Bijmolt, van Heerde & Pieters (2005), mean of 1,851 estimates",
    (-4.0, -1.0),
    in_percent=False,
)
def price_elasticity(market: Market) -> float:
    """Mean over products, each price 5 % up and down for the same customers; of first choices, so stock is no limit."""
    products = market.scenario.products
    found = []
    for j, product in enumerate(products):
        demand = []
        for factor in (1 + _PRICE_STEP, 1 - _PRICE_STEP):
            levels = tuple(price * factor for price in product.price_levels)
            other = dataclasses.replace(product, price_levels=levels)
            scenario = market.scenario.replace(products=(*products[:j], other, *products[j + 1 :]))
            demand.append(market.replayed(scenario).demand[:, :, j].sum())
        if min(demand) > 0:
            found.append(np.log(demand[0] / demand[1]) / np.log((1 + _PRICE_STEP) / (1 - _PRICE_STEP)))
    return float(np.mean(found)) if found else math.nan


@statistic("purchases per view", "2.25 %", "Taobao UserBehavior, counts", (0.011, 0.045))
def buy_per_view(market: Market) -> float:
    """Units sold per visit."""
    return _share(_to_customers(market), _views(market))


@statistic(
    "units put in carts per view",
    "6.16 %",
    "Taobao UserBehavior, counts",
    (0.031, 0.123),
    needs=("carts",),
)
def cart_per_view(market: Market) -> float:
    """Units put in carts per visit."""
    return _share(market.played.total("carted"), _views(market))


@statistic(
    "purchases per unit in a cart",
    "36.5 %",
    "Taobao UserBehavior, counts",
    (0.25, 0.5),
    needs=("carts",),
)
def buy_per_cart(market: Market) -> float:
    """Units sold of those put in carts."""
    return _share(_to_customers(market), market.played.total("carted"))


@statistic("cart abandonment", "70 %", "Baymard, mean of studies", (0.6, 0.8), needs=("carts",))
def abandonment(market: Market) -> float:
    """Units of carts that came back."""
    return _share(float(market.played.sales["carts"]["lapsed"].sum()), market.played.total("carted"))


@statistic("return rate", "17.6 %", "NRF (2023), online", (0.12, 0.23), needs=("returns",))
def return_rate(market: Market) -> float:
    """Units that came back over units sold."""
    return _share(float(market.played.sales["returns"]["returned"].sum()), _to_customers(market))


@statistic("bots, share of requests", "32-59 %", "Imperva, retail", (0.32, 0.59), needs=("bots",))
def bot_requests(market: Market) -> float:
    """Bots over all requests: customers, those who come back, and bots."""
    requests = market.played.customers.sum() + market.played.total("return_visits")
    bots = market.played.customers.sum() - market.played.total("customers")
    return _share(float(bots), float(requests))


@statistic(
    "conversion lost by 100 ms of waiting",
    "2.4 % desktop, 7.1 % phone",
    "Akamai (2017)",
    (0.024, 0.071),
    needs=("service",),
    models=lambda scenario: scenario.service is not None and any(scenario.service.latency_logits),
)
def latency(market: Market) -> float:
    """All customers 100 ms slower: their utility of every product is lower by the latency of their intent."""
    scenario, population = market.scenario, market.population
    assert scenario.service is not None
    lost = np.array(scenario.service.latency_logits)[population.latent_class] * _LATENCY_MINUTES
    if scenario.choice.has_utilities:
        slower = dataclasses.replace(population, relevance=(population.relevance - lost[:, None]).astype(np.float32))
    else:  # a mood is part of the logarithm of willingness to pay
        sensitivity = population.price_sensitivity * np.exp(lost)
        slower = dataclasses.replace(population, price_sensitivity=sensitivity.astype(np.float32))
    return 1.0 - _share(float(market.replayed(population=slower).demand.sum()), float(market.played.demand.sum()))


@statistic(
    "elasticity of traffic to past purchases",
    "0.216",
    "Cui, Zhang & Bassamboo (2019): 10 % more claims, 2.08 % more added to carts in the next hour",
    (0.1, 0.35),
    needs=("contagion",),
    in_percent=False,
)
def contagion(market: Market) -> float:
    """Share of traffic that earlier purchases attracted: what they attract is in proportion to them."""
    scenario, played = market.scenario, market.played
    assert scenario.contagion is not None
    lifted = scenario.contagion.claimed_lift * played.claimed
    of_own_accord = played.customers - played.friends
    attracted = played.friends + of_own_accord * lifted / (1.0 + lifted)
    return _share(float(attracted.sum()), float(played.customers.sum()))


@statistic(
    "customers who wait strategically",
    "5-19 %",
    "Li, Granados & Netessine (2014)",
    (0.05, 0.19),
    needs=("waiting",),
    models=lambda scenario: scenario.waiting is not None and any(scenario.waiting.strategic),
)
def strategic(market: Market) -> float:
    """Mean over those who came of the probability that their intent is strategic."""
    assert market.scenario.waiting is not None
    share = np.array(market.scenario.waiting.strategic)
    return float(share[market.population.latent_class[market.voices]].mean())


@statistic(
    "what a stock-out leads to",
    "elsewhere 31, other brand 26, same brand 19, delay 15, none 9 (%)",
    "Corsten & Gruen (2003)",
    None,
    # First choices are compared with sales: further units of a basket count in both, units in carts are sold later.
    models=lambda scenario: scenario.basket is None and scenario.carts is None,
)
def stock_outs(market: Market) -> str:
    """Of first choices out of stock, the least that was sold of another product in the same tick, and what was lost."""
    played = market.played
    lost = played.total("lost_sales")
    instead = float(np.maximum(played.sold - played.demand, 0.0).sum())
    if lost + instead == 0:
        return "no product was out of stock"
    return f"another product {instead / (lost + instead):.0%}, bought nothing {lost / (lost + instead):.0%}"


def _views(market: Market) -> float:
    """Views of the sale's page: the source counts pages of single products, of which a visit sees one at least."""
    return market.played.visits


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _to_customers(market: Market) -> float:
    """Units sold, those that bots took left out."""
    return market.played.total("units_sold") - market.played.total("bot_units")


STATISTICS: tuple[Statistic, ...] = (
    *(_milestone(*milestone) for milestone in _MILESTONES),
    *(price_elasticity, buy_per_view, cart_per_view, buy_per_cart, abandonment, return_rate),
    *(bot_requests, latency, contagion, strategic, stock_outs),
)

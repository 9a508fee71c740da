"""Random markets for agents: any scenario, textbook scenarios, which are rare among random ones, and all mechanisms."""

import dataclasses
import functools

import numpy as np
from hypothesis import strategies as st

import flashsale_env as fs
from flashsale_env.scenario import FEATURES
from tests.core.strategies import PRODUCTS, SALES, markets


@st.composite
def textbook_markets(draw):
    """Homogeneous customers and one kind of decision: prices, or the orders of one product."""
    orders = draw(st.booleans())
    titles = ["product 0"] if orders else [f"product {j}" for j in range(draw(st.sampled_from(PRODUCTS)))]
    ticks = draw(st.integers(1, 6))
    lead = draw(st.sampled_from([lead for lead in (0, 3) if lead < ticks])) if orders else 0
    model = draw(st.sampled_from(("mnl", "exponential")))
    ladder = (4.0, 3.0, 2.5, 1.0)[: 1 if orders else draw(st.integers(2, 4))]
    phases = draw(st.sampled_from(((1.0,), (1.0, 0.5)))) if ticks > 1 and not orders else (1.0,)
    scenario = fs.Scenario(
        name="any",
        horizon_ticks=ticks,
        tick_minutes=2.0,
        products=tuple(
            fs.Product(
                title,
                ladder,
                draw(st.integers(0, 6)) if orders else draw(st.integers(1, 6)),
                unit_cost=1.0,
                salvage_value=0.0 if orders else draw(st.sampled_from((0.0, 0.5))),
                holding_cost=draw(st.sampled_from((0.0, 3.0))) if orders else 0.0,
                order_levels=(0, 1, 2, 4) if orders else (0,),
                storage=12 if orders else 0,
                reference_price=draw(st.sampled_from((1.0, 2.0))),
                quality=1.0 if model == "mnl" else 0.0,
            )
            for title in titles
        ),
        arrivals=fs.Arrivals(draw(st.floats(0.1, 3.0)), burst_share=0.0 if orders or ticks == 1 else 0.3),
        choice=fs.Choice(model, drift=phases),
        pricing=fs.Pricing(not orders and draw(st.booleans())),
        replenishment=fs.Replenishment(2.0 * lead, unlimited=True) if orders else None,
        observe=("time_left", "on_hand", *(("pipeline",) if lead else ())),
    )
    seed = draw(st.integers(0, 2**64 - 1))
    seeds = np.uint64(seed) ^ np.arange(SALES, dtype=np.uint64)
    return scenario, fs.Population.homogeneous(titles), seeds, np.random.default_rng(seed)


@st.composite
def glimpses(draw):
    """A random market with only some features shown."""
    scenario, population, seeds, rng = draw(markets())
    shown = draw(st.sets(st.sampled_from([name for name in FEATURES if name in scenario.features]), min_size=1))
    return scenario.replace(observe=tuple(name for name in FEATURES if name in shown)), population, seeds, rng


def any_market():
    """One of all these."""
    return st.one_of(markets(), textbook_markets(), glimpses())


@functools.cache
def market_of_all_mechanisms(seed, most_customers=30.0):
    """A generated scenario among its own customers, so few that a sale without the compiler takes a moment."""
    scenario = fs.generate(seed, "validation")
    arrivals = scenario.arrivals
    fewer = min(1.0, most_customers / (arrivals.customers_per_minute * scenario.sale_minutes))
    arrivals = dataclasses.replace(arrivals, customers_per_minute=fewer * arrivals.customers_per_minute)
    titles = [product.title for product in scenario.products]
    population = fs.load_population(scenario.population, titles)
    return scenario.replace(arrivals=arrivals), population, np.arange(2, dtype=np.uint64), None


def with_storage(scenario, spare):
    """The scenario with storage for all units and `spare` more; None where orders fill the storage."""
    if scenario.replenishment is not None and scenario.replenishment.unlimited:
        return None
    room = [units + spare for units in scenario.stock_scale.tolist()]
    products = [dataclasses.replace(p, storage=s) for p, s in zip(scenario.products, room, strict=True)]
    return scenario.replace(products=tuple(products))

"""Small sales with baskets, for the tests of them."""

import numpy as np

import flashsale_env as fs

SALES = 12


def shop(prices=(3.0, 2.0), quality=(2.0, 1.0), stock=40, customers=12.0, ticks=3, model="mnl", **parts):
    """A small sale of products a, b, ... with the levels "list price" and "half of it"."""
    return fs.Scenario(
        name="shop",
        horizon_ticks=ticks,
        tick_minutes=1.0,
        products=tuple(
            fs.Product(
                chr(ord("a") + j),
                (price, price / 2),
                stock,
                unit_cost=0.5,
                salvage_value=0.2,
                quality=quality[j] if model != "exponential" else 0.0,
                reference_price=1.0,
            )
            for j, price in enumerate(prices)
        ),
        arrivals=fs.Arrivals(customers / ticks),
        choice=fs.Choice(model),
        **parts,
    )


def play(scenario, levels=None, sales=SALES, log_rows=0, population=None, seed=0):
    """All sales to the close with constant levels; returns the simulator and (ticks, sales) rewards."""
    simulator = fs.Simulator(scenario, population, sales=sales, actions="multidiscrete", log_rows=log_rows, threads=1)
    simulator.open(np.arange(seed, seed + sales, dtype=np.uint64), np.zeros(sales, np.int64))
    action = np.zeros((sales, len(simulator.codec.names)), np.int64)
    for name, level in (levels or {}).items():
        action[:, simulator.codec.columns(name)] = level
    rewards = []
    while not simulator.closed.all():
        rewards.append(simulator.advance(action)[1])
    return simulator, np.array(rewards)


def metrics(simulator):
    return dict(zip(fs.METRICS, simulator.measure().T, strict=True))


def everything(**changes):
    """Three products with every reduction at once."""
    return shop(
        (4.0, 3.0, 1.0),
        (2.0, 2.0, 1.0),
        **{
            "stock": 12,
            "customers": 24.0,
            "basket": fs.Basket(4, 0.8, 0.3, 3),
            "coupon": fs.Coupon((0.0, 0.3), 6.0, traffic_lift=0.4),
            "targeted": fs.Targeted((0.0, 0.2)),
            "messages": fs.Messages(1.0),
            "deal": fs.Deal((0.0, 1.0, 1.8), per=4.0, times=2),
            "bundles": fs.Bundles((0.0, 0.15), (("a", "b"),)),
            "delivery": fs.Delivery(0.7, (0.0, 3.0, 6.0), 0.4),
            **changes,
        },
    )

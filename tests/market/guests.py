"""Small sales with guests, played with fixed levels."""

import numpy as np

import flashsale_env as fs

TICKS = 8


def market(**changes):
    """Two products, one of them scarce, a coupon, offers and messages."""
    products = (
        fs.Product("kettle", (10.0, 8.0, 6.0, 4.0), 12, quality=1.0, lost_sale_penalty=1.0),
        fs.Product("lamp", (20.0, 15.0, 11.0), 40, unit_cost=3.0, quality=1.5),
    )
    fields = {
        "name": "guests",
        "horizon_ticks": TICKS,
        "tick_minutes": 2.0,
        "products": products,
        "arrivals": fs.Arrivals(5.0),
        "coupon": fs.Coupon((0.0, 0.2), 100.0, traffic_lift=0.2),
        "targeted": fs.Targeted((0.0, 0.1)),
        "messages": fs.Messages(0.5),
        **changes,
    }
    return fs.Scenario(**fields)


def ticket(stock=1000, prices=(1.0, 0.5), **changes):
    """One product and exponential willingness to pay of mean 1."""
    fields = {
        "name": "ticket",
        "horizon_ticks": TICKS,
        "tick_minutes": 1.0,
        "products": (fs.Product("ticket", prices, stock, reference_price=1.0),),
        "arrivals": fs.Arrivals(5.0),
        "choice": fs.Choice("exponential"),
        **changes,
    }
    return fs.Scenario(**fields)


def customers(titles, voices=12, seed=0):
    """Voices of all intents that differ in every taste."""
    rng = np.random.default_rng(seed)
    return fs.Population(
        products=titles,
        utterances=("",) * voices,
        languages=("en",) * voices,
        intent_probabilities=rng.dirichlet(np.ones(len(fs.INTENTS)), voices),
        latent_class=np.arange(voices) % len(fs.INTENTS),
        relevance=np.zeros((voices, len(titles))),
        price_sensitivity=rng.uniform(0.5, 3.0, voices),
        coupon_affinity=rng.uniform(0.3, 1.0, voices),
        weight=rng.uniform(0.5, 2.0, voices),
    )


def random_levels(simulator, tick):
    """Any levels, the same for every simulator with the same decisions."""
    high = simulator.codec.space.nvec
    return np.random.default_rng(tick).integers(0, high, (len(simulator.sales), len(high)))


def constant(level):
    """The same level of every price, level 0 of all else."""

    def levels(simulator, tick):
        wanted = np.zeros((len(simulator.sales), len(simulator.codec.names)), np.int64)
        wanted[:, simulator.codec.columns("price")] = level
        return wanted

    return levels


def play(scenario, levels, sales=4, log_rows=0, population=None, each=None):
    """(simulator, rewards (T, N)) of sales 0, 1, ...; `each(simulator, observations, tick)` is called after a tick."""
    simulator = fs.Simulator(scenario, population, sales=sales, actions="multidiscrete", log_rows=log_rows, threads=1)
    simulator.open(np.arange(sales, dtype=np.uint64), np.zeros(sales, np.int64))
    rewards = []
    for tick in range(scenario.horizon_ticks):
        observations, reward, _ = simulator.advance(levels(simulator, tick))
        rewards.append(reward)
        if each is not None:
            each(simulator, observations, tick)
    return simulator, np.array(rewards)


def metric(simulator, name):
    """(N,) a metric by name."""
    return simulator.measure()[:, list(fs.METRICS).index(name)]


def assert_the_same_sale(one, other):
    """Every field that both have, and the choice log, to the bit; `other` may have further mechanisms."""
    (first, rewards), (second, others) = one, other
    for name in first.sales.dtype.names:
        np.testing.assert_array_equal(first.sales[name], second.sales[name], err_msg=name)
    np.testing.assert_array_equal(rewards, others)
    np.testing.assert_array_equal(first.choice_log(), second.choice_log())

"""The shipped scenario `duopoly`: its optimum, and what it is worth to know how the rival sets its price.

python -m tests.market.test_duopoly_margin     # the figures in the header of the scenario; seconds
"""

import numpy as np

import flashsale_env as fs
from flashsale_env.agents import split_seeds
from flashsale_env.experiments.intervals import paired_difference
from flashsale_env.theory.duopoly import Duopoly

PROFIT = list(fs.METRICS).index("profit")
SCENARIO = fs.load_scenario("duopoly")
MARKET = Duopoly(2.0, 1.0, 1.0)
PRICES = np.array(SCENARIO.products[0].price_levels)


def optimum():
    """(expected profit, the price of each tick)."""
    return MARKET.against_undercut(PRICES, SCENARIO.rivals.sellers[0].share, SCENARIO.customers_per_tick)


def played(sales, level_of):
    """(N,) profit in test sales; `level_of(tick, observations)` gives the price level of each sale."""
    simulator = fs.Simulator(SCENARIO, sales=sales, actions="multidiscrete")
    seen = simulator.open(split_seeds("test", 0, sales), np.zeros(sales, np.int64))
    for tick in range(SCENARIO.horizon_ticks):
        seen, _, _ = simulator.advance(np.broadcast_to(level_of(tick, seen), (sales, 1)))
    return simulator.measure()[:, PROFIT]


def answer(tick, observations):
    """The best answer to the rival's price of the last tick, as if it stayed."""
    rival = observations[:, fs.Layout(SCENARIO)["price"].stop - 1] * SCENARIO.products[1].list_price
    return MARKET.profit(PRICES, rival[:, None]).argmax(axis=1)[:, None]


def test_the_optimum_earns_what_the_recursion_says_and_more_than_answering_the_rival():
    """Within 4.5 standard errors of it; the margin is 25 standard errors with 2,000 sales."""
    value, prices = optimum()
    best = played(2000, lambda tick, _: PRICES.tolist().index(prices[tick]))
    assert abs(best.mean() - value) < 4.5 * best.std() / len(best) ** 0.5
    assert paired_difference(best, played(2000, answer)).low > 4.0


def main() -> None:
    """Compare on test sales."""
    value, prices = optimum()
    print(f"optimum {value:.3f}: {prices}")
    best = played(10_000, lambda tick, _: PRICES.tolist().index(prices[tick]))
    constant = max((played(10_000, lambda tick, _, k=k: k).mean(), PRICES[k]) for k in range(len(PRICES)))
    print(f"played {best.mean():.2f}; the best constant price, {constant[1]}: {constant[0]:.2f}")
    print("over the answer to the rival's last price", paired_difference(best, played(10_000, answer)), best.mean())


if __name__ == "__main__":
    main()

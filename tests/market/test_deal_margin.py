"""The shipped scenario `deal`: what the deal is worth, on fresh sales, and that reading the messages helps.

python -m tests.market.test_deal_margin     # the figures in the header of the scenario; one minute
"""

import itertools

import numpy as np

import flashsale_env as fs
from flashsale_env.agents import split_seeds
from flashsale_env.experiments.intervals import paired_difference

PROFIT = list(fs.METRICS).index("profit")
# Levels of price and deal: the best of all on validation sales.
BEST, WITHOUT_DEAL = (6, 5), (8, 0)
# The same for each quarter of the sales, by what the messages before the start say of these intents.
BULKY = ("bulk", "bargain_hunting", "comparison")
BY_QUARTER = ((5, 4), (5, 5), (6, 5), (10, 1))


class Sales:
    """Sales of the scenario, the same for all schedules."""

    def __init__(self, split, number):
        self.seeds = split_seeds(split, 0, number)
        self.simulator = fs.Simulator("deal", sales=number, actions="multidiscrete")
        first = self.open()
        start = self.simulator.layout["intent_mean"].start
        self.bulky = first[:, [start + fs.INTENTS.index(name) for name in BULKY]].sum(axis=1)

    def open(self):
        return self.simulator.open(self.seeds, np.zeros(len(self.seeds), np.int64))

    def profit(self, levels):
        """(N,) profit of constant levels of (price, deal)."""
        self.open()
        while not self.simulator.closed.all():
            self.simulator.advance(np.tile(levels, (len(self.seeds), 1)))
        return self.simulator.measure()[:, PROFIT]


def test_the_deal_pays_and_messages_say_how_much_of_it():
    """The differences are 30 and 12 standard errors with 2,000 sales."""
    sales = Sales("test", 2000)
    with_deal = sales.profit(BEST)
    assert paired_difference(with_deal, sales.profit(WITHOUT_DEAL)).low > 300
    part = np.digitize(sales.bulky, np.quantile(sales.bulky, [0.25, 0.5, 0.75]))
    informed = np.choose(part, [sales.profit(levels) for levels in BY_QUARTER])
    assert paired_difference(informed, with_deal).low > 0


def main() -> None:
    """Tune on validation sales and compare on test sales."""
    tuning, test = Sales("validation", 2000), Sales("test", 10_000)
    edges = np.quantile(tuning.bulky, [0.25, 0.5, 0.75])
    part, fresh = np.digitize(tuning.bulky, edges), np.digitize(test.bulky, edges)
    tuned = {
        levels: tuning.profit(levels) for levels in itertools.product(*map(range, tuning.simulator.codec.n_levels))
    }

    def best(which, rows=slice(None)):
        return max((s for s in tuned if which(s)), key=lambda s: tuned[s][rows].mean())

    overall, plain = best(lambda s: True), best(lambda s: s[1] == 0)
    by_quarter = [best(lambda s: True, part == q) for q in range(4)]
    with_deal, without = test.profit(overall), test.profit(plain)
    informed = np.choose(fresh, [test.profit(levels) for levels in by_quarter])
    print(f"{overall}: {with_deal.mean():.1f}; {plain}: {without.mean():.1f}; {by_quarter}: {informed.mean():.1f}")
    print(f"deal {paired_difference(with_deal, without)}, messages {paired_difference(informed, with_deal)}")


if __name__ == "__main__":
    main()

"""The shipped scenario `seckill`: what quota and screening are worth, on fresh sales, and that knowing the mix helps.

python -m tests.market.test_seckill_margin     # the figures in the header of the scenario; one minute
"""

import itertools

import numpy as np

import flashsale_env as fs
from flashsale_env.agents import split_seeds
from flashsale_env.experiments.intervals import paired_difference

PROFIT = list(fs.METRICS).index("profit")
# Levels of price, quota and screening, the latter in the first tick of a slot: the best of all on validation sales.
BEST, WITHOUT_QUOTA = (1, 3, 2), (4, 0, 0)
# The same for each quarter of the sales, by their share of bulk.
BY_QUARTER = ((1, 3, 0), (0, 3, 1), (1, 3, 2), (6, 0, 0))


class Sales:
    """Sales of the scenario, the same for all schedules."""

    def __init__(self, split, number):
        self.scenario = fs.load_scenario("seckill")
        self.seeds = split_seeds(split, 0, number)
        self.simulator = fs.Simulator(self.scenario, sales=number, actions="multidiscrete")
        self.open()

    def open(self):
        self.simulator.open(self.seeds, np.zeros(len(self.seeds), np.int64))

    def bulk(self):
        """(N,) share of the intent `bulk` in the mix of each sale, which a shop does not see."""
        rules, mix = self.simulator.instance.rules, np.diff(self.simulator.sales["mix"], prepend=0.0, axis=1)
        return mix[:, rules["class_intent"][0].tolist().index(fs.INTENTS.index("bulk"))]

    def profit(self, schedule):
        """(N,) profit of constant levels of (price, quota, screening)."""
        price, quota, screening = schedule
        slots = self.scenario.seckill.slot_ticks(self.scenario)
        self.open()
        for t in range(self.scenario.horizon_ticks):
            action = [price, quota, screening * (t in slots)]
            self.simulator.advance(np.tile(action, (len(self.seeds), 1)))
        return self.simulator.measure()[:, PROFIT]


def quarters(bulk, edges):
    return np.digitize(bulk, edges)


def test_a_quota_pays_and_the_mix_says_how_much_of_it():
    """Each difference is about five standard errors with 2,000 sales; a false alarm has a probability below 1e-3."""
    sales = Sales("test", 2000)
    bulk = sales.bulk()
    with_quota, without = sales.profit(BEST), sales.profit(WITHOUT_QUOTA)
    assert paired_difference(with_quota, without).low > 0
    unscreened = sales.profit((*BEST[:2], 0))
    assert paired_difference(without, unscreened).low > 0, "bots make a quota without screening a loss"
    part = quarters(bulk, np.quantile(bulk, [0.25, 0.5, 0.75]))
    informed = np.choose(part, [sales.profit(schedule) for schedule in BY_QUARTER])
    assert paired_difference(informed, with_quota).low > 0


def main() -> None:
    """Tune on validation sales and compare on test sales."""
    tuning, test = Sales("validation", 2000), Sales("test", 10_000)
    edges = np.quantile(tuning.bulk(), [0.25, 0.5, 0.75])
    part, fresh = quarters(tuning.bulk(), edges), quarters(test.bulk(), edges)
    levels = tuning.simulator.codec.n_levels
    tuned = {schedule: tuning.profit(schedule) for schedule in itertools.product(*map(range, levels))}

    def best(which, rows=slice(None)):
        return max((s for s in tuned if which(s)), key=lambda s: tuned[s][rows].mean())

    overall, no_quota = best(lambda s: True), best(lambda s: s[1] == 0)
    unscreened, by_quarter = best(lambda s: s[2] == 0), [best(lambda s: True, part == q) for q in range(4)]
    profit = {s: test.profit(s) for s in {overall, no_quota, unscreened, *by_quarter}}
    informed = np.choose(fresh, [profit[s] for s in by_quarter])
    for name, schedule, earned, other in (
        ("quota", (overall, no_quota), profit[overall], profit[no_quota]),
        ("screening", (overall, unscreened), profit[overall], profit[unscreened]),
        ("knowing the mix", by_quarter, informed, profit[overall]),
    ):
        gain = paired_difference(earned, other)
        print(
            f"{name}: {earned.mean():.0f} against {other.mean():.0f}, {gain.mean:+.0f} "
            f"({gain.low:.0f} to {gain.high:.0f}), {gain.mean / other.mean():+.1%}; levels {schedule}"
        )


if __name__ == "__main__":
    main()

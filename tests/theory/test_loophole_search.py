"""A search for policies that earn what no shop could.

CMA-ES over schedules fixed before the sale finds rules that pay without a reason: it once put a "special" price at the
normal one, for the traffic. Whatever it finds must stay below a ceiling in every sale, its money must be that of units,
and no more customers may come than what was given away attracts (`tests.theory.ceilings`).

    python -m pytest -m slow tests/theory/test_loophole_search.py -s     # with profit and ceiling of every scenario
"""

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents import split_seeds
from flashsale_env.experiments.open_loop import Effort, Family, best_schedule
from tests.theory import ceilings

TRIALS, PHASES = 300, 4
# Customers in each trial, and in the test of the schedule found: fewer sales where each has many of them.
CUSTOMERS, TEST_CUSTOMERS = 20_000, 100_000
# Parts that give the shop nothing to decide about customers or costs, nor customers another choice.
PASSIVE = {"messages", "fairness"}
SHIPPED = [
    name
    for name in fs.SCENARIOS
    if any(
        entry.optional and entry.present(fs.load_scenario(name))
        for part, entry in fs.MECHANISMS.items()
        if part not in PASSIVE
    )
]
RANDOM = range(12)
SCENARIOS = [*SHIPPED, *(pytest.param(seed, id=f"random-{seed}") for seed in RANDOM)]


def scenario_of(given):
    return fs.generate(given, "validation") if isinstance(given, int) else fs.load_scenario(given)


def played(scenario, population, actions, seeds):
    """The closed sales of (T, C) box actions, every tick seen by the referee; and the mean share that came."""
    simulator = fs.Simulator(scenario, population, sales=len(seeds))
    simulator.open(seeds, np.zeros(len(seeds), np.int64))
    referee = ceilings.Referee(simulator)
    came = 0.0
    for action in actions:
        simulator.advance(np.broadcast_to(action, (len(seeds), len(action))))
        referee.check()
        came += float(simulator.sales["tick_came"].mean())
    return simulator, came / len(actions)


@pytest.mark.slow
@pytest.mark.parametrize("given", SCENARIOS)
def test_no_schedule_earns_what_no_shop_could(given):
    """Every sale is below its ceiling, so there is no chance of a false alarm."""
    scenario = scenario_of(given)
    population = fs.load_population(scenario.population, list(scenario.titles))
    visits = float(scenario.customers_per_tick.sum()) * scenario.most_traffic
    sales, tested = (int(np.clip(most / visits, 4, 128)) for most in (CUSTOMERS, TEST_CUSTOMERS))
    family = Family(scenario, min(PHASES, scenario.horizon_ticks))
    numbers = best_schedule(family, population, effort=Effort(TRIALS, sales))
    seeds = split_seeds("test", 0, tested)
    simulator, came = played(scenario, population, family.actions(numbers), seeds)
    ceilings.audit(simulator)
    metrics = ceilings.metrics_of(simulator)
    friends = metrics["friends"] if scenario.contagion else np.zeros(tested)
    highest = ceilings.ceiling(scenario, population, seeds, simulator.sales["ordered"], friends)
    print(f"{scenario.name}: {metrics['profit'].mean():.6g} of at most {highest.mean():.6g}")
    assert (metrics["profit"] <= highest + 1e-9 * np.abs(highest)).all()
    base = 1.0 / scenario.most_traffic
    if came > 1.01 * base:
        given_away = sum(
            metrics[name].sum() for name in ("coupon_spend", "seckill_units", "push_spend") if name in metrics
        )
        by_badge = scenario.contagion is not None and scenario.contagion.claimed_lift > 0
        assert given_away > 0 or by_badge, "a crowd that nothing was given to"

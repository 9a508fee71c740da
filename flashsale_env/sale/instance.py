"""A scenario and its population as the arrays of the compiled core."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashsale_env.intents import INTENTS
from flashsale_env.market.mechanism import room_for
from flashsale_env.population import Population
from flashsale_env.sale.composition import present, rules_dtype, sale_dtype, voice_dtype
from flashsale_env.scenario import FEATURES, MECHANISMS, METRICS, REWARD_TERMS, Scenario
from flashsale_env.spaces.decisions import decision_rows
from flashsale_env.spaces.observations import Layout


@dataclass(frozen=True, eq=False)
class Instance:
    """A scenario and a population as arrays.

    Args:
        rules: (1,) of `rules_dtype`.
        voices: (V,) of `voice_dtype`, sorted by latent class.
        schedule: (T, 3 + S) per tick: expected customers, drift, share of the sale's customers expected from this tick
            on, and the columns of mechanisms (`SCHEDULES`).
        grids: (rows, L) levels of each decision; the last one is repeated to fill the row.
        voice_rows: (V,) row of each voice in the population.
        sale_dtype: of one sale in progress.
    """

    rules: npt.NDArray[np.void]
    voices: npt.NDArray[np.void]
    schedule: npt.NDArray[np.float64]
    grids: npt.NDArray[np.float64]
    voice_rows: npt.NDArray[np.int64]
    sale_dtype: np.dtype[np.void]


def build_instance(scenario: Scenario, population: Population, layout: Layout) -> Instance:
    """Arrange a scenario and its population for the core.

    Raises:
        ValueError: the choice model would ignore tastes of the customers.
    """
    scenario.check_customers(population)
    products = len(scenario.products)
    slots = room_for(scenario.lead_ticks + 1)
    optional = present(scenario)
    rows = decision_rows(scenario)
    rules = np.zeros(1, rules_dtype(products, slots, optional, len(rows)))
    voices, voice_rows = _voice_records(scenario, population, rules)

    for entry in MECHANISMS.values():
        if entry.present(scenario):
            part = rules[entry.name] if entry.name in (rules.dtype.names or ()) else rules
            for name, value in entry.mechanism.lay_out(scenario).items():
                part[name] = value
    rules["n_products"], rules["n_intents"] = products, len(INTENTS)
    rules["horizon"], rules["lead_ticks"] = scenario.horizon_ticks, scenario.lead_ticks
    rules["n_slots"] = scenario.lead_ticks + 1
    rules["memory"] = 0.5 ** (scenario.tick_minutes / scenario.memory_minutes)
    rules["most_traffic"] = scenario.most_traffic

    rules["n_rows"] = len(rows)
    rules["column"] = [row.column for row in rows]
    rules["n_levels"] = [len(row.levels) for row in rows]
    rules["row"] = -1
    for number, row in reversed(list(enumerate(rows))):
        rules["row"][row.decision] = number
    for name in FEATURES:
        rules["at"][name] = layout[name].start if name in layout else -1
    for k, (name, term) in enumerate(REWARD_TERMS.items()):
        rules["term"][name] = k
        rules["is_money"][0, k] = term.is_money
    for k, name in enumerate(METRICS):
        rules["metric"][name] = k

    longest = max(len(row.levels) for row in rows)
    grids = np.array([row.levels + row.levels[-1:] * (longest - len(row.levels)) for row in rows])
    admitted = scenario.arrivals.admitted_until(scenario)[:-1]
    come = scenario.arrivals.cumulative_share(admitted / scenario.horizon_ticks)
    columns = [scenario.customers_per_tick, scenario.drift_per_tick, 1.0 - come]
    for entry in MECHANISMS.values():
        for name, column in entry.mechanism.schedule.items() if entry.present(scenario) else ():
            rules["along"][name] = len(columns)
            columns.append(column(scenario))
    schedule = np.column_stack(columns)
    return Instance(
        rules, voices, np.ascontiguousarray(schedule), grids, voice_rows, sale_dtype(products, slots, optional)
    )


def _voice_records(
    scenario: Scenario, population: Population, rules: npt.NDArray[np.void]
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]:
    """Voices sorted by class, with an alias table for each class; also fills the class fields of the rules."""
    order = np.argsort(population.latent_class, kind="stable")
    quality = np.array([product.quality for product in scenario.products])
    voices = np.zeros(len(population), voice_dtype(len(scenario.products)))
    voices["utility"] = population.relevance[order] + quality
    voices["price_sensitivity"] = population.price_sensitivity[order]
    voices["coupon_affinity"] = population.coupon_affinity[order]
    voices["intent"] = population.intent_probabilities[order]
    voices["latent"] = population.latent_class[order]
    if scenario.fairness is not None:
        voices["group"] = scenario.fairness.group_of(population)[order]
    voices["predicted"] = population.intent_probabilities[order].argmax(axis=1)
    weight = population.weight[order].astype(np.float64)
    classes, starts, sizes = np.unique(population.latent_class[order], return_index=True, return_counts=True)
    rules["n_classes"] = len(classes)
    rules["class_intent"][0, : len(classes)] = classes
    for k, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        inside = slice(start, start + size)
        rules["class_start"][0, k] = start
        rules["class_size"][0, k] = size
        rules["class_share"][0, k] = weight[inside].sum() / weight.sum()
        below, alias = _alias_table(weight[inside])
        voices["alias_below"][inside] = below
        voices["alias"][inside] = alias + start
    return voices, order.astype(np.int64)


def _alias_table(weight: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Walker's alias table by Vose's method (1991, doi 10.1109/32.92917): (n,) thresholds, (n,) aliases."""
    n = len(weight)
    share = weight / weight.sum() * n
    below, alias = np.ones(n), np.arange(n)
    small = [i for i in range(n) if share[i] < 1]
    large = [i for i in range(n) if share[i] >= 1]
    while small and large:
        # Fill the cell of a small share up to 1 from a large one, which may become small.
        s, g = small.pop(), large[-1]
        below[s], alias[s] = share[s], g
        share[g] -= 1 - share[s]
        if share[g] < 1:
            small.append(large.pop())
    return below, alias

"""The records the compiled core reads and writes, and how a scenario becomes them.

Owns    the layout of one sale, of the rules of a scenario, of a voice and of a choice log.
Axes    batch axis N first: `sales["on_hand"]` has shape (N, M). M products, R slots of the inbound ring, I intents,
        T ticks, K reward terms.

M and R are part of the types, so each product count compiles once; everything else is a value. A type is made once
and cached: numba knows it again by identity, and compares an equal one field by field at every call (microseconds).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from flashsale_env.intents import INTENTS
from flashsale_env.market.arrivals import ARRIVAL_LAWS
from flashsale_env.market.choice import CHOICE_MODELS
from flashsale_env.market.features import FEATURES
from flashsale_env.market.rewards import REWARD_TERMS
from flashsale_env.population import Population, require_fit
from flashsale_env.scenario import Coupon, Messages, Replenishment, Scenario
from flashsale_env.spaces.observations import Layout

N_INTENTS = len(INTENTS)


@cache
def sale_dtype(products: int, slots: int) -> np.dtype[np.void]:
    """One sale in progress; fields marked * are never observed."""
    return np.dtype(
        [
            ("key", "u8"),
            ("seed", "u8"),
            ("episode", "i8"),
            ("tick", "i8"),
            # stock, units
            ("on_hand", "i8", (products,)),
            ("reserve", "i8", (products,)),
            ("inbound", "i8", (slots, products)),  # slot t % R arrives in tick t
            # what is on offer
            ("price", "f8", (products,)),  # currency, set by the last action; 0 where the product is not offered
            ("coupon_depth", "f8"),
            ("coupon_budget", "f8"),  # currency left
            ("targeted_depth", "f8", (N_INTENTS,)),
            # price tags, over reference price: NOT_OFFERED, or for what is out the price asked when its last unit went
            ("price_share", "f4", (products,)),
            ("coupon_price_share", "f4", (products,)),
            ("coming_share", "f8"),  # share of the dominating stream that comes
            # * shocks of this sale
            ("traffic", "f8"),
            ("appeal", "f4", (products,)),
            ("mix", "f8", (N_INTENTS,)),  # cumulative over latent classes
            # counts since the opening
            ("customers", "i8"),
            ("demand", "i8", (products,)),  # * first choices over what is offered and what is out
            ("sold", "i8", (products,)),
            ("lost", "i8", (products,)),  # *
            ("ordered", "i8", (products,)),
            ("received", "i8", (products,)),
            ("redeemed", "i8"),
            ("coupon_spend", "f8"),
            ("targeted_spend", "f8"),
            ("money", "f8", (len(REWARD_TERMS),)),
            # the last tick
            ("tick_customers", "i8"),
            ("tick_sold", "i8", (products,)),
            ("tick_lost", "i8", (products,)),
            ("tick_revenue", "f8"),
            ("tick_procurement", "f8"),
            ("tick_ordering", "f8"),
            # exponentially weighted
            ("recent_customers", "f8"),
            ("recent_expected", "f8"),  # with the coupon that was announced
            ("recent_sold", "f8", (products,)),
            ("recent_messages", "f8"),
            ("recent_intents", "f8", (N_INTENTS,)),
        ]
    )


@cache
def rules_dtype(products: int) -> np.dtype[np.void]:
    """What holds for every sale of a scenario; per-tick costs, so no length of a tick appears in the core."""
    return np.dtype(
        [
            ("n_products", "i8"),
            ("n_slots", "i8"),
            ("n_classes", "i8"),
            ("n_intents", "i8"),
            ("horizon", "i8"),
            ("lead_ticks", "i8"),
            ("arrival_law", "i8"),
            ("choice_model", "i8"),
            ("continuous_prices", "i8"),
            ("dissimilarity", "f8"),
            ("nest", "i8", (products,)),
            ("sensitivity_sd", "f8"),
            ("appetite_sd", "f8"),
            ("unlimited_supply", "i8"),
            ("peak_drift", "f8"),
            ("list_price", "f8", (products,)),
            ("reference_price", "f8", (products,)),
            ("unit_cost", "f8", (products,)),
            ("salvage_value", "f8", (products,)),
            ("holding_cost", "f8", (products,)),  # per unit and tick
            ("lost_sale_penalty", "f8", (products,)),
            ("initial_stock", "i8", (products,)),
            ("initial_reserve", "i8", (products,)),
            ("storage", "i8", (products,)),  # 0 for no limit
            ("stock_scale", "i8", (products,)),
            ("order_cost", "f8"),
            ("freight_per_unit", "f8"),
            ("coupon_budget", "f8"),
            ("coupon_max_depth", "f8"),
            ("coupon_traffic_lift", "f8"),
            ("traffic_sd", "f8"),
            ("mix_sd", "f8"),
            ("appeal_sd", "f8"),
            ("common_appeal_sd", "f8"),
            ("message_share", "f8"),
            ("messages_before_opening", "f8"),
            ("memory", "f8"),  # factor a tick on everything recent
            ("class_start", "i8", (N_INTENTS,)),
            ("class_size", "i8", (N_INTENTS,)),
            ("class_share", "f8", (N_INTENTS,)),
            ("targeted", "i8"),
            ("n_rows", "i8"),
            ("column", "i8", (2 * products + 1 + N_INTENTS,)),
            ("n_levels", "i8", (2 * products + 1 + N_INTENTS,)),
            ("feature_at", "i8", (len(FEATURES),)),
        ]
    )


@cache
def voice_dtype(products: int) -> np.dtype[np.void]:
    """One voice as the core reads it."""
    return np.dtype(
        [
            ("utility", "f4", (products,)),  # relevance + quality, logits
            ("price_sensitivity", "f4"),
            ("coupon_affinity", "f4"),
            ("alias_below", "f4"),
            ("alias", "i4"),
            ("predicted", "i4"),  # the likeliest intent
            # Last, for it is read only where a message is left: what every customer reads then lies close together.
            ("intent", "f4", (N_INTENTS,)),
        ]
    )


@cache
def log_dtype(products: int) -> np.dtype[np.void]:
    """One row of a choice log; `bought` is M for nothing, `clips` says which of the two prices counted."""
    return np.dtype(
        [
            ("row", "i8"),  # of the batch; with seed and episode, filled in when the log is read
            ("seed", "u8"),
            ("episode", "i8"),
            ("voice", "i4"),
            ("tick", "i4"),
            ("bought", "i4"),
            ("clips", "u1"),
            ("available", "u1", (products,)),  # on hand and offered; else the shares are those on the price tag
            ("price_share", "f4", (products,)),
            ("coupon_price_share", "f4", (products,)),
        ]
    )


@dataclass(frozen=True, eq=False)
class Instance:
    """A scenario and a population as the arrays the core reads.

    Args:
        rules: (1,) of `rules_dtype`.
        voices: (V,) of `voice_dtype`, sorted by latent class.
        schedule: (T, 3) per tick: expected customers, drift, share of expected customers from this tick on.
        grids: (2M + 1 + I, L) levels of each decision, the last one repeated to fill the row.
        voice_rows: (V,) row of the population behind each voice.
    """

    rules: npt.NDArray[np.void]
    voices: npt.NDArray[np.void]
    schedule: npt.NDArray[np.float64]
    grids: npt.NDArray[np.float64]
    voice_rows: npt.NDArray[np.int64]
    slots: int


def decision_levels(scenario: Scenario) -> list[tuple[float, ...]]:
    """Levels of each decision: M prices (0 for "not offered"), M order quantities, coupon depth, I targeted depths."""
    targeted = scenario.targeted.depths if scenario.targeted else (0.0,)
    coupon = scenario.coupon.depths if scenario.coupon else (0.0,)
    return [
        *((*product.price_levels, *(0.0,) * product.may_be_withheld) for product in scenario.products),
        *(tuple(float(units) for units in product.order_levels) for product in scenario.products),
        coupon,
        *(targeted for _ in INTENTS),
    ]


def decision_columns(scenario: Scenario) -> list[int]:
    """Column of the action for each decision, -1 where it has a single level."""
    columns, used = [], 0
    for levels in decision_levels(scenario):
        columns.append(used if len(levels) > 1 else -1)
        used += len(levels) > 1
    return columns


def build_instance(scenario: Scenario, population: Population, layout: Layout) -> Instance:
    """Lay a scenario and its population out for the core.

    Raises:
        ValueError: the choice model would leave a taste of the customers unread.
    """
    require_fit(population, scenario)
    products = scenario.products
    m = len(products)
    slots = 1
    while slots < scenario.lead_ticks + 1:  # powers of two, so that few lead times mean few compilations
        slots *= 2
    rules = np.zeros(1, rules_dtype(m))
    voices, voice_rows = _voice_records(scenario, population, rules)

    levels = decision_levels(scenario)
    grids = np.array([row + row[-1:] * (max(map(len, levels)) - len(row)) for row in levels])
    come = scenario.arrivals.cumulative_share(np.arange(scenario.horizon_ticks) / scenario.horizon_ticks)
    schedule = np.column_stack([scenario.customers_per_tick, scenario.drift_per_tick, 1.0 - come])

    replenishment = scenario.replenishment or Replenishment()
    coupon = scenario.coupon or Coupon((0.0, 0.5), 1.0)
    messages = scenario.messages or Messages(0.0, 0.0)
    scalars: dict[str, float] = {
        "n_products": m,
        "n_slots": slots,
        "n_intents": N_INTENTS,
        "horizon": scenario.horizon_ticks,
        "lead_ticks": scenario.lead_ticks,
        "arrival_law": ARRIVAL_LAWS[scenario.arrivals.law],
        "choice_model": CHOICE_MODELS[scenario.choice.model],
        "dissimilarity": scenario.choice.dissimilarity,
        "sensitivity_sd": scenario.choice.sensitivity_sd,
        "appetite_sd": scenario.choice.appetite_sd,
        "targeted": scenario.targeted is not None,
        "n_rows": len(levels),
        "unlimited_supply": replenishment.unlimited,
        "peak_drift": max(scenario.choice.drift),
        "continuous_prices": scenario.pricing.continuous,
        "order_cost": replenishment.order_cost,
        "freight_per_unit": replenishment.freight_per_unit,
        "coupon_budget": coupon.budget if scenario.coupon else 0.0,
        "coupon_max_depth": coupon.depths[-1] if scenario.coupon else 0.0,
        "coupon_traffic_lift": coupon.traffic_lift,
        "traffic_sd": scenario.shocks.traffic_sd,
        "mix_sd": scenario.shocks.mix_sd,
        "appeal_sd": scenario.shocks.appeal_sd,
        "common_appeal_sd": scenario.shocks.common_appeal_sd,
        "message_share": messages.share,
        "messages_before_opening": messages.before_opening,
        "memory": 0.5 ** (scenario.tick_minutes / scenario.memory_minutes),
    }
    for name, value in scalars.items():
        rules[name] = value
    for name in ("list_price", "reference_price", "unit_cost", "salvage_value", "lost_sale_penalty"):
        rules[name] = [getattr(product, name) for product in products]
    rules["initial_stock"] = [product.initial_stock for product in products]
    rules["initial_reserve"] = [product.reserve for product in products]
    nests = list(dict.fromkeys(product.nest for product in products))
    rules["nest"] = [nests.index(product.nest) for product in products]
    rules["storage"] = [product.storage for product in products]
    rules["stock_scale"] = scenario.stock_scale
    rules["holding_cost"] = [product.holding_cost * scenario.tick_minutes / 60.0 for product in products]
    rules["column"] = decision_columns(scenario)
    rules["n_levels"] = [len(row) for row in levels]
    rules["feature_at"] = -1
    for name in layout:
        rules["feature_at"][0, FEATURES[name].number] = layout[name].start
    return Instance(rules, voices, np.ascontiguousarray(schedule), grids, voice_rows, slots)


def _voice_records(
    scenario: Scenario, population: Population, rules: npt.NDArray[np.void]
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]:
    """Voices sorted by class with an alias table inside each class; fills the class fields of the rules."""
    order = np.argsort(population.latent_class, kind="stable")
    quality = np.array([product.quality for product in scenario.products])
    voices = np.zeros(len(population), voice_dtype(len(scenario.products)))
    voices["utility"] = population.relevance[order] + quality
    voices["price_sensitivity"] = population.price_sensitivity[order]
    voices["coupon_affinity"] = population.coupon_affinity[order]
    voices["intent"] = population.intent_probabilities[order]
    voices["predicted"] = population.intent_probabilities[order].argmax(axis=1)
    weight = population.weight[order].astype(np.float64)
    classes, starts, sizes = np.unique(population.latent_class[order], return_index=True, return_counts=True)
    rules["n_classes"] = len(classes)
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
    """Walker's alias table by Vose's method (1991, doi 10.1109/32.92917)."""
    n = len(weight)
    share = weight / weight.sum() * n
    below, alias = np.ones(n), np.arange(n)
    small = [i for i in range(n) if share[i] < 1]
    large = [i for i in range(n) if share[i] >= 1]
    while small and large:
        s, g = small.pop(), large[-1]
        below[s], alias[s] = share[s], g
        share[g] -= 1 - share[s]
        if share[g] < 1:
            small.append(large.pop())
    return below, alias

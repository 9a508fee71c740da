"""The observation: what a shop sees at the end of a tick.

Owns    every number an agent observes: name, unit, bounds, and the scalar function that writes it.
Axes    a feature has one number a sale, one a product (M), one a product and tick of lead time, or one an intent;
        `rules.feature_at` holds where each one
        starts in the observation, or -1 where the scenario does not show it.
Never   tastes, latent classes, shocks: only sales, stock, time, traffic and the encoder's reading of messages.

A new feature is one scalar function, one line in `FEATURES` and one in `observe`.
"""

import math
from dataclasses import dataclass

import numpy as np

from flashsale_env.core.compiler import scalar

(
    TIME_LEFT,
    SQRT_TIME_LEFT,
    CUSTOMERS_LEFT,
    ON_HAND,
    IN_TRANSIT,
    RESERVE,
    STOCK_PRESSURE,
    PRICE,
    CONVERSION,
    TRAFFIC,
    COUPON_DEPTH,
    COUPON_BUDGET,
    INTENT_MEAN,
    INTENT_ENTROPY,
    WILLINGNESS_TO_PAY,
    PIPELINE,
) = range(16)


@dataclass(frozen=True)
class Feature:
    """What one entry of the observation means; `per` is "sale", "product", "product and tick" or "intent".

    `on_request` features are shown only where the scenario's `observe` names them; what `remembers` weighs events by
    their age, with the scenario's `memory_minutes`.
    """

    number: int
    per: str
    low: float
    high: float
    unit: str
    meaning: str
    on_request: bool = False
    remembers: bool = False


_STOCK_UNIT = "share of all units (opening stock + reserve; of the storage where orders draw on no reserve)"

FEATURES = {
    "time_left": Feature(TIME_LEFT, "sale", 0.0, 1.0, "share of the horizon", "time until the close"),
    "sqrt_time_left": Feature(SQRT_TIME_LEFT, "sale", 0.0, 1.0, "square root of a share", "square root of time_left"),
    "customers_left": Feature(
        CUSTOMERS_LEFT, "sale", 0.0, 1.0, "share of the sale's expected customers", "customers still expected"
    ),
    "willingness_to_pay": Feature(
        WILLINGNESS_TO_PAY, "sale", 0.0, 1.0, "share of its peak", "mean willingness to pay in the coming tick"
    ),
    "on_hand": Feature(ON_HAND, "product", 0.0, 1.0, _STOCK_UNIT, "units free to sell"),
    "in_transit": Feature(IN_TRANSIT, "product", 0.0, 1.0, _STOCK_UNIT, "units ordered and not yet arrived"),
    "pipeline": Feature(
        PIPELINE, "product and tick", 0.0, 1.0, _STOCK_UNIT, "units that arrive so many ticks from now", on_request=True
    ),
    "reserve": Feature(RESERVE, "product", 0.0, 1.0, _STOCK_UNIT, "units that can still be ordered"),
    "stock_pressure": Feature(
        STOCK_PRESSURE,
        "product",
        -8.0,
        8.0,
        "log ratio",
        "log share of units left (on hand + in transit) less log share of customers left",
    ),
    "price": Feature(PRICE, "product", 0.0, 1.0, "share of list price", "price set in the last tick; 0 if not offered"),
    "conversion": Feature(
        CONVERSION,
        "product",
        0.0,
        1.0,
        "square root of units per customer",
        "recent sales per recent customer (exponentially weighted)",
        remembers=True,
    ),
    "traffic": Feature(
        TRAFFIC,
        "sale",
        0.0,
        4.0,
        "ratio",
        "recent customers over those expected, coupon announced included; messages before the opening",
        remembers=True,
    ),
    "coupon_depth": Feature(COUPON_DEPTH, "sale", 0.0, 1.0, "share of the deepest coupon", "coupon in the last tick"),
    "coupon_budget": Feature(COUPON_BUDGET, "sale", 0.0, 1.0, "share of the budget", "coupon budget left"),
    "intent_mean": Feature(
        INTENT_MEAN,
        "intent",
        0.0,
        1.0,
        "probability",
        "mean of the encoder's probabilities over recent messages",
        remembers=True,
    ),
    "intent_entropy": Feature(
        INTENT_ENTROPY, "sale", 0.0, 1.0, "share of ln(intents)", "entropy of intent_mean", remembers=True
    ),
}


@scalar
def _put(out, at, value, low, high):
    out[at] = np.float32(min(max(value, low), high))


@scalar
def observe(rules, schedule, sale, out):
    """Write the observation of one sale; schedule[t] is (expected customers, drift, share of customers from t on)."""
    m = rules.n_products
    time_left = (rules.horizon - sale.tick) / rules.horizon
    customers_left = schedule[sale.tick, 2] if sale.tick < rules.horizon else 0.0
    if rules.feature_at[TIME_LEFT] >= 0:
        _put(out, rules.feature_at[TIME_LEFT], time_left, 0.0, 1.0)
    if rules.feature_at[SQRT_TIME_LEFT] >= 0:
        _put(out, rules.feature_at[SQRT_TIME_LEFT], math.sqrt(time_left), 0.0, 1.0)
    if rules.feature_at[CUSTOMERS_LEFT] >= 0:
        _put(out, rules.feature_at[CUSTOMERS_LEFT], customers_left, 0.0, 1.0)
    if rules.feature_at[WILLINGNESS_TO_PAY] >= 0:
        # At the close the last tick's stands.
        coming = min(sale.tick, rules.horizon - 1)
        _put(out, rules.feature_at[WILLINGNESS_TO_PAY], schedule[coming, 1] / rules.peak_drift, 0.0, 1.0)
    for j in range(m):
        in_transit = 0
        for slot in range(rules.n_slots):
            in_transit += sale.inbound[slot, j]
        all_units = float(rules.stock_scale[j])
        if rules.feature_at[ON_HAND] >= 0:
            _put(out, rules.feature_at[ON_HAND] + j, sale.on_hand[j] / all_units, 0.0, 1.0)
        if rules.feature_at[IN_TRANSIT] >= 0:
            _put(out, rules.feature_at[IN_TRANSIT] + j, in_transit / all_units, 0.0, 1.0)
        if rules.feature_at[PIPELINE] >= 0:
            for ahead in range(rules.lead_ticks):
                units_then = sale.inbound[(sale.tick + ahead) % rules.n_slots, j]
                _put(out, rules.feature_at[PIPELINE] + j * rules.lead_ticks + ahead, units_then / all_units, 0.0, 1.0)
        if rules.feature_at[RESERVE] >= 0:
            _put(out, rules.feature_at[RESERVE] + j, sale.reserve[j] / all_units, 0.0, 1.0)
        if rules.feature_at[STOCK_PRESSURE] >= 0:
            # Half a unit and half a tick keep the logarithms finite at the very end.
            units = (sale.on_hand[j] + in_transit + 0.5) / (all_units + 0.5)
            pressure = math.log(units / (customers_left + 0.5 / rules.horizon))
            _put(out, rules.feature_at[STOCK_PRESSURE] + j, pressure, -8.0, 8.0)
        if rules.feature_at[PRICE] >= 0:
            _put(out, rules.feature_at[PRICE] + j, sale.price[j] / rules.list_price[j], 0.0, 1.0)
        if rules.feature_at[CONVERSION] >= 0:
            conversion = math.sqrt(sale.recent_sold[j] / max(sale.recent_customers, 1.0))
            _put(out, rules.feature_at[CONVERSION] + j, conversion, 0.0, 1.0)
    if rules.feature_at[TRAFFIC] >= 0:
        if sale.tick > 0:
            ratio = sale.recent_customers / max(sale.recent_expected, 1e-12)
        else:
            ratio = sale.recent_messages / max(rules.messages_before_opening, 1e-12)
        _put(out, rules.feature_at[TRAFFIC], ratio, 0.0, 4.0)
    if rules.feature_at[COUPON_DEPTH] >= 0:
        _put(out, rules.feature_at[COUPON_DEPTH], sale.coupon_depth / rules.coupon_max_depth, 0.0, 1.0)
    if rules.feature_at[COUPON_BUDGET] >= 0:
        _put(out, rules.feature_at[COUPON_BUDGET], sale.coupon_budget / rules.coupon_budget, 0.0, 1.0)
    if rules.feature_at[INTENT_MEAN] < 0 and rules.feature_at[INTENT_ENTROPY] < 0:
        return
    entropy = 0.0
    for i in range(rules.n_intents):
        # No message yet: an even mix, the least the shop can say.
        mean = 1.0 / rules.n_intents
        if sale.recent_messages > 0.0:
            mean = sale.recent_intents[i] / sale.recent_messages
        if mean > 0.0:
            entropy -= mean * math.log(mean)
        if rules.feature_at[INTENT_MEAN] >= 0:
            _put(out, rules.feature_at[INTENT_MEAN] + i, mean, 0.0, 1.0)
    if rules.feature_at[INTENT_ENTROPY] >= 0:
        _put(out, rules.feature_at[INTENT_ENTROPY], entropy / math.log(rules.n_intents), 0.0, 1.0)

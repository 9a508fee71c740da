"""Composition of the mechanisms: their records, and one compiled function for each moment of a sale.

Owns    the types of the records of the compiled core, and the order in which mechanisms are called: that of the fields
        of `Scenario`. It matters for `write_tags`, where prices come before the coupon, and for `settle`, where
        leftovers are salvaged before returned goods are on hand. Where events of several mechanisms alternate, the
        calls are written out in `tick` and `visit`.
Axes    batch axis N first: `sales["on_hand"]` has shape (N, M). M products, R slots of the inbound ring, I intents,
        K reward terms.

No mechanism is named here. M, R and the mechanisms present are part of the types, so each combination compiles once;
everything else is a value. Types are cached: numba recognises the same object at once, but compares an equal one field
by field at every call (microseconds).
"""

import dataclasses
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from flashsale_env.core.records import in_turn
from flashsale_env.intents import INTENTS
from flashsale_env.market.mechanism import Field, Sizes
from flashsale_env.scenario import DECISIONS, FEATURES, MECHANISMS, METRICS, REWARD_TERMS, SCHEDULES, Scenario


def _compose(moment: str, *others: str) -> Any:
    """One compiled function (rules, sale, *others) that calls all mechanisms with a function for this moment."""
    found = [(entry, getattr(entry.mechanism, moment)) for entry in MECHANISMS.values()]
    calls = [(entry.name if entry.optional else "", call) for entry, call in found if call is not None]
    return in_turn(("rules", "sale", *others), calls)


open_mechanisms = _compose("open", "grids")
begin_tick = _compose("begin_tick")
decide = _compose("decide", "grids", "encoding", "action")
write_tags = _compose("write_tags")
end_tick = _compose("end_tick", "closes")
settle = _compose("settle", "closes", "terms")
observe = _compose("observe", "schedule", "out")
measure = _compose("measure", "out")


# The optional mechanisms of a scenario, each with its size.
Present: TypeAlias = tuple[tuple[str, int], ...]


def present(scenario: Scenario) -> Present:
    """Name and size of each optional mechanism of a scenario."""
    return tuple(
        (entry.name, entry.mechanism.size(scenario))
        for entry in MECHANISMS.values()
        if entry.optional and entry.present(scenario)
    )


def _fields(kind: str, optional: Present, sizes: Sizes) -> list[Any]:
    """Fields of all mechanisms, optional parts first.

    If they came last, numba would treat the larger record as a subtype of the smaller one.
    """
    entries = MECHANISMS.values()
    nested: list[Any] = []
    for name, size in optional:
        inner = list(getattr(MECHANISMS[name].mechanism, kind)(dataclasses.replace(sizes, own=size)))
        if inner:
            nested.append((name, np.dtype(inner)))
        elif kind == "state":
            raise TypeError(f"mechanism {name!r} is optional and has no state: nothing would show that it is there.")
    flat: list[Field] = [
        field for entry in entries if not entry.optional for field in getattr(entry.mechanism, kind)(sizes)
    ]
    return nested + flat


def _numbers(names: Iterable[str]) -> np.dtype[np.void]:
    return np.dtype([(name, "i8") for name in names])


@cache
def sale_dtype(products: int, slots: int, optional: Present) -> np.dtype[np.void]:
    """One sale in progress."""
    return np.dtype(
        [
            *_fields("state", optional, Sizes(products, slots, len(INTENTS))),
            ("key", "u8"),
            ("seed", "u8"),
            ("episode", "i8"),
            ("tick", "i8"),
            ("money", "f8", (len(REWARD_TERMS),)),  # each reward term since the start of the sale
        ]
    )


@cache
def rules_dtype(products: int, slots: int, optional: Present, rows: int) -> np.dtype[np.void]:
    """The constants of a scenario. Rates and costs are per tick, so the core needs no length of a tick."""
    intents = len(INTENTS)
    return np.dtype(
        [
            *_fields("rules", optional, Sizes(products, slots, intents)),
            ("n_products", "i8"),
            ("n_slots", "i8"),  # of the inbound ring that are in use
            ("n_intents", "i8"),
            ("horizon", "i8"),
            ("lead_ticks", "i8"),
            ("memory", "f8"),  # factor per tick on all exponentially weighted counts
            ("most_traffic", "f8"),  # the dominating stream over the expected one
            # latent classes of the population
            ("n_classes", "i8"),
            ("class_intent", "i8", (intents,)),  # its index among all intents
            ("class_start", "i8", (intents,)),
            ("class_size", "i8", (intents,)),
            ("class_share", "f8", (intents,)),
            # decisions: rows of the grids, and their columns in the action
            ("n_rows", "i8"),
            ("column", "i8", (rows,)),
            ("n_levels", "i8", (rows,)),
            ("is_money", "i8", (len(REWARD_TERMS),)),
            # by name: first row of a decision, index in the observation (-1: not shown), columns of terms and metrics,
            # column of the schedule
            ("row", _numbers(DECISIONS)),
            ("at", _numbers(FEATURES)),
            ("term", _numbers(REWARD_TERMS)),
            ("metric", _numbers(METRICS)),
            ("along", _numbers(SCHEDULES)),
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
            # Last, because it is read only when a message is left: the fields of every visit stay close together.
            ("intent", "f4", (len(INTENTS),)),
            ("latent", "i4"),  # the true intent
            ("group", "i4"),  # in a sale with [fairness]
        ]
    )


@cache
def log_dtype(products: int) -> np.dtype[np.void]:
    """One visit in a choice log. `bought` is M for no purchase, in a basket the product of the first unit; `units` are
    those of the whole basket; `clips` is 1 if the coupon price applied. `opened` is the product whose page was
    opened, M for none and in a sale without clicks.

    Price shares are fractions of the product's reference price.
    """
    return np.dtype(
        [
            ("row", "i8"),  # of the batch; with seed and episode, filled in when the log is read
            ("seed", "u8"),
            ("episode", "i8"),
            ("person", "u8"),  # who it is: the same at every look and, where `persons` follows customers, in every sale
            ("voice", "i4"),
            ("tick", "i4"),
            ("look", "i4"),  # 0 at the first visit of a customer, who may come back
            ("opened", "i4"),
            ("bought", "i4"),
            ("pays", "u1"),  # 1 if what was bought is paid, now or later
            ("clips", "u1"),
            ("wrote", "u1"),  # 1 if the customer left a message at this visit
            ("units", "u1", (products,)),
            ("available", "u1", (products,)),  # on hand and offered; otherwise the shares are those of the tag
            ("place", "u2", (products,)),  # on the list of the slate, from 1; 0 for none
            ("price_share", "f4", (products,)),
            ("coupon_price_share", "f4", (products,)),
        ]
    )

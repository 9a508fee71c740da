"""Records whose parts may be absent, and compiled functions that are composed from a list.

Owns    `option`, the one reader of a part that a record may lack; `in_turn`, which makes one compiled function of
        several.

Whether a record has a part is known when a function is compiled. So a function that begins with
`if part is None: return` costs nothing where the part is absent, provided that the part is its *argument*: numba
prunes branches on arguments, not on locals.
"""

import numpy as np
from numba.extending import overload

from flashsale_env.core.compiler import inlined, scalar


def option(record, name):
    """The part of a record with this name, None where the record has none."""
    return record[name] if name in record.dtype.names else None


@overload(option, prefer_literal=True, inline="always")
def _option(record, name):
    if name.literal_value in record.fields:
        return lambda record, name: record[name]
    return lambda record, name: None


@scalar
def put(out, at, value, low, high):
    """Write one number of an observation, cut to its bounds; `at` is -1 where the scenario does not show it."""
    if at >= 0:
        out[at] = np.float32(min(max(value, low), high))


def where_present(name, function):
    """The function, called with (rules, sale, ...) only where the sale has the part with this name."""

    @inlined
    def checked(part, rules, sale, *others):
        if part is None:
            return
        function(rules, sale, *others)

    @inlined
    def call(rules, sale, *others):
        checked(option(sale, name), rules, sale, *others)

    return call


def in_turn(functions):
    """One compiled function that calls each of these with its own arguments, in order."""
    if not functions:

        @inlined
        def nothing(*arguments):
            pass

        return nothing
    first, rest = functions[0], functions[1:]
    if not rest:
        return first
    others = in_turn(rest)

    @inlined
    def both(*arguments):
        first(*arguments)
        others(*arguments)

    return both

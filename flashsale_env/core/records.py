"""Records whose parts may be absent, and compiled functions that are composed from a list.

Owns    `option`, the one reader of a part that a record may lack; `in_turn`, which makes one compiled function of
        several.

Whether a record has a part is known when a function is compiled. So a function that begins with
`if part is None: return` costs nothing where the part is absent, provided that the part is its *argument*: numba
prunes branches on arguments, not on locals.
"""

import numpy as np
from numba.extending import overload

from flashsale_env.core.compiler import hot, inlined, scalar


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


def in_turn(arguments, calls):
    """One compiled function of these arguments that calls functions of the same arguments, in order.

    Args:
        arguments: names, "rules" and "sale" among them.
        calls: (name, function) pairs; a function with a name is called only where the sale has the part of that name,
            one with "" always.

    Numba compiles a fixed list of calls far faster than a chain of functions that each call the next one, and a list of
    calls whose length varies has to be written by a program.
    """
    given = ", ".join(arguments)
    names = sorted({name for name, _ in calls if name})
    lines = [f"def in_order({', '.join((*names, *arguments))}):"]
    for k, (name, _) in enumerate(calls):
        condition = f"if {name} is not None: " if name else ""
        lines.append(f"    {condition}function_{k}({given})")
    lines += ["    return", f"def with_parts({given}):"]
    lines += [f"    in_order({', '.join((*(f'option(sale, {name!r})' for name in names), *arguments))})"]
    scope = {f"function_{k}": function for k, (_, function) in enumerate(calls)}
    scope |= {"option": option, "__name__": __name__}
    exec("\n".join(lines), scope)
    scope["in_order"] = hot(scope["in_order"])
    # The parts must be arguments of the function that tests them: where there are any, it takes two functions.
    return inlined(scope["with_parts"]) if names else scope["in_order"]

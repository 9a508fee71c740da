"""Records with optional parts, and compiled functions composed from a list.

Owns    `option`, which reads an optional part of a record; `in_turn`, which composes a compiled function from several.

The parts of a record are known at compile time. A function that begins with `if part is None: return` therefore costs
nothing if the part is absent, provided the part is an *argument*: numba prunes branches on arguments, not on locals.
"""

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from flashsale_env.core.compiler import JIT_DISABLED, inlined, scalar


def _option_in_python(record, name):
    """The part of a record with this name, None where the record has none."""
    return record[name] if name in record.dtype.names else None


@intrinsic(prefer_literal=True)
def _option_compiled(typing_context, record, name):
    """As `_option_in_python`; whether the part is there is known when the caller is compiled."""
    field = name.literal_value
    if field not in record.fields:
        return types.none(record, name), lambda context, builder, signature, values: context.get_dummy_value()

    def read(context, builder, signature, values):
        return context.get_getattr(record, field)(context, builder, record, values[0], field)

    return record.typeof(field)(record, name), read


option = _option_in_python if JIT_DISABLED else _option_compiled


@scalar
def put(out, at, value, low, high):
    """Write one number of an observation, clipped to its bounds; `at` is -1 if the scenario does not show it."""
    if at >= 0:
        out[at] = np.float32(min(max(value, low), high))


def in_turn(arguments, calls):
    """One compiled function of these arguments that calls functions of the same arguments, in order.

    Args:
        arguments: names, "rules" and "sale" among them.
        calls: (name, function) pairs. A function with a name is called only if the sale has the part of that name; one
            with "" is always called.

    Numba compiles a fixed list of calls far faster than a chain of functions that each call the next one. The length of
    the list varies, so its source is generated.
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
    scope["in_order"] = scalar(scope["in_order"])
    # The optional parts must be arguments of the function with the branches; if there are any, it takes two functions.
    return inlined(scope["with_parts"]) if names else scope["in_order"]

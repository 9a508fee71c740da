"""What is said of a wrong name and of a wrong count."""

import difflib
import operator
from collections.abc import Iterable
from typing import Any


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Message for a name that is not in a table: what came, the nearest known name, and the whole table."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(names)}."


def whole_number(name: str, value: Any, least: int) -> int:
    """A count as a Python integer.

    Raises:
        ValueError: not of a whole number's type, or below the least.

    >>> whole_number("sales", 8, 1)
    8
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    return number

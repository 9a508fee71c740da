"""The error message for an unknown name, with the nearest known one."""

import difflib
from collections.abc import Iterable


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Message for a name that is missing from a table: the name given, the nearest known one, and all known names.

    >>> unknown_name("scenario", "standart", ["intent", "standard"])
    "unknown scenario 'standart'. Did you mean 'standard'? Known: intent, standard."
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(names)}."

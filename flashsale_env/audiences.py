"""Audiences: groups of intents that the shop addresses together, with one decision for each group.

Owns    their names, their checks, and the audience of each intent.
Leaves  what an audience is told or offered to `push` and `ads`.
Axes    I intents, A audiences.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from flashsale_env.errors import unknown_name
from flashsale_env.intents import INTENTS
from flashsale_env.market.parts import Part

# Groups of intents; () for a single audience of everybody.
Audiences: TypeAlias = tuple[tuple[str, ...], ...]
NONE = -1


def require_audiences(part: Part) -> None:
    """Check that the field `audiences` holds groups of known intents, and no intent twice.

    Raises:
        ValueError: it does not; the message names the intent.
    """
    audiences: Audiences = getattr(part, "audiences")  # noqa: B009
    where = f"{part._where}audiences"
    for intent, number in Counter(intent for group in audiences for intent in group).items():
        if intent not in INTENTS:
            raise ValueError(unknown_name(f"intent in {where}", intent, INTENTS))
        if number > 1:
            raise ValueError(f"{where} must name every intent at most once, got {intent!r} {number} times.")
    if not all(audiences):
        raise ValueError(
            f'{where} must hold groups of intents, got an empty one; e.g. [["gift"], ["bulk", "browsing"]].'
        )


def labels_of(audiences: Audiences) -> tuple[str, ...]:
    """Names of the A audiences; "" for that of everybody.

    >>> labels_of((("gift",), ("bulk", "browsing")))
    ('gift', 'bulk + browsing')
    """
    return tuple(" + ".join(group) for group in audiences) or ("",)


def audience_of_intent(audiences: Audiences) -> npt.NDArray[np.int64]:
    """(I,) number of the audience of each intent; `NONE` for intents that are not addressed."""
    if not audiences:
        return np.zeros(len(INTENTS), np.int64)
    found = np.full(len(INTENTS), NONE, np.int64)
    for number, group in enumerate(audiences):
        found[[INTENTS.index(intent) for intent in group]] = number
    return found


def nobody_in(part: Part, scenario: Any, intents: npt.NDArray[np.int64]) -> Iterator[str]:
    """A sentence for each audience to which none of these customers belongs, given their intents, for `idle_among`."""
    audiences: Audiences = getattr(part, "audiences")  # noqa: B009
    reached = set(audience_of_intent(audiences)[np.unique(intents)].tolist())
    for number, label in enumerate(labels_of(audiences)):
        if number not in reached:
            yield (
                f"{part._where}audiences of scenario {scenario.name!r} has {label!r}, to which none of these customers "
                f"belongs. Leave it out."
            )

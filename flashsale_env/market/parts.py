"""The parts of a scenario: their base class and shared checks.

Owns    the base class of every part, and the range checks that several parts share.

A part is checked when it is built, and lists its settings without effect in a given scenario. A scenario refuses them:
a setting without effect is a mistake, and results would be reported under its name.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from flashsale_env.intents import ByIntent
from flashsale_env.tables import check_fields

# Far beyond any shop, so that no sum of money overflows.
MOST_MONEY = 1e12
# A sale of this size takes about ten seconds; a far larger one would seem to hang.
MOST_CUSTOMERS = 1e8
# Upper limit of standard deviations in logs or logits; one of 5 is a factor of e^5 = 150.
MOST_SD = 5.0


class Part(ABC):
    """A part of a scenario: a frozen dataclass that calls `super().__post_init__()` before its own checks."""

    def __post_init__(self) -> None:
        check_fields(self, self._where)

    @abstractmethod
    def idle(self, scenario: Any) -> Iterator[str]:
        """A sentence for each setting without effect in the scenario: which, why, and what would make it work.

        A setting is idle if it changes nothing under any decisions and any customers. A limit that happens not to bind
        is not idle, nor is a default value. `observe` makes no setting idle: it only selects what an agent observes.
        """

    def idle_among(self, scenario: Any, customers: Any) -> Iterator[str]:
        """A sentence for each setting without effect among these customers, a `Population`."""
        return iter(())

    def check(self, scenario: Any) -> None:
        """Refuse a combination with other parts of the scenario that cannot be played.

        Raises:
            ValueError: it cannot; the message names both settings.
        """
        return

    @property
    def _where(self) -> str:
        """Prefix of field names in messages."""
        return f"{type(self).__name__.lower()}."


def require_range(part: Part, *names: str, most: float | None = None) -> None:
    """Check that fields, also those by intent, are at least 0 and at most `most`.

    Raises:
        ValueError: a field is out of range; the message names it.
    """
    for name in names:
        given = getattr(part, name)
        for value in given if isinstance(given, ByIntent) else (given,):
            if value < 0 or (most is not None and value > most):
                wanted = "at least 0" if most is None else f"at least 0 and at most {most:g}"
                raise ValueError(f"{part._where}{name} must be {wanted}, got {value:g}.")


def require_rising(part: Part, name: str) -> None:
    """Check that a field holds at least two shares that rise from 0 and stay below 1.

    Raises:
        ValueError: it does not.
    """
    depths = getattr(part, name)
    rises = list(depths) == sorted(set(depths)) and len(depths) > 1
    if not rises or depths[0] != 0.0 or depths[-1] >= 1:
        raise ValueError(
            f"{part._where}{name} must rise from 0.0 and stay below 1.0, got {list(depths)}; e.g. [0.0, 0.1, 0.2]."
        )


def require_amounts(part: Part, name: str) -> None:
    """Check that a field holds at least two amounts of money that rise from 0.

    Raises:
        ValueError: it does not.
    """
    amounts = getattr(part, name)
    rises = list(amounts) == sorted(set(amounts)) and len(amounts) > 1
    if not rises or amounts[0] != 0.0 or amounts[-1] > MOST_MONEY:
        raise ValueError(
            f"{part._where}{name} must rise from 0.0 to at most {MOST_MONEY:g}, got {list(amounts)}; "
            f"e.g. [0.0, 5.0, 10.0]."
        )

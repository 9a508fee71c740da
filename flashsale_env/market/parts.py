"""What the parts of a scenario have in common.

Owns    the base class of every part, and the checks of ranges that several parts share.

A part is checked when it is built, and lists those of its settings that would have no effect in a given scenario. A
scenario refuses them: a setting without effect is a mistake, and a figure made with it looks like one made with the
effect.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from flashsale_env.tables import check_fields

# Far beyond any shop, so that no sum of money overflows.
MOST_MONEY = 1e12
# A sale of this size takes about ten seconds; a far larger one would look like a program that hangs.
MOST_CUSTOMERS = 1e8
# The range of every standard deviation of a logarithm or in logits: e^5 is a factor of 150.
MOST_SD = 5.0


class Part(ABC):
    """A part of a scenario: a frozen dataclass that calls `super().__post_init__()` before its own checks."""

    def __post_init__(self) -> None:
        check_fields(self, self._where)

    @abstractmethod
    def idle(self, scenario: Any) -> Iterator[str]:
        """A sentence for each setting without effect in the scenario: which, why, and what would make it work.

        A setting is idle if it changes nothing under any decisions and any customers; a limit that happens not to bind
        is not idle. A default value never is. `observe` makes nothing idle: it only chooses what an agent sees.
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
        """What stands before the name of a field in a message."""
        return f"{type(self).__name__.lower()}."


def require_range(part: Part, *names: str, most: float | None = None) -> None:
    """Fields are at least 0 and at most `most`; that they are finite, `check_fields` has seen to.

    Raises:
        ValueError: one is not.
    """
    for name in names:
        value = getattr(part, name)
        if value < 0 or (most is not None and value > most):
            wanted = "at least 0" if most is None else f"at least 0 and at most {most:g}"
            raise ValueError(f"{part._where}{name} must be {wanted}, got {value:g}.")


def require_rising(part: Part, name: str) -> None:
    """The field is two shares or more that rise from 0 and stay below 1.

    Raises:
        ValueError: it is not.
    """
    depths = getattr(part, name)
    rises = list(depths) == sorted(set(depths)) and len(depths) > 1
    if not rises or depths[0] != 0.0 or depths[-1] >= 1:
        raise ValueError(
            f"{part._where}{name} must rise from 0.0 and stay below 1.0, got {list(depths)}; e.g. [0.0, 0.1, 0.2]."
        )

"""What the parts of a scenario have in common.

Owns    the base of every part, and the checks of ranges that several parts share.

Every part is checked when it is built and says what of it does nothing in a given scenario. The scenario asks all its
parts and refuses what does nothing: a setting without effect is a mistake, and a figure made with it looks like one
made with the effect.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flashsale_env.tables import check_fields

if TYPE_CHECKING:
    from flashsale_env.scenario import Scenario

# Far beyond any shop, so that no sum of money overflows.
MOST_MONEY = 1e12


class Part(ABC):
    """A part of a scenario: a frozen dataclass that calls `super().__post_init__()` before its own checks."""

    def __post_init__(self) -> None:
        check_fields(self, self._where)

    @abstractmethod
    def idle(self, scenario: "Scenario") -> Iterator[str]:
        """A sentence for each setting that does nothing in the scenario: which, why, and what would make it work.

        What does nothing whatever is decided, whoever comes: a limit that happens not to bind is no such thing. A
        default value is never one. `observe` makes nothing idle either: it chooses what an agent sees of the sale.
        """

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

"""The nine intents a customer's message can express.

One list, in one order: every column of intent probabilities in the project follows it.
"""

import math
import numbers
from collections.abc import Mapping
from typing import Any

from flashsale_env.errors import unknown_name

INTENTS = (
    "bargain_hunting",
    "urgent_purchase",
    "browsing",
    "comparison",
    "gift",
    "complaint_return",
    "shipping_question",
    "brand_loyal",
    "bulk",
)


class ByIntent(tuple[float, ...]):
    """A parameter that may differ between intents: one number for each of `INTENTS`, in their order.

    In a table it is a number, or a table by intent: `stay = 0.2` or `stay = { bargain_hunting = 0.8, default = 0.1 }`.
    Whatever a customer does with it follows from the true intent, which a shop never sees.
    """

    __slots__ = ()

    @classmethod
    def read(cls, value: Any, what: str) -> "ByIntent":
        """The parameter in any of its forms: a number, a table by intent, or all numbers in order.

        Args:
            value: as given.
            what: its name in messages.

        Raises:
            ValueError: an unknown intent, an intent without a number, or something that is not a finite number.

        >>> ByIntent.read({"gift": 0.5, "default": 0.1}, "stay")[:5]
        (0.1, 0.1, 0.1, 0.1, 0.5)
        """
        if isinstance(value, Mapping):
            for name in value:
                if name not in (*INTENTS, "default"):
                    raise ValueError(unknown_name(f"intent in {what}", str(name), (*INTENTS, "default")))
            missing = [name for name in INTENTS if name not in value]
            if missing and "default" not in value:
                raise ValueError(f"{what} needs a number for {', '.join(missing)}; give them, or default = 0.0.")
            value = [value.get(name, value.get("default")) for name in INTENTS]
        elif not isinstance(value, list | tuple):
            value = [value] * len(INTENTS)
        if len(value) != len(INTENTS):
            raise ValueError(f"{what} must have a number for each of the {len(INTENTS)} intents, got {len(value)}.")
        for number in value:
            is_number = isinstance(number, numbers.Real) and not isinstance(number, bool)
            if not is_number or not math.isfinite(number):
                raise ValueError(
                    f"{what} must be a finite number, or a table by intent such as "
                    f"{{ bargain_hunting = 0.8, default = 0.1 }}, got {number!r}."
                )
        return cls(float(number) for number in value)

    def as_value(self) -> float | dict[str, float]:
        """The shortest form in a table: a number, or a table whose default is the most frequent number.

        >>> ByIntent.read({"gift": 0.5, "default": 0.1}, "stay").as_value()
        {'gift': 0.5, 'default': 0.1}
        """
        default = max(self, key=self.count)
        others = {name: number for name, number in zip(INTENTS, self, strict=True) if number != default}
        return {**others, "default": default} if others else default


# A share or a probability of 0 for every intent.
NOBODY = ByIntent.read(0.0, "")

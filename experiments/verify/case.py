"""The form of a validation case: a small sale whose exact value is known, simulated and compared.

Owns    what a case declares, and the decorator that makes a case of a function.
Leaves  the cases to the files of `cases`, exact values to `agents.exact`.

    @validation_case("newsvendor", "newsvendor, F(Q) = (p - c) / (p - s)", "one order before one period", price=10.0)
    def newsvendor(sales: int, price: float) -> list[Measurement]: ...
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flashsale_env.experiments.verify.measurement import Measurement

Value = int | float | tuple[float, ...]
Measure = Callable[..., list[Measurement]]


@dataclass(frozen=True)
class ValidationCase:
    """One row of theory.

    Args:
        name: on the command line of `flashsale verify`.
        source: publication or derivation.
        statement: the result in one line.
        defaults: parameters and their default values.
        variants: parameter values verified by default, each over the defaults.
        function: measure(sales, **parameters).
    """

    name: str
    source: str
    statement: str
    defaults: Mapping[str, Value]
    variants: tuple[Mapping[str, Value], ...]
    function: Measure

    def measure(self, parameters: Mapping[str, Any], sales: int) -> list[Measurement]:
        """The measurements with these parameters, each of about this many sales."""
        return self.function(sales, **parameters)


def validation_case(
    name: str, source: str, statement: str, *, variants: Sequence[Mapping[str, Value]] = ({},), **defaults: Value
) -> Callable[[Measure], ValidationCase]:
    """Make a validation case of a function `measure(sales, **parameters)`; arguments as in `ValidationCase`."""

    def made(function: Measure) -> ValidationCase:
        return ValidationCase(name, source, statement, defaults, tuple(variants), function)

    return made

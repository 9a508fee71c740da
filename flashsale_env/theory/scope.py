"""Scopes: the scenario options and the customers for which a formula, a solver or a bound is valid.

Owns    the declaration (`Scope`), and the one check of a scenario against it.
Leaves  the declarations to the modules with such claims: `bounds`, `agents.exact`.

A scope is a whitelist. A new scenario option is therefore refused by every claim that does not name it; only its
default value, or its absence, is accepted.
"""

import dataclasses
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flashsale_env.population import HOMOGENEOUS, Population
from flashsale_env.scenario import Scenario


class _AnyValue:
    """Every value of a field."""

    def __contains__(self, value: object) -> bool:
        return True


ANY = _AnyValue()


def every(part: str, *names: str) -> dict[str, _AnyValue]:
    """These fields of a part, with any value: entries of `Scope.options`."""
    return {f"{part}.{name}": ANY for name in names}


@dataclass(frozen=True)
class Scope:
    """The scenarios and customers for which a claim holds.

    A field that is not named must have its default value. An optional part must be None unless one of its fields is
    named. The check walks over the fields of the scenario itself, so it reaches new fields too.

    Args:
        claim: name of the formula, solver or bound, as the subject of a sentence, e.g. "textbook pricing".
        options: dotted name of a field of `Scenario` or of its parts ("choice.drift", "products.quality") -> the values
            that are modelled. A part cannot be named as a whole, because it may gain fields.
        customers: fields of `Population` that may have any value; the others must be those of homogeneous customers.

    Raises:
        ValueError: a name is not a field.
    """

    claim: str
    options: Mapping[str, Collection[Any] | _AnyValue]
    customers: tuple[str, ...]

    def __post_init__(self) -> None:
        known = {*option_names(Scenario)} - {"population"}
        unknown = [*self.options.keys() - known, *set(self.customers) - _field_names(Population)]
        if unknown:
            raise ValueError(f"the scope of {self.claim} names {', '.join(sorted(unknown))}, which is not a field.")

    def why_not(self, scenario: Scenario, population: "str | Path | Population | None" = None) -> str | None:
        """The first option outside the scope, as a clause for an error message; None if all are inside.

        Args:
            scenario: the scenario to check.
            population: the customers; the scenario's own by default.
        """
        strange = next(self._strange(scenario, "", ""), None)
        return strange or self._why_not_customers(scenario.population if population is None else population)

    def _strange(self, part: Any, prefix: str, shown_prefix: str) -> Iterator[str]:
        """Clauses for the options of a part outside the scope; looked up as `products.quality`, shown as
        `products[0].quality`.
        """
        for field in dataclasses.fields(part):
            name, shown = prefix + field.name, shown_prefix + field.name
            value = getattr(part, field.name)
            inner = _parts(value)
            if name == "population":  # `_why_not_customers`
                continue
            if not inner:
                yield from self._strange_value(name, shown, value, field)
            elif inner.keys() != _parts(_default(field)).keys() and not self._names_part(name):
                yield f"the scenario has the option {name!r}, which {self.claim} does not model"
            else:
                for mark, entry in inner.items():
                    yield from self._strange(entry, f"{name}.", f"{shown}{mark}.")

    def _strange_value(self, name: str, shown: str, value: Any, field: Any) -> Iterator[str]:
        if name not in self.options:
            if not _equal(value, _default(field)):
                yield f"the scenario sets {shown} = {value!r}, which {self.claim} does not model"
        elif value not in self.options[name]:
            modelled = ", ".join(repr(entry) for entry in typing.cast(Collection[Any], self.options[name]))
            yield f"the scenario sets {shown} = {value!r}, and {self.claim} models {modelled} only"

    def _names_part(self, name: str) -> bool:
        return any(option.startswith(f"{name}.") for option in self.options)

    def _why_not_customers(self, customers: "str | Path | Population") -> str | None:
        if not isinstance(customers, Population):
            if str(customers) == HOMOGENEOUS or set(self.customers) >= _field_names(Population):
                return None
            named = str(customers)
            return f"the scenario's customers differ (population {named!r}), and {self.claim} models homogeneous ones"
        alike = Population.homogeneous(customers.products)
        for field in dataclasses.fields(customers):
            neutral = getattr(alike, field.name, _default(field))
            if field.name not in self.customers and not _same_in_every_row(getattr(customers, field.name), neutral):
                return (
                    f"the scenario's customers have a {field.name} other than that of homogeneous ones, which "
                    f"{self.claim} does not model"
                )
        return None


def _parts(value: Any) -> dict[str, Any]:
    """Suffix of the name -> dataclass, for the dataclasses that a value is or holds; empty for a plain value."""
    if dataclasses.is_dataclass(value):
        return {"": value}
    held = value if isinstance(value, Mapping) else dict(enumerate(value)) if isinstance(value, tuple | list) else {}
    found = all(dataclasses.is_dataclass(entry) for entry in held.values())
    return {f"[{key}]": entry for key, entry in held.items()} if found else {}


def _default(field: Any) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _equal(value: Any, neutral: Any) -> bool:
    if isinstance(value, np.ndarray) or isinstance(neutral, np.ndarray):
        return np.array_equal(value, neutral)
    return bool(value == neutral)


def _same_in_every_row(value: Any, neutral: Any) -> bool:
    """Whether every voice equals the single voice of homogeneous customers in this field."""
    value = np.asarray(value)
    try:
        return bool(np.all(value == np.broadcast_to(neutral, value.shape)))
    except ValueError:  # of another shape
        return False


def _field_names(kind: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def option_names(kind: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of all fields of a dataclass and of its parts."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        held = [hint for hint in _flat(hints[field.name]) if dataclasses.is_dataclass(hint)]
        if not held:
            yield prefix + field.name
        for part in held:
            yield from option_names(part, f"{prefix}{field.name}.")


def _flat(hint: Any) -> list[Any]:
    """The plain types inside a hint, e.g. Product in `tuple[Product, ...]`."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is not None:
        return [plain for entry in typing.get_args(hint) for plain in _flat(entry)]
    return [hint]

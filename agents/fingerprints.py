"""Whether two games are the same: hashes of scenario and customers, and the differences between two scenarios.

Owns    what counts as the game: every field of a scenario, future ones included, except those in `_NOT_THE_GAME`.

Names, descriptions and the code of the currency do not count. `observe` counts through the features that it shows, and
a change of the code through the scenario's `version`. A field at its default is left out of the hash, so a new option
that is switched off leaves the hashes of older scenarios as they were. Customers have a hash of their own, over their
tastes.
"""

import dataclasses
import hashlib
import json
import numbers
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from flashsale_env import Population, Scenario, load_population
from flashsale_env.population import HOMOGENEOUS, SHIPPED

_NOT_THE_GAME = ("name", "description", "currency", "population", "observe")
_NOT_TASTES = ("products", "utterances", "languages", "card")
# The most differences in one message, and the text for a field that a table leaves out.
_MOST_NAMED, _DEFAULT = 3, "its default"

_known: "WeakKeyDictionary[Population, str]" = WeakKeyDictionary()


def game(scenario: Scenario) -> dict[str, Any]:
    """The game as JSON, with all numbers as floats, so that 10 and 10.0 are the same price."""
    table = {name: value for name, value in _plain(scenario).items() if name not in _NOT_THE_GAME}
    return {**table, "features": list(scenario.features)}


def scenario_fingerprint(scenario: Scenario) -> str:
    """Hash of the game; equal for two scenarios that differ only in name, description and currency."""
    return hashlib.sha256(json.dumps(game(scenario), sort_keys=True).encode()).hexdigest()


def population_fingerprint(population: Population) -> str:
    """Hash of the customers' tastes and of what a shop sees of them; their sentences do not count."""
    if population not in _known:  # a population is frozen: one hash for its lifetime
        arrays = hashlib.sha256()
        for field in dataclasses.fields(population):
            if field.name not in _NOT_TASTES:
                arrays.update(field.name.encode())
                arrays.update(np.ascontiguousarray(getattr(population, field.name)).tobytes())
        _known[population] = arrays.hexdigest()
    return _known[population]


def customers_fingerprint(population: str | Path | Population | None, scenario: Scenario) -> str:
    """Hash of the customers with this name, folder or object; None for the scenario's own.

    Raises:
        ValueError, FileNotFoundError: as `load_population`.
    """
    named = scenario.population if population is None else population
    titles = scenario.titles
    if isinstance(named, str) and named in (*SHIPPED, HOMOGENEOUS):
        return _shipped_fingerprint(named, titles)
    return population_fingerprint(load_population(named, titles))


@cache
def _shipped_fingerprint(name: str, titles: tuple[str, ...]) -> str:
    return population_fingerprint(load_population(name, titles))


def fingerprints(scenario: Scenario, population: Population) -> dict[str, str]:
    """Hashes of scenario and population; a run is resumed only if both match."""
    return {
        "scenario_sha256": scenario_fingerprint(scenario),
        "population_sha256": population_fingerprint(population),
    }


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The differences between two games, in words; "" if there are none.

    >>> differences({"a": 1.0, "b": [{"c": 2.0}]}, {"a": 1.0, "b": [{"c": 3.0}]})
    'b[0].c 2.0 -> 3.0'
    """
    found = list(_differences("", before, after))
    more = f", and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return ", ".join(found[:_MOST_NAMED]) + more


def _differences(where: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            parts = (table.get(key, _DEFAULT) for table in (before, after))
            yield from _differences(f"{where}.{key}" if where else key, *parts)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for i, pair in enumerate(zip(before, after, strict=True)):
            yield from _differences(f"{where}[{i}]", *pair)
    elif before != after:
        yield f"{where} {before} -> {after}"


def _default(field: "dataclasses.Field[Any]") -> Any:
    """The field's default; `MISSING`, which equals no value, if it has none."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != _default(field)
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if value is None or isinstance(value, str | bool | np.bool_):
        return bool(value) if isinstance(value, np.bool_) else value
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"a scenario holds numbers, texts, tables and lists, got {value!r}.")

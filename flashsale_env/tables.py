"""Strict conversion of tables, as TOML and JSON hold them, to frozen dataclasses.

Owns    the type check of fields, `check_fields`; the strict reading of a table, `from_table`, and of a TOML file.
Leaves  all checks beyond the type (ranges, names, combinations) to each dataclass.

`check_fields` follows the type hints of the dataclass. It supports whole and finite numbers, numbers by intent, texts,
booleans, lists, arrays, tables, other dataclasses, and each of these or None. Any other hint is our own mistake and
raises TypeError, so no field goes unchecked.
"""

import dataclasses
import functools
import json
import math
import numbers
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from flashsale_env.errors import unknown_name
from flashsale_env.intents import ByIntent

if sys.version_info >= (3, 11):
    import tomllib as tomllib  # other modules import tomllib from here
else:
    import tomli as tomllib

T = TypeVar("T")

# Declared dtype kind -> accepted kinds. Integers convert to floats, never the other way round.
_ARRAY_KINDS = {"f": "fiu", "i": "iu"}


def example(value: object) -> dict[str, object]:
    """Metadata of a required field: an example value for the error about a missing key."""
    return {"example": value}


def check_fields(part: object, where: str = "") -> None:
    """Check the fields of a frozen dataclass against their type hints, and convert them to plain Python types.

    A whole number may be given as 10.0 or as a numpy scalar; it becomes an int. A list, a tuple or an array becomes a
    tuple. True is not accepted as a number, 10.7 not as a whole number, NaN and infinity not at all. Equal parts
    therefore have equal reprs.

    Args:
        part: the object under construction; its `__post_init__` calls this first.
        where: prefix of field names in messages, e.g. "arrivals.".

    Raises:
        ValueError: a field is of another type; the message names it.
        TypeError: a type hint is not supported.
    """
    kind: Any = type(part)
    for name, hint in _field_types(kind).items():
        object.__setattr__(part, name, as_declared(hint, getattr(part, name), f"{where}{name}"))


def as_declared(hint: Any, value: Any, what: str) -> Any:
    """A value converted to the type that its hint declares.

    Args:
        hint: the type hint.
        value: the value as given.
        what: name of the value, the subject of the message.

    Raises:
        ValueError: the value is of another type.
        TypeError: the hint is not supported.

    >>> as_declared(int, 10.0, "stock"), as_declared(tuple[float, ...], [1, 2], "prices")
    (10, (1.0, 2.0))
    """
    hint, optional = _without_none(hint)
    if value is None and optional:
        return None
    or_none = " or none" if optional else ""
    if hint is Any:
        return value
    if hint is bool:
        if isinstance(value, bool | np.bool_):
            return bool(value)
        raise _wrong(what, f"true or false{or_none}", value)
    if hint is int:
        return _whole_number(value, what, or_none)
    if hint is float:
        return _finite_number(value, what, or_none)
    if hint is str:
        if isinstance(value, str):
            return str.__str__(value)  # numpy strings and string enumerations have another repr
        raise _wrong(what, f"a text{or_none}", value)
    if hint is ByIntent:
        return ByIntent.read(value, what)
    origin = typing.get_origin(hint) or hint
    if origin is tuple:
        item = _item(hint)
        is_list = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)
        if not is_list:
            raise _wrong(what, f"a list of {_plural(item)}{or_none}", value)
        return tuple(as_declared(item, entry, f"{what}[{i}]") for i, entry in enumerate(value))
    if origin is np.ndarray:
        return _array(hint, value, what)
    if origin in (dict, Mapping):
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return value
        raise _wrong(what, f"a table{or_none}", value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        raise _wrong(what, f"of type {hint.__name__}{or_none}", value)
    raise TypeError(f"{what}: fields of type {hint} are not supported; add the type to `tables.as_declared`.")


def from_table(kind: type[T], content: Any, where: str) -> T:
    """A frozen dataclass from a table; nested tables become the dataclasses named by its type hints.

    Args:
        kind: the dataclass; it calls `check_fields`.
        content: the table. It may hold parts that are already built.
        where: prefix of every message, e.g. the path of the file.

    Raises:
        ValueError: unknown keys (the message names the nearest known ones); missing keys (one message lists all of
            them, with examples); or a value that a dataclass refuses.
    """
    wrong = list(_unknown_keys(kind, content, ""))
    if wrong:
        raise ValueError(f"{where}: {' '.join(wrong)}")
    missing = dict(_missing_keys(kind, content, ""))
    if missing:
        names = ", ".join(map(repr, missing))
        lines = ", ".join(f"{key} = {toml_value(value)}" for key, value in missing.items())
        raise ValueError(f"{where}: missing {'key' if len(missing) == 1 else 'keys'} {names}; for example {lines}.")
    try:
        built: T = _build(kind, content)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return built


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The table in a TOML file.

    Args:
        path: of the file.
        what: kind of file, for messages, e.g. "scenario file".

    Raises:
        FileNotFoundError: no such file.
        ValueError: not valid TOML; the message names the file.
    """
    try:
        # Some Windows editors start a file with a byte order mark; utf-8-sig removes it.
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise FileNotFoundError(f"no {what} at {path}.") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not valid TOML, which is written in UTF-8: {error}. Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}.") from None


def toml_value(value: object) -> str:
    """A value in TOML syntax; a mapping becomes an inline table.

    >>> toml_value({"depths": (0.0, 0.1), "name": "a"})
    '{depths = [0.0, 0.1], name = "a"}'
    """
    if isinstance(value, ByIntent):
        return toml_value(value.as_value())
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {toml_value(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, str):
        # Every JSON string is a TOML string, except that TOML requires DEL (U+007F) to be escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    raise TypeError(f"a table holds numbers, texts, lists and tables, got {value!r}.")


@functools.cache
def _field_types(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _without_none(hint: Any) -> tuple[Any, bool]:
    """The type of a hint "X" or "X | None", and whether None is allowed."""
    if typing.get_origin(hint) not in (types.UnionType, typing.Union):
        return hint, False
    others = [entry for entry in typing.get_args(hint) if entry is not types.NoneType]
    if len(others) > 1:
        raise TypeError(f"fields of type {hint} are not supported; add the type to `tables.as_declared`.")
    return others[0], True


def _item(hint: Any) -> Any:
    arguments = typing.get_args(hint)
    if len(arguments) != 2 or arguments[1] is not Ellipsis:
        raise TypeError(f"fields of type {hint} are not supported; add the type to `tables.as_declared`.")
    return arguments[0]


def _plural(hint: Any) -> str:
    names = {int: "whole numbers", float: "finite numbers", str: "texts", bool: "true or false"}
    return names.get(hint) or f"{hint.__name__} parts"


def _wrong(what: str, wanted: str, value: object) -> ValueError:
    shown = value.item() if isinstance(value, np.generic) else value
    return ValueError(f"{what} must be {wanted}, got {shown!r}.")


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _whole_number(value: Any, what: str, or_none: str) -> int:
    wanted = f"a whole number{or_none}"
    if not _is_number(value):
        raise _wrong(what, wanted, value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if not math.isfinite(value):
        raise _wrong(what, wanted, value)
    if value != int(value):
        raise ValueError(
            f"{what} must be {wanted}, got {float(value)}; take {math.floor(value)} or {math.ceil(value)}."
        )
    return int(value)


def _finite_number(value: Any, what: str, or_none: str) -> float:
    if not _is_number(value):
        raise _wrong(what, f"a finite number{or_none}", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _wrong(what, f"a finite number{or_none}", number)
    return number


def _array(hint: Any, value: Any, what: str) -> Any:
    """The array in its declared dtype; numbers of another width are converted."""
    declared = np.dtype(typing.get_args(typing.get_args(hint)[1])[0])
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{what} must be a numpy array of {declared}, got {type(value).__name__}.")
    if value.dtype.kind not in _ARRAY_KINDS[declared.kind]:
        raise ValueError(f"{what} must be a numpy array of {declared}, got one of {value.dtype}.")
    return value.astype(declared, copy=False)


def _tables(hint: Any, value: Any, key: str) -> Iterator[tuple[Any, Any, str]]:
    """(dataclass, table, path) of every table inside a value that describes a part."""
    hint, _ = _without_none(hint)
    if typing.get_origin(hint) is tuple and isinstance(value, list | tuple):
        for i, entry in enumerate(value):
            yield from _tables(_item(hint), entry, f"{key}[{i}]")
    elif dataclasses.is_dataclass(hint) and value is not None and not isinstance(value, typing.cast(type, hint)):
        yield hint, value, key


def _unknown_keys(kind: Any, content: Any, path: str) -> Iterator[str]:
    where = f"{path}: " if path else ""
    if not isinstance(content, Mapping):
        yield f"{where}want a table, got {content!r}."
        return
    known = _field_types(kind)
    for key, value in content.items():
        if key not in known:
            yield where + unknown_name("key", key, known)
            continue
        for part, table, inner in _tables(known[key], value, f"{path}.{key}" if path else key):
            yield from _unknown_keys(part, table, inner)


def _missing_keys(kind: Any, content: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """(path of the key, example) of every missing key, nested tables included."""
    dot = f"{path}." if path else ""
    for name, value in _required(kind).items():
        if name not in content:
            yield f"{dot}{name}", value
    for key, value in content.items():
        for part, table, inner in _tables(_field_types(kind)[key], value, f"{dot}{key}"):
            yield from _missing_keys(part, table, inner)


def _required(kind: Any) -> dict[str, Any]:
    """Field name -> example value, for the fields without a default."""
    return {
        field.name: field.metadata.get("example", _any_example(_field_types(kind)[field.name]))
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }


def _any_example(hint: Any) -> Any:
    hint, _ = _without_none(hint)
    if dataclasses.is_dataclass(hint):
        return _required(hint)
    if typing.get_origin(hint) is tuple:
        return (_any_example(_item(hint)),)
    return {int: 1, float: 1.0, bool: True, ByIntent: 0.1}.get(hint, "...")


def _build(kind: Any, content: Mapping[str, Any]) -> Any:
    hints = _field_types(kind)
    return kind(**{key: _parts(hints[key], value, key) for key, value in content.items()})


def _parts(hint: Any, value: Any, key: str) -> Any:
    """The value with its tables built into parts; the dataclass checks everything else."""
    hint, _ = _without_none(hint)
    if typing.get_origin(hint) is tuple and isinstance(value, list | tuple):
        found = []
        for i, entry in enumerate(value):
            try:
                found.append(_parts(_item(hint), entry, key))
            except ValueError as error:
                raise ValueError(f"{key}[{i}]: {error}") from error
        return tuple(found)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return _build(hint, value)
    return value

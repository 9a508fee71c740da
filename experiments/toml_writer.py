"""A scenario as TOML that `load_scenario` reads back to an equal one."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from flashsale_env import Scenario


def scenario_toml(scenario: Scenario, *, comments: Sequence[str] = ()) -> str:
    """The scenario's fields that differ from their defaults, parts as tables; comments come first, a line each."""
    lines = [f"# {' '.join(comment.split())}" for comment in comments]
    fields = _told(scenario)
    lines += [f"{key} = {_value(value)}" for key, value in fields.items() if not _is_table(value)]
    for key, value in fields.items():
        if dataclasses.is_dataclass(value):
            lines += ["", f"[{key}]", *_table(value)]
        elif _is_table(value):
            for part in value:
                lines += ["", f"[[{key}]]", *_table(part)]
    return "\n".join(lines) + "\n"


def _told(part: Any) -> Mapping[str, Any]:
    """Fields that a reader cannot fill in: those without a default or with another value."""
    told = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if value is not None and (field.default is dataclasses.MISSING or value != field.default):
            told[field.name] = value
    return told


def _table(part: Any) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in _told(part).items()]


def _is_table(value: Any) -> bool:
    return dataclasses.is_dataclass(value) or (
        isinstance(value, tuple) and bool(value) and dataclasses.is_dataclass(value[0])
    )


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        # A JSON string is a TOML string but for the one control character that JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    raise TypeError(f"a scenario holds numbers, texts, tuples and parts, got {value!r}.")

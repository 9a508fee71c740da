"""A scenario as TOML that `load_scenario` reads back to an equal one."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from flashsale_env import Scenario
from flashsale_env.tables import toml_value


def scenario_toml(scenario: Scenario, *, comments: Sequence[str] = ()) -> str:
    """The scenario's fields that differ from their defaults, parts as tables; comments come first, a line each."""
    lines = [f"# {' '.join(comment.split())}" for comment in comments]
    fields = _told(scenario)
    lines += [f"{key} = {toml_value(value)}" for key, value in fields.items() if not _is_table(value)]
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
    return [f"{key} = {toml_value(value)}" for key, value in _told(part).items()]


def _is_table(value: Any) -> bool:
    return dataclasses.is_dataclass(value) or (
        isinstance(value, tuple) and bool(value) and dataclasses.is_dataclass(value[0])
    )

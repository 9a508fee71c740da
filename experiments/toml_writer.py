"""A scenario as TOML that `load_scenario` reads back to an equal one."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from flashsale_env import Scenario
from flashsale_env.tables import toml_value


def scenario_toml(scenario: Scenario, *, comments: Sequence[str] = ()) -> str:
    """The scenario's fields that differ from their defaults, parts as tables; comments come first, one a line."""
    lines = [f"# {' '.join(comment.split())}" for comment in comments]
    fields = explicit(scenario)
    lines += [f"{key} = {toml_value(value)}" for key, value in fields.items() if not _is_table(value)]
    for key, value in fields.items():
        if dataclasses.is_dataclass(value):
            lines += ["", f"[{key}]", *_table(value)]
        elif _is_table(value):
            for part in value:
                lines += ["", f"[[{key}]]", *_table(part)]
    return "\n".join(lines) + "\n"


def explicit(part: Any) -> dict[str, Any]:
    """Fields that have no default, or another value than their default."""
    found = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if value is not None and (field.default is dataclasses.MISSING or value != field.default):
            found[field.name] = value
    return found


def _table(part: Any) -> list[str]:
    return [f"{key} = {toml_value(value)}" for key, value in explicit(part).items()]


def _is_table(value: Any) -> bool:
    return dataclasses.is_dataclass(value) or (
        isinstance(value, tuple) and bool(value) and dataclasses.is_dataclass(value[0])
    )

"""A scenario as TOML that `load_scenario` reads back to an equal one.

Owns    which keys are written, and the comments of an explained file.
Leaves  the words of the comments to `meanings`.
"""

import dataclasses
import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flashsale_env import Scenario
from flashsale_env.experiments.meanings import gist_of, meanings_of, parts
from flashsale_env.intents import ByIntent
from flashsale_env.tables import toml_value

_WIDTH = 100  # columns of a comment


def scenario_toml(scenario: Scenario, *, comments: Sequence[str] = (), explained: bool = False) -> str:
    """The scenario's fields that differ from their defaults, parts as tables; comments come first, one a line.

    Args:
        scenario: to write.
        comments: lines above all else.
        explained: every key has its meaning as a comment, and keys that have their defaults stand behind a "#" without
            a space. Of several products the first is explained.
    """
    lines = [f"# {' '.join(comment.split())}" for comment in comments]
    fields = explicit(scenario)
    tables = parts()
    if explained:
        lines += ["", *_explained(scenario, without=tables)]
    else:
        lines += _keys({key: value for key, value in fields.items() if key not in tables})
    for key in tables:
        value = fields.get(key)
        for number, part in enumerate(value if isinstance(value, tuple) else (value,)):
            if part is not None:
                lines += ["", f"[[{key}]]" if isinstance(value, tuple) else f"[{key}]"]
                lines += _explained(part, gist_of(type(part))) if explained and not number else _keys(explicit(part))
    return "\n".join(lines) + "\n"


def beside(scenario: Scenario, folder: Path) -> Scenario:
    """The scenario for a file in this folder: it names a folder of customers relative to itself."""
    if not Path(scenario.population).is_dir():
        return scenario
    return scenario.replace(population=os.path.relpath(scenario.population, folder))


def explicit(part: Any) -> dict[str, Any]:
    """Fields that have no default, or another value than their default; parts inside it as tables."""
    found = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if value is not None and value != _default(field):
            found[field.name] = value if isinstance(part, Scenario) else _plain(value)
    return found


def _default(field: "dataclasses.Field[Any]") -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _plain(value: Any) -> Any:
    """A value that `toml_value` can write."""
    if dataclasses.is_dataclass(value):
        return explicit(value)
    if isinstance(value, tuple) and not isinstance(value, ByIntent):
        return tuple(map(_plain, value))
    return value


def _keys(fields: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {toml_value(value)}" for key, value in fields.items()]


def _explained(part: Any, gist: str = "", without: Mapping[str, Any] | None = None) -> list[str]:
    """The keys of a part below their meanings, those with their defaults behind a "#"."""
    fields, meanings = explicit(part), meanings_of(type(part))
    lines = _comment(gist) if gist else []
    for field in dataclasses.fields(part):
        if field.name in (without or ()):
            continue
        meaning = meanings.get(field.name, field.name)
        if field.name in fields:
            lines += [*_comment(meaning), *_keys({field.name: fields[field.name]})]
        elif getattr(part, field.name) is None:
            lines += _comment(f"{field.name}, not set: {meaning}")
        else:
            lines += [*_comment(meaning), f"#{field.name} = {toml_value(_plain(getattr(part, field.name)))}"]
    return lines


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)]

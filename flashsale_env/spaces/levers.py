"""Decisions in words: actions as JSON, for people and language models.

Owns    the map JSON -> what is set, its schema, and the complaint about what does not fit.
Leaves  the decisions, their values, units and words to the mechanisms of the market, numbers as actions to `actions`.
Axes    C columns of the action.
Units   a setting is the value of a level: a price in currency, an order in units, a coupon as a share; or a word, e.g.
        "not offered".

An action names what it changes; everything else stays as it is, except what is taken for one tick only, such as an
order. Three forms:

    {"price": {"ticket": 2.5}, "coupon": 0.1}                      one tick
    {"price": {"ticket": 2.5}, "ticks": 5}                         the same, for five ticks
    {"plan": [{"ticks": 5}, {"price": {"ticket": 2}, "ticks": 3}]}   stages, one after the other

With continuous prices a price is any number of its range.
"""

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env.errors import unknown_name
from flashsale_env.scenario import DECISIONS, Scenario
from flashsale_env.spaces.actions import ActionCodec
from flashsale_env.spaces.decisions import Row, decision_rows

TICKS, PLAN = "ticks", "plan"
# Prices of a range may be given rounded to so many digits.
_DIGITS = 10
# Beyond every level; NaN is not below it either.
_FAR = 1e15

Settings = npt.NDArray[np.float64]
# What JSON or TOML holds.
Document = Any


@dataclass(frozen=True)
class Stage:
    """One stage of an action: settings (C,) at its first tick, those of its further ticks, and their number."""

    first: Settings
    later: Settings
    ticks: int


class Levers:
    """The decisions of a scenario in words.

    A setting is stored as the index of its level, for a price of a range as the price itself.

    Args:
        scenario: of the decisions.

    Attributes:
        codec: of the actions that `as_action` makes; "box" with continuous prices, else "multidiscrete".
        opening: (C,) what is set before the first action: level 0 of everything.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        continuous = scenario.pricing.continuous
        self.codec = ActionCodec(scenario, "box" if continuous else "multidiscrete")
        self._rows = [row for row in decision_rows(scenario) if row.column >= 0]
        self._ranged = np.array([continuous and row.decision == "price" for row in self._rows], np.bool_)
        self._by_decision: dict[str, dict[str, Row]] = {}
        for row in self._rows:
            self._by_decision.setdefault(row.decision, {})[row.label] = row
        self._once = np.array([DECISIONS[row.decision].once for row in self._rows], np.bool_)
        self.opening: Settings = np.array(
            [row.levels[0] if ranged else 0.0 for row, ranged in zip(self._rows, self._ranged, strict=True)]
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The decisions, keys of an action."""
        return tuple(self._by_decision)

    @property
    def standing(self) -> tuple[str, ...]:
        """The decisions that stay as they are set, without the prices."""
        return tuple(name for name in self._by_decision if name != "price" and not DECISIONS[name].once)

    def labels(self, decision: str) -> tuple[str, ...]:
        """What a decision is taken for, e.g. the products; ("",) for the sale as a whole."""
        return tuple(self._by_decision[decision])

    def values(self, row: Row) -> list[float | str]:
        """The values of the levels of a decision, as an action gives them."""
        words = DECISIONS[row.decision].words(self.scenario)
        return [words.get(level, _number(level)) for level in row.levels]

    def schema(self, most_ticks: int | None = None) -> dict[str, Any]:
        """The JSON schema (draft 2020-12) of an action.

        Args:
            most_ticks: that an action may play; 1 leaves `ticks` and `plan` out. The whole sale by default.
        """
        most = self.scenario.horizon_ticks if most_ticks is None else most_ticks
        decisions = {name: self._schema_of(name) for name in self._by_decision}
        if most == 1:
            return _object(decisions)
        ticks = {"type": "integer", "minimum": 1, "maximum": most, "description": "ticks to play, 1 by default"}
        stage = {**decisions, TICKS: ticks}
        # Without references, so that it can stand inside another schema.
        plan = {"type": "array", "minItems": 1, "maxItems": most, "items": _object(stage), "description": "stages"}
        alone = {"if": {"required": [PLAN]}, "then": {"maxProperties": 1}}
        return {**_object({**stage, PLAN: plan}), **alone}

    def read(self, action: str | Document, now: Settings, most_ticks: int | None = None) -> list[Stage]:
        """The stages of an action.

        Args:
            action: JSON text, or the object that it stands for.
            now: (C,) what is set.
            most_ticks: that all stages may play together; the whole sale by default.

        Raises:
            ValueError: it is no JSON, or does not fit `schema`; the message says where, what was wanted and what came.
        """
        content = _parsed(action)
        if not isinstance(content, Mapping):
            raise ValueError(f"an action must be a JSON object such as {self.example()}, got {_shown(content)}.")
        most = self.scenario.horizon_ticks if most_ticks is None else most_ticks
        stages = list(self._stages(content, np.asarray(now, np.float64)))
        total = sum(stage.ticks for stage in stages)
        if total > most:
            raise ValueError(f"an action may play {most} ticks at most here, got {total}: plan less.")
        return stages

    def example(self) -> str:
        """A short valid action."""
        name, rows = next(iter(self._by_decision.items()))
        label, row = next(iter(rows.items()))
        value = self.values(row)[1 if len(row.levels) > 1 else 0]
        return json.dumps({name: {label: value} if label else value}, ensure_ascii=False)

    def as_json(self, settings: Settings, but: Settings | None = None) -> Document:
        """What is set, as an action; only where it differs from `but`, if given."""
        found: dict[str, Any] = {}
        for column, row in enumerate(self._rows):
            if but is not None and settings[column] == but[column]:
                continue
            value = self._value(column, settings[column])
            label = row.label
            if label:
                found.setdefault(row.decision, {})[label] = value
            else:
                found[row.decision] = value
        return found

    def as_actions(self, settings: Settings) -> npt.NDArray[Any]:
        """The actions (N, C) of `codec` that set this, (N, C)."""
        actions = self.codec.from_levels(np.where(self._ranged, 0, settings).astype(np.int64))
        if self._ranged.any():
            columns = self.codec.columns("price")
            actions[:, columns] = self.codec.from_prices(settings[:, columns])
        return np.asarray(actions)

    def after(self, settings: Settings) -> Settings:
        """What stays set after a tick: decisions for one tick only return to level 0."""
        return np.where(self._once, self.opening, settings)

    def describe(self) -> str:
        """A line for each decision: what it is, its values and its unit. Products with the same values share a line."""
        lines = []
        for name, rows in self._by_decision.items():
            decision = DECISIONS[name]
            stays = "for the coming tick only" if decision.once else "stays until changed"
            lines.append(
                f"- {name} ({decision.meaning(self.scenario) or name}; unit: {decision.unit or 'value'}; {stays}):"
            )
            groups: dict[str, list[str]] = {}
            for label, row in rows.items():
                groups.setdefault(self._offered(row), []).append(label)
            for values, labels in groups.items():
                whose = "" if labels == [""] else f"{' / '.join(labels)}: "
                lines.append(f"    {whose}{values}")
        return "\n".join(lines)

    def longest(self, decisions: Collection[str]) -> int:
        """Characters that the JSON text of these decisions never exceeds; none of them is a price of a range."""
        total = 2
        for name in decisions:
            total += len(name) + 8
            for label, row in self._by_decision[name].items():
                total += len(json.dumps(label, ensure_ascii=False)) + 4
                total += max(len(json.dumps(value, ensure_ascii=False)) for value in self.values(row))
        return total

    def random(self, rng: np.random.Generator) -> Settings:
        """(C,) a level of every decision, with equal probabilities."""
        return self.from_levels(rng.integers(0, self.codec.n_levels))

    def span(self, column: int) -> tuple[float, float]:
        """The lowest and highest setting of a column: whole numbers for levels, prices for a price of a range."""
        levels = self._rows[column].levels
        return (min(levels), max(levels)) if self._ranged[column] else (0, len(levels) - 1)

    def from_levels(self, levels: npt.ArrayLike) -> Settings:
        """(C,) the settings of level indices (C,)."""
        chosen = np.asarray(levels, np.int64)
        return np.array(
            [
                row.levels[level] if ranged else float(level)
                for row, level, ranged in zip(self._rows, chosen, self._ranged, strict=True)
            ]
        )

    def _stages(self, content: Mapping[str, Any], now: Settings) -> Iterator[Stage]:
        if PLAN not in content:
            yield self._stage(content, now, "")
            return
        others = sorted(map(str, content.keys() - {PLAN}))
        if others:
            raise ValueError(f"an action with {PLAN!r} has nothing beside it, got {', '.join(others)}: move it inside.")
        stages = content[PLAN]
        if not isinstance(stages, list) or not stages:
            raise ValueError(f"{PLAN} must be a list of at least one stage, got {_shown(stages)}.")
        for number, part in enumerate(stages):
            where = f"{PLAN}[{number}]"
            if not isinstance(part, Mapping):
                raise ValueError(f"{where} must be an object such as {self.example()}, got {_shown(part)}.")
            stage = self._stage(part, now, f"{where}.")
            now = stage.later
            yield stage

    def _stage(self, content: Mapping[str, Any], now: Settings, where: str) -> Stage:
        ticks = content.get(TICKS, 1)
        if not isinstance(ticks, int) or isinstance(ticks, bool) or ticks < 1:
            raise ValueError(f"{where}{TICKS} must be a whole number of ticks, at least 1, got {_shown(ticks)}.")
        settings = now.copy()
        for name, given in content.items():
            if name == TICKS:
                continue
            if name not in self._by_decision:
                kind = f"decision in {where.rstrip('.')}" if where else "decision"
                raise ValueError(unknown_name(kind, name, (*self._by_decision, TICKS, PLAN)))
            rows = self._by_decision[name]
            if "" in rows:
                settings[rows[""].column] = self._setting(rows[""], given, f"{where}{name}")
                continue
            if not isinstance(given, Mapping):
                wanted = json.dumps({next(iter(rows)): self.values(next(iter(rows.values())))[0]}, ensure_ascii=False)
                raise ValueError(f"{where}{name} must be an object by name such as {wanted}, got {_shown(given)}.")
            for label, value in given.items():
                if label not in rows:
                    raise ValueError(unknown_name(f"name in {where}{name}", str(label), rows))
                settings[rows[label].column] = self._setting(rows[label], value, f"{where}{name}[{label}]")
        return Stage(settings, self.after(settings), ticks)

    def _setting(self, row: Row, given: Any, where: str) -> float:
        words = {word: level for level, word in DECISIONS[row.decision].words(self.scenario).items()}
        value = words.get(given, given) if isinstance(given, str) else given
        number = math.nan
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _FAR:
            number = float(value)
        if self._ranged[row.column]:
            if min(row.levels) - 1e-9 <= number <= max(row.levels) + 1e-9:
                return float(np.clip(number, min(row.levels), max(row.levels)))
        elif not math.isnan(number):
            for index, level in enumerate(row.levels):
                if _number(level) == _number(number) and isinstance(given, str) == (level in words.values()):
                    return float(index)
        unit = DECISIONS[row.decision].unit
        raise ValueError(
            f"{where} must be {self._offered(row)}{f' ({unit})' if unit else ''}, got {_shown(given)}. "
            f"Nothing was played."
        )

    def _offered(self, row: Row) -> str:
        """The values to choose from, in words."""
        if self._ranged[row.column]:
            return f"a number from {_number(min(row.levels))} to {_number(max(row.levels))}"
        shown = [json.dumps(value, ensure_ascii=False) for value in self.values(row)]
        return f"one of {', '.join(shown)}"

    def _value(self, column: int, setting: float) -> float | str:
        row = self._rows[column]
        return _number(setting) if self._ranged[column] else self.values(row)[int(setting)]

    def _schema_of(self, decision: str) -> dict[str, Any]:
        rows = self._by_decision[decision]
        entry = DECISIONS[decision]
        about = {"description": f"{entry.meaning(self.scenario) or decision}; unit: {entry.unit or 'value'}"}
        schemas = {label: self._schema_of_row(row) for label, row in rows.items()}
        return {**schemas[""], **about} if "" in schemas else {**_object(schemas), **about}

    def _schema_of_row(self, row: Row) -> dict[str, Any]:
        if self._ranged[row.column]:
            return {"type": "number", "minimum": min(row.levels), "maximum": max(row.levels)}
        return {"enum": self.values(row)}


def _number(value: float) -> float:
    """A number as JSON shows it: whole where it is, and without the last bits of a division."""
    rounded = round(float(value), _DIGITS)
    return int(rounded) if rounded == int(rounded) else rounded


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _parsed(action: str | Document) -> Document:
    if not isinstance(action, str):
        return action
    try:
        return json.loads(action, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"an action must be one JSON object and nothing else: {error.msg} at character {error.pos}, "
            f"near {action[max(0, error.pos - 20) : error.pos + 20]!r}."
        ) from None
    except RecursionError:
        raise ValueError("an action must be one JSON object, got one that is nested too deeply.") from None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"an action must name everything once, got {name!r} twice.")
        found[name] = value
    return found


def _shown(value: Any) -> str:
    """A value in a message, cut to a readable length."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 80 else f"{text[:77]}..."

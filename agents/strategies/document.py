"""A strategy as a document: phases with decisions in words, and what to do where sales run slow or fast.

Owns    the form of the document, its checks, and its free numbers, which a search may move.
Leaves  decisions in words to `flashsale_env.spaces.levers`, playing to `agent`.
Axes    T ticks, C columns of the action, P phases.
Units   values of levels as in `spaces.levers`; shares of the units owned so far that are sold.

    name = "skim, then clear"

    [[phases]]
    ticks = 4
    price = { ticket = 2.5 }

    [[phases]]                 # the last one may leave `ticks` out: the rest of the sale
    price = { ticket = 2.0 }
    slow = { sold_below = 0.4, price = { ticket = 1.5 } }
    fast = { sold_above = 0.8, price = { ticket = 2.5 } }

A phase changes what it names, the rest stays. In every tick of it, `slow` and `fast` replace decisions: for a product
by its own share of units sold, for the sale as a whole by that of all products. JSON has the same form.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import DECISIONS, Levers, Scenario, load_scenario
from flashsale_env.agents.base import Space
from flashsale_env.errors import unknown_name
from flashsale_env.files import write_atomically
from flashsale_env.spaces.levers import Settings
from flashsale_env.tables import read_toml, toml_value

PHASES, TICKS, SLOW, FAST = "phases", "ticks", "slow", "fast"
BELOW, ABOVE = "sold_below", "sold_above"
FILE = "strategy.toml"
# Strategies that are shipped: scenario -> file.
WRITTEN: dict[str, Path] = {path.stem: path for path in (Path(__file__).parent / "written").glob("*.toml")}
_LIMITS = {SLOW: BELOW, FAST: ABOVE}


@dataclass(frozen=True, eq=False)
class Branch:
    """What replaces decisions of a phase: columns (k,), their settings (k,), and the limit of the share sold."""

    columns: npt.NDArray[np.int64]
    settings: Settings
    limit: float


@dataclass(frozen=True, eq=False)
class Phase:
    """One phase: its ticks, settings (C,) of its first tick and of the others, and the columns that it names."""

    ticks: int
    first: Settings
    later: Settings
    named: npt.NDArray[np.int64]
    branches: Mapping[str, Branch]


@dataclass(frozen=True, eq=False)
class Strategy:
    """A checked document.

    Args:
        name: its title.
        levers: the decisions of its scenario.
        phases: P of them; their ticks add up to the sale.
    """

    name: str
    levers: Levers
    phases: tuple[Phase, ...]

    @property
    def reacts(self) -> bool:
        """Whether anything depends on what is sold."""
        return any(phase.branches for phase in self.phases)

    def as_document(self) -> dict[str, Any]:
        """The document, as TOML and JSON hold it."""
        phases = []
        before = self.levers.opening
        for phase in self.phases:
            entry: dict[str, Any] = {TICKS: phase.ticks} | self._named(before, phase.named, phase.first)
            for kind, branch in phase.branches.items():
                settings = phase.first.copy()
                settings[branch.columns] = branch.settings
                entry[kind] = {_LIMITS[kind]: branch.limit} | self._named(before, branch.columns, settings)
            phases.append(entry)
            before = phase.later
        return {"name": self.name, PHASES: phases}

    def _named(self, before: Settings, columns: npt.NDArray[np.int64], settings: Settings) -> dict[str, Any]:
        # NaN differs from everything, so these columns are named and no others.
        other = settings.copy()
        other[columns] = np.nan
        named: dict[str, Any] = self.levers.as_json(settings, other)
        return named

    def space(self) -> Space:
        """The free numbers and their ranges: the level, or price of a range, of everything that is named; limits; ends.

        "phase 2 ends" is the tick in which the phase ends; ends are put in order.
        """
        space: Space = {}
        for number, phase in enumerate(self.phases, start=1):
            if number < len(self.phases):
                space[f"phase {number} ends"] = (1, self.levers.scenario.horizon_ticks - 1)
            for column in phase.named:
                space[f"phase {number}: {self.levers.codec.names[column]}"] = self.levers.span(column)
            for kind, branch in phase.branches.items():
                space[f"phase {number}, {kind}: limit"] = (0.0, 1.0)
                for column in branch.columns:
                    space[f"phase {number}, {kind}: {self.levers.codec.names[column]}"] = self.levers.span(column)
        return space

    def numbers(self) -> dict[str, float]:
        """The values of the free numbers."""
        values: dict[str, float] = {}
        ends = np.cumsum([phase.ticks for phase in self.phases])
        for number, phase in enumerate(self.phases, start=1):
            values[f"phase {number} ends"] = int(ends[number - 1])
            for column in phase.named:
                values[f"phase {number}: {self.levers.codec.names[column]}"] = phase.first[column]
            for kind, branch in phase.branches.items():
                values[f"phase {number}, {kind}: limit"] = branch.limit
                for column, setting in zip(branch.columns, branch.settings, strict=True):
                    values[f"phase {number}, {kind}: {self.levers.codec.names[column]}"] = setting
        space = self.space()
        return {
            key: int(values[key]) if isinstance(low, int) else float(values[key]) for key, (low, _) in space.items()
        }

    def moved(self, numbers: Mapping[str, float], name: str | None = None) -> "Strategy":
        """The strategy with other values of its free numbers."""
        horizon = self.levers.scenario.horizon_ticks
        edges = _edges([int(numbers[f"phase {number} ends"]) for number in range(1, len(self.phases))], horizon)
        phases = []
        now = self.levers.opening
        for number, phase in enumerate(self.phases, start=1):
            first = now.copy()
            for column in phase.named:
                first[column] = numbers[f"phase {number}: {self.levers.codec.names[column]}"]
            branches = {}
            for kind, branch in phase.branches.items():
                settings = [
                    numbers[f"phase {number}, {kind}: {self.levers.codec.names[column]}"] for column in branch.columns
                ]
                limit = float(numbers[f"phase {number}, {kind}: limit"])
                branches[kind] = Branch(branch.columns, np.array(settings, np.float64), limit)
            now = self.levers.after(first)
            phases.append(Phase(edges[number] - edges[number - 1], first, now, phase.named, branches))
        return Strategy(self.name if name is None else name, self.levers, tuple(phases))


def read_strategy(document: str | Path | Mapping[str, Any], scenario: str | Path | Scenario) -> Strategy:
    """A strategy, checked for a scenario.

    Args:
        document: path of a TOML or JSON file, the text of a JSON document, or the document itself.
        scenario: what it is for: name, path or object.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it does not fit; the message says where, what was wanted and what came.
    """
    content, where = _content(document)
    levers = Levers(load_scenario(scenario))
    try:
        return _strategy(content, levers)
    except ValueError as error:
        raise ValueError(f"{where}: {error}".removesuffix(" Nothing was played.")) from None


def strategy_toml(strategy: Strategy, comments: Sequence[str] = ()) -> str:
    """The strategy as TOML that `read_strategy` reads back."""
    document = strategy.as_document()
    lines = [f"# {' '.join(comment.split())}" for comment in comments]
    lines.append(f"name = {toml_value(document['name'])}")
    for phase in document[PHASES]:
        lines += ["", f"[[{PHASES}]]", *(f"{key} = {_inline(value)}" for key, value in phase.items())]
    return "\n".join(lines) + "\n"


def write_strategy(path: Path, strategy: Strategy, comments: Sequence[str] = ()) -> None:
    """Write the strategy as TOML."""
    write_atomically(path, strategy_toml(strategy, comments).encode())


def _edges(ends: list[int], horizon: int) -> list[int]:
    """The edges of phases, 0 and the horizon included: the ends in order, at least one tick apart.

    >>> _edges([7, 3, 3, 9], 10)
    [0, 3, 4, 7, 9, 10]
    """
    edges = [0]
    for end in sorted(ends):
        edges.append(max(end, edges[-1] + 1))
    edges.append(horizon)
    for i in range(len(edges) - 2, 0, -1):
        edges[i] = min(edges[i], edges[i + 1] - 1)
    return edges


def _inline(value: Any) -> str:
    """As `toml_value`, with the keys of tables quoted: titles of products hold spaces."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_value(str(key))} = {_inline(entry)}" for key, entry in value.items()) + " }"
    return toml_value(value)


def _content(document: str | Path | Mapping[str, Any]) -> tuple[Any, str]:
    if isinstance(document, Mapping):
        return document, "strategy"
    if isinstance(document, str) and document.lstrip().startswith("{"):
        return _from_json(document, "strategy"), "strategy"
    path = Path(document)
    if path.suffix == ".json":
        try:
            return _from_json(path.read_text(encoding="utf-8"), str(path)), str(path)
        except FileNotFoundError:
            raise FileNotFoundError(f"no strategy at {path}.") from None
    return read_toml(path, "strategy"), str(path)


def _from_json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{where}: not valid JSON: {error}.") from None


def _strategy(content: Any, levers: Levers) -> Strategy:
    if not isinstance(content, Mapping):
        raise ValueError("want a table with name and phases.")
    for key in content:
        if key not in ("name", PHASES):
            raise ValueError(unknown_name("key", key, ("name", PHASES)))
    name = content.get("name", "strategy")
    if not isinstance(name, str):
        raise ValueError(f"name must be a text, got {name!r}.")
    tables = content.get(PHASES)
    if not isinstance(tables, list) or not tables:
        raise ValueError(f"{PHASES} must be a list of at least one phase, got {tables!r}.")
    return Strategy(name, levers, tuple(_phases(tables, levers)))


def _phases(tables: list[Any], levers: Levers) -> Iterator[Phase]:
    left = levers.scenario.horizon_ticks
    now = levers.opening
    for number, table in enumerate(tables):
        where = f"{PHASES}[{number}]"
        if not isinstance(table, Mapping):
            raise ValueError(f"{where} must be a table, got {table!r}.")
        is_last = number == len(tables) - 1
        decisions = {key: value for key, value in table.items() if key not in (TICKS, SLOW, FAST)}
        ticks = table.get(TICKS, left if is_last else None)
        if not isinstance(ticks, int) or isinstance(ticks, bool) or ticks < 1:
            raise ValueError(f"{where}.{TICKS} must be a whole number of at least 1, got {ticks!r}.")
        if ticks > left or (is_last and ticks < left):
            raise ValueError(
                f"{where}.{TICKS} must be {'' if is_last else 'at most '}{left}, the ticks that are left of "
                f"{levers.scenario.horizon_ticks}, got {ticks}" + ("; or leave it out." if is_last else ".")
            )
        first, named = _settings(levers, decisions, now, where)
        branches = {
            kind: _branch(levers, table[kind], first, f"{where}.{kind}", _LIMITS[kind])
            for kind in (SLOW, FAST)
            if kind in table
        }
        now = levers.after(first)
        left -= ticks
        yield Phase(ticks, first, now, named, branches)


def _branch(levers: Levers, table: Any, first: Settings, where: str, limit: str) -> Branch:
    share = table.get(limit) if isinstance(table, Mapping) else None
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= 1:
        raise ValueError(f"{where}.{limit} must be a share of the units from 0 to 1, got {share!r}.")
    settings, named = _settings(levers, {key: value for key, value in table.items() if key != limit}, first, where)
    if not len(named):
        raise ValueError(f"{where} must name a decision, e.g. {levers.example()}.")
    for name in table:
        if name != limit and DECISIONS[name].once:
            raise ValueError(
                f"{where} cannot hold {name!r}, which would be repeated every tick: give a phase of its own."
            )
    return Branch(named, settings[named], float(share))


def _settings(
    levers: Levers, decisions: Mapping[str, Any], now: Settings, where: str
) -> tuple[Settings, npt.NDArray[np.int64]]:
    """What is set, and the columns that are named."""
    for name in decisions:
        if name not in levers.names:
            known = (*levers.names, TICKS, SLOW, FAST)
            raise ValueError(f"{where}: {unknown_name('decision', name, known)}")
    try:
        (stage,) = levers.read(dict(decisions), now)
        unnamed = np.isnan(levers.read(dict(decisions), np.full(len(now), np.nan))[0].first)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return stage.first, np.flatnonzero(~unnamed)

"""Tuned parameters of the rules: where they are stored, and for which game and customers they hold.

Owns    the files that `flashsale tune` writes, and the marks of rules without tuned values.
Leaves  the search to `experiments.tuning`.

Values of a shipped scenario are in agents/tuned/NAME.json, those of a user's `mine.toml` beside it in
`mine.tuned.json`; a `Scenario` built in Python has no file. A file maps an agent to a list of entries, one for each
population that it was tuned for:

    scenario_sha256, population_sha256     the game and the customers
    space                                  parameter -> the range that was searched
    params                                 parameter -> value
    profit, untuned_profit, gain, ...      figures on sales that the search did not use
    command                                the command that wrote the entry

An entry is used if game, parameters and ranges equal its own. Names play no part.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from flashsale_env import SCENARIOS, Population, Scenario, load_scenario
from flashsale_env.agents.fingerprints import customers_fingerprint, scenario_fingerprint
from flashsale_env.files import write_atomically

FOLDER = Path(__file__).parent / "tuned"

# Marks of a rule, shown in brackets after its name. A rule that is tuned, or has nothing to tune, has none.
UNTUNED, OTHER_CUSTOMERS = "untuned here", "tuned among other customers"

Entry = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """Tuned values of a rule; none, with the mark `UNTUNED`, if there are none for this game.

    Args:
        params: the values.
        mark: "", or what to say beside the rule's name.
        profit: mean on validation sales that the search did not use, currency.
    """

    params: dict[str, float]
    mark: str
    profit: float = math.nan


def home(scenario: str | Path | Scenario) -> Path | None:
    """The file of a scenario's tuned values, whether or not it exists; None for a scenario built in Python."""
    if isinstance(scenario, Scenario):
        return FOLDER / f"{scenario.name}.json" if scenario.name in SCENARIOS else None
    if scenario in SCENARIOS:
        return FOLDER / f"{scenario}.json"
    return Path(scenario).with_suffix(".tuned.json")


def find(
    name: str,
    space: Mapping[str, tuple[float, float]],
    scenario: str | Path | Scenario,
    population: str | Path | Population | None = None,
) -> Found:
    """The values of a rule for this game: those tuned for these customers, else for the scenario's own.

    Args:
        name: of the agent.
        space: its parameters in this scenario, with their ranges.
        scenario: name, path or object.
        population: the customers it will meet; the scenario's own by default.

    Raises:
        ValueError: a file of tuned values is broken; the message names it.
    """
    sale = load_scenario(scenario)
    entries = [entry for path in _files(scenario) for entry in read(path).get(name, ())]
    game, ranges = scenario_fingerprint(sale), as_json(space)
    fitting = [entry for entry in entries if (entry["scenario_sha256"], entry["space"]) == (game, ranges)]
    if not fitting:
        return Found({}, UNTUNED)
    for whom, mark in ((population, ""), (None, OTHER_CUSTOMERS)):
        try:
            customers = customers_fingerprint(whom, sale)
        except (ValueError, FileNotFoundError):  # playing reports it
            continue
        for entry in fitting:
            if entry["population_sha256"] == customers:
                return Found(dict(entry["params"]), mark, float(entry.get("profit", math.nan)))
    return Found({}, UNTUNED)


def read(path: Path) -> dict[str, list[Entry]]:
    """Agent -> entries of a file; empty if there is no file.

    Raises:
        ValueError: it is not in the format of `flashsale tune`.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return {}
    return _parsed(path, status.st_mtime_ns, status.st_size)


def write(path: Path, name: str, entry: Entry) -> Path:
    """Store an entry; it replaces the agent's entry for the same customers, and its entries for another game."""
    content = dict(read(path))
    kept = [
        other
        for other in content.get(name, ())
        if other["scenario_sha256"] == entry["scenario_sha256"]
        and other["population_sha256"] != entry["population_sha256"]
    ]
    content[name] = [*kept, entry]
    write_atomically(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def as_json(space: Mapping[str, tuple[float, float]]) -> dict[str, list[float]]:
    """Ranges of parameters as a file stores them."""
    return {name: list(bounds) for name, bounds in space.items()}


def _files(scenario: str | Path | Scenario) -> list[Path]:
    """The scenario's own file first, then all shipped ones: a renamed copy is the same game."""
    return list(dict.fromkeys(path for path in (home(scenario), *sorted(FOLDER.glob("*.json"))) if path is not None))


_NEEDED: dict[str, type] = {"scenario_sha256": str, "population_sha256": str, "space": dict, "params": dict}


@lru_cache(maxsize=64)
def _parsed(path: Path, changed: int, size: int) -> dict[str, list[Entry]]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}. Remove it and run `flashsale tune` again.") from None
    good = isinstance(content, dict) and all(
        isinstance(entries, list)
        and all(
            isinstance(entry, dict) and all(isinstance(entry.get(key), kind) for key, kind in _NEEDED.items())
            for entry in entries
        )
        for entries in content.values()
    )
    if not good:
        raise ValueError(
            f"{path} must map agents to lists of entries with {', '.join(_NEEDED)}, as `flashsale tune` writes it. "
            f"Remove it and run `flashsale tune` again."
        )
    found: dict[str, list[Entry]] = content
    return found

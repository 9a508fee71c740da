"""Tuned parameters of the rules: where they are kept, and for which game and customers they hold.

Owns    the files that `flashsale tune` writes, and what a rule without tuned values is called wherever it is shown.
Leaves  the search to `experiments.tuning`.

Values of a shipped scenario lie in agents/tuned/NAME.json, those of a user's `mine.toml` beside it in
`mine.tuned.json`; a `Scenario` built in Python has no file. A file maps an agent to a list of entries, one for each
population it was tuned among:

    scenario_sha256, population_sha256     the game and the customers
    space                                  parameter -> the range that was searched
    params                                 parameter -> value
    profit, untuned_profit, gain, ...      figures on sales that the search did not see
    command                                what made them

An entry is used where game, parameters and ranges are those it was made with. Nothing else decides, no name.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from flashsale_env import SCENARIOS, Population, Scenario, load_scenario
from flashsale_env.agents.fingerprints import customers_fingerprint, scenario_fingerprint
from flashsale_env.files import write_atomically

FOLDER = Path(__file__).parent / "tuned"

# What is said beside a rule wherever it is shown; nothing is said of one that is tuned, or has nothing to tune.
UNTUNED, OTHER_CUSTOMERS = "untuned here", "tuned among other customers"

Entry = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """Tuned values of a rule; none, with the mark `UNTUNED`, where there are none for this game."""

    params: dict[str, float]
    mark: str


def home(scenario: str | Path | Scenario) -> Path | None:
    """The file that keeps the tuned values of a scenario, whether it is there or not; None for one built in Python."""
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
    """The values of a rule for this game: those tuned among these customers, else among the scenario's own.

    Args:
        name: of the agent.
        space: its parameters in this scenario, with their ranges.
        scenario: name, path or object.
        population: whom it is to meet; the scenario's own by default.

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
        except (ValueError, FileNotFoundError):  # whoever plays among them is told
            continue
        for entry in fitting:
            if entry["population_sha256"] == customers:
                return Found(dict(entry["params"]), mark)
    return Found({}, UNTUNED)


def read(path: Path) -> dict[str, list[Entry]]:
    """Agent -> entries of a file; nothing where there is no file.

    Raises:
        ValueError: it is not in the format that `flashsale tune` writes.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return {}
    return _parsed(path, status.st_mtime_ns, status.st_size)


def write(path: Path, name: str, entry: Entry) -> Path:
    """Keep an entry, in place of the agent's entry for the same customers and of those for another game."""
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
    """Ranges of parameters as a file keeps them."""
    return {name: list(bounds) for name, bounds in space.items()}


def _files(scenario: str | Path | Scenario) -> list[Path]:
    """Beside the scenario first; then all that are shipped, for a copy by another name is the same game."""
    return list(dict.fromkeys(path for path in (home(scenario), *sorted(FOLDER.glob("*.json"))) if path is not None))


_NEEDED: dict[str, Callable[[Any], bool]] = {
    "scenario_sha256": lambda value: isinstance(value, str),
    "population_sha256": lambda value: isinstance(value, str),
    "space": lambda value: isinstance(value, dict),
    "params": lambda value: isinstance(value, dict),
}


@lru_cache(maxsize=64)
def _parsed(path: Path, changed: int, size: int) -> dict[str, list[Entry]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}. Remove it and run `flashsale tune` again.") from None
    good = isinstance(content, dict) and all(
        isinstance(entries, list)
        and all(
            isinstance(entry, dict) and all(check(entry.get(key)) for key, check in _NEEDED.items())
            for entry in entries
        )
        for entries in content.values()
    )
    if not good:
        raise ValueError(
            f"{path} must map agents to lists of entries with {', '.join(_NEEDED)}, as `flashsale tune` writes it. "
            f"Remove it and run `flashsale tune` again."
        )
    return content  # type: ignore[no-any-return]

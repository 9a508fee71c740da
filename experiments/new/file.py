"""The file of a scenario that is begun: the keys with their meanings, and what else there is.

Owns    the comments above the keys, and what the customers say to the scenario.
Leaves  its content to `begin`, the keys to `toml_writer`.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

from flashsale_env import Scenario, load_population
from flashsale_env.experiments.meanings import gist_of, parts
from flashsale_env.experiments.new.begin import OPTIONAL, Begun, begin
from flashsale_env.experiments.toml_writer import beside, scenario_toml
from flashsale_env.files import write_atomically


def check_path(path: Path, overwrite: bool) -> None:
    """Refuse a file that `load_scenario` would not take, or that is there already.

    Raises:
        ValueError: its name does not end in .toml.
        FileExistsError: it exists, and `overwrite` is False.
    """
    if path.suffix != ".toml":
        raise ValueError(f"--out wants a file whose name ends in .toml, got {path}.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there already: choose another --out, or pass --overwrite to replace it.")


def write(name: str, path: Path, like: str | None, mechanisms: Sequence[str]) -> tuple[Begun, list[str]]:
    """Write the scenario; what was begun, and a sentence for each setting without effect among its customers.

    Raises:
        ValueError: as `begin`.
    """
    begun = begin(name, like, mechanisms)
    sale = begun.scenario
    customers = load_population(sale.population, sale.titles)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sale.check_customers(customers)
    text = scenario_toml(beside(sale, path.parent), comments=_head(begun, like, path), explained=True)
    write_atomically(path, (text + "\n" + "\n".join(_more(sale)) + "\n").encode())
    return begun, [str(entry.message) for entry in caught]


def _head(begun: Begun, like: str | None, path: Path) -> list[str]:
    return [
        f"{begun.scenario.name}: begun {f'from {like}' if like else 'small'} with `flashsale new`.",
        *(f"[{name}] {source}." for name, source in begun.added.items()),
        f"`flashsale show {path.name}` tells what it is.",
        f"`flashsale evaluate fixed_price --scenario {path.name}` plays it.",
        "A key behind a # without a space has its default; take the # away to change it.",
        "Rates are per minute, money is in one currency.",
    ]


def _more(sale: Scenario) -> list[str]:
    """The mechanisms that the scenario does not have, each in a line."""
    absent = [name for name in OPTIONAL if getattr(sale, name) is None]
    if not absent:
        return []
    lines = ["# Further mechanisms, for `flashsale new --with NAME`:"]
    return [*lines, *(f"#   {name}: {gist_of(parts()[name])}" for name in absent)]

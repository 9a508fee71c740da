"""What there is, by name: scenarios, agents, populations, encoders, experiments. Loads no model and no torch."""

import json
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from flashsale_env import SCENARIOS, environment_id, load_scenario
from flashsale_env.agents import AGENTS, REFERENCE_CARD, REFERENCES
from flashsale_env.agents.discovery import entry_points
from flashsale_env.experiments.benchmark.settings import BENCHMARKS
from flashsale_env.experiments.settings import CONFIGS
from flashsale_env.experiments.studies import STUDIES
from flashsale_env.population import HOMOGENEOUS, SHIPPED
from flashsale_env.tables import tomllib

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable  # elsewhere in Python 3.10

Rows = list[dict[str, Any]]


def everything() -> dict[str, Rows]:
    """Kind -> entries, each with "name" and "description"; experiments and benchmarks also with their "command"."""
    return {
        "scenarios": scenarios(),
        "agents": agents(),
        "trained agents": trained(),
        "populations": populations(),
        "encoders": encoders(),
        "experiments": [*described(CONFIGS, "flashsale demo --config {name}"), *studies()],
        "benchmarks": described(BENCHMARKS, "flashsale benchmark {name} --out DIR"),
    }


def described(files: "Mapping[str, Traversable]", command: str) -> Rows:
    """Shipped TOML files with the description that each of them holds, and the command that runs it."""
    return [
        {
            "name": name,
            "description": tomllib.loads(path.read_text(encoding="utf-8"))["description"],
            "command": command.format(name=name),
        }
        for name, path in files.items()
    ]


def studies() -> Rows:
    """The studies of `flashsale study`."""
    return [
        {"name": name, "description": summary, "command": f"flashsale study {name}"}
        for name, summary in STUDIES.items()
    ]


def scenarios() -> Rows:
    """The shipped scenarios with their environment ids."""
    return [
        {"name": name, "id": environment_id(name), "description": load_scenario(name).description} for name in SCENARIOS
    ]


def agents() -> Rows:
    """The agents of the package, and those that other packages register by an entry point."""
    return [
        *({"name": name, "description": entry.description} for name, entry in AGENTS.items()),
        *({"name": name, "description": f"entry point {point.value}"} for name, point in entry_points().items()),
    ]


def trained() -> Rows:
    """The shipped trained policies, described by their cards."""
    rows = []
    for name, folder in sorted(REFERENCES.items()):
        card = json.loads((folder / REFERENCE_CARD).read_text(encoding="utf-8"))
        gains = ", ".join(f"{row['diff']:+,.0f} over {opponent}" for opponent, row in card["minus"].items())
        description = f"{card['agent']} for {card['scenario']}; {gains} a sale on {card['test_sales']:,} test sales"
        rows.append({"name": name, "description": description})
    return rows


def populations() -> Rows:
    """The shipped populations, described by their cards."""
    tastes = {
        "learned": "tastes estimated from the messages by encoder and demand model",
        "reference": "true tastes, independent of any encoder",
    }
    rows = []
    for name in SHIPPED:
        folder = resources.files("flashsale_env").joinpath("data", name)
        card = json.loads(folder.joinpath("card.json").read_text(encoding="utf-8"))
        products = "1 product" if len(card["products"]) == 1 else f"{len(card['products'])} products"
        rows.append({"name": name, "description": f"{card['voices']:,} voices, {products}; {tastes[card['kind']]}"})
    return [*rows, {"name": HOMOGENEOUS, "description": "one voice, any products; for scenarios without messages"}]


def encoders() -> Rows:
    """The shipped intent encoders, described by their cards."""
    rows = []
    for folder in sorted(resources.files("flashsale_env.encoders").joinpath("data").iterdir(), key=lambda f: f.name):
        path = folder.joinpath("card.json")
        if not path.is_file():
            continue
        card = json.loads(path.read_text(encoding="utf-8"))
        description = (
            f"{card['method']} on {card['backbone']['source'].split(',')[0]}; "
            + ", ".join(
                f"{language} accuracy {score['accuracy']:.3f}, macro-F1 {score['macro_f1']:.3f}"
                for language, score in card["figures"]["evaluation"].items()
            )
            + " on unseen phrasings"
        )
        rows.append({"name": folder.name, "description": description})
    return rows

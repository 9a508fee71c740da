"""A scenario at a glance, as data: what is sold to whom, what is decided and seen, who can play it, what is known.

Owns    the choice of what is told.
Leaves  each fact to where it is kept: decisions, layout, mechanisms, agents, optima, bounds; the screen to `screen`.
Units   money in the scenario's currency, stock in units, time in minutes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flashsale_env import (
    DECISIONS,
    ENCODINGS,
    FEATURES,
    MECHANISMS,
    SCENARIOS,
    ActionCodec,
    Layout,
    Levers,
    Scenario,
    environment_id,
    load_scenario,
    text_environment_id,
)
from flashsale_env.agents import AGENTS, REFERENCES, best_tuned
from flashsale_env.agents.base import read_card
from flashsale_env.envs.registration import known_optimum
from flashsale_env.experiments.benchmark.settings import COMPUTED_BOUNDS
from flashsale_env.experiments.listing import populations
from flashsale_env.experiments.meanings import gist_of
from flashsale_env.experiments.toml_writer import explicit
from flashsale_env.intents import ByIntent
from flashsale_env.spaces.decisions import decision_rows

# Of a product, what a reader asks first.
_OF_PRODUCTS = ("title", "price_levels", "initial_stock", "reserve", "order_levels", "unit_cost", "salvage_value")


def summary(scenario: str | Path) -> dict[str, Any]:
    """All that is told, ready for JSON.

    Args:
        scenario: name, or path of a TOML file.

    Returns:
        "name", "version", "description", "currency"; "ids" by encoding, {} for a file; "ticks", "tick_minutes",
        "minutes"; "customers" expected, before shocks and promotions; "choice"; "population"; "products",
        "mechanisms", "decisions" and "observation", one entry each; "agents" with the reason of those that cannot play;
        "trained" policies of this scenario; "best_rule" and "optimum", or None; "bounds" with the reason of those that
        do not hold.
    """
    sale = load_scenario(scenario)
    shipped = str(scenario) in SCENARIOS
    best = best_tuned(scenario)
    return {
        **{name: getattr(sale, name) for name in ("name", "version", "description", "currency")},
        "ids": _ids(str(scenario)) if shipped else {},
        "ticks": sale.horizon_ticks,
        "tick_minutes": sale.tick_minutes,
        "minutes": sale.sale_minutes,
        "customers": sale.arrivals.customers_per_minute * sale.sale_minutes,
        "choice": sale.choice.model,
        "population": _population(sale.population),
        "products": [{name: _plain(getattr(product, name)) for name in _OF_PRODUCTS} for product in sale.products],
        "mechanisms": _mechanisms(sale),
        "decisions": _decisions(sale),
        "observation": _observation(sale),
        "agents": [
            {"name": name, "learns": entry.learns, "why_not": entry.applies(sale)} for name, entry in AGENTS.items()
        ],
        "trained": [name for name, folder in sorted(REFERENCES.items()) if read_card(folder)["scenario"] == sale.name],
        "best_rule": None if best is None else {"name": best[0], "profit": best[1]},
        "opening_stock_cost": sale.opening_stock_cost,
        "optimum": known_optimum(sale, ActionCodec(sale)),
        "bounds": {name: scope.why_not(sale) for name, (_, scope) in COMPUTED_BOUNDS.items()},
    }


def _ids(name: str) -> dict[str, str]:
    return {encoding: environment_id(name, encoding) for encoding in ENCODINGS} | {"words": text_environment_id(name)}


def _population(name: str) -> dict[str, str]:
    known = {row["name"]: row["description"] for row in populations()}
    return {"name": name, "description": known.get(name, "customers of your own")}


def _mechanisms(sale: Scenario) -> list[dict[str, Any]]:
    """Those that are there: an optional one that is switched on, and any whose settings are not the defaults."""
    found = []
    for name, entry in MECHANISMS.items():
        part = getattr(sale, name)
        settings = {} if part is None else {key: _plain(value) for key, value in explicit(part).items()}
        if settings or (entry.optional and part is not None):
            found.append({"name": name, "what": gist_of(entry.mechanism.settings), "settings": settings})
    return found


def _decisions(sale: Scenario) -> list[dict[str, Any]]:
    """Each kind of decision that is left open, with the levels of each of its rows."""
    rows = [row for row in decision_rows(sale) if row.column >= 0]
    levers = Levers(sale)
    found = []
    for name in dict.fromkeys(row.decision for row in rows):
        decision = DECISIONS[name]
        found.append(
            {
                "name": name,
                "meaning": decision.meaning(sale) or name,
                "unit": decision.unit,
                "once": decision.once,
                "continuous": name == "price" and sale.pricing.continuous,
                "levels": {row.label: levers.values(row) for row in rows if row.decision == name},
            }
        )
    return found


def _observation(sale: Scenario) -> list[dict[str, Any]]:
    layout = Layout(sale)
    return [
        {
            "feature": name,
            "numbers": where.stop - where.start,
            **{key: getattr(FEATURES[name], key) for key in ("per", "unit", "low", "high", "meaning")},
        }
        for name, where in layout.items()
    ]


def _plain(value: Any) -> Any:
    """A setting as a file gives it."""
    if isinstance(value, ByIntent):
        return value.as_value()
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, tuple | list) else value

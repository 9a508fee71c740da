"""A scenario on the screen, at 80 columns.

Owns    the tables and their words.
Leaves  what is told to `summary`, tables to `display`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flashsale_env import environment_id
from flashsale_env.experiments.display import show_table
from flashsale_env.experiments.formats import money

_MOST_LEVELS = 7  # more of them are shown by their ends and their number


def show(found: Mapping[str, Any]) -> None:
    """All tables of a scenario."""
    show_table(f"{found['name']}: {found['description']}".rstrip(": "), ("the sale", ""), _sale(found), text_columns=2)
    columns = ("product", "prices", "units", "unit cost")
    show_table("products", columns, [_product(row) for row in found["products"]], text_columns=2)
    show_table(
        "mechanisms of the market",
        ("mechanism", "what it is", "settings"),
        [(row["name"], row["what"], _settings(row["settings"])) for row in found["mechanisms"]],
        text_columns=3,
    )
    show_table(
        "decisions of a tick",
        ("decision", "number", "levels", "what is decided"),
        [(row["name"], str(len(row["levels"])), _levels(row), _meaning(row)) for row in found["decisions"]],
        text_columns=4,
    )
    size = sum(row["numbers"] for row in found["observation"])
    show_table(
        f"observation, {size} numbers",
        ("feature", "number", "meaning"),
        [(row["feature"], str(row["numbers"]), _with_unit(row)) for row in found["observation"]],
        text_columns=3,
    )
    _show_agents(found["agents"])


def _sale(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    customers, population = found["customers"], found["population"]
    rows = [
        ("length", f"{found['minutes']:,.6g} minutes, {found['ticks']:,} ticks of {found['tick_minutes']:,.6g}"),
        ("customers", f"{customers:,.0f} expected" if customers >= 100 else f"{customers:,.3g} expected"),
        ("choice model", found["choice"]),
        ("population", f"{population['name']}: {population['description']}"),
        ("money", found["currency"] or "in one currency, not named"),
        *_known(found),
    ]
    for encoding, name in found["ids"].items():
        rows.append((f"id, {encoding}", name))
    if not found["ids"]:
        rows.append(("id", f"none of its own: gym.make('{environment_id('standard')}', scenario='FILE.toml')"))
    return rows


def _known(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known about how much can be earned."""
    optimum, best = found["optimum"], found["best_rule"]
    if optimum is not None:
        known = f"{optimum:,.6g}, the expected return of the best policy"
    elif any(row["name"] == "dp" and row["why_not"] is None for row in found["agents"]):
        known = "not kept; the agent `dp` computes the best policy"
    else:
        known = "not known"
    holds = [name for name, why_not in found["bounds"].items() if why_not is None]
    rows = [("optimum", known), ("upper bounds", ", ".join(holds) or "none holds")]
    if best is None:
        rows.append(("best tuned rule", "none is tuned: see `flashsale tune --help`"))
    else:
        rows.append(("best tuned rule", f"{best['name']}, mean profit {money(best['profit'])} on validation sales"))
    if found["opening_stock_cost"]:
        cost = money(found["opening_stock_cost"])
        rows.append(("return and profit", f"profit = money of the return - {cost}, the cost of the opening stock"))
    return rows + [("trained policy", name) for name in found["trained"]]


def _product(row: Mapping[str, Any]) -> tuple[str, ...]:
    units = f"{row['initial_stock']:,}" + (f" + {row['reserve']:,}" if row["reserve"] else "")
    return row["title"], _ladder(row["price_levels"]), units, f"{row['unit_cost']:,.6g}"


def _ladder(levels: Sequence[float | str]) -> str:
    """The levels, or their ends and their number where they are many."""
    shown = [level if isinstance(level, str) else f"{level:,.6g}" for level in levels]
    if len(shown) <= _MOST_LEVELS:
        return ", ".join(shown)
    return f"{len(shown)} from {shown[0]} to {shown[-1]}"


def _levels(row: Mapping[str, Any]) -> str:
    if row["continuous"]:
        return "any price of its range"
    distinct = {tuple(levels) for levels in row["levels"].values()}
    if len(distinct) == 1:
        return _ladder(distinct.pop())
    numbers = sorted({len(levels) for levels in distinct})
    shown = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    return f"{shown} each"


def _meaning(row: Mapping[str, Any]) -> str:
    stays = "for the coming tick" if row["once"] else "stays until changed"
    return f"{_with_unit(row)}; {stays}"


def _with_unit(row: Mapping[str, Any]) -> str:
    return f"{row['meaning']} ({row['unit']})" if row["unit"] else row["meaning"]


def _settings(settings: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {_value(value)}" for name, value in settings.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        if "title" in value:  # one of several parts, e.g. a ranking of the list
            return str(value["title"])
        return ", ".join(f"{_value(entry)} ({name.replace('_', ' ')})" for name, entry in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]" if len(value) <= _MOST_LEVELS else _ladder(value)
    if isinstance(value, bool | str):
        return str(value).lower() if isinstance(value, bool) else value
    return f"{value:,.6g}"


def _show_agents(rows: Sequence[Mapping[str, Any]]) -> None:
    play = [row for row in rows if row["why_not"] is None]
    able = {
        "rules": ", ".join(row["name"] for row in play if not row["learns"]),
        "learners": ", ".join(row["name"] for row in play if row["learns"]),
    }
    show_table("agents that can play it", ("kind", "agents"), list(able.items()), text_columns=2)
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["why_not"] is not None:
            reasons.setdefault(row["why_not"], []).append(row["name"])
    if reasons:
        unable = [(", ".join(names), reason) for reason, names in reasons.items()]
        show_table("agents that cannot", ("agents", "why"), unable, text_columns=2)

"""What `flashsale plan` shows: the profit beside the baseline, one sale, and the limits of the claim."""

from collections.abc import Mapping
from typing import Any

from flashsale_env.experiments.display import show_agents, show_difference, show_table
from flashsale_env.views import scene


def show(result: Mapping[str, Any]) -> None:
    """The tables, and below them the limits, a sentence a line."""
    agent, baseline = result["agent"], result["baseline"]
    name = f"{agent['name']} ({agent['mark']})" if agent["mark"] else agent["name"]
    show_agents(
        f"expected profit, {result['episodes']:,} test sales of {result['scenario']}",
        {name: agent, baseline["name"]: baseline},
    )
    show_difference((name, baseline["name"]), result["difference"], agent["mean_profit"], result["episodes"])
    rows = result["typical_sale"]
    minutes = list(rows[0]["values"])
    show_table(
        "a typical sale: what is set at minute",
        ("decision", "for", *minutes),
        [(row["decision"], row["for"], *(_value(row, minute) for minute in minutes)) for row in rows],
        text_columns=2,
    )
    for sentence in result["limits"]:
        print(sentence)


def _value(row: Mapping[str, Any], minute: str) -> str:
    value = row["values"][minute]
    return scene.price(value) if row["decision"] == "price" else f"{value:,.4g}"

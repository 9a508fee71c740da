"""A scenario against published facts: `flashsale realism`.

Owns    the table of results.
Leaves  the facts to `facts`, playing to `playing`.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flashsale_env import Scenario
from flashsale_env.experiments.realism.facts import STATISTICS
from flashsale_env.experiments.realism.playing import Market
from flashsale_env.experiments.realism.statistic import Measured, Statistic

PASS, FAIL, REPORT, NOT_MODELLED = "pass", "fail", "report", "not modelled here"


def compare_with_facts(
    scenario: str | Path | Scenario, *, sales: int, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, Any]:
    """Measure every statistic that the scenario models.

    Args:
        scenario: name, path or object.
        sales: played for the statistics; those of an effect play them again.
        progress: called after each statistic with (done, total, note).

    Returns:
        "rows", each with statistic, target, source, accepted (lowest and highest value that passes, or None), simulated
        (a number, a sentence or None), shown (the same as text) and verdict; "verdict", fail if any row fails;
        "scenario"; "policy", the one that played; "sales".
    """
    market = Market(scenario, sales)
    rows = []
    for done, statistic in enumerate(STATISTICS, start=1):
        rows.append(_row(statistic, market))
        if progress is not None:
            progress(done, len(STATISTICS), statistic.name)
    return {
        "verdict": FAIL if any(row["verdict"] == FAIL for row in rows) else PASS,
        "scenario": market.scenario.name,
        "policy": market.policy_name,
        "sales": sales,
        "rows": rows,
    }


def _row(statistic: Statistic, market: Market) -> dict[str, Any]:
    applies = statistic.applies(market.scenario)
    simulated = statistic.measure(market) if applies else None
    return {
        "statistic": statistic.name,
        "target": statistic.target,
        "source": statistic.source,
        "accepted": None if statistic.accepted is None else list(statistic.accepted),
        # A share of nothing, e.g. where nothing was sold, is not a number.
        "simulated": None if isinstance(simulated, float) and math.isnan(simulated) else simulated,
        "shown": _shown(statistic, simulated),
        "verdict": _verdict(statistic, simulated) if applies else NOT_MODELLED,
    }


def _verdict(statistic: Statistic, simulated: Measured | None) -> str:
    if statistic.accepted is None or not isinstance(simulated, float):
        return REPORT
    low, high = statistic.accepted
    return PASS if low <= simulated <= high else FAIL


def _shown(statistic: Statistic, simulated: Measured | None) -> str:
    if not isinstance(simulated, float):
        return simulated or ""
    if math.isnan(simulated):
        return "nothing to measure"
    return f"{100 * simulated:.2f} %" if statistic.in_percent else f"{simulated:.3f}"

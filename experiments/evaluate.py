"""Comparing agents on common customers.

Owns    finding an agent by name or folder, playing test sales, and the figures with their intervals.
Leaves  the loop itself to `agents.play`, intervals to `statistics`.
Units   money in the scenario's currency.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flashsale_env import Population, Scenario, agents
from flashsale_env.agents.base import CARD
from flashsale_env.agents.play import Plays, SaleTable, play
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.errors import unknown_name
from flashsale_env.experiments.runs import read_config
from flashsale_env.experiments.statistics import mean_interval, paired_difference, variance_ratio

POLICY = "policy"  # folder of the trained policy inside the folder of a run
# Means that are reported beside the profit.
REPORTED = ("revenue", "units_sold", "sell_through", "fill_rate", "conversion", "lost_sales", "coupon_spend")


def find_agent(name: str, scenario: Scenario, *, device: str = "auto", seed: int = 0) -> Plays:
    """An agent by name, a shipped trained policy by name, or by folder of a trained one or of the run that trained it.

    Raises:
        ValueError: unknown name; an agent that has to be trained first, or that does not fit the scenario.
        FileNotFoundError: the folder holds no agent.
    """
    folder = Path(name)
    if name in agents.REFERENCES:
        return agents.load(name, scenario, device=device)
    if folder.is_dir():
        return agents.load(policy_folder(folder), scenario, device=device)
    if name not in agents.AGENTS:
        known = [*agents.AGENTS, *agents.REFERENCES]
        raise ValueError(unknown_name("agent", name, known) + " Or give the folder that `flashsale train` wrote.")
    if agents.AGENTS[name].learns:
        raise ValueError(
            f"{name} has to be trained first: `flashsale train SCENARIO --agent {name} --out DIR`, then evaluate DIR."
        )
    return agents.make(name, scenario, device=device, seed=seed)


def trained_population(name: str) -> str | None:
    """Name or folder of the customers among whom a run of `flashsale train` was trained; None for anything else."""
    config = read_config(Path(name)) if Path(name).is_dir() else None
    return None if config is None else config.get("options", {}).get("population")


def policy_folder(folder: Path) -> Path:
    """The folder itself, or the policy inside the folder of a run."""
    inside = folder / POLICY
    if (folder / CARD).is_file() or inside.is_dir():
        return inside if inside.is_dir() else folder
    raise FileNotFoundError(
        f"{folder} holds no trained agent: want a folder with {CARD}, as `flashsale train` writes it."
    )


def play_test_sales(
    agent: Plays,
    scenario: Scenario,
    population: Population,
    sales: int,
    progress: Callable[[int, int], None] | None = None,
) -> SaleTable:
    """The first `sales` sales of the test split, which no training and no tuning has seen."""
    return play(agent, scenario, population, seeds=split_seeds("test", 0, sales), progress=progress)


def figures(table: Mapping[str, Any]) -> dict[str, float]:
    """Mean profit with its 95 % interval, and the means of the other metrics."""
    profit = mean_interval(table["profit"])
    means = {name: float(table[name].mean()) for name in REPORTED}
    return {"mean_profit": profit.mean, "ci_low": profit.low, "ci_high": profit.high, **means}


def difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, float | None]:
    """Mean profit of the first less that of the second on the same customers, with its 95 % interval.

    Returns:
        "diff", "ci_low", "ci_high", currency; "standard_deviation" of the difference of a sale; "variance_ratio", its
        variance over that of a difference of sales with different customers (None where nothing varies).
    """
    one, other = first["profit"], second["profit"]
    found, ratio = paired_difference(one, other), variance_ratio(one, other)
    return {
        "diff": found.mean,
        "ci_low": found.low,
        "ci_high": found.high,
        "standard_deviation": float((one - other).std(ddof=1)),
        "variance_ratio": ratio if math.isfinite(ratio) else None,
    }

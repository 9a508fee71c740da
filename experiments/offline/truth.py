"""What a policy really earns in the sales of a log's kind: it is played, as its exploration would have it.

Leaves  the exploration to `exploration`, the loop to `recording`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from flashsale_env import load_population
from flashsale_env.agents.fingerprints import population_fingerprint
from flashsale_env.agents.play import play
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.intervals import mean_interval
from flashsale_env.experiments.offline.logs import Log
from flashsale_env.experiments.offline.recording import played


def played_truth(
    agent: Any, log: Log, explore: float, sales: int, progress: Callable[[int, int], None] | None = None
) -> dict[str, float]:
    """Mean return over fresh sales with its 95 % interval: "mean", "ci_low", "ci_high".

    Raises:
        ValueError, FileNotFoundError: the customers of the log are not here, or are others now.
    """
    customers = load_population(log.card["population"], log.scenario.titles)
    if population_fingerprint(customers) != log.card["population_sha256"]:
        raise ValueError(f"the population {log.card['population']} is another one than the log was written with.")
    if explore == 0:
        table = play(agent, log.scenario, customers, seeds=split_seeds("test", 0, sales), progress=progress)
        returns = table["ret"]
    else:
        # Run 1: the log itself may hold run 0 of the same split.
        run = 1 + int(log.card["seed"])
        parts = played(agent, log.scenario, customers, sales=sales, explore=explore, seed=run)
        returns = np.concatenate([part.rewards.sum(axis=1) for part in parts])
    found = mean_interval(returns)
    return {"mean": found.mean, "ci_low": found.low, "ci_high": found.high}

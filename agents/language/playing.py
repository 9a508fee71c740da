"""Sales played in words, as a table beside those of all other agents.

Axes    S sales.
"""

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import METRICS, FlashSaleTextEnv, Population, Scenario
from flashsale_env.agents.language.agent import LanguageAgent
from flashsale_env.agents.language.bounds import OutOfBounds
from flashsale_env.agents.play import SaleTable


@dataclass(frozen=True)
class Played:
    """Sales of a language agent.

    Args:
        table: the columns of `agents.play`, one row for each sale that was finished.
        stopped: the bound that ended it; "" if all sales were played.
        refused: answers that did not fit.
        passed: moments at which no answer fitted, so that nothing was changed.
    """

    table: SaleTable
    stopped: str
    refused: int
    passed: int


def play_in_words(
    agent: LanguageAgent,
    scenario: str | Path | Scenario,
    population: str | PathLike[str] | Population | None = None,
    *,
    seeds: npt.NDArray[np.uint64],
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Played:
    """Play the sale (seed, episode 0) of every seed, one after the other, until a bound is reached.

    Args:
        agent: who plays.
        scenario, population: as for `FlashSaleTextEnv`.
        seeds: (S,) as for `agents.play`.
        progress: called after each sale with (sales played, sales in all).
        options: of `FlashSaleTextEnv`: `most_ticks`, `messages`, `message_characters`.

    Raises:
        OutOfBounds: a bound was reached before the first sale was finished.
        NoAnswer: the model has none.
    """
    env = FlashSaleTextEnv(scenario, population, **options)  # type: ignore[arg-type]
    refused, passed = agent.refused, agent.passed
    rows: list[list[float]] = []
    returns: list[float] = []
    stopped = ""
    for done, seed in enumerate(seeds, start=1):
        try:
            total, info = agent.play(env, int(seed))
        except OutOfBounds as bound:
            if not rows:
                raise
            stopped = str(bound)
            break
        rows.append([float(info[f"metrics/{name}"]) for name in METRICS])
        returns.append(total)
        if progress is not None:
            progress(done, len(seeds))
    columns = {name: np.array(values) for name, values in zip(METRICS, zip(*rows, strict=True), strict=True)}
    columns["ret"] = np.array(returns)
    table = SaleTable(np.asarray(seeds[: len(rows)]), columns)
    return Played(table, stopped, agent.refused - refused, agent.passed - passed)

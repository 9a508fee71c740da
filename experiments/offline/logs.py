"""A log of sales: its files, and reading it.

Owns    the form of a log. A folder holds
            ticks-0000.parquet ...   one row a sale and tick: observation, levels of the decisions, their propensities,
                                     reward and its terms
            visits-0000.parquet ...  one row a visit: what was offered, what was bought, what the customer wrote
            scenario.toml            what was sold
            log.json                 names of all columns, the policy that sold, hashes of the files; written last
Leaves  playing and writing to `recording`.
Axes    S sales, T ticks, D numbers of an observation, C decisions.
Units   money in the scenario's currency.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import ActionCodec, Layout, Scenario, load_scenario
from flashsale_env.agents.fingerprints import scenario_fingerprint
from flashsale_env.files import sha256_of

FORMAT = 1
CARD, SCENARIO = "log.json", "scenario.toml"


@dataclass(frozen=True, eq=False)
class Log:
    """The ticks of a log.

    Args:
        scenario: of the sales.
        observations: (S, T, D) before each tick.
        levels: (S, T, C) level of each decision.
        propensities: (S, T) probability of the whole action under the policy that sold.
        rewards: (S, T) currency.
        card: content of `log.json`.
    """

    scenario: Scenario
    observations: npt.NDArray[np.float32]
    levels: npt.NDArray[np.int64]
    propensities: npt.NDArray[np.float64]
    rewards: npt.NDArray[np.float64]
    card: Mapping[str, Any]

    @property
    def sales(self) -> int:
        """S."""
        return len(self.rewards)

    @property
    def n_levels(self) -> npt.NDArray[np.int64]:
        """(C,) number of levels of each decision."""
        return ActionCodec(self.scenario, "multidiscrete").n_levels


def read_log(folder: str | Path) -> Log:
    """Read a log that `flashsale log` wrote.

    Raises:
        FileNotFoundError: the folder holds no log.
        ValueError: a file is missing, truncated or edited, or has another format.
    """
    folder = Path(folder)
    card = _read_card(folder)
    for name, wanted in card["files"].items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{path} is missing: the log is incomplete, write it again.")
        if sha256_of(path) != wanted:
            raise ValueError(f"{path} is truncated or edited: its sha256 should be {wanted}. Write the log again.")
    import pyarrow.parquet as pq

    scenario = load_scenario(folder / SCENARIO)
    names = sorted(name for name in card["files"] if name.startswith("ticks-"))
    sizes = {"observation": Layout(scenario).size, "levels": len(card["decisions"])}
    parts: dict[str, list[npt.NDArray[Any]]] = {}
    for name in names:
        table = pq.read_table(folder / name, columns=["observation", "levels", "propensity", "reward"])
        for column in table.column_names:
            array = table[column].combine_chunks()
            if column in sizes:
                values = array.flatten().to_numpy(zero_copy_only=False).reshape(-1, sizes[column])
            else:
                values = array.to_numpy(zero_copy_only=False)
            parts.setdefault(column, []).append(values)
    whole = {column: np.concatenate(values) for column, values in parts.items()}
    shape = (card["sales"], scenario.horizon_ticks)
    return Log(
        scenario,
        whole["observation"].reshape(*shape, -1),
        whole["levels"].astype(np.int64).reshape(*shape, -1),
        whole["propensity"].reshape(shape),
        whole["reward"].reshape(shape),
        card,
    )


def home_of(log: Log, folder: Path) -> str:
    """Where the scenario of a log is best loaded from: as it was named, where it still is what was sold, else its copy.

    Tuned values of rules are found by a shipped name, or beside the user's own file.
    """
    named = str(log.card["scenario"])
    try:
        same = scenario_fingerprint(load_scenario(named)) == log.card["scenario_sha256"]
    except (ValueError, OSError):
        same = False
    return named if same else str(folder / SCENARIO)


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / CARD).read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no log at {folder}: want a folder with {CARD}, as `flashsale log` writes it."
        ) from None
    except ValueError as error:
        raise ValueError(f"{folder / CARD} is not valid JSON ({error}): write the log again.") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else None
        raise ValueError(f"{folder / CARD} must have format {FORMAT}, got {found!r}: write the log with this version.")
    return card

"""Comparing agents on common customers.

Owns    finding an agent by name or folder, playing test sales, and their figures with intervals.
Leaves  the loop to `agents.play`, intervals to `intervals`.
Units   money in the scenario's currency.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from flashsale_env import Population, Scenario, agents, load_scenario
from flashsale_env.agents.base import CARD, read_card
from flashsale_env.agents.discovery import source_file
from flashsale_env.agents.fingerprints import population_fingerprint
from flashsale_env.agents.play import SaleTable, play
from flashsale_env.agents.protocol import as_policy
from flashsale_env.agents.sb3.zips import load_zip
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.intervals import mean_interval, paired_difference, variance_ratio
from flashsale_env.experiments.runs import read_config
from flashsale_env.files import sha256_of

POLICY = "policy"  # folder of the trained policy inside the folder of a run
# Metrics whose means are reported beside the profit.
REPORTED = ("revenue", "units_sold", "sell_through", "fill_rate", "conversion", "lost_sales", "coupon_spend")


def find_agent(
    name: str,
    scenario: str | Path | Scenario,
    *,
    population: str | Path | Population | None = None,
    device: str = "auto",
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> Any:
    """The agent that a name, folder or file stands for, checked for the scenario.

    Args:
        name: an agent of `agents.AGENTS` (registered ones included) or of an entry point, `module:Class`, a shipped
            trained policy, the folder of a trained agent or of the run that trained it, or the zip of a model of
            Stable-Baselines3, which is trusted: see `agents.sb3.zips.load_zip`.
        scenario: name, path or object.
        population: the customers, as for `agents.make`.
        device: for agents that use torch.
        seed: of agents that draw random numbers.
        settings: parameters of a rule or of a class of yours.

    Raises:
        ValueError: unknown name; an agent that must be trained first, or that does not fit the scenario.
        FileNotFoundError: the folder holds no agent, or there is no such file.
    """
    sale, settings = load_scenario(scenario), dict(settings or {})
    if is_trained(name):
        if settings:
            raise ValueError(f"{name} is trained and takes no settings, got {', '.join(settings)}.")
        if Path(name).suffix == ".zip":
            model = load_zip(name, device)
            as_policy(model, sale)
            return model
        return agents.load(name if name in agents.REFERENCES else policy_folder(Path(name)), scenario, device=device)
    try:
        learns = agents.entry(name).learns
    except ValueError as error:
        trained = f" Trained agents: {', '.join(agents.REFERENCES)}, the folder that `flashsale train` wrote, or a zip."
        raise ValueError(f"{error}{trained}") from None
    if learns:
        raise ValueError(
            f"{name} has to be trained first: `flashsale train SCENARIO --agent {name} --out DIR`, then evaluate DIR."
        )
    agent = agents.make(name, scenario, population=population, device=device, seed=seed, **settings)
    as_policy(agent, sale)
    return agent


def is_trained(name: str) -> bool:
    """Whether a name stands for a trained policy in a file or folder."""
    return name in agents.REFERENCES or Path(name).suffix == ".zip" or Path(name).is_dir()


def is_from_outside(name: str) -> bool:
    """Whether a policy comes from outside this package: a zip, or an agent of yours."""
    return Path(name).suffix == ".zip" or (not is_trained(name) and agents.entry(name).factory is not None)


def check_agent(name: str, words: Iterable[str] = ()) -> None:
    """Refuse an unknown name.

    Args:
        name: as for `find_agent`.
        words: further words that are offered if they are nearest to an unknown name.

    Raises:
        ValueError, FileNotFoundError: as `find_agent`.
    """
    if not is_trained(name):
        agents.entry(name, words)
    elif name not in agents.REFERENCES and Path(name).suffix != ".zip":
        policy_folder(Path(name))
    elif not (name in agents.REFERENCES or Path(name).is_file()):
        raise FileNotFoundError(f"no file at {name}: want a zip that a model of Stable-Baselines3 saved.")


def identity(name: str) -> str:
    """Hash of the file that defines a policy; "" for a rule of this package, which its parameters define."""
    path: Path | None
    if is_trained(name):
        folder = agents.REFERENCES.get(name, Path(name))
        path = folder if folder.suffix == ".zip" else policy_folder(folder) / CARD
    else:
        own = agents.entry(name).factory
        path = None if own is None else source_file(own)
    return "" if path is None else sha256_of(path)


def trained_elsewhere(name: str, population: Population) -> str | None:
    """Name or folder of the population that a policy was trained on; None if it is this one, or not recorded."""
    if not is_trained(name) or Path(name).suffix == ".zip":
        return None
    card = read_card(agents.REFERENCES.get(name) or policy_folder(Path(name)))
    if card.get("population_sha256") in (None, population_fingerprint(population)):
        return None
    config = read_config(Path(name)) if Path(name).is_dir() else None
    asked = None if config is None else config.get("options", {}).get("population")
    return str(asked or card["population"])


def policy_folder(folder: Path) -> Path:
    """The folder itself, or the policy inside the folder of a run.

    Raises:
        FileNotFoundError: the folder holds no trained agent.
    """
    inside = folder / POLICY
    if (folder / CARD).is_file() or inside.is_dir():
        return inside if inside.is_dir() else folder
    raise FileNotFoundError(
        f"{folder} holds no trained agent: want a folder with {CARD}, as `flashsale train` writes it."
    )


def play_test_sales(
    agent: Any,
    scenario: Scenario,
    population: Population,
    sales: int,
    progress: Callable[[int, int], None] | None = None,
) -> SaleTable:
    """Play the first `sales` sales of the test split, which no training and no tuning uses."""
    return play(agent, scenario, population, seeds=split_seeds("test", 0, sales), progress=progress)


def figures(table: Mapping[str, Any]) -> dict[str, float]:
    """Mean profit with its 95 % interval, and the means of the other metrics."""
    profit = mean_interval(table["profit"])
    means = {name: float(table[name].mean()) for name in REPORTED}
    return {"mean_profit": profit.mean, "ci_low": profit.low, "ci_high": profit.high, **means}


def difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, float | None]:
    """Mean profit of the first minus that of the second on the same customers, with its 95 % interval.

    Returns:
        "diff", "ci_low", "ci_high", currency; "standard_deviation" of the difference on one sale; "variance_ratio", its
        variance over that with independent customers (None where nothing varies).
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

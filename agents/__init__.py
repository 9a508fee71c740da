"""Agents: heuristics, exact solvers and Stable-Baselines3 learners, all with Stable-Baselines3's `predict`.

    agent = agents.make("sell_through", "standard")
    actions, state = agent.predict(observations, state, episode_start)

`AGENTS` lists them, `register` adds one of yours, and `agents.protocol` describes what a policy must offer. Importing
this package loads neither torch nor Stable-Baselines3; a submodule is imported on first access: `agents.exact`.
"""

import importlib.util
from typing import TYPE_CHECKING, Any

from flashsale_env.agents.play import SaleTable, play, trace
from flashsale_env.agents.registry import (
    AGENTS,
    REFERENCE_CARD,
    REFERENCES,
    REFERENCES_FOLDER,
    Entry,
    best_tuned,
    entry,
    import_part,
    labelled,
    load,
    make,
    register,
    shorter,
    tuned,
)
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.seeds import SPLITS

if TYPE_CHECKING:
    from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv

__all__ = [
    "AGENTS",
    "REFERENCES",
    "REFERENCES_FOLDER",
    "REFERENCE_CARD",
    "SPLITS",
    "Entry",
    "FlashSaleVecEnv",
    "SaleTable",
    "best_tuned",
    "entry",
    "labelled",
    "load",
    "make",
    "play",
    "register",
    "shorter",
    "split_seeds",
    "trace",
    "tuned",
]


def __getattr__(name: str) -> Any:
    # Imported on first access: the modules of learners load torch.
    if name == "FlashSaleVecEnv":
        return import_part("sb3.vec_env").FlashSaleVecEnv
    spec = None if name.startswith("_") else importlib.util.find_spec(f"{__name__}.{name}")
    if spec is not None and spec.origin is not None:
        return import_part(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Zips that models of Stable-Baselines3 and sb3-contrib save: which algorithm wrote one, and how it is loaded to play.

Leaves  the zips of our own learners to `sb3.checkpoints`, which reads tensors only.
"""

import importlib
import json
import zipfile
from pathlib import Path
from typing import Any

_ZIP_DATA = "data"
# Part of the module name of the policy class -> algorithm. DDPG is TD3 with settings of its own.
_BY_POLICY = {
    ".maskable.": ("sb3_contrib", "MaskablePPO"),
    ".recurrent.": ("sb3_contrib", "RecurrentPPO"),
    ".tqc.": ("sb3_contrib", "TQC"),
    ".crossq.": ("sb3_contrib", "CrossQ"),
    ".qrdqn.": ("sb3_contrib", "QRDQN"),
    ".ars.": ("sb3_contrib", "ARS"),
    ".dqn.": ("stable_baselines3", "DQN"),
    ".sac.": ("stable_baselines3", "SAC"),
    ".td3.": ("stable_baselines3", "TD3"),
}
# Algorithms that share a policy class, or use one of the user's, are identified by a setting that only they have.
_BY_SETTING = {
    "cg_max_steps": ("sb3_contrib", "TRPO"),
    "clip_range": ("stable_baselines3", "PPO"),
    "gae_lambda": ("stable_baselines3", "A2C"),
    "top_quantiles_to_drop_per_net": ("sb3_contrib", "TQC"),
    "n_quantiles": ("sb3_contrib", "QRDQN"),
    "target_entropy": ("stable_baselines3", "SAC"),
    "target_policy_noise": ("stable_baselines3", "TD3"),
    "exploration_initial_eps": ("stable_baselines3", "DQN"),
}
# State of the training that playing does not need; an attribute that is replaced here is not unpickled.
_NOT_PLAYED = {
    "learning_rate": 0.0,
    "lr_schedule": lambda _: 0.0,
    "clip_range": lambda _: 0.0,
    "clip_range_vf": None,
    "exploration_schedule": lambda _: 0.0,
    "ep_info_buffer": None,
    "ep_success_buffer": None,
    "action_noise": None,
    "_last_obs": None,
    "_last_original_obs": None,
    "_last_episode_starts": None,
}


def load_zip(path: str | Path, device: str = "auto") -> Any:
    """A model that Stable-Baselines3 or sb3-contrib saved, of any algorithm.

    Such a zip holds pickled Python objects, which its `load` executes: open only files that you trust. A zip is read
    only where a user names its path.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no zip of Stable-Baselines3, or of an unknown algorithm.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            data = json.loads(archive.read(_ZIP_DATA))
    except FileNotFoundError:
        raise FileNotFoundError(f"no file at {path}: want a zip that a model of Stable-Baselines3 saved.") from None
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no zip of Stable-Baselines3: {error}.") from None
    if (path.parent / "agent.json").exists():
        raise ValueError(f"{path} is a part of the agent in {path.parent}: give the folder.")
    module, name = _algorithm(data, path)
    algorithm = getattr(importlib.import_module(module), name)
    try:
        return algorithm.load(path, device=device, custom_objects=_NOT_PLAYED)
    except Exception as error:  # unpickling objects of another version fails in many ways
        raise ValueError(f"{path}: {name} of Stable-Baselines3 cannot load it: {error}.") from error


def _algorithm(data: dict[str, Any], path: Path) -> tuple[str, str]:
    """Module and class of the algorithm that wrote the zip."""
    policy = data.get("policy_class")
    module = str(policy.get("__module__", "")) if isinstance(policy, dict) else ""
    for part, algorithm in _BY_POLICY.items():
        if part in module:
            return algorithm
    for setting, algorithm in _BY_SETTING.items():
        if setting in data:
            return algorithm
    known = ", ".join(sorted({name for _, name in (*_BY_POLICY.values(), *_BY_SETTING.values())}))
    raise ValueError(f"{path} is of none of the algorithms {known}: load it yourself and give it to agents.play.")

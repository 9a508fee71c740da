"""A model of Stable-Baselines3 on disk: its zip, from which only tensors are read back, and its replay buffer.

Leaves  when a checkpoint is written, and the file that names it, to `agents.training`; zips from outside to `sb3.zips`.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from safetensors import SafetensorError
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.save_util import load_from_zip_file

POLICY = "policy.zip"

# Arrays of a replay buffer, one row a transition of every sale.
_REPLAYED = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def zipped(model: BaseAlgorithm) -> bytes:
    """The model as Stable-Baselines3's `load` reads it."""
    buffer = io.BytesIO()
    model.save(buffer, exclude=["_last_obs", "_last_original_obs", "_last_episode_starts", "ep_info_buffer"])
    return buffer.getvalue()


def read_zip(path: Path, device: torch.device) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tensors of a zip of Stable-Baselines3; no pickled object is read.

    Returns:
        state dictionaries (policy and optimisers) by name, and single tensors by name.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is truncated, or something else.
    """
    try:
        _, tensors, variables = load_from_zip_file(path, load_data=False, device=device)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing: the agent was not saved to its end.") from None
    except Exception as error:  # a broken zip fails in many ways inside Stable-Baselines3
        raise ValueError(f"{path} is truncated or not a policy of Stable-Baselines3: {error}.") from error
    return tensors, variables or {}


def replay_bytes(buffer: ReplayBuffer) -> bytes:
    """The transitions in a replay buffer, and the position of the next one."""
    held = {name: np.ascontiguousarray(getattr(buffer, name)[: buffer.size()]) for name in _REPLAYED}
    return bytes(safetensors.numpy.save({**held, "pos": np.array([buffer.pos], np.int64)}))


def read_replay(buffer: ReplayBuffer, path: Path) -> None:
    """Fill an empty replay buffer from a file of `replay_bytes`.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is truncated, or of another size.
    """
    try:
        held = safetensors.numpy.load(path.read_bytes())
        for name in _REPLAYED:
            getattr(buffer, name)[: len(held[name])] = held[name]
        buffer.pos = int(held["pos"][0])
        buffer.full = len(held["rewards"]) == buffer.buffer_size
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is not the replay buffer of this training: {error}. Remove the folder to begin anew."
        ) from error

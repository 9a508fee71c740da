"""The checkpoint of a fine-tuning run: one file, from which a killed run resumes.

Owns    the file's format, and the check that it belongs to the run that reads it.
Leaves  what a run's state consists of to `training`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors

from flashsale_env.files import write_atomically

CHECKPOINT = "checkpoint.safetensors"


class Checkpoint:
    """The state of a run in one file: tensors, and everything else as JSON in the file's header."""

    def __init__(self, folder: Path, every: int, run: Mapping[str, Any]) -> None:
        """Open the checkpoint of a folder, which is created if needed.

        Args:
            folder: of the file `CHECKPOINT`.
            every: steps between two checkpoints.
            run: what identifies the run; a run resumes only from a checkpoint with the same values.

        Raises:
            ValueError: `every` is not positive.
        """
        if every < 1:
            raise ValueError(f"checkpoint_every must be at least 1 step, got {every}.")
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.every, self.run = folder / CHECKPOINT, every, run

    def save(self, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
        """Replace the file; a kill leaves the old one or the new one."""
        header = {"state": json.dumps({"run": self.run, **state})}
        content = to_safetensors({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, header)
        write_atomically(self.path, content)

    def load(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """Tensors and state as saved; None if there is no file yet.

        Raises:
            ValueError: the file is damaged or belongs to another run.
        """
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                state = json.loads((file.metadata() or {})["state"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a mapping)
        except (SafetensorError, ValueError, KeyError) as error:
            raise ValueError(f"{self.path} is not a checkpoint of a fine-tuning run ({error}): delete it.") from None
        if differs := [key for key, value in self.run.items() if state["run"].get(key) != value]:
            raise ValueError(
                f"{self.path} belongs to another run: its {', '.join(differs)} differ. "
                f"Choose another folder, or delete the file to start again."
            )
        return tensors, state

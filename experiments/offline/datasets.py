"""Sales as a Minari dataset, which learners from logs read.

Owns    the dataset beside a log: its name, its place and its episodes.

Actions are those of the multidiscrete encoding, observations are those before each tick and at the close.

Source: Younis et al. (2024), Minari, https://minari.farama.org.
"""

import contextlib
import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from flashsale_env import SCENARIOS, FlashSaleEnv, Scenario, environment_id
from flashsale_env.experiments.offline.recording import Part
from flashsale_env.files import note

FOLDER = "minari"
_NAME = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)*-v\d+", re.IGNORECASE)


def check_name(name: str) -> None:
    """Refuse a dataset that cannot be written.

    Raises:
        ValueError: Minari is not installed, or the name is none of its names.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"--minari must be a name such as flashsale/standard-v0, with a version at the end, got {name!r}."
        )
    for package in ("minari", "h5py"):
        if importlib.util.find_spec(package) is None:
            raise ValueError(f"--minari needs the package {package!r}: pip install 'flashsale-env[offline]'.")


class Dataset:
    """A dataset that grows part by part.

    Args:
        folder: of the log; the dataset lies in its folder `minari`.
        name: of the dataset.
        scenario: of the sales.
        agent: that sells.
    """

    def __init__(self, folder: Path, name: str, scenario: Scenario, agent: str) -> None:
        self._root, self._name, self._agent = folder / FOLDER, name, agent
        self._env: Any = FlashSaleEnv(scenario, actions="multidiscrete")
        if scenario.name in SCENARIOS:
            import gymnasium as gym

            self._env = gym.make(environment_id(scenario.name, "multidiscrete"))
        self._dataset: Any = None

    def add(self, part: Part) -> None:
        """Write the sales of a part."""
        import minari
        from minari.data_collector import EpisodeBuffer

        closes = np.arange(part.rewards.shape[1]) == part.rewards.shape[1] - 1
        episodes = [
            EpisodeBuffer(
                id=part.first + i,
                seed=None,
                observations=list(part.observations[i]),
                actions=list(part.levels[i]),
                rewards=part.rewards[i].tolist(),
                terminations=closes.tolist(),
                truncations=np.zeros_like(closes).tolist(),
            )
            for i in range(len(part.seeds))
        ]
        with _datasets_in(self._root):
            if self._dataset is not None:
                self._dataset.update_dataset_from_buffer(episodes)
                return
            for path in self._files():
                note(path)
            self._dataset = minari.create_dataset_from_buffers(
                self._name,
                episodes,
                env=self._env,
                algorithm_name=self._agent,
                author="flashsale_env",
                author_email="none",
                code_permalink="none",
                description=f"sales of the policy {self._agent}, written by `flashsale log`",
            )

    def _files(self) -> list[Path]:
        """What Minari will write, for the manifest of the run."""
        home = self._root / self._name
        between = [folder for folder in home.parents if folder.is_relative_to(self._root) and folder != self._root]
        return [
            *(home / "data" / name for name in ("main_data.hdf5", "metadata.json")),
            *(folder / "namespace_metadata.json" for folder in between),
        ]


@contextlib.contextmanager
def _datasets_in(folder: Path) -> Iterator[None]:
    """Minari knows one root for all its datasets, by an environment variable."""
    name, before = "MINARI_DATASETS_PATH", os.environ.get("MINARI_DATASETS_PATH")
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before

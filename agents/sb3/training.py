"""The training loop of `agents.training`, driven by Stable-Baselines3's own `learn`.

Owns    what happens at the start of a round, and what a checkpoint of a model holds.
Leaves  rounds, validation and resuming to `agents.training`, the files of a model to `sb3.checkpoints`.
Axes    N sales at once, T ticks a sale, D numbers of an observation, C columns of a box action.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.save_util import recursive_getattr
from stable_baselines3.common.utils import set_random_seed

from flashsale_env import Population
from flashsale_env.agents.play import SaleTable
from flashsale_env.agents.sb3.advice import AdvisedSales
from flashsale_env.agents.sb3.checkpoints import POLICY, read_replay, read_zip, replay_bytes, zipped
from flashsale_env.agents.sb3.determinism import mixed_seed
from flashsale_env.agents.sb3.networks.base import AdvisedFeatures
from flashsale_env.agents.sb3.parity import Multiplier, gap_of
from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv
from flashsale_env.agents.training import Learner, Progress, Row, Training
from flashsale_env.market.fairness import counts

# Ticks from which the features are standardised; longer sales repeat themselves.
_MEASURED_TICKS = 200
# Counters of a model that its updates depend on, or that its figures show.
_COUNTERS = ("_n_updates", "_n_calls", "_episode_num")


class SB3Learner(Learner, Protocol):
    """A learner over a model of Stable-Baselines3."""

    @property
    def model(self) -> BaseAlgorithm:
        """The algorithm, built for the sales of the training."""
        ...

    @property
    def seed(self) -> int:
        """Number of the training run."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the networks live."""
        ...

    @property
    def log_interval(self) -> int:
        """Stable-Baselines3's `log_interval` that writes one line of figures a round."""
        ...

    def begin_round(self, done: float) -> None:
        """Set what changes from round to round, when this share of the training is done."""
        ...

    def shape_rewards(self, venv: AdvisedSales, population: Population) -> None:
        """Shape the rewards of the sales, where the settings ask for it."""
        ...


class SB3Training(Training):
    """A training in which Stable-Baselines3 plays the rounds.

    Args:
        learner: its model is built for `advised`.
        venv: the sales.
        advised: the same sales as the model sees them.
        population, identity, checkpoint_every, folder, progress, threads: as for `Training`.
        multiplier: of a limit on the gap between groups; None for none. With a limit, the best policy is the one that
            earns most within it, and before there is one, the one with the smallest gap.

    Attributes:
        best: the weights of the best policy so far.
    """

    suffix: ClassVar[str] = "zip"

    def __init__(
        self,
        learner: SB3Learner,
        venv: FlashSaleVecEnv,
        advised: AdvisedSales,
        population: Population,
        *,
        identity: Mapping[str, Any],
        checkpoint_every: int,
        folder: Path | None,
        progress: Progress | None,
        threads: int | None,
        multiplier: Multiplier | None = None,
    ) -> None:
        super().__init__(
            learner,
            population,
            identity=identity,
            checkpoint_every=checkpoint_every,
            folder=folder,
            progress=progress,
            threads=threads,
        )
        self._sb3, self._venv, self._advised, self._multiplier = learner, venv, advised, multiplier
        self.best: dict[str, torch.Tensor] = {}

    def start(self) -> None:
        """Standardise the features by one batch of sales, played with the untrained policy."""
        venv, policy = self._advised, self._sb3.model.policy
        shown: Any = venv.reset()
        seen, state, start = [shown], None, np.ones(venv.num_envs, np.bool_)
        for _ in range(min(self._sb3.scenario.horizon_ticks, _MEASURED_TICKS) - 1):
            actions, state = policy.predict(shown, state, start, deterministic=False)
            shown = venv.step(actions)[0]
            seen.append(shown)
            start = np.zeros(venv.num_envs, np.bool_)
        venv.seed(self._sb3.seed)
        numbers = torch.as_tensor(np.concatenate(seen), device=self._sb3.device)
        for part in policy.modules():
            if isinstance(part, AdvisedFeatures):
                part.fit(numbers)

    def play_rounds(self) -> None:
        self._sb3.shape_rewards(self._advised, self._population)
        if self._multiplier is not None:
            self._venv.charge = self._multiplier.charge
        self._sb3.model.learn(
            (self.all_rounds - self.rounds) * self.round_steps,
            callback=_Rounds(self),
            log_interval=self._sb3.log_interval,
            reset_num_timesteps=False,
        )

    def begin_round(self) -> None:
        """Seed the round and its updates, which draw from a stream of their own: a resumed training draws the same."""
        seed, model = mixed_seed(self._sb3.seed, self.rounds), self._sb3.model
        set_random_seed(seed)
        model.action_space.seed(seed)
        self._sb3.begin_round(self.rounds / self.all_rounds)

    def report(self, row: Row) -> None:
        for name in ("profit", "ret"):
            self._sb3.model.logger.record(f"validation/{name}", row[name])

    def read(self, sales: npt.NDArray[np.void]) -> Mapping[str, npt.NDArray[np.float64]]:
        return {} if self._multiplier is None else counts(sales)

    def judge(self, table: SaleTable) -> Row:
        if self._multiplier is None:
            return {}
        outcomes = self._multiplier.parity.outcomes(table.more, self._multiplier.among)
        return {"gap": gap_of(outcomes), "multiplier": self._multiplier.value}

    def rank(self, row: Row) -> tuple[float, ...]:
        if self._multiplier is None:
            return super().rank(row)
        return min(self._multiplier.parity.most - row["gap"], 0.0), row["profit"]

    def keep_policy(self) -> None:
        self.best = {name: value.clone() for name, value in self._sb3.model.policy.state_dict().items()}

    def checkpoint(self) -> dict[str, bytes]:
        model = self._sb3.model
        files = {self.suffix: zipped(model)}
        if isinstance(model, OffPolicyAlgorithm):
            assert model.replay_buffer is not None
            files["safetensors"] = replay_bytes(model.replay_buffer)
        return files

    def counters(self) -> dict[str, Any]:
        model = self._sb3.model
        found = {"counters": {name: getattr(model, name) for name in _COUNTERS if hasattr(model, name)}}
        return found if self._multiplier is None else {**found, "multiplier": self._multiplier.state()}

    def restore(self, checkpoint: Path, state: dict[str, Any]) -> None:
        model, device = self._sb3.model, self._sb3.device
        tensors, variables = read_zip(checkpoint, device)
        model.set_parameters(tensors, exact_match=True, device=device)
        for name, value in variables.items():
            recursive_getattr(model, name).data = value.data
        if isinstance(model, OffPolicyAlgorithm):
            assert model.replay_buffer is not None
            read_replay(model.replay_buffer, checkpoint.with_suffix(".safetensors"))
        # The best policy may be younger than the checkpoint; the rounds since then are played again and find it again.
        self.best = read_zip(checkpoint.parent / POLICY, device)[0]["policy"]
        if self._multiplier is not None:
            self._multiplier.restore(state["multiplier"])
        model.num_timesteps = self.rounds * self.round_steps
        for counter, value in state["counters"].items():
            setattr(model, counter, value)
        self._venv.sales_opened = self.rounds * self._venv.different_sales


class _Rounds(BaseCallback):
    """Cuts the steps of Stable-Baselines3's `learn` into rounds."""

    def __init__(self, training: SB3Training) -> None:
        super().__init__()
        self._training = training

    def _on_rollout_start(self) -> None:
        played, within = divmod(self.model.num_timesteps, self._training.round_steps)
        if within:
            return
        if played > self._training.rounds:
            self._training.finish_round()
        self._training.begin_round()

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._training.finish_round()

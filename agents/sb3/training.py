"""What happens around a training by Stable-Baselines3: sales in, checkpoints, validation and the best policy out.

Owns    the sales that a learner sees, the round as the unit of everything that is kept, and the files of a training.
Axes    N sales at once, T ticks a sale, D numbers of an observation, C columns of a box action.

A round is one whole sale of each of the N: it begins with new sales, and its noise is seeded by (seed, number of the
round). Checkpoints are written between rounds, so no half-played sale has to be kept. Together this makes an
interrupted training, resumed, the same as an uninterrupted one.
"""

import io
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
import torch
from gymnasium import spaces
from safetensors import SafetensorError
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.save_util import load_from_zip_file, recursive_getattr
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from flashsale_env.agents.play import play
from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv
from flashsale_env.agents.seeding import validation_seeds
from flashsale_env.files import write_atomically
from flashsale_env.spaces.masks import ActionMasks
from flashsale_env.versions import versions

if TYPE_CHECKING:
    from flashsale_env.agents.sb3.learners import SB3Agent
    from flashsale_env.agents.sb3.potential import Potential

POLICY, TRAINING = "policy.zip", "training.json"

Row = dict[str, float]
Progress = Callable[[int, int, Row | None], None]

# Advice lies within the cells of its levels, and those within the action's box.
_ADVICE_BOUND = 1.0
# What a replay buffer holds, one row a transition of every sale.
_REPLAYED = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


class AdvisedSales(VecEnvWrapper):
    """Sales with each observation followed by the advice, with the masks of its actions and rewards told as progress.

    Args:
        venv: the sales.
        advise: (N, D) -> (N, D + C).
        masks: of the actions, where the learner asks for them.

    Attributes:
        correction: width of the changes of the advice that actions are; 0 where they are actions.
        potential: (N, D) -> (N,), by which the rewards are shaped, see `agents.sb3.potential`; None for none.
        gamma: discount factor of the shaping.
    """

    def __init__(
        self,
        venv: FlashSaleVecEnv,
        advise: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
        advice: int,
        masks: ActionMasks | None = None,
        correction: float = 0.0,
    ) -> None:
        box, edge = venv.observation_space, np.full(advice, _ADVICE_BOUND, np.float32)
        low, high = np.append(box.low, -edge), np.append(box.high, edge)
        super().__init__(venv, observation_space=spaces.Box(low, high, dtype=np.float32))
        self._advise, self._masks, self.correction = advise, masks, correction
        self.potential: Potential | None = None
        self.gamma = 1.0
        self._shown: npt.NDArray[np.float32] | None = None
        self._advised: npt.NDArray[np.float32] = np.zeros((venv.num_envs, len(low)), np.float32)
        self._worth: npt.NDArray[np.float64] = np.zeros(venv.num_envs)

    def reset(self) -> npt.NDArray[np.float32]:
        self._shown = self.venv.reset()
        if self.potential is not None:
            self._worth = self.potential(self._shown)
        self._advised = self._advise(self._shown)
        return self._advised

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        self.venv.step_async(corrected(self._advised, actions, self.correction) if self.correction else actions)

    def step_wait(self) -> VecEnvStepReturn:
        self._shown, rewards, dones, infos = self.venv.step_wait()
        if self.potential is not None:
            before, self._worth = self._worth, self.potential(self._shown)
            rewards = (rewards + self.gamma * self._worth * ~dones - before).astype(np.float32)
        if dones[0]:
            last = self._advise(np.stack([info["terminal_observation"] for info in infos]))
            for info, observation in zip(infos, last, strict=True):
                info["terminal_observation"] = observation
        self._advised = self._advise(self._shown)
        return self._advised, rewards, dones, infos

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """(N, A) of the observations last shown."""
        assert self._masks is not None
        assert self._shown is not None
        return self._masks(self._shown)

    def has_attr(self, attr_name: str) -> bool:
        return attr_name == "action_masks" or super().has_attr(attr_name)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """The masks are the batch's: one row of them for each sale."""
        if method_name == "action_masks":
            return list(self.action_masks()[list(self._get_indices(indices))])
        return super().env_method(method_name, *method_args, indices=indices, **method_kwargs)


def corrected(
    advised: npt.NDArray[np.float32], corrections: npt.NDArray[np.float32], width: float
) -> npt.NDArray[np.float32]:
    """The advice, last in (N, D + C), changed by corrections (N, C) in -1..1 of this width; (N, C) in -1..1."""
    advice = advised[:, -corrections.shape[1] :]
    return np.asarray(np.clip(advice + width * corrections, -_ADVICE_BOUND, _ADVICE_BOUND), np.float32)


class Keeper(BaseCallback):
    """Between two rounds: validates, keeps the best policy and the curve, writes checkpoints."""

    def __init__(
        self,
        agent: "SB3Agent",
        venv: FlashSaleVecEnv,
        population: Any,
        folder: Path | None,
        identity: dict[str, Any],
        progress: Progress | None,
        threads: int | None,
        since: float,
    ) -> None:
        super().__init__()
        self.agent, self.venv, self.population, self.folder, self.identity = agent, venv, population, folder, identity
        self.progress, self.threads = progress, threads
        self.rounds = 0
        self.curve: list[Row] = []
        self.best: dict[str, torch.Tensor] = {}
        self.round_steps = agent.settings.num_envs * agent.scenario.horizon_ticks
        self.all_rounds = -(-agent.settings.sales // agent.settings.num_envs)
        self._seconds = 0.0
        self._since = since
        self._resumed = False

    def resume(self, model: BaseAlgorithm, state: dict[str, Any]) -> None:
        """Put everything back to where `_write` left it."""
        assert self.folder is not None
        _, tensors, variables = read_zip(self.folder / state["checkpoint"], self.agent.device)
        model.set_parameters(tensors, exact_match=True, device=self.agent.device)
        for name, value in (variables or {}).items():
            recursive_getattr(model, name).data = value.data
        if isinstance(model, OffPolicyAlgorithm):
            read_replay(model.replay_buffer, _replay_path(self.folder, state["checkpoint"]))
        self.best = read_zip(self.folder / POLICY, self.agent.device)[1]["policy"]
        self.rounds, self.curve, self._seconds = state["rounds"], state["curve"], state["seconds"]
        model.num_timesteps = self.rounds * self.round_steps
        for counter, value in state["counters"].items():
            setattr(model, counter, value)
        self.venv.sales_opened = self.rounds * self.venv.different_sales
        self._resumed = True

    def _on_training_start(self) -> None:
        if not self._resumed:
            self._between_rounds()

    def _on_rollout_start(self) -> None:
        played, within = divmod(self.model.num_timesteps, self.round_steps)
        if within:
            return
        if played > self.rounds:
            self.rounds = played
            self._between_rounds()
        # A round and the updates in it draw from a stream of their own: a resumed training draws the same.
        seed = mixed_seed(self.agent.seed, self.rounds)
        set_random_seed(seed)
        self.model.action_space.seed(seed)
        self.agent.begin_round(self.model, self.rounds / self.all_rounds)

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self.rounds += 1
        self._between_rounds()

    def _between_rounds(self) -> None:
        settings, last = self.agent.settings, self.rounds == self.all_rounds
        if self.rounds % settings.validate_every == 0 or last:
            self._validate()
        if self.folder is not None and (self.rounds % settings.checkpoint_every == 0 or last):
            self._write()
        if self.progress is not None:
            done = self.rounds * settings.num_envs
            self.progress(done, self.all_rounds * settings.num_envs, self.curve[-1] if self.curve else None)

    def _validate(self) -> None:
        agent = self.agent
        seeds = validation_seeds(agent.settings.validation_sales)
        table = play(agent, agent.scenario, self.population, seeds=seeds, threads=self.threads)
        row = {
            "sales": self.rounds * agent.settings.num_envs,
            "steps": self.rounds * self.round_steps,
            "seconds": self._elapsed(),
            "profit": float(table["profit"].mean()),
            "ret": float(table["ret"].mean()),
        }
        for name in ("profit", "ret"):
            self.logger.record(f"validation/{name}", row[name])
        if not self.curve or row["profit"] > max(earlier["profit"] for earlier in self.curve):
            self.best = {name: value.clone() for name, value in agent.policy.state_dict().items()}
            if self.folder is not None:
                agent.save(self.folder)
        self.curve.append(row)

    def _write(self) -> None:
        """The checkpoint first, then the file that names it: a kill in between leaves the old pair or the new one."""
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"checkpoint-{self.rounds:06d}.zip"
        write_atomically(self.folder / name, zipped(self.model))
        if isinstance(self.model, OffPolicyAlgorithm):
            write_atomically(_replay_path(self.folder, name), replay_bytes(self.model.replay_buffer))
        state = {
            **self.identity,
            "rounds": self.rounds,
            "seconds": self._elapsed(),
            "checkpoint": name,
            "counters": {
                counter: getattr(self.model, counter)
                for counter in ("_n_updates", "_n_calls", "_episode_num")
                if hasattr(self.model, counter)
            },
            "curve": self.curve,
            "versions": versions(),
        }
        write_atomically(self.folder / TRAINING, json.dumps(state, indent=2).encode())
        for old in self.folder.glob("checkpoint-*"):
            if not old.name.startswith(name.removesuffix("zip")):
                old.unlink()

    def _elapsed(self) -> float:
        return self._seconds + time.perf_counter() - self._since


def read_training(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The unfinished or finished training in a folder; None where there is none.

    Raises:
        ValueError: it is broken, or a training with another identity.
    """
    path = folder / TRAINING
    if not path.exists():
        return None
    try:
        state = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}. Remove the folder to begin anew.") from error
    for name, wanted in identity.items():
        if state.get(name) != wanted:
            raise ValueError(
                f"{folder} holds a training with another {name}: {state.get(name)}, want {wanted}. Give another "
                f"folder, or the same settings to continue it."
            )
    return state  # type: ignore[no-any-return]


def _replay_path(folder: Path, checkpoint: str) -> Path:
    return folder / (checkpoint.removesuffix("zip") + "safetensors")


def replay_bytes(buffer: ReplayBuffer) -> bytes:
    """The transitions that a replay buffer holds, with where the next one goes."""
    held = {name: np.ascontiguousarray(getattr(buffer, name)[: buffer.size()]) for name in _REPLAYED}
    return safetensors.numpy.save({**held, "pos": np.array([buffer.pos], np.int64)})


def read_replay(buffer: ReplayBuffer, path: Path) -> None:
    """Fill an empty replay buffer with what `replay_bytes` made.

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
            f"{path} is not the memory of this training: {error}. Remove the folder to begin anew."
        ) from error


def zipped(model: BaseAlgorithm) -> bytes:
    """What Stable-Baselines3's `load` reads."""
    buffer = io.BytesIO()
    model.save(buffer, exclude=["_last_obs", "_last_original_obs", "_last_episode_starts", "ep_info_buffer"])
    return buffer.getvalue()


def read_zip(path: Path, device: torch.device) -> tuple[None, dict[str, Any], dict[str, Any] | None]:
    """The tensors of a zip of Stable-Baselines3; no pickled object is read.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is truncated, or something else.
    """
    try:
        return load_from_zip_file(path, load_data=False, device=device)  # type: ignore[return-value]
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing: the agent was not saved to its end.") from None
    except Exception as error:  # a broken zip fails in many ways inside Stable-Baselines3
        raise ValueError(f"{path} is truncated or not a policy of Stable-Baselines3: {error}.") from error


class _OneThread:
    """Who is inside `one_thread`, and the number that torch had before any of them was.

    Torch keeps a number for each thread, which a new thread takes from whoever set it last: a thread that begins while
    another is inside is born with 1, and must not hand that back as its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_thread = threading.local()
        self._inside = 0
        self._outside = 1

    @contextmanager
    def __call__(self) -> Iterator[None]:
        depth = getattr(self._of_thread, "depth", 0)
        with self._lock:
            if depth == 0:
                number = torch.get_num_threads()
                if self._inside == 0:
                    self._outside = number
                self._of_thread.before = self._outside if number == 1 else number
                torch.set_num_threads(1)
            self._inside += 1
            self._of_thread.depth = depth + 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                self._of_thread.depth = depth
                if depth == 0:
                    torch.set_num_threads(self._of_thread.before)


_one_thread = _OneThread()


def one_thread() -> AbstractContextManager[None]:
    """Torch on one thread: networks this small gain nothing from a second, and lose much where cores are busy.

    May be nested, and be used by several threads at once; each has its number back in the end.
    """
    return _one_thread()


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Stable-Baselines3 draws from the global generators: seed them inside, give them back as they were."""
    python, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        set_random_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy_state)  # noqa: NPY002


def mixed_seed(seed: int, part: int) -> int:
    """A 32-bit seed of one part of one run, unlike that of any neighbour."""
    return int(np.random.SeedSequence([seed, part]).generate_state(1)[0])

"""Proximal policy optimisation by Stable-Baselines3 on wide batches of sales.

Owns    the presets, the training loop around Stable-Baselines3's own (checkpoints, validation, resuming), and saving.
Axes    N sales at once, T ticks a sale, D numbers of an observation, C columns of an action.
Units   rewards reach the learner as a share of the opening stock's list value times ten, so that returns lie between
        1 and 10 in every scenario; everything reported is in currency.

A rollout is N whole sales: the learner sees every sale from its opening to its close, nothing is bootstrapped, and a
rollout always begins with new sales. The noise of a rollout is seeded by (seed, number of the rollout). Both together
make an interrupted training, resumed, the same as an uninterrupted one.

Source: Schulman et al. (2017), Proximal Policy Optimization Algorithms, arXiv:1707.06347.
"""

import dataclasses
import io
import json
import platform
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.utils import get_device, set_random_seed
from stable_baselines3.common.vec_env import VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

import agents
import flashsale_env
from agents.base import CARD, FORMAT, as_observation, read_card
from agents.play import play
from agents.sb3_policy import CUSTOMERS, EVERYTHING, OF_CUSTOMERS, AdvisedPolicy, MerchantFeatures
from agents.sb3_vec_env import FlashSaleVecEnv
from agents.seeding import split_seeds
from flashsale_env import ActionCodec, Layout, Population, Scenario, load_scenario
from flashsale_env.errors import unknown_name
from flashsale_env.files import write_atomically
from flashsale_env.population import HOMOGENEOUS

POLICY, TRAINING = "policy.zip", "training.json"

Row = dict[str, float]
Progress = Callable[[int, int, Row | None], None]

# Advice lies within the cells of its levels, and those within the action's box.
_ADVICE_BOUND = 1.0


@dataclass(frozen=True)
class Settings:
    """How PPO learns; `PRESETS` holds a set for each kind of scenario.

    Args:
        sales: sales played in the whole training.
        num_envs: sales played at once; a rollout is one sale of each.
        siblings: each sale is played this often side by side, by the same customers, and what the learner sees is how
            much better than its siblings a sale did: the luck of the draw cancels out.
        adviser: the heuristic from which the policy starts and which it goes on correcting; "" for none.
        reacts_to: what the correction depends on: "everything", or "customers" and time alone. With persistent noise
            it must not be the shop's own stock and sales: they tell how the noise was, and the correction would answer
            to that.
        persistence: correlation of the exploration from one tick to the next, see `AdvisedPolicy`.
        pay_at_close: every tick is credited with the whole sale. With persistent noise, credit for what comes after a
            tick is wrong: stock that earlier noise has saved would count as earned by later noise of the same sign.
        log_std, log_std_orders: logarithm of its first standard deviation, of prices and coupon and of orders. Orders
            begin at the far end of "nothing", so that noise seldom orders.
        batch_size, n_epochs, gae_lambda, ent_coef: as in Stable-Baselines3.
        learning_rate, final_learning_rate: falls linearly from the one to the other.
        net_arch: widths of the hidden layers, of the actor and of the critic each.
        validate_every: rollouts between two validations.
        validation_sales: sales of the validation split played in each.
    """

    sales: int
    num_envs: int = 1024
    siblings: int = 1
    adviser: str = ""
    reacts_to: str = EVERYTHING
    persistence: float = 0.0
    pay_at_close: bool = False
    log_std: float = -1.0
    log_std_orders: float = -1.75
    batch_size: int = 15_360
    n_epochs: int = 4
    learning_rate: float = 2e-3
    final_learning_rate: float = 4e-5
    gae_lambda: float = 0.93
    ent_coef: float = 0.0
    net_arch: tuple[int, ...] = (64, 64)
    validate_every: int = 5
    validation_sales: int = 1024

    def __post_init__(self) -> None:
        object.__setattr__(self, "net_arch", tuple(self.net_arch))
        for name in ("sales", "num_envs", "siblings", "batch_size", "n_epochs", "validate_every", "validation_sales"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 <= self.persistence <= 1:
            raise ValueError(f"persistence must lie in 0..1, got {self.persistence}.")
        if self.reacts_to not in (EVERYTHING, CUSTOMERS):
            raise ValueError(unknown_name("reacts_to", self.reacts_to, (EVERYTHING, CUSTOMERS)))


PRESETS = {
    # One product, no unobserved shocks: the stock says everything, and white noise learns it from many sales.
    "one product": Settings(sales=200 * 1024, adviser="fixed_price", ent_coef=0.002),
    # Many products and customers that differ from sale to sale: the chaser minds the stock, and what is to be learned
    # is how to read the customers.
    "many products": Settings(
        sales=48 * 1024,
        siblings=8,
        adviser="sell_through",
        reacts_to=CUSTOMERS,
        persistence=1.0,
        pay_at_close=True,
        log_std=-1.5,
        n_epochs=2,
        learning_rate=6e-3,
        gae_lambda=1.0,
        net_arch=(32,),
        validate_every=6,
    ),
}


def preset(scenario: Scenario) -> Settings:
    """The preset of a scenario; without advice where its heuristic does not apply."""
    chosen = PRESETS["one product" if len(scenario.products) == 1 else "many products"]
    if chosen.reacts_to == CUSTOMERS and not set(OF_CUSTOMERS) & set(scenario.features):
        chosen = dataclasses.replace(chosen, reacts_to=EVERYTHING)
    if agents.AGENTS[chosen.adviser].applies(scenario) is not None:
        return dataclasses.replace(chosen, adviser="")
    return chosen


class _Advised(VecEnvWrapper):
    """Sales with each observation followed by the advice."""

    def __init__(
        self, venv: FlashSaleVecEnv, advise: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
    ) -> None:
        box, edge = venv.observation_space, np.full(venv.action_space.shape, _ADVICE_BOUND, np.float32)
        low, high = np.append(box.low, -edge), np.append(box.high, edge)
        super().__init__(venv, observation_space=spaces.Box(low, high, dtype=np.float32))
        self._advise = advise

    def reset(self) -> npt.NDArray[np.float32]:
        return self._advise(self.venv.reset())

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, dones, infos = self.venv.step_wait()
        if dones[0]:
            last = self._advise(np.stack([info["terminal_observation"] for info in infos]))
            for info, observation in zip(infos, last, strict=True):
                info["terminal_observation"] = observation
        return self._advise(observations), rewards, dones, infos


class PPOAgent:
    """PPO over `FlashSaleVecEnv`.

    Args:
        scenario: name, path or object.
        device: "auto" (CUDA when there is one), "cpu" or "cuda".
        seed: number of the training run: of its block of training sales, its weights and its noise.
        adviser_params: parameters of the adviser, in place of its tuned ones.
        settings: any field of `Settings`, in place of the preset's.

    Raises:
        ValueError: an unknown setting, or one out of its range.
    """

    name: ClassVar[str] = "ppo"
    encoding: ClassVar[str] = "box"

    def __init__(
        self,
        scenario: str | Path | Scenario,
        *,
        device: str = "auto",
        seed: int = 0,
        adviser_params: Mapping[str, float] | None = None,
        **settings: Any,
    ) -> None:
        self.scenario = load_scenario(scenario)
        self.seed = seed
        known = {field.name for field in dataclasses.fields(Settings)}
        for name in settings:
            if name not in known:
                raise ValueError(unknown_name("setting of 'ppo'", name, known))
        self.settings = dataclasses.replace(preset(self.scenario), **settings)
        self.device = get_device(device)
        self._size, self._codec = Layout(self.scenario).size, ActionCodec(self.scenario)
        self._adviser = None
        if self.settings.adviser:
            self._adviser = agents.make(self.settings.adviser, self.scenario, **(adviser_params or {}))
        # Only the shapes matter here, so the customers do not.
        self._model = self._build(_Advised(FlashSaleVecEnv(self.scenario, HOMOGENEOUS, num_envs=1), self._advise))

    @property
    def policy(self) -> Any:
        """Stable-Baselines3's policy."""
        return self._model.policy

    def predict(
        self,
        observation: npt.NDArray[np.float32],
        state: Any = None,
        episode_start: npt.NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[Any], Any]:
        """Actions for one observation (D,) or a batch (N, D); the policy has no memory.

        Raises:
            ValueError: the observation has another length than the scenario's.
        """
        array = as_observation(self.name, self.scenario, self._size, observation)
        with _one_thread():
            actions, _ = self.policy.predict(self._advise(np.atleast_2d(array)), deterministic=deterministic)
        return (actions if array.ndim == 2 else actions[0]), state

    def _advise(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(N, D) -> (N, D + C)."""
        if self._adviser is not None:
            advice = self._adviser.advise(observations)
        else:  # the middle of the prices, no orders, no coupon
            advice = np.full((len(observations), len(self._codec.names)), -1.0, np.float32)
            advice[:, self._codec.price_columns] = 0.0
        return np.concatenate([observations, advice], axis=1)

    def learn(
        self,
        population: str | Path | Population | None = None,
        *,
        sales: int | None = None,
        folder: str | Path | None = None,
        progress: Progress | None = None,
        threads: int | None = None,
    ) -> list[Row]:
        """Learn, and keep the policy that earned the most on the validation sales.

        With a folder, the state is written after every rollout and the best policy whenever there is a better one. A
        folder that holds an unfinished training of the same settings is continued: weights, optimiser, schedule,
        sales, noise and curve go on as if nothing had happened (on the same machine bit for bit). Ctrl-C loses at
        most the rollout under way.

        Args:
            population: the scenario's own by default.
            sales: to play in the whole training, in place of the settings'.
            folder: where checkpoints go, and the agent as `load` reads it.
            progress: called after every rollout with sales played, sales in all, and the last row of the curve.
            threads: of the simulator.

        Returns:
            The learning curve, one row a validation: "sales", "steps" (transitions), "seconds", "profit" (mean over
            the validation sales) and "ret".

        Raises:
            ValueError: the folder holds a training with other settings, or a broken one.
        """
        if sales is not None:
            self.settings = dataclasses.replace(self.settings, sales=sales)
        settings = self.settings
        sales_played = FlashSaleVecEnv(
            self.scenario,
            population,
            num_envs=settings.num_envs,
            run=self.seed,
            reward_scale=reward_scale(self.scenario),
            threads=threads,
            siblings=settings.siblings,
            pay_at_close=settings.pay_at_close,
        )
        venv = _Advised(sales_played, self._advise)
        with _own_randomness(self.seed), _one_thread():
            state = None if folder is None else self._read_training(Path(folder))
            self._model = self._build(venv)
            if state is None:
                self._measure_features(venv)
            keeper = _Keeper(
                self, sales_played, population, None if folder is None else Path(folder), progress, threads
            )
            if state is not None:
                keeper.resume(state)
            rollouts = -(-settings.sales // settings.num_envs)
            left = rollouts - keeper.rollouts
            if left > 0:
                steps = left * settings.num_envs * self.scenario.horizon_ticks
                self._model.learn(steps, callback=keeper, reset_num_timesteps=False)
            self.policy.load_state_dict(keeper.best)
        return keeper.curve

    def save(self, folder: str | Path) -> Path:
        """Write `policy.zip`, which `PPO.load` reads too, and `agent.json`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / POLICY, _zip(self._model))
        card = {
            "format": FORMAT,
            "name": self.name,
            "scenario": self.scenario.name,
            "seed": self.seed,
            "encoding": self.encoding,
            "settings": dataclasses.asdict(self.settings),
            "adviser_params": self._adviser_params,
            "versions": _versions(),
        }
        write_atomically(folder / CARD, json.dumps(card, indent=2).encode())
        return folder

    @classmethod
    def load(cls, folder: str | Path, scenario: str | Path | Scenario, device: str = "auto") -> Self:
        """Read an agent that `save` wrote; only tensors are read from the zip, no pickled object.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is broken, or the policy does not fit the scenario.
        """
        card = read_card(folder)
        tensors = _read_zip(Path(folder) / POLICY, get_device(device))
        try:
            agent = cls(
                scenario, device=device, seed=card["seed"], adviser_params=card["adviser_params"], **card["settings"]
            )
            agent.policy.load_state_dict(tensors["policy"])
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"the policy in {folder} was trained on scenario {card['scenario']!r} and does not fit "
                f"{load_scenario(scenario).name!r}: products, decisions or features differ."
            ) from error
        return agent

    @property
    def _adviser_params(self) -> dict[str, float]:
        return {} if self._adviser is None else self._adviser.params

    def _build(self, venv: _Advised) -> PPO:
        s = self.settings
        first, last = s.learning_rate, s.final_learning_rate
        log_stds = np.full(len(self._codec.names), s.log_std)
        log_stds[self._codec.order_columns] = s.log_std_orders
        with _own_randomness(self.seed):
            return PPO(
                AdvisedPolicy,
                venv,
                learning_rate=lambda left: last + (first - last) * left,
                n_steps=self.scenario.horizon_ticks,
                batch_size=min(s.batch_size, venv.num_envs * self.scenario.horizon_ticks),
                n_epochs=s.n_epochs,
                gamma=1.0,  # a sale is short and its profit is what counts
                gae_lambda=s.gae_lambda,
                ent_coef=s.ent_coef,
                policy_kwargs={
                    "net_arch": list(s.net_arch),
                    "log_stds": log_stds.tolist(),
                    "persistence": s.persistence,
                    "features_extractor_class": MerchantFeatures,
                    "features_extractor_kwargs": {
                        **MerchantFeatures.of_scenario(self.scenario),
                        "reacts_to": s.reacts_to,
                    },
                },
                device=self.device,
            )

    def _measure_features(self, venv: _Advised) -> None:
        """Play one batch of sales with the policy as it starts, to see what the observation's numbers are like."""
        shown = venv.reset()
        seen = [shown]
        for _ in range(self.scenario.horizon_ticks - 1):
            actions, _ = self.policy.predict(shown, deterministic=False)
            shown = venv.step(actions)[0]
            seen.append(shown)
        venv.seed(self.seed)
        self.policy.features_extractor.fit(torch.as_tensor(np.concatenate(seen), device=self.device))

    def _read_training(self, folder: Path) -> dict[str, Any] | None:
        path = folder / TRAINING
        if not path.exists():
            return None
        try:
            state = json.loads(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path} is not valid JSON: {error}. Remove the folder to begin anew.") from error
        for name, wanted in self._identity().items():
            if state.get(name) != wanted:
                raise ValueError(
                    f"{folder} holds a training with another {name}: {state.get(name)}, want {wanted}. Give another "
                    f"folder, or the same settings to continue it."
                )
        return state  # type: ignore[no-any-return]

    def _identity(self) -> dict[str, Any]:
        settings = json.loads(json.dumps(dataclasses.asdict(self.settings)))
        return {
            "scenario": self.scenario.name,
            "seed": self.seed,
            "settings": settings,
            "adviser_params": self._adviser_params,
        }


class _Keeper(BaseCallback):
    """Between two rollouts: validates, keeps the best policy and the curve, writes checkpoints."""

    def __init__(
        self,
        agent: PPOAgent,
        venv: FlashSaleVecEnv,
        population: Any,
        folder: Path | None,
        progress: Progress | None,
        threads: int | None,
    ) -> None:
        super().__init__()
        self.agent, self.venv, self.population, self.folder = agent, venv, population, folder
        self.progress, self.threads = progress, threads
        self.rollouts = 0
        self.curve: list[Row] = []
        self.best: dict[str, torch.Tensor] = {}
        self._seconds = 0.0
        self._since = time.perf_counter()
        self._resumed = False

    def resume(self, state: dict[str, Any]) -> None:
        """Put everything back to where `_write` left it."""
        assert self.folder is not None
        model = self.agent._model
        tensors = _read_zip(self.folder / state["checkpoint"], self.agent.device)
        model.policy.load_state_dict(tensors["policy"])
        model.policy.optimizer.load_state_dict(tensors["policy.optimizer"])
        self.best = _read_zip(self.folder / POLICY, self.agent.device)["policy"]
        self.rollouts, self.curve, self._seconds = state["rollouts"], state["curve"], state["seconds"]
        steps = self.rollouts * self.agent.settings.num_envs * self.agent.scenario.horizon_ticks
        model.num_timesteps = steps
        model._n_updates = self.rollouts * self.agent.settings.n_epochs
        self.venv.sales_opened = self.rollouts * self.venv.different_sales
        self._resumed = True

    def _on_training_start(self) -> None:
        if not self._resumed:
            self._between_rollouts()

    def _on_rollout_start(self) -> None:
        if self.model.num_timesteps > self._steps():
            self.rollouts += 1
            self._between_rollouts()
        # The rollout and the update after it draw from a stream of their own: a resumed training draws the same.
        set_random_seed(_mixed(self.agent.seed, self.rollouts))
        self.agent.policy.begin_sales()

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self.rollouts += 1
        self._between_rollouts()

    def _steps(self) -> int:
        return self.rollouts * self.agent.settings.num_envs * self.agent.scenario.horizon_ticks

    def _between_rollouts(self) -> None:
        settings = self.agent.settings
        total = -(-settings.sales // settings.num_envs)
        if self.rollouts % settings.validate_every == 0 or self.rollouts == total:
            self._validate()
        if self.folder is not None:
            self._write()
        if self.progress is not None:
            done = self.rollouts * settings.num_envs
            self.progress(done, total * settings.num_envs, self.curve[-1] if self.curve else None)

    def _validate(self) -> None:
        agent = self.agent
        seeds = split_seeds("validation", 0, agent.settings.validation_sales)
        table = play(agent, agent.scenario, self.population, seeds=seeds, threads=self.threads)
        row = {
            "sales": self.rollouts * agent.settings.num_envs,
            "steps": self._steps(),
            "seconds": self._elapsed(),
            "profit": float(table["profit"].mean()),
            "ret": float(table["ret"].mean()),
        }
        if not self.curve or row["profit"] > max(earlier["profit"] for earlier in self.curve):
            self.best = {name: value.clone() for name, value in agent.policy.state_dict().items()}
            if self.folder is not None:
                agent.save(self.folder)
        self.curve.append(row)

    def _write(self) -> None:
        """The checkpoint first, then the file that names it: a kill in between leaves the old pair or the new one."""
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"checkpoint-{self.rollouts:06d}.zip"
        write_atomically(self.folder / name, _zip(self.agent._model))
        state = {
            **self.agent._identity(),
            "rollouts": self.rollouts,
            "seconds": self._elapsed(),
            "checkpoint": name,
            "curve": self.curve,
            "versions": _versions(),
        }
        write_atomically(self.folder / TRAINING, json.dumps(state, indent=2).encode())
        for old in self.folder.glob("checkpoint-*.zip"):
            if old.name != name:
                old.unlink()

    def _elapsed(self) -> float:
        return self._seconds + time.perf_counter() - self._since


def reward_scale(scenario: Scenario) -> float:
    """Ten over the list value of the opening stock, 1 over currency."""
    value = sum(p.list_price * (p.initial_stock or p.reserve) for p in scenario.products)
    return 10.0 / value


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread: networks this small gain nothing from a second, and lose much where cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """Stable-Baselines3 draws from the global generators: seed them inside, give them back as they were."""
    python, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        set_random_seed(_mixed(seed, 0))
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy_state)  # noqa: NPY002


def _mixed(seed: int, rollout: int) -> int:
    """A 32-bit seed of one rollout of one run, unlike that of any neighbour."""
    return int(np.random.SeedSequence([seed, rollout]).generate_state(1)[0])


def _zip(model: PPO) -> bytes:
    buffer = io.BytesIO()
    model.save(buffer, exclude=["_last_obs", "_last_original_obs", "_last_episode_starts", "ep_info_buffer"])
    return buffer.getvalue()


def _read_zip(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        _, tensors, _ = load_from_zip_file(path, load_data=False, device=device)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing: the agent was not saved to its end.") from None
    except Exception as error:  # a broken zip fails in many ways inside Stable-Baselines3
        raise ValueError(f"{path} is truncated or not a policy of Stable-Baselines3: {error}.") from error
    return tensors


def _versions() -> dict[str, str]:
    return {
        "flashsale_env": flashsale_env.__version__,
        "stable_baselines3": stable_baselines3.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }

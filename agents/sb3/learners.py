"""The learners of Stable-Baselines3 on wide batches of sales.

Owns    one class an algorithm; building, learning, saving and loading, once for all of them.
Leaves  settings and presets to `sb3.presets`, networks to `sb3.policy`, masks to `flashsale_env.spaces.masks`, and
        checkpoints, validation and resuming to `sb3.training`.
Axes    N sales at once, T ticks a sale, D numbers of an observation, C columns of a box action.
Units   rewards reach the learner as a share of the opening stock's list value times ten, so that returns lie between
        1 and 10 in most scenarios; everything reported is in currency.

A new algorithm is a class here, its settings and presets in `sb3.presets`, and one line in `agents.AGENTS`.
"""

import dataclasses
import json
import time
import warnings
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from sb3_contrib import TQC, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import configure
from stable_baselines3.common.noise import ActionNoise, VectorizedActionNoise
from torch import nn

from flashsale_env import ActionCodec, Layout, Population, Scenario, agents, load_scenario
from flashsale_env.agents.base import (
    CARD,
    Agent,
    card_of,
    customers_of,
    read_card,
    read_weights,
    tell_changes,
)
from flashsale_env.agents.devices import torch_device
from flashsale_env.agents.fingerprints import fingerprints
from flashsale_env.agents.rules.merchant import Merchant
from flashsale_env.agents.sb3.networks.merchant import AdvisedFeatures, MerchantFeatures
from flashsale_env.agents.sb3.policy import (
    NETWORKS,
    AdvisedMaskablePolicy,
    AdvisedPolicy,
    AdvisedRecurrentPolicy,
    grid,
)
from flashsale_env.agents.sb3.presets import (
    DQNSettings,
    OffPolicy,
    OnPolicy,
    PPOSettings,
    RecurrentSettings,
    SACSettings,
    Settings,
    TD3Settings,
    TQCSettings,
    preset,
    why_not,
)
from flashsale_env.agents.sb3.training import (
    POLICY,
    AdvisedSales,
    Keeper,
    Progress,
    Row,
    corrected,
    mixed_seed,
    one_thread,
    own_randomness,
    read_training,
    read_zip,
    zipped,
)
from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv
from flashsale_env.agents.seeding import check_run
from flashsale_env.errors import unknown_name
from flashsale_env.files import sha256, write_atomically
from flashsale_env.population import HOMOGENEOUS
from flashsale_env.spaces.masks import ActionMasks
from flashsale_env.versions import versions

if TYPE_CHECKING:
    from typing import Self


class SB3Agent(Agent):
    """A learner over `FlashSaleVecEnv`; a subclass says which algorithm, and how its settings reach it.

    Args:
        scenario: name, path or object.
        device: see `agents.devices`: "auto" (CUDA when there is one), "cpu", "cuda" or "cuda:N".
        seed: number of the training run: of its block of training sales, its weights and its noise.
        population: among whom it is to play, which chooses among the tuned values of its rules; the scenario's own by
            default. `learn` says among whom it learns.
        adviser_params: parameters of the adviser, in place of its tuned ones.
        settings: any setting of the algorithm, in place of the preset's.

    Raises:
        ValueError: an unknown setting, or one out of its range; the scenario leaves the algorithm nothing to decide.
    """

    algorithm: ClassVar[type[BaseAlgorithm]]
    settings: Settings

    def __init__(
        self,
        scenario: str | Path | Scenario,
        *,
        device: str = "auto",
        seed: int = 0,
        population: str | Path | Population | None = None,
        adviser_params: Mapping[str, float] | None = None,
        **settings: Any,
    ) -> None:
        self.scenario = load_scenario(scenario)
        self.seed = seed
        # As it was named: tuned values of its rules lie beside the file.
        self._home, self._whom = scenario, population
        self._trained: dict[str, str] = {}
        self.require_applies()
        chosen = preset(self.scenario, self.name)
        known = {field.name for field in dataclasses.fields(chosen)}
        for name in settings:
            if name not in known:
                raise ValueError(unknown_name(f"setting of {self.name!r}", name, known))
        self.settings = dataclasses.replace(chosen, **settings)
        self.encoding = self.settings.actions
        check_run(seed, "seed")
        self.device = torch_device(device)
        self.layout, self.codec = Layout(self.scenario), ActionCodec(self.scenario, self.encoding)
        self._box = ActionCodec(self.scenario)
        self._masks = ActionMasks(self.scenario, self.encoding) if self.algorithm is MaskablePPO else None
        self._adviser = None
        if self.settings.adviser:
            self._adviser = self._rule("adviser", **(adviser_params or {}))
        self._draws = 0
        # Only the shapes matter here: neither the customers, nor what the settings of the scenario do among them. A
        # learner asks for two transitions at least.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            shape = FlashSaleVecEnv(self.scenario, HOMOGENEOUS, num_envs=2, actions=self.encoding)
        self._model = self._build(self._advised(shape))

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        return why_not(cls.name, scenario)

    def _rule(self, role: str, **params: float) -> Any:
        """The agent that a setting names, which does not learn itself."""
        name, rules = getattr(self.settings, role), [n for n, entry in agents.AGENTS.items() if not entry.learns]
        if name not in rules:
            raise ValueError(unknown_name(role, name, rules))
        return agents.make(name, self._home, population=self._whom, **params)

    @property
    def mark(self) -> str:  # type: ignore[override]
        """What is said beside the learner: that the rule it starts from is not tuned for the scenario."""
        return f"adviser {self._adviser.mark}" if self._adviser is not None and self._adviser.mark else ""

    @property
    def policy(self) -> Any:
        """Stable-Baselines3's policy."""
        return self._model.policy

    def decide(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_], mode: bool
    ) -> tuple[npt.NDArray[Any], Any]:
        more = {} if self._masks is None else {"action_masks": self._masks(observations)}
        with one_thread(), torch.random.fork_rng(enabled=not mode):
            if not mode:
                torch.manual_seed(mixed_seed(self.seed, self._draws))
                self._draws += 1
            advised = self._advise(observations)
            actions, state = self.policy.predict(advised, state, episode_start, deterministic=mode, **more)
        return corrected(advised, actions, self._correction) if self._correction else actions, state

    def learn(
        self,
        population: str | Path | Population | None = None,
        *,
        sales: int | None = None,
        folder: str | Path | None = None,
        progress: Progress | None = None,
        threads: int | None = None,
        tensorboard: str | Path | None = None,
    ) -> list[Row]:
        """Learn, and keep the policy that earned the most on the validation sales.

        With a folder, the state is written every `checkpoint_every` rounds and the best policy whenever there is a
        better one. A folder that holds an unfinished training of the same settings is continued: weights, optimisers,
        schedules, replayed transitions, sales, noise and curve go on as if nothing had happened (on the same machine
        bit for bit). Ctrl-C loses at most the rounds since the last checkpoint.

        Args:
            population: the scenario's own by default.
            sales: to play in the whole training, in place of the settings'.
            folder: where checkpoints go, and the agent as `load` reads it.
            progress: called after every round with sales played, sales in all, and the last row of the curve.
            threads: of the simulator.
            tensorboard: folder for the learner's figures and the validation's, as `tensorboard --logdir` reads them.

        Returns:
            The learning curve, one row a validation: "sales", "steps" (transitions), "seconds", "profit" (mean over
            the validation sales) and "ret".

        Raises:
            ValueError: the folder holds a training with other settings, or a broken one.
        """
        if sales is not None:
            self.settings = dataclasses.replace(self.settings, sales=sales)
        settings, folder = self.settings, None if folder is None else Path(folder)
        since = time.perf_counter()
        played = FlashSaleVecEnv(
            self.scenario,
            population,
            num_envs=settings.num_envs,
            actions=self.encoding,
            run=self.seed,
            reward_scale=reward_scale(self.scenario),
            threads=threads,
            **self._shaping(),
        )
        customers = played.simulator.population
        self._trained = customers_of(self.scenario, population, customers)
        # What is played comes first: another game is what explains other parameters of the adviser.
        identity = {**fingerprints(self.scenario, customers), **self.identity()}
        venv = self._advised(played)
        with own_randomness(mixed_seed(self.seed, 0)), one_thread():
            state = None if folder is None else read_training(folder, identity)
            self._model = self._build(venv)
            if tensorboard is not None:
                self._model.set_logger(configure(str(tensorboard), ["tensorboard"]))
            else:
                self._model.set_logger(configure(None, []))
            if state is None:
                self._measure_features(venv)
            self._shape_rewards(venv, customers)
            keeper = Keeper(self, played, customers, folder, identity, progress, threads, since)
            if state is not None:
                keeper.resume(self._model, state)
            left = keeper.all_rounds - keeper.rounds
            if left > 0:
                # One line of figures a round; an off-policy learner counts sales, the others updates.
                self._model.learn(
                    left * keeper.round_steps,
                    callback=keeper,
                    log_interval=settings.num_envs if isinstance(settings, OffPolicy) else 1,
                    reset_num_timesteps=False,
                )
            self.policy.load_state_dict(keeper.best)
        return keeper.curve

    def begin_round(self, model: BaseAlgorithm, done: float) -> None:
        """What changes from round to round; `done` is the share of the training that is over."""

    def _shape_rewards(self, venv: AdvisedSales, population: Population) -> None:
        """Tell the learner its rewards as progress, where its settings say so."""

    def save(self, folder: str | Path) -> Path:
        """Write `policy.zip`, which the algorithm's own `load` reads too, and `agent.json`, which holds its hash."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = zipped(self._model)
        write_atomically(folder / POLICY, weights)
        card = {
            **card_of(self.name, self.scenario),
            **self.identity(),
            **self._trained,
            "adviser_mark": "" if self._adviser is None else self._adviser.mark,
            "encoding": self.encoding,
            "weights_sha256": sha256(weights),
            "versions": versions(),
        }
        write_atomically(folder / CARD, json.dumps(card, indent=2).encode())
        return folder

    @classmethod
    def load(
        cls,
        folder: str | Path,
        scenario: str | Path | Scenario,
        device: str = "auto",
        adviser_params: Mapping[str, float] | None = None,
    ) -> "Self":
        """Read an agent that `save` wrote; only tensors are read from the zip, no pickled object.

        Args:
            folder: where it is.
            scenario: what it is to play; one with other products where the policy takes any.
            device: as for the class.
            adviser_params: of the adviser. By default those it was saved with, or, where the scenario has other
                products, the adviser's tuned or default values there.

        A scenario that differs from the one it was trained on, and which it fits, is a warning that names what differs.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is broken or not the one that the card was written with, or the policy does not fit the
                scenario.
        """
        card, named, scenario = read_card(folder), scenario, load_scenario(scenario)
        read_weights(Path(folder) / POLICY, card)
        _, tensors, _ = read_zip(Path(folder) / POLICY, torch_device(device))
        saved, differing = tensors["policy"], ""
        if adviser_params is None:
            adviser_params = cls._adviser_params(card, scenario)
        try:
            agent = cls(named, device=device, seed=card["seed"], adviser_params=adviser_params, **card["settings"])
            keys = sorted({_part_of_policy(key) for key in saved.keys() ^ agent.policy.state_dict().keys()})
            differing = f" Only one of the two has {', '.join(keys)}." if keys else ""
            agent.policy.load_state_dict(saved)
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"the policy in {folder} was trained on scenario {card['scenario']!r} and does not fit "
                f"{scenario.name!r}: products, decisions or features differ.{differing}"
            ) from error
        moved = tell_changes(folder, card, scenario)
        if agent._adviser is not None and not moved and adviser_params == card["adviser_params"]:
            agent._adviser.mark = card["adviser_mark"]
        agent._trained = {name: card[name] for name in ("population", "population_sha256") if name in card}
        return agent

    @classmethod
    def _adviser_params(cls, card: dict[str, Any], scenario: Scenario) -> dict[str, float] | None:
        """Those of the card; None, for the scenario's own, where they are about other products."""
        adviser, network = card["settings"]["adviser"], NETWORKS.get(card["settings"].get("policy", ""))
        if adviser and network is not None and network.any_products:
            known = agents.AGENTS[adviser].cls.space(scenario)
            if not card["adviser_params"].keys() <= known.keys():
                return None
        return card["adviser_params"]  # type: ignore[no-any-return]

    def identity(self) -> dict[str, Any]:
        """What makes two trainings the same one."""
        return {
            "scenario": self.scenario.name,
            "seed": self.seed,
            "settings": json.loads(json.dumps(dataclasses.asdict(self.settings))),
            "adviser_params": {} if self._adviser is None else self._adviser.params,
        }

    def _arguments(self, sales: int) -> dict[str, Any]:
        """The algorithm's own arguments for that many sales at once, its policy among them."""
        raise NotImplementedError

    def _shaping(self) -> dict[str, Any]:
        """How the learner's sales differ from the scenario's."""
        return {}

    def _build(self, venv: AdvisedSales) -> Any:
        first, last = self.settings.learning_rate, self.settings.final_learning_rate
        with own_randomness(mixed_seed(self.seed, 0)):
            return self.algorithm(
                env=venv,
                learning_rate=lambda left: last + (first - last) * left,
                gamma=self.settings.gamma,
                device=self.device,
                **self._arguments(venv.num_envs),
            )

    def _advised(self, venv: FlashSaleVecEnv) -> AdvisedSales:
        return AdvisedSales(venv, self._advise, len(self._box.names), self._masks, self._correction)

    @property
    def _correction(self) -> float:
        """Width of the changes of the advice that the policy's actions are; 0 where they are actions."""
        return getattr(self.settings, "correction", 0.0) if self._adviser is not None else 0.0

    def _advise(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(N, D) -> (N, D + C)."""
        if isinstance(self._adviser, Merchant):
            advice = self._adviser.advise(observations)
        elif self._adviser is not None:
            advice, _ = self._adviser.predict(observations)
        else:  # the middle of the prices, no orders, no coupon
            advice = np.full((len(observations), len(self._box.names)), -1.0, np.float32)
            advice[:, self._box.columns("price")] = 0.0
        return np.concatenate([observations, advice], axis=1)

    def _measure_features(self, venv: AdvisedSales) -> None:
        """Play one batch of sales with the policy as it starts, to see what the observation's numbers are like."""
        shown = venv.reset()
        seen, state, start = [shown], None, np.ones(venv.num_envs, np.bool_)
        for _ in range(min(self.scenario.horizon_ticks, _MEASURED_TICKS) - 1):
            actions, state = self.policy.predict(shown, state, start, deterministic=False)
            shown = venv.step(actions)[0]
            seen.append(shown)
            start = np.zeros(venv.num_envs, np.bool_)
        venv.seed(self.seed)
        numbers = torch.as_tensor(np.concatenate(seen), device=self.device)
        for part in self.policy.modules():
            if isinstance(part, AdvisedFeatures):
                part.fit(numbers)


# Ticks that show what observations are like; longer sales repeat themselves.
_MEASURED_TICKS = 200


class OnPolicyAgent(SB3Agent):
    """What the learners that start from advice and correct it share."""

    policy_class: ClassVar[type[Any]] = AdvisedPolicy
    settings: OnPolicy

    def decide(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_], mode: bool
    ) -> tuple[npt.NDArray[Any], Any]:
        if episode_start.any():
            self.policy.begin_sales()
        return super().decide(observations, state, episode_start, mode)

    def begin_round(self, model: Any, done: float) -> None:
        first, last = self.settings.ent_coef, self.settings.final_ent_coef
        model.ent_coef = first + (last - first) * done
        if self.settings.final_log_std is not None and self.encoding == "box":
            fall = (self.settings.final_log_std - self.settings.log_std) * done
            self.policy.fix_log_stds(self._log_stds + fall)
        self.policy.begin_sales()

    def _arguments(self, sales: int) -> dict[str, Any]:
        s = self.settings
        if s.policy not in NETWORKS:
            raise ValueError(unknown_name("policy", s.policy, NETWORKS))
        network = NETWORKS[s.policy]
        if self.encoding not in network.encodings:
            raise ValueError(
                f"policy {s.policy!r} is for {' and '.join(network.encodings)} actions, got {self.encoding!r}; choose "
                f"other actions or policy 'merchant'."
            )
        return {
            "policy": self.policy_class,
            "n_steps": self._rollout_ticks,
            "gae_lambda": s.gae_lambda,
            "policy_kwargs": {
                "net_arch": list(s.net_arch),
                "network": s.policy,
                "log_stds": self._log_stds.tolist(),
                "kinds": network.noise_kinds(self._box),
                "places": grid(self.scenario, self.encoding),
                "features_extractor_class": network.reads,
                "features_extractor_kwargs": {
                    **network.reads.of_scenario(self.scenario),
                    "reacts_to": s.reacts_to,
                },
                **self._policy_arguments(),
            },
        }

    def _policy_arguments(self) -> dict[str, Any]:
        return {"persistence": self.settings.persistence}

    def _shaping(self) -> dict[str, Any]:
        return {"siblings": self.settings.siblings, "pay_at_close": self.settings.pay_at_close}

    @property
    def _log_stds(self) -> npt.NDArray[np.float64]:
        """(C,) of the first noise."""
        log_stds = np.full(len(self._box.names), self.settings.log_std)
        log_stds[self._box.columns("order")] = self.settings.log_std_orders
        return log_stds

    @property
    def _rollout_ticks(self) -> int:
        ticks, horizon = self.settings.rollout_ticks, self.scenario.horizon_ticks
        if ticks and horizon % ticks:
            raise ValueError(
                f"rollout_ticks must divide the horizon of {horizon} ticks, got {ticks}; 0 is a whole sale."
            )
        return ticks or horizon


class A2CAgent(OnPolicyAgent):
    """Advantage actor-critic, one gradient step a rollout.

    Source: Mnih et al. (2016), Asynchronous Methods for Deep Reinforcement Learning, arXiv:1602.01783.
    """

    name = "a2c"
    algorithm = A2C

    def _arguments(self, sales: int) -> dict[str, Any]:
        return {**super()._arguments(sales), "normalize_advantage": True, "use_rms_prop": False}


class PPOAgent(OnPolicyAgent):
    """Proximal policy optimisation.

    Source: Schulman et al. (2017), Proximal Policy Optimization Algorithms, arXiv:1707.06347.
    """

    name = "ppo"
    algorithm = PPO
    settings: PPOSettings

    def _arguments(self, sales: int) -> dict[str, Any]:
        s = self.settings
        return {
            **super()._arguments(sales),
            "batch_size": even_batch(sales * self._rollout_ticks, s.batch_size),
            "n_epochs": s.n_epochs,
            "clip_range": s.clip_range,
        }


def even_batch(transitions: int, most: int) -> int:
    """Size of the mini-batches of a rollout, at most `most`: the largest that leaves no remainder.

    A remainder is a small last mini-batch, whose gradient is noisy and counts as much as that of a full one. Where a
    size without one is below half of `most`, `most` stands.

    >>> even_batch(48 * 1000, 15_360), even_batch(60 * 1024, 15_360), even_batch(7, 15_360), even_batch(2 * 5003, 1024)
    (12000, 15360, 7, 1024)
    """
    fewest = -(-transitions // most)
    parts = next((parts for parts in range(fewest, 2 * fewest + 1) if transitions % parts == 0), None)
    return min(most, transitions) if parts is None else transitions // parts


class MaskablePPOAgent(PPOAgent):
    """PPO that is kept from grid actions which change nothing.

    Source: Huang & Ontañón (2022), A Closer Look at Invalid Action Masking in Policy Gradient Algorithms,
    arXiv:2006.14171.
    """

    name = "maskable_ppo"
    algorithm = MaskablePPO
    policy_class = AdvisedMaskablePolicy

    def _policy_arguments(self) -> dict[str, Any]:
        return {}


class RecurrentPPOAgent(PPOAgent):
    """PPO with an LSTM, whose memory is in `state`: (hidden, cell), each of shape (1, N, `memory`).

    Source: Hausknecht & Stone (2015), Deep Recurrent Q-Learning for Partially Observable MDPs, arXiv:1507.06527, for
    the memory; `PPOAgent` for the rest.
    """

    name = "recurrent_ppo"
    algorithm = RecurrentPPO
    policy_class = AdvisedRecurrentPolicy
    settings: RecurrentSettings

    def _policy_arguments(self) -> dict[str, Any]:
        return {**super()._policy_arguments(), "lstm_hidden_size": self.settings.memory}


# Sales of the training customers from which a potential is estimated.
_POTENTIAL_SALES = 2048


class OffPolicyAgent(SB3Agent):
    """What the learners that replay transitions share: Stable-Baselines3's networks over the merchant's features."""

    settings: OffPolicy

    def __init__(self, scenario: str | Path | Scenario, **options: Any) -> None:
        super().__init__(scenario, **options)
        self._potential = self._rule("potential") if self.settings.potential else None

    def _build(self, venv: AdvisedSales) -> Any:
        model = super()._build(venv)
        if self._correction:
            # Before the first update the advice is played as it is.
            last = [part for part in model.actor.mu.modules() if isinstance(part, nn.Linear)][-1]
            with torch.no_grad():
                last.weight.zero_()
                last.bias.zero_()
        return model

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "potential_params": {} if self._potential is None else self._potential.params}

    def _shape_rewards(self, venv: AdvisedSales, population: Population) -> None:
        if self._potential is None:
            return
        from flashsale_env.agents.sb3.potential import Potential  # loads scikit-learn

        played = FlashSaleVecEnv(
            self.scenario,
            population,
            num_envs=_POTENTIAL_SALES,
            actions=self._potential.encoding,
            run=self.seed,
            reward_scale=reward_scale(self.scenario),
            threads=1,
        )
        venv.potential, venv.gamma = Potential(self._potential, played, self.settings.gamma), self.settings.gamma

    def _arguments(self, sales: int) -> dict[str, Any]:
        s = self.settings
        # No larger than the training: an array that is never filled still costs its memory.
        transitions = -(-s.sales // s.num_envs) * s.num_envs * self.scenario.horizon_ticks
        return {
            "policy": "MlpPolicy",
            "batch_size": s.batch_size,
            "train_freq": 1,
            "gradient_steps": s.gradient_steps,
            "buffer_size": min(s.buffer_size, transitions) if sales == s.num_envs else sales,
            "learning_starts": min(s.learning_starts, transitions // 5),
            "tau": s.tau,
            "n_steps": s.n_steps or max(1, self.scenario.horizon_ticks // 10),
            "policy_kwargs": {
                "net_arch": list(s.net_arch),
                "features_extractor_class": MerchantFeatures,
                "features_extractor_kwargs": MerchantFeatures.of_scenario(self.scenario),
            },
        }


class _WideDQN(DQN):
    """Every sale of the batch explores on its own, where Stable-Baselines3 draws once for all of them."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        actions, state = self.policy.predict(observation, state, episode_start, deterministic=True)
        if not deterministic:
            explores = torch.rand(actions.shape).numpy() < self.exploration_rate
            others = torch.randint(int(self.action_space.n), actions.shape).numpy()  # type: ignore[attr-defined]
            actions = np.where(explores, others, actions)
        return actions, state


class DQNAgent(OffPolicyAgent):
    """Deep Q-network over the small grid of discrete actions.

    Source: Mnih et al. (2015), Human-level control through deep reinforcement learning, Nature 518.
    """

    name = "dqn"
    algorithm = _WideDQN
    settings: DQNSettings

    def begin_round(self, model: Any, done: float) -> None:
        model.exploration_rate = model.exploration_schedule(1.0 - done)

    def _arguments(self, sales: int) -> dict[str, Any]:
        s = self.settings
        return {
            **super()._arguments(sales),
            "target_update_interval": sales,  # once a tick
            "exploration_final_eps": s.exploration,
            "exploration_fraction": s.exploration_share,
        }


class SACAgent(OffPolicyAgent):
    """Soft actor-critic.

    Source: Haarnoja et al. (2018), Soft Actor-Critic, arXiv:1801.01290.
    """

    name = "sac"
    algorithm = SAC
    settings: SACSettings

    def _arguments(self, sales: int) -> dict[str, Any]:
        return {**super()._arguments(sales), "ent_coef": self.settings.ent_coef}


class TQCAgent(SACAgent):
    """Truncated quantile critics.

    Source: Kuznetsov et al. (2020), Controlling Overestimation Bias with Truncated Mixture of Continuous
    Distributional Quantile Critics, arXiv:2005.04269.
    """

    name = "tqc"
    algorithm = TQC
    settings: TQCSettings

    def _arguments(self, sales: int) -> dict[str, Any]:
        arguments = super()._arguments(sales)
        arguments["policy_kwargs"]["n_quantiles"] = self.settings.n_quantiles
        return {**arguments, "top_quantiles_to_drop_per_net": self.settings.dropped_quantiles}


class _WideNoise(VectorizedActionNoise):
    """Independent normal noise of a whole batch in one draw; the sales have no noise of their own to reset."""

    def __init__(self, deviation: float, shape: tuple[int, ...]) -> None:
        ActionNoise.__init__(self)
        self._deviation, self._shape = deviation, shape

    def reset(self, indices: Any = None) -> None:
        """Nothing lasts from one tick to the next."""

    def __call__(self) -> npt.NDArray[np.float32]:
        return self._deviation * torch.randn(self._shape).numpy()  # type: ignore[no-any-return]


class TD3Agent(OffPolicyAgent):
    """Twin delayed deep deterministic policy gradient.

    Source: Fujimoto et al. (2018), Addressing Function Approximation Error in Actor-Critic Methods, arXiv:1802.09477.
    """

    name = "td3"
    algorithm = TD3
    settings: TD3Settings

    def _arguments(self, sales: int) -> dict[str, Any]:
        s = self.settings
        return {
            **super()._arguments(sales),
            "action_noise": _WideNoise(s.noise, (sales, len(self._box.names))),
            "target_policy_noise": s.target_noise,
            "target_noise_clip": 2.5 * s.target_noise,
        }


def _part_of_policy(key: str) -> str:
    """What a reader of an error knows a parameter by: the feature or the decision that it belongs to, or its name."""
    parts = key.split(".")
    named = ("standards", "common", "own")
    return next((repr(part) for group, part in pairwise(parts) if group in named), parts[0])


def reward_scale(scenario: Scenario) -> float:
    """Ten over the list value of the opening stock, 1 over currency; without opening stock, of what can be ordered."""
    units = zip(scenario.products, scenario.stock_scale.tolist(), strict=True)
    value = sum(product.list_price * (product.initial_stock or most) for product, most in units)
    return 10.0 / value

"""What all learners of Stable-Baselines3 share: building, learning, saving and loading on wide batches of sales.

Owns    the agent around a model, and the advice that it starts from.
Leaves  the algorithms to `sb3.on_policy` and `sb3.off_policy`, their settings to `sb3.settings` and `sb3.presets`,
        networks to `sb3.policy`, masks to `flashsale_env.spaces.masks`, and the training loop to `sb3.training`.
Axes    N sales at once, T ticks a sale, D numbers of an observation, C columns of a box action.
Units   the learner's rewards are scaled: ten times the share of the initial stock's list value, so that most returns
        lie between 1 and 10. Everything reported is in currency.

A new algorithm is a class in `sb3.on_policy` or `sb3.off_policy`, its settings and presets, and one entry in `AGENTS`.
"""

import dataclasses
import json
import warnings
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import configure

from flashsale_env import ActionCodec, Layout, Population, Scenario, load_scenario
from flashsale_env.agents.base import (
    CARD,
    Agent,
    card_of,
    population_of,
    read_card,
    read_weights,
    warn_of_changes,
)
from flashsale_env.agents.devices import torch_device
from flashsale_env.agents.fingerprints import fingerprints
from flashsale_env.agents.registry import AGENTS, make
from flashsale_env.agents.rules.merchant import Merchant
from flashsale_env.agents.sb3.advice import AdvisedSales, corrected
from flashsale_env.agents.sb3.checkpoints import POLICY, read_zip, zipped
from flashsale_env.agents.sb3.determinism import mixed_seed, one_thread, own_randomness
from flashsale_env.agents.sb3.parity import Multiplier, Parity, as_json
from flashsale_env.agents.sb3.policy import NETWORKS
from flashsale_env.agents.sb3.presets import preset, why_not
from flashsale_env.agents.sb3.settings import OnPolicy, Settings
from flashsale_env.agents.sb3.training import SB3Training
from flashsale_env.agents.sb3.vec_env import FlashSaleVecEnv
from flashsale_env.agents.seeding import check_run
from flashsale_env.agents.training import Progress, Row
from flashsale_env.errors import unknown_name
from flashsale_env.files import sha256, write_atomically
from flashsale_env.population import HOMOGENEOUS
from flashsale_env.spaces.masks import ActionMasks
from flashsale_env.versions import versions

if TYPE_CHECKING:
    from typing import Self


class SB3Agent(Agent):
    """A learner over `FlashSaleVecEnv`; a subclass names the algorithm and passes its settings to it.

    Args:
        scenario: name, path or object.
        device: see `agents.devices`: "auto" (CUDA where available), "cpu", "cuda" or "cuda:N".
        seed: number of the training run: of its block of training sales, its weights and its noise.
        population: the customers it will meet, which select among the tuned values of its rules; the scenario's own by
            default. The customers of the training are an argument of `learn`.
        adviser_params: parameters of the adviser, in place of its tuned ones.
        settings: any setting of the algorithm, in place of the preset's.

    Attributes:
        model: the algorithm of Stable-Baselines3.

    Raises:
        ValueError: an unknown setting, or one out of its range; the scenario leaves the algorithm nothing to decide.
    """

    algorithm: ClassVar[type[BaseAlgorithm]]
    # Whether the algorithm takes masks of its actions.
    takes_masks: ClassVar[bool] = False
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
        self._home, self._customers = scenario, population
        self._trained: dict[str, str] = {}
        self._parity: Parity | None = None
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
        self._masks = ActionMasks(self.scenario, self.encoding) if self.takes_masks else None
        self._adviser = self._rule("adviser", adviser_params or {}) if self.settings.adviser else None
        self.mark = self._mark()
        self._draws = 0
        # Only the shapes matter here: neither the customers, nor what the settings of the scenario do among them.
        # Stable-Baselines3 wants two transitions at least.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            shape = FlashSaleVecEnv(self.scenario, HOMOGENEOUS, num_envs=2, actions=self.encoding)
        self.model: Any = self.build(self.advised(shape))

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        return why_not(cls.name, scenario)

    def _rule(self, role: str, params: Mapping[str, float]) -> Any:
        """The rule that a setting names: any agent that does not learn."""
        name, rules = getattr(self.settings, role), [n for n, entry in AGENTS.items() if not entry.learns]
        if name not in rules:
            raise ValueError(unknown_name(role, name, rules))
        settings: dict[str, Any] = dict(params)
        return make(name, self._home, population=self._customers, **settings)

    def _mark(self) -> str:
        """The mark of the rule that the policy starts from: that it is not tuned for the scenario."""
        return f"adviser {self._adviser.mark}" if self._adviser is not None and self._adviser.mark else ""

    @property
    def policy(self) -> Any:
        """The policy of Stable-Baselines3."""
        return self.model.policy

    def decide(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_], mode: bool
    ) -> tuple[npt.NDArray[Any], Any]:
        more = {} if self._masks is None else {"action_masks": self._masks(observations)}
        with one_thread(), torch.random.fork_rng(enabled=not mode):
            if not mode:
                torch.manual_seed(mixed_seed(self.seed, self._draws))
                self._draws += 1
            advised = self.advise(observations)
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
        parity: Parity | None = None,
    ) -> list[Row]:
        """Train, and keep the policy that earned the most on the validation sales.

        With a folder, a checkpoint is written every `checkpoint_every` rounds, and the best policy whenever there is a
        better one. A folder that holds an unfinished training with the same settings is continued: weights, optimisers,
        schedules, replayed transitions, sales, noise and curve go on as if nothing had happened (on the same machine
        bit for bit). Ctrl-C loses at most the rounds since the last checkpoint.

        Args:
            population: the customers; the scenario's own by default.
            sales: sales of the whole training, in place of the settings'.
            folder: where checkpoints go, and the agent as `load` reads it.
            progress: called after every round with sales played, sales in all, and the last row of the curve.
            threads: of the simulator.
            tensorboard: folder for the figures of learner and validation, as `tensorboard --logdir` reads them.
            parity: a limit on the gap between groups of customers, for learners that drop a rollout after its update.
                The policy that earned the most within the limit is kept, and without one, that with the smallest gap.

        Returns:
            The learning curve, one row a validation: "sales", "steps" (transitions), "seconds", "profit" (mean over
            the validation sales) and "ret"; with a limit also "gap" and "multiplier".

        Raises:
            ValueError: the folder holds a training with other settings, or a broken one; or the learner or the
                scenario cannot be limited.
        """
        if parity is not None and not isinstance(self.settings, OnPolicy):
            raise ValueError(
                f"{self.name!r} replays old transitions, whose rewards hold old multipliers: a limit on a gap needs a "
                f"learner that drops a rollout after its update, e.g. 'ppo'."
            )
        self._parity = parity
        if sales is not None:
            self.settings = dataclasses.replace(self.settings, sales=sales)
        settings = self.settings
        played = FlashSaleVecEnv(
            self.scenario,
            population,
            num_envs=settings.num_envs,
            actions=self.encoding,
            run=self.seed,
            reward_scale=reward_scale(self.scenario),
            threads=threads,
            **self._batch_options(),
        )
        customers = played.simulator.population
        self._trained = population_of(self.scenario, population, customers)
        venv = self.advised(played)
        training = SB3Training(
            self,
            played,
            venv,
            customers,
            # Hashes first: another game explains other parameters of the adviser.
            identity={**fingerprints(self.scenario, customers), **self.identity(), "parity": as_json(parity)},
            checkpoint_every=settings.checkpoint_every,
            folder=None if folder is None else Path(folder),
            progress=progress,
            threads=threads,
            multiplier=None if parity is None else Multiplier(parity, self.scenario, customers),
        )
        with own_randomness(mixed_seed(self.seed, 0)), one_thread():
            self.model = self.build(venv)
            written = (None, []) if tensorboard is None else (str(tensorboard), ["tensorboard"])
            self.model.set_logger(configure(*written))
            curve = training.run()
            self.policy.load_state_dict(training.best)
        return curve

    @property
    def log_interval(self) -> int:
        """Stable-Baselines3's `log_interval` that writes one line of figures a round: on-policy, one update."""
        return 1

    def begin_round(self, done: float) -> None:
        """Set what changes from round to round; `done` is the share of the training that is over."""

    def shape_rewards(self, venv: AdvisedSales, population: Population) -> None:
        """Shape the rewards of the sales by a potential, where the settings ask for it."""

    def save(self, folder: str | Path) -> Path:
        """Write `policy.zip`, which the algorithm's own `load` reads too, and `agent.json`, which holds its hash."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = zipped(self.model)
        write_atomically(folder / POLICY, weights)
        card = {
            **card_of(self.name, self.scenario),
            **self.identity(),
            **self._trained,
            "adviser_mark": "" if self._adviser is None else self._adviser.mark,
            **({} if self._parity is None else {"parity": as_json(self._parity)}),
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

        A scenario that differs from the one it was trained on, but fits the policy, is a warning that lists the
        differences.

        Args:
            folder: where it is.
            scenario: what it will play; one with other products if the policy takes any.
            device: as for the class.
            adviser_params: parameters of the adviser. By default those of the card or, where the scenario has other
                products, the adviser's tuned or default values there.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is broken or not the one that the card was written with, or the policy does not fit the
                scenario.
        """
        card, named, scenario = read_card(folder), scenario, load_scenario(scenario)
        read_weights(Path(folder) / POLICY, card)
        tensors, _ = read_zip(Path(folder) / POLICY, torch_device(device))
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
        changed = warn_of_changes(folder, card, scenario)
        if agent._adviser is not None and not changed and adviser_params == card["adviser_params"]:
            agent._adviser.mark = card["adviser_mark"]
            agent.mark = agent._mark()
        agent._trained = {name: card[name] for name in ("population", "population_sha256") if name in card}
        return agent

    @classmethod
    def _adviser_params(cls, card: dict[str, Any], scenario: Scenario) -> dict[str, float] | None:
        """The adviser's parameters on the card; None, for the scenario's own, if they belong to other products."""
        adviser, network = card["settings"]["adviser"], NETWORKS.get(card["settings"].get("policy", ""))
        params: dict[str, float] = card["adviser_params"]
        if adviser and network is not None and network.any_products:
            known = AGENTS[adviser].cls.space(scenario)
            if not params.keys() <= known.keys():
                return None
        return params

    def identity(self) -> dict[str, Any]:
        """What makes two trainings the same one."""
        return {
            "scenario": self.scenario.name,
            "seed": self.seed,
            "settings": json.loads(json.dumps(dataclasses.asdict(self.settings))),
            "adviser_params": {} if self._adviser is None else self._adviser.params,
        }

    def _arguments(self, sales: int) -> dict[str, Any]:
        """Arguments of the algorithm for that many sales at once, its policy among them."""
        raise NotImplementedError

    def _batch_options(self) -> dict[str, Any]:
        """Options of `FlashSaleVecEnv` that the settings ask for."""
        return {}

    def build(self, venv: AdvisedSales) -> Any:
        """The algorithm over these sales, with its initial weights."""
        first, last = self.settings.learning_rate, self.settings.final_learning_rate
        algorithm: Any = self.algorithm
        with own_randomness(mixed_seed(self.seed, 0)):
            return algorithm(
                env=venv,
                learning_rate=lambda left: last + (first - last) * left,
                gamma=self.settings.gamma,
                device=self.device,
                **self._arguments(venv.num_envs),
            )

    def advised(self, venv: FlashSaleVecEnv) -> AdvisedSales:
        """The sales as the model sees them."""
        return AdvisedSales(venv, self.advise, len(self._box.names), self._masks, self._correction)

    @property
    def _correction(self) -> float:
        """Half-width of the corrections of the advice; 0 where the policy's actions are played as they are."""
        return getattr(self.settings, "correction", 0.0) if self._adviser is not None else 0.0

    def advise(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Observations (N, D) followed by the advice, (N, D + C)."""
        if isinstance(self._adviser, Merchant):
            advice = self._adviser.advise(observations)
        elif self._adviser is not None:
            advice, _ = self._adviser.predict(observations)
        else:  # the middle of the prices, no orders, no coupon
            advice = np.full((len(observations), len(self._box.names)), -1.0, np.float32)
            advice[:, self._box.columns("price")] = 0.0
        return np.concatenate([observations, advice], axis=1)


def _part_of_policy(key: str) -> str:
    """The feature or decision to which a parameter belongs, for an error message, or else its first name."""
    parts = key.split(".")
    named = ("standards", "common", "own")
    return next((repr(part) for group, part in pairwise(parts) if group in named), parts[0])


def reward_scale(scenario: Scenario) -> float:
    """10 / list value of the initial stock, 1 / currency; without initial stock, of the units that can be ordered."""
    units = zip(scenario.products, scenario.stock_scale.tolist(), strict=True)
    value = sum(product.list_price * (product.initial_stock or most) for product, most in units)
    return float(10.0 / value)

"""Settings of the Stable-Baselines3 learners.

Owns    which settings an algorithm has, their bounds, and which action encodings it can use.
Leaves  tuned sets of them to `sb3.presets`.
Units   sales, ticks and transitions (one tick of one sale) are counts; standard deviations are in the units of a box
        action, whose columns run from -1 to 1.

Nothing here loads torch, so that tables of agents can be printed quickly.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from flashsale_env.agents.seeding import MOST_SALES
from flashsale_env.errors import unknown_name
from flashsale_env.spaces.actions import ENCODINGS
from flashsale_env.tables import check_fields

EVERYTHING, CUSTOMERS = "everything", "customers"

# Features that the shop's own decisions hardly change: time, traffic, and the intents of the messages.
OF_CUSTOMERS = ("time_left", "sqrt_time_left", "customers_left", "traffic", "intent_mean", "intent_entropy")

# Memory per sale and per transition bounds how many fit.
_MOST_AT_ONCE, _MOST_VALIDATED, _MOST_REMEMBERED = 1 << 20, 10_000_000, 100_000_000
_WIDEST = 1 << 16


def _number(default: Any = dataclasses.MISSING, **bounds: float) -> Any:
    """A setting with bounds: `least` (included) or `above` (excluded), and `most` (included).

    Without bounds a whole number is at least 1, and any other number is free.
    """
    return dataclasses.field(default=default, metadata=bounds)


def _share(default: float) -> Any:
    return _number(default, least=0.0, most=1.0)


def _count(default: int) -> Any:
    """A count that may be 0."""
    return _number(default, least=0)


def _log_sd(default: float | None) -> Any:
    """Logarithm of a standard deviation. Outside these bounds the noise vanishes in a box of -1..1, or swamps it."""
    return _number(default, least=-20.0, most=2.0)


def _check_range(field: "dataclasses.Field[Any]", value: float) -> None:
    above, most = field.metadata.get("above"), field.metadata.get("most")
    least = field.metadata.get("least", 1 if field.type is int and above is None else None)
    if least is not None and most is not None and not least <= value <= most:
        raise ValueError(f"{field.name} must lie in {least:,}..{most:,}, got {value}.")
    if least is not None and value < least:
        raise ValueError(f"{field.name} must be at least {least:,}, got {value}.")
    if above is not None and value <= above:
        raise ValueError(f"{field.name} must lie above {above:,}, got {value}.")
    if most is not None and value > most:
        raise ValueError(f"{field.name} must be at most {most:,}, got {value}.")


@dataclass(frozen=True)
class Settings:
    """Settings of every learner.

    Args:
        sales: sales of the whole training.
        num_envs: sales played at once.
        adviser: the heuristic whose action is an input of the networks. On-policy learners start from it and learn
            corrections of it (for the others see `correction`); "" for none.
        actions: encoding of the actions.
        gamma: discount factor of a tick. 1 for a sale, which is short and whose profit is the objective; below 1 where
            the horizon stands for an infinite one.
        learning_rate, final_learning_rate: falls linearly from the first to the second.
        net_arch: widths of the hidden layers, of the actor and of the critic each.
        validate_every: rounds (one whole sale of each of `num_envs`) between two validations.
        validation_sales: sales of the validation split played in each.
        checkpoint_every: rounds between two checkpoints.
    """

    encodings: ClassVar[tuple[str, ...]] = ENCODINGS

    sales: int = _number(most=MOST_SALES)
    num_envs: int = _number(1024, most=_MOST_AT_ONCE)
    adviser: str = ""
    actions: str = "box"
    gamma: float = 1.0
    learning_rate: float = _number(2e-3, above=0.0, most=1.0)
    final_learning_rate: float = _number(4e-5, least=0.0, most=1.0)
    net_arch: tuple[int, ...] = (64, 64)
    validate_every: int = 5
    validation_sales: int = _number(1024, most=_MOST_VALIDATED)
    checkpoint_every: int = 1

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.net_arch or not 1 <= min(self.net_arch) <= max(self.net_arch) <= _WIDEST:
            raise ValueError(f"net_arch must be one or more widths in 1..{_WIDEST}, got {list(self.net_arch)}.")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and field.type in (int, float, float | None):
                _check_range(field, value)
            names = field.metadata.get("names")
            if names and value not in names:
                raise ValueError(unknown_name(field.name, value, names))
        if not 0 < self.gamma <= 1:
            raise ValueError(f"gamma must lie above 0 and at most at 1, got {self.gamma}.")
        if self.actions not in self.encodings:
            raise ValueError(unknown_name("actions", self.actions, self.encodings))


@dataclass(frozen=True)
class OnPolicy(Settings):
    """Settings of the learners that update from a rollout and then drop it.

    Args:
        policy: the network, a key of `agents.sb3.policy.NETWORKS`.
        siblings: copies of each sale, played side by side with the same customers. The reward is the difference from
            the siblings' mean, in which the variance between sales cancels.
        reacts_to: the features that the correction depends on: "everything", or only "customers" and time. With
            persistent noise, leave out the shop's own stock and sales: they reveal the noise drawn earlier in the sale,
            and the policy would learn to react to its own exploration.
        persistence: correlation of the exploration noise of box actions from one tick to the next, see `sb3.policy`.
        pay_at_close: credit every tick with the whole sale. With persistent noise, credit for later rewards only is
            biased: stock saved by earlier noise would be attributed to later noise of the same sign.
        log_std, log_std_orders: log standard deviation at the start, of prices and coupon, and of orders. Advice for no
            order lies at the far end of its cell, so that noise rarely orders. Grids explore as widely. Decisions about
            operations, e.g. servers, explore with `log_std` if they have four levels; with half as many levels, whose
            cells are twice as wide, the standard deviation is twice as large.
        final_log_std: value to which `log_std` of box actions falls linearly during the training; the orders' falls by
            as much. None to learn them instead. Under noise of standard deviation s the best mean price for exponential
            willingness to pay of mean w is too high by s²/w, so the noise must be small at the end.
        rollout_ticks: ticks between two updates, a divisor of the horizon; 0 for a whole sale, after which there is
            nothing to bootstrap.
        gae_lambda: as in Stable-Baselines3.
        ent_coef, final_ent_coef: weight of the entropy; falls linearly from the first to the second.
    """

    policy: str = "merchant"
    siblings: int = 1
    reacts_to: str = dataclasses.field(default=EVERYTHING, metadata={"names": (EVERYTHING, CUSTOMERS)})
    persistence: float = _share(0.0)
    pay_at_close: bool = False
    log_std: float = _log_sd(-1.0)
    log_std_orders: float = _log_sd(-1.75)
    final_log_std: float | None = _log_sd(None)
    rollout_ticks: int = _count(0)
    gae_lambda: float = _share(0.93)
    ent_coef: float = _number(0.0, least=0.0)
    final_ent_coef: float = _number(0.0, least=0.0)


@dataclass(frozen=True)
class PPOSettings(OnPolicy):
    """Proximal policy optimisation: `n_epochs` and `clip_range` as in Stable-Baselines3.

    Args:
        batch_size: largest number of transitions of a gradient step: a rollout is cut into parts of equal size.
    """

    batch_size: int = _number(15_360, least=2)  # advantages are normalised over it
    n_epochs: int = _number(4, most=1000)
    clip_range: float = _number(0.2, above=0.0)


@dataclass(frozen=True)
class MaskableSettings(PPOSettings):
    """PPO on grids, with the levels masked that would change nothing, see `flashsale_env.spaces.masks`."""

    encodings: ClassVar[tuple[str, ...]] = ("multidiscrete", "discrete")

    actions: str = "multidiscrete"


@dataclass(frozen=True)
class RecurrentSettings(PPOSettings):
    """PPO with an LSTM each for actor and critic, of width `memory`."""

    memory: int = _number(32, most=_WIDEST)


@dataclass(frozen=True)
class OffPolicy(Settings):
    """Settings of the learners that replay transitions.

    Args:
        batch_size: transitions of a gradient step.
        gradient_steps: gradient steps a tick, which adds `num_envs` transitions.
        buffer_size: size of the replay buffer, transitions.
        learning_starts: random transitions before the first gradient step, at most a fifth of the training.
        tau: weight of the network in each update of the target network, which follows every gradient step (every tick
            for a Q-network).
        n_steps: ticks of an n-step return; 0 for a tenth of the sale. A larger n bootstraps less, and so propagates
            fewer errors of the value estimate, but includes more of the exploration's effect.
        potential: the heuristic whose value function shapes the rewards, see `sb3.potential`; "" for none.
    """

    num_envs: int = _number(64, most=_MOST_AT_ONCE)
    batch_size: int = _number(512, most=_MOST_AT_ONCE)
    gradient_steps: int = 2
    buffer_size: int = _number(200_000, most=_MOST_REMEMBERED)
    learning_starts: int = 10_000
    tau: float = _share(0.01)
    n_steps: int = _count(1)
    potential: str = ""
    learning_rate: float = _number(1e-3, above=0.0, most=1.0)
    validate_every: int = 100
    validation_sales: int = _number(4096, most=_MOST_VALIDATED)
    checkpoint_every: int = 16


@dataclass(frozen=True)
class DQNSettings(OffPolicy):
    """Deep Q-network.

    Args:
        exploration: final share of random actions, to which it falls linearly from 1.
        exploration_share: share of the training during which it falls.
    """

    encodings: ClassVar[tuple[str, ...]] = ("discrete",)

    actions: str = "discrete"
    exploration: float = _share(0.05)
    exploration_share: float = _share(0.3)


@dataclass(frozen=True)
class ReplayedBox(OffPolicy):
    """Settings of those with box actions.

    Args:
        correction: half-width of the corrections of the adviser's action (box columns run from -1 to 1); 0 for free
            actions, with the advice as an input only.
    """

    encodings: ClassVar[tuple[str, ...]] = ("box",)

    correction: float = _share(0.0)


@dataclass(frozen=True)
class SACSettings(ReplayedBox):
    """Soft actor-critic: `ent_coef` is the fixed weight of the entropy, in units of the scaled reward."""

    ent_coef: float = _number(0.003, least=0.0)


@dataclass(frozen=True)
class TQCSettings(SACSettings):
    """Truncated quantile critics.

    Args:
        n_quantiles: quantiles of each of the two critics.
        dropped_quantiles: highest quantiles of each that are dropped. Where most of a return's variance comes from the
            customers, dropping quantiles biases against uncertain actions.
    """

    batch_size: int = _number(256, most=_MOST_AT_ONCE)
    n_quantiles: int = _number(10, most=_WIDEST)
    dropped_quantiles: int = _count(0)


@dataclass(frozen=True)
class TD3Settings(ReplayedBox):
    """Twin delayed deep deterministic policy gradient.

    Args:
        noise: standard deviation of the exploration noise.
        target_noise: standard deviation of the target policy smoothing, clipped at 2.5 standard deviations.
    """

    noise: float = _number(0.2, least=0.0)
    target_noise: float = _number(0.1, least=0.0)

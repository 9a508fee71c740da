"""Settings of the Stable-Baselines3 learners, and a tuned set of them for each algorithm and family of scenarios.

Owns    which settings an algorithm has, which action encodings it can use, and which family a scenario belongs to.
Units   sales, ticks and transitions (one tick of one sale) are counts; deviations are in the units of a box action,
        whose columns run from -1 to 1.

Nothing here loads torch, so that tables of agents can be printed quickly.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from flashsale_env import ActionCodec, Scenario, agents
from flashsale_env.agents.seeding import MOST_SALES
from flashsale_env.errors import unknown_name
from flashsale_env.spaces.actions import ENCODINGS
from flashsale_env.tables import check_fields

EVERYTHING, CUSTOMERS = "everything", "customers"

# What the shop's own decisions hardly change: time, who comes, and what they write.
OF_CUSTOMERS = ("time_left", "sqrt_time_left", "customers_left", "traffic", "intent_mean", "intent_entropy")


# What one sale of a batch, one validation sale and one remembered transition take bounds how many fit any memory.
_MOST_AT_ONCE, _MOST_VALIDATED, _MOST_REMEMBERED = 1 << 20, 10_000_000, 100_000_000
_WIDEST = 1 << 16


def _number(default: Any = dataclasses.MISSING, **bounds: float) -> Any:
    """A setting with bounds: `least` or `above` (which is not reached), and `most`.

    A whole number that says nothing is a count, at least 1; any other is free.
    """
    return dataclasses.field(default=default, metadata=bounds)


def _share(default: float) -> Any:
    return _number(default, least=0.0, most=1.0)


def _count(default: int) -> Any:
    """A count that may be 0."""
    return _number(default, least=0)


def _log_deviation(default: float | None) -> Any:
    """Logarithm of a standard deviation: beyond these the noise of a box of -1..1 is none, or all there is."""
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
    """What every learner has.

    Args:
        sales: sales played in the whole training.
        num_envs: sales played at once.
        adviser: the heuristic whose action the networks are shown, and which an on-policy policy starts from and goes
            on correcting (others: see `correction`); "" for none.
        actions: encoding of the actions.
        gamma: discount factor of a tick. A sale is short and its profit is what counts, so 1; below it where the
            horizon only stands for "for ever".
        learning_rate, final_learning_rate: falls linearly from the one to the other.
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
    """Settings of the learners that forget a rollout once they have learned from it.

    Args:
        policy: the network, a key of `agents.sb3.policy.NETWORKS`.
        siblings: each sale is played this often side by side, by the same customers, and what the learner sees is how
            much better than its siblings a sale did: the luck of the draw cancels out.
        reacts_to: what the correction depends on: "everything", or "customers" and time alone. With persistent noise
            it must not be the shop's own stock and sales: they tell how the noise was, and the correction would answer
            to that.
        persistence: correlation of the exploration of box actions from one tick to the next, see `AdvisedPolicy`.
        pay_at_close: every tick is credited with the whole sale. With persistent noise, credit for what comes after a
            tick is wrong: stock that earlier noise has saved would count as earned by later noise of the same sign.
        log_std, log_std_orders: logarithm of its first standard deviation, of prices and coupon and of orders. Orders
            begin at the far end of "nothing", so that noise seldom orders. Grids explore as widely.
        final_log_std: what `log_std` of box actions comes down to, linearly in the course of the training, and the
            orders' by as much; None to have them learned. Under noise of standard deviation s the best price for
            exponential willingness to pay of mean w is too high by s²/w, so what is played without noise in the end
            must be learned with little.
        rollout_ticks: ticks between two updates, a divisor of the horizon; 0 for a whole sale, after which nothing
            has to be bootstrapped.
        gae_lambda: as in Stable-Baselines3.
        ent_coef, final_ent_coef: weight of the entropy, falls linearly from the one to the other.
    """

    policy: str = "merchant"
    siblings: int = 1
    reacts_to: str = dataclasses.field(default=EVERYTHING, metadata={"names": (EVERYTHING, CUSTOMERS)})
    persistence: float = _share(0.0)
    pay_at_close: bool = False
    log_std: float = _log_deviation(-1.0)
    log_std_orders: float = _log_deviation(-1.75)
    final_log_std: float | None = _log_deviation(None)
    rollout_ticks: int = _count(0)
    gae_lambda: float = _share(0.93)
    ent_coef: float = _number(0.0, least=0.0)
    final_ent_coef: float = _number(0.0, least=0.0)


@dataclass(frozen=True)
class PPOSettings(OnPolicy):
    """Proximal policy optimisation: `n_epochs` and `clip_range` as in Stable-Baselines3.

    Args:
        batch_size: transitions of a gradient step, at most: a rollout is cut into parts of the same size.
    """

    batch_size: int = _number(15_360, least=2)  # advantages are normalised over it
    n_epochs: int = _number(4, most=1000)
    clip_range: float = _number(0.2, above=0.0)


@dataclass(frozen=True)
class MaskableSettings(PPOSettings):
    """PPO on grids whose levels are masked where they would change nothing, see `flashsale_env.spaces.masks`."""

    encodings: ClassVar[tuple[str, ...]] = ("multidiscrete", "discrete")

    actions: str = "multidiscrete"


@dataclass(frozen=True)
class RecurrentSettings(PPOSettings):
    """PPO with a memory: `memory` is the width of its LSTM, of the actor and of the critic each."""

    memory: int = _number(32, most=_WIDEST)


@dataclass(frozen=True)
class OffPolicy(Settings):
    """Settings of the learners that learn from a memory of transitions.

    Args:
        batch_size: transitions of a gradient step.
        gradient_steps: of every tick, in which `num_envs` new transitions come in.
        buffer_size: transitions remembered, the last ones.
        learning_starts: transitions played at random before the first gradient step, at most a fifth of the training.
        tau: share of the way that the target network goes towards the network with every gradient step (with every
            tick for a Q-network).
        n_steps: ticks whose rewards are added up before the value of what follows is estimated; 0 for a tenth of the
            sale. More of them carry less of the estimate's errors from tick to tick, and more of what exploration did.
        potential: the heuristic whose worth of a state shapes the rewards, see `agents.sb3.potential`; "" for none.
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
        exploration: share of random actions at the end; it falls linearly from 1.
        exploration_share: share of the training in which it falls.
    """

    encodings: ClassVar[tuple[str, ...]] = ("discrete",)

    actions: str = "discrete"
    exploration: float = _share(0.05)
    exploration_share: float = _share(0.3)


@dataclass(frozen=True)
class ReplayedBox(OffPolicy):
    """Settings of the learners of box actions among them.

    Args:
        correction: where there is an adviser, its action is played changed by at most this much (box columns run from
            -1 to 1); 0 for actions of the learner's own, which then only sees the advice.
    """

    encodings: ClassVar[tuple[str, ...]] = ("box",)

    correction: float = _share(0.0)


@dataclass(frozen=True)
class SACSettings(ReplayedBox):
    """Soft actor-critic: `ent_coef` is the fixed weight of the entropy, in the units of the scaled reward."""

    ent_coef: float = _number(0.003, least=0.0)


@dataclass(frozen=True)
class TQCSettings(SACSettings):
    """Truncated quantile critics.

    Args:
        n_quantiles: of each of the two critics.
        dropped_quantiles: the highest ones of each that are left out. Where most of the spread of a return is the
            customers' doing, to drop them is to underrate what is uncertain.
    """

    batch_size: int = _number(256, most=_MOST_AT_ONCE)
    n_quantiles: int = _number(10, most=_WIDEST)
    dropped_quantiles: int = _count(0)


@dataclass(frozen=True)
class TD3Settings(ReplayedBox):
    """Twin delayed deep deterministic policy gradient.

    Args:
        noise: standard deviation of the exploration.
        target_noise: of the smoothing of the target action, which is cut at two and a half of it.
    """

    noise: float = _number(0.2, least=0.0)
    target_noise: float = _number(0.1, least=0.0)


ONE_PRODUCT, FEW_PRODUCTS, MANY_PRODUCTS, REPLENISHMENT = (
    "one product",
    "few products",
    "many products",
    "replenishment",
)
FAMILIES = (ONE_PRODUCT, FEW_PRODUCTS, MANY_PRODUCTS, REPLENISHMENT)

# No unobserved shocks: the stock says everything, and white noise learns it from many sales.
_PPO_ONE_PRODUCT: dict[str, Any] = {
    "sales": 300 * 512,
    "num_envs": 512,
    "adviser": "fixed_price",
    "batch_size": 7680,
    "log_std": -1.2,
    "final_log_std": -3.5,
    "validate_every": 20,
    # Policies near the optimum differ by a thousandth: of 4,096 sales the luckiest was kept, a tenth of a percent off.
    "validation_sales": 16_384,
}
# Several prices share what a sale tells: they are seen through more noise, and need more of their own to stand out.
_PPO_FEW_PRODUCTS: dict[str, Any] = {**_PPO_ONE_PRODUCT, "log_std": -1.0, "final_log_std": -2.5}
# On a grid the policy itself decides how much to explore; a bonus that ends keeps it from deciding too early.
_GRID: dict[str, Any] = {"ent_coef": 0.005}
# Customers that differ from sale to sale: the chaser minds the stock, and what is to be learned is how to read them.
_MANY_PRODUCTS: dict[str, Any] = {
    "siblings": 8,
    "adviser": "sell_through",
    "reacts_to": CUSTOMERS,
    "persistence": 1.0,
    "pay_at_close": True,
    "log_std": -1.5,
    "learning_rate": 6e-3,
    "gae_lambda": 1.0,
    "net_arch": (32,),
}
_PPO_MANY_PRODUCTS: dict[str, Any] = {**_MANY_PRODUCTS, "sales": 48 * 1024, "n_epochs": 2, "validate_every": 6}
# What an order does is seen some ticks later, so a rollout of 40 ticks tells; siblings centre the rewards, as the
# learner of a long-run average wants them.
_LONG_RUN: dict[str, Any] = {"gamma": 0.98, "validate_every": 1, "validation_sales": 64}
_REPLAYED_REPLENISHMENT: dict[str, Any] = {
    **_LONG_RUN,
    "sales": 8 * 64,
    "potential": "base_stock",
    "adviser": "base_stock",
    "correction": 0.3,
    "checkpoint_every": 1,
}
_PPO_REPLENISHMENT: dict[str, Any] = {
    **_LONG_RUN,
    "sales": 8 * 256,
    "num_envs": 256,
    "siblings": 4,
    "adviser": "base_stock",
    "rollout_ticks": 40,
    "batch_size": 2560,
    "learning_rate": 1e-3,
    "final_log_std": -3.0,
}
# Which tick of a sale earned what is hard to tell from one transition: rewards are told as progress, see `potential`.
_REPLAYED_ONE_PRODUCT: dict[str, Any] = {
    "sales": 128 * 64,
    "potential": "fixed_price",
    "validate_every": 16,
    "validation_sales": 16_384,
}
_REPLAYED_FEW_PRODUCTS: dict[str, Any] = {**_REPLAYED_ONE_PRODUCT, "sales": 256 * 64, "validate_every": 32}
# What one price does is lost in the shocks of a sale: these learners keep to the rule and change it a little.
_REPLAYED_MANY_PRODUCTS: dict[str, Any] = {
    "sales": 64 * 64,
    "potential": "sell_through",
    "adviser": "sell_through",
    "correction": 0.15,
    "learning_rate": 3e-4,
    "validate_every": 8,
    "checkpoint_every": 8,
}
# Q-values of neighbouring prices hardly differ: more sales side by side, and gradients that average over more of them.
_DQN_FEW_PRICES: dict[str, Any] = {
    **_REPLAYED_ONE_PRODUCT,
    "n_steps": 0,
    "sales": 80 * 512,
    "num_envs": 512,
    "batch_size": 4096,
    "buffer_size": 1_000_000,
    "learning_starts": 60_000,
    "validate_every": 8,
    "checkpoint_every": 8,
}
_A2C: dict[str, Any] = {"num_envs": 128, "validate_every": 50, "validation_sales": 4096}

PRESETS: dict[tuple[str, str], Settings] = {
    ("ppo", ONE_PRODUCT): PPOSettings(**_PPO_ONE_PRODUCT),
    ("ppo", FEW_PRODUCTS): PPOSettings(**_PPO_FEW_PRODUCTS),
    ("ppo", MANY_PRODUCTS): PPOSettings(**_PPO_MANY_PRODUCTS),
    ("ppo", REPLENISHMENT): PPOSettings(**_PPO_REPLENISHMENT),
    ("a2c", ONE_PRODUCT): OnPolicy(sales=800 * 128, adviser="fixed_price", final_log_std=-3.5, **_A2C),
    ("a2c", FEW_PRODUCTS): OnPolicy(sales=800 * 128, adviser="fixed_price", final_log_std=-3.5, **_A2C),
    ("a2c", MANY_PRODUCTS): OnPolicy(sales=192 * 256, num_envs=256, validate_every=24, **_MANY_PRODUCTS),
    ("a2c", REPLENISHMENT): OnPolicy(
        sales=8 * 128, num_envs=128, siblings=4, adviser="base_stock", rollout_ticks=10, final_log_std=-3.0, **_LONG_RUN
    ),
    ("maskable_ppo", ONE_PRODUCT): MaskableSettings(**_PPO_ONE_PRODUCT, **_GRID),
    ("maskable_ppo", FEW_PRODUCTS): MaskableSettings(**_PPO_FEW_PRODUCTS, **_GRID),
    ("maskable_ppo", MANY_PRODUCTS): MaskableSettings(
        sales=24 * 512, num_envs=512, adviser="sell_through", log_std=-2.0
    ),
    ("maskable_ppo", REPLENISHMENT): MaskableSettings(**_PPO_REPLENISHMENT, **_GRID),
    ("recurrent_ppo", ONE_PRODUCT): RecurrentSettings(**_PPO_ONE_PRODUCT),
    ("recurrent_ppo", FEW_PRODUCTS): RecurrentSettings(**_PPO_FEW_PRODUCTS),
    ("recurrent_ppo", MANY_PRODUCTS): RecurrentSettings(
        sales=24 * 1024, n_epochs=2, validate_every=6, **_MANY_PRODUCTS
    ),
    ("recurrent_ppo", REPLENISHMENT): RecurrentSettings(**_PPO_REPLENISHMENT),
    ("dqn", ONE_PRODUCT): DQNSettings(**_DQN_FEW_PRICES),
    ("dqn", FEW_PRODUCTS): DQNSettings(**_DQN_FEW_PRICES),
    ("dqn", MANY_PRODUCTS): DQNSettings(sales=128 * 64, potential="sell_through", validate_every=16),
    ("dqn", REPLENISHMENT): DQNSettings(sales=16 * 64, potential="base_stock", checkpoint_every=2, **_LONG_RUN),
    ("sac", ONE_PRODUCT): SACSettings(**_REPLAYED_ONE_PRODUCT),
    ("sac", FEW_PRODUCTS): SACSettings(**_REPLAYED_FEW_PRODUCTS),
    ("sac", MANY_PRODUCTS): SACSettings(**_REPLAYED_MANY_PRODUCTS),
    ("sac", REPLENISHMENT): SACSettings(**_REPLAYED_REPLENISHMENT),
    ("td3", ONE_PRODUCT): TD3Settings(**_REPLAYED_ONE_PRODUCT),
    ("td3", FEW_PRODUCTS): TD3Settings(**_REPLAYED_FEW_PRODUCTS),
    ("td3", MANY_PRODUCTS): TD3Settings(**_REPLAYED_MANY_PRODUCTS),
    ("td3", REPLENISHMENT): TD3Settings(**_REPLAYED_REPLENISHMENT),
    ("tqc", ONE_PRODUCT): TQCSettings(**_REPLAYED_ONE_PRODUCT),
    ("tqc", FEW_PRODUCTS): TQCSettings(**_REPLAYED_FEW_PRODUCTS),
    ("tqc", MANY_PRODUCTS): TQCSettings(**_REPLAYED_MANY_PRODUCTS),
    ("tqc", REPLENISHMENT): TQCSettings(**_REPLAYED_REPLENISHMENT),
}


def family(scenario: Scenario) -> str:
    """The family of scenarios that a preset is for, one of `FAMILIES`."""
    codec = ActionCodec(scenario)
    if len(codec.columns("order")) == len(codec.names) == 1 and scenario.horizon_ticks > 1:
        return REPLENISHMENT
    if len(scenario.products) == 1:
        return ONE_PRODUCT
    # Beyond a handful of products, or where the shop reads its customers, stock no longer says everything.
    return MANY_PRODUCTS if len(scenario.products) > 4 or "intent_mean" in scenario.features else FEW_PRODUCTS


def preset(scenario: Scenario, algorithm: str = "ppo") -> Settings:
    """The preset of a scenario; without advice where its heuristic does not apply."""
    chosen = PRESETS[algorithm, family(scenario)]
    changed: dict[str, Any] = {}
    if isinstance(chosen, OnPolicy):
        if chosen.reacts_to == CUSTOMERS and not set(OF_CUSTOMERS) & set(scenario.features):
            changed["reacts_to"] = EVERYTHING
        fitting = (n for n in range(chosen.rollout_ticks, 0, -1) if scenario.horizon_ticks % n == 0)
        changed["rollout_ticks"] = next(fitting, 0)
    for role in ("adviser", "potential"):
        heuristic = getattr(chosen, role, "")
        if heuristic and agents.AGENTS[heuristic].applies(scenario) is not None:
            changed[role] = ""
    return dataclasses.replace(chosen, **changed)


def why_not(algorithm: str, scenario: Scenario) -> str | None:
    """Why an algorithm cannot learn this scenario, or None where it can."""
    encodings = PRESETS[algorithm, ONE_PRODUCT].encodings
    if encodings == ("discrete",):
        columns = ActionCodec(scenario, "discrete")
        if columns.space.n < 2:  # type: ignore[union-attr]
            return (
                "the agent needs discrete actions, and their small grid (one markdown, one order, one coupon for all) "
                "leaves nothing to decide in the scenario"
            )
    return None

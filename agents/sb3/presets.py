"""Tuned settings of the Stable-Baselines3 learners for each algorithm and family of scenarios.

Owns    the presets, and which family a scenario belongs to.
Leaves  what the settings mean to `sb3.settings`.
Units   sales, ticks and transitions are counts.

Nothing here loads torch, so that tables of agents can be printed quickly.
"""

import dataclasses
from typing import Any

from gymnasium import spaces

from flashsale_env import DECISIONS, ActionCodec, Scenario
from flashsale_env.agents.registry import AGENTS
from flashsale_env.agents.sb3.settings import (
    CUSTOMERS,
    EVERYTHING,
    OF_CUSTOMERS,
    DQNSettings,
    MaskableSettings,
    OnPolicy,
    PPOSettings,
    RecurrentSettings,
    SACSettings,
    Settings,
    TD3Settings,
    TQCSettings,
)

ONE_PRODUCT, FEW_PRODUCTS, MANY_PRODUCTS, REPLENISHMENT, OPERATIONS = (
    "one product",
    "few products",
    "many products",
    "replenishment",
    "operations",
)
FAMILIES = (ONE_PRODUCT, FEW_PRODUCTS, MANY_PRODUCTS, REPLENISHMENT, OPERATIONS)

# No unobserved shocks: the stock is a sufficient statistic, and white exploration noise suffices over many sales.
_PPO_ONE_PRODUCT: dict[str, Any] = {
    "sales": 300 * 512,
    "num_envs": 512,
    "adviser": "fixed_price",
    "batch_size": 7680,
    "log_std": -1.2,
    "final_log_std": -3.5,
    "validate_every": 20,
    # Policies near the optimum differ by 0.1 %. With 4,096 sales the selected policy was the luckiest, 0.1 % off.
    "validation_sales": 16_384,
}
# Several prices share the outcome of a sale: each one's effect is noisier, and needs more exploration to show.
_PPO_FEW_PRODUCTS: dict[str, Any] = {**_PPO_ONE_PRODUCT, "log_std": -1.0, "final_log_std": -2.5}
# On a grid the policy sets its own exploration; a bonus that falls to 0 keeps it from committing too early.
_GRID: dict[str, Any] = {"ent_coef": 0.005}
# Customers differ from sale to sale: the adviser handles the stock, and the policy learns to react to the customers.
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
# Quotas, servers, deals: the adviser uses every decision, and the policy corrects all of them by everything observed,
# e.g. the queue. The siblings take out what differs between sales, e.g. how many bots come.
_OPERATIONS: dict[str, Any] = {
    "siblings": 8,
    "adviser": "sell_through",
    "log_std": -1.5,
    "final_log_std": -3.0,
    "learning_rate": 3e-3,
    # A queue or a quota works for the rest of the sale. Relative to the siblings, the critic hardly sees that.
    "gae_lambda": 1.0,
    "net_arch": (32,),
}
_PPO_OPERATIONS: dict[str, Any] = {
    **_OPERATIONS,
    "sales": 96 * 512,
    "num_envs": 512,
    "n_epochs": 2,
    "validate_every": 8,
    "validation_sales": 4096,
}
# An order takes effect a few ticks later, well within a rollout of 40 ticks. Siblings centre the rewards, as learning
# a long-run average needs.
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
# A single transition hardly shows which tick earned the money: the rewards are shaped, see `sb3.potential`.
_REPLAYED_ONE_PRODUCT: dict[str, Any] = {
    "sales": 128 * 64,
    "potential": "fixed_price",
    "validate_every": 16,
    "validation_sales": 16_384,
}
_REPLAYED_FEW_PRODUCTS: dict[str, Any] = {**_REPLAYED_ONE_PRODUCT, "sales": 256 * 64, "validate_every": 32}
# The shocks of a sale hide the effect of one price: these learners follow the rule, with small corrections.
_REPLAYED_MANY_PRODUCTS: dict[str, Any] = {
    "sales": 64 * 64,
    "potential": "sell_through",
    "adviser": "sell_through",
    "correction": 0.15,
    "learning_rate": 3e-4,
    "validate_every": 8,
    "checkpoint_every": 8,
}
# Q-values of neighbouring prices hardly differ: more sales side by side, and larger batches for the gradient.
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
    ("ppo", OPERATIONS): PPOSettings(**_PPO_OPERATIONS),
    ("a2c", ONE_PRODUCT): OnPolicy(sales=800 * 128, adviser="fixed_price", final_log_std=-3.5, **_A2C),
    ("a2c", FEW_PRODUCTS): OnPolicy(sales=800 * 128, adviser="fixed_price", final_log_std=-3.5, **_A2C),
    ("a2c", MANY_PRODUCTS): OnPolicy(sales=192 * 256, num_envs=256, validate_every=24, **_MANY_PRODUCTS),
    ("a2c", REPLENISHMENT): OnPolicy(
        sales=8 * 128, num_envs=128, siblings=4, adviser="base_stock", rollout_ticks=10, final_log_std=-3.0, **_LONG_RUN
    ),
    ("a2c", OPERATIONS): OnPolicy(sales=192 * 256, num_envs=256, validate_every=24, **_OPERATIONS),
    ("maskable_ppo", ONE_PRODUCT): MaskableSettings(**_PPO_ONE_PRODUCT, **_GRID),
    ("maskable_ppo", FEW_PRODUCTS): MaskableSettings(**_PPO_FEW_PRODUCTS, **_GRID),
    ("maskable_ppo", MANY_PRODUCTS): MaskableSettings(
        sales=24 * 512, num_envs=512, adviser="sell_through", log_std=-2.0
    ),
    ("maskable_ppo", REPLENISHMENT): MaskableSettings(**_PPO_REPLENISHMENT, **_GRID),
    ("maskable_ppo", OPERATIONS): MaskableSettings(**_PPO_OPERATIONS, **_GRID),
    ("recurrent_ppo", ONE_PRODUCT): RecurrentSettings(**_PPO_ONE_PRODUCT),
    ("recurrent_ppo", FEW_PRODUCTS): RecurrentSettings(**_PPO_FEW_PRODUCTS),
    ("recurrent_ppo", MANY_PRODUCTS): RecurrentSettings(
        sales=24 * 1024, n_epochs=2, validate_every=6, **_MANY_PRODUCTS
    ),
    ("recurrent_ppo", REPLENISHMENT): RecurrentSettings(**_PPO_REPLENISHMENT),
    ("recurrent_ppo", OPERATIONS): RecurrentSettings(**_PPO_OPERATIONS),
    ("dqn", ONE_PRODUCT): DQNSettings(**_DQN_FEW_PRICES),
    ("dqn", FEW_PRODUCTS): DQNSettings(**_DQN_FEW_PRICES),
    ("dqn", MANY_PRODUCTS): DQNSettings(sales=128 * 64, potential="sell_through", validate_every=16),
    ("dqn", REPLENISHMENT): DQNSettings(sales=16 * 64, potential="base_stock", checkpoint_every=2, **_LONG_RUN),
    ("dqn", OPERATIONS): DQNSettings(sales=128 * 64, potential="sell_through", validate_every=16),
    ("sac", ONE_PRODUCT): SACSettings(**_REPLAYED_ONE_PRODUCT),
    ("sac", FEW_PRODUCTS): SACSettings(**_REPLAYED_FEW_PRODUCTS),
    ("sac", MANY_PRODUCTS): SACSettings(**_REPLAYED_MANY_PRODUCTS),
    ("sac", REPLENISHMENT): SACSettings(**_REPLAYED_REPLENISHMENT),
    ("sac", OPERATIONS): SACSettings(**_REPLAYED_MANY_PRODUCTS),
    ("td3", ONE_PRODUCT): TD3Settings(**_REPLAYED_ONE_PRODUCT),
    ("td3", FEW_PRODUCTS): TD3Settings(**_REPLAYED_FEW_PRODUCTS),
    ("td3", MANY_PRODUCTS): TD3Settings(**_REPLAYED_MANY_PRODUCTS),
    ("td3", REPLENISHMENT): TD3Settings(**_REPLAYED_REPLENISHMENT),
    ("td3", OPERATIONS): TD3Settings(**_REPLAYED_MANY_PRODUCTS),
    ("tqc", ONE_PRODUCT): TQCSettings(**_REPLAYED_ONE_PRODUCT),
    ("tqc", FEW_PRODUCTS): TQCSettings(**_REPLAYED_FEW_PRODUCTS),
    ("tqc", MANY_PRODUCTS): TQCSettings(**_REPLAYED_MANY_PRODUCTS),
    ("tqc", REPLENISHMENT): TQCSettings(**_REPLAYED_REPLENISHMENT),
    ("tqc", OPERATIONS): TQCSettings(**_REPLAYED_MANY_PRODUCTS),
}


# Heuristics that stand in for one that does not apply, e.g. because the scenario has a single price.
_STAND_INS = {"sell_through": "fixed_price"}
# Decisions of all families but `OPERATIONS`.
_SELLING = ("price", "order", "coupon", "targeted")


def family(scenario: Scenario) -> str:
    """The family of a scenario, one of `FAMILIES`."""
    codec = ActionCodec(scenario)
    if len(codec.columns("order")) == len(codec.names) == 1 and scenario.horizon_ticks > 1:
        return REPLENISHMENT
    if any(len(codec.columns(decision)) for decision in DECISIONS if decision not in _SELLING):
        return OPERATIONS
    if len(scenario.products) == 1:
        return ONE_PRODUCT
    # Beyond a handful of products, or with observed intents, the stock is no longer a sufficient statistic.
    return MANY_PRODUCTS if len(scenario.products) > 4 or "intent_mean" in scenario.features else FEW_PRODUCTS


def preset(scenario: Scenario, algorithm: str = "ppo") -> Settings:
    """The preset of a scenario; a heuristic that does not apply is replaced by its stand-in, or else left out."""
    chosen = PRESETS[algorithm, family(scenario)]
    changed: dict[str, Any] = {}
    if isinstance(chosen, OnPolicy):
        if chosen.reacts_to == CUSTOMERS and not set(OF_CUSTOMERS) & set(scenario.features):
            changed["reacts_to"] = EVERYTHING
        fitting = (n for n in range(chosen.rollout_ticks, 0, -1) if scenario.horizon_ticks % n == 0)
        changed["rollout_ticks"] = next(fitting, 0)
    for role in ("adviser", "potential"):
        heuristic = getattr(chosen, role, "")
        if not heuristic:
            continue
        possible = (name for name in (heuristic, _STAND_INS.get(heuristic)) if name)
        changed[role] = next((name for name in possible if AGENTS[name].applies(scenario) is None), "")
    return dataclasses.replace(chosen, **changed)


def why_not(algorithm: str, scenario: Scenario) -> str | None:
    """Why an algorithm cannot learn this scenario, or None where it can."""
    encodings = PRESETS[algorithm, ONE_PRODUCT].encodings
    if encodings == ("discrete",):
        space = ActionCodec(scenario, "discrete").space
        if isinstance(space, spaces.Discrete) and space.n < 2:
            return (
                "the agent needs discrete actions, and their small grid (one markdown, one order, one coupon for all) "
                "leaves nothing to decide in the scenario"
            )
    return None

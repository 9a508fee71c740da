"""A Gymnasium flash sale with customers who come from sentences.

    import gymnasium as gym, flashsale_env as fs
    env = gym.make(fs.environment_id("standard"))
    venv = gym.make_vec(fs.environment_id("standard"), num_envs=1024)

The tables (`SCENARIOS`, `ARRIVAL_LAWS`, `CHOICE_MODELS`, `PROMOTIONS`, `REWARD_TERMS`, `METRICS`, `FEATURES`) list
what there is.
"""

from typing import TYPE_CHECKING, Any

from flashsale_env.catalogue import Product
from flashsale_env.envs.registration import environment_id, register_environments
from flashsale_env.envs.sale import FlashSaleEnv
from flashsale_env.intents import INTENTS
from flashsale_env.market.arrivals import ARRIVAL_LAWS
from flashsale_env.market.choice import CHOICE_MODELS
from flashsale_env.market.features import FEATURES
from flashsale_env.market.metrics import METRICS
from flashsale_env.market.promotions import PROMOTIONS
from flashsale_env.market.rewards import REWARD_TERMS
from flashsale_env.population import Population, load_population
from flashsale_env.scenario import (
    SCENARIOS,
    Arrivals,
    Choice,
    Coupon,
    Messages,
    Pricing,
    Replenishment,
    Scenario,
    Shocks,
    Targeted,
    load_scenario,
)
from flashsale_env.simulator import Simulator
from flashsale_env.spaces.actions import ENCODINGS, ActionCodec
from flashsale_env.spaces.masks import ActionMasks
from flashsale_env.spaces.observations import Layout
from flashsale_env.spaces.units import UnitReader

if TYPE_CHECKING:
    from flashsale_env.envs.vector import FlashSaleVectorEnv

__version__ = "0.1.0"

register_environments()


def __getattr__(name: str) -> Any:
    """The batch needs a newer Gymnasium than a single sale does, so it is imported when it is asked for."""
    if name == "FlashSaleVectorEnv":
        from flashsale_env.envs.vector import FlashSaleVectorEnv

        return FlashSaleVectorEnv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ARRIVAL_LAWS",
    "CHOICE_MODELS",
    "ENCODINGS",
    "FEATURES",
    "INTENTS",
    "METRICS",
    "PROMOTIONS",
    "REWARD_TERMS",
    "SCENARIOS",
    "ActionCodec",
    "ActionMasks",
    "Arrivals",
    "Choice",
    "Coupon",
    "FlashSaleEnv",
    "FlashSaleVectorEnv",
    "Layout",
    "Messages",
    "Population",
    "Pricing",
    "Product",
    "Replenishment",
    "Scenario",
    "Shocks",
    "Simulator",
    "Targeted",
    "UnitReader",
    "environment_id",
    "load_population",
    "load_scenario",
]

"""A Gymnasium environment of flash sales whose customers are sentences, read by a BERT intent encoder.

    import gymnasium as gym, flashsale_env as fs
    env = gym.make(fs.environment_id("standard"))
    venv = gym.make_vec(fs.environment_id("standard"), num_envs=1024)

The tables (`SCENARIOS`, `MECHANISMS`, `ARRIVAL_LAWS`, `CHOICE_MODELS`, `PROMOTIONS`, `DECISIONS`, `FEATURES`,
`REWARD_TERMS`, `METRICS`) list all parts by name.
"""

from typing import TYPE_CHECKING, Any

from flashsale_env.campaign import CampaignSimulator, campaign_of
from flashsale_env.catalogue import Product
from flashsale_env.envs.campaign import FlashSaleCampaignEnv
from flashsale_env.envs.objectives import FlashSaleMOEnv
from flashsale_env.envs.registration import (
    campaign_environment_id,
    environment_id,
    mo_environment_id,
    register_environments,
    text_environment_id,
)
from flashsale_env.envs.sale import FlashSaleEnv
from flashsale_env.envs.text import FlashSaleTextEnv
from flashsale_env.generator import generate
from flashsale_env.intents import INTENTS
from flashsale_env.market.ads import Ads
from flashsale_env.market.arrivals import ARRIVAL_LAWS, Arrivals
from flashsale_env.market.basket import Basket
from flashsale_env.market.bots import Bots
from flashsale_env.market.bundles import Bundles
from flashsale_env.market.campaign import Campaign
from flashsale_env.market.carts import Carts
from flashsale_env.market.choice import CHOICE_MODELS, Choice
from flashsale_env.market.clicks import Clicks
from flashsale_env.market.contagion import Contagion
from flashsale_env.market.coupon import Coupon
from flashsale_env.market.deal import Deal
from flashsale_env.market.delivery import Delivery
from flashsale_env.market.disclosure import Disclosure
from flashsale_env.market.fairness import Fairness
from flashsale_env.market.messages import Messages
from flashsale_env.market.persons import Persons
from flashsale_env.market.pricing import Pricing
from flashsale_env.market.push import Push
from flashsale_env.market.retention import Retention
from flashsale_env.market.returns import Returns
from flashsale_env.market.rivals import Rival, Rivals
from flashsale_env.market.seckill import Seckill
from flashsale_env.market.service import Service
from flashsale_env.market.shocks import Shocks
from flashsale_env.market.slate import Ranking, Slate
from flashsale_env.market.stock import Replenishment
from flashsale_env.market.targeted import Targeted
from flashsale_env.market.waiting import Waiting
from flashsale_env.population import Population, load_population
from flashsale_env.scenario import (
    DECISIONS,
    FEATURES,
    MECHANISMS,
    METRICS,
    PROMOTIONS,
    REWARD_TERMS,
    SCENARIOS,
    Scenario,
    load_scenario,
)
from flashsale_env.simulator import Simulator
from flashsale_env.spaces.actions import ENCODINGS, ActionCodec
from flashsale_env.spaces.levers import Levers
from flashsale_env.spaces.masks import ActionMasks
from flashsale_env.spaces.observations import Layout
from flashsale_env.spaces.units import UnitReader

if TYPE_CHECKING:
    from flashsale_env.envs.campaign_batch import FlashSaleCampaignVectorEnv
    from flashsale_env.envs.objectives_batch import FlashSaleMOVectorEnv
    from flashsale_env.envs.vector import FlashSaleVectorEnv

__version__ = "0.1.0"

register_environments()


def __getattr__(name: str) -> Any:
    """Import the batch on first use: it needs a newer Gymnasium than a single sale does."""
    if name == "FlashSaleVectorEnv":
        from flashsale_env.envs.vector import FlashSaleVectorEnv

        return FlashSaleVectorEnv
    if name == "FlashSaleMOVectorEnv":
        from flashsale_env.envs.objectives_batch import FlashSaleMOVectorEnv

        return FlashSaleMOVectorEnv
    if name == "FlashSaleCampaignVectorEnv":
        from flashsale_env.envs.campaign_batch import FlashSaleCampaignVectorEnv

        return FlashSaleCampaignVectorEnv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ARRIVAL_LAWS",
    "CHOICE_MODELS",
    "DECISIONS",
    "ENCODINGS",
    "FEATURES",
    "INTENTS",
    "MECHANISMS",
    "METRICS",
    "PROMOTIONS",
    "REWARD_TERMS",
    "SCENARIOS",
    "ActionCodec",
    "ActionMasks",
    "Ads",
    "Arrivals",
    "Basket",
    "Bots",
    "Bundles",
    "Campaign",
    "CampaignSimulator",
    "Carts",
    "Choice",
    "Clicks",
    "Contagion",
    "Coupon",
    "Deal",
    "Delivery",
    "Disclosure",
    "Fairness",
    "FlashSaleCampaignEnv",
    "FlashSaleCampaignVectorEnv",
    "FlashSaleEnv",
    "FlashSaleMOEnv",
    "FlashSaleMOVectorEnv",
    "FlashSaleTextEnv",
    "FlashSaleVectorEnv",
    "Layout",
    "Levers",
    "Messages",
    "Persons",
    "Population",
    "Pricing",
    "Product",
    "Push",
    "Ranking",
    "Replenishment",
    "Retention",
    "Returns",
    "Rival",
    "Rivals",
    "Scenario",
    "Seckill",
    "Service",
    "Shocks",
    "Simulator",
    "Slate",
    "Targeted",
    "UnitReader",
    "Waiting",
    "campaign_environment_id",
    "campaign_of",
    "environment_id",
    "generate",
    "load_population",
    "load_scenario",
    "mo_environment_id",
    "text_environment_id",
]

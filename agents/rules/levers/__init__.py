"""Levers: the rules for every decision besides the price, in one table.

A new lever is a class over `base.Lever` in a file of this folder and one entry here; every pricing rule then uses it. A
decision without an entry keeps a constant level, which is tuned.
"""

from collections.abc import Mapping

from flashsale_env import Scenario
from flashsale_env.agents.rules.levers.advertising import HoldAdstock, PaceBids
from flashsale_env.agents.rules.levers.base import Constant, Lever
from flashsale_env.agents.rules.levers.lists import TwoLists
from flashsale_env.agents.rules.levers.orders import Cover
from flashsale_env.agents.rules.levers.pages import ShowScarcity
from flashsale_env.agents.rules.levers.promotions import BehindPlan, OfferByIntent
from flashsale_env.agents.rules.levers.quotas import SlotQuota
from flashsale_env.agents.rules.levers.requests import Screening, Staffing
from flashsale_env.spaces.decisions import decision_rows

_ENTRIES = (
    Cover("order"),
    BehindPlan("coupon"),
    OfferByIntent("targeted"),
    SlotQuota("seckill"),
    Staffing("servers"),
    BehindPlan("deal", opens=True),
    BehindPlan("bundles", opens=True),
    Constant("delivery", usual=1),
    TwoLists("display"),
    ShowScarcity("disclosure"),
    HoldAdstock("push"),
    PaceBids("bid"),
    Screening("screening"),
)
LEVERS: Mapping[str, Lever] = {lever.decision: lever for lever in _ENTRIES}


def levers_in(scenario: Scenario, table: Mapping[str, Lever], taken: tuple[str, ...]) -> list[Lever]:
    """The levers of a scenario's decisions, without those `taken`: the table's in its order, then constant ones."""
    decisions = dict.fromkeys(row.decision for row in decision_rows(scenario) if row.column >= 0)
    left = [name for name in decisions if name not in taken]
    return [
        *(lever for name, lever in table.items() if name in left),
        *(Constant(name) for name in left if name not in table),
    ]

"""Advertising: spending on push messages, and bids for paid traffic, by rules that know the closed form.

Owns    their scenarios and exact values.
Units   currency in units of the mean willingness to pay, which is exponential; in auctions, of the highest rival bid.
"""

import math
from typing import Any

import numpy as np

from flashsale_env import ActionCodec, Ads, Arrivals, Choice, Product, Push, Scenario, agents
from flashsale_env.agents.protocol import Policy
from flashsale_env.agents.rules.levers.base import own
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Measurement, described, mean_of
from flashsale_env.experiments.verify.simulating import MINUTES, ConstantLevels, ample, simulate
from flashsale_env.intents import ByIntent
from flashsale_env.theory.advertising import best_adstock, cost_of_auction, paced_bid, visits_of_auction, visits_within

# Levels of a decision lie so close that the nearest one is as good as the best.
_STEPS = 400


@validation_case(
    "push-spend",
    "computed, first-order condition; adstock after Broadbent (1979), Journal of the Market Research Society",
    "customers come at l (1 + lift (1 - exp(-a / s))), a is what is spent and what is kept of the last tick's a: the "
    "best a is s ln(lift l pi / (s (1 - kept)))",
    variants=({}, {"ticks": 6, "kept": 0.5}),
    customers=20.0,
    lift=0.8,
    saturation=0.5,
    price=1.0,
    ticks=1,
    kept=0.0,
)
def push_spend(
    sales: int, customers: float, lift: float, saturation: float, price: float, ticks: int, kept: float
) -> list[Measurement]:
    if not 0 <= kept < 1 or (kept and ticks == 1):
        raise ValueError(f"push-spend: kept must be a share below 1, and 0 in a single tick, got {kept:g}.")
    worth = price * math.exp(-price)
    held, last = (float(best_adstock(customers, lift, worth, saturation, k)) for k in (kept, 0.0))
    if last <= kept * held:
        raise ValueError(
            f"push-spend: spending must pay in every tick, got a best adstock of {last:g} in the last tick, after "
            f"{kept * held:g} kept; raise customers or lift."
        )
    stocks = np.append(np.full(ticks - 1, held), last)
    spends = stocks - kept * np.append(0.0, stocks[:-1])
    most = customers * ticks * (1.0 + lift)
    scenario = Scenario(
        name="verification",
        horizon_ticks=ticks,
        tick_minutes=MINUTES,
        products=(Product("ticket", (price, 0.5 * price), ample(most), reference_price=1.0),),
        arrivals=Arrivals(customers / MINUTES),
        choice=Choice("exponential"),
        push=Push(
            tuple(np.linspace(0.0, spends.max(), _STEPS + 1).tolist()),
            2.0 * float(spends.sum()),
            ByIntent.read(lift, "lift"),
            saturation,
            MINUTES / -math.log2(kept) if kept else 0.0,
        ),
    )
    rule = _rule(scenario, push_value=worth / price, push_cover=0.0)
    table = simulate(rule, scenario, sales)
    come = customers * (1.0 - lift * np.expm1(-stocks / saturation))
    label = described(customers=customers, lift=lift, s=saturation, price=price, T=ticks, kept=kept)
    reach = ample(most) * price
    step = float(spends.max()) / _STEPS
    return [
        Measurement(
            f"spending of the rule, {label}", float(spends.sum()), float(table["push_spend"].mean()),
            tolerance=0.5 * step * ticks * (1.0 + 1e-6),
        ),
        mean_of(f"customers, {label}", float(come.sum()), table["customers"], reach=ample(most)),
        mean_of(f"profit, {label}", float(worth * come.sum() - spends.sum()), table["profit"], reach=reach),
    ]  # fmt: skip


@validation_case(
    "paid-traffic",
    "computed; pacing after Balseiro & Gur (2019), Management Science 65(9)",
    "second-price auctions, click rate v and highest rival bid uniform on [0, 1], a budget of rho an auction: a bid of "
    "v sqrt(6 rho) makes it last and wins most",
    budget=1 / 24,
    auctions=240.0,
)
def paid_traffic(sales: int, budget: float, auctions: float) -> list[Measurement]:
    if budget > 1 / 6:
        raise ValueError(f"paid-traffic: budget must be at most 1/6, what full bids cost, got {budget:g}.")
    multiplier = float(paced_bid(budget))
    scenario = auction_scenario(budget, auctions, multiplier)
    label = described(rho=budget, auctions=auctions)
    rule = _rule(scenario, bid_value=1.0, bid_cover=0.0)
    full_bids = ConstantLevels(scenario, bid=int(ActionCodec(scenario).n_levels[-1]) - 1)
    limits = {"paced": visits_of_auction(multiplier), "full": budget / cost_of_auction(1.0) * visits_of_auction(1.0)}
    found = []
    for name, bid, policy in (("paced", multiplier, rule), ("full", 1.0, full_bids)):
        clicks = simulate(policy, scenario, sales)["ad_visits"] / auctions
        expected = visits_within(bid, budget * auctions, auctions) / auctions
        reach = ample(auctions) / auctions
        found.append(
            mean_of(f"clicks of an auction, {name} bids, {label}", expected, clicks, reach=reach, limit=limits[name])
        )
    return found


def _rule(scenario: Scenario, **params: Any) -> Policy:
    """The first price, and these parameters of the levers."""
    found: Policy = agents.make("fixed_price", scenario, **params | {own("price_level", "ticket"): 0})
    return found


def auction_scenario(budget: float, auctions: float, multiplier: float) -> Scenario:
    """One tick with as many auctions as customers, on average; a click is worth the highest bid of rivals."""
    return Scenario(
        name="verification",
        horizon_ticks=1,
        tick_minutes=MINUTES,
        products=(Product("ticket", (1.0, 0.5), ample(2.0 * auctions), reference_price=1.0),),
        arrivals=Arrivals(auctions / MINUTES),
        choice=Choice("exponential"),
        ads=Ads(tuple(sorted({0.0, multiplier, 1.0})), 1.0, 1.0, budget * auctions),
    )

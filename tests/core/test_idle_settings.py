"""Every setting has an effect in its scenario, or the scenario refuses it."""

import dataclasses
import re

import numpy as np

import flashsale_env as fs
from flashsale_env.market.parts import Part
from flashsale_env.spaces.decisions import decision_rows

SALES, TICKS, MARKETS = 32, 6, 25
TITLES = ("a", "b")
NOTHING = r"do(es)? nothing|no order draws|serve no customer|never come"

# Labels, without effect on a sale.
DESCRIPTIVE = {("Scenario", "version")}
# Fields that have no effect in some sales by chance, not by the settings of the scenario.
BY_CHANCE = {
    ("Product", "storage"): "the limit may not bind",
    ("Coupon", "budget"): "likewise",
    ("Product", "salvage_value"): "all units may be sold",
    ("Product", "lost_sale_penalty"): "no sale may be lost",
}


def customers(rng):
    voices = 12
    return fs.Population(
        products=TITLES,
        utterances=("",) * voices,
        languages=("en",) * voices,
        intent_probabilities=rng.dirichlet(np.ones(len(fs.INTENTS)), voices),
        latent_class=np.arange(voices) % len(fs.INTENTS),
        relevance=np.zeros((voices, 2)),
        price_sensitivity=rng.uniform(0.5, 4.0, voices),
        coupon_affinity=rng.uniform(0.3, 1.0, voices),
        weight=rng.uniform(0.5, 2.0, voices),
    )


def maybe(rng, value, otherwise=None):
    return value if rng.random() < 0.6 else otherwise


def market(rng):
    """A random scenario with any of the options, many customers and little stock."""
    model = rng.choice(sorted(fs.CHOICE_MODELS))
    orders, unlimited = rng.random() < 0.6, rng.random() < 0.4
    lead = 3 * int(rng.integers(2))
    continuous, bernoulli = rng.random() < 0.4, rng.random() < 0.2
    messages = maybe(rng, fs.Messages(rng.uniform(0.2, 1.0), maybe(rng, 20.0, 0.0)))
    products = tuple(
        fs.Product(
            title,
            (10.0, 8.0, 6.0, 5.0)[: int(rng.integers(1, 5))],
            25,
            unit_cost=maybe(rng, 3.0, 0.0),
            holding_cost=maybe(rng, 0.2, 0.0),
            lost_sale_penalty=maybe(rng, 0.5, 0.0),
            reserve=20 * (orders and not unlimited),
            order_levels=(0, 5, 10) if orders else (0,),
            storage=60 * (orders and unlimited) or maybe(rng, 90, 0),
            may_be_withheld=bool(not continuous and rng.random() < 0.4),
            reference_price=maybe(rng, 7.0, 0.0),
            quality=maybe(rng, 1.0, 0.0) if model != "exponential" else 0.0,
            nest=title * (model == "nested" and rng.random() < 0.3),
        )
        for title in TITLES
    )
    appeal = model != "exponential"
    return fs.Scenario(
        name="any",
        horizon_ticks=TICKS,
        tick_minutes=2.0,
        products=products,
        arrivals=fs.Arrivals(0.2, law="bernoulli")
        if bernoulli
        else fs.Arrivals(rng.uniform(4.0, 15.0), maybe(rng, 0.3, 0.0), late_share=maybe(rng, 0.2, 0.0)),
        choice=fs.Choice(
            model,
            drift=maybe(rng, (1.2, 0.8), (1.0,)),
            **({"dissimilarity": 0.6} if model == "nested" else {}),
            **({"sensitivity_sd": 0.5, "appetite_sd": 0.5} if model == "mixed" else {}),
        ),
        pricing=fs.Pricing(continuous and any(len(p.price_levels) > 1 for p in products)),
        replenishment=fs.Replenishment(2.0 * lead, maybe(rng, 2.0, 0.0), maybe(rng, 0.5, 0.0), unlimited)
        if orders
        else None,
        coupon=maybe(rng, fs.Coupon((0.0, 0.1, 0.3), 30.0, maybe(rng, 0.5, 0.0))) or fs.Coupon((0.0, 0.2), 30.0),
        targeted=messages and maybe(rng, fs.Targeted((0.0, 0.2))),
        shocks=fs.Shocks(
            maybe(rng, 0.3, 0.0) * appeal,
            maybe(rng, 0.3, 0.0) * appeal,
            0.0 if bernoulli else maybe(rng, 0.3, 0.0),
            maybe(rng, 0.5, 0.0),
        ),
        messages=messages,
    )


def others(value):
    """Other values of a setting."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 2, value + 30]
    if isinstance(value, float):
        return [2.0 * value + 3.0, 1.5 * value + 0.25, 0.6 * value + 0.03]
    if isinstance(value, tuple) and isinstance(value[-1], float | int):
        grown = type(value[-1])(3)
        changed = [(*value[:-1], 0.9 * value[-1]), (*value, value[-1] + grown), (1.3 * value[0], *value[1:])]
        return [entry for entry in changed if entry != value]
    return []


def numeric_settings(scenario):
    """(class of the part, field, function that returns the scenario with another value) for every numeric setting."""
    for field in dataclasses.fields(scenario):
        value = getattr(scenario, field.name)
        for other in others(value) if not isinstance(value, tuple) else ():
            yield "Scenario", field.name, lambda f=field.name, v=other: dataclasses.replace(scenario, **{f: v})
        parts = value if isinstance(value, tuple) else (value,)
        for i, part in enumerate(parts):
            if not isinstance(part, Part):
                continue
            for inner in dataclasses.fields(part):
                for other in others(getattr(part, inner.name)):

                    def make(outer=field.name, v=value, i=i, part=part, name=inner.name, other=other):
                        changed = dataclasses.replace(part, **{name: other})
                        whole = (*v[:i], changed, *v[i + 1 :]) if isinstance(v, tuple) else changed
                        return dataclasses.replace(scenario, **{outer: whole})

                    yield type(part).__name__, inner.name, make


def everything_seen(scenario, population):
    """Spaces, observations, rewards and metrics of a few sales under random actions."""
    simulator = fs.Simulator(scenario, population, sales=SALES)
    rng = np.random.default_rng(3)
    seen = [repr(decision_rows(scenario)).encode(), repr(simulator.codec.space).encode()]
    seen.append(simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64)).tobytes())
    for _ in range(scenario.horizon_ticks):
        observations, rewards, _ = simulator.advance(rng.uniform(-1.0, 1.0, (SALES, len(simulator.codec.names))))
        seen += [observations.tobytes(), rewards.tobytes(), simulator.measure().tobytes()]
    return seen


def test_every_setting_that_a_scenario_accepts_has_an_effect():
    """In random scenarios, setting by setting: another value is refused as idle, or changes observations or metrics."""
    numeric, moved, refused, rng = set(), set(), set(), np.random.default_rng(11)
    for number in range(MARKETS):
        scenario, population = market(rng), customers(rng)
        before, done = everything_seen(scenario, population), set()
        for kind, name, make in numeric_settings(scenario):
            numeric.add((kind, name))
            if (kind, name) in done:
                continue
            try:
                changed = make()
            except ValueError as error:
                if re.search(NOTHING, str(error)):
                    done.add((kind, name))
                    refused.add((kind, name))
                continue  # or out of range: try the next value
            done.add((kind, name))
            if everything_seen(changed, population) != before:
                moved.add((kind, name))
            else:
                assert (kind, name) in {*BY_CHANCE, *DESCRIPTIVE}, (number, kind, name, scenario)
    # Switching `unlimited` alone is always refused: with it a reserve is idle, without it orders need one. So are the
    # windows of a lottery that are tried, which are no whole number of ticks (see tests/market/test_bots.py).
    assert numeric - moved - DESCRIPTIVE == {("Replenishment", "unlimited"), ("Arrivals", "lottery_minutes")}
    assert ("Replenishment", "unlimited") in refused
    assert {("Arrivals", "burst_scale"), ("Product", "quality"), ("Shocks", "appeal_sd")} <= moved & refused

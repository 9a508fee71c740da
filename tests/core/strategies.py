"""Random scenarios, customers and actions, extreme ones included, for tests of properties of every sale."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

import flashsale_env as fs
from flashsale_env.spaces.decisions import decision_rows

# Numbers of products, each compiled once for each set of mechanisms, and lead ticks.
PRODUCTS, LEADS = (1, 2), (0, 3)
SALES = 6


def _floats(low, high):
    return st.floats(low, high, allow_subnormal=False)


@st.composite
def products(draw, title, unlimited, orders, withhold, model):
    prices = sorted(draw(st.sets(_floats(0.01, 1000.0), min_size=1, max_size=5)), reverse=True)
    unit_cost = draw(_floats(0.0, 500.0))
    # Often without stock at the start of the sale.
    stock = draw(st.just(0) | st.integers(1, 40)) if orders else draw(st.integers(1, 40))
    levels = (0, *sorted(draw(st.sets(st.integers(1, 30), min_size=1, max_size=3)))) if orders else (0,)
    reserve = draw(st.integers(1, 60)) if orders and not unlimited else 0
    storage = stock + draw(st.integers(0 if stock else 1, 50)) if unlimited or draw(st.booleans()) else 0
    return fs.Product(
        title,
        tuple(prices),
        stock,
        unit_cost=unit_cost,
        salvage_value=unit_cost * draw(_floats(0.0, 1.0)),
        holding_cost=draw(_floats(0.0, 50.0)),
        reserve=reserve,
        order_levels=levels,
        storage=storage,
        may_be_withheld=withhold and draw(st.booleans()),
        lost_sale_penalty=draw(_floats(0.0, 100.0)),
        reference_price=draw(_floats(0.01, 1000.0)),
        quality=draw(_floats(-20.0, 20.0)) if model != "exponential" else 0.0,
        nest=draw(st.sampled_from(("", "one", "two"))) if model == "nested" else "",
    )


@st.composite
def choices(draw, ticks):
    """Any choice model with its own parameters."""
    model = draw(st.sampled_from(sorted(fs.CHOICE_MODELS)))
    own = {}
    if model == "nested":
        own = {"dissimilarity": draw(_floats(0.01, 1.0))}
    if model == "mixed":
        own = {"sensitivity_sd": draw(_floats(0.0, 2.0)), "appetite_sd": draw(_floats(0.0, 5.0))}
    phases = st.lists(_floats(0.01, 100.0), min_size=1, max_size=min(ticks, 3))
    return fs.Choice(model, drift=tuple(draw(phases)), **own)


@st.composite
def scenarios(draw):
    """Any valid scenario with at least one decision."""
    ticks = draw(st.integers(1, 8))
    orders = draw(st.booleans())
    unlimited = orders and draw(st.booleans())
    # Each set of optional mechanisms is a compilation of its own, and so is each number of products: here none for any
    # number, or all for two. Other sets are played uncompiled, in `tests/contract/test_any_combination.py`.
    everything = draw(st.booleans())
    lead = draw(st.sampled_from([lead for lead in LEADS if lead < ticks]))
    law = draw(st.sampled_from(sorted(fs.ARRIVAL_LAWS)))
    burst = draw(_floats(0.0, 0.9)) if ticks > 1 else 0.0
    lift = draw(_floats(0.0, 2.0))
    if law == "bernoulli":
        burst = 0.0
        customers = draw(_floats(0.0, 0.999)) / (1.0 + lift)
    else:
        customers = draw(_floats(0.0, 60.0))
    coupon = None
    if everything:
        coupon = fs.Coupon((0.0, draw(_floats(0.01, 0.99))), draw(_floats(0.01, 1000.0)), traffic_lift=lift)
    sd = _floats(0.0, 2.0)
    titles = [f"product {j}" for j in range(PRODUCTS[-1] if everything else draw(st.sampled_from(PRODUCTS)))]
    choice = draw(choices(ticks))
    may_withhold = draw(st.booleans())
    ordered = [orders and (title == titles[0] or draw(st.booleans())) for title in titles]
    for_sale = tuple(
        draw(products(title, unlimited, order, may_withhold, choice.model))
        for title, order in zip(titles, ordered, strict=True)
    )
    ladder = any(len(product.price_levels) > 1 for product in for_sale)
    continuous = ladder and not any(product.may_be_withheld for product in for_sale) and draw(st.booleans())
    appeal_sd = sd if choice.model != "exponential" else st.just(0.0)
    messages = draw(st.builds(fs.Messages, _floats(0.01, 1.0), _floats(0.0, 30.0))) if everything else None
    targeted = fs.Targeted((0.0, draw(_floats(0.01, 0.99)))) if everything else None
    scenario = fs.Scenario(
        name="any",
        horizon_ticks=ticks,
        tick_minutes=2.0,
        products=for_sale,
        arrivals=fs.Arrivals(customers / 2.0, burst_share=burst, law=law),
        choice=choice,
        pricing=fs.Pricing(continuous),
        replenishment=fs.Replenishment(2.0 * lead, draw(_floats(0.0, 20.0)), draw(_floats(0.0, 5.0)), unlimited)
        if orders
        else None,
        coupon=coupon,
        targeted=targeted,
        shocks=fs.Shocks(
            draw(appeal_sd), draw(appeal_sd), 0.0 if law == "bernoulli" else draw(_floats(0.0, 1.0)), draw(sd)
        ),
        messages=messages,
    )
    if all(len(row.levels) == 1 for row in decision_rows(scenario)):
        (price,) = for_sale[0].price_levels
        first = dataclasses.replace(for_sale[0], price_levels=(2.0 * price, price))
        scenario = scenario.replace(products=(first, *for_sale[1:]))
    return scenario


@st.composite
def near_textbook_scenarios(draw):
    """Small sales at prices near the willingness to pay: textbook models, or with one further option."""
    beyond = draw(st.sampled_from(["nothing"] * 5 + ["targeted", "shocks", "penalty", "choice"]))
    bernoulli, mnl = draw(st.booleans()), draw(st.booleans())
    model, own = ("mnl" if mnl else "exponential"), {}
    if beyond == "choice":
        model, own = draw(
            st.sampled_from(
                [("nested", {"dissimilarity": 0.4}), ("mixed", {"sensitivity_sd": 0.8, "appetite_sd": 1.0})]
            )
        )
    continuous = draw(st.booleans())
    several = continuous and not bernoulli  # needs one product to be solved
    titles = [f"product {j}" for j in range(1 if several or beyond == "targeted" else draw(st.sampled_from(PRODUCTS)))]
    goods = []
    for title in titles:
        unit_cost = draw(_floats(0.0, 1.0))
        prices = sorted(draw(st.sets(st.sampled_from([0.5, 0.8, 1.2, 2.0, 3.0]), min_size=2, max_size=3)), reverse=True)
        goods.append(
            fs.Product(
                title,
                tuple(prices),
                draw(st.integers(1, 4)),
                unit_cost=unit_cost,
                salvage_value=unit_cost * draw(st.sampled_from([0.0, 0.5, 1.5])),
                holding_cost=draw(st.sampled_from([0.0, 5.0])),
                storage=draw(st.sampled_from([0, 9])),
                may_be_withheld=not continuous and draw(st.booleans()),
                lost_sale_penalty=0.5 if beyond == "penalty" else 0.0,
                reference_price=draw(_floats(0.4, 2.0)),
                quality=0.0 if model == "exponential" else draw(_floats(-1.0, 3.0)),
                nest="kind" if model == "nested" else "",
            )
        )
    ticks = draw(st.integers(2, 5))
    late = draw(st.sampled_from([0.0, 0.4]))
    return fs.Scenario(
        name="near a textbook",
        horizon_ticks=ticks,
        tick_minutes=1.0,
        products=tuple(goods),
        arrivals=fs.Arrivals(
            draw(_floats(0.05, 0.4 if bernoulli else 3.0)), late_share=late, law="bernoulli" if bernoulli else "poisson"
        ),
        choice=fs.Choice(model, drift=draw(st.sampled_from([(1.0,), (1.5, 0.6)])), **own),
        pricing=fs.Pricing(continuous),
        targeted=fs.Targeted((0.0, 0.5)) if beyond == "targeted" else None,
        shocks=fs.Shocks(mix_sd=0.5, appeal_sd=0.7 * (model != "exponential")) if beyond == "shocks" else fs.Shocks(),
        messages=fs.Messages(0.5) if beyond == "targeted" else None,
    )


@st.composite
def populations(draw, scenario):
    """A few voices of two or more intents, with any tastes that the scenario's choice model uses."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    titles = [product.title for product in scenario.products]
    voices = draw(st.integers(2, 8))
    taste_sd = 5.0 * scenario.choice.has_utilities
    probabilities = rng.dirichlet(np.ones(len(fs.INTENTS)), voices).astype(np.float32)
    return fs.Population(
        products=tuple(titles),
        utterances=tuple(f"voice {v}" for v in range(voices)),
        languages=("en",) * voices,
        intent_probabilities=probabilities,
        latent_class=np.append([0, 1], rng.integers(0, len(fs.INTENTS), voices - 2)),
        relevance=rng.normal(0.0, taste_sd, (voices, len(titles))).astype(np.float32),
        price_sensitivity=np.exp(rng.uniform(-6.0, 6.0, voices)).astype(np.float32),
        coupon_affinity=rng.uniform(0.0, 1.0, voices).astype(np.float32),
        weight=rng.uniform(0.01, 10.0, voices).astype(np.float32),
    )


@st.composite
def markets(draw):
    """(scenario, population, seeds of SALES sales, generator for actions)."""
    scenario = draw(scenarios())
    population = draw(populations(scenario))
    seed = draw(st.integers(0, 2**64 - 1))
    return scenario, population, np.uint64(seed) ^ np.arange(SALES, dtype=np.uint64), np.random.default_rng(seed)

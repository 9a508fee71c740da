"""Price fairness: what a limit on the gap between two groups' prices costs the seller and leaves to customers."""

import numpy as np
from scipy.special import expit

from flashsale_env import (
    INTENTS,
    METRICS,
    Arrivals,
    Fairness,
    Messages,
    Population,
    Product,
    Scenario,
    Simulator,
    Targeted,
)
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Measurement, described, ratio_of
from flashsale_env.experiments.verify.simulating import MINUTES, RUN, ample
from flashsale_env.theory.fairness import fair_prices

# Voices of a group. Their valuations lie on a grid, and a logit of the grid's scale fills the gaps between them: the
# demand of the sum is linear up to exp(-2·pi²), as under uniform valuations.
_VOICES = 256
# The largest difference of two Gumbel draws, logits, see `core.streams.GUMBEL`.
_MOST_NOISE = 15.0


@validation_case(
    "price-fairness",
    "Cohen, Elmachtoub & Lei (2022), Management Science 68(12), price fairness",
    "two groups with uniform valuations, their price gap cut to (1 - alpha) of the unconstrained one",
    variants=({"alpha": 0.0}, {}, {"alpha": 0.5}, {"alpha": 1.0}),
    tops=(1.0, 4.0),
    share=0.5,
    alpha=0.25,
    customers=20.0,
)
def price_fairness(
    sales: int, tops: tuple[float, ...], share: float, alpha: float, customers: float
) -> list[Measurement]:
    if len(tops) != 2 or share >= 1:
        raise ValueError(f"price-fairness: want two tops and a share below 1 of the first group, got {tops}, {share}.")
    shares = (share, 1 - share)
    outcome = fair_prices((tops[0], tops[1]), shares, alpha)
    group = np.repeat([0, 1], _VOICES)
    scale = np.array(tops) / _VOICES
    valuation = np.tile(np.arange(_VOICES) + 0.5, 2) * scale[group]
    population = Population(
        products=("voucher",),
        utterances=tuple(f"worth {worth:g}" for worth in valuation),
        languages=("en",) * len(group),
        intent_probabilities=np.eye(len(INTENTS), dtype=np.float32)[group],
        latent_class=group,
        relevance=(valuation / scale[group])[:, None].astype(np.float32),
        price_sensitivity=(1 / scale)[group].astype(np.float32),
        coupon_affinity=np.ones(len(group), np.float32),
        weight=np.array(shares, np.float32)[group],
    )
    list_price = max(outcome.prices) + 1.0
    wanted = sorted({1.0 - price / list_price for price in outcome.prices})
    scenario = Scenario(
        name="verification",
        horizon_ticks=1,
        tick_minutes=MINUTES,
        products=(Product("voucher", (list_price,), ample(customers), reference_price=1.0),),
        arrivals=Arrivals(customers / MINUTES),
        targeted=Targeted((0.0, *wanted)),
        fairness=Fairness(),
        messages=Messages(1.0),
        observe=("time_left", "on_hand"),
    )
    simulator = Simulator(scenario, population, sales=sales, actions="multidiscrete")
    simulator.open(split_seeds("validation", RUN, sales), np.zeros(sales, np.int64))
    levels = np.zeros((sales, len(INTENTS)), np.int64)
    levels[:, :2] = 1 + np.searchsorted(wanted, 1.0 - np.array(outcome.prices) / list_price)
    simulator.advance(levels)
    earned, came = simulator.sales["tick_revenue"], simulator.sales["customers"].astype(float)
    surplus = simulator.measure()[:, list(METRICS).index("consumer_surplus")]

    # The expected values of these voices: a logit buys with probability F(x), and its surplus is ln(1 + e^x).
    price = np.array(outcome.prices)[group]
    surplus_logits = (valuation - price) / scale[group]
    weight = np.array(shares)[group] / _VOICES
    revenue = float(weight @ (price * expit(surplus_logits)))
    welfare = revenue + float(weight @ (scale[group] * np.logaddexp(0.0, surplus_logits)))
    label = described(alpha=alpha)
    most = max(tops) + _MOST_NOISE * float(scale.max())
    return [
        ratio_of(f"revenue of a customer, {label}", revenue, earned, came, reach=list_price, limit=outcome.revenue),
        ratio_of(f"welfare of a customer, {label}", welfare, earned + surplus, came, reach=most, limit=outcome.welfare),
    ]

"""Prices by intent: what a noisy prediction of the class of a customer is worth."""

import numpy as np

from flashsale_env import (
    INTENTS,
    Arrivals,
    Choice,
    Messages,
    Population,
    Product,
    Scenario,
    Simulator,
    Targeted,
)
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Measurement, ratio_of
from flashsale_env.experiments.verify.simulating import MINUTES, RUN, ample
from flashsale_env.theory import signal


@validation_case(
    "intent-signal",
    "computed; third-degree price discrimination on a noisy signal",
    "a price for each predicted class, when willingness to pay differs by class and the prediction errs",
    variants=({"accuracy": 1.0}, {"accuracy": 0.9}, {}, {"accuracy": 0.7}),
    means=(40.0, 80.0, 160.0),
    shares=(0.5, 0.35, 0.15),
    accuracy=0.8,
    customers=20.0,
)
def intent_signal(
    sales: int, means: tuple[float, ...], shares: tuple[float, ...], accuracy: float, customers: float
) -> list[Measurement]:
    classes = len(means)
    if not 2 <= classes <= len(INTENTS) or len(shares) != classes:
        raise ValueError(
            f"intent-signal: want 2 to {len(INTENTS)} means and a share for each, got {classes} means and "
            f"{len(shares)} shares; e.g. means=[40.0, 80.0, 160.0] and shares=[0.5, 0.35, 0.15]."
        )
    confusion = signal.symmetric_confusion(classes, accuracy)
    revenue, prices = signal.price_by_prediction(means, shares, confusion)
    single, single_price = signal.best_single_price(means, shares)
    # One voice for each pair of true and predicted class. The first intents stand for the classes.
    true, read = (axis.ravel() for axis in np.indices(confusion.shape))
    weight = (np.array(shares)[:, None] * confusion).ravel()
    kept = weight > 0
    population = Population(
        products=("voucher",),
        utterances=tuple(f"class {c} read as {k}" for c, k in zip(true[kept], read[kept], strict=True)),
        languages=("en",) * int(kept.sum()),
        intent_probabilities=np.eye(len(INTENTS), dtype=np.float32)[read[kept]],
        latent_class=true[kept],
        relevance=np.zeros((int(kept.sum()), 1), np.float32),
        price_sensitivity=(max(means) / np.array(means))[true[kept]].astype(np.float32),
        coupon_affinity=np.ones(int(kept.sum()), np.float32),
        weight=weight[kept].astype(np.float32),
    )
    # The offer to prediction k is a depth off the list price, which must exceed every price charged. Depths must rise.
    dearest = max(*prices, single_price) + 1.0
    wanted = sorted({1.0 - price / dearest for price in (*prices, single_price)})
    scenario = Scenario(
        name="verification",
        horizon_ticks=1,
        tick_minutes=MINUTES,
        products=(Product("voucher", (dearest,), ample(customers), reference_price=max(means)),),
        arrivals=Arrivals(customers / MINUTES),
        choice=Choice("exponential"),
        targeted=Targeted((0.0, *wanted)),
        messages=Messages(1.0),
        observe=("time_left", "on_hand"),
    )
    simulator = Simulator(scenario, population, sales=sales, actions="multidiscrete")
    seeds, episodes = split_seeds("validation", RUN, sales), np.zeros(sales, np.int64)
    found = []
    for name, expected, chosen in (
        (f"revenue of a customer, a price for each prediction, accuracy = {accuracy:g}", revenue, prices),
        ("revenue of a customer, one price", single, np.full(classes, single_price)),
    ):
        levels = np.zeros((sales, len(INTENTS)), np.int64)
        levels[:, :classes] = 1 + np.searchsorted(wanted, 1.0 - chosen / dearest)
        simulator.open(seeds, episodes)
        simulator.advance(levels)
        earned, came = simulator.sales["tick_revenue"], simulator.sales["customers"].astype(float)
        found.append(ratio_of(name, expected, earned, came, reach=dearest))
    return found

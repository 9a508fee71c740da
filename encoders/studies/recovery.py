"""Parameter recovery: coverage of the intervals of estimated elasticities, in a world whose true values are known.

Owns    repeated estimation of the mean elasticity of every intent from choice logs of the simulator.
Leaves  the world to `reference`, the choices to the simulator, the estimator to `logit`.

The estimand is the mean own-price elasticity of an intent's demand at list prices with everything on hand, weighted by
the demand of each voice and product: per cent of the intent's units lost per per cent of price. Two worlds:

    alike   every voice of an intent has the intent's declared tastes. The logit is then correctly specified, and
            intervals should cover 95 %.
    varied  voices of an intent differ (price sensitivity, products, product named), as in `reference`. One logit per
            intent then approximates a mixture; the true value is that of the population in the log.

    flashsale study recovery [--logs 20] [--visits 60000] [--out DIR]
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from flashsale_env import INTENTS, Population, Product, Scenario, Shocks, load_scenario
from flashsale_env.encoders.demand.choice_table import ChoiceTable
from flashsale_env.encoders.demand.logit import Estimate, LogitFit, fit
from flashsale_env.encoders.demand.tastes import elasticity_at_list_price
from flashsale_env.encoders.world.experiment import randomised_price_experiment
from flashsale_env.encoders.world.reference import TASTES
from flashsale_env.population import load_population

SEEDS, VISITS = 20, 60_000
WORLDS = ("alike", "varied")
# The second start is this many times as far from 0 as the estimate, with the wrong sign of the price coefficient.
FAR = 3.0


def alike_population(products: Sequence[Product]) -> Population:
    """One voice per intent with the declared tastes, without individual variation; every intent equally often."""
    tastes = [TASTES[intent] for intent in INTENTS]
    sensitivity = np.array([taste.price_sensitivity for taste in tastes])
    at_list_price = np.array([[t.appetite + t.likes.get(p.noun, 0.0) for p in products] for t in tastes])
    return Population(
        products=tuple(product.title for product in products),
        utterances=INTENTS,
        languages=("en",) * len(INTENTS),
        intent_probabilities=np.eye(len(INTENTS), dtype=np.float32),
        latent_class=np.arange(len(INTENTS)),
        relevance=(at_list_price + sensitivity[:, None]).astype(np.float32),
        price_sensitivity=sensitivity.astype(np.float32),
        coupon_affinity=np.array([taste.coupon_affinity for taste in tastes], np.float32),
        weight=np.ones(len(INTENTS), np.float32),
    )


def varied_population(products: Sequence[Product]) -> Population:
    """The shipped reference population, with every intent equally often."""
    shipped = load_population("reference", [product.title for product in products])
    per_intent = np.bincount(shipped.latent_class, shipped.weight, len(INTENTS)).astype(np.float32)
    return Population(**{**vars(shipped), "weight": shipped.weight / per_intent[shipped.latent_class]})


def true_elasticity(population: Population, products: Sequence[Product]) -> npt.NDArray[np.float64]:
    """(9,) mean own-price elasticity of each intent at list prices, weighted by demand."""
    quality = [product.quality for product in products]
    intents, weight = population.latent_class, population.weight
    return elasticity_at_list_price(population, quality, intents, len(INTENTS), weight=weight)


def choice_table(
    log: npt.NDArray[np.void], products: Sequence[str], *, everything_available: bool = False
) -> ChoiceTable:
    """A choice log of the simulator in the form of the estimator, with the price that each customer would have paid.

    Args:
        log: (n,) records of `Simulator.choice_log`.
        products: titles of the M products.
        everything_available: ignore stockouts, like a log of sales alone, to show the resulting bias.
    """
    price = np.where(log["clips"].astype(bool)[:, None], log["coupon_price_share"], log["price_share"])
    available = np.ones(price.shape, bool) if everything_available else log["available"].astype(bool)
    return ChoiceTable.from_visits({"price": price}, log["bought"], available, products=products)


def at_list_prices(products: Sequence[str]) -> ChoiceTable:
    """One customer who sees every product at its list price."""
    everything = np.ones((1, len(products)), bool)
    return ChoiceTable.from_visits({"price": 1.0}, [len(products)], everything, products=products)


def recovery_study(
    scenario: Scenario | None = None, *, world: str = "alike", seeds: int = SEEDS, visits: int = VISITS
) -> dict[str, Any]:
    """Estimate every intent's elasticity from `seeds` independent logs, and count how often its interval covers.

    Each fit is repeated from a distant start with the wrong sign of the price coefficient.

    Args:
        scenario: of the sales; None takes `standard`.
        world: one of `WORLDS`.
        seeds: number of logs.
        visits: per log, at least.

    Returns:
        `rows`, one per intent: true value, mean, bias, rmse, mean standard error and coverage over the seeds; overall
        `coverage` with its exact binomial interval; the same for standard errors from the information
        (`coverage_information`); `start_distance`, the largest difference that the start made to an elasticity.

    Raises:
        ValueError: unknown world, no seeds, or too few visits to identify an intent's tastes.
    """
    if world not in WORLDS:
        raise ValueError(f"world must be one of {', '.join(WORLDS)}, got {world!r}.")
    if seeds < 1 or visits < 1:
        raise ValueError(f"seeds and visits must be 1 or more, got {seeds} and {visits}.")
    scenario = scenario or load_scenario("standard")
    # The same mix in every sale, so that every intent has many visits. No observation is used.
    scenario = scenario.replace(shocks=Shocks(), memory_minutes=Scenario.memory_minutes)
    population = (alike_population if world == "alike" else varied_population)(scenario.products)
    titles = [product.title for product in scenario.products]
    truth, where = true_elasticity(population, scenario.products), at_list_prices(titles)
    found: list[list[tuple[Estimate, Estimate, float]]] = []
    for seed in range(seeds):
        log = randomised_price_experiment(scenario, population, visits, seed)
        rng = np.random.default_rng([0x57A7, seed])
        intent = population.latent_class[log["voice"]]
        found.append([_estimate(log[intent == i], titles, where, rng) for i in range(len(INTENTS))])
    value = np.array([[robust.value for robust, _, _ in row] for row in found])
    error = np.array([[robust.standard_error for robust, _, _ in row] for row in found])
    covers = np.array([[e.low <= t <= e.high for (e, _, _), t in zip(row, truth, strict=True)] for row in found])
    plain = np.array([[e.low <= t <= e.high for (_, e, _), t in zip(row, truth, strict=True)] for row in found])
    rows = [
        {
            "intent": intent,
            "true": float(truth[i]),
            "mean": float(value[:, i].mean()),
            "bias": float(value[:, i].mean() - truth[i]),
            "rmse": float(np.sqrt(((value[:, i] - truth[i]) ** 2).mean())),
            "standard_error": float(error[:, i].mean()),
            "coverage": float(covers[:, i].mean()),
        }
        for i, intent in enumerate(INTENTS)
    ]
    return {
        "world": world,
        "seeds": seeds,
        "visits": visits,
        "rows": rows,
        "coverage": _share(covers),
        "coverage_information": _share(plain),
        "start_distance": float(max(distance for row in found for _, _, distance in row)),
    }


def _estimate(
    visits: npt.NDArray[np.void], products: Sequence[str], where: ChoiceTable, rng: np.random.Generator
) -> tuple[Estimate, Estimate, float]:
    """Elasticity with clustered and with plain standard error, and its difference to the fit from a distant start."""
    table = choice_table(visits, products)
    best = fit(table)
    theta = np.concatenate([best.coefficients, best.effects])
    start = FAR * np.abs(theta) * rng.choice([-1.0, 1.0], len(theta))
    start[0] = -FAR * theta[0]
    far: LogitFit = fit(table, start=start)
    robust = best.elasticity(at=where)
    return robust, best.elasticity(at=where, robust=False), abs(far.elasticity(at=where).value - robust.value)


def _share(covers: npt.NDArray[np.bool_]) -> dict[str, float]:
    interval = stats.binomtest(int(covers.sum()), covers.size).proportion_ci()
    return {"mean": float(covers.mean()), "low": float(interval.low), "high": float(interval.high)}

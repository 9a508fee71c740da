"""Estimation of the demand model in the reference world, and its evaluation against the truth.

Owns    the fit on one logged experiment, and held-out figures over several others.
Leaves  the experiments to `experiment`, the demand model to `demand`, and writing the results to `building`.

The held-out voices use phrasing that neither the encoder nor the demand model was trained on.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from flashsale_env import INTENTS, Population, Scenario
from flashsale_env.encoders.demand.heldout import HeldOut, likelihood_gap, share_closed
from flashsale_env.encoders.demand.tastes import DemandModel, Reading, Tastes, elasticity_at_list_price
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.experiment import (
    HELDOUT_LOGS,
    HELDOUT_VOICES,
    VISITS,
    VOICES,
    Experiment,
    run_experiment,
)
from flashsale_env.encoders.world.populations import intent_mix, learned_population, true_intent_mix
from flashsale_env.encoders.world.readings import empty_reading, encoder_reading, product_vectors, true_reading
from flashsale_env.intervals import CONFIDENCE
from flashsale_env.versions import versions


@dataclass(frozen=True, eq=False)
class ReferenceStudy:
    """Results of estimating demand in the reference world.

    Args:
        demand: the model fitted to the encoder's readings.
        reference: the voices of the fit with their true tastes.
        learned: the same voices with the tastes that the model infers.
        figures: see `study_reference_world`.
    """

    demand: DemandModel
    reference: Population
    learned: Population
    figures: dict[str, Any]


def held_out_logs(
    encoder: IntentEncoder,
    scenario: Scenario,
    *,
    voices: int = HELDOUT_LOGS * HELDOUT_VOICES,
    visits: int = HELDOUT_LOGS * VISITS,
    logs: int = HELDOUT_LOGS,
    seed: int = 0,
    progress: bool = False,
) -> list[Experiment]:
    """Independent logs of unseen templates, each with its own voices, sales and prices.

    Args:
        encoder, scenario, seed, progress: as for `study_reference_world`.
        voices, visits: of all logs together, at least.
        logs: number of them.
    """
    return [
        run_experiment(
            encoder,
            scenario,
            "evaluation",
            -(-voices // logs),
            visits=-(-visits // logs),
            seed=seed,
            log=log,
            progress=progress,
        )
        for log in range(logs)
    ]


def study_reference_world(
    encoder: IntentEncoder,
    scenario: Scenario,
    *,
    heldout: Callable[[], Sequence[Experiment]],
    voices: int = VOICES,
    visits: int = VISITS,
    seed: int = 0,
    command: str = "",
    progress: bool = False,
) -> ReferenceStudy:
    """Estimate demand from a logged experiment of the reference world, and evaluate it on other voices.

    Three models are fitted to the same log: without text, with the true intent and the product named (all information
    that a text can carry), and with the encoder's output. Held-out figures are over several independent logs of unseen
    templates, each with its own voices, sales and prices. Their intervals are over voices and sales, given the three
    fitted models.

    Args:
        encoder: of the messages.
        scenario: of the sales.
        heldout: gives the held-out logs, see `held_out_logs`; called once demand is estimated.
        voices, visits: of the log that demand is estimated from.
        seed: of the study.
        command: recorded on the cards.
        progress: show bars on standard error.

    Returns:
        The encoder's demand model, both populations, and `figures`: sizes, mean negative log-likelihoods (nats a
        visit), gaps between the models with intervals, and by intent the true and the estimated elasticity, with its
        interval over the held-out logs, given the fitted model.
    """
    products = scenario.products
    titles = [product.title for product in products]
    vectors = product_vectors(encoder, products)
    readings: dict[str, Callable[[Experiment], Reading]] = {
        "encoder": lambda experiment: encoder_reading(experiment.encoding, vectors),
        "true_intent": lambda experiment: true_reading(experiment.messages, products),
        "no_text": lambda experiment: empty_reading(len(experiment.messages), len(products)),
    }
    fit = run_experiment(encoder, scenario, "demand", voices, visits=visits, seed=seed, progress=progress)
    models = {
        name: DemandModel.fit(reading(fit), vectors, titles, fit.choices, seed=seed, progress=progress)
        for name, reading in readings.items()
    }
    demand = models["encoder"]
    logs, truths, estimates, intents = [], [], [], []
    for held_out in heldout():
        nll_of_log = {
            name: models[name].visit_nll(reading(held_out), vectors, held_out.choices)
            for name, reading in readings.items()
        }
        logs.append((nll_of_log, held_out.choices))
        truths.append(held_out.population)
        estimates.append(demand.tastes(encoder_reading(held_out.encoding, vectors), vectors))
        intents.append(held_out.population.latent_class)
    pooled = HeldOut.pool(logs)
    nll, clusters = pooled.nll, (pooled.voice, pooled.sale)
    text_gap, full_gap = (likelihood_gap(nll["no_text"], nll[k], *clusters) for k in ("encoder", "true_intent"))
    closed = share_closed(nll["no_text"], nll["encoder"], nll["true_intent"], *clusters)
    quality = [product.quality for product in products]
    recovered, true = (
        elasticity_at_list_price(_joined(parts), quality, np.concatenate(intents), len(INTENTS))
        for parts in (estimates, truths)
    )
    errors = [
        elasticity_at_list_price(estimate, quality, which, len(INTENTS))
        - elasticity_at_list_price(truth, quality, which, len(INTENTS))
        for estimate, truth, which in zip(estimates, truths, intents, strict=True)
    ]
    half = _half_width(np.array(errors))
    figures = {
        "visits": len(fit.choices),
        "heldout_logs": len(logs),
        "heldout_voices": sum(map(len, truths)),
        "heldout_sales": len(np.unique(pooled.sale)),
        "heldout_visits": len(pooled.log),
        "heldout_nll": float(nll["encoder"].mean()),
        "no_text_nll": float(nll["no_text"].mean()),
        "true_intent_nll": float(nll["true_intent"].mean()),
        "gap_no_text_minus_encoder": asdict(text_gap),
        "gap_of_each_log": pooled.by_log(nll["no_text"] - nll["encoder"]).tolist(),
        "gap_no_text_minus_true_intent": asdict(full_gap),
        "share_of_gap_closed": asdict(closed),
        "elasticity": {
            intent: {
                "true": float(true[i]),
                "recovered": float(recovered[i]),
                **({"low": float(recovered[i] - half[i]), "high": float(recovered[i] + half[i])} if len(half) else {}),
            }
            for i, intent in enumerate(INTENTS)
        },
    }
    demand.card |= {"command": command, "figures": figures, "versions": versions()}
    shared = {
        "command": command,
        "seed": seed,
        "encoder": {
            "sha256_of_backbone": encoder.card["backbone"]["sha256"],
            "card": encoder.card["figures"],
        },
        "figures": figures,
        "versions": versions(),
    }
    card = {"kind": "reference", **shared, "intent_mix": true_intent_mix(fit.population)}
    reference = Population(**{**vars(fit.population), "card": card})
    learned = learned_population(
        reference.utterances,
        fit.encoding,
        demand.tastes(encoder_reading(fit.encoding, vectors), vectors),
        products,
        weight=reference.weight,
        languages=reference.languages,
        card={"kind": "learned", **shared, "intent_mix": intent_mix(fit.encoding.probabilities, reference.weight)},
    )
    return ReferenceStudy(demand, reference, learned, figures)


def _half_width(errors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(count,) of the interval of a mean error over logs, (L, count); empty where logs are too few to tell."""
    if len(errors) < 2 or not np.isfinite(errors).all():
        return np.zeros(0)
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, len(errors) - 1)
    return np.asarray(quantile * errors.std(axis=0, ddof=1) / np.sqrt(len(errors)))


def _joined(parts: Sequence[Tastes | Population]) -> Tastes:
    names = ("relevance", "price_sensitivity", "coupon_affinity")
    return Tastes(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

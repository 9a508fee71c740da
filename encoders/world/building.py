"""The shipped populations and the shipped demand model: how they are built.

Owns    their folders, the population of the scenario `intent`, and writing all of them.
Leaves  estimation and evaluation to `estimation`, populations from a shop's own messages to `populations`.

    flashsale study populations --out DIR                 the populations of the default encoder
    flashsale study populations --out DIR --encoder DIR   those in the languages of a multilingual encoder

The demand model is saved beside its encoder: `flashsale encode --encoder DIR` reads both.
"""

from pathlib import Path
from typing import Any

import numpy as np

from flashsale_env import INTENTS, Population, Scenario, load_scenario
from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.corpus.phrases import LANGUAGES
from flashsale_env.encoders.devices import one_thread
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.estimation import held_out_logs, study_reference_world
from flashsale_env.encoders.world.reference import (
    TASTES,
    WILLINGNESS_MEANS,
    WILLINGNESS_SHARES,
    willingness_class,
)
from flashsale_env.versions import versions

DEMAND_FOLDER = Path(__file__).parent.parent / "data" / "default"
POPULATION_FOLDER = Path(__file__).parent.parent.parent / "flashsale_env" / "data"
COMMAND = "flashsale study populations"

INTENT_VOICES = 1800


def intent_population(
    encoder: IntentEncoder, scenario: Scenario, *, seed: int = 0, command: str = COMMAND
) -> Population:
    """Customers of the scenario `intent`: willingness to pay by the true intent, messages of unseen templates.

    Args:
        encoder: of the messages; prices can depend on its output alone.
        scenario: sells one product to customers with exponential willingness to pay.
        seed: of the messages.
        command: recorded on the card.
    """
    (product,) = scenario.products
    messages = generate("evaluation", INTENT_VOICES, seed)
    encoding = encoder.encode([message.text for message in messages])
    member = np.array([willingness_class(TASTES[message.intent].price_sensitivity) for message in messages])
    mean, share = (np.array(of_class)[member] for of_class in (WILLINGNESS_MEANS, WILLINGNESS_SHARES))
    return Population(
        products=(product.title,),
        utterances=tuple(message.text for message in messages),
        languages=tuple(message.language for message in messages),
        intent_probabilities=encoding.probabilities,
        latent_class=np.array([INTENTS.index(message.intent) for message in messages], np.int64),
        relevance=np.zeros((len(messages), 1), np.float32),
        price_sensitivity=(product.reference_price / mean).astype(np.float32),
        coupon_affinity=np.ones(len(messages), np.float32),
        # The weights of a class's voices sum to its share.
        weight=(share / np.bincount(member)[member]).astype(np.float32),
        card={
            "kind": "reference",
            "command": command,
            "seed": seed,
            "classes": [
                {
                    "mean_willingness_to_pay": WILLINGNESS_MEANS[k],
                    "share": WILLINGNESS_SHARES[k],
                    "intents": [i for i in INTENTS if willingness_class(TASTES[i].price_sensitivity) == k],
                }
                for k in range(len(WILLINGNESS_MEANS))
            ],
            "encoder": {"sha256_of_backbone": encoder.card["backbone"]["sha256"], "card": encoder.card["figures"]},
            "versions": versions(),
        },
    )


def build_populations(
    encoder_folder: Path | None = None,
    out: Path = POPULATION_FOLDER,
    *,
    seed: int = 0,
    command: str = COMMAND,
    progress: bool = False,
) -> dict[str, Any]:
    """Estimate demand in the reference world, and write the demand model beside its encoder, and the populations.

    An English encoder gives the populations `reference`, `learned` and `intent`. One with other languages gives
    `reference-en-zh` and `learned-en-zh`, with its languages in the name. All is computed on one thread, so that the
    files are identical on every machine.

    Args:
        encoder_folder: of a saved encoder; None takes the default.
        out: folder of the populations.
        seed: of the study.
        command: recorded on the cards.
        progress: show bars on standard error.

    Returns:
        The figures of `study_reference_world`.

    Raises:
        ValueError: the folder does not hold an encoder.
    """
    with one_thread():
        encoder = IntentEncoder.default() if encoder_folder is None else IntentEncoder.load(encoder_folder)
        languages = [code for code in LANGUAGES if code in encoder.card["languages"]]
        suffix = "" if languages == ["en"] else "-" + "-".join(languages)
        scenario = load_scenario("standard")
        study = study_reference_world(
            encoder,
            scenario,
            heldout=lambda: held_out_logs(encoder, scenario, seed=seed, progress=progress),
            seed=seed,
            command=command,
            progress=progress,
        )
        study.demand.save(encoder_folder or DEMAND_FOLDER)
        study.reference.save(out / f"reference{suffix}")
        study.learned.save(out / f"learned{suffix}")
        if not suffix:
            pricing = intent_population(encoder, load_scenario("intent"), seed=seed, command=command)
            pricing.save(out / "intent")
    return study.figures

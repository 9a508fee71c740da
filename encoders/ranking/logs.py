"""Sales with a shuffled list: what a shop records before it ranks.

Owns    the recorded sales, and the evidence of a shop whose customers come from the reference world.
Leaves  voices, their tastes and the recording to `world`, the demand model to `demand`.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from flashsale_env import Population, Ranking, Scenario
from flashsale_env.encoders.demand.tastes import DemandModel
from flashsale_env.encoders.ranking.evidence import Evidence
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.experiment import draw_voices, logged_sales, sales_with
from flashsale_env.encoders.world.populations import learned_population
from flashsale_env.encoders.world.readings import encoder_reading, product_vectors
from flashsale_env.encoders.world.seeding import log_seed

SHUFFLED = Ranking("shuffled", shuffled=True)


def shuffled_log(
    scenario: Scenario, population: Population, visits: int, seeds: npt.NDArray[np.uint64]
) -> npt.NDArray[np.void]:
    """`visits` visits or more of sales at first levels, on a list that is shuffled in each tick.

    Args:
        scenario: with [slate]; its rankings do not matter.
        population: who comes.
        visits: of the log; the last sale is recorded whole.
        seeds: of sales; where they are fewer than that takes, all are played.

    Raises:
        ValueError: the scenario has no list.
    """
    if scenario.slate is None:
        raise ValueError(f"scenario {scenario.name!r} has no [slate], so there is no list to shuffle.")
    shuffled = scenario.replace(slate=replace(scenario.slate, rankings=(SHUFFLED,)))
    enough = seeds[: sales_with(visits, shuffled)]
    return logged_sales(shuffled, population, enough, lambda n_levels: np.zeros((len(enough), len(n_levels)), np.int64))


def past_customers(
    encoder: IntentEncoder,
    demand: DemandModel,
    scenario: Scenario,
    *,
    voices: int,
    visits: int,
    seed: int,
    progress: bool = False,
) -> Evidence:
    """What a shop of the reference world knows after `visits` visits of a shuffled list.

    Args:
        encoder: of the messages.
        demand: fitted to this encoder and these products.
        scenario: of the sale.
        voices: past customers, with messages from the split "demand" of the corpus.
        visits: of the log, at least.
        seed: of all draws.
        progress: show bars on standard error.

    Raises:
        ValueError: the demand model is of other products.
    """
    demand.check_products(scenario.titles)
    products, own = scenario.products, log_seed("ranking", seed)
    messages, encoding, customers = draw_voices(encoder, products, "demand", voices, own, progress=progress)
    vectors = product_vectors(encoder, products)
    reading = encoder_reading(encoding, vectors)
    known = learned_population(
        [message.text for message in messages],
        encoding,
        demand.tastes(reading, vectors),
        products,
        weight=customers.weight,
        languages=customers.languages,
    )
    seeds = np.random.default_rng([0x2A4E, own]).integers(0, 2**63, sales_with(visits, scenario)).astype(np.uint64)
    return Evidence(
        scenario,
        known,
        np.asarray(reading.similarity, np.float64),
        shuffled_log(scenario, customers, visits, seeds),
        seed,
    )

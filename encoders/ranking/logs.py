"""Sales with a shuffled list: what a shop records before it ranks.

Owns    the recorded sales, and the evidence of a shop whose customers come from the reference world.
Leaves  voices and their tastes to `world`, the demand model to `demand`, choices to the simulator.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from flashsale_env import Population, Ranking, Scenario, Simulator
from flashsale_env.encoders.demand.tastes import DemandModel
from flashsale_env.encoders.ranking.evidence import Evidence
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.experiment import draw_voices
from flashsale_env.encoders.world.populations import learned_population
from flashsale_env.encoders.world.readings import encoder_reading, product_vectors
from flashsale_env.encoders.world.seeding import log_seed

SHUFFLED = Ranking("shuffled", shuffled=True)


def shuffled_log(
    scenario: Scenario, population: Population, visits: int, seeds: npt.NDArray[np.uint64]
) -> npt.NDArray[np.void]:
    """At least `visits` visits of sales at the first level of every decision, on a list that is shuffled in each tick.

    Args:
        scenario: with [slate]; its rankings do not matter.
        population: who comes.
        visits: of the log; the last sale is recorded whole.
        seeds: of sales, as many as may be needed.

    Raises:
        ValueError: the scenario has no list, or the seeds are too few.
    """
    if scenario.slate is None:
        raise ValueError(f"scenario {scenario.name!r} has no [slate], so there is no list to shuffle.")
    shuffled = scenario.replace(slate=replace(scenario.slate, rankings=(SHUFFLED,)))
    expected = shuffled.arrivals.customers_per_minute * shuffled.sale_minutes
    sales = min(int(np.ceil(visits / expected)) + 1, len(seeds))
    simulator = Simulator(
        shuffled, population, sales=sales, actions="multidiscrete", log_rows=int(1.5 * expected) + 100
    )
    simulator.open(seeds[:sales], np.zeros(sales, np.int64))
    hold = np.zeros((sales, len(simulator.codec.n_levels)), np.int64)
    for _ in range(shuffled.horizon_ticks):
        simulator.advance(hold)
    return simulator.choice_log()


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
    titles = scenario.titles
    if demand.products != titles:
        raise ValueError(f"the demand model was fitted to the products {list(demand.products)}, not to {list(titles)}.")
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
    seeds = np.random.default_rng([0x2A4E, own]).integers(0, 2**63, 1 + visits).astype(np.uint64)
    return Evidence(
        scenario,
        known,
        np.asarray(reading.similarity, np.float64),
        shuffled_log(scenario, customers, visits, seeds),
        seed,
    )

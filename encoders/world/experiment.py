"""The randomised price experiment: customers of the reference world, their messages, and their choices.

Owns    a logged experiment with random prices and coupons, and the sizes of the studies' logs.
Leaves  the customers' tastes to `reference`, choice itself to the simulator, and seeds to `seeding`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashsale_env import Population, Product, Scenario, Shocks, Simulator
from flashsale_env.encoders.corpus.generator import Message, generate, language_for
from flashsale_env.encoders.demand.tastes import ChoiceData
from flashsale_env.encoders.text.intent import Encoding, IntentEncoder
from flashsale_env.encoders.world.reference import reference_population
from flashsale_env.encoders.world.seeding import log_seed

VOICES = 4500
HELDOUT_VOICES = 2700
VISITS = 600_000
# Independent held-out logs. Sales vary more than voices, and 600,000 visits are only 51 sales. With five logs, the
# interval of the likelihood gap is about a tenth of the gap.
HELDOUT_LOGS = 5


@dataclass(frozen=True, eq=False)
class Experiment:
    """Voices of the reference world and a log of their visits.

    Args:
        messages: one per voice, with the true intent.
        encoding: the encoder's output for them.
        population: the voices with their true tastes.
        choices: the log.
    """

    messages: list[Message]
    encoding: Encoding
    population: Population
    choices: ChoiceData


def run_experiment(
    encoder: IntentEncoder,
    scenario: Scenario,
    split: str,
    voices: int,
    *,
    visits: int = VISITS,
    seed: int = 0,
    log: int = 0,
    progress: bool = False,
) -> Experiment:
    """Draw voices from one split of the corpus, and log their choices at random prices.

    The voices write in all languages that the encoder and the corpus share. Experiments that differ in split, seed or
    log share no random draw: their messages, tastes, prices and customers are independent.

    Args:
        encoder: encodes the messages; agents will observe its intent probabilities.
        scenario: of the sales.
        split: of the corpus.
        voices: number of messages.
        visits: minimum number of visits.
        seed: of the study.
        log: number of the log within the study.
        progress: show bars on standard error.
    """
    products, seed = scenario.products, log_seed(split, seed, log)
    messages, encoding, population = draw_voices(encoder, products, split, voices, seed, progress=progress)
    visited = randomised_price_experiment(scenario, population, visits, seed)
    return Experiment(messages, encoding, population, ChoiceData.from_log(visited, products))


def draw_voices(
    encoder: IntentEncoder, products: Sequence[Product], split: str, voices: int, seed: int, *, progress: bool = False
) -> tuple[list[Message], Encoding, Population]:
    """Messages from one split of the corpus, what the encoder reads in them, and their writers' true tastes.

    Args:
        encoder, voices, progress: as for `run_experiment`.
        products: whose nouns the messages name.
        split: of the corpus.
        seed: of the log that the voices are for, see `seeding.log_seed`.
    """
    nouns = tuple(product.noun for product in products)
    messages = generate(split, voices, seed, goods=nouns, language=language_for(encoder.card["languages"]))
    encoding = encoder.encode([message.text for message in messages], progress=progress)
    return messages, encoding, reference_population(products, messages, encoding.probabilities, seed)


def randomised_price_experiment(
    scenario: Scenario, population: Population, visits: int, seed: int
) -> npt.NDArray[np.void]:
    """A choice log of at least `visits` visits, with every price and coupon redrawn at random in each tick.

    The sales have no shocks of appeal or traffic. Their intent mix varies as in the scenario. Products sell out and are
    reordered as in any sale, so availability varies.

    Returns:
        (n,) records of `Simulator.choice_log`.
    """
    shocks = Shocks(mix_sd=scenario.shocks.mix_sd)
    # No observation is used, so its memory takes the default length.
    quiet = scenario.replace(shocks=shocks, memory_minutes=Scenario.memory_minutes)
    rng = np.random.default_rng([0x10606, seed])
    sales = sales_with(visits, quiet)
    seeds = rng.integers(0, 2**63, sales).astype(np.uint64)
    return logged_sales(quiet, population, seeds, lambda n_levels: rng.integers(0, n_levels, (sales, len(n_levels))))


def sales_with(visits: int, scenario: Scenario) -> int:
    """How many sales have at least `visits` visits, with one to spare."""
    return int(np.ceil(visits / _expected_visits(scenario))) + 1


def logged_sales(
    scenario: Scenario,
    population: Population,
    seeds: npt.NDArray[np.uint64],
    levels: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]],
) -> npt.NDArray[np.void]:
    """The choice log of whole sales, one for each seed.

    Args:
        scenario, population: of the sales.
        seeds: (S,) of the sales.
        levels: called in each tick with the number of levels of each decision, (C,); gives the levels chosen, (S, C).

    Returns:
        (n,) records of `Simulator.choice_log`.
    """
    # Room for 50 % more visits per sale than expected: coupons raise traffic, and Poisson noise is far smaller.
    room = int(1.5 * _expected_visits(scenario)) + 100
    simulator = Simulator(scenario, population, sales=len(seeds), actions="multidiscrete", log_rows=room)
    simulator.open(seeds, np.zeros(len(seeds), np.int64))
    for _ in range(scenario.horizon_ticks):
        simulator.advance(levels(simulator.codec.n_levels))
    return simulator.choice_log()


def _expected_visits(scenario: Scenario) -> float:
    return scenario.arrivals.customers_per_minute * scenario.sale_minutes

"""From the learned simulator to the world it was learned from: what a policy loses on the way.

Owns    the study: demand models estimated on logs of several sizes, a policy trained among the customers of each, one
        trained in the reference world itself, all evaluated on the same reference customers.
Leaves  estimation to `encoders`, learning to `agents`, intervals to `statistics`.
Units   profit in the scenario's currency.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from flashsale_env import Population, Scenario, agents, load_population
from flashsale_env.agents.play import play
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.encoders.building import product_vectors, read
from flashsale_env.encoders.demand import ChoiceData, DemandModel
from flashsale_env.encoders.intent import IntentEncoder
from flashsale_env.encoders.reference import randomised_price_experiment
from flashsale_env.experiments.pictures import transfer_gap
from flashsale_env.experiments.runs import Run
from flashsale_env.experiments.statistics import mean_interval, paired_difference
from flashsale_env.files import write_atomically

RESULT, PICTURE = "result.json", "transfer_gap.png"
REFERENCE = "reference"

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Study:
    """How much is done.

    Args:
        log_sizes: visits of the logs that demand is estimated on, rising.
        seeds: training runs of every policy.
        training_sales: of one training run; None takes the preset's.
        episodes: test sales in the reference world, the same for every policy.
    """

    log_sizes: tuple[int, ...] = (5_000, 50_000, 500_000)
    seeds: tuple[int, ...] = (0, 1)
    training_sales: int | None = None
    episodes: int = 10_000

    def __post_init__(self) -> None:
        if not self.log_sizes or list(self.log_sizes) != sorted(set(self.log_sizes)) or self.log_sizes[0] < 1000:
            raise ValueError(f"log sizes must rise from at least 1000 visits, got {list(self.log_sizes)}.")
        if not self.seeds:
            raise ValueError("want at least one training run, got no seeds.")


def learned_from(
    log: np.ndarray, reference: Population, scenario: Scenario, encoder: IntentEncoder
) -> tuple[Callable[[int], Population], int]:
    """A function that estimates demand on the first visits of a log and gives the population learned from them.

    Only the text and the log are used: voices, their weights and what the encoder reads are those of the reference
    world; tastes and classes are learned.
    """
    encoding = encoder.encode(reference.utterances)
    vectors = product_vectors(encoder, scenario.products)
    reading = read(encoding, vectors)
    data = ChoiceData.from_log(log)
    titles = [product.title for product in scenario.products]

    def learn(visits: int) -> Population:
        part = ChoiceData(**{name: values[:visits] for name, values in vars(data).items()})
        tastes = DemandModel.fit(reading, vectors, titles, part).tastes(reading, vectors)
        return Population(
            **{
                **vars(reference),
                "latent_class": encoding.probabilities.argmax(axis=1).astype(np.int64),
                "intent_probabilities": encoding.probabilities,
                "relevance": tastes.relevance,
                "price_sensitivity": tastes.price_sensitivity,
                "coupon_affinity": tastes.coupon_affinity,
                "card": {"kind": "learned", "visits": visits},
            }
        )

    return learn, len(data)


def run_study(run: Run, scenario: Scenario, study: Study, device: str, progress: Progress) -> dict[str, Any]:
    """Train, evaluate and write `result.json` with its picture.

    Returns:
        "rows": one dict a training world, with "world", "visits" (None for the reference world), "mean_profit" in the
        reference world with "ci_low" and "ci_high", "by_seed" the mean profit of each training run, and for learned
        worlds "gap", what is lost against training in the reference world on the same customers, with its interval
        and its "share" of the reference-trained profit.
    """
    reference = load_population(REFERENCE, [product.title for product in scenario.products])
    log = randomised_price_experiment(scenario, reference, study.log_sizes[-1], seed=1)
    learn, logged = learned_from(log, reference, scenario, IntentEncoder.default(device=device))
    worlds: list[tuple[str, int | None]] = [(REFERENCE, None), *(("learned", size) for size in study.log_sizes)]
    seeds = split_seeds("test", 0, study.episodes)
    settings = {} if study.training_sales is None else agents.shorter("ppo", scenario, study.training_sales)
    todo = list(itertools.product(worlds, study.seeds))
    profits: dict[tuple[str, int | None], list[np.ndarray]] = {world: [] for world in worlds}
    population = reference
    for done, (world, seed) in enumerate(todo):
        kind, visits = world
        progress(done, len(todo), f"{kind} {'' if visits is None else format(visits, ',')}")
        if seed == study.seeds[0]:
            population = reference if visits is None else learn(visits)
        learner = agents.make("ppo", scenario, device=device, seed=seed, **settings)
        learner.learn(population)
        profits[world].append(play(learner, scenario, reference, seeds=seeds)["profit"])
    # A sale's profit is averaged over the training runs, so the interval is over sales; the runs stand beside it.
    rows = [_row(world, profits[world], profits[worlds[0]]) for world in worlds]
    result = {"scenario": scenario.name, "logged_visits": logged, "study": asdict(study), "rows": rows}
    transfer_gap(run.folder / PICTURE, rows)
    write_atomically(run.folder / RESULT, json.dumps(result, indent=2).encode())
    return result


def _row(world: tuple[str, int | None], profits: Sequence[np.ndarray], at_home: Sequence[np.ndarray]) -> dict[str, Any]:
    kind, visits = world
    earned, best = np.mean(profits, axis=0), np.mean(at_home, axis=0)
    found = mean_interval(earned)
    row: dict[str, Any] = {"world": kind, "visits": visits, "mean_profit": found.mean}
    row |= {"ci_low": found.low, "ci_high": found.high, "by_seed": [float(p.mean()) for p in profits]}
    if visits is not None:
        lost = paired_difference(best, earned)
        gap = {"mean": lost.mean, "ci_low": lost.low, "ci_high": lost.high, "share": lost.mean / float(best.mean())}
        row["gap"] = gap
    return row

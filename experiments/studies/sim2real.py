"""From the learned simulator to the world it was learned from: what a policy loses on the way.

Owns    the study: demand models estimated on logs of several sizes, a policy trained among the customers of each, one
        trained in the reference world itself, all evaluated on the same reference customers.
Leaves  estimation to `encoders`, learning to `agents`, intervals to `statistics`.
Axes    R runs, S test sales.
Units   profit in the scenario's currency.

A run has a log of its own, demand models estimated on it, and a training of every policy. The test sales are the same
for all runs. So the intervals, over runs and sales, cover what another log and another training would change.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from flashsale_env import Population, Scenario, agents, load_population
from flashsale_env.agents.play import play
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.encoders.demand.tastes import ChoiceData, DemandModel
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.experiment import randomised_price_experiment
from flashsale_env.encoders.world.readings import encoder_reading, product_vectors
from flashsale_env.encoders.world.seeding import log_seed
from flashsale_env.experiments.pages.pictures import transfer_gap
from flashsale_env.experiments.runs import Run
from flashsale_env.experiments.statistics import crossed_interval
from flashsale_env.files import write_atomically

RESULT, PICTURE = "result.json", "transfer_gap.png"
REFERENCE = "reference"

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Study:
    """How much is done.

    Args:
        log_sizes: visits of the logs that demand is estimated on, rising; a run's smaller ones are the beginning of its
            largest.
        seeds: of the runs.
        training_sales: of one training run; None takes the preset's.
        episodes: test sales in the reference world, the same for every policy.
    """

    log_sizes: tuple[int, ...] = (5_000, 50_000, 500_000)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    training_sales: int | None = None
    episodes: int = 10_000

    def __post_init__(self) -> None:
        if not self.log_sizes or list(self.log_sizes) != sorted(set(self.log_sizes)) or self.log_sizes[0] < 1000:
            raise ValueError(f"log sizes must rise from at least 1000 visits, got {list(self.log_sizes)}.")
        if not self.seeds:
            raise ValueError("want at least one training run, got no seeds.")


def reader(
    reference: Population, scenario: Scenario, encoder: IntentEncoder
) -> Callable[[ChoiceData, int], Population]:
    """A function that estimates demand on a log, with a seed, and gives the population learned from it.

    Only the text and the log are used: voices, their weights and what the encoder reads are those of the reference
    world; tastes and classes are learned.
    """
    encoding = encoder.encode(reference.utterances)
    vectors = product_vectors(encoder, scenario.products)
    reading = encoder_reading(encoding, vectors)
    titles = [product.title for product in scenario.products]

    def learn(log: ChoiceData, seed: int) -> Population:
        tastes = DemandModel.fit(reading, vectors, titles, log, seed=seed).tastes(reading, vectors)
        return Population(
            **{
                **vars(reference),
                "latent_class": encoding.probabilities.argmax(axis=1).astype(np.int64),
                "intent_probabilities": encoding.probabilities,
                "relevance": tastes.relevance,
                "price_sensitivity": tastes.price_sensitivity,
                "coupon_affinity": tastes.coupon_affinity,
                "card": {"kind": "learned", "visits": len(log)},
            }
        )

    return learn


def logged(scenario: Scenario, reference: Population, visits: int, seed: int) -> ChoiceData:
    """A run's log. It shares no draw with that of another run, nor with the one behind the shipped populations."""
    log = randomised_price_experiment(scenario, reference, visits, log_seed("sim2real", seed))
    return ChoiceData.from_log(log, scenario.products)


def run_study(run: Run, scenario: Scenario, study: Study, device: str, progress: Progress) -> dict[str, Any]:
    """Train, evaluate and write `result.json` with its picture.

    Returns:
        "rows": one dict a training world, with "world", "visits" (None for the reference world), "mean_profit" in the
        reference world with "ci_low" and "ci_high", "by_seed" the mean profit of each run, and for learned worlds
        "gap", what is lost against training in the reference world in the same run on the same customers, with its
        interval and its "share" of the reference-trained profit.
    """
    reference = load_population(REFERENCE, [product.title for product in scenario.products])
    learn = reader(reference, scenario, IntentEncoder.default(device=device))
    worlds: list[tuple[str, int | None]] = [(REFERENCE, None), *(("learned", size) for size in study.log_sizes)]
    seeds = split_seeds("test", 0, study.episodes)
    settings = {} if study.training_sales is None else agents.shorter("ppo", scenario, study.training_sales)
    profits: dict[tuple[str, int | None], list[np.ndarray]] = {world: [] for world in worlds}
    visits_of_runs, total = [], len(study.seeds) * len(worlds)
    for number, seed in enumerate(study.seeds):
        log = logged(scenario, reference, study.log_sizes[-1], seed)
        visits_of_runs.append(len(log))
        for place, world in enumerate(worlds):
            kind, visits = world
            size = "" if visits is None else format(visits, ",")
            progress(number * len(worlds) + place, total, f"run {seed}, {kind} {size}")
            population = reference if visits is None else learn(log.first(visits), seed)
            learner = agents.make("ppo", scenario, device=device, seed=seed, **settings)
            learner.learn(population)
            profits[world].append(play(learner, scenario, reference, seeds=seeds)["profit"])
    rows = [_row(world, profits[world], profits[worlds[0]]) for world in worlds]
    result = {"scenario": scenario.name, "logged_visits": visits_of_runs, "study": asdict(study), "rows": rows}
    transfer_gap(run.folder / PICTURE, rows)
    write_atomically(run.folder / RESULT, json.dumps(result, indent=2).encode())
    return result


def _row(world: tuple[str, int | None], profits: Sequence[np.ndarray], at_home: Sequence[np.ndarray]) -> dict[str, Any]:
    kind, visits = world
    earned, best = np.array(profits), np.array(at_home)
    found = crossed_interval(earned)
    row: dict[str, Any] = {"world": kind, "visits": visits, "mean_profit": found.mean}
    row |= {"ci_low": found.low, "ci_high": found.high, "by_seed": earned.mean(axis=1).tolist()}
    if visits is not None:
        lost = crossed_interval(best - earned)
        gap = {"mean": lost.mean, "ci_low": lost.low, "ci_high": lost.high, "share": lost.mean / float(best.mean())}
        row["gap"] = gap
    return row

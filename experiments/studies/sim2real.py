"""The study `sim2real`: what policies trained in simulators learned from logs lose in the world that was logged.

Owns    the study. Demand models are estimated on logs of several sizes; a policy is trained among the customers of
        each, and one in the reference world itself; all are evaluated on the same reference customers.
Leaves  estimation to `encoders`, learning to `agents`, intervals to `experiments.intervals`.
Axes    R runs, S test sales.
Units   profit in the scenario's currency.

Every run has a log of its own, demand models estimated on it, and a training of every policy. The test sales are the
same for all runs. The intervals, over runs and sales, thus cover the variation between logs and between trainings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from flashsale_env import Population, Scenario, agents, load_population, load_scenario
from flashsale_env.agents.play import play
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.encoders.demand.tastes import ChoiceData, DemandModel
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.experiment import randomised_price_experiment
from flashsale_env.encoders.world.readings import encoder_reading, product_vectors
from flashsale_env.encoders.world.seeding import log_seed
from flashsale_env.experiments.display import Callback, notice, print_json, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import low_to_high, money
from flashsale_env.experiments.intervals import crossed_interval
from flashsale_env.experiments.options import (
    MOST_VISITS,
    Device,
    Json,
    Out,
    Overwrite,
    Runs,
    ScenarioOption,
    TestSales,
    TrainingSales,
)
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.drawn import keep
from flashsale_env.experiments.pages.pictures import transfer_gap
from flashsale_env.experiments.runs import RESULT, Run, write_json

Floats = npt.NDArray[np.float64]

PICTURE = "transfer_gap"
REFERENCE = "reference"

LogSizes = Annotated[
    list[int] | None,
    typer.Option(
        "--log-size",
        metavar="N",
        min=1,
        max=MOST_VISITS,
        help="Visits in the log; repeat it for several sizes, rising.",
    ),
]


@dataclass(frozen=True)
class Study:
    """The size of the study.

    Args:
        log_sizes: visits of the logs that demand is estimated on, rising; a run's smaller logs are the first visits of
            its largest.
        seeds: of the runs.
        training_sales: of one training; None takes the preset's.
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


EXAMPLES = ("flashsale study sim2real --out runs/sim2real",)


@on_interrupt("{out} is incomplete: run the command again with --overwrite.")
def command(
    context: typer.Context,
    out: Out,
    scenario: ScenarioOption = "standard",
    log_sizes: LogSizes = None,
    runs: Runs = 5,
    sales: TrainingSales = None,
    episodes: TestSales = 10_000,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train in simulators learned from logs, evaluate in the reference world: what is lost, by size of the log."""
    sale = load_scenario(scenario)
    load_population(REFERENCE, [product.title for product in sale.products])  # the reference world must sell them
    study = Study(tuple(log_sizes or Study.log_sizes), tuple(range(runs)), sales, episodes)
    run = Run(
        out,
        context.obj,
        options={"scenario": scenario, **asdict(study), "device": device},
        seeds={"logs and training runs": list(study.seeds), "test split": 0},
        inputs=[scenario] if Path(scenario).exists() else [],
    )
    with run.claimed(overwrite=overwrite):
        run.begin()
        with progress_bar("from the learned simulator to the reference world") as advance:
            result = run_study(run, sale, study, device, advance)
        run.finish()
    if as_json:
        print_json({"out": str(out), **result})
        return
    show(result)
    notice(f"results in {out}")


def show(result: Mapping[str, Any]) -> None:
    """Profit in the reference world by the world of training, and the loss against training in the reference world."""
    rows, study = result["rows"], result["study"]
    scale = rows[0]["mean_profit"]
    show_table(
        f"mean profit in the reference world, {study['episodes']:,} common test sales, {len(study['seeds'])} runs",
        ("trained in", "visits logged", "mean profit", "lost against the reference world", "95 % interval"),
        [
            (
                row["world"],
                "" if row["visits"] is None else f"{row['visits']:,}",
                money(row["mean_profit"], scale),
                "" if "gap" not in row else f"{money(row['gap']['mean'], scale)} ({row['gap']['share']:.1%})",
                "" if "gap" not in row else low_to_high(row["gap"], scale),
            )
            for row in rows
        ],
    )


def charts(result: Mapping[str, Any]) -> dict[str, Chart]:
    """The loss by the size of the log."""
    return {PICTURE: transfer_gap(result["rows"], result.get("currency", ""))}


def reader(
    reference: Population, scenario: Scenario, encoder: IntentEncoder
) -> Callable[[ChoiceData, int], Population]:
    """A function (log, seed) -> the population whose tastes are estimated on that log.

    Only the text and the log are used. Voices, weights and the encoder's output are those of the reference world;
    tastes and classes are estimated.
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


def run_study(run: Run, scenario: Scenario, study: Study, device: str, progress: Callback) -> dict[str, Any]:
    """Train, evaluate and write `result.json` with its picture.

    Returns:
        "rows": one dict a training world, with "world", "visits" (None for the reference world), "mean_profit" in the
        reference world with "ci_low" and "ci_high", "by_seed" (the mean profit of each run), and for learned worlds
        "gap": the loss against training in the reference world, in the same run and on the same customers, with its
        interval and its "share" of the reference-trained profit.
    """
    reference = load_population(REFERENCE, [product.title for product in scenario.products])
    learn = reader(reference, scenario, IntentEncoder.default(device=device))
    worlds: list[tuple[str, int | None]] = [(REFERENCE, None), *(("learned", size) for size in study.log_sizes)]
    seeds = split_seeds("test", 0, study.episodes)
    settings: dict[str, Any] = {}
    if study.training_sales is not None:
        settings = agents.shorter("ppo", scenario, study.training_sales)
    profits: dict[tuple[str, int | None], list[Floats]] = {world: [] for world in worlds}
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
    result: dict[str, Any] = {"scenario": scenario.name, "currency": scenario.currency, "logged_visits": visits_of_runs}
    result |= {"study": asdict(study), "rows": rows}
    keep(run.folder / PICTURE, charts(result)[PICTURE])
    write_json(run.folder / RESULT, result)
    return result


def _row(world: tuple[str, int | None], profits: Sequence[Floats], at_home: Sequence[Floats]) -> dict[str, Any]:
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

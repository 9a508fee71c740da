"""The demo: the whole chain from sentences to a trained policy.

Owns    the order of the stages, their timing and `result.json`.
Leaves  each stage to the package that does its work, pictures and page to `pages`.

The folder of a run holds `config.json`, `result.json`, `index.html`, `encoder/` (with its demand model), `population/`
(tastes estimated from text: the customers that the agents meet), `reference/` (the same voices with their true tastes),
`policy/`, `learning_curve.csv`, the tables (.csv, .tex) and the pictures (.svg, .png, and .json for the page).
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flashsale_env import Population, Scenario, agents, load_scenario
from flashsale_env.agents.play import SaleTable, trace
from flashsale_env.agents.sb3.determinism import one_thread
from flashsale_env.agents.sb3.presets import preset
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.text.intent import IntentEncoder, evaluate
from flashsale_env.encoders.text.metrics import rounded
from flashsale_env.encoders.text.tfidf import tfidf_reference
from flashsale_env.encoders.world.estimation import ReferenceStudy, held_out_logs, study_reference_world
from flashsale_env.encoders.world.experiment import Experiment
from flashsale_env.experiments.display import notice, progress_bar
from flashsale_env.experiments.evaluate import POLICY, difference, figures, play_test_sales
from flashsale_env.experiments.formats import low_to_high, money
from flashsale_env.experiments.intervals import paired_difference
from flashsale_env.experiments.pages import pictures
from flashsale_env.experiments.pages.demo import write_page
from flashsale_env.experiments.pages.drawn import keep
from flashsale_env.experiments.processes import own_processes
from flashsale_env.experiments.runs import RESULT, Run, write_json
from flashsale_env.experiments.settings import DemoSettings
from flashsale_env.experiments.train import on_validation, opponents, write_curve
from flashsale_env.experiments.tuning import Search, tune
from flashsale_env.theory.bounds import Bound, lagrangian_dual_bound
from flashsale_env.versions import versions

LEARNER = "ppo"
ENCODER, POPULATION = "encoder", "population"
# Processes beside the one that trains, at most: each needs half a gigabyte, and there are six heuristics.
_MOST_BESIDE = 4


class Clock:
    """Seconds by stage; each stage is announced on standard error."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, title: str) -> Iterator[None]:
        """Time one stage."""
        notice(f"[{len(self.seconds) + 1}/6] {title}")
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 1)


def run_demo(run: Run, settings: DemoSettings) -> dict[str, Any]:
    """Run the chain in the folder of the run, which is claimed, and return the content of `result.json`."""
    scenario = load_scenario(settings.scenario)
    run.begin()
    beside = max(1, min(_MOST_BESIDE, (os.cpu_count() or 1) - 1))
    # On busy cores a second thread makes every stage slower, up to ten times.
    with one_thread(), own_processes(beside) as pool:
        return _stages(pool, run, settings, scenario)


def _stages(pool: ProcessPoolExecutor, run: Run, settings: DemoSettings, scenario: Scenario) -> dict[str, Any]:
    # Whatever does not wait for the encoder, and later for the learner, is done in the pool, beside them.
    out, clock = run.folder, Clock()

    compiling = pool.submit(compile_simulator, settings)
    reading = pool.submit(tfidf_figures, settings)
    with clock.stage("encoder", "texts -> BERT: fine-tuning the intent encoder"):
        encoder = fine_tune(settings, run)
        logging = pool.submit(log_beside, settings, out)
        encoder_figures = judge(settings, encoder, reading)
        compiling.result()
    with clock.stage("demand", "choices -> tastes: estimating demand in the reference world"):
        study = estimate(settings, run, encoder, scenario, logging)
    customers = study.learned
    adviser = preset(scenario).adviser
    rivals = opponents(scenario)
    waiting = {name: pool.submit(tune_and_play, settings, out, name) for name in rivals if name != adviser}
    bounding = pool.submit(bound_of, settings, out)
    params = None
    with clock.stage("tuning", f"tuning the heuristic that {LEARNER} starts from; the others in processes beside"):
        if adviser in rivals:
            params = tune_heuristic(settings, adviser, scenario, customers)
            waiting[adviser] = pool.submit(tune_and_play, settings, out, adviser, params)
    with clock.stage("training", f"training {LEARNER}"):
        learner, curve = learn(settings, run, scenario, customers, params)
    with clock.stage("evaluation", f"playing {settings.evaluation_sales:,} test sales with every agent"):
        with progress_bar(f"playing {LEARNER}") as advance:
            played = play_test_sales(learner, scenario, customers, settings.evaluation_sales, advance)
        with progress_bar("the other agents and the bound on any policy") as advance:
            beside: list[Future[Any]] = [*waiting.values(), bounding]
            for done, future in enumerate(as_completed(beside), start=1):
                future.result()
                advance(done, len(beside))
    found = {name: waiting[name].result() for name in rivals}
    tables = {name: rival.table for name, rival in found.items()} | {LEARNER: played}
    bound = bounding.result()

    result = {
        "encoder": {key: value for key, value in encoder_figures.items() if key != "confusion"},
        "demand": study.figures,
        "agents": {name: figures(table) for name, table in tables.items()},
        "tuned": {name: rival.params for name, rival in found.items() if rival.params},
        "ppo_vs_best": against_best(tables),
        "bound": {"name": bound.name, "value": bound.value, "half_width": bound.half_width}
        | under_bound(bound, tables),
        "test_sales": settings.evaluation_sales,
        "settings": asdict(settings),
        "seconds": clock.seconds,
        "versions": versions(),
        "command": run.command,
    }
    with clock.stage("pictures", "pictures and page"):
        levels = dict(rival.validation for rival in found.values())
        learning = write_curve(out, LEARNER, curve, levels, settings.validation_sales, scenario.currency)
        one_sale = trace(learner, scenario, customers, int(split_seeds("test", 0, 1)[0]))
        charts = {
            "sale": pictures.one_sale(one_sale, scenario, LEARNER),
            "confusion": pictures.confusion(encoder_figures["confusion"]),
            "elasticity": pictures.elasticities(study.figures["elasticity"]),
        }
        for name, chart in charts.items():
            keep(out / name, chart)
    clock.seconds["total"] = round(sum(clock.seconds.values()), 1)
    write_json(out / RESULT, result)
    write_page(out, result, verdict(result), {"learning_curve": learning, **charts})
    run.finish()
    return result


def compile_simulator(settings: DemoSettings) -> None:
    """Machine code for the sales of the demo, which every process then loads from the disk."""
    scenario = load_scenario(settings.scenario)
    agents.play(agents.make("random", scenario), scenario, seeds=split_seeds("validation", 0, 1))


def log_beside(settings: DemoSettings, folder: Path) -> list[Experiment]:
    """The held-out logs, by the encoder in the folder of the run."""
    with one_thread():
        return held_out_logs(
            IntentEncoder.load(folder / ENCODER),
            load_scenario(settings.scenario),
            voices=settings.heldout_voices,
            visits=settings.visits,
            seed=settings.seed,
        )


def tfidf_figures(settings: DemoSettings) -> dict[str, Any]:
    """What TF-IDF and logistic regression read, from the same messages."""
    sizes = {"train": settings.encoder_train, "evaluation": settings.encoder_evaluation}
    return tfidf_reference(*(generate(split, size, settings.seed) for split, size in sizes.items()))


def fine_tune(settings: DemoSettings, run: Run) -> IntentEncoder:
    """A fine-tuned encoder, saved for the processes beside."""
    seed, sizes = settings.seed, {"train": settings.encoder_train, "validation": settings.encoder_validation}
    messages = {split: generate(split, size, seed) for split, size in sizes.items()}
    encoder = IntentEncoder.fine_tune(
        messages["train"],
        messages["validation"],
        backbone=settings.backbone,
        epochs=settings.encoder_epochs,
        seed=seed,
        progress=sys.stderr.isatty(),
        corpus={"language": "en", "seed": seed, **sizes},
        command=run.command,
    )
    encoder.save(run.folder / ENCODER)
    return encoder


def judge(settings: DemoSettings, encoder: IntentEncoder, reading: Future[dict[str, Any]]) -> dict[str, Any]:
    """Figures of the encoder on unseen phrasings, beside those of TF-IDF; its card holds them."""
    unseen = generate("evaluation", settings.encoder_evaluation, settings.seed)
    found, reference = evaluate(encoder, unseen), reading.result()
    encoder.card["figures"] |= {"evaluation": rounded({"en": found}), "tfidf_evaluation": rounded({"en": reference})}
    return found | {f"tfidf_{key}": value for key, value in reference.items()}


def estimate(
    settings: DemoSettings, run: Run, encoder: IntentEncoder, scenario: Scenario, logging: Future[list[Experiment]]
) -> ReferenceStudy:
    """Demand estimated from a logged experiment, saved with both populations."""
    study = study_reference_world(
        encoder,
        scenario,
        heldout=logging.result,
        voices=settings.voices,
        visits=settings.visits,
        seed=settings.seed,
        command=run.command,
        progress=sys.stderr.isatty(),
    )
    encoder.save(run.folder / ENCODER, overwrite=True)  # with its figures; nobody beside reads it now
    study.demand.save(run.folder / ENCODER)
    study.learned.save(run.folder / POPULATION)
    study.reference.save(run.folder / "reference")
    return study


@dataclass(frozen=True)
class Rival:
    """A heuristic, tuned and played.

    Args:
        params: tuned; empty where it has none.
        validation: its label and its mean profit on the learner's validation sales.
        table: its test sales.
    """

    params: Mapping[str, Any]
    validation: tuple[str, float]
    table: SaleTable


def tune_and_play(settings: DemoSettings, folder: Path, name: str, params: Mapping[str, Any] | None = None) -> Rival:
    """Tune a heuristic, unless its parameters are given, and play it for the customers in the folder of the run."""
    scenario, customers = load_scenario(settings.scenario), Population.load(folder / POPULATION)
    if params is None:
        params = tune_heuristic(settings, name, scenario, customers)
    player = agents.make(name, scenario, **params)
    return Rival(
        params,
        on_validation(name, scenario, customers, params, sales=settings.validation_sales),
        play_test_sales(player, scenario, customers, settings.evaluation_sales),
    )


def tune_heuristic(settings: DemoSettings, name: str, scenario: Scenario, population: Population) -> Mapping[str, Any]:
    """Parameters of a heuristic; the search starts from the shipped values."""
    if not agents.AGENTS[name].cls.space(scenario):
        return {}
    search = Search(settings.tuning_trials, settings.tuning_sales, settings.seed)
    return tune(name, scenario, population, search=search, start=agents.tuned(name, scenario) or None)


def bound_of(settings: DemoSettings, folder: Path) -> Bound:
    """An upper bound on any policy for the customers in the folder of the run."""
    seeds = split_seeds("test", 0, settings.bound_sales)
    return lagrangian_dual_bound(load_scenario(settings.scenario), Population.load(folder / POPULATION), seeds=seeds)


def learn(
    settings: DemoSettings,
    run: Run,
    scenario: Scenario,
    population: Population,
    adviser_params: Mapping[str, Any] | None,
) -> tuple[Any, Any]:
    """The learner with its best policy on validation customers, saved, and its learning curve.

    It starts from the advice of a heuristic, with these parameters.
    """
    chosen: dict[str, Any] = {"sales": settings.training_sales, "num_envs": settings.training_batch}
    learner = agents.make(
        LEARNER,
        scenario,
        seed=settings.seed,
        validation_sales=settings.validation_sales,
        adviser_params=adviser_params,
        **{name: value for name, value in chosen.items() if value},
    )
    with progress_bar(f"training {LEARNER}") as advance:
        curve = learner.learn(
            population,
            folder=run.folder / POLICY,
            progress=lambda done, total, row: advance(
                done, total, f"validation profit {money(row['profit'])}" if row else ""
            ),
        )
    return learner, curve


def against_best(tables: dict[str, SaleTable]) -> dict[str, Any]:
    """The learner's profit less that of the best heuristic on the same customers."""
    rivals = {name: table["profit"].mean() for name, table in tables.items() if name != LEARNER}
    best = max(rivals, key=lambda name: rivals[name])
    return {"best": best, **difference(tables[LEARNER], tables[best])}


def under_bound(bound: Bound, tables: dict[str, SaleTable]) -> dict[str, float]:
    """The gap between bound and learner, paired over the sales that the bound is averaged over."""
    earned = tables[LEARNER]["profit"][: len(bound.per_sale)]
    gap = paired_difference(bound.per_sale, earned)
    return {"ppo_profit": float(earned.mean()), "gap": gap.mean, "gap_low": gap.low, "gap_high": gap.high}


def verdict(result: Mapping[str, Any]) -> str:
    """The winner, in one sentence: the learner, the best heuristic, or neither."""
    found = result["ppo_vs_best"]
    scale = result["agents"][LEARNER]["mean_profit"]
    best, gap = found["best"], money(abs(found["diff"]), scale)
    interval = f"95 % interval of {LEARNER} - {best}: {low_to_high(found, scale)}"
    if found["ci_low"] > 0:
        return f"{LEARNER} beats the best heuristic, {best}, by {gap} a sale on the same customers ({interval})."
    if found["ci_high"] < 0:
        return f"The heuristic {best} wins: it beats {LEARNER} by {gap} a sale on the same customers ({interval})."
    return f"{LEARNER} and the best heuristic, {best}, do not differ significantly on these customers ({interval})."

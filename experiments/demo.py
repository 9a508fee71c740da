"""The demo: the whole chain from sentences to a trained policy.

Owns    the order of the stages, their timing and `result.json`.
Leaves  each stage to the package that does its work, pictures and page to `pages`.

The folder of a run holds `config.json`, `result.json`, `index.html`, `encoder/` (with its demand model), `population/`
(tastes estimated from text: the customers that the agents meet), `reference/` (the same voices with their true tastes),
`policy/`, `learning_curve.csv`, the tables (.csv, .tex) and the pictures (.svg, .png, and .json for the page).
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
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
from flashsale_env.encoders.world.estimation import ReferenceStudy, study_reference_world
from flashsale_env.experiments.display import notice, progress_bar
from flashsale_env.experiments.evaluate import POLICY, difference, figures, play_test_sales
from flashsale_env.experiments.formats import low_to_high, money
from flashsale_env.experiments.intervals import paired_difference
from flashsale_env.experiments.pages import pictures
from flashsale_env.experiments.pages.demo import write_page
from flashsale_env.experiments.pages.drawn import keep
from flashsale_env.experiments.runs import RESULT, Run, write_json
from flashsale_env.experiments.settings import DemoSettings
from flashsale_env.experiments.train import heuristics_on_validation, opponents, write_curve
from flashsale_env.experiments.tuning import Search, tune
from flashsale_env.theory.bounds import Bound, lagrangian_dual_bound
from flashsale_env.versions import versions

LEARNER = "ppo"

Parameters = dict[str, dict[str, Any]]  # name of the agent -> its parameters


class Clock:
    """Seconds by stage; each stage is announced on standard error."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, title: str) -> Iterator[None]:
        """Time one stage."""
        notice(f"[{len(self.seconds) + 1}/7] {title}")
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 1)


def run_demo(run: Run, settings: DemoSettings) -> dict[str, Any]:
    """Run the chain in the folder of the run, which is claimed, and return the content of `result.json`."""
    scenario = load_scenario(settings.scenario)
    run.begin()
    with one_thread():  # on busy cores a second thread makes every stage slower, up to ten times
        return _stages(run, settings, scenario)


def _stages(run: Run, settings: DemoSettings, scenario: Scenario) -> dict[str, Any]:
    out, clock = run.folder, Clock()

    with clock.stage("encoder", "texts -> BERT: fine-tuning the intent encoder"):
        encoder, encoder_figures = fine_tune(settings, run)
    with clock.stage("demand", "choices -> tastes: estimating demand in the reference world"):
        study = estimate(settings, run, encoder, scenario)
    customers = study.learned
    with clock.stage("tuning", "tuning the heuristics on validation customers"):
        params = tune_heuristics(settings, scenario, customers)
    with clock.stage("training", f"training {LEARNER}"):
        learner, curve = learn(settings, run, scenario, customers, params)
    with clock.stage("evaluation", f"playing {settings.evaluation_sales:,} test sales with every agent"):
        players = {name: agents.make(name, scenario, **params.get(name, {})) for name in opponents(scenario)}
        players[LEARNER] = learner
        tables = play_all(players, scenario, customers, settings.evaluation_sales)
    with clock.stage("bound", "an upper bound on any policy"):
        seeds = split_seeds("test", 0, settings.bound_sales)
        bound = lagrangian_dual_bound(scenario, customers, seeds=seeds)

    result = {
        "encoder": {key: value for key, value in encoder_figures.items() if key != "confusion"},
        "demand": study.figures,
        "agents": {name: figures(table) for name, table in tables.items()},
        "tuned": params,
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
        sales = learner.settings.validation_sales
        levels = heuristics_on_validation(scenario, customers, params, sales=sales)
        learning = write_curve(out, LEARNER, curve, levels, sales, scenario.currency)
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


def fine_tune(settings: DemoSettings, run: Run) -> tuple[IntentEncoder, dict[str, Any]]:
    """A fine-tuned encoder, saved, and its figures on unseen phrasings."""
    seed, sizes = settings.seed, {"train": settings.encoder_train, "validation": settings.encoder_validation}
    train = generate("train", settings.encoder_train, seed)
    unseen = generate("evaluation", settings.encoder_evaluation, seed)
    encoder = IntentEncoder.fine_tune(
        train,
        generate("validation", settings.encoder_validation, seed),
        backbone=settings.backbone,
        epochs=settings.encoder_epochs,
        seed=seed,
        progress=sys.stderr.isatty(),
        corpus={"language": "en", "seed": seed, **sizes},
        command=run.command,
    )
    found, reference = evaluate(encoder, unseen), tfidf_reference(train, unseen)
    encoder.card["figures"] |= {"evaluation": rounded({"en": found}), "tfidf_evaluation": rounded({"en": reference})}
    encoder.save(run.folder / "encoder")
    return encoder, found | {f"tfidf_{key}": value for key, value in reference.items()}


def estimate(settings: DemoSettings, run: Run, encoder: IntentEncoder, scenario: Scenario) -> ReferenceStudy:
    """Demand estimated from a logged experiment, saved with both populations."""
    study = study_reference_world(
        encoder,
        scenario,
        voices=settings.voices,
        heldout_voices=settings.heldout_voices,
        visits=settings.visits,
        heldout_visits=settings.visits,
        seed=settings.seed,
        command=run.command,
        progress=sys.stderr.isatty(),
    )
    study.demand.save(run.folder / "encoder")
    study.learned.save(run.folder / "population")
    study.reference.save(run.folder / "reference")
    return study


def tune_heuristics(settings: DemoSettings, scenario: Scenario, population: Population) -> Parameters:
    """Name -> parameters of every heuristic that has some; the search starts from the shipped values."""
    params = {}
    for name in opponents(scenario):
        if not agents.AGENTS[name].cls.space(scenario):
            continue
        with progress_bar(f"tuning {name}") as advance:
            params[name] = tune(
                name,
                scenario,
                population,
                search=Search(settings.tuning_trials, settings.tuning_sales, settings.seed),
                start=agents.tuned(name, scenario) or None,
                progress=lambda done, total, best: advance(done, total, f"best profit {money(best)}"),
            )
    return params


def learn(
    settings: DemoSettings,
    run: Run,
    scenario: Scenario,
    population: Population,
    params: Parameters,
) -> tuple[Any, Any]:
    """The learner with its best policy on validation customers, saved, and its learning curve.

    It starts from the advice of a heuristic, with the parameters that were tuned here.
    """
    chosen: dict[str, Any] = {"sales": settings.training_sales, "num_envs": settings.training_batch}
    learner = agents.make(
        LEARNER,
        scenario,
        seed=settings.seed,
        validation_sales=settings.validation_sales,
        adviser_params=params.get(preset(scenario).adviser),
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


def play_all(players: dict[str, Any], scenario: Scenario, population: Population, sales: int) -> dict[str, SaleTable]:
    """Every agent on the same test sales."""
    tables = {}
    for name, player in players.items():
        with progress_bar(f"playing {name}") as advance:
            tables[name] = play_test_sales(player, scenario, population, sales, advance)
    return tables


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

"""`flashsale train`: a learner into a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env import Scenario
from flashsale_env.experiments.display import notice, notice_untuned, print_json, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import money
from flashsale_env.experiments.options import (
    Device,
    Json,
    Out,
    Overwrite,
    PopulationOption,
    ScenarioArgument,
    Seed,
    TrainingSales,
    check_tensorboard,
    checked,
)
from flashsale_env.experiments.runs import Run

Learner = Annotated[str, typer.Option("--agent", metavar="NAME", help="A learner; `flashsale list` shows them.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the learner, e.g. --set actions=discrete."),
]
TensorBoard = Annotated[
    Path | None,
    typer.Option(
        "--tensorboard",
        metavar="DIR",
        help="Write the learner's figures for `tensorboard --logdir DIR`.",
        callback=checked(check_tensorboard),
    ),
]

EXAMPLES = (
    "flashsale train gvr-periodic --out runs/ppo",
    "flashsale train standard --agent a2c --sales 20000 --seed 1 --out runs/a2c",
)


@on_interrupt("{out} keeps the last checkpoint: run the same command again to go on.")
def command(
    context: typer.Context,
    scenario: ScenarioArgument,
    out: Out,
    agent: Learner = "ppo",
    population: PopulationOption = None,
    seed: Seed = 0,
    sales: TrainingSales = None,
    assignments: Settings = None,
    tensorboard: TensorBoard = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train a learner.

    The best policy on validation customers is kept. An interrupted training resumes when the command is run again.
    """
    from flashsale_env import agents, load_population, load_scenario

    sale = load_scenario(scenario)
    customers = load_population(population or sale.population, [product.title for product in sale.products])

    from flashsale_env.experiments.train import begin_or_continue, check_learner, with_fingerprints
    from flashsale_env.experiments.train import train as learn

    check_learner(agent, tensorboard=tensorboard is not None)
    settings = settings_of(agent, sale, sales, assignments or ())
    # Made once without a folder, so that a wrong setting is refused before anything is written.
    learner = agents.make(agent, scenario, population=population, device="cpu", seed=seed, **settings)
    notice_untuned(agent, learner, scenario, population)
    asked = {"scenario": scenario, "agent": agent, "population": population or sale.population, "seed": seed}
    run = Run(
        out,
        context.obj,
        options={**asked, "sales": sales, "set": settings, "device": device},
        seeds={"training run": seed, "train split": seed, "validation split": 0},
        inputs=[path for path in (scenario, population) if path and Path(path).exists()],
    )
    run = with_fingerprints(run, sale, customers)
    named: dict[str, Any] = {"agent": agent, "seed": seed, "device": device, "settings": settings}
    with run.claimed(overwrite=overwrite, resume=True):
        if begin_or_continue(run, overwrite=overwrite):
            notice(f"{out} holds an unfinished training: resuming it")
        with progress_bar(f"training {agent}") as advance:

            def report(done: int, total: int, row: Mapping[str, float] | None) -> None:
                advance(done, total, "" if row is None else f"validation profit {money(row['profit'])}")

            curve = learn(run, scenario, customers, tensorboard=tensorboard, progress=report, **named)
    if as_json:
        print_json({"out": str(out), "agent": agent, "best": best_of(curve), "curve": curve})
        return
    show(f"{agent} on {scenario}, validation customers", curve)
    chosen = f" --population {population}" if population else ""
    notice(f"policy in {out}; next: flashsale evaluate {out} --scenario {scenario}{chosen} --against sell_through")


def settings_of(agent: str, sale: Scenario, sales: int | None, assignments: Sequence[str]) -> dict[str, Any]:
    """The learner's settings from --set and --sales."""
    from flashsale_env import agents
    from flashsale_env.experiments.settings import parse_assignments

    settings = parse_assignments(assignments, "learning_rate=0.001")
    for name in settings.keys() & {"name", "scenario", "device", "seed", "sales"}:
        raise ValueError(f"--set {name}: {name} has an option of its own, see `flashsale train --help`.")
    return settings if sales is None else settings | agents.shorter(agent, sale, sales)


def best_of(curve: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The validation whose policy was kept."""
    return max(curve, key=lambda row: row["profit"])


def show(title: str, curve: Sequence[Mapping[str, float]]) -> None:
    """The first, the last and the best policy of a training."""
    best = best_of(curve)
    rows = {"first": curve[0], "last": curve[-1], "best, kept": best}
    show_table(
        title,
        ("policy", "sales played", "mean profit"),
        [(name, f"{row['sales']:,}", money(row["profit"], best["profit"])) for name, row in rows.items()],
    )
    if best["sales"] == 0:
        notice("no policy earned more on validation customers than the initial one; try more --sales")

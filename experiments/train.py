"""Training a learner into a folder, and resuming an interrupted training.

Owns    whether a folder is resumed, started over or refused, and the learning curve beside the policy.
Leaves  learning, checkpoints and the choice of the best policy on validation customers to `agents`.

A folder holds `config.json`, `policy/` (the agent, and during training its checkpoint), `learning_curve.csv` and
`learning_curve` as a picture (.svg, .png) and as a figure for pages (.json).
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from flashsale_env import Population, Scenario, agents, load_scenario
from flashsale_env.agents.fingerprints import fingerprints
from flashsale_env.agents.play import play
from flashsale_env.agents.seeding import validation_seeds
from flashsale_env.errors import unknown_name
from flashsale_env.experiments.evaluate import POLICY
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.drawn import keep
from flashsale_env.experiments.pages.pictures import learning_curve
from flashsale_env.experiments.runs import Run, read_config
from flashsale_env.files import write_atomically

CURVE_TABLE, CURVE_PICTURE = "learning_curve.csv", "learning_curve"  # pictures without their endings
# Options that may differ when a run is resumed, and lists that may grow even after it has finished.
_FREE, _GROWING = ("device",), ("training_seeds",)
# Drawn beside a learning curve where they apply: random actions, rules that a shop would use, the optimum.
OPPONENTS = ("random", "fixed_price", "linear_markdown", "sell_through", "lp_resolve", "base_stock", "dp")

Curve = list[dict[str, float]]
Progress = Callable[[int, int, dict[str, float] | None], None]


def check_learner(name: str, *, tensorboard: bool = False) -> None:
    """Refuse an agent that cannot be trained.

    Args:
        name: of an agent.
        tensorboard: whether it must write figures for TensorBoard.

    Raises:
        ValueError: unknown name, a rule, or a learner that writes no figures for TensorBoard.
    """
    if name not in agents.AGENTS:
        raise ValueError(unknown_name("agent", name, agents.AGENTS))
    learners = [entry.name for entry in agents.AGENTS.values() if entry.learns]
    if name not in learners:
        raise ValueError(
            f"agent {name!r} does not learn: play it with `flashsale evaluate {name} --scenario SCENARIO`, "
            f"or train {' or '.join(learners)}."
        )
    if tensorboard and "tensorboard" not in inspect.signature(agents.AGENTS[name].cls.learn).parameters:
        raise ValueError(f"agent {name!r} writes no figures for TensorBoard: leave out --tensorboard.")


def with_fingerprints(run: Run, scenario: Scenario, population: Population) -> Run:
    """The run with hashes of scenario and population among its options: it is resumed only if both match."""
    return replace(run, options={**run.options, **fingerprints(scenario, population)})


def begin_or_continue(run: Run, *, overwrite: bool) -> bool:
    """Prepare the claimed folder.

    Returns:
        Whether a run is resumed: an unfinished one, or a finished one with more training seeds.

    Raises:
        FileExistsError: the folder holds a finished run, one with other options, or something else.
    """
    config = None if overwrite else read_config(run.folder)
    if config is None:
        run.begin()
        return False
    before = config["options"]
    other = [name for name in run.options if name not in _FREE and before.get(name) != run.options[name]]
    grown = [name for name in other if name in _GROWING and set(before.get(name, ())) < set(run.options[name])]
    differing = ", ".join(
        difference
        for name in other
        if name not in grown
        for difference in _differences(name, before.get(name), run.options[name])
    )
    if config.get("finished") and (differing or not grown):
        what = f" with {differing}" if differing else ""
        raise FileExistsError(
            f"{run.folder} holds a finished run{what}: `flashsale report {run.folder}` shows it; choose another --out, "
            f"or pass --overwrite to start over."
        )
    if differing:
        raise FileExistsError(
            f"{run.folder} holds an unfinished run with {differing}: give the same options to resume it, choose "
            f"another --out, or pass --overwrite to start over."
        )
    if grown:
        run.go_on()
    return True


def _differences(name: str, before: Any, asked: Any) -> Iterator[str]:
    """The differences between two options, each with its path inside them."""
    if isinstance(before, Mapping) and isinstance(asked, Mapping):
        for key in sorted(before.keys() | asked.keys()):
            yield from _differences(f"{name}.{key}", before.get(key), asked.get(key))
    elif isinstance(before, list) and isinstance(asked, list) and len(before) == len(asked):
        for i, pair in enumerate(zip(before, asked, strict=True)):
            yield from _differences(f"{name}[{i}]", *pair)
    elif before != asked:
        yield f"{name} {before!r}, asked for is {asked!r}"


def train(
    run: Run,
    scenario: str | Path | Scenario,
    population: Population,
    *,
    agent: str,
    seed: int,
    device: str,
    settings: dict[str, Any],
    progress: Progress,
    tensorboard: Path | None = None,
) -> Curve:
    """Train to the end and write the learning curve as a table and a picture.

    Args:
        run: whose folder was claimed.
        scenario, population: of the sales; tuned values lie beside the file of a scenario given by path.
        agent: a learner.
        seed: of the training run.
        device: as for `agents.make`.
        settings: of the learner, in place of its preset's.
        progress: as for `learn`.
        tensorboard: folder for the learner's figures, where it writes any.

    Returns:
        One row for each validation, as in `agents.training`.
    """
    learner = agents.make(agent, scenario, population=population, device=device, seed=seed, **settings)
    more = {} if tensorboard is None else {"tensorboard": tensorboard}
    curve: Curve = learner.learn(population, folder=run.folder / POLICY, progress=progress, **more)
    sales = learner.settings.validation_sales
    levels = heuristics_on_validation(scenario, population, sales=sales)
    write_curve(run.folder, agent, curve, levels, sales, load_scenario(scenario).currency)
    run.finish()
    return curve


def write_curve(
    folder: Path, agent: str, curve: Curve, heuristics: Mapping[str, float], sales: int, currency: str = ""
) -> Chart:
    """Write the learning curve as a table and as a picture, and return the picture's figure.

    Args:
        folder: of the run.
        agent: name of the learner.
        curve: as `learn` returns it.
        heuristics: name -> mean profit on the same validation sales.
        sales: number of validation sales.
        currency: of the scenario.
    """
    table = pd.DataFrame(curve).assign(agent=agent, validation_sales=sales)
    write_atomically(folder / CURVE_TABLE, table.to_csv(index=False).encode())
    chart = learning_curve(agent, table, heuristics, sales, currency)
    keep(folder / CURVE_PICTURE, chart)
    return chart


def opponents(scenario: str | Path | Scenario) -> list[str]:
    """Those of `OPPONENTS` that apply to this scenario."""
    return [name for name in OPPONENTS if agents.AGENTS[name].applies(scenario) is None]


def heuristics_on_validation(
    scenario: str | Path | Scenario, population: Population, *, sales: int
) -> dict[str, float]:
    """Label -> mean profit on as many validation sales, of each of `opponents`."""
    return dict(on_validation(name, scenario, population, sales=sales) for name in opponents(scenario))


def on_validation(
    name: str,
    scenario: str | Path | Scenario,
    population: Population,
    params: Mapping[str, Any] | None = None,
    *,
    sales: int,
) -> tuple[str, float]:
    """Label and mean profit on validation sales of a heuristic; the label marks one that was not tuned here.

    Args:
        name: of the heuristic.
        scenario, population: of the sales.
        params: of the heuristic; by default tuned ones, or its defaults.
        sales: as many as the learner is validated on.
    """
    player = agents.make(name, scenario, population=population, **(params or {}))
    profit = play(player, scenario, population, seeds=validation_seeds(sales))["profit"]
    return agents.labelled(name, player), float(profit.mean())

"""Tuning the heuristics, so that a learner is compared with opponents at their best.

    python -m flashsale_env.experiments.tuning standard fixed_price --trials 300
    python -m flashsale_env.experiments.tuning standard fixed_price --trials 100 --refine   from the committed ones

Owns    the search over an agent's declared parameters on validation sales, and the committed results in
        agents/tuned/SCENARIO.json, which `agents.make` uses.

Half the trials go to a tree-structured Parzen estimator (Bergstra et al. 2011, by optuna), which finds the region; the
other half to a pattern search from its best point (Hooke & Jeeves 1961), one parameter at a time, which is the better
tool where products hardly depend on each other. Every trial meets the same sales, so differences are paired.
Where tick and stock are the whole state, a rule's value is computed exactly instead.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from flashsale_env import Population, Scenario, agents, load_scenario
from flashsale_env.agents import AGENTS, play, split_seeds
from flashsale_env.agents.base import Space
from flashsale_env.agents.optimal import evaluate_exactly, remembers, why_no_exact_value
from flashsale_env.errors import unknown_name
from flashsale_env.files import write_atomically

TUNED_FOLDER = Path(agents.__file__).parent / "tuned"

# First step of the pattern search, as a share of a parameter's range; it is halved where no parameter improves.
_FIRST_STEP, _REFINING_STEP, _LAST_STEP = 0.25, 0.06, 0.004

_FRESH_SALES = 4096  # on which the committed figures are measured

_DONE = (optuna.trial.TrialState.COMPLETE,)


def tune(
    name: str,
    scenario: str | Path | Scenario,
    population: str | Path | Population | None = None,
    *,
    trials: int = 200,
    sales: int = 1024,
    seed: int = 0,
    start: dict[str, float] | None = None,
    refine: bool = False,
    progress: Callable[[int, int, float], None] | None = None,
) -> dict[str, float]:
    """The parameters of a heuristic with the highest mean profit on validation sales.

    Args:
        name: a heuristic of `AGENTS`.
        scenario, population: as for `play`.
        trials: parameter sets tried in all.
        sales: validation sales each of them plays.
        seed: of the search.
        start: tried first, beside the committed values, the defaults, and the defaults with orders and promotions as
            they are committed for `fixed_price`.
        refine: whether all other trials go to the pattern search, with small steps: for parameters near their best.
        progress: called after each trial with trials done, trials in all, and the best mean profit so far.

    Raises:
        ValueError: the agent is unknown, learns by itself, or does not apply to the scenario.
    """
    scenario = load_scenario(scenario)
    if name not in AGENTS:
        raise ValueError(unknown_name("agent", name, AGENTS))
    entry = AGENTS[name]
    if entry.learns:
        raise ValueError(f"agent {name!r} learns by itself; tuning is for heuristics.")
    reason = entry.applies(scenario)
    if reason is not None:
        raise ValueError(f"agent {name!r} does not apply to scenario {scenario.name!r}: {reason}.")
    space: Space = entry.cls.space(scenario)
    if not space:
        return {}
    seeds = split_seeds("validation", 0, sales)
    exact = population is None and has_exact_value(name, scenario)

    def profit(trial: optuna.Trial) -> float:
        params = {
            key: trial.suggest_int(key, int(low), int(high))
            if isinstance(low, int)
            else trial.suggest_float(key, low, high)
            for key, (low, high) in space.items()
        }
        agent = entry.cls(scenario, **params)
        if exact:
            return evaluate_exactly(agent, scenario)
        return float(play(agent, scenario, population, seeds=seeds)["profit"].mean())

    def report(study: optuna.Study, _: Any) -> None:
        if progress is not None:
            progress(len(study.get_trials(deepcopy=False, states=_DONE)), trials, study.best_value)

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=max(5, trials // 20))
        study = optuna.create_study(direction="maximize", sampler=sampler)
        defaults = entry.cls.defaults(scenario)
        shared = {key: value for key, value in agents.tuned("fixed_price", scenario).items() if key in space}
        known = [start, agents.tuned(name, scenario), defaults | shared, defaults]
        first = [params for i, params in enumerate(known) if params and params not in known[:i]][:trials]
        for params in first:
            study.enqueue_trial(params)
        study.optimize(profit, n_trials=len(first) if refine else max(len(first), trials // 2), callbacks=[report])
        step = _REFINING_STEP if refine else _FIRST_STEP
        _pattern_search(study, space, profit, trials, step, np.random.default_rng(seed), report)
        if progress is not None:  # the pattern search stops early where no step improves
            progress(trials, trials, study.best_value)
    finally:
        optuna.logging.set_verbosity(verbosity)
    return dict(study.best_params)


def has_exact_value(name: str, scenario: Scenario) -> bool:
    """Whether a rule's expected profit is computed exactly, among the scenario's own customers."""
    return why_no_exact_value(scenario) is None and not remembers(AGENTS[name].cls(scenario), scenario)


def _pattern_search(
    study: optuna.Study,
    space: Space,
    objective: Callable[[optuna.Trial], float],
    trials: int,
    step: float,
    rng: np.random.Generator,
    report: Callable[[optuna.Study, Any], None],
) -> None:
    """Step every parameter down and up from the best point, the steps halving, until the trials are spent."""
    tried = {tuple(t.params[key] for key in space) for t in study.trials}
    while step >= _LAST_STEP:
        improved = False
        for key in rng.permutation(list(space)):
            low, high = space[key]
            for sign in (-1, 1):
                if len(study.trials) >= trials:
                    return
                size = step * (high - low)
                value = study.best_params[key] + sign * (max(1, round(size)) if isinstance(low, int) else size)
                candidate = {**study.best_params, key: min(max(value, low), high)}
                point = tuple(candidate[k] for k in space)
                if point in tried:
                    continue
                tried.add(point)
                before = study.best_value
                study.enqueue_trial(candidate)
                study.optimize(objective, n_trials=1, callbacks=[report])
                if study.best_value > before:
                    improved = True
                    break
        if not improved:
            step /= 2


def commit(name: str, scenario: Scenario, params: dict[str, float], figures: dict[str, Any]) -> Path:
    """Write tuned parameters to agents/tuned/SCENARIO.json, beside those of the other agents."""
    path = TUNED_FOLDER / f"{scenario.name}.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    content[name] = {"params": params, **figures}
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def main(arguments: list[str] | None = None) -> None:
    """Tune agents on a shipped scenario and commit the results."""
    parser = argparse.ArgumentParser(prog="python -m flashsale_env.experiments.tuning", description=main.__doc__)
    parser.add_argument("scenario")
    parser.add_argument("agents", nargs="*", help="all heuristics with parameters by default")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--sales", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--refine", action="store_true", help="small steps from the committed values")
    options = parser.parse_args(arguments)
    scenario = load_scenario(options.scenario)
    command = shlex.join(
        ["python", "-m", "flashsale_env.experiments.tuning", *(sys.argv[1:] if arguments is None else arguments)]
    )
    names = options.agents or [
        name
        for name, entry in AGENTS.items()
        if not entry.learns and entry.applies(scenario) is None and entry.cls.space(scenario)
    ]
    for name in names:

        def show(done: int, total: int, best: float, name: str = name) -> None:
            print(f"\r{scenario.name} {name}: {done}/{total} trials, best {best:,.6g}", end="", file=sys.stderr)

        params = tune(
            name,
            scenario,
            trials=options.trials,
            sales=options.sales,
            seed=options.seed,
            refine=options.refine,
            progress=show,
        )
        print(file=sys.stderr)
        figures = {**_figures(name, scenario, params, options.sales), "command": command}
        path = commit(name, scenario, params, figures)
        print(f"{scenario.name} {name}: mean profit {figures['profit']:,} ({figures['evaluated']}) -> {path}")


def _figures(name: str, scenario: Scenario, params: dict[str, float], seen: int) -> dict[str, Any]:
    """Mean profit, exactly or on sales that the search did not see, so that it is no maximum over trials."""
    agent = AGENTS[name].cls(scenario, **params)
    if has_exact_value(name, scenario):
        return {"profit": round(evaluate_exactly(agent, scenario), 6), "evaluated": "exactly"}
    profit = play(agent, scenario, seeds=split_seeds("validation", 0, _FRESH_SALES, start=seen))["profit"]
    return {
        "profit": round(float(profit.mean()), 4),
        "standard_error": round(float(profit.std(ddof=1) / len(profit) ** 0.5), 4),
        "evaluated": f"on {len(profit)} sales that the search did not see",
    }


if __name__ == "__main__":
    main()

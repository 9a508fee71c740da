"""Tuning the heuristics, so that a learner is compared with opponents at their best.

    flashsale tune standard fixed_price --trials 300
    flashsale tune standard fixed_price --trials 100 --refine     small steps from the values that are kept
    flashsale tune standard --trials 0                            no search: the kept values are measured again here

Owns    the search over an agent's declared parameters on validation sales, and the figures that are kept with them.
Leaves  the files, and when their values are used, to `agents.tuned_values`.

Half the trials go to a tree-structured Parzen estimator (Bergstra et al. 2011, by optuna), which finds the region; the
other half to a pattern search from its best point (Hooke & Jeeves 1961), one parameter at a time, which is the better
tool where products hardly depend on each other. Every trial meets the same sales, so differences are paired.
Where tick and stock are the whole state, a rule's value is computed exactly instead.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from flashsale_env import Population, Scenario, agents, load_population, load_scenario
from flashsale_env.agents import play, split_seeds
from flashsale_env.agents.base import Space
from flashsale_env.agents.exact import evaluate_exactly, remembers, why_no_exact_value
from flashsale_env.agents.fingerprints import fingerprints
from flashsale_env.agents.tuned_values import as_json, home, read, write
from flashsale_env.experiments.statistics import paired_difference

# First step of the pattern search, as a share of a parameter's range; it is halved where no parameter improves.
_FIRST_STEP, _REFINING_STEP, _LAST_STEP = 0.25, 0.06, 0.004

_FRESH_SALES = 4096  # on which the figures that are kept are measured

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
        name: a heuristic of `AGENTS`, or an agent of yours that declares a `space`.
        scenario, population: as for `play`.
        trials: parameter sets tried in all.
        sales: validation sales each of them plays.
        seed: of the search.
        start: tried first, beside values that are kept for the scenario, also for an earlier state of it, the defaults,
            and the defaults with orders and promotions as they are kept for `fixed_price`.
        refine: whether all other trials go to the pattern search, with small steps: for parameters near their best.
        progress: called after each trial with trials done, trials in all, and the best mean profit so far.

    Raises:
        ValueError: the agent is unknown, learns by itself, or does not apply to the scenario.
    """
    named, scenario = scenario, load_scenario(scenario)
    space = tunable_space(name, scenario)
    if not space:
        return {}
    if trials < 1 or sales < 1:
        raise ValueError(f"a search needs at least 1 trial on at least 1 sale, got {trials} on {sales}.")
    seeds = split_seeds("validation", 0, sales)
    exact = population is None and has_exact_value(name, scenario)

    def profit(trial: optuna.Trial) -> float:
        params = {
            key: trial.suggest_int(key, int(low), int(high))
            if isinstance(low, int)
            else trial.suggest_float(key, low, high)
            for key, (low, high) in space.items()
        }
        agent = agents.make(name, scenario, **params)
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
        defaults = _defaults(name, scenario)
        shared = {key: value for key, value in _kept_orders(named, population).items() if key in space}
        known = [start, *_kept(name, home(named), space), defaults | shared, defaults]
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


def tunable_space(name: str, scenario: Scenario) -> Space:
    """What there is to tune; empty where an agent has no parameters here.

    Raises:
        ValueError: the agent is unknown, learns by itself, or does not apply to the scenario.
    """
    entry = agents.entry(name)
    if entry.learns:
        raise ValueError(f"agent {name!r} learns by itself; tuning is for rules.")
    reason = entry.applies(scenario)
    if reason is not None:
        raise ValueError(f"agent {name!r} does not apply to scenario {scenario.name!r}: {reason}.")
    return entry.space(scenario)


def tunable(scenario: Scenario) -> list[str]:
    """The rules of `AGENTS` that have something to tune here."""
    return [
        name
        for name, entry in agents.AGENTS.items()
        if not entry.learns and entry.applies(scenario) is None and entry.space(scenario)
    ]


def _defaults(name: str, scenario: Scenario) -> dict[str, float]:
    declared = getattr(agents.entry(name).cls, "defaults", None)
    return {} if declared is None else dict(declared(scenario))


def _kept_orders(scenario: str | Path | Scenario, population: Any) -> dict[str, float]:
    applies = agents.AGENTS["fixed_price"].applies(scenario) is None
    return agents.tuned("fixed_price", scenario, population) if applies else {}


def _kept(name: str, path: Path | None, space: Space) -> list[dict[str, float]]:
    """Values in a file that lie in these ranges, whatever game they were tuned for, the latest first."""
    entries = [] if path is None else read(path).get(name, [])
    fitting = [
        entry["params"]
        for entry in entries
        if entry["params"].keys() == space.keys()
        and all(low <= entry["params"][key] <= high for key, (low, high) in space.items())
    ]
    return [dict(params) for params in reversed(fitting)]


def has_exact_value(name: str, scenario: Scenario) -> bool:
    """Whether a rule's expected profit is computed exactly, among the scenario's own customers."""
    return why_no_exact_value(scenario) is None and not remembers(agents.make(name, scenario), scenario)


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


def tune_and_keep(
    name: str,
    scenario: str | Path | Scenario,
    population: str | Path | Population | None = None,
    *,
    trials: int = 200,
    sales: int = 1024,
    seed: int = 0,
    refine: bool = False,
    out: Path | None = None,
    command: str = "",
    progress: Callable[[int, int, float], None] | None = None,
) -> dict[str, Any]:
    """Tune a rule and keep its values, with what they gain over its defaults on sales that the search did not see.

    Args:
        name, scenario, population, sales, seed, refine, progress: as for `tune`.
        trials: as for `tune`; 0 searches nothing, and measures the values that the file holds in this game.
        out: file of the values, in place of the one beside the scenario.
        command: what is kept as the source of the values.

    Returns:
        The entry of the file, see `agents.tuned_values`.

    Raises:
        ValueError: as `tune`; nothing to tune; no file for a scenario built in Python; no values to measure again, or
            values that earn less here than the defaults.
    """
    sale = load_scenario(scenario)
    space = tunable_space(name, sale)
    if not space:
        raise ValueError(f"agent {name!r} has no parameters on scenario {sale.name!r}: there is nothing to tune.")
    path = home(scenario) if out is None else out
    if path is None:
        raise ValueError(f"scenario {sale.name!r} was built in Python and has no file beside it: say where with out.")
    searched = command
    if trials:
        params = tune(
            name,
            scenario,
            population,
            trials=trials,
            sales=sales,
            seed=seed,
            refine=refine,
            progress=progress,
        )
    else:
        kept = _kept(name, path, space)
        if not kept:
            raise ValueError(f"{path} holds no values of {name!r} in the ranges of this scenario: give --trials.")
        params = kept[0]
        of = next(entry for entry in reversed(read(path)[name]) if entry["params"] == params)
        searched, sales = of.get("searched", command), of.get("sales", sales)
    figures = measure(name, sale, population, params, sales)
    if not trials and figures["gain"]["ci_high"] < 0:
        raise ValueError(
            f"the values of {name!r} in {path} earn {-figures['gain']['mean']:,.4g} less on {sale.name!r} than its "
            f"defaults: they are not tuned for it. Give --trials to search."
        )
    customers = load_population(
        sale.population if population is None else population, [product.title for product in sale.products]
    )
    named = sale.population if population is None else population
    entry = {
        **fingerprints(sale, customers),
        "population": "given as an object" if isinstance(named, Population) else str(named),
        "space": as_json(space),
        "params": params,
        **figures,
        "sales": sales,
        "searched": searched,
        "command": command,
    }
    write(path, name, entry)
    return entry


def measure(
    name: str,
    scenario: Scenario,
    population: str | Path | Population | None,
    params: dict[str, float],
    seen: int,
) -> dict[str, Any]:
    """Profit of these parameters and of the defaults, exactly or on sales that the search did not see.

    So it is no maximum over trials.

    Returns:
        "profit", "untuned_profit", "gain" ("mean", "ci_low", "ci_high" of the difference on the same sales),
        "standard_error" of the profit (0 where it is exact) and "evaluated".
    """
    pair = [agents.make(name, scenario, **chosen) for chosen in (params, _defaults(name, scenario))]
    if population is None and has_exact_value(name, scenario):
        value, untuned = (round(evaluate_exactly(agent, scenario), 6) for agent in pair)
        gain = {part: round(value - untuned, 6) for part in ("mean", "ci_low", "ci_high")}
        return {"profit": value, "untuned_profit": untuned, "gain": gain, "standard_error": 0.0, "evaluated": "exactly"}
    seeds = split_seeds("validation", 0, _FRESH_SALES, start=seen)
    profit, before = (play(agent, scenario, population, seeds=seeds)["profit"] for agent in pair)
    less = paired_difference(profit, before)
    return {
        "profit": round(float(profit.mean()), 4),
        "untuned_profit": round(float(before.mean()), 4),
        "gain": {"mean": round(less.mean, 4), "ci_low": round(less.low, 4), "ci_high": round(less.high, 4)},
        "standard_error": round(float(profit.std(ddof=1) / len(profit) ** 0.5), 4),
        "evaluated": f"on {len(profit)} sales that the search did not see",
    }

"""Tuning rules, so that learners are compared with well-tuned opponents.

    flashsale tune standard fixed_price --trials 300
    flashsale tune standard fixed_price --trials 100 --refine     small steps from the kept values
    flashsale tune standard --trials 0                            no search: measure the kept values again

Owns    the search over an agent's declared parameters on validation sales, and the figures kept with the result.
Leaves  the files, and when their values are used, to `agents.tuned_values`.

Half the trials go to a tree-structured Parzen estimator (Bergstra et al. 2011, by optuna), which finds the region. The
other half go to a pattern search from its best point (Hooke & Jeeves 1961), one parameter at a time, which works better
where products hardly interact. All trials play the same sales, so comparisons are paired. Where tick and stock are the
whole state, the value of a rule is computed exactly instead.
"""

from collections.abc import Callable
from dataclasses import dataclass
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
from flashsale_env.experiments.intervals import paired_difference

# Steps of the pattern search, as shares of a parameter's range; a step is halved when no parameter improves.
_FIRST_STEP, _REFINING_STEP, _LAST_STEP = 0.25, 0.06, 0.004

_FRESH_SALES = 4096  # sales on which the kept figures are measured

_DONE = (optuna.trial.TrialState.COMPLETE,)


@dataclass(frozen=True)
class Search:
    """How large a search is.

    Args:
        trials: parameter sets tried in all.
        sales: validation sales played with each.
        seed: of the search.
        refine: whether the pattern search starts at once and with small steps, for parameters near their best.
    """

    trials: int = 200
    sales: int = 1024
    seed: int = 0
    refine: bool = False


def tune(
    name: str,
    scenario: str | Path | Scenario,
    population: str | Path | Population | None = None,
    *,
    search: Search = Search(),
    start: dict[str, float] | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> dict[str, float]:
    """The parameters of a rule with the highest mean profit on validation sales.

    The search starts from known points: values kept for the scenario, also for earlier versions of it; the defaults;
    and the defaults with the orders and promotions kept for `fixed_price`.

    Args:
        name: a rule of `AGENTS`, or an agent of yours that declares a `space`.
        scenario, population: as for `play`.
        search: how many trials on how many sales.
        start: tried first of all.
        progress: called after each trial with trials done, trials in all, and the best mean profit so far.

    Raises:
        ValueError: the agent is unknown, is a learner, or does not apply to the scenario; or the search has no trials.
    """
    named, scenario = scenario, load_scenario(scenario)
    space = tunable_space(name, scenario)
    if not space:
        return {}
    trials = search.trials
    if trials < 1 or search.sales < 1:
        raise ValueError(f"a search needs at least 1 trial on at least 1 sale, got {trials} on {search.sales}.")
    seeds = split_seeds("validation", 0, search.sales)
    exact = population is None and has_exact_value(name, scenario)

    def profit(trial: optuna.Trial) -> float:
        params: dict[str, Any] = {
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
        sampler = optuna.samplers.TPESampler(seed=search.seed, multivariate=True, n_startup_trials=max(5, trials // 20))
        study = optuna.create_study(direction="maximize", sampler=sampler)
        defaults = _defaults(name, scenario)
        shared = {key: value for key, value in _kept_orders(named, population).items() if key in space}
        known = [start, *_kept(name, home(named), space), defaults | shared, defaults]
        first = [params for i, params in enumerate(known) if params and params not in known[:i]][:trials]
        for params in first:
            study.enqueue_trial(params)
        sampled = len(first) if search.refine else max(len(first), trials // 2)
        study.optimize(profit, n_trials=sampled, callbacks=[report])
        step = _REFINING_STEP if search.refine else _FIRST_STEP
        _pattern_search(study, space, profit, trials, step, np.random.default_rng(search.seed), report)
        if progress is not None:  # the pattern search may stop early
            progress(trials, trials, study.best_value)
    finally:
        optuna.logging.set_verbosity(verbosity)
    return dict(study.best_params)


def tunable_space(name: str, scenario: Scenario) -> Space:
    """Ranges of the parameters of a rule; empty where it has none in this scenario.

    Raises:
        ValueError: the agent is unknown, is a learner, or does not apply to the scenario.
    """
    entry = agents.entry(name)
    if entry.learns:
        raise ValueError(f"agent {name!r} learns by itself: tuning is for rules.")
    reason = entry.applies(scenario)
    if reason is not None:
        raise ValueError(f"agent {name!r} does not apply to scenario {scenario.name!r}: {reason}.")
    return entry.space(scenario)


def tunable(scenario: Scenario) -> list[str]:
    """The rules of `AGENTS` with parameters in this scenario."""
    return [
        name
        for name, entry in agents.AGENTS.items()
        if not entry.learns and entry.applies(scenario) is None and entry.space(scenario)
    ]


def _defaults(name: str, scenario: Scenario) -> dict[str, float]:
    declared = getattr(agents.entry(name).cls, "defaults", None)
    return {} if declared is None else dict(declared(scenario))


def _kept_orders(scenario: str | Path | Scenario, population: Any) -> dict[str, float]:
    """Parameters kept for `fixed_price`; the names of orders and promotions are the same for other rules."""
    applies = agents.AGENTS["fixed_price"].applies(scenario) is None
    return agents.tuned("fixed_price", scenario, population) if applies else {}


def _kept(name: str, path: Path | None, space: Space) -> list[dict[str, float]]:
    """Values in a file that lie in these ranges, the latest first, whatever scenario they were tuned for."""
    entries = [] if path is None else read(path).get(name, [])
    fitting = [
        entry["params"]
        for entry in entries
        if entry["params"].keys() == space.keys()
        and all(low <= entry["params"][key] <= high for key, (low, high) in space.items())
    ]
    return [dict(params) for params in reversed(fitting)]


def has_exact_value(name: str, scenario: Scenario) -> bool:
    """Whether the expected profit of a rule can be computed exactly, with the scenario's own customers."""
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
    """From the best point step each parameter down and up, halving the step, until the trials are used up."""
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
    search: Search = Search(),
    out: Path | None = None,
    command: str = "",
    progress: Callable[[int, int, float], None] | None = None,
) -> dict[str, Any]:
    """Tune a rule and keep its values, with their gain over its defaults on sales outside the search.

    Args:
        name, scenario, population, progress: as for `tune`.
        search: as for `tune`; with 0 trials there is no search, and the values in the file are measured here.
        out: file of the values, in place of the one beside the scenario.
        command: kept as the source of the values.

    Returns:
        The entry of the file, see `agents.tuned_values`.

    Raises:
        ValueError: as `tune`; nothing to tune; no file for a scenario built in Python; or, with 0 trials, no values in
            the file, or values that earn less here than the defaults.
    """
    sale = load_scenario(scenario)
    space = tunable_space(name, sale)
    if not space:
        raise ValueError(f"agent {name!r} has no parameters on scenario {sale.name!r}: there is nothing to tune.")
    path = home(scenario) if out is None else out
    if path is None:
        raise ValueError(f"scenario {sale.name!r} was built in Python and has no file beside it: give one as out.")
    searched, sales = command, search.sales
    if search.trials:
        params = tune(name, scenario, population, search=search, progress=progress)
    else:
        kept = _kept(name, path, space)
        if not kept:
            raise ValueError(f"{path} holds no values of {name!r} in the ranges of this scenario: give --trials.")
        params = kept[0]
        of = next(entry for entry in reversed(read(path)[name]) if entry["params"] == params)
        searched, sales = of.get("searched", command), of.get("sales", sales)
    figures = measure(name, sale, population, params, sales)
    if not search.trials and figures["gain"]["ci_high"] < 0:
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
    """Profit of these parameters and of the defaults, exactly or on sales outside the search.

    Fresh sales avoid the optimistic bias of the maximum over trials.

    Args:
        name: of a rule.
        scenario, population: as for `play`.
        params: tuned ones.
        seen: validation sales used by the search, the first ones.

    Returns:
        "profit", "untuned_profit", "gain" ("mean", "ci_low", "ci_high" of the paired difference), "standard_error" of
        the profit (0 where it is exact) and "evaluated" (how).
    """
    sets: tuple[dict[str, Any], ...] = (params, _defaults(name, scenario))
    pair = [agents.make(name, scenario, **chosen) for chosen in sets]
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
